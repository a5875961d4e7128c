//! What is lost, and how it comes back: the rows of `docs/OPERATIONS.md`, each tried with the commands that stand there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{Daemon, Said, beside, run};

impl Daemon {
    /// Ends the daemon as a loss of power does.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Runs `clavigerd` on the installation.
    fn operate(&self, command: &str, arguments: &[&str]) -> Said {
        let config = self.path("dev/config.toml");
        run(Command::new(beside("clavigerd")).arg(command).arg("--config").arg(config).args(arguments))
    }

    fn restore(&self, arguments: &[&str]) -> Said {
        self.operate("restore", arguments)
    }

    fn remove(&self, place: &str) {
        let path = self.path("dev").join(place);
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }

    fn rotate(&self) -> u64 {
        self.say(&["key", "rotate", "--store", "demo", "records", "--json"]).json()["current_version"].as_u64().unwrap()
    }

    fn version(&self) -> u64 {
        let key = self.say(&["key", "show", "--store", "demo", "records", "--json"]).json();
        key["current_version"].as_u64().unwrap()
    }

    /// Kills the daemon, does this, and starts it again.
    pub(crate) fn restarted(mut self, meanwhile: impl FnOnce(&Self)) -> Self {
        self.kill();
        meanwhile(&self);
        self.started_again()
    }

    /// The segments of the journal, oldest first.
    fn segments(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("dev/journal")).unwrap().map(|entry| entry.unwrap().path());
        let number = |path: &PathBuf| path.to_str().unwrap().rsplit_once("journal-")?.1.parse::<u64>().ok();
        let mut segments: Vec<_> = entries.filter_map(|path| Some((number(&path)?, path))).collect();
        segments.sort();
        segments.into_iter().map(|(_, path)| path).collect()
    }

    /// Whether health warns that a lost data folder would be lost.
    fn warns_of_the_journal(&self) -> bool {
        self.say(&["health"]).output.contains("the journal lacks changes, and no backup has them")
    }

    /// The path of a backup, as one gives it to a restore.
    fn backup(&self, name: &str) -> String {
        self.path("dev/backup").join(name).to_str().unwrap().to_owned()
    }
}

// R-H7
#[test]
fn backups_are_made_verified_listed_and_the_journal_pruned() {
    let daemon = Daemon::start();
    assert!(daemon.refused(&["backup", "prune"]).contains("claviger backup verify"));
    assert!(daemon.refused(&["backup", "verify", "backup-1"]).contains("claviger backup list"));
    let made = daemon.say(&["backup", "create"]).output;
    let segment = format!("segment {}", daemon.segments().len());
    for said in ["backup", "backup-1", "ready", &segment, "verified            no"] {
        assert!(made.contains(said), "{said:?} is missing: {made}");
    }
    assert!(daemon.refused(&["backup", "prune", "backup-1", "--yes"]).contains("was not verified"));
    daemon.rotate();
    let verified = daemon.say(&["backup", "verify", "backup-1", "--json"]).json();
    let revision = daemon.say(&["health", "--json"]).json()["storage_revision"].as_u64().unwrap();
    let reached = verified["file"]["verified"]["revision"].as_u64().unwrap();
    assert!(reached > verified["file"]["revision"].as_u64().unwrap() && reached <= revision, "{verified}");
    let listed = daemon.say(&["backup", "list"]).output;
    let segments = daemon.segments().len();
    let segments_said = format!("journal: {segments} segments");
    assert!(listed.contains("VERIFIED") && listed.contains("backup-1") && listed.contains(&segments_said), "{listed}");
    assert!(listed.contains("on the same disk as the data folder"), "{listed}");
    assert_eq!(daemon.say(&["backup", "list", "--json"]).json()["backups"][0]["state"], "ready");
    let wrong = daemon.say_with(&["backup", "prune"], "backup-2\n");
    assert!(wrong.code == 1 && wrong.errors.contains("nothing was done"), "{}", wrong.errors);
    let pruned = daemon.say_with(&["backup", "prune"], "backup-1\n");
    let removed = segments - daemon.segments().len();
    assert!(removed > 0);
    assert_eq!(pruned.output, format!("journal: {removed} segments before backup-1 removed\n"));
    let begun = daemon.say(&["backup", "create", "--no-wait", "--json"]).json();
    assert_eq!(begun["name"], "backup-2");
}

