//! How answers look: tables for people, JSON for programs.

use claviger_client::UnknownCode;
use comfy_table::{ContentArrangement, Table, presets};
use jiff::Timestamp;
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::time::SystemTime;

/// Prints `message` as JSON.
///
/// # Errors
/// Standard output cannot be written.
pub(super) fn json(message: &impl Serialize) -> anyhow::Result<()> {
    line(&serde_json::to_string_pretty(message)?)
}

/// Prints a table with a heading.
///
/// # Errors
/// Standard output cannot be written.
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
/// Standard output cannot be written.
pub(super) fn facts<'a>(facts: impl IntoIterator<Item = (&'a str, String)>) -> anyhow::Result<()> {
    let mut table = plain();
    table.add_rows(facts.into_iter().map(|(name, value)| [name.to_owned(), value]));
    line(&lines(&table))
}

/// Prints a line.
///
/// # Errors
/// Standard output cannot be written. A reader that has gone away has read enough.
pub(super) fn line(text: &str) -> anyhow::Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// The name of a kind, an algorithm or a state, or its number.
pub(super) fn name(code: Result<impl Display, UnknownCode>) -> String {
    code.map_or_else(|unknown| format!("unknown ({})", unknown.0), |code| code.to_string())
}

/// The name of a kind or a state in small letters, as the control port writes it, or its number.
pub(super) fn word(code: Result<impl Display, UnknownCode>) -> String {
    name(code).to_lowercase()
}

/// A time to the second, for people.
pub(super) fn time(time: SystemTime) -> String {
    formatted(time, "%F %T UTC")
}

/// A time to the second in the form of RFC 3339, for programs.
pub(super) fn rfc_3339(time: SystemTime) -> String {
    formatted(time, "%FT%TZ")
}

fn formatted(time: SystemTime, format: &str) -> String {
    // The last year that the format has is 9999.
    Timestamp::try_from(time).unwrap_or(Timestamp::MAX).strftime(format).to_string()
}

fn plain() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// Without the blanks at the edges.
fn lines(table: &Table) -> String {
    table.trim_fmt().lines().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_are_shown_to_the_second() {
        let moment = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_999);
        assert_eq!(time(moment), "2023-11-14 22:13:20 UTC");
        assert_eq!(rfc_3339(moment), "2023-11-14T22:13:20Z");
    }

    #[test]
    fn what_is_not_known_is_shown_by_its_number() {
        assert_eq!(name(Err::<&str, _>(UnknownCode(99))), "unknown (99)");
        assert_eq!(name(Ok("Available")), "Available");
    }
}
