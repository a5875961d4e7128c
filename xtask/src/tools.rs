//! Cargo's helpers that checks use, each in one version, so that a check means the same everywhere.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// A program from crates.io.
pub(crate) struct Tool {
    /// Name of the package and of its program.
    name: &'static str,
    version: &'static str,
}

/// Licences, barred packages and sources.
pub(crate) const CARGO_DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2" };
/// Builds and runs the fuzz targets.
pub(crate) const CARGO_FUZZ: Tool = Tool { name: "cargo-fuzz", version: "0.13.2" };

impl Tool {
    /// The program, ready for arguments: the one on the path if its version is right, else one of our own under
    /// `target/tools`, installed on first use. A tool that someone has installed for himself is never replaced.
    pub(crate) fn command(&self) -> Result<Command> {
        let own = std::env::current_dir().context("cannot find the current folder")?.join(FOLDER).join("bin");
        let candidates = [PathBuf::from(self.name), own.join(self.name)];
        if let Some(found) = candidates.iter().find(|program| self.is_version_of(program)) {
            return Ok(Command::new(found));
        }
        // Not optimised: that takes a minute longer, and they work for seconds.
        let install = ["install", "--debug", "--locked", "--root", FOLDER, "--version", self.version, self.name];
        process::run(&mut process::cargo(install))?;
        Ok(Command::new(own.join(self.name)))
    }

    fn is_version_of(&self, program: &PathBuf) -> bool {
        let printed = process::output(Command::new(program).arg("--version"));
        printed.is_some_and(|text| text.split_whitespace().nth(1) == Some(self.version))
    }
}

const FOLDER: &str = "target/tools";
