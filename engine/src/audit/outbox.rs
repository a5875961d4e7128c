//! What changes have to tell: put by their own transactions, removed when it is in a file of the log. So no change is without its record, whenever a crash comes.

use std::collections::BTreeSet;
use std::path::Path;

use super::event::{Event, EventKind};
use super::folder;
use super::line::Line;
use super::reader::{Lines, Read};
use super::signer::InstallationKey;
use crate::act::Act;
use crate::approval::ApprovalRecord;
use crate::crypto::random::Random;
use crate::error::Error;
use crate::key::id::StoreId;
use crate::limits::{AUDIT_CHANGES_APART_MAX, SCAN_PAGE_RECORDS};
use crate::record::address::{self, Holds};
use crate::record::vault::Vault;
use crate::record::{InstallationKeyRecord, KeyRecord, OutboxRecord};
use crate::storage::Write;

/// The installation key, made if there is none. Tells, too, whether no log was begun with it yet.
///
/// # Errors
/// [`Error::Audit`], [`Error::Damaged`], [`Error::SystemKeyMissing`], [`Error::Entropy`], [`Error::Storage`].
pub(super) fn installation_key(vault: &Vault, random: &dyn Random) -> Result<(InstallationKey, bool), Error> {
    let place = address::installation_key();
    if let Some((record, _)) = vault.read::<InstallationKeyRecord>(&place)? {
        let material = vault.unwrap::<InstallationKeyRecord>(&place, None, &record.wrapped_private_key)?;
        return Ok((InstallationKey::of(material)?, !record.is_used));
    }
    let (key, material) = InstallationKey::generate(random)?;
    let wrapped_private_key = vault.wrap::<InstallationKeyRecord>(&place, None, material.expose())?;
    let record = InstallationKeyRecord { wrapped_private_key, is_used: false };
    // What the log is begun with is not told in it: its first line names the key.
    vault.transact(&[], &[vault.put(place, &record)])?;
    Ok((key, true))
}

/// Notes that a log was begun with the installation key.
///
/// # Errors
/// [`Error::Damaged`], [`Error::SystemKeyMissing`], [`Error::Storage`].
pub(super) fn note_begun(vault: &Vault) -> Result<(), Error> {
    let place = address::installation_key();
    if let Some((record, _)) = vault.read::<InstallationKeyRecord>(&place)?.filter(|(record, _)| !record.is_used) {
        vault.transact(&[], &[vault.put(place, &InstallationKeyRecord { is_used: true, ..record })])?;
    }
    Ok(())
}

/// The write by which a change tells what it is.
pub(super) fn put(vault: &Vault, number: u64, event: &Event) -> Write {
    vault.put(address::outbox(number), &OutboxRecord { event: event.json().into_bytes() })
}

/// What the change of this number has to tell, if it is still there.
///
/// # Errors
/// [`Error::Damaged`], [`Error::SystemKeyMissing`], [`Error::Storage`].
pub(super) fn read(vault: &Vault, number: u64) -> Result<Option<Event>, Error> {
    let place = address::outbox(number);
    let Some((record, _)) = vault.read::<OutboxRecord>(&place)? else { return Ok(None) };
    let event = Event::parse(&record.event).ok_or_else(|| Error::Damaged(place.to_string()))?;
    Ok(Some(Event { change: Some(number), ..event }))
}

/// The numbers of all that is there, in the order in which the changes were made.
///
/// # Errors
/// [`Error::Storage`].
pub(super) fn all(vault: &Vault) -> Result<Vec<u64>, Error> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = vault.storage().scan(&address::outboxes(), after.as_ref(), SCAN_PAGE_RECORDS)?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        for (place, value) in &page {
            found.extend(address::parse_outbox(place).map(|number| (value.revision, number)));
        }
    }
    found.sort_unstable();
    Ok(found.into_iter().map(|(_, number)| number).collect())
}

