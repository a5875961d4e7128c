//! `claviger-loadtest`: what a daemon does, against the same operation in process.
//!
//! `arguments` what is asked for · `target`, `daemon`, `installation`, `client_file` the daemon that is measured · `task`, `workload` the request that is repeated ·
//! `run` one measurement, or two at once · `rounds` several in turn · `compare` the daemon against in process and an echo, row by row · `rotation`, `access` changes under load, beside a `crowd` of connections · `population` very many keys · `load`, `load_thread`, `byte_stream`, `pace` how the load is made · `recorder`, `stats` what is counted · `conversation`, `check`
//! whether answers are right · `in_process` the limit · `table`, `beside`, `report`, `plot`, `format`, `machine` what is shown · `progress` how far it is · `cpus` who runs where
#![forbid(unsafe_code)]

mod access;
mod arguments;
mod beside;
mod byte_stream;
mod check;
mod client_file;
mod compare;
mod conversation;
mod cpus;
mod crowd;
mod daemon;
mod format;
mod in_process;
mod installation;
mod library;
mod limits;
mod load;
mod load_thread;
mod machine;
mod pace;
mod plot;
mod population;
mod progress;
mod recorder;
mod report;
mod rotation;
mod rounds;
mod run;
mod stats;
mod table;
mod target;
mod task;
mod workload;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use clap::Parser;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use crate::arguments::{
    AccessArguments, Arguments, BesideArguments, Command, CompareArguments, DaemonArguments, OutputArguments,
    PopulationArguments, RotationArguments, RoundsArguments, RunArguments,
};
use crate::compare::{CURVES, Compared, ROWS};
use crate::machine::Machine;
use crate::run::Outcome;
use crate::target::Target;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("claviger-loadtest: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        // A person who gives up ends the daemon too: what is dropped here ends it.
        let work = async {
            match &arguments.command {
                None => measure_once(&arguments.run).await,
                Some(Command::Table(table)) => measure_table(table).await,
                Some(Command::Beside(beside)) => measure_beside(beside).await,
                Some(Command::Rotation(rotation)) => measure_rotation(rotation).await,
                Some(Command::Access(access)) => measure_access(access).await,
                Some(Command::Keys(keys)) => measure_keys(keys).await,
                Some(Command::Compare(compare)) => measure_comparison(compare).await,
                Some(Command::Spin) => compare::spin(),
            }
        };
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::select! {
            done = work => done,
            _ = interrupt.recv() => bail!("given up"),
            _ = terminate.recv() => bail!("given up"),
        }
    })
}

async fn measure_once(arguments: &RunArguments) -> anyhow::Result<()> {
    let plan = arguments.plan()?;
    let mut target = match arguments.remote() {
        Some(remote) => {
            pin(&arguments.daemon)?;
            Target::connect(remote)?
        }
        None => start(&arguments.daemon).await?,
    };
    report::print_head(&plan, &target);
    let outcome = run::measure(&plan, &mut target, &mut |row| report::print_row(&plan.task, row)).await?;
    report::print_outcome(&outcome);
    println!("machine     {}", Machine::this());
    let outcomes = [outcome];
    write(&arguments.output, &outcomes, |path| outcomes.iter().try_for_each(|outcome| plot::plot_run(path, outcome)))?;
    something_was_done(&outcomes)
}

async fn measure_table(arguments: &RoundsArguments) -> anyhow::Result<()> {
    let rounds = arguments.rounds()?;
    let mut target = start(&arguments.daemon).await?;
    let outcomes = table::measure_table(&rounds, &mut target).await?;
    println!("{}\n", Machine::this());
    table::print_table(&outcomes);
    write(&arguments.output, &outcomes, |path| plot::plot_table(path, &outcomes))?;
    something_was_done(&outcomes)
}

async fn measure_beside(arguments: &BesideArguments) -> anyhow::Result<()> {
    let plan = arguments.plan()?;
    let mut target = start(&arguments.rounds.daemon).await?;
    let pairs = beside::measure_beside(&plan, &mut target).await?;
    println!("{}\n", Machine::this());
    beside::print_pairs(&plan, &pairs);
    write(&arguments.rounds.output, &pairs, |path| plot::plot_beside(path, &pairs))?;
    something_was_done(pairs.iter().flat_map(beside::Pair::outcomes))
}

