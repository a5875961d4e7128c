//! Programs that tests call: which are missing, and how to get them.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::process;

/// A program that tests call.
struct Program {
    name: &'static str,
    /// Arguments with which it exits with 0 if it is there and new enough.
    probe: &'static [&'static str],
    /// The package of Debian and Ubuntu that has it.
    package: &'static str,
    purpose: &'static str,
}

const PROGRAMS: &[Program] = &[
    Program {
        name: "openssl",
        probe: &["version"],
        package: "openssl",
        purpose: "checks our signatures and certificates, and makes some for us to check",
    },
    Program {
        name: "ip",
        probe: &["-V"],
        package: "iproute2",
        purpose: "makes hosts in network namespaces, whose hardware addresses the daemon sees",
    },
    Program {
        name: "python3",
        probe: &["-c", "import sys; sys.exit(sys.version_info < (3, 11))"],
        package: "python3",
        purpose: "runs the client that was written from protocol/SPEC.md alone, and reads what the load test draws; version 3.11 or later",
    },
    Program {
        // The system's own, whose modules packages bring: another one may stand before it on the path.
        name: "/usr/bin/python3",
        probe: &["-c", "import prometheus_client"],
        package: "python3-prometheus-client",
        purpose: "its module prometheus_client reads the metrics as others do",
    },
    Program {
        name: "valgrind",
        probe: &["--version"],
        package: "valgrind",
        purpose: "counts the instructions of the hot path; without it they are not counted",
    },
];

/// Makes sure that the programs are there.
///
/// With `install`, missing ones are installed by apt-get. Otherwise a missing one is an error if nothing may be left
/// out (`CI=true`), and elsewhere only said: the tests that need it will fail.
pub(crate) fn ensure_present(install: bool) -> Result<()> {
    let mut missing = missing();
    if install && !missing.is_empty() {
        install_packages(&missing)?;
        missing = self::missing();
    }
    if missing.is_empty() {
        return Ok(());
    }
    for program in &missing {
        eprintln!("missing: {} ({})", program.name, program.purpose);
    }
    let packages = packages(&missing);
    let remedy = format!("install {packages}, or let `cargo xtask test --install` do it where there is apt-get");
    ensure!(!process::is_ci() && !install, "programs that tests need are missing: {remedy}");
    eprintln!("tests that need them will fail: {remedy}");
    Ok(())
}

/// What to do about one of the programs, if it is missing.
pub(crate) fn missing_alone(name: &str) -> Option<String> {
    let program = missing().into_iter().find(|program| program.name == name)?;
    Some(format!("install {}, or let `cargo xtask test --install` do it where there is apt-get", program.package))
}

fn missing() -> Vec<&'static Program> {
    PROGRAMS
        .iter()
        .filter(|program| process::output(Command::new(program.name).args(program.probe)).is_none())
        .collect()
}

fn packages(programs: &[&Program]) -> String {
    programs.iter().map(|program| program.package).collect::<Vec<_>>().join(" ")
}

fn install_packages(missing: &[&Program]) -> Result<()> {
    let packages = packages(missing);
    if process::output(Command::new("apt-get").arg("--version")).is_none() {
        bail!("there is no apt-get here: install {packages} (Debian's names) by other means and start again");
    }
    eprintln!("installing what tests need: {packages}");
    process::run(apt_get()?.arg("update"))?;
    process::run(apt_get()?.args(["install", "--yes", "--no-install-recommends"]).args(packages.split(' ')))
}

/// apt-get, by sudo unless this is root, asking nothing.
fn apt_get() -> Result<Command> {
    let user = process::output(Command::new("id").arg("-u")).context("cannot find out whether this is root")?;
    if user.trim() == "0" {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        return Ok(command);
    }
    let mut command = Command::new("sudo");
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    ensure!(
        Path::new("/usr/bin/sudo").exists(),
        "packages are installed by root: start again as root, or install sudo"
    );
    Ok(command)
}
