//! Real connections: who is let in, and who is not.

use std::process::Command;

use claviger_control::message::{Access, CreateKeys, CreateStore, IssueCertificate, NewKey};
use claviger_control::secret::SecretText;
use claviger_control::{ControlClient, ControlError};
use claviger_daemon::authority::{Issued, Purpose};
use claviger_daemon::limits::CONTROL_CONNECTIONS_MAX;
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use crate::support::{Running, authority, issue, write, write_pem};

async fn create_store(client: &ControlClient, name: &str) {
    let access = Access { client_certificate: true, ..Access::default() };
    client.create_store(&CreateStore { name: name.to_owned(), access }).await.unwrap();
}

fn refused(error: &ControlError) -> bool {
    matches!(error, ControlError::ClientCertificate { .. })
}

// R-O1, R-A10
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_does_everything_over_real_mutual_tls() {
    let running = Running::start().await;
    let client = running.administrator();
    assert!(client.ready().await.unwrap().ready);
    create_store(&client, "payments").await;
    let value = Some(SecretText::base64_of(b"hunter2"));
    let password = NewKey { value, ..NewKey::new("password", "OPAQUE") };
    let records = NewKey::new("records", "XAES-256-GCM");
    client.create_keys("payments", &CreateKeys { keys: vec![password, records] }).await.unwrap();
    assert_eq!(client.rotate_key("payments", "records").await.unwrap().current_version, Some(2));
    assert_eq!(client.disable_key("payments", "records").await.unwrap().state, "disabled");
    assert_eq!(client.enable_key("payments", "records").await.unwrap().state, "available");
    assert_eq!(client.keys("payments", Some("password")).await.unwrap().keys.len(), 1);
    assert_eq!(client.stores(None).await.unwrap().stores.len(), 1);
    let Err(ControlError::Refused(problem)) = client.store("absent").await else { panic!("found what is not there") };
    assert_eq!(problem.status, 404);
    running.daemon.stop().await;
}

// R-O1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_of_other_authorities_are_refused() {
    let running = Running::start().await;
    let administrator = running.administrator();
    create_store(&administrator, "payments").await;
    let request = IssueCertificate { common_name: "billing".into(), ..IssueCertificate::default() };
    let of_store = administrator.issue_certificate("payments", &request).await.unwrap();
    let of_store = Issued {
        certificate: crate::support::certificate(&of_store.certificate),
        private_key: of_store.private_key.map(|key| Zeroizing::new(key.expose().to_owned())),
        not_after: std::time::SystemTime::now(),
    };
    let of_server_authority = issue(&running.server, "Ada", &Purpose::Client);
    let of_stranger = issue(&authority("Administrators"), "Ada", &Purpose::Client);
    let for_servers = issue(&running.administrators, "Ada", &Purpose::Server(&crate::support::names()));
    for (what, certificate) in [
        ("a key store's", &of_store),
        ("the server's authority's", &of_server_authority),
        ("a stranger's", &of_stranger),
        ("one for servers", &for_servers),
    ] {
        let error = running.client(certificate).health().await.unwrap_err();
        assert!(refused(&error), "{what}: {error}");
        assert!(error.to_string().contains("administrator"), "{error}");
    }
    running.daemon.stop().await;
}

// R-O1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_who_never_finish_a_handshake_do_not_keep_administrators_out() {
    let running = Running::start().await;
    let address = running.daemon.control_address();
    // They are accepted in their order, so all of them are in before the administrator.
    let strangers: Vec<_> =
        (0..CONTROL_CONNECTIONS_MAX + 1).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
    running.administrator().health().await.unwrap();
    drop(strangers);
    running.daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_refuses_a_server_of_another_authority() {
    let running = Running::start().await;
    let other = Running { server: authority("Server"), ..running };
    let error = other.administrator().health().await.unwrap_err();
    assert!(matches!(error, ControlError::Server { .. }), "{error}");
    other.daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_at_the_address_is_told_with_what_to_look_for() {
    let running = Running::start().await;
    let client = running.administrator();
    running.daemon.stop().await;
    let error = client.health().await.unwrap_err();
    assert!(error.to_string().contains("is clavigerd running there?"), "{error}");
}

// R-P5, R-O1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_before_1_3_and_connections_without_a_certificate_are_refused() {
    let running = Running::start().await;
    let folder = &running.folder;
    write(folder, "server-ca.pem", &claviger_daemon::pem::encode("CERTIFICATE", running.server.certificate()));
    write_pem(folder, "ada", &issue(&running.administrators, "Ada", &Purpose::Client));
    let address = running.daemon.control_address().to_string();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let ask = |extra: &[&str]| {
        let (authority, address, extra) =
            (path("server-ca.pem"), address.clone(), extra.iter().map(ToString::to_string).collect::<Vec<_>>());
        tokio::task::spawn_blocking(move || {
            let mut command = Command::new("sh");
            let request = "printf 'GET /v1/health HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' | openssl s_client -quiet -CAfile \"$0\" -connect \"$@\" 2>&1";
            command.args(["-c", request]).arg(authority).arg(address).args(extra);
            String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned()
        })
    };
    let (certificate, key) = (path("ada.pem"), path("ada-key.pem"));
    let mine = ["-cert", &certificate, "-key", &key];
    let served = ask(&mine).await.unwrap();
    assert!(served.contains("HTTP/1.1 200"), "{served}");
    for (extra, what) in [(vec![], "no certificate"), ([mine.as_slice(), &["-tls1_2"]].concat(), "TLS 1.2")] {
        let refused = ask(&extra).await.unwrap();
        assert!(refused.contains("alert"), "{what}: {refused}");
        assert!(!refused.contains("HTTP/1.1"), "{what}: {refused}");
    }
    running.daemon.stop().await;
}

// R-O4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_certificate_of_the_server_must_belong_to_its_key() {
    let running = Running::start().await;
    let config = {
        let mut config = crate::support::config(running.folder.path());
        config.data.address = "127.0.0.1:0".parse().unwrap();
        config.control.address = config.data.address;
        config
    };
    running.daemon.stop().await;
    write_pem(&running.folder, "other", &issue(&running.server, "other", &Purpose::Server(&crate::support::names())));
    std::fs::copy(running.folder.path().join("other-key.pem"), running.folder.path().join("tls/server-key.pem"))
        .unwrap();
    let listeners = claviger_daemon::run::Listeners::bind(&config).unwrap();
    let error = claviger_daemon::run::Daemon::start(&config, listeners).await.err().unwrap();
    assert!(!format!("{error:#}").is_empty());
}

#[test]
fn an_address_without_a_port_is_refused_at_once() {
    let administrators = authority("Administrators");
    let issued = issue(&administrators, "Ada", &Purpose::Client);
    let credential = crate::support::credential(&issued);
    let server_authorities: Vec<CertificateDer<'static>> = vec![administrators.certificate().clone()];
    let credentials = claviger_control::Credentials {
        server_authorities,
        certificate_chain: credential.certificate_chain,
        private_key: credential.private_key,
    };
    let error = ControlClient::new("localhost", credentials).err().unwrap();
    assert!(error.to_string().contains("HOST:PORT"), "{error}");
}
