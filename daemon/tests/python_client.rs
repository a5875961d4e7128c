//! The client in Python, which was written from `protocol/SPEC.md` alone, against a real `clavigerd`. R-P1.
//!
//! Its tests cover every operation and meet every status of the specification; their environment is made here.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may be blunt: a panic is the report"
)]

#[allow(dead_code, reason = "shared with the tests of the process")]
#[path = "process/support.rs"]
mod support;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use claviger_algorithm::Algorithm;
use claviger_control::message::{Access, CreateKeys, CreateStore, NewKey};
use claviger_control::secret::SecretText;
use claviger_control::{ControlClient, Credentials};
use claviger_daemon::pem::{self, Credential};
use claviger_engine::storage::{Address, Compare, Database, LmdbOptions, LmdbStorage, Storage, Write};
use rustix::process::Signal;
use support::Process;

#[test]
fn python_client_is_given_a_key_of_each_algorithm() {
    for algorithm in Algorithm::ALL {
        assert!(KEYS.iter().any(|(_, name)| *name == algorithm.name()), "{algorithm}");
    }
}

// R-P1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_client_does_every_operation_and_meets_every_status() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("claviger-dev");

    let process = start(&folder);
    let administrator = ClientFile::read(&folder).administrator();
    let keys = create_keys(&administrator, STORE, &KEYS).await;
    let damaged = &keys[DAMAGED];
    let access = Access { client_certificate: true, ..Access::default() };
    administrator.create_store(&CreateStore { name: OTHER_STORE.into(), access }).await.unwrap();
    let others_key = create_keys(&administrator, OTHER_STORE, &[("symmetric", "XAES-256-GCM")]).await;
    assert!(process.end(Signal::TERM).success);
    damage(&folder.join("data"), damaged);

    let process = start(&folder);
    // The ports are new ones.
    let file = ClientFile::read(&folder);
    let tests = Command::new("python3")
        .args(["-B", "-m", "unittest", "test_against_daemon"])
        .current_dir(PYTHON)
        .env("CLAVIGER_ADDRESS", file.value("data", "address"))
        .env("CLAVIGER_SERVER_CA", file.path("data", "server_ca"))
        .env("CLAVIGER_CLIENT_CERTIFICATE", file.path("data", "certificate"))
        .env("CLAVIGER_CLIENT_KEY", file.path("data", "key"))
        .env("CLAVIGER_STORE", STORE)
        .env("CLAVIGER_OTHER_STORE", OTHER_STORE)
        .env("CLAVIGER_OTHER_STORE_KEY_ID", &others_key["symmetric"])
        .env("CLAVIGER_DAMAGED_KEY_ID", damaged)
        .env("CLAVIGER_CHANGE_COMMAND", file.change_command())
        .env("CLAVIGER_SHUTDOWN_PID", process.id().as_raw_nonzero().to_string())
        .output()
        .expect("python3 must be installed, 3.11 or later: see `cargo xtask test --install`");
    // If all went well it has ended, or is about to: this signal is then without effect.
    let ended = process.end(Signal::TERM);
    assert!(tests.status.success(), "{}\nThe daemon said:\n{}", String::from_utf8_lossy(&tests.stderr), ended.errors);
    assert!(ended.success, "{}", ended.errors);
}

/// `clavigerd dev` in a folder of its own, ready to serve.
fn start(folder: &Path) -> Process {
    let folder = folder.to_str().unwrap();
    let arguments = ["dev", "--folder", folder, "--data", "127.0.0.1:0", "--control", "127.0.0.1:0"];
    let mut process = Process::start(&arguments.map(OsStr::new));
    process.output_until("Serving until Ctrl-C");
    process
}

/// The ids by name.
async fn create_keys(administrator: &ControlClient, store: &str, keys: &[(&str, &str)]) -> BTreeMap<String, String> {
    let new_key = |&(name, algorithm): &(&str, &str)| NewKey {
        value: (algorithm == "OPAQUE").then(|| SecretText::base64_of(b"correct horse battery staple")),
        ..NewKey::new(name, algorithm)
    };
    let keys = CreateKeys { keys: keys.iter().map(new_key).collect() };
    let created = administrator.create_keys(store, &keys).await.unwrap();
    created.keys.into_iter().map(|key| (key.name, key.id)).collect()
}

