//! Project automation: `cargo xtask COMMAND`, one file per command.

#![forbid(unsafe_code)]

mod api;
mod ci;
mod fuzz;
mod instructions;
mod process;
mod programs;
mod requirements;
mod test;
mod tools;

#[allow(dead_code, reason = "the reader of the vectors is shared with the codec's tests, which use all of it")]
#[path = "../../protocol/tests/vector/mod.rs"]
mod vector;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Tests and checks of Claviger")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs every test of the workspace, after looking for the programs that tests call
    Test(test::Arguments),
    /// Runs everything that must hold before a change lands, and prints a summary
    Ci(ci::Arguments),
    /// Fuzzes the parsers for a while, starting from the vectors
    Fuzz(fuzz::Arguments),
    /// Counts the instructions of the hot path, and compares them with benches/instructions.toml
    Instructions(instructions::Arguments),
    /// Compares docs/REQUIREMENTS.md with the requirements that tests name
    Requirements(requirements::Arguments),
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs one command in the root of the workspace: every path in this program is relative to it.
fn run(command: Command) -> anyhow::Result<()> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = manifest.parent().context("xtask does not stand in a workspace")?;
    std::env::set_current_dir(root).with_context(|| format!("cannot enter {}", root.display()))?;
    match command {
        Command::Test(arguments) => test::run(&arguments).map(drop),
        Command::Ci(arguments) => ci::run(&arguments),
        Command::Fuzz(arguments) => fuzz::run(&arguments).map(|summary| println!("{summary}")),
        Command::Instructions(arguments) => instructions::run(&arguments).map(|summary| println!("{summary}")),
        Command::Requirements(arguments) => requirements::run(&arguments).map(|summary| println!("{summary}")),
    }
}
