//! `cargo xtask instructions`: how many instructions an item costs, counted by valgrind, so that what makes the hot path dearer is found without a clock.
//!
//! Counted is what the program `instructions` of claviger-benches does: frames in, replies out, through a real session, on one thread. Compared is what Rust code does, the standard library's
//! included. What the cryptographic library and the system's libraries do is only shown: they choose other code on another processor, and under valgrind other code than elsewhere.

mod counts;
mod profile;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use self::counts::{Counts, Measured, Verdict};
use self::profile::Profile;
use crate::{process, programs};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Writes what was counted to benches/instructions.toml instead of comparing it
    #[arg(long)]
    write: bool,
    /// Counts only workloads whose names begin so
    #[arg(long, conflicts_with = "write")]
    only: Option<String>,
}

impl Arguments {
    pub(crate) fn checking() -> Self {
        Self { write: false, only: None }
    }
}

/// Counts every workload, shows a table, and compares it with the file; returns a summary.
///
/// # Errors
/// If anything cannot be built or counted, or if a workload costs more than the file says.
pub(crate) fn run(arguments: &Arguments) -> Result<String> {
    if std::env::consts::ARCH != ARCHITECTURE {
        return Ok(format!("instructions: not counted, because {FILE} is of {ARCHITECTURE}"));
    }
    if let Some(remedy) = programs::missing_alone("valgrind") {
        ensure!(!process::is_ci(), "instructions cannot be counted: {remedy}");
        return Ok(format!("instructions: not counted: {remedy}"));
    }
    process::run(&mut process::cargo(["build", "--release", "--package", "claviger-benches", "--bin", PROGRAM]))?;
    let profiles = Folder::make()?;
    let mut measured = Vec::new();
    for workload in workloads(&profiles.program)? {
        if arguments.only.as_ref().is_none_or(|start| workload.name.starts_with(start)) {
            measured.push(profiles.count(&workload)?);
        }
    }
    ensure!(!measured.is_empty(), "no workload has such a name");
    if arguments.write {
        fs::write(FILE, Counts::of(&measured).to_string()).with_context(|| format!("cannot write {FILE}"))?;
    }
    let text = fs::read_to_string(FILE).with_context(|| format!("cannot read {FILE}"))?;
    let counts = Counts::parse(&text).with_context(|| format!("{FILE} cannot be read; {RENEW}"))?;
    let gone = if arguments.only.is_some() { Vec::new() } else { counts.unknown(&measured) };
    conclude(&counts.compare(&measured), &gone)
}

/// One workload, as the program lists it.
struct Workload {
    name: String,
    /// Frames of one time.
    frames: u32,
    /// Items of one time.
    items: u32,
}

/// The programs and files of one run.
struct Folder {
    program: PathBuf,
    /// Where profiles are kept, for `callgrind_annotate`.
    profiles: PathBuf,
}

impl Folder {
    /// Beside this program's own, in the folder in which cargo builds.
    fn make() -> Result<Self> {
        let own = std::env::current_exe().context("cannot find out where this program is")?;
        let target = own.parent().and_then(Path::parent).context("this program does not stand in cargo's folder")?;
        let profiles = target.join("instructions");
        fs::create_dir_all(&profiles).with_context(|| format!("cannot make {}", profiles.display()))?;
        Ok(Self { program: target.join("release").join(PROGRAM), profiles })
    }

    /// Counts one workload: what it costs more often over what it costs a few times, so that what happens once cancels.
    fn count(&self, workload: &Workload) -> Result<Measured> {
        let (few, many) = (self.profile(workload, FEW)?, self.profile(workload, MANY)?);
        let profile = many.over(few).with_context(|| format!("`{COUNTED}` is not what valgrind has counted"))?;
        let times = MANY - FEW;
        Ok(Measured::new(workload.name.clone(), &profile, times * workload.frames, times * workload.items))
    }

    fn profile(&self, workload: &Workload, times: u32) -> Result<Profile> {
        let file = self.profiles.join(format!("{}.callgrind", workload.name.replace('/', "-")));
        let mut command = Command::new("valgrind");
        command
            .args(["--quiet", "--tool=callgrind", "--separate-threads=yes", "--compress-strings=no"])
            .args(["--compress-pos=no", &format!("--toggle-collect={COUNTED}")])
            .arg(format!("--callgrind-out-file={}", file.display()))
            .arg(&self.program)
            .args([&workload.name, &times.to_string()]);
        process::run(&mut command)?;
        // Each thread has a file of its own, and this is that of the first one.
        let file = file.with_extension("callgrind-01");
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(Profile::parse(&text, &self.program.to_string_lossy()))
    }
}

fn workloads(program: &Path) -> Result<Vec<Workload>> {
    let list = process::output(&mut Command::new(program)).context("the program does not list its workloads")?;
    let workload = |line: &str| {
        let [name, frames, items] = line.split(' ').collect::<Vec<_>>().try_into().ok()?;
        Some(Workload { name: name.to_owned(), frames: frames.parse().ok()?, items: items.parse().ok()? })
    };
    list.lines().map(workload).collect::<Option<_>>().context("the program lists something else than workloads")
}

/// Shows what came out of it. `gone`: what the file names, and is no workload.
fn conclude(verdicts: &[Verdict<'_>], gone: &[String]) -> Result<String> {
    println!("{}", counts::table(verdicts));
    let failed: Vec<_> = verdicts.iter().filter_map(Verdict::fault).collect();
    if !gone.is_empty() {
        bail!("{FILE} names workloads that there are not: {}; {RENEW}", gone.join(", "));
    }
    if !failed.is_empty() {
        bail!("{}\n  if that is what it has to cost: {RENEW}", failed.join("\n  "));
    }
    if verdicts.iter().any(Verdict::is_cheaper) {
        println!("some of it costs less than {FILE} says: {RENEW}");
    }
    Ok(format!("instructions: {} workloads cost no more than {FILE} says", verdicts.len()))
}

/// What the hot path costs, written by this command.
const FILE: &str = "benches/instructions.toml";
const RENEW: &str = "run `cargo xtask instructions --write`";
const PROGRAM: &str = "instructions";
/// The function of the program in which is counted, as valgrind knows it.
const COUNTED: &str = "instructions::counted*";
/// How often a workload is done, each of two times. What happens once in a while is seen, and all of it takes half a minute.
const FEW: u32 = 8;
const MANY: u32 = 40;
/// What the file was counted on.
const ARCHITECTURE: &str = "x86_64";