/// Flips a bit in the stored record of a key, in the data folder of a daemon that does not run.
fn damage(folder: &Path, key_id: &str) {
    let storage = LmdbStorage::open(folder, &LmdbOptions { free_space_floor: 0, ..LmdbOptions::default() }).unwrap();
    let key_id = u128::from_str_radix(key_id, 16).unwrap().to_be_bytes();
    let address = Address::new(Database::Keys, [b"k".as_slice(), &key_id].concat());
    let stored = storage.get(&address).unwrap().unwrap();
    let mut value = stored.value;
    *value.last_mut().unwrap() ^= 1;
    let unchanged = Compare::unchanged(address.clone(), stored.revision);
    storage.transact(&[unchanged], &[Write::Put { address, value }]).unwrap();
}

/// What `clavigerd dev` tells clients: `client.toml`.
struct ClientFile {
    folder: PathBuf,
    sections: toml::Table,
}

impl ClientFile {
    fn read(folder: &Path) -> Self {
        let text = fs::read_to_string(folder.join("client.toml")).unwrap();
        Self { folder: folder.to_owned(), sections: toml::from_str(&text).unwrap() }
    }

    fn value(&self, section: &str, name: &str) -> &str {
        self.sections[section][name].as_str().unwrap()
    }

    fn path(&self, section: &str, name: &str) -> PathBuf {
        self.folder.join(self.value(section, name))
    }

    fn administrator(&self) -> ControlClient {
        let path = |name| self.path("control", name);
        let Credential { certificate_chain, private_key } =
            Credential::read(&path("certificate"), &path("key")).unwrap();
        let server_authorities = pem::certificates(&path("server_ca")).unwrap();
        let credentials = Credentials { server_authorities, certificate_chain, private_key };
        ControlClient::new(self.value("control", "address"), credentials).unwrap()
    }

    /// A shell command that changes the key named by its first argument as its second one says.
    fn change_command(&self) -> String {
        let quoted = |name| format!("'{}'", self.path("control", name).display());
        let [server_ca, certificate, key] = ["server_ca", "certificate", "key"].map(quoted);
        let address = self.value("control", "address");
        format!(
            "python3 -B change_key.py {address} {server_ca} {certificate} {key} {STORE} \"$1\" \"$2\" ${{3:+\"$3\"}}"
        )
    }
}

/// The keys that the Python client asks for by name, one of each algorithm, and those that something happens to.
const KEYS: [(&str, &str); 25] = [
    ("secret", "OPAQUE"),
    ("symmetric", "XAES-256-GCM"),
    ("aes-gcm", "AES-256-GCM"),
    ("mac", "HMAC-SHA-256"),
    ("mac-384", "HMAC-SHA-384"),
    ("mac-512", "HMAC-SHA-512"),
    ("ed25519", "Ed25519"),
    ("p256", "ECDSA-P256-SHA256"),
    ("p384", "ECDSA-P384-SHA384"),
    ("p521", "ECDSA-P521-SHA512"),
    ("ml-dsa-44", "ML-DSA-44"),
    ("ml-dsa-65", "ML-DSA-65"),
    ("ml-dsa-87", "ML-DSA-87"),
    ("rsa-2048-pkcs1", "RSA-2048-PKCS1-SHA256"),
    ("rsa-2048-pss", "RSA-2048-PSS-SHA256"),
    ("rsa-3072-pkcs1", "RSA-3072-PKCS1-SHA256"),
    ("rsa-3072-pss", "RSA-3072-PSS-SHA256"),
    ("rsa-4096-pkcs1", "RSA-4096-PKCS1-SHA256"),
    ("rsa-4096-pss", "RSA-4096-PSS-SHA256"),
    ("rsa-2048-oaep", "RSA-2048-OAEP-SHA256"),
    ("rsa-3072-oaep", "RSA-3072-OAEP-SHA256"),
    ("rsa-4096-oaep", "RSA-4096-OAEP-SHA256"),
    ("to-disable", "XAES-256-GCM"),
    ("to-delete", "XAES-256-GCM"),
    (DAMAGED, "XAES-256-GCM"),
];
const DAMAGED: &str = "damaged";
/// The key store that `clavigerd dev` makes, and to which it admits the client of its `client.toml`.
const STORE: &str = "demo";
const OTHER_STORE: &str = "other";
/// Where the Python client and its tests are.
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../protocol/tests/python");