/// Gives a number to what a restore has to tell, if there is any.
///
/// # Errors
/// [`Error::Damaged`], [`Error::SystemKeyMissing`], [`Error::Storage`].
pub(super) fn number_restored(vault: &Vault, number: u64) -> Result<(), Error> {
    let place = address::outbox(RESTORED);
    if let Some((record, _)) = vault.read::<OutboxRecord>(&place)? {
        let delete = Write::Delete { address: place };
        vault.transact(&[], &[vault.put(address::outbox(number), &record), delete])?;
    }
    Ok(())
}

/// The write by which a restore tells what it was. It knows no log, so that the next start gives it its number.
pub(crate) fn put_restored(vault: &Vault, shown: String, now_ms: u64) -> Write {
    let mut event = Event::new(EventKind::Restored, now_ms);
    event.actor = "clavigerd restore".to_owned();
    event.shown = shown;
    put(vault, RESTORED, &event.bounded())
}

/// Removes what is in the log.
///
/// # Errors
/// [`Error::Storage`].
pub(super) fn remove(vault: &Vault, numbers: &BTreeSet<u64>) -> Result<(), Error> {
    let writes: Vec<_> = numbers.iter().map(|number| Write::Delete { address: address::outbox(*number) }).collect();
    for part in writes.chunks(SCAN_PAGE_RECORDS) {
        vault.transact(&[], part)?;
    }
    Ok(())
}

/// Which of these changes are in the log, whose last file has this number. Reads back as far as they may stand.
///
/// # Errors
/// [`Error::Audit`].
pub(super) fn logged(folder: &Path, last_file: u64, wanted: &BTreeSet<u64>) -> Result<BTreeSet<u64>, Error> {
    let mut logged = BTreeSet::new();
    let Some(first) = wanted.first() else { return Ok(logged) };
    for number in folder::list(folder)?.into_iter().rev().filter(|number| *number <= last_file) {
        let mut lines = Lines::open(&folder::path(folder, number))?;
        // What was changed before this file was begun. Changes stand in the order in which they were made, which their numbers may miss by as many as are made at once.
        let mut before = None;
        while let Read::Line(bytes) = lines.next()? {
            let change = Line::parse(bytes).and_then(|line| line.event()).and_then(|event| event.change);
            if before.is_none() {
                before = change;
            } else {
                logged.extend(change.filter(|change| wanted.contains(change)));
            }
        }
        if logged.len() == wanted.len() || before.unwrap_or_default().saturating_add(AUDIT_CHANGES_APART_MAX) < *first {
            break;
        }
    }
    Ok(logged)
}

/// What a change by these writes has to tell.
pub(super) fn event(vault: &Vault, act: &Act, writes: &[Write], now_ms: u64) -> Event {
    let kind = if writes.is_empty() { EventKind::Act } else { EventKind::Change };
    let mut event = Event::new(kind, now_ms);
    for write in writes {
        match address::holds(write.address()) {
            Some(Holds::Key(id)) => {
                event.keys.push(id);
                if let Write::Put { address, value } = write
                    && event.store.is_none()
                {
                    event.store = vault.open::<KeyRecord>(address, value).ok().map(|record| record.store);
                }
            }
            Some(Holds::KeyStore(id) | Holds::KeyName(id, _)) => event.store = Some(id),
            None => {
                event.store = event.store.or_else(|| store_of(vault, write));
            }
        }
    }
    event.store = event.store.or(act.store);
    for key in &act.keys {
        if !event.keys.contains(key) {
            event.keys.push(*key);
        }
    }
    event.actor.clone_from(&act.actor);
    event.operation = act.operation.to_owned();
    event.shown.clone_from(&act.shown);
    event.trace_id.clone_from(&act.trace_id);
    event.bounded()
}

/// The key store of what is neither a key nor a key store: an import, a row of authentication data, a request for approval.
fn store_of(vault: &Vault, write: &Write) -> Option<StoreId> {
    let place = write.address();
    let import = address::parse_transport_key(place).map(|(store, ..)| store);
    let row = address::parse_access_row(place).map(|(store, _)| store);
    import.or(row).or_else(|| match write {
        Write::Put { address, value } if address::parse_approval(address).is_some() => {
            vault.open::<ApprovalRecord>(address, value).ok()?.store
        }
        _ => None,
    })
}

/// The number under which a restore tells what it was.
const RESTORED: u64 = 0;
