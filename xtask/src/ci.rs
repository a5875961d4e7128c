//! `cargo xtask ci`: everything that must hold before a change lands.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::tools::CARGO_DENY;
use crate::{fuzz, process, requirements, test};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Runs only these steps
    #[arg(value_parser = STEPS.map(|step| step.name))]
    steps: Vec<String>,
}

/// Runs the steps one after the other, all of them even if one fails, and prints a table.
///
/// # Errors
/// If a step has failed.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let wanted = |step: &&Step| arguments.steps.is_empty() || arguments.steps.iter().any(|name| name == step.name);
    let mut outcomes = Vec::new();
    for step in STEPS.iter().filter(wanted) {
        eprintln!("\n== {}: {}", step.name, step.purpose);
        let start = Instant::now();
        let result = (step.run)();
        if let Err(error) = &result {
            eprintln!("error: {error:#}");
        }
        outcomes.push(Outcome { name: step.name, result, duration: start.elapsed() });
    }
    summarize(&outcomes)
}

struct Step {
    name: &'static str,
    purpose: &'static str,
    /// Returns what the table says of it.
    run: fn() -> Result<String>,
}

/// Cheap ones first.
const STEPS: [Step; 9] = [
    Step { name: "format", purpose: "rustfmt would change nothing", run: format },
    Step { name: "requirements", purpose: "docs/REQUIREMENTS.md says what tests say", run: requirements },
    Step { name: "deny", purpose: "licences, barred packages, sources", run: deny },
    Step { name: "clippy", purpose: "no lint, in any target", run: clippy },
    Step { name: "test", purpose: "every test", run: tests },
    Step { name: "docs", purpose: "the documentation builds without a warning", run: docs },
    Step { name: "fuzz", purpose: "each fuzz target runs a while and finds nothing", run: fuzz },
    Step { name: "bench", purpose: "each benchmark runs once", run: bench },
    Step { name: "loadtest", purpose: "the load test measures the daemon and finds no wrong answer", run: loadtest },
];

struct Outcome {
    name: &'static str,
    result: Result<String>,
    duration: Duration,
}

fn summarize(outcomes: &[Outcome]) -> Result<()> {
    println!("\n{:<14} {:<7} {:>7}", "step", "result", "seconds");
    for Outcome { name, result, duration } in outcomes {
        let (word, note) = match result {
            Ok(note) => ("ok", note.clone()),
            Err(error) => ("FAILED", format!("{error:#}")),
        };
        println!("{name:<14} {word:<7} {:>7.0}   {note}", duration.as_secs_f64());
    }
    let total: Duration = outcomes.iter().map(|outcome| outcome.duration).sum();
    println!("{:<14} {:<7} {:>7.0}", "all", "", total.as_secs_f64());
    // Last, and on a line of its own, what readers of test runs look for.
    if let Some(Ok(tally)) = outcomes.iter().find(|outcome| outcome.name == "test").map(|outcome| &outcome.result) {
        println!("\ntests: {tally}");
    }

    let failed: Vec<_> =
        outcomes.iter().filter(|outcome| outcome.result.is_err()).map(|outcome| outcome.name).collect();
    if !failed.is_empty() {
        bail!("failed: {}; to run one again: cargo xtask ci STEP", failed.join(", "));
    }
    Ok(())
}

fn format() -> Result<String> {
    process::run(&mut process::cargo(["fmt", "--all", "--check"]))?;
    done()
}

fn requirements() -> Result<String> {
    requirements::run(&requirements::Arguments::checking())
}

/// Advisories are left out: they need a list from the network. The versions that they bar stand in deny.toml as bans.
fn deny() -> Result<String> {
    process::run(CARGO_DENY.command()?.args(["check", "bans", "licenses", "sources"]))?;
    done()
}

fn clippy() -> Result<String> {
    process::run(&mut process::cargo(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]))?;
    done()
}

fn tests() -> Result<String> {
    Ok(test::run(&test::Arguments::installing())?.to_string())
}

fn docs() -> Result<String> {
    process::run(process::cargo(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "--deny warnings"))?;
    done()
}

fn fuzz() -> Result<String> {
    fuzz::run(&fuzz::Arguments::smoke())
}

fn bench() -> Result<String> {
    process::run(&mut process::cargo(["bench", "--package", "claviger-benches", "--benches", "--", "--test"]))?;
    done()
}

/// Over each transport, and every comparison once; nothing is said of figures. The load test starts the daemon that stands beside it.
fn loadtest() -> Result<String> {
    process::run(&mut process::cargo(["build", "--release", "--package", "claviger-daemon"]))?;
    for transport in ["tcp", "quic"] {
        let program = ["run", "--release", "--package", "claviger-loadtest", "--"];
        process::run(process::cargo(program).args(["--transport", transport, "--seconds", "2"]))?;
    }
    process::run(
        process::cargo(["run", "--release", "--package", "claviger-loadtest", "--"]).args(["compare", "--quick"]),
    )?;
    done()
}

/// Nothing to say beyond "ok".
#[expect(clippy::unnecessary_wraps, reason = "the last expression of steps that can fail")]
fn done() -> Result<String> {
    Ok(String::new())
}
