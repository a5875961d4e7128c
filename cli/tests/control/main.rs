//! The control operations of `claviger` against a real daemon.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may be blunt: a panic is the report"
)]

mod about;
mod access;
mod approvals;
mod backup;
mod damaged;
mod emergency;
mod life;
mod persons;
mod system_key;
mod transfer;
mod usage;
mod watching;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A daemon in a temporary folder, ended with its test.
struct Daemon {
    child: Child,
    folder: TempDir,
}

struct Said {
    code: i32,
    output: String,
    errors: String,
}

impl Said {
    fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.errors);
        serde_json::from_str(&self.output).unwrap()
    }
}

impl Daemon {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { child: Self::serve(folder.path()), folder }
    }

    /// The same installation, served again after the process before was ended.
    fn started_again(mut self) -> Self {
        self.child = Self::serve(self.folder.path());
        self
    }

    fn serve(folder: &Path) -> Child {
        let program = beside("clavigerd");
        let mut child = Command::new(&program)
            .arg("dev")
            .arg("--folder")
            .arg(folder.join("dev"))
            .args(["--data", "127.0.0.1:0", "--control", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{}: {error}: run `cargo build -p claviger-daemon` first", program.display())
            });
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.map(Result::unwrap).any(|line| line.starts_with("Serving")), "the daemon did not start");
        child
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_claviger"));
        command.args(arguments).current_dir(self.folder.path()).env("CLAVIGER_CONFIG", self.path("dev/client.toml"));
        command
    }

    fn say(&self, arguments: &[&str]) -> Said {
        run(&mut self.command(arguments))
    }

    /// With a line of standard input.
    fn say_with(&self, arguments: &[&str], input: &str) -> Said {
        let path = self.path("input");
        fs::write(&path, input).unwrap();
        run(self.command(arguments).stdin(fs::File::open(path).unwrap()))
    }

    fn refused(&self, arguments: &[&str]) -> String {
        let said = self.say(arguments);
        assert_eq!((said.code, said.output.as_str()), (1, ""), "{arguments:?}");
        assert_eq!(said.errors.lines().count(), 1, "told once: {}", said.errors);
        said.errors
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), output: text(output.stdout), errors: text(output.stderr) }
}

/// A program of the workspace, built beside this test.
fn beside(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().join(name)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

// R-O1
#[test]
fn an_administrator_works_with_stores_and_keys() {
    let daemon = Daemon::start();
    let health = daemon.say(&["health"]);
    assert_eq!(health.code, 0);
    for said in ["ready             yes", "development file (UNSAFE)", "warning: not separated"] {
        assert!(health.output.contains(said), "{said:?} is missing: {}", health.output);
    }
    let health = daemon.say(&["health", "--json"]).json();
    assert_eq!((&health["ready"], &health["separated"]), (&Value::Bool(true), &Value::Bool(false)));

    assert!(daemon.say(&["store", "create", "payments"]).output.starts_with("created key store payments ("));
    let stores = daemon.say(&["store", "list", "--json"]).json();
    assert_eq!(stores["stores"][1]["name"], "payments");
    let id = stores["stores"][1]["id"].as_str().unwrap();
    assert!(daemon.say(&["store", "show", id]).output.contains("payments"));

    let created =
        daemon.say(&["key", "create", "--store", "payments", "--algorithm", "Ed25519", "receipts", "invoices"]);
    assert!(created.output.contains("receipts") && created.output.contains("invoices"), "{}", created.output);
    let rotated = daemon.say(&["key", "rotate", "--store", "payments", "receipts", "--json"]).json();
    assert_eq!(rotated["current_version"], 2);
    let disabled = daemon.say(&["key", "disable", "--store", id, "receipts", "--json"]).json();
    assert_eq!(disabled["state"], "disabled");
    let enabled = daemon.say(&["key", "enable", "--store", "payments", "receipts"]);
    assert_eq!(enabled.output, "key receipts: available\n");
    let shown = daemon.say(&["key", "show", "--store", "payments", "receipts"]).output;
    assert!(shown.contains("VERSION") && shown.contains("active") && shown.contains("current"), "{shown}");
    let listed = daemon.say(&["key", "list", "--store", "payments", "--json"]);
    assert_eq!(listed.output.lines().count(), 2);
    let algorithms = daemon.say(&["key", "algorithms"]).output;
    for words in [
        &["XAES-256-GCM", "symmetric", "plaintext + 94", "light", "encrypt, decrypt"][..],
        &["AES-256-GCM", "plaintext + 82", "4,294,967,296"],
        &["ECDSA-P521-SHA512", "asymmetric", "at most 139", "64", "heavy", "sign, verify, read public key"],
        &["RSA-2048-OAEP-SHA256", "at most 190", "heavy", "asymmetric decrypt"],
    ] {
        let line = algorithms.lines().find(|line| line.starts_with(words[0])).unwrap();
        assert!(words.iter().all(|word| line.contains(word)), "{words:?}: {line}");
    }
    let listed = daemon.say(&["key", "algorithms", "--json"]).json();
    assert_eq!(listed["algorithms"][0]["output_size"]["at_most"], 32_768);
    assert!(daemon.say(&["store", "authority", "payments"]).output.starts_with("-----BEGIN CERTIFICATE-----"));
}

// R-K2
#[test]
fn the_value_of_a_secret_comes_from_a_file_or_a_pipe_byte_for_byte() {
    let daemon = Daemon::start();
    let create = ["key", "create", "--store", "demo", "--algorithm", "OPAQUE", "--value-file"];
    fs::write(daemon.path("value"), [0, 255, b'\n']).unwrap();
    assert_eq!(daemon.say(&[create.as_slice(), &["value", "from-file"]].concat()).code, 0);
    let mut piped = daemon.command(&[create.as_slice(), &["-", "from-pipe"]].concat());
    let mut child = piped.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"hunter2").unwrap();
    assert!(child.wait().unwrap().success());

    fs::write(daemon.path("large"), vec![0; 32_769]).unwrap();
    assert!(daemon.refused(&[create.as_slice(), &["large", "a"]].concat()).contains("at most 32768 bytes"));
    assert!(daemon.refused(&[create.as_slice(), &["absent", "a"]].concat()).contains("absent"));
    assert!(daemon.refused(&[create.as_slice(), &["value", "a", "b"]].concat()).contains("one secret"));
    let without = daemon.refused(&["key", "create", "--store", "demo", "--algorithm", "OPAQUE", "a"]);
    assert!(without.contains("registered with its value"), "{without}");
}

