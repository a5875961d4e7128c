//! Persons, and what they do with their roles.

use std::sync::Arc;

use claviger_control::message::{AddPerson, AddPersonCertificate, GrantRole, RemovePersonCertificate};
use claviger_control::{ControlClient, ControlError};
use claviger_daemon::authority::{Issued, Purpose};
use claviger_daemon::control::caller::Caller;
use claviger_daemon::pem::{self, Credential};
use http::StatusCode;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use crate::support::{Port, Reply, Running, authority, credential, issue, issue_ended, request};

fn pem(issued: &Issued) -> String {
    pem::encode("CERTIFICATE", &issued.certificate).to_string()
}

async fn send(port: &Port, caller: &Caller, method: &str, path: &str, body: &Value) -> Reply {
    let body = if method == "GET" { String::new() } else { body.to_string() };
    port.send_as(caller, request(method, path, &body)).await
}

// R-A8
#[tokio::test]
async fn what_a_key_manager_creates_is_his_and_nothing_else_is() {
    let port = Port::with_store().await;
    port.create_keys(json!([{"name": "theirs", "algorithm": "Ed25519"}])).await;
    let grant = json!({"role": "key-manager", "store": "store", "may_create": true});
    let ada = port.person("ada", std::slice::from_ref(&grant)).await;
    let bob = port.person("bob", &[grant]).await;
    let keys = json!({"keys": [{"name": "mine", "algorithm": "Ed25519"}]});
    assert_eq!(send(&port, &ada, "POST", "/v1/stores/store/keys", &keys).await.status, StatusCode::CREATED);
    assert_eq!(send(&port, &ada, "POST", "/v1/stores/store/keys/mine/rotate", &json!({})).await.status, StatusCode::OK);
    for (caller, key) in [(&ada, "theirs"), (&bob, "mine"), (&bob, "theirs")] {
        let reply = send(&port, caller, "POST", &format!("/v1/stores/store/keys/{key}/rotate"), &json!({})).await;
        assert_eq!((reply.status, reply.problem()), (StatusCode::NOT_FOUND, "key-not-found"));
    }
    let person = port.get("/v1/persons/ada").await.body;
    assert_eq!(person["grants"][0]["key_count"], 1);
    assert_eq!(person["grants"][0]["keys"][0]["name"], "mine");
}

// R-A8, R-K18
#[tokio::test]
async fn imports_of_others_are_not_there_for_a_key_manager() {
    let port = Port::with_store().await;
    let grant = json!({"role": "key-manager", "store": "store", "may_create": true});
    let ada = port.person("ada", std::slice::from_ref(&grant)).await;
    let bob = port.person("bob", &[grant]).await;
    let new = json!({"name": "key", "algorithm": "Ed25519"});
    let begun = send(&port, &ada, "POST", "/v1/stores/store/imports", &new).await;
    assert_eq!(begun.status, StatusCode::CREATED, "{}", begun.body);
    let path = format!("/v1/stores/store/imports/{}", begun.body["id"].as_str().unwrap());
    assert_eq!(send(&port, &ada, "GET", &path, &json!({})).await.status, StatusCode::OK);
    for (method, path, body) in [
        ("GET", path.clone(), json!({})),
        ("POST", format!("{path}/cancel"), json!({})),
        ("POST", format!("{path}/complete"), json!({"wrapped": ""})),
    ] {
        let reply = send(&port, &bob, method, &path, &body).await;
        assert_eq!((reply.status, reply.problem()), (StatusCode::NOT_FOUND, "import-not-found"), "{path}");
    }
    let imports = |reply: Reply| reply.body["imports"].as_array().unwrap().len();
    assert_eq!(imports(send(&port, &bob, "GET", "/v1/stores/store/imports", &json!({})).await), 0);
    assert_eq!(imports(send(&port, &ada, "GET", "/v1/stores/store/imports", &json!({})).await), 1);
    // An import that he may not begin: of a key that is not his.
    port.create_keys(json!([{"name": "theirs", "algorithm": "Ed25519"}])).await;
    let version = send(&port, &bob, "POST", "/v1/stores/store/imports", &json!({"key": "theirs"})).await;
    assert_eq!((version.status, version.problem()), (StatusCode::NOT_FOUND, "key-not-found"));
}

