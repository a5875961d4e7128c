//! A daemon as a process of its own: started in a temporary folder, watched, and ended with the folder.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::cpus::Cpus;
use crate::limits::{END_TIME, LOG_LINES_MAX, START_TIME};

/// A running `clavigerd`, or an echo. It is ended when this is dropped.
pub(crate) struct Daemon {
    child: Child,
    addresses: Addresses,
    log: Arc<Log>,
}

/// Where it listens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Addresses {
    pub(crate) data: String,
    pub(crate) control: String,
}

/// Memory of a process that is present, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Memory {
    /// Of its own: heap and stacks.
    pub(crate) own: u64,
    /// Pages of files that it has mapped, the storage above all. The system takes them back when it needs memory.
    pub(crate) files: u64,
}

/// The last lines of its log.
#[derive(Default)]
struct Log(Mutex<VecDeque<String>>);

impl Daemon {
    /// Makes the installation that the file `config` describes, and starts the daemon on `cpus`.
    ///
    /// # Errors
    /// With what the daemon said, if it does not come up.
    pub(crate) fn start(program: &Path, config: &Path, cpus: &Cpus) -> anyhow::Result<Self> {
        initialize(program, config)?;
        Self::run(program, config, cpus)
    }

    /// Starts the daemon on `cpus`, with an installation that is there.
    ///
    /// # Errors
    /// With what the daemon said, if it does not come up.
    pub(crate) fn run(program: &Path, config: &Path, cpus: &Cpus) -> anyhow::Result<Self> {
        Self::launch(program, &["run"], config, cpus)
    }

    /// Starts an echo on `cpus`: the daemon's connection loop by itself, with the addresses and certificates of the file `config`. It needs no installation.
    ///
    /// # Errors
    /// With what it said, if it does not come up.
    pub(crate) fn echo(program: &Path, config: &Path, cpus: &Cpus) -> anyhow::Result<Self> {
        Self::launch(program, &[], config, cpus)
    }

    fn launch(program: &Path, command: &[&str], config: &Path, cpus: &Cpus) -> anyhow::Result<Self> {
        // What is started inherits where it may run.
        let mut child = cpus.visit(|| {
            Command::new(program)
                .args(command)
                .arg("--config")
                .arg(config)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .with_context(|| format!("{}: {BUILD_IT}", program.display()))
        })??;
        let log = Arc::new(Log::default());
        let (started, addresses) = mpsc::channel();
        if let Some(stderr) = child.stderr.take() {
            let log = Arc::clone(&log);
            let read = move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    if let Some(addresses) = started_at(&line) {
                        // Whoever asked may have gone.
                        let _ = started.send(addresses);
                    }
                    log.push(line);
                }
            };
            thread::Builder::new().name("daemon log".to_owned()).spawn(read)?;
        }
        let come_up = addresses.recv_timeout(START_TIME);
        let daemon = |addresses| Self { child, addresses, log: Arc::clone(&log) };
        match come_up {
            Ok(addresses) => Ok(daemon(addresses)),
            Err(error) => {
                // Ended before its log is shown.
                drop(daemon(Addresses { data: String::new(), control: String::new() }));
                let what = match error {
                    RecvTimeoutError::Timeout => "did not start in time",
                    RecvTimeoutError::Disconnected => "ended instead of starting",
                };
                bail!("{} {what}; it said:\n{log}", program.display())
            }
        }
    }

    /// Where it listens.
    pub(crate) const fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Its process id.
    pub(crate) fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Processor time that all its threads have used, in user and kernel mode.
    ///
    /// # Errors
    /// If it has ended.
    pub(crate) fn processor_time(&self) -> anyhow::Result<Duration> {
        processor_time_of(self.child.id()).with_context(|| format!("the daemon said:\n{}", self.log))
    }

    /// What it has in memory.
    ///
    /// # Errors
    /// If it has ended.
    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(&path)
            .with_context(|| format!("the daemon has ended ({path}); it said:\n{}", self.log))?;
        memory(&status).with_context(|| format!("{path} is not as proc(5) describes it"))
    }

    /// What it said last.
    pub(crate) fn said(&self) -> String {
        self.log.to_string()
    }

    fn end(&mut self) -> std::io::Result<()> {
        let Some(id) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) else { return self.child.kill() };
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        kill_process(id, Signal::TERM)?;
        let end = Instant::now() + END_TIME;
        while Instant::now() < end {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            thread::sleep(LOOK_AGAIN);
        }
        self.child.kill()?;
        self.child.wait().map(drop)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("claviger-loadtest: the daemon (process {}) may still run: {error}", self.child.id());
        }
    }
}

impl Log {
    fn push(&self, line: String) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_back(line);
        if lines.len() > LOG_LINES_MAX {
            lines.pop_front();
        }
    }
}

impl std::fmt::Display for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

