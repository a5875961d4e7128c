//! What stands at the end of a log when it is opened, and whether that fits what is remembered of it.

use super::AuditError;
use super::folder;
use super::head;
use super::line::{self, Link};
use super::log::{AuditOptions, End};
use super::reader::{Lines, Read};
use super::signer::InstallationPublicKey;
use crate::hierarchy::SystemKeys;

/// What was found at the end of a log.
#[derive(Default)]
pub(super) struct Tail {
    pub(super) end: End,
    pub(super) unsigned: u64,
    pub(super) system_key: u32,
    pub(super) change: u64,
    /// Whether the line that is remembered was found.
    has_remembered: bool,
}

/// Finds where the log ends, and whether that fits what is remembered; `None` if there never was one. Tells, too, whether what is remembered was damaged in part.
pub(super) fn find_end(
    options: &AuditOptions,
    keys: &SystemKeys,
    public_key: &InstallationPublicKey,
    is_new: bool,
) -> Result<Option<(Tail, bool)>, AuditError> {
    let numbers = folder::list(&options.folder)?;
    let Some(found) = head::read(&options.head, public_key)? else {
        return if is_new && numbers.is_empty() { Ok(None) } else { Err(AuditError::NoHead(options.head.clone())) };
    };
    let remembered = found.head;
    if remembered.installation != keys.installation() {
        return Err(AuditError::OtherInstallation(options.head.clone()));
    }
    let cut = |found| AuditError::Cut { folder: options.folder.clone(), found, remembered: remembered.last.seq };
    let Some(&newest) = numbers.last() else { return Err(cut(0)) };
    let path = folder::path(&options.folder, newest);
    let mut tail = Tail { end: End { file: newest, ..End::default() }, ..Tail::default() };
    let mut lines = Lines::open(&path)?;
    // A file begins with a whole line.
    let mut problem = "its first line cannot be read";
    while let Read::Line(bytes) = lines.next()? {
        let Some(line) = line::Line::parse(bytes) else { break };
        let is_first = tail.end.size == 0;
        let authentic = keys.version(line.system_key).is_none_or(|key| line.is_authentic(&key.audit));
        let Some(event) = line.event().filter(|_| authentic && (is_first || line.follows(tail.end.last))) else {
            problem = "it is not the line that was written";
            break;
        };
        if is_first {
            // The line before it is remembered if the crash came before this file was.
            let before = Link { seq: line.seq.saturating_sub(1), hash: line.previous };
            tail.has_remembered = before == remembered.last;
        }
        tail.unsigned = if line.is_signed_by(public_key) == Some(true) { 0 } else { tail.unsigned + 1 };
        tail.system_key = line.system_key;
        tail.change = tail.change.max(event.change.unwrap_or_default());
        tail.end.last = line.link();
        tail.end.size = lines.offset();
        tail.has_remembered |= tail.end.last == remembered.last;
    }
    if tail.end.size == 0 {
        return Err(AuditError::Damaged { path, offset: 0, what: problem });
    }
    if tail.end.last.seq < remembered.last.seq {
        let is_all = tail.end.size == lines.size();
        return Err(if is_all {
            cut(tail.end.last.seq)
        } else {
            AuditError::Damaged { path, offset: tail.end.size, what: problem }
        });
    }
    if !tail.has_remembered {
        return Err(AuditError::Altered { folder: options.folder.clone(), seq: remembered.last.seq });
    }
    // The log is written before what is remembered: with only the older place left, it must be ahead of that.
    if found.is_torn && tail.end.last == remembered.last {
        return Err(AuditError::NoHead(options.head.clone()));
    }
    Ok(Some((tail, found.is_torn)))
}
