//! The mirrors of the shred table: where the configuration says that they are, and that this is a good place.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::ensure;
use claviger_engine::hierarchy::SystemKeys;
use claviger_engine::shred::{ShredClass, ShredTable};

use crate::config::{Config, ShredTableClass};

/// Opens the mirrors of an installation.
///
/// # Errors
/// With the remedy: one is in a bad place, in use or not of this installation, or none is there.
pub fn open(config: &Config, system_keys: &SystemKeys) -> anyhow::Result<ShredTable> {
    check(config)?;
    Ok(ShredTable::open(&config.shred_table.mirrors, system_keys.installation(), class(config))?)
}

/// Makes the mirrors of a new installation.
///
/// # Errors
/// With the remedy: one is in a bad place, exists, or cannot be made.
pub fn create(config: &Config, system_keys: &SystemKeys) -> anyhow::Result<()> {
    check(config)?;
    Ok(ShredTable::create(&config.shred_table.mirrors, system_keys.installation())?)
}

/// Makes the mirrors that are missing, as copies of one that is there. Gives their files.
///
/// # Errors
/// With the remedy: there is none to copy from, one cannot be made, or a daemon has them.
pub fn make_missing(config: &Config, system_keys: &SystemKeys) -> anyhow::Result<Vec<PathBuf>> {
    check(config)?;
    Ok(ShredTable::make_missing(&config.shred_table.mirrors, system_keys.installation(), class(config))?)
}

/// Whether each mirror that is there is on a device of its own, apart from the data folder's.
#[must_use]
pub fn are_separated(config: &Config) -> bool {
    let paths = config.shred_table.mirrors.iter().chain([&config.storage.folder]);
    let devices: Vec<_> = paths.filter_map(|path| Some(fs::metadata(path).ok()?.dev())).collect();
    devices.iter().collect::<BTreeSet<_>>().len() == devices.len()
}

/// Refuses mirrors that are one file, or stand where the data or copies of it are, whatever links lead there.
///
/// # Errors
/// With the mirror and the remedy.
pub fn check(config: &Config) -> anyhow::Result<()> {
    let folders = [
        ("data folder", &config.storage.folder),
        ("folder of the journal", &config.journal.folder),
        ("folder of backups", &config.backup.folder),
    ]
    .map(|(name, folder)| (name, real_path(folder)));
    let mut seen = BTreeSet::new();
    for path in &config.shred_table.mirrors {
        let real = real_path(path);
        for (name, folder) in &folders {
            ensure!(
                !real.starts_with(folder),
                "mirror {} of the shred table is inside the {name}, where copies of the data would have it beside them: name a place outside, on another disk",
                path.display()
            );
        }
        ensure!(
            seen.insert(real),
            "mirror {} of the shred table is the same file as another one: name different files, on different disks",
            path.display()
        );
    }
    Ok(())
}

/// A path without links, as far as it exists.
fn real_path(path: &Path) -> PathBuf {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(real), _, _) => real,
        (Err(_), Some(parent), Some(name)) if parent.as_os_str().is_empty() => real_path(Path::new(".")).join(name),
        (Err(_), Some(parent), Some(name)) => real_path(parent).join(name),
        (Err(_), _, _) => path.to_owned(),
    }
}

const fn class(config: &Config) -> ShredClass {
    match config.shred_table.class {
        ShredTableClass::File => ShredClass::File,
        ShredTableClass::Development => ShredClass::Development,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::installation::{Installation, init};

    fn said(result: anyhow::Result<impl Sized>) -> String {
        format!("{:#}", result.err().unwrap())
    }

    // R-K11
    #[test]
    fn mirrors_beside_the_data_or_of_one_file_are_refused_whatever_links_lead_there() {
        let folder = tempfile::tempdir().unwrap();
        let text = "[storage]\nmap_size_mib = 1\nfree_space_floor_mib = 0\n[audit]\nfile_size_mib = 1\nfree_space_floor_mib = 0";
        let good = Config::parse(text, folder.path()).unwrap();
        let path = |name: &str| folder.path().join(name);
        symlink(path("data"), path("elsewhere")).unwrap();
        symlink(path("shred-table-1"), path("other-name")).unwrap();
        let with_second = |second: &str| {
            let mut config = good.clone();
            config.shred_table.mirrors[1] = path(second);
            config
        };
        for (second, place) in [
            ("data/shred-table", "inside the data folder"),
            ("data/deeper/shred-table", "inside the data folder"),
            ("journal/shred-table", "inside the folder of the journal"),
            ("backup/shred-table", "inside the folder of backups"),
        ] {
            let refused = said(init(&with_second(second)));
            assert!(refused.contains(place) && refused.contains(second), "{refused}");
            assert!(!path("root-key").exists(), "nothing was made");
        }
        init(&good).unwrap();
        assert!(said(Installation::open(&with_second("elsewhere/shred-table"))).contains("inside the data folder"));
        for second in ["other-name", "./shred-table-1"] {
            assert!(said(Installation::open(&with_second(second))).contains("is the same file"), "{second}");
        }
        fs::hard_link(path("shred-table-1"), path("hard-link")).unwrap();
        assert!(said(Installation::open(&with_second("hard-link"))).contains("it is named twice"));
        drop(Installation::open(&good).unwrap());
    }
}
