//! `clavigerd init` and `clavigerd run`.

use std::ffi::OsStr;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use claviger_control::message::{Access, CreateKeys, CreateStore, IssueCertificate, NewKey};
use claviger_control::secret::SecretText;
use claviger_control::{ControlClient, Credentials};
use claviger_daemon::authority::{Authority, Issued, Purpose, Subject};
use claviger_daemon::pem::{self, Credential};
use claviger_engine::crypto::random::SystemRandom;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::{Ended, Process, run, write};

/// A folder with a configuration file, and certificates for both ports and an administrator.
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) server: Authority,
    administrator: Issued,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (now, random) = (SystemTime::now(), SystemRandom::new());
        let server = Authority::create("Server", now, &random).unwrap();
        let administrators = Authority::create("Administrators", now, &random).unwrap();
        let day = Duration::from_secs(24 * 60 * 60);
        let names = ["127.0.0.1".to_owned()];
        let issue = |authority: &Authority, purpose: &Purpose<'_>| {
            authority.issue("Ada", purpose, &Subject::Generated, day, now, &random).unwrap()
        };
        let of_server = issue(&server, &Purpose::Server(&names));
        let administrator = issue(&administrators, &Purpose::Client);
        fs::create_dir(folder.path().join("tls")).unwrap();
        let place = Self { folder, server, administrator };
        place.write_private("tls/server-key.pem", of_server.private_key.as_ref().unwrap());
        place.write("tls/server.pem", &pem::encode("CERTIFICATE", &of_server.certificate));
        place.write("tls/administrators-ca.pem", &pem::encode("CERTIFICATE", administrators.certificate()));
        place.configure("127.0.0.1:0", "127.0.0.1:0", "");
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        write(&self.path(name), text);
    }

    pub(crate) fn write_private(&self, name: &str, text: &str) {
        self.write(name, text);
        set_mode(&self.path(name), 0o600);
    }

    pub(crate) fn configure(&self, data: &str, control: &str, more: &str) {
        let text = format!(
            "[data]\naddress = \"{data}\"\nworkers = 1\n[control]\naddress = \"{control}\"\n\
             [storage]\nmap_size_mib = 1\nfree_space_floor_mib = 0\n[audit]\nfile_size_mib = 1\nfree_space_floor_mib = 0\n[log]\nformat = \"json\"\nlevel = \"debug\"\n{more}"
        );
        self.write("config.toml", &text);
    }

    /// `clavigerd COMMAND --config config.toml`.
    fn arguments(&self, command: &str) -> Vec<std::ffi::OsString> {
        vec![command.into(), "--config".into(), self.path("config.toml").into()]
    }

    fn run(&self, command: &str) -> Ended {
        let arguments = self.arguments(command);
        run(&arguments.iter().map(std::ffi::OsString::as_os_str).collect::<Vec<_>>())
    }

    fn refused(&self, command: &str) -> String {
        let Ended { success, output, errors } = self.run(command);
        assert!(!success && output.is_empty(), "{output}");
        errors
    }

    pub(crate) fn init(&self) {
        let Ended { success, errors, .. } = self.run("init");
        assert!(success, "{errors}");
    }

    /// Starts, and waits until both ports are open.
    pub(crate) fn start(&self) -> (Process, SocketAddr, String) {
        let arguments = self.arguments("run");
        let mut process = Process::start(&arguments.iter().map(std::ffi::OsString::as_os_str).collect::<Vec<_>>());
        let log = process.log_until("\"started\"");
        let line: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
        (process, line["control"].as_str().unwrap().parse().unwrap(), log)
    }

    pub(crate) fn administrator(&self, address: SocketAddr) -> ControlClient {
        self.write("ada.pem", &pem::encode("CERTIFICATE", &self.administrator.certificate));
        self.write_private("ada-key.pem", self.administrator.private_key.as_ref().unwrap());
        let own = Credential::read(&self.path("ada.pem"), &self.path("ada-key.pem")).unwrap();
        let credentials = Credentials {
            server_authorities: vec![self.server.certificate().clone()],
            certificate_chain: own.certificate_chain,
            private_key: own.private_key,
        };
        ControlClient::new(&address.to_string(), credentials).unwrap()
    }
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