async fn measure_rotation(arguments: &RotationArguments) -> anyhow::Result<()> {
    let plan = arguments.plan()?;
    let mut target = start(&arguments.crowd.daemon).await?;
    let rotated = rotation::measure_rotation(&plan, &mut target).await?;
    println!("{}\n", Machine::this());
    rotation::print_rotation(&rotated);
    write_json(arguments.crowd.json.as_deref(), &[rotated])
}

async fn measure_access(arguments: &AccessArguments) -> anyhow::Result<()> {
    let plan = arguments.plan()?;
    let mut target = start(&arguments.crowd.daemon).await?;
    let changed = access::measure_access(&plan, &mut target).await?;
    println!("{}\n", Machine::this());
    access::print_access(&changed);
    let changed = [changed];
    write_json(arguments.crowd.json.as_deref(), &changed)?;
    changed.iter().try_for_each(access::check_access)
}

async fn measure_keys(arguments: &PopulationArguments) -> anyhow::Result<()> {
    let plan = arguments.plan()?;
    let mut target = start(&arguments.daemon).await?;
    let population = population::measure_population(&plan, &mut target).await?;
    println!("{}\n", Machine::this());
    population::print_population(&population);
    write_json(arguments.json.as_deref(), &[population])
}

async fn measure_comparison(arguments: &CompareArguments) -> anyhow::Result<()> {
    if arguments.list {
        ROWS.iter().for_each(|row| println!("{:<20} {}", row.name, row.what));
        return Ok(());
    }
    let (rows, plan) = (arguments.rows()?, arguments.plan()?);
    // Said before anything is measured.
    let draws = rows.iter().any(|row| row.name == CURVES);
    ensure!(draws || arguments.rounds.output.plot.is_none(), "--plot draws the row {CURVES}: name it with --only, too");
    println!("{}, daemon on CPU {}, load on {}", Machine::this(), plan.daemon_cpus, plan.load_place());
    let compared = compare::compare(&rows, plan).await;
    compare::print_goals(&compared);
    let curves = compared.iter().find_map(Compared::curves);
    write(&arguments.rounds.output, &compared, |path| curves.map_or(Ok(()), |curves| plot::plot_curves(path, curves)))?;
    let failed: Vec<_> = compared.iter().filter(|row| row.measured.is_err()).map(|row| row.name).collect();
    ensure!(failed.is_empty(), "not measured: {}", failed.join(", "));
    Ok(())
}

/// Refusals alone are no figures.
fn something_was_done<'o>(outcomes: impl IntoIterator<Item = &'o Outcome>) -> anyhow::Result<()> {
    for Outcome { plan, total, failures, .. } in outcomes {
        let failures: Vec<_> = failures.iter().map(|(what, count)| format!("{count} {what}")).collect();
        ensure!(total.items > 0, "{}: nothing was done, this failed: {}", plan.task, failures.join(", "));
    }
    Ok(())
}

/// Starts the daemon, and then pins the load: a daemon that starts later would inherit it.
async fn start(arguments: &DaemonArguments) -> anyhow::Result<Target> {
    let target = Target::start(&arguments.program()?, &arguments.daemon_cpus()?).await?;
    pin(arguments)?;
    Ok(target)
}

/// The threads of the load inherit it.
fn pin(arguments: &DaemonArguments) -> anyhow::Result<()> {
    arguments.pin_load.as_ref().map_or(Ok(()), |cpus| cpus.pin())
}

fn write(
    arguments: &OutputArguments,
    runs: &[impl Serialize],
    plot: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    write_json(arguments.json.as_deref(), runs)?;
    if let Some(path) = &arguments.plot {
        plot(path)?;
    }
    Ok(())
}

fn write_json(path: Option<&Path>, runs: &[impl Serialize]) -> anyhow::Result<()> {
    path.map_or(Ok(()), |path| report::write_json(path, &Machine::this(), runs))
}