// R-H7
#[test]
fn lost_data_folder_comes_back_from_backup_and_journal_or_from_the_journal_alone() {
    let mut daemon = Daemon::start();
    daemon.say(&["backup", "create"]);
    let rotated = daemon.rotate();
    let refused = daemon.restore(&["--backup", &daemon.backup("backup-1")]).errors;
    assert!(refused.contains("another clavigerd has it"), "{refused}");
    let by_name = vec!["--backup".to_owned(), "backup-1".to_owned()];
    for arguments in [vec!["--backup".to_owned(), daemon.backup("backup-1")], by_name, vec![]] {
        daemon.kill();
        daemon.remove("data");
        let said = daemon.operate("run", &[]).errors;
        assert!(said.contains("data folder  missing") && said.contains("clavigerd restore"), "{said}");
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let restored = daemon.restore(&arguments);
        assert!(restored.output.contains("each unwrapped"), "{}{}", restored.output, restored.errors);
        daemon = daemon.started_again();
        assert_eq!(daemon.version(), rotated);
    }
}

// R-H7
#[test]
fn lost_journal_is_begun_anew_by_order_and_costs_nothing() {
    let mut daemon = Daemon::start();
    let rotated = daemon.rotate();
    daemon.kill();
    daemon.remove("journal");
    let said = daemon.operate("run", &[]).errors;
    assert!(said.contains("journal      missing") && said.contains("clavigerd new-journal"), "{said}");
    assert!(daemon.operate("new-journal", &[]).output.contains("make a full backup now"));
    let again = daemon.operate("new-journal", &[]).errors;
    assert!(again.contains("nothing has to be begun anew"), "{again}");
    daemon = daemon.started_again();
    assert_eq!(daemon.version(), rotated);
    daemon.say(&["backup", "create"]);
    let rotated = daemon.rotate();
    daemon.kill();
    daemon.remove("data");
    assert_eq!(daemon.restore(&["--backup", &daemon.backup("backup-1")]).code, 0);
    daemon = daemon.started_again();
    assert_eq!(daemon.version(), rotated);
}

// R-H7
#[test]
fn data_folder_and_journal_lost_together_cost_what_has_changed_since_the_backup() {
    let mut daemon = Daemon::start();
    daemon.say(&["backup", "create"]);
    let before = daemon.version();
    daemon.rotate();
    daemon.kill();
    daemon.remove("data");
    let too_early = daemon.restore(&["--backup", &daemon.backup("backup-1"), "--without-journal"]).errors;
    assert!(too_early.contains("has segments: leave out --without-journal"), "{too_early}");
    daemon.remove("journal");
    let refused = daemon.restore(&["--backup", &daemon.backup("backup-1")]).errors;
    assert!(refused.contains("is missing") && refused.contains("--without-journal"), "{refused}");
    let restored = daemon.restore(&["--backup", &daemon.backup("backup-1"), "--without-journal"]);
    assert!(
        restored.output.contains("A new journal has begun: make a full backup now"),
        "{}{}",
        restored.output,
        restored.errors
    );
    daemon = daemon.started_again();
    assert_eq!(daemon.version(), before);
    assert_eq!(daemon.say(&["backup", "create"]).code, 0);
}

// R-H7
#[test]
fn end_of_the_journal_that_is_lost_or_damaged_costs_nothing_while_the_data_folder_is_there() {
    let daemon = Daemon::start();
    let rotated = daemon.rotate();
    let daemon = daemon.restarted(|daemon| fs::remove_file(daemon.segments().pop().unwrap()).unwrap());
    assert!(daemon.warns_of_the_journal());
    assert_eq!(daemon.version(), rotated);
    daemon.say(&["backup", "create"]);
    assert!(!daemon.warns_of_the_journal());
    // The last record alone would be taken for what a crash leaves.
    daemon.rotate();
    daemon.rotate();
    let rotated = daemon.rotate();
    let daemon = daemon.restarted(|daemon| {
        let newest = daemon.segments().pop().unwrap();
        let mut bytes = fs::read(&newest).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&newest, bytes).unwrap();
        let refused = daemon.operate("run", &[]).errors;
        let name = newest.file_name().unwrap().to_str().unwrap();
        assert!(refused.contains(&format!("{name} is damaged")), "{refused}");
        assert!(refused.contains("move this file away, start again, and make a full backup at once"), "{refused}");
        fs::rename(newest, daemon.path("away")).unwrap();
    });
    assert!(daemon.warns_of_the_journal());
    assert_eq!(daemon.version(), rotated);
    daemon.say(&["backup", "create"]);
    // Together with the data folder: all that the journal had since the backup.
    daemon.rotate();
    let daemon = daemon.restarted(|daemon| {
        daemon.remove("data");
        fs::remove_file(daemon.segments().pop().unwrap()).unwrap();
        let refused = daemon.restore(&["--backup", "backup-2"]).errors;
        assert!(refused.contains("is missing") && refused.contains("(--without-journal)"), "{refused}");
        fs::rename(daemon.path("dev/journal"), daemon.path("rest")).unwrap();
        let restored = daemon.restore(&["--backup", "backup-2", "--without-journal"]);
        assert_eq!(restored.code, 0, "{}", restored.errors);
    });
    assert_eq!(daemon.version(), rotated);
}