// R-H1
#[test]
fn init_makes_three_places_and_warns_of_the_development_root_key() {
    let place = Place::new();
    let Ended { success, output, errors } = place.run("init");
    assert!(success, "{errors}");
    assert!(output.contains("UNSAFE"), "{output}");
    for name in ["root-key", "system-keys", "data"] {
        assert!(place.path(name).exists() && output.contains(name), "{name}");
    }
    let before = fs::read(place.path("root-key")).unwrap();
    let again = place.refused("init");
    assert!(again.contains("made before"), "{again}");
    assert_eq!(fs::read(place.path("root-key")).unwrap(), before);
}

// R-O4
#[test]
fn an_installation_starts_with_the_certificates_that_were_made_for_it() {
    let place = Place::new();
    fs::remove_dir_all(place.path("tls")).unwrap();
    let mut arguments = place.arguments("certificates");
    arguments.extend(["--names".into(), "localhost,127.0.0.1".into()]);
    let arguments: Vec<_> = arguments.iter().map(std::ffi::OsString::as_os_str).collect();
    let Ended { success, output, errors } = run(&arguments);
    assert!(success, "{errors}");
    for said in ["tls/server.pem", "tls/server-ca.pem", "tls/administrator-key.pem", "not kept"] {
        assert!(output.contains(said), "{said:?} is missing: {output}");
    }
    let again = run(&arguments);
    assert!(!again.success && again.errors.contains("nothing is overwritten"), "{}", again.errors);
    place.init();
    let (process, ..) = place.start();
    assert!(process.end(Signal::TERM).success);
}

// R-O4
#[test]
fn a_service_manager_ends_it_in_good_order() {
    let place = Place::new();
    place.init();
    for signal in [Signal::TERM, Signal::INT] {
        let (process, ..) = place.start();
        let Ended { success, output, errors } = process.end(signal);
        assert!(success && output.is_empty(), "{errors}");
        assert!(errors.contains("\"ended\""), "{errors}");
    }
}

// R-O7
#[test]
fn a_second_daemon_on_one_folder_is_refused() {
    let place = Place::new();
    place.init();
    let (process, ..) = place.start();
    let error = place.refused("run");
    assert!(error.contains("is in use"), "{error}");
    assert!(process.end(Signal::TERM).success);
}

#[test]
fn what_is_wrong_at_start_is_told_with_its_remedy() {
    let place = Place::new();
    assert!(place.refused("run").contains("clavigerd init --config"));
    place.init();

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (data, control, section) in [(&*address, "127.0.0.1:0", "[data]"), ("127.0.0.1:0", &address, "[control]")] {
        place.configure(data, control, "");
        let error = place.refused("run");
        for said in [&*address, "ss -ltnp", section] {
            assert!(error.contains(said), "{said:?} is missing: {error}");
        }
    }

    place.configure("127.0.0.1:0", "127.0.0.1:0", "[loging]\n");
    let error = place.refused("run");
    assert!(error.contains("config.toml") && error.contains("unknown field `loging`"), "{error}");
    place.configure("127.0.0.1:0", "127.0.0.1:0", "");

    set_mode(&place.path("tls/server-key.pem"), 0o640);
    assert!(place.refused("run").contains("chmod 600"));
    set_mode(&place.path("tls/server-key.pem"), 0o600);
    set_mode(&place.path("root-key"), 0o604);
    assert!(place.refused("run").contains("chmod 600"));
    set_mode(&place.path("root-key"), 0o600);

    fs::rename(place.path("tls/administrators-ca.pem"), place.path("elsewhere.pem")).unwrap();
    let error = place.refused("run");
    assert!(error.contains("[control] administrators") && error.contains("administrators-ca.pem"), "{error}");
    fs::rename(place.path("elsewhere.pem"), place.path("tls/administrators-ca.pem")).unwrap();

    fs::remove_file(place.path("system-keys")).unwrap();
    let error = place.refused("run");
    assert!(error.contains("half there") && error.contains("system keys  missing"), "{error}");
}

