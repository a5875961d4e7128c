//! The places of an installation: which are there, and what is said when some are not.

use std::fs;
use std::path::{Path, PathBuf};

use claviger_engine::backup::Journal;

use crate::config::Config;

/// The places, and whether each is there.
pub(super) struct Places(Vec<Place>);

struct Place {
    name: &'static str,
    path: PathBuf,
    exists: bool,
}

impl Places {
    pub(super) fn of(config: &Config) -> Self {
        let place = |name, path: &Path, exists| Place { name, path: path.to_owned(), exists };
        let (root_key, system_keys) = (&config.root_key.path, &config.system_keys.path);
        let (folder, journal) = (&config.storage.folder, &config.journal.folder);
        let mut places = vec![
            place("root key", root_key, root_key.exists()),
            place("system keys", system_keys, system_keys.exists()),
            place("data folder", folder, !is_empty(folder)),
            // The lock alone is no journal: one that was to be opened leaves it. What cannot be read is there.
            place("journal", journal, !Journal::is_empty(journal).unwrap_or(false)),
        ];
        let audit = &config.audit.folder;
        places.push(place(AUDIT_LOG, audit, !is_empty(audit)));
        places.extend(config.shred_table.mirrors.iter().map(|mirror| place(MIRROR, mirror, mirror.exists())));
        Self(places)
    }

    /// What to tell a start if not all places are there.
    pub(super) fn missing(&self) -> Option<String> {
        if self.0.iter().all(|place| !place.exists) {
            return Some(format!("there is no installation yet:\n{self}make one with `clavigerd init --config FILE`"));
        }
        // A mirror of the shred table may be away, while there is another.
        let has_mirror = self.0.iter().any(|place| place.name == MIRROR && place.exists);
        // Of a lost audit log the engine tells what is remembered of it.
        let may_be_away = |place: &Place| place.name == AUDIT_LOG || place.name == MIRROR && has_mirror;
        let is_there = self.0.iter().all(|place| place.exists || may_be_away(place));
        (!is_there).then(|| self.half_made())
    }

    /// What to tell `init` if any place is there.
    pub(super) fn existing(&self) -> Option<String> {
        match self.0.iter().filter(|place| place.exists).count() {
            0 => None,
            count if count == self.0.len() => Some(format!(
                "this installation was made before, and is left as it is:\n{self}start it with `clavigerd run`"
            )),
            _ => Some(self.half_made()),
        }
    }

    fn half_made(&self) -> String {
        format!(
            "this installation is half there:\n{self}\
             If it has held keys, bring the missing places back from your copies, or name where they are in the configuration file; \
             a lost data folder comes back by `clavigerd restore`, and in place of a lost journal `clavigerd new-journal` begins another. \
             If it never did (an `init` that was cut short), delete what exists and run `clavigerd init` again"
        )
    }
}

impl std::fmt::Display for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for Place { name, path, exists } in &self.0 {
            let state = if *exists { "exists" } else { "missing" };
            writeln!(f, "  {name:<12} {state:<8} {}", path.display())?;
        }
        Ok(())
    }
}

/// Whether nothing is in a folder, or there is none: an empty one may be a mount point that waits for its first data.
pub(crate) fn is_empty(folder: &Path) -> bool {
    !fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

/// What each mirror is called in the list of places.
const MIRROR: &str = "shred table";

/// What the folder of the audit log is called there.
const AUDIT_LOG: &str = "audit log";
