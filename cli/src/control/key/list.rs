//! `claviger key list`: page by page, so that a store with very many keys takes no more memory than one with few.

use clap::Args;
use claviger_control::message::Key;
use claviger_control::{ControlClient, KeyFilter};

use super::current_version;
use crate::show;

/// Which keys are listed.
#[derive(Args)]
pub(crate) struct ListArguments {
    /// Name or id of the key store
    #[arg(long)]
    store: String,
    /// Only keys of this kind: secret, symmetric, mac or asymmetric
    #[arg(long)]
    kind: Option<String>,
    /// Only keys in this state: available, disabled, "deletion requested", or deleted (in the last 365 days)
    #[arg(long)]
    state: Option<String>,
    /// Only keys whose names begin so
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    /// Only keys whose names have this in them
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Only keys with this label: NAME, or NAME=VALUE
    #[arg(long)]
    label: Option<String>,
    /// All of them, not only the first 1,000
    #[arg(long)]
    all: bool,
}

pub(super) async fn run(arguments: ListArguments, client: &ControlClient, json: bool) -> anyhow::Result<()> {
    let ListArguments { store, kind, state, prefix, name, label, all } = arguments;
    let filter = KeyFilter { kind, state, prefix, name, label };
    let mut lines = Lines::default();
    let (mut after, mut listed, mut unreadable) = (None, 0, 0);
    loop {
        let page = client.find_keys(&store, &filter, after.as_deref(), PAGE_SIZE).await?;
        listed += page.keys.len();
        unreadable += page.unreadable;
        // Whoever reads may have read enough.
        if !lines.write(&page.keys, json)? {
            return Ok(());
        }
        after = page.next;
        if after.is_none() || !all && listed >= PAGE_SIZE {
            break;
        }
    }
    if listed == 0 && !json {
        lines.heading()?;
    }
    if after.is_some() {
        eprintln!("There may be more: add --all to list every one.");
    }
    show::unreadable(unreadable);
    Ok(())
}

/// A table of keys that were all read before.
pub(super) fn table(keys: &[Key]) -> anyhow::Result<()> {
    show::table(HEADING, keys.iter().map(row))
}

/// What is written as it comes: a table whose columns never get narrower, or one line of JSON for each key.
#[derive(Default)]
struct Lines {
    widths: [usize; COLUMNS],
}

impl Lines {
    /// Writes a page; whether anybody still reads.
    fn write(&mut self, keys: &[Key], json: bool) -> anyhow::Result<bool> {
        let mut text = String::new();
        if json {
            for key in keys {
                text.push_str(&serde_json::to_string(key)?);
                text.push('\n');
            }
        } else if !keys.is_empty() {
            let rows: Vec<_> = keys.iter().map(row).collect();
            let is_first = self.widths == [0; COLUMNS];
            let heading = HEADING.map(str::to_uppercase);
            for cells in rows.iter().chain([&heading]) {
                for (width, cell) in self.widths.iter_mut().zip(cells) {
                    *width = (*width).max(cell.chars().count());
                }
            }
            for cells in is_first.then_some(&heading).into_iter().chain(&rows) {
                text.push_str(&self.line(cells));
            }
        }
        show::text(&text)
    }

    fn heading(&mut self) -> anyhow::Result<()> {
        let heading = HEADING.map(str::to_uppercase);
        self.widths = heading.each_ref().map(|cell| cell.chars().count());
        show::text(&self.line(&heading)).map(drop)
    }

    /// One row, without blanks at its end.
    fn line(&self, cells: &[String; COLUMNS]) -> String {
        let cells = cells.iter().zip(self.widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    }
}

fn row(key: &Key) -> [String; COLUMNS] {
    let (version, created, changed) = (current_version(key), show::time(key.created), show::time(key.changed));
    let aliases = if key.aliases.is_empty() { "-".to_owned() } else { key.aliases.join(" ") };
    let (name, algorithm, state) = (key.name.clone(), key.algorithm.clone(), key.state.clone());
    [name, aliases, algorithm, state, version, created, changed, due(key), key.id.clone()]
}

/// What the clock does with it next.
fn due(key: &Key) -> String {
    let deleted = key.deleted.map(|deleted| format!("deleted {}", show::time(deleted)));
    let deletion = key.deletion.map(|deletion| format!("deletion {}", show::time(deletion.deadline)));
    let rotation = key.rotation.map(|rotation| format!("rotation {}", show::time(rotation.next)));
    deleted.or(deletion).or(rotation).unwrap_or_else(|| "-".to_owned())
}

const COLUMNS: usize = 9;
const HEADING: [&str; COLUMNS] =
    ["name", "aliases", "algorithm", "state", "version", "created", "changed", "due", "id"];

/// Keys of one page: as many as the server gives.
const PAGE_SIZE: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_never_get_narrower() {
        let cells = |text: &str| [(); COLUMNS].map(|()| text.to_owned());
        let lines = Lines { widths: [4; COLUMNS] };
        assert_eq!(lines.line(&cells("ab")), format!("{}ab\n", "ab    ".repeat(COLUMNS - 1)));
        assert_eq!(lines.line(&cells("longer")), format!("{}longer\n", "longer  ".repeat(COLUMNS - 1)));
    }
}