// R-K11
#[test]
fn a_mirror_of_the_shred_table_is_made_anew_by_order_and_not_beside_a_daemon() {
    let place = Place::new();
    place.init();
    let (one, other) = (place.path("shred-table-1"), place.path("shred-table-2"));
    let mirror = |success| {
        let config = place.path("config.toml");
        let ended = run(&[OsStr::new("shred-table"), OsStr::new("mirror"), OsStr::new("--config"), config.as_os_str()]);
        assert_eq!(ended.success, success, "{}", ended.errors);
        ended
    };
    assert_eq!(mirror(true).output, "all mirrors of the shred table are there, and equal\n");
    fs::remove_file(&other).unwrap();
    let (process, _, log) = place.start();
    assert!(log.contains("shred-table-2") && log.contains("is missing"), "{log}");
    let refused = mirror(false).errors;
    assert!(refused.contains("shred-table-1 of the shred table is in use: another clavigerd has it"), "{refused}");
    assert!(process.end(Signal::TERM).success);
    assert!(!other.exists(), "a start makes none");
    assert_eq!(mirror(true).output, format!("made mirror {} of the shred table\n", other.display()));
    assert_eq!(fs::read(&one).unwrap(), fs::read(&other).unwrap());

    // Without any of them there is nothing to copy, and no start.
    for path in [&one, &other] {
        fs::remove_file(path).unwrap();
    }
    assert!(mirror(false).errors.contains("no mirror of the shred table can be used"));
    let error = place.refused("run");
    assert!(error.contains("half there") && error.contains("shred table  missing"), "{error}");
}

#[test]
fn a_missing_configuration_file_is_named() {
    let Ended { success, errors, .. } = run(&["run", "--config", "/nowhere.toml"].map(OsStr::new));
    assert!(!success && errors.contains("/nowhere.toml"), "{errors}");
}

// R-K6
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_reaches_the_log_at_its_finest_level() {
    let place = Place::new();
    place.init();
    let (process, address, mut log) = place.start();
    let client = place.administrator(address);
    let access = Access { client_certificate: true, ..Access::default() };
    client.create_store(&CreateStore { name: "payments".into(), access }).await.unwrap();
    let secret = |value| NewKey { value: Some(value), ..NewKey::new("password", "OPAQUE") };
    let value = || SecretText::base64_of(b"hunter2hunter2");
    client.create_keys("payments", &CreateKeys { keys: vec![secret(value())] }).await.unwrap();
    // Refused ones are logged too: a name that is taken, and a value that is none.
    client.create_keys("payments", &CreateKeys { keys: vec![secret(value())] }).await.unwrap_err();
    let no_base64 = SecretText::from(zeroize::Zeroizing::new("hunter2!".to_owned()));
    client.create_keys("payments", &CreateKeys { keys: vec![secret(no_base64)] }).await.unwrap_err();
    let request = IssueCertificate { common_name: "billing".into(), ..IssueCertificate::default() };
    let issued = client.issue_certificate("payments", &request).await.unwrap();
    let Ended { success, output, errors } = process.end(Signal::TERM);
    assert!(success && output.is_empty());
    log.push_str(&errors);
    for said in ["changed: key store payments created", "password (OPAQUE)", "certificate for", "refused", "Ada"] {
        assert!(log.contains(said), "{said:?} is missing: {log}");
    }
    let key_line = issued.private_key.as_ref().unwrap().expose().lines().nth(1).unwrap().to_owned();
    for secret in ["hunter2", value().expose(), "PRIVATE KEY", &key_line] {
        assert!(!log.contains(secret), "a secret is in the log");
    }
}
