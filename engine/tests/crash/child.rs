//! Processes that write: this test program, started again. What they do stands here as tests that are ignored unless
//! a parent asks for one of them; they tell the parent line by line what has been acknowledged to them.

use std::env;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use claviger_engine::storage::{LmdbOptions, LmdbStorage, Storage, StorageError, TransactError};

use crate::backup::change_until_killed;
use crate::failed_write::Fault;
use crate::shred::create_and_delete_until_killed;
use crate::system_key::rotate_until_killed;
use crate::uses::{seal_until_killed, use_until_killed};
use crate::work::{Acknowledged, THREADS, check, open, raise, reached};
use crate::{audit, once};

/// A child process and what it says.
pub(crate) struct Writer {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// One line of a child.
#[derive(Debug, PartialEq)]
pub(crate) enum Line {
    /// A thread was told that its number is durable.
    Acknowledged { thread: u8, n: u64 },
    /// Anything else that the child has to say.
    Said(String),
}

impl Writer {
    /// Starts a child that does what the ignored test `role` says with the folder.
    pub(crate) fn start(role: &str, folder: &Path, fault: Fault) -> Self {
        let role = format!("child::{role}");
        let mut program = vec![env::current_exe().unwrap().into_os_string()];
        program.extend([&role, "--exact", "--ignored", "--nocapture"].map(OsString::from));
        let program = fault.around(program);
        let mut process = Command::new(&program[0])
            .args(&program[1..])
            .env(FOLDER, folder)
            .env(FAULT, fault.name())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    /// The next line that the child has for its parent; `None` once it has ended.
    pub(crate) fn next(&mut self) -> Option<Line> {
        // The last line of a killed child may be cut short, and does not count then.
        self.lines.by_ref().map(Result::unwrap).find_map(|line| parse(&line))
    }

    /// Reads on to the end, noting what was acknowledged; returns the other lines.
    pub(crate) fn rest(&mut self, acknowledged: &mut Acknowledged) -> Vec<String> {
        let mut said = Vec::new();
        while let Some(line) = self.next() {
            match line {
                Line::Acknowledged { thread, n } => drop(acknowledged.insert(thread, n)),
                Line::Said(text) => said.push(text),
            }
        }
        said
    }

    /// Ends the child as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
    }

    /// Waits for the end of the child; whether it ended well.
    pub(crate) fn succeeded(mut self) -> bool {
        self.process.wait().unwrap().success()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // A failing test leaves no process behind; one that has ended cannot be killed, and need not be.
        let _has_ended = self.process.kill();
        let _is_gone = self.process.wait();
    }
}

fn parse(line: &str) -> Option<Line> {
    let words: Vec<_> = line.strip_prefix(MARK)?.strip_suffix(END)?.split(' ').collect();
    Some(match words[..] {
        ["ack", thread, n] => Line::Acknowledged { thread: thread.parse().unwrap(), n: n.parse().unwrap() },
        _ => Line::Said(words.join(" ")),
    })
}

/// Tells the parent; in one write, and past the test harness, which would keep it.
fn tell(text: &str) {
    io::stdout().lock().write_all(format!("\n{MARK}{text}{END}\n").as_bytes()).unwrap();
}

/// The folder to work on, if a parent has started this process.
fn folder() -> Option<PathBuf> {
    env::var_os(FOLDER).map(PathBuf::from)
}

#[test]
#[ignore = "a child process of the other tests"]
fn writes_until_killed() {
    let Some(folder) = folder() else { return };
    let storage = open(&folder);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let storage = &storage;
            scope.spawn(move || {
                for n in reached(storage, thread) + 1.. {
                    raise(storage, thread, n).unwrap();
                    tell(&format!("ack {thread} {n}"));
                }
            });
        }
    });
}

#[test]
#[ignore = "a child process of the other tests"]
fn holds_the_folder_until_killed() {
    let Some(folder) = folder() else { return };
    let _storage = open(&folder);
    tell("holding");
    io::stdin().lines().for_each(drop);
}

#[test]
#[ignore = "a child process of the other tests"]
fn seals_until_killed() {
    let Some(folder) = folder() else { return };
    seal_until_killed(&folder, |count| tell(&format!("ack 0 {count}")));
}

#[test]
#[ignore = "a child process of the other tests"]
fn uses_until_killed() {
    let Some(folder) = folder() else { return };
    use_until_killed(&folder, |count| tell(&format!("ack 0 {count}")));
}

#[test]
#[ignore = "a child process of the other tests"]
fn changes_keys_until_killed() {
    let Some(folder) = folder() else { return };
    change_until_killed(&folder, tell);
}

#[test]
#[ignore = "a child process of the other tests"]
fn changes_with_an_audit_log_until_killed() {
    let Some(folder) = folder() else { return };
    audit::change_until_killed(&folder, tell);
}

#[test]
#[ignore = "a child process of the other tests"]
fn creates_once_until_killed() {
    let Some(folder) = folder() else { return };
    once::create_once_until_killed(&folder, tell);
}

#[test]
#[ignore = "a child process of the other tests"]
fn rotates_until_killed() {
    let Some(folder) = folder() else { return };
    rotate_until_killed(&folder, tell);
}

#[test]
#[ignore = "a child process of the other tests"]
fn creates_and_deletes_until_killed() {
    let Some(folder) = folder() else { return };
    create_and_delete_until_killed(&folder, tell);
}

/// Writes in turn for each thread until a write fails, and then checks what must still work and what must not.
#[test]
#[ignore = "a child process of the other tests"]
fn writes_until_a_write_fails() {
    let Some(folder) = folder() else { return };
    let fault = Fault::named(&env::var(FAULT).unwrap());
    let storage = open(&folder);
    let mut acknowledged = Acknowledged::new();
    let mut refusal = None;
    for total in 0..TOTAL_MAX {
        if total == TOTAL_BEFORE_FAULT {
            fault.begin();
        }
        let (thread, n) = (u8::try_from(total % u64::from(THREADS)).unwrap(), total / u64::from(THREADS) + 1);
        if let Err(error) = raise(&storage, thread, n) {
            refusal = Some(error);
            break;
        }
        acknowledged.insert(thread, n);
        tell(&format!("ack {thread} {n}"));
    }
    let error = refusal.unwrap();
    tell(&error.to_string());
    assert!(matches!(error, TransactError::Storage(StorageError::WritesEnded { .. })), "{error}");

    let reached = check(&storage, &acknowledged, "reads go on");
    assert_eq!(reached, acknowledged, "a change that was not acknowledged is not shown either");
    let watch = storage.watch(storage.revision());
    let again = raise(&storage, 0, acknowledged[&0] + 1).unwrap_err();
    assert_eq!(again.to_string(), error.to_string(), "never retried");
    assert_eq!(watch.unwrap().next_timeout(Duration::ZERO), Ok(None));
    drop(storage);
    let reopened = LmdbStorage::open(&folder, &LmdbOptions::default()).err().unwrap();
    assert!(matches!(reopened, StorageError::WritesEnded { .. }), "not even by opening it again: {reopened}");
    tell("checked");
}

/// Transactions before a fault that is set from inside begins, and at most: by then every fault has shown.
pub(crate) const TOTAL_BEFORE_FAULT: u64 = 20;
const TOTAL_MAX: u64 = 20_000;

const FOLDER: &str = "CLAVIGER_CRASH_FOLDER";
const FAULT: &str = "CLAVIGER_CRASH_FAULT";

/// Around what is meant for the parent, so that it is told from what the test harness prints, and a cut line from a
/// whole one.
const MARK: &str = "> ";
const END: &str = " <";
