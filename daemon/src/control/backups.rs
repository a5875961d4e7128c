//! Backups and the journal: list, make, verify, prune. What takes long is begun, and asked after.

use super::approvals::Approved;
use claviger_control::message::{
    Backup, BackupFile, BackupList, Journal, Nothing, Progress, PruneJournal, PrunedJournal, Verified,
};
use claviger_engine::approval::ChangeClass;
use claviger_engine::backup::{self, Backups, Kind, Outcome, Work};

use super::ControlState;
use super::answer::Answer;
use super::call::Call;
use super::change::{BackupChange, Change};
use super::describe::time;
use super::permission::READ_INSTALLATION;
use super::problem::Problem;
use super::route::{Route, change, form, read};

/// Backups and the journal.
pub(super) static ROUTES: &[Route] = &[
    read("/v1/backups", "list_backups", "Full backups, oldest first, and the journal", form::<BackupList>(), list)
        .needs(&READ_INSTALLATION),
    change(
        "/v1/backups",
        "create_backup",
        "Begin to make a full backup",
        Approved::As(ChangeClass::Installation),
        form::<Backup>(),
        create,
    )
    .creates(),
    read("/v1/backups/{backup}", "read_backup", "Describe a backup, and how far it has got", form::<Backup>(), show)
        .needs(&READ_INSTALLATION),
    change(
        "/v1/backups/{backup}/verify",
        "verify_backup",
        "Begin to prove that a backup and the journal after it can be restored",
        Approved::As(ChangeClass::Installation),
        form::<Backup>(),
        verify,
    ),
    change(
        "/v1/journal/prune",
        "prune_journal",
        "Remove what a verified backup makes superfluous in the journal",
        Approved::As(ChangeClass::Installation),
        form::<PrunedJournal>(),
        prune,
    )
    .takes::<PruneJournal>(),
];

fn list(state: &ControlState, _: &Call) -> Result<Answer, Problem> {
    let backups = &state.installation.backups;
    let files = backups.list()?;
    let mut works = backups.works();
    let mut list: Vec<_> = files
        .into_iter()
        .map(|file| {
            let work = works.remove(&file.name);
            describe(file.name.clone(), Some(file), work)
        })
        .collect();
    // What was made and is gone was removed.
    let has_no_file = works.into_iter().filter(|(_, work)| !matches!(work.outcome, Some(Outcome::Done)));
    list.extend(has_no_file.map(|(name, work)| describe(name, None, Some(work))));
    let (segments, size) = backups.journal_size()?;
    let journal = Journal {
        folder: backups.journal().folder().display().to_string(),
        segments,
        size,
        separated: state.installation.facts.journal_separated,
        failure: backups.journal().failure(),
    };
    Answer::ok(&BackupList { backups: list, journal })
}

fn show(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    Answer::ok(&describe_named(&state.installation.backups, call.backup())?)
}

fn create(_: &ControlState, call: &Call) -> Result<Change, Problem> {
    let Nothing {} = call.body()?;
    Ok(Change::Backup(BackupChange::Create))
}

fn verify(_: &ControlState, call: &Call) -> Result<Change, Problem> {
    let Nothing {} = call.body()?;
    Ok(Change::Backup(BackupChange::Verify { name: call.backup().to_owned() }))
}

fn prune(_: &ControlState, call: &Call) -> Result<Change, Problem> {
    let PruneJournal { backup } = call.body()?;
    Ok(Change::Backup(BackupChange::Prune { name: backup }))
}

/// What is told of the backup of this name: of its file, and of what is or was done with it.
pub(super) fn describe_named(backups: &Backups, name: &str) -> Result<Backup, Problem> {
    // Asked first: what is done after the look at the file is seen by the next look.
    let work = backups.work(name);
    let has_no_file = work.as_ref().is_some_and(|work| !matches!(work.outcome, Some(Outcome::Done)));
    match backups.file(name) {
        Ok(file) => Ok(describe(name.to_owned(), Some(file), work)),
        // While it is being made, and when that has failed, there is no file.
        Err(backup::BackupError::NoSuchBackup(_)) if has_no_file => Ok(describe(name.to_owned(), None, work)),
        Err(error) => Err(error.into()),
    }
}

fn describe(name: String, file: Option<backup::BackupFile>, work: Option<Work>) -> Backup {
    let (mut state, mut failure, mut progress) = ("ready", None, None);
    if let Some(Work { kind, progress: now, outcome }) = work {
        match (outcome, kind) {
            (None, kind) => {
                state = if kind == Kind::Create { "making" } else { "verifying" };
                let (done, total) = now.bytes();
                progress = Some(Progress { done, total });
            }
            (Some(Outcome::Failed(why)), kind) => {
                state = if kind == Kind::Create { "failed" } else { "not verified" };
                failure = Some(why);
            }
            (Some(Outcome::Done), _) => {}
        }
    }
    let verified = |verified: backup::Verified| Verified {
        at: time(verified.at_ms),
        revision: verified.revision.0,
        stores: verified.inventory.stores,
        keys: verified.inventory.keys,
        versions: verified.inventory.versions,
        records: verified.inventory.records,
    };
    let file = file.map(|file| BackupFile {
        created: time(file.created_ms),
        revision: file.revision.0,
        size: file.size,
        first_segment: file.first_segment,
        verified: file.verified.map(verified),
    });
    Backup { name, state: state.to_owned(), failure, progress, file }
}
