//! A daemon that the tests running at the same time share, and commands against it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, Weak};
use tempfile::TempDir;

/// A development installation and its daemon, ended when the last test lets go of it.
pub(crate) struct Daemon {
    folder: TempDir,
    process: Child,
}

impl Daemon {
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Daemon>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap();
        shared.upgrade().unwrap_or_else(|| {
            let daemon = Arc::new(Self::start());
            *shared = Arc::downgrade(&daemon);
            daemon
        })
    }

    /// One that no other test uses.
    pub(crate) fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let process = serve(folder.path(), "127.0.0.1:0", "127.0.0.1:0");
        let daemon = Self { folder, process };
        daemon.claviger(["key", "create", "--store", "demo", "--algorithm", "XAES-256-GCM", "others"]).done();
        daemon
    }

    /// Kills the daemon, and starts it again where it was.
    pub(crate) fn restart(&mut self) {
        let [data, control] = self.addresses();
        self.kill();
        self.process = serve(self.folder.path(), &data, &control);
    }

    /// Where the data port and the control port listen.
    pub(crate) fn addresses(&self) -> [String; 2] {
        let text = fs::read_to_string(self.client_configuration()).unwrap();
        let address_in = |section| {
            let (_, settings) = text.split_once(section).unwrap();
            let (_, address) = settings.split_once("address = \"").unwrap();
            address.split_once('"').unwrap().0.to_owned()
        };
        ["[data]", "[control]"].map(address_in)
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// The configuration file of a client that the store `demo` admits, who is an administrator as well.
    pub(crate) fn client_configuration(&self) -> PathBuf {
        self.file("client.toml")
    }

    /// A file of the installation.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("dev").join(name)
    }

    /// A command with the configuration of that client.
    pub(crate) fn claviger<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Run {
        let mut command = claviger();
        command.env("CLAVIGER_CONFIG", self.client_configuration()).args(arguments);
        Run { command, input: Vec::new() }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A daemon that serves from the folder `dev` in `folder`.
fn serve(folder: &Path, data: &str, control: &str) -> Child {
    let mut process = Command::new(clavigerd())
        .args(["dev", "--data", data, "--control", control, "--folder"])
        .arg(folder.join("dev"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
    let serves = lines.any(|line| line.starts_with("Serving"));
    assert!(serves, "the daemon ended before it served: {:?}", process.wait());
    process
}

/// A command that has not run yet.
pub(crate) struct Run {
    command: Command,
    input: Vec<u8>,
}

/// What a command did.
pub(crate) struct Done(Output);

impl Run {
    pub(crate) fn args<'a>(mut self, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        self.command.args(arguments);
        self
    }

    pub(crate) fn paths<'a>(mut self, paths: impl IntoIterator<Item = &'a Path>) -> Self {
        self.command.args(paths);
        self
    }

    pub(crate) fn configuration(mut self, path: &Path) -> Self {
        self.command.env("CLAVIGER_CONFIG", path);
        self
    }

    /// Bytes for its standard input.
    pub(crate) fn input(mut self, bytes: &[u8]) -> Self {
        self.input = bytes.to_vec();
        self
    }

    pub(crate) fn run(mut self) -> Done {
        let command = self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let output = std::thread::scope(|scope| {
            // A command that refuses does not read it all.
            scope.spawn(move || drop(stdin.write_all(&self.input)));
            child.wait_with_output().unwrap()
        });
        Done(output)
    }

    /// Runs it; it succeeds.
    pub(crate) fn done(self) -> Done {
        let done = self.run();
        assert_eq!(done.code(), 0, "{}", done.error());
        done
    }

    /// Runs it; it fails, and says so in one line that contains these words.
    pub(crate) fn refused(self, words: &str) -> Done {
        let done = self.run();
        let error = done.error();
        assert_eq!(done.code(), 1, "{words}: {error}");
        assert!(error.starts_with("claviger: ") && error.lines().count() == 1, "one line: {error}");
        assert!(error.contains(words), "{words}: {error}");
        done
    }
}

impl Done {
    pub(crate) fn code(&self) -> i32 {
        self.0.status.code().unwrap()
    }

    pub(crate) fn output(&self) -> &[u8] {
        &self.0.stdout
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.0.stdout).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.0.stdout).unwrap()
    }

    pub(crate) fn error(&self) -> &str {
        std::str::from_utf8(&self.0.stderr).unwrap()
    }
}

/// A folder for the files of one test.
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file with these bytes.
    pub(crate) fn with(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Names of all files, sorted; hidden ones as well.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// Bytes without a pattern, the same in every run (the generator of Knuth's MMIX, its upper bytes).
pub(crate) fn bytes(size: usize) -> Vec<u8> {
    let step = |state: &mut u64| {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Some(state.to_be_bytes()[0])
    };
    std::iter::repeat_n((), size).scan(2_026, |state, ()| step(state)).collect()
}

/// Whether OpenSSL does it.
pub(crate) fn openssl(arguments: &[&str], paths: &[(&str, &Path)]) -> bool {
    let mut command = Command::new("openssl");
    command.args(arguments);
    for (name, path) in paths {
        command.arg(name).arg(path);
    }
    command.output().expect("openssl is installed: `cargo xtask test --install` does it").status.success()
}

/// Whether this OpenSSL has ML-DSA. If not, a test says so.
pub(crate) fn openssl_lists_ml_dsa() -> bool {
    let output =
        Command::new("openssl").args(["list", "-signature-algorithms"]).output().expect("openssl is installed");
    let listed = String::from_utf8_lossy(&output.stdout).contains("ML-DSA");
    if !listed {
        println!("this OpenSSL has no ML-DSA: it verifies no such signature");
    }
    listed
}

fn claviger() -> Command {
    Command::new(env!("CARGO_BIN_EXE_claviger"))
}

fn clavigerd() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_claviger")).with_file_name("clavigerd");
    assert!(path.exists(), "{} is missing: `cargo build -p claviger-daemon` makes it", path.display());
    path
}