/// Processor time that all threads of a process have used, in user and kernel mode.
///
/// # Errors
/// If it has ended.
pub(crate) fn processor_time_of(process_id: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{process_id}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("process {process_id} has ended ({path})"))?;
    let ticks = ticks(&stat).with_context(|| format!("{path} is not as proc(5) describes it"))?;
    #[expect(clippy::cast_precision_loss, reason = "53 bits of hundredths of seconds are a million years")]
    let seconds = ticks as f64 / clock_ticks_per_second() as f64;
    Ok(Duration::from_secs_f64(seconds))
}

fn initialize(program: &Path, config: &Path) -> anyhow::Result<()> {
    let output = Command::new(program).args(["init", "--config"]).arg(config).output();
    let output = output.with_context(|| format!("{}: {BUILD_IT}, or name another with --daemon", program.display()))?;
    if !output.status.success() {
        bail!("`{} init` failed: {}", program.display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// What a line of the log says of addresses, if it is the one that says that the daemon has started.
fn started_at(line: &str) -> Option<Addresses> {
    #[derive(Deserialize)]
    struct Line {
        message: String,
        #[serde(flatten)]
        addresses: Addresses,
    }
    let line: Line = serde_json::from_str(line).ok()?;
    (line.message == "started").then_some(line.addresses)
}

/// Clock ticks in user and kernel mode: fields 14 and 15 of proc(5)'s `stat`, of which the second is a name in parentheses that may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11).map(str::parse::<u64>);
    let (user, kernel) = (fields.next()?.ok()?, fields.next()?.ok()?);
    Some(user + kernel)
}

/// RssAnon and RssFile of proc(5)'s `status`, which counts KiB.
fn memory(status: &str) -> Option<Memory> {
    let field = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        value.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1_024)
    };
    Some(Memory { own: field("RssAnon")?, files: field("RssFile")? })
}

/// What makes daemon and echo.
const BUILD_IT: &str = "build it with `cargo build --release -p claviger-daemon`";

/// How often it is looked whether the daemon has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_behind_a_name_that_may_hold_anything() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 7 8 20 0 3 0 100 1000 200";
        assert_eq!(ticks(stat), Some(300));
        for wrong in ["", "42 (name) S 1", "42 (name) S 1 2 3 4 5 6 7 8 9 10 x 5 6"] {
            assert_eq!(ticks(wrong), None, "{wrong:?}");
        }
        assert!(ticks(&fs::read_to_string("/proc/self/stat").unwrap()).is_some());
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let status = "Name:\tRssAnon:\nVmRSS:\t 900 kB\nRssAnon:\t     512 kB\nRssFile:\t  8 kB\n";
        assert_eq!(memory(status), Some(Memory { own: 512 * 1_024, files: 8 * 1_024 }));
        for wrong in ["", "RssAnon:\t1 kB", "RssAnon:\t1\nRssFile:\t1 kB", "RssAnon: x kB\nRssFile: 1 kB"] {
            assert_eq!(memory(wrong), None, "{wrong:?}");
        }
        assert!(memory(&fs::read_to_string("/proc/self/status").unwrap()).unwrap().own > 0);
    }

    #[test]
    fn only_the_line_that_says_started_names_the_addresses() {
        let line = |message| {
            format!(
                r#"{{"timestamp":"t","level":"INFO","message":"{message}","data":"127.0.0.1:1","control":"127.0.0.1:2","after":"1ms","target":"x"}}"#
            )
        };
        let addresses = Addresses { data: "127.0.0.1:1".to_owned(), control: "127.0.0.1:2".to_owned() };
        assert_eq!(started_at(&line("started")), Some(addresses));
        assert_eq!(started_at(&line("ended")), None);
        for wrong in ["", "started", "{}", r#"{"message":"started"}"#] {
            assert_eq!(started_at(wrong), None);
        }
    }

    #[test]
    fn the_log_keeps_its_last_lines() {
        let log = Log::default();
        (0..1_000).for_each(|line| log.push(line.to_string()));
        assert_eq!(log.0.lock().unwrap().len(), LOG_LINES_MAX);
        assert!(log.to_string().ends_with("  998\n  999\n"));
    }

    #[test]
    fn a_program_that_is_not_there_is_named_with_its_remedy() {
        let error = Daemon::start(Path::new("/nowhere/clavigerd"), Path::new("x"), &Cpus::current().unwrap());
        let error = format!("{:#}", error.err().unwrap());
        assert!(error.contains("/nowhere/clavigerd") && error.contains("cargo build"), "{error}");
    }

    #[test]
    fn a_program_that_fails_is_quoted() {
        let error = Daemon::start(Path::new("/bin/false"), Path::new("x"), &Cpus::current().unwrap());
        assert!(error.err().unwrap().to_string().contains("`/bin/false init` failed"));
        // Succeeds whatever it is told, and ends at once.
        let error = Daemon::start(Path::new("/bin/true"), Path::new("x"), &Cpus::current().unwrap());
        assert!(error.err().unwrap().to_string().contains("ended instead of starting"));
    }
}
