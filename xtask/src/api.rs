//! The control port against its own description: Schemathesis (from PyPI) reads the OpenAPI document of a running daemon, sends what it describes and what it does not,
//! and compares the answers with it.
//!
//! The daemon is one of `clavigerd dev`, in a folder that is thrown away: whatever is asked of it may be done.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::process;

/// Checks the control port; gives a summary, or that the tool is not there.
///
/// # Errors
/// If the tool cannot be installed or is missing where nothing may be left out, the daemon does not start, or an answer is not as it is described.
pub(crate) fn run(install: bool) -> Result<String> {
    if !is_present() {
        if !install {
            let remedy = "let `cargo xtask test --install` install it under target/";
            ensure!(!process::is_ci(), "schemathesis {VERSION} is missing: {remedy}");
            return Ok(format!("the API was not compared with its description: schemathesis is missing; {remedy}"));
        }
        install_tool()?;
    }
    let folder = Path::new(FOLDER).join("daemon");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    let daemon = Daemon::start(&folder)?;
    process::run(&mut schemathesis(&daemon))?;
    Ok("the API answers as its description says".to_owned())
}

fn is_present() -> bool {
    let version = process::output(Command::new(program("st")).arg("--version"));
    version.is_some_and(|version| version.contains(VERSION))
}

fn install_tool() -> Result<()> {
    process::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(Path::new(FOLDER).join("venv")))?;
    let package = format!("schemathesis=={VERSION}");
    process::run(Command::new(program("pip")).args(["install", "--quiet", "--disable-pip-version-check"]).arg(package))
}

fn program(name: &str) -> PathBuf {
    Path::new(FOLDER).join("venv/bin").join(name)
}

/// The command line of one run, about a minute long.
fn schemathesis(daemon: &Daemon) -> Command {
    let tls = |name: &str| daemon.folder.join("tls").join(name);
    let mut command = Command::new(program("st"));
    command.arg("--config-file").arg(CONFIG).arg("run").arg(format!("https://{}/v1/openapi.json", daemon.address));
    command
        .arg("--request-cert")
        .arg(tls("administrator.pem"))
        .arg("--request-cert-key")
        .arg(tls("administrator-key.pem"));
    command.arg("--tls-verify").arg(tls("server-ca.pem"));
    // The same requests each time: a change is judged by itself, and not by its luck.
    command.args(["--generation-deterministic", "--no-color"]);
    command
}

/// A daemon of its own, ended when it is dropped.
struct Daemon {
    child: Child,
    folder: PathBuf,
    address: String,
}

impl Daemon {
    fn start(folder: &Path) -> Result<Self> {
        let mut command = Command::new("target/debug/clavigerd");
        command.args(["dev", "--data", "127.0.0.1:0", "--control", "127.0.0.1:0", "--folder"]).arg(folder);
        process::show(&command);
        // What it logs of refused requests would hide what the tool says.
        command.env("RUST_LOG", "off").stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().context("cannot start clavigerd: is it built?")?;
        let output = child.stdout.take().context("clavigerd has no output")?;
        let mut daemon = Self { child, folder: folder.to_owned(), address: String::new() };
        let mut lines = BufReader::new(output).lines();
        if !lines.by_ref().map_while(Result::ok).any(|line| line.starts_with("Serving")) {
            bail!("clavigerd did not start: try `target/debug/clavigerd dev`");
        }
        // Whatever else it says must find somebody who reads.
        std::thread::spawn(move || lines.for_each(drop));
        daemon.address = control_address(&folder.join("client.toml"))?;
        Ok(daemon)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // If it has ended by itself, there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in the section `[control]` of a client's configuration.
fn control_address(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let section = text.split_once("[control]").map_or("", |(_, section)| section);
    let address = section.lines().find_map(|line| line.strip_prefix("address = \"")?.strip_suffix('"'));
    Ok(address.with_context(|| format!("{} names no address of the control port", path.display()))?.to_owned())
}

/// The release that the answers are judged by.
const VERSION: &str = "4.32.0";
const FOLDER: &str = "target/schemathesis";
const CONFIG: &str = "xtask/schemathesis.toml";
