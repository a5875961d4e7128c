//! How the daemon is, and whether it does its work.

use std::path::Path;
use std::time::SystemTime;

use claviger_control::message::{Health, Readiness, SystemKeyList, Time};
use claviger_engine::hierarchy::CustodyClass;
use claviger_engine::limits::{VERSIONS_MAX, VERSIONS_WARNING};
use http::StatusCode;

use super::answer::Answer;
use super::call::Call;
use super::permission::{EVERYBODY, READ_INSTALLATION};
use super::problem::Problem;
use super::route::{Route, form, read};
use super::system_keys::describe_system_keys;
use super::{ControlState, access_warnings, approvals, certificate_ends, emergency, shred_table};
use crate::hardening::Hardening;

/// How the daemon is.
pub(super) static ROUTES: &[Route] = &[
    read("/v1/health", "read_health", "How the daemon is", form::<Health>(), health).needs(&READ_INSTALLATION),
    read("/v1/ready", "read_readiness", "Whether the daemon does its work", form::<Readiness>(), ready)
        .needs(&EVERYBODY)
        .or_unavailable(),
];

fn health(state: &ControlState, _: &Call) -> Result<Answer, Problem> {
    let facts = &state.installation.facts;
    let free = free_space(&state.folder);
    let connections = state.data.lock().as_ref().map_or(0, |data| data.connections());
    let mut warnings = Vec::new();
    let locked = state.installation.engine.locked();
    warnings.extend(locked.as_ref().map(emergency::in_words));
    match facts.root_key {
        CustodyClass::DevelopmentFile => warnings.push(
            "development root key (UNSAFE): whoever reads its file has the root key; not for production".to_owned(),
        ),
    }
    if !facts.separated {
        warnings.push("not separated: root key, system keys and data are on one machine".to_owned());
    }
    if !facts.journal_separated {
        warnings.push("not separated: journal and data folder are on one disk, and are lost together; set [journal] folder to another one".to_owned());
    }
    warnings.extend(
        state.installation.backups.journal().failure().map(|failure| format!("changes are refused: {failure}")),
    );
    if state.installation.backups.journal().has_gap() {
        warnings.push("the journal lacks changes, and no backup has them: make a full backup now (`claviger backup create`); until then a lost data folder is lost".to_owned());
    }
    let audit = state.installation.engine.audit_status();
    if let Some(failure) = audit.as_ref().and_then(|audit| audit.failure.as_ref()) {
        warnings.push(format!("changes are refused: {failure}"));
    }
    if !facts.audit_separated {
        warnings.push("not separated: data folder, audit log and what remembers its end are not each on a disk of its own; set [audit] folder and head to others".to_owned());
    }
    warnings.extend(approvals::warning(&state.installation.engine));
    let hardening = Hardening::of_process();
    warnings.extend(hardening.warnings().map(str::to_owned));
    if !facts.hardware_generator {
        warnings.push("the processor has no random generator of its own: never clone or resume this machine twice from one snapshot while clavigerd runs".to_owned());
    }
    if free.is_some_and(|free| free < state.free_space_floor) {
        warnings.push(format!(
            "changes are refused because the disk of {} is nearly full: free some space",
            state.folder.display()
        ));
    }
    let uses = state.installation.engine.use_warnings();
    warnings.extend(
        uses.near_limit.iter().map(|key| format!("key {key} has used half of what its algorithm allows: rotate it")),
    );
    let versions = state.installation.engine.version_warnings();
    warnings.extend(versions.iter().map(|key| {
        format!("key {key} has {VERSIONS_WARNING} of {VERSIONS_MAX} versions or more: create a new key and re-encrypt")
    }));
    if state.installation.engine.schedule_is_stalled() {
        warnings.push(
            "what is due was not looked at for several minutes: rotations and deletions are late; see the log"
                .to_owned(),
        );
    }
    if uses.limited_unwritten {
        warnings.push(
            "uses of keys with a limit cannot be written: such keys soon stop encrypting; see the log".to_owned(),
        );
    }
    if uses.statistics_unwritten {
        warnings.push(
            "the use of keys cannot be written: rotation by use waits, and who uses a key is told later; see the log"
                .to_owned(),
        );
    }
    let SystemKeyList { system_keys, renewal } = describe_system_keys(&state.installation);
    if let Some(failing) = renewal.as_ref().and_then(|renewal| renewal.failing.as_ref()) {
        warnings.push(format!("records are not protected by the current system key, and cannot be now: {failing}"));
    }
    let unused = system_keys.iter().filter(|key| key.state == "unused");
    warnings.extend(unused.map(|key| {
        format!("version {} of the system key is not used any more: destroy it (`claviger system-key destroy`) when no older backup is needed", key.version)
    }));
    warnings.extend(access_warnings::warnings(&state.installation.engine));
    let shred_table = shred_table::shred_table(&state.installation.engine)?;
    let class = state.installation.engine.shred_table().class();
    warnings.extend(shred_table::warnings(&shred_table, class, facts.mirrors_separated));
    warnings.extend(certificate_ends::warnings(&state.shown().ends, &state.installation.engine, SystemTime::now()));
    if let Some(failure) = &*state.reload_failure.lock() {
        warnings.push(format!("the configuration was not read anew, and what was in force stays: {failure}"));
    }
    if state.metrics_are_open {
        warnings.push("the listener of [metrics] can be reached from other machines, and asks nobody who he is: set its address to loopback, or to a network of its own".to_owned());
    }
    Answer::ok(&Health {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        protocol_version: claviger_protocol::header::VERSION.into(),
        started: Time(state.started),
        locked: locked.map(emergency::describe_lock),
        root_key: facts.root_key.to_string(),
        separated: facts.separated,
        journal_separated: facts.journal_separated,
        shred_table,
        installation_public_key: audit.map(|audit| audit.public_key.to_string()),
        core_dumps_excluded: hardening.undumpable,
        memory_locked: hardening.locked,
        hardware_random_generator: facts.hardware_generator,
        storage_revision: state.installation.storage.revision().0,
        storage_free_bytes: free,
        cached_keys: count(state.installation.engine.cached_keys()),
        data_connections: count(connections),
        system_key_version: system_keys.last().map_or(0, |key| key.version),
        system_key_renewal: renewal,
        warnings,
    })
}