// R-H7
#[test]
fn segment_that_is_lost_in_the_middle_costs_nothing_after_a_new_backup() {
    let daemon = Daemon::start();
    daemon.say(&["backup", "create"]);
    daemon.rotate();
    let daemon = daemon.restarted(|_| {});
    let rotated = daemon.rotate();
    let daemon = daemon.restarted(|daemon| {
        let mut segments = daemon.segments();
        segments.pop();
        fs::remove_file(segments.pop().unwrap()).unwrap();
    });
    let refused = daemon.refused(&["backup", "verify", "backup-1"]);
    assert!(refused.contains("is missing: bring it back from a copy"), "{refused}");
    for arguments in [&["create"][..], &["verify", "backup-2"], &["prune", "backup-2", "--yes"]] {
        let said = daemon.say(&[&["backup"], arguments].concat());
        assert_eq!(said.code, 0, "{}", said.errors);
    }
    let daemon = daemon.restarted(|daemon| {
        daemon.remove("data");
        assert_eq!(daemon.restore(&["--backup", "backup-2"]).code, 0);
    });
    assert_eq!(daemon.version(), rotated);
}

// R-H7, R-H8
#[test]
fn data_folder_that_was_put_back_is_refused_until_it_is_restored() {
    let mut daemon = Daemon::start();
    daemon.say(&["backup", "create"]);
    daemon.kill();
    let file = daemon.path("dev/data/data.mdb");
    let before = fs::read(&file).unwrap();
    daemon = daemon.started_again();
    let rotated = daemon.rotate();
    daemon = daemon.restarted(|daemon| {
        fs::write(&file, before).unwrap();
        let refused = daemon.operate("run", &[]).errors;
        assert!(refused.contains("the data folder is older than journal"), "{refused}");
        let refused = daemon.restore(&["--backup", "backup-1"]).errors;
        assert!(refused.contains("is not empty"), "{refused}");
        daemon.remove("data");
        assert_eq!(daemon.restore(&["--backup", "backup-1"]).code, 0);
    });
    assert_eq!(daemon.version(), rotated);
}

// R-H7
#[test]
fn installation_moves_to_another_machine_with_one_mirror_of_the_shred_table() {
    let mut daemon = Daemon::start();
    let rotated = daemon.rotate();
    daemon.say(&["backup", "create"]);
    daemon.kill();
    let here = std::mem::replace(&mut daemon.folder, tempfile::tempdir().unwrap());
    copy(&here.path().join("dev"), &daemon.path("dev"), &["data", "shred-table-1", "shred-table-2"]);
    let refused = daemon.restore(&["--backup", "backup-1"]).errors;
    assert!(refused.contains("no mirror of the shred table can be used"), "{refused}");
    fs::copy(here.path().join("dev/shred-table-2"), daemon.path("dev/shred-table-2")).unwrap();
    let restored = daemon.restore(&["--backup", "backup-1"]);
    assert_eq!(restored.code, 0, "{}", restored.errors);
    let config = daemon.path("dev/config.toml");
    let made = run(Command::new(beside("clavigerd")).args(["shred-table", "mirror", "--config"]).arg(config));
    assert!(made.output.contains("shred-table-1"), "{}{}", made.output, made.errors);
    drop(here);
    daemon = daemon.started_again();
    assert_eq!(daemon.version(), rotated);
}