// R-A5
#[test]
fn a_certificate_is_issued_into_files_that_are_never_overwritten() {
    let daemon = Daemon::start();
    let issue = ["certificate", "issue", "--store", "demo"];
    let issued = daemon.say(&[issue.as_slice(), &["billing"]].concat());
    assert!(issued.output.contains("billing-key.pem (readable by you only)"), "{}", issued.output);
    assert_eq!(mode(&daemon.path("billing-key.pem")), 0o600);
    let before = fs::read(daemon.path("billing.pem")).unwrap();
    assert!(daemon.refused(&[issue.as_slice(), &["billing"]].concat()).contains("not overwritten"));
    assert_eq!(fs::read(daemon.path("billing.pem")).unwrap(), before);

    let request = Command::new("openssl")
        .args([
            "req",
            "-new",
            "-newkey",
            "ed25519",
            "-nodes",
            "-subj",
            "/",
            "-keyout",
            "own-key.pem",
            "-out",
            "own.csr",
        ])
        .current_dir(daemon.folder.path())
        .output()
        .unwrap();
    assert!(request.status.success(), "{}", String::from_utf8_lossy(&request.stderr));
    let issued =
        daemon.say(&[issue.as_slice(), &["--request", "own.csr", "--days", "1", "--out", "sub", "own"]].concat());
    assert_eq!(issued.code, 0, "{}", issued.errors);
    assert!(daemon.path("sub.pem").exists() && !daemon.path("sub-key.pem").exists());
    assert!(daemon.refused(&[issue.as_slice(), &["--days", "399", "late"]].concat()).contains("1 to 398"));
    assert!(!daemon.path("late.pem").exists() && !daemon.path("late-key.pem").exists());
}

#[test]
fn what_is_wrong_is_told_once_with_its_remedy() {
    let daemon = Daemon::start();
    for (arguments, said) in [
        (["store", "create", "demo"].as_slice(), "choose another"),
        (["store", "create", "a b"].as_slice(), "1 to 100 characters"),
        (["store", "show", "absent"].as_slice(), "claviger store list"),
        (["key", "show", "--store", "demo", "absent"].as_slice(), "claviger key list"),
        (["key", "show", "--store", "../demo", "records"].as_slice(), "no key store"),
        (["key", "create", "--store", "demo", "--algorithm", "ROT13", "a"].as_slice(), "claviger key algorithms"),
        (["--config", "/nowhere.toml", "health"].as_slice(), "/nowhere.toml"),
    ] {
        let error = daemon.refused(arguments);
        assert!(error.contains(said), "{arguments:?}: {error}");
    }
    let unconfigured = run(daemon.command(&["health"]).env_remove("CLAVIGER_CONFIG"));
    assert_eq!(unconfigured.code, 1);
    assert!(unconfigured.errors.contains("--config FILE or CLAVIGER_CONFIG"), "{}", unconfigured.errors);
}

// R-A10
#[test]
fn wrong_certificates_ports_and_servers_are_told_apart() {
    let daemon = Daemon::start();
    let text = fs::read_to_string(daemon.path("dev/client.toml")).unwrap();
    let with = |old: &str, new: &str| {
        let (data, control) = text.split_once("[control]").unwrap();
        assert!(control.contains(old), "{text}");
        fs::write(daemon.path("dev/other.toml"), format!("{data}[control]{}", control.replace(old, new))).unwrap();
        daemon.refused(&["--config", "dev/other.toml", "health"])
    };
    let error = with("administrator", "demo-client");
    assert!(error.contains("refused the client certificate") && error.contains("administrator"), "{error}");
    let error = with("server-ca.pem", "administrators-ca.pem");
    assert!(error.contains("did not prove who it is"), "{error}");
    let address = text.lines().filter(|line| line.starts_with("address")).nth(1).unwrap();
    let error = with(address, "address = \"127.0.0.1:1\"");
    assert!(error.contains("is clavigerd running there?"), "{error}");
    let data_address = text.lines().find(|line| line.starts_with("address")).unwrap();
    let error = with(address, data_address);
    assert!(error.contains("127.0.0.1"), "{error}");
}