// R-A8
#[tokio::test]
async fn a_role_that_is_taken_is_gone_with_the_next_request() {
    let port = Port::with_store().await;
    port.create_keys(json!([{"name": "key", "algorithm": "Ed25519"}])).await;
    let ada = port.person("ada", &[]).await;
    let rotate = "/v1/stores/store/keys/key/rotate";
    for (grant, revoke) in [
        (
            json!({"role": "store-administrator", "store": "store"}),
            json!({"role": "store-administrator", "store": "store"}),
        ),
        (
            json!({"role": "key-manager", "store": "store", "keys": ["key"]}),
            json!({"role": "key-manager", "store": "store", "keys": ["key"]}),
        ),
        (json!({"role": "system-administrator"}), json!({"role": "system-administrator"})),
    ] {
        assert_eq!(send(&port, &ada, "POST", rotate, &json!({})).await.status, StatusCode::NOT_FOUND);
        assert_eq!(port.post("/v1/persons/ada/grants", &grant).await.status, StatusCode::OK);
        assert_eq!(send(&port, &ada, "POST", rotate, &json!({})).await.status, StatusCode::OK, "{grant}");
        assert_eq!(port.post("/v1/persons/ada/grants/revoke", &revoke).await.status, StatusCode::OK);
    }
    assert_eq!(send(&port, &ada, "POST", rotate, &json!({})).await.status, StatusCode::NOT_FOUND);
}

// R-A8
#[tokio::test]
async fn nobody_grants_himself_anything_but_a_system_administrator() {
    let port = Port::with_store().await;
    let all = ["store-administrator", "key-manager", "requester", "approver", "auditor"];
    let mut grants: Vec<_> = all.map(|role| json!({"role": role, "store": "store"})).to_vec();
    grants.push(json!({"role": "auditor"}));
    let ada = port.person("ada", &grants).await;
    let own = pem(&issue(&authority("Persons"), "another", &Purpose::Client));
    for (path, body) in [
        ("/v1/persons/ada/grants", json!({"role": "system-administrator"})),
        ("/v1/persons/ada/grants/revoke", json!({"role": "auditor"})),
        ("/v1/persons/ada/certificates", json!({ "certificate": own })),
        ("/v1/persons/ada/enable", json!({})),
        ("/v1/persons", json!({"name": "friend"})),
    ] {
        let reply = send(&port, &ada, "POST", path, &body).await;
        assert_eq!((reply.status, reply.problem()), (StatusCode::FORBIDDEN, "not-permitted"), "{path}");
    }
    port.post("/v1/persons/ada/grants", &json!({"role": "system-administrator"})).await;
    let reply =
        send(&port, &ada, "POST", "/v1/persons/ada/grants", &json!({"role": "approver", "store": "store"})).await;
    assert_eq!(reply.status, StatusCode::OK);
}

