//! A daemon that runs already, used as a client of its own would. R-O5.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Weak};

use tempfile::TempDir;

use crate::support::{Ended, clavigerd, loadtest, read_json, run, run_briefly};

/// `clavigerd dev` in a folder of its own, ended when the last test lets go of it.
struct Daemon {
    child: Child,
    folder: TempDir,
}

impl Daemon {
    /// The one that the tests running at the same time share.
    fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Daemon>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap();
        shared.upgrade().unwrap_or_else(|| {
            let daemon = Arc::new(Self::start());
            *shared = Arc::downgrade(&daemon);
            daemon
        })
    }

    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(clavigerd())
            .args(["dev", "--data", "127.0.0.1:0", "--control", "127.0.0.1:0", "--folder"])
            .arg(folder.path().join("dev"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line.starts_with("Serving")), "the daemon did not start");
        Self { child, folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("dev").join(name)
    }

    /// Loads it as the client in the file `config` of its folder.
    fn load(&self, config: &str, options: &str) -> Ended {
        run_briefly(|seconds| {
            let mut command = loadtest("--warm-up 0 --seconds");
            run(command.arg(seconds).args(options.split_whitespace()).arg("--config").arg(self.file(config)))
        })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// R-O5
#[test]
fn every_operation_is_measured() {
    let daemon = Daemon::shared();
    for (operation, key) in [
        ("encrypt", "records"),
        ("decrypt", "records"),
        ("decrypt-bursts", "records"),
        ("reencrypt", "records"),
        ("generate-data-key", "records"),
        ("wrap-data-key", "records"),
        ("unwrap-data-key", "records"),
        ("sign --algorithm ECDSA-P256-SHA256", "signing-p256"),
        ("verify --algorithm RSA-2048-PSS-SHA256", "signing-rsa-2048"),
        ("mac", "webhooks"),
        ("verify-mac", "webhooks"),
        ("read-secret", "database-password"),
        ("read-public-key", "signing-ed25519"),
        ("random", "records"),
        ("ping", "records"),
    ] {
        let ended = daemon.load(CLIENT, &format!("--store demo --key {key} --operation {operation}")).passed();
        assert!(ended.output.contains("all right") && !ended.output.contains("\nfailed"), "{}", ended.output);
    }
}

// R-O5
#[test]
fn an_address_replaces_that_of_the_file() {
    let daemon = Daemon::shared();
    let text = fs::read_to_string(daemon.file(CLIENT)).unwrap();
    let sections: toml::Table = toml::from_str(&text).unwrap();
    let address = sections["data"]["address"].as_str().unwrap();
    fs::write(daemon.file("lost.toml"), text.replace(address, NOBODY)).unwrap();
    daemon.load("lost.toml", "--store demo --key records").refused(NOBODY);

    let json = daemon.file("run.json");
    let options = format!("--store demo --key records --address {address} --json {}", json.display());
    let ended = daemon.load("lost.toml", &options).passed();
    assert!(ended.output.contains(&format!("the daemon at {address}\n")), "{}", ended.output);
    assert!(read_json(&json)["runs"][0]["processor_ns_per_item"].is_null(), "the daemon is not ours");
}

// R-O5
#[test]
fn keys_that_cannot_be_used_are_named() {
    let daemon = Daemon::shared();
    for (options, words) in [
        ("--store demo --key none", "key store \"demo\" has no key \"none\""),
        ("--store none --key records", "key store \"none\" does not admit the load test"),
        ("--store demo --key records --operation sign", "key \"records\" is one of XAES-256-GCM, and Ed25519"),
        ("--store demo --key database-password --operation read-secret --size 5", "the secret has 32 bytes"),
    ] {
        daemon.load(CLIENT, options).refused(words);
    }
}

/// The file of a client whom the store `demo` admits.
const CLIENT: &str = "client.toml";

/// Where nothing listens: a port that only the system's own services may have.
const NOBODY: &str = "127.0.0.1:1";