/// Why the daemon is not ready.
pub(super) struct Reason {
    /// What is concerned, in a word.
    pub(super) part: &'static str,
    /// What is wrong, and what to do.
    pub(super) text: String,
}

/// Everything that keeps the daemon from serving all that it is asked for. Blocks: it asks the storage.
pub(super) fn reasons(state: &ControlState) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let because = |part| move |text| Reason { part, text };
    if state.data.lock().is_none() {
        reasons.push(because("ending")("the daemon is ending: the data port takes no more requests".to_owned()));
    }
    reasons.extend(state.installation.engine.locked().map(|locked| because("locked")(emergency::in_words(&locked))));
    // A transaction without compares and writes goes all the way of a change, and changes nothing.
    if let Err(error) = state.installation.storage.transact(&[], &[]) {
        reasons.push(because("storage")(error.to_string()));
    }
    // That goes past the journal, which takes what is written only.
    reasons.extend(state.installation.backups.journal().failure().map(because("journal")));
    let audit = state.installation.engine.audit_status();
    reasons.extend(audit.and_then(|audit| audit.failure).map(because("audit log")));
    // Keys cannot be created then.
    reasons.extend(shred_table::faults(&state.installation.engine).into_iter().map(because("shred table")));
    reasons
}

fn ready(state: &ControlState, _: &Call) -> Result<Answer, Problem> {
    let reasons: Vec<_> = reasons(state).into_iter().map(|reason| reason.text).collect();
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Answer::new(status, &Readiness { ready: reasons.is_empty(), reasons })
}

/// Free bytes on the disk of a folder, if the system tells.
pub(super) fn free_space(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
