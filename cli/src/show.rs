//! How answers look: tables for people, JSON for programs.

use std::io::{self, ErrorKind, Write};

use claviger_control::message::Time;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

/// Prints `message` as JSON.
///
/// # Errors
/// If standard output cannot be written.
pub(super) fn json(message: &impl Serialize) -> anyhow::Result<()> {
    line(&serde_json::to_string_pretty(message)?)
}

/// Prints a table with a heading.
///
/// # Errors
/// If standard output cannot be written.
pub(super) fn table<const COLUMNS: usize>(
    heading: [&str; COLUMNS],
    rows: impl IntoIterator<Item = [String; COLUMNS]>,
) -> anyhow::Result<()> {
    let mut table = plain();
    table.set_header(heading.map(str::to_uppercase));
    table.add_rows(rows);
    line(&lines(&table))
}

/// Prints names and values below each other.
///
/// # Errors
/// If standard output cannot be written.
pub(super) fn facts<'a>(facts: impl IntoIterator<Item = (&'a str, String)>) -> anyhow::Result<()> {
    let mut table = plain();
    table.add_rows(facts.into_iter().map(|(name, value)| [name.to_owned(), value]));
    line(&lines(&table))
}

/// Prints a line.
///
/// # Errors
/// If standard output cannot be written. A reader that has gone away has read enough.
pub(super) fn line(text: &str) -> anyhow::Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Prints lines as they come; whether anybody still reads.
///
/// # Errors
/// If standard output cannot be written.
pub(super) fn text(text: &str) -> anyhow::Result<bool> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        written => Ok(written.map(|()| true)?),
    }
}

/// Says beside a list, not in it, that it is not complete: so many records of it are damaged.
pub(super) fn unreadable(count: usize) {
    if count > 0 {
        let what = if count == 1 { "1 record is" } else { &format!("{count} records are") };
        eprintln!("{what} damaged and not listed: the log of the daemon says more; restore from a backup.");
    }
}

/// A time to the second.
pub(super) fn time(Time(time): Time) -> String {
    time.strftime("%F %T UTC").to_string()
}

fn plain() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// Without the blanks that fill the last column up.
fn lines(table: &Table) -> String {
    table.trim_fmt().lines().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
}