/// A folder with what is in it, without these.
fn copy(from: &Path, to: &Path, without: &[&str]) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type().unwrap() {
            _ if without.iter().any(|name| entry.file_name() == *name) => {}
            kind if kind.is_dir() => copy(&from, &to, without),
            _ => drop(fs::copy(from, to).unwrap()),
        }
    }
}

// R-H7
#[test]
fn lost_backups_cost_nothing_as_long_as_the_journal_is_whole() {
    let mut daemon = Daemon::start();
    daemon.say(&["backup", "create"]);
    let rotated = daemon.rotate();
    daemon.remove("backup");
    assert_eq!(daemon.say(&["backup", "list", "--json"]).json()["backups"], Value::Array(Vec::new()));
    daemon.kill();
    daemon.remove("data");
    assert_eq!(daemon.restore(&[]).code, 0);
    daemon = daemon.started_again();
    assert_eq!(daemon.version(), rotated);
}

// R-H7, R-K11
#[test]
fn one_lost_mirror_of_the_shred_table_costs_nothing_and_all_of_them_cost_every_key() {
    let mut daemon = Daemon::start();
    daemon.say(&["backup", "create"]);
    let rotated = daemon.rotate();
    daemon.kill();
    // With the data folder, and the other one not yet made again.
    daemon.remove("data");
    daemon.remove("shred-table-1");
    let restored = daemon.restore(&["--backup", &daemon.backup("backup-1")]);
    assert_eq!(restored.code, 0, "{}", restored.errors);
    assert_eq!(
        run(Command::new(beside("clavigerd"))
            .args(["shred-table", "mirror", "--config"])
            .arg(daemon.path("dev/config.toml")))
        .code,
        0
    );
    daemon = daemon.started_again();
    assert_eq!(daemon.version(), rotated);
    daemon.kill();
    daemon.remove("data");
    daemon.remove("shred-table-1");
    daemon.remove("shred-table-2");
    let refused = daemon.restore(&["--backup", &daemon.backup("backup-1")]);
    assert!(refused.code == 1 && refused.errors.contains("shred"), "{}", refused.errors);
    assert!(!daemon.path("dev/data").exists(), "nothing is restored that would say of every key that it was destroyed");
}

// R-H7, R-K11
#[test]
fn key_that_was_deleted_after_the_backup_does_not_come_back_without_the_journal() {
    let mut daemon = Daemon::start();
    daemon.say(&["key", "create", "--store", "demo", "--algorithm", "Ed25519", "temporary"]);
    daemon.say(&["backup", "create"]);
    let deleted = daemon.say(&["key", "delete", "--store", "demo", "temporary"]);
    assert_eq!(deleted.code, 0, "{}", deleted.errors);
    let deleted = daemon.say(&["key", "delete-now", "--store", "demo", "temporary", "--yes"]);
    assert_eq!(deleted.code, 0, "{}", deleted.errors);
    daemon.kill();
    daemon.remove("data");
    daemon.remove("journal");
    let restored = daemon.restore(&["--backup", &daemon.backup("backup-1"), "--without-journal"]);
    assert!(
        restored.output.contains("1 keys that backup and journal still had"),
        "{}{}",
        restored.output,
        restored.errors
    );
    daemon = daemon.started_again();
    let listed = daemon.say(&["key", "list", "--store", "demo"]).output;
    assert!(listed.contains("records") && !listed.contains("temporary"), "{listed}");
}

// R-H7, R-H2
#[test]
fn lost_root_key_or_system_keys_cost_everything_unless_there_is_a_copy() {
    let mut daemon = Daemon::start();
    let version = daemon.version();
    daemon.say(&["backup", "create"]);
    daemon.kill();
    for place in ["root-key", "system-keys"] {
        let copy = fs::read(daemon.path("dev").join(place)).unwrap();
        daemon.remove(place);
        let said = daemon.operate("run", &[]).errors;
        assert!(said.contains("missing") && said.contains("bring the missing places back"), "{said}");
        // Not even backup and journal help.
        let data = daemon.path("dev/data");
        fs::rename(&data, daemon.path("away")).unwrap();
        assert_eq!(daemon.restore(&["--backup", &daemon.backup("backup-1")]).code, 1);
        fs::rename(daemon.path("away"), &data).unwrap();
        let path = daemon.path("dev").join(place);
        fs::write(&path, copy).unwrap();
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    daemon = daemon.started_again();
    assert_eq!(daemon.version(), version);
}