// R-A8
#[tokio::test]
async fn what_cannot_be_a_person_or_a_grant_is_refused_with_its_reason() {
    let port = Port::with_store().await;
    port.person("ada", &[]).await;
    let persons = authority("Persons");
    let server = pem(&issue(&persons, "server", &Purpose::Server(&crate::support::names())));
    let ended = pem(&issue_ended(&persons, "ended"));
    let administrator = pem(&issue(port.administrators(), "Bob", &Purpose::Client));
    for (certificate, says) in [
        ("", "PEM"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "client authentication"),
        (server.as_str(), "client authentication"),
        (&ended, "ended"),
        (&administrator, "administrators' authority"),
    ] {
        let reply = port.post("/v1/persons/ada/certificates", &json!({ "certificate": certificate })).await;
        assert_eq!((reply.status, reply.problem()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid-value"));
        assert!(reply.detail().contains(says), "{}", reply.detail());
    }
    for (body, problem, says) in [
        (json!({"role": "root"}), "invalid-value", "store-administrator"),
        (json!({"role": "system-administrator", "store": "store"}), "invalid-value", "name no key store"),
        (json!({"role": "key-manager"}), "invalid-value", "name one"),
        (json!({"role": "approver", "store": "absent"}), "key-store-not-found", "store list"),
        (json!({"role": "key-manager", "store": "store", "keys": ["absent"]}), "key-not-found", "key list"),
        (json!({"role": "auditor", "keys": ["absent"]}), "invalid-value", "name it"),
        (json!({"role": "auditor", "may_create": true}), "invalid-value", "key managers"),
    ] {
        let reply = port.post("/v1/persons/ada/grants", &body).await;
        assert_eq!(reply.problem(), problem, "{body}");
        assert!(reply.detail().contains(says), "{body}: {}", reply.detail());
    }
    for path in ["/v1/persons/absent", "/v1/persons/00000000000000000000000000000000"] {
        assert_eq!(port.get(path).await.problem(), "person-not-found");
    }
    let name = port.post("/v1/persons", &json!({"name": "a b"})).await;
    assert_eq!(name.problem(), "invalid-value");
    let taken = port.post("/v1/persons", &json!({"name": "ada"})).await;
    assert_eq!(taken.problem(), "name-taken");
}

// R-A8
#[tokio::test]
async fn persons_are_listed_page_by_page() {
    let port = Port::new();
    for name in ["carl", "ada", "bob"] {
        port.person(name, &[]).await;
    }
    let names = |reply: &Reply| -> Vec<String> {
        reply.body["persons"]
            .as_array()
            .unwrap()
            .iter()
            .map(|person| person["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let page = port.get("/v1/persons?limit=2").await;
    assert_eq!(names(&page), ["ada", "bob"]);
    assert_eq!(page.body["next"], "bob");
    let page = port.get("/v1/persons?limit=2&after=bob").await;
    assert_eq!(names(&page), ["carl"]);
    assert!(page.body["next"].is_null());
}

// R-A8
#[tokio::test]
async fn whoami_says_who_is_asking_and_what_he_may_do() {
    let port = Port::with_store().await;
    let administrator = port.get("/v1/whoami").await.body;
    assert_eq!(administrator["administrator_by_configuration"], true);
    assert!(administrator["person"].is_null());
    assert!(administrator["summary"].as_str().unwrap().contains("Ada, an administrator by configuration"));
    let grant = json!({"role": "key-manager", "store": "store", "may_create": true});
    let bob = port.person("bob", &[grant, json!({"role": "auditor"})]).await;
    let person = send(&port, &bob, "GET", "/v1/whoami", &json!({})).await.body;
    assert_eq!(person["administrator_by_configuration"], false);
    assert_eq!(person["person"]["name"], "bob");
    assert_eq!(person["certificate"]["public_key_sha256"], bob.key().to_string());
    let permissions = person["permissions"].to_string();
    assert!(
        permissions.contains("the 0 keys in key store store") && permissions.contains("create new ones"),
        "{permissions}"
    );
    assert!(permissions.contains("read everything, and change nothing"), "{permissions}");
    let nobody = port.person("nobody", &[]).await;
    let reply = send(&port, &nobody, "GET", "/v1/whoami", &json!({})).await.body;
    assert!(reply["permissions"][0].as_str().unwrap().contains("claviger person grant"));
}

fn is_refused(error: &ControlError) -> bool {
    matches!(error, ControlError::ClientCertificate { .. })
}

async fn add(administrator: &ControlClient, name: &str, certificate: &Issued) {
    let person = AddPerson { name: name.to_owned(), certificates: vec![pem(certificate)] };
    administrator.add_person(&person).await.unwrap();
}

// R-A8, R-O1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_comes_in_by_his_public_key_and_not_after_it_is_taken() {
    let running = Running::start().await;
    let administrator = running.administrator();
    let persons = authority("Persons");
    let certificate = issue(&persons, "Bob", &Purpose::Client);
    let bob = running.client(&certificate);
    assert!(is_refused(&bob.whoami().await.unwrap_err()));
    add(&administrator, "bob", &certificate).await;
    assert_eq!(bob.whoami().await.unwrap().person.unwrap().name, "bob");
    let Err(ControlError::Refused(problem)) = bob.health().await else {
        panic!("a person without a role reads health")
    };
    assert_eq!(problem.status, 403);
    let grant = GrantRole { role: "auditor".into(), ..GrantRole::default() };
    administrator.grant_role("bob", &grant).await.unwrap();
    bob.health().await.unwrap();
    administrator.disable_person("bob").await.unwrap();
    assert!(is_refused(&bob.whoami().await.unwrap_err()));
    administrator.enable_person("bob").await.unwrap();
    bob.whoami().await.unwrap();
    let another = issue(&persons, "Bob's other machine", &Purpose::Client);
    administrator.add_person_certificate("bob", &AddPersonCertificate { certificate: pem(&another) }).await.unwrap();
    let known = administrator.person("bob").await.unwrap().certificates;
    let first = known.into_iter().find(|certificate| certificate.common_name == "Bob").unwrap();
    let first = RemovePersonCertificate { public_key_sha256: first.public_key_sha256 };
    administrator.remove_person_certificate("bob", &first).await.unwrap();
    assert!(is_refused(&bob.whoami().await.unwrap_err()));
    running.client(&another).whoami().await.unwrap();
    administrator.remove_person("bob").await.unwrap();
    assert!(is_refused(&running.client(&another).whoami().await.unwrap_err()));
    running.daemon.stop().await;
}

/// What the server says to somebody who shows `certificate` and signs with the private key of `other`.
async fn alert_of(running: &Running, certificate: &Issued, other: &Issued) -> rustls::AlertDescription {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let Credential { private_key, .. } = credential(other);
    let key = provider.key_provider.load_private_key(private_key).unwrap();
    let shown = CertifiedKey::new(vec![certificate.certificate.clone()], key);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(running.server.certificate().clone()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    let tcp = tokio::net::TcpStream::connect(running.daemon.control_address()).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let mut stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
    let error = stream.read_u8().await.unwrap_err();
    match error.get_ref().and_then(|error| error.downcast_ref()) {
        Some(rustls::Error::AlertReceived(alert)) => *alert,
        _ => panic!("{error}"),
    }
}

// R-A8, R-O1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_known_public_key_is_worth_nothing_without_its_private_key() {
    let running = Running::start().await;
    let administrator = running.administrator();
    let persons = authority("Persons");
    let [bob, thief, stranger] = ["Bob", "Thief", "Stranger"].map(|name| issue(&persons, name, &Purpose::Client));
    add(&administrator, "bob", &bob).await;
    let stolen = alert_of(&running, &bob, &thief).await;
    assert_eq!(stolen, rustls::AlertDescription::DecryptError);
    // The same as for a certificate that nobody knows: whose certificates are known is not told.
    assert_eq!(alert_of(&running, &stranger, &thief).await, stolen);
    let of_administrator = issue(&running.administrators, "Ada", &Purpose::Client);
    assert_eq!(alert_of(&running, &of_administrator, &thief).await, stolen);
    running.daemon.stop().await;
}

// R-A8, R-O1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_an_ended_certificate_nor_a_name_nor_an_authority_makes_a_person() {
    let running = Running::start().await;
    let administrator = running.administrator();
    let persons = authority("Persons");
    add(&administrator, "bob", &issue(&persons, "Bob", &Purpose::Client)).await;
    for stranger in [issue(&persons, "Bob", &Purpose::Client), issue(&persons, "bob", &Purpose::Client)] {
        assert!(is_refused(&running.client(&stranger).whoami().await.unwrap_err()));
    }
    // The key of a person, in a certificate that has ended.
    let carl = issue(&persons, "Carl", &Purpose::Client);
    add(&administrator, "carl", &carl).await;
    let key = rcgen::KeyPair::from_pem(carl.private_key.as_ref().unwrap()).unwrap();
    for (begins, ends, is_let_in) in [(2020, 2021, false), (2020, 2100, true), (2100, 2101, false)] {
        let mut params = rcgen::CertificateParams::new([]).unwrap();
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        (params.not_before, params.not_after) = (rcgen::date_time_ymd(begins, 1, 1), rcgen::date_time_ymd(ends, 1, 1));
        let certificate = params.self_signed(&key).unwrap().der().clone();
        let shown = Issued { certificate, private_key: carl.private_key.clone(), not_after: carl.not_after };
        let answer = running.client(&shown).whoami().await;
        assert_eq!(answer.is_ok(), is_let_in, "{begins}");
        assert!(is_let_in || is_refused(&answer.unwrap_err()));
    }
    running.daemon.stop().await;
}
