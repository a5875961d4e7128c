//! The table over its mirrors.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;
use zeroize::Zeroizing;

use super::class::ShredClass;
use super::disk::{Disk, FileSystem, MirrorFile};
use super::error::{MirrorError, ShredError};
use super::merge::Merged;
use super::mirror::{Mirror, header, read_slot};
use super::slot::{Content, SLOT_SIZE, ShredSecret, Slot, write_free, write_taken};
use crate::key::id::KeyId;
use crate::limits::SHRED_SLOTS_MAX;

/// The shred secrets of an installation, on all its mirrors. One process has them at a time.
///
/// A secret is written only if every mirror takes it, and one is destroyed only when it is on none of them any more. A mirror that fails takes no part until it has been brought to the
/// state of the others.
pub struct ShredTable {
    pub(super) installation: [u8; 16],
    class: ShredClass,
    pub(super) disk: Arc<dyn Disk>,
    /// As they are configured, in this order.
    pub(super) mirrors: Vec<Mirror>,
    /// Held by whoever writes. Nobody waits for it to read.
    pub(super) writer: Mutex<Merged>,
    /// Slots with secrets for changes that are being made.
    in_flight: Mutex<BTreeSet<Slot>>,
}

/// How a mirror is.
#[derive(Clone, Debug)]
pub struct MirrorStatus {
    /// Its file.
    pub path: PathBuf,
    /// Why it takes no part, if so.
    pub fault: Option<MirrorError>,
}

impl ShredTable {
    /// Makes the mirrors of a new installation. Nothing that exists is touched.
    ///
    /// # Errors
    /// [`ShredError::Mirror`]: one exists already or cannot be made. Those before it were made.
    pub fn create(mirrors: &[PathBuf], installation: [u8; 16]) -> Result<(), ShredError> {
        create_on(&FileSystem, mirrors, installation)
    }

    /// Opens the mirrors that are there, and brings them to one state. Those that are missing or damaged are looked for again by [`ShredTable::tend`].
    ///
    /// # Errors
    /// [`ShredError::Mirror`] for one that is in use, of another installation, of a newer format or readable by others; [`ShredError::NoMirror`] if none can be used;
    /// [`ShredError::Disagree`].
    pub fn open(mirrors: &[PathBuf], installation: [u8; 16], class: ShredClass) -> Result<Self, ShredError> {
        Self::open_on(Arc::new(FileSystem), mirrors, installation, class)
    }

    /// As [`ShredTable::open`], on any disk.
    pub(super) fn open_on(
        disk: Arc<dyn Disk>,
        mirrors: &[PathBuf],
        installation: [u8; 16],
        class: ShredClass,
    ) -> Result<Self, ShredError> {
        let mirrors = mirrors.iter().cloned().map(Mirror::at).collect();
        let table = Self { installation, class, disk, mirrors, writer: Mutex::default(), in_flight: Mutex::default() };
        let merged = table.bring_together(&mut table.writer.lock());
        let mistake = |mirror: &Mirror| {
            let error = mirror.state().fault.filter(MirrorError::is_mistake)?;
            Some(ShredError::Mirror { path: mirror.path.clone(), error })
        };
        if let Some(error) = table.mirrors.iter().find_map(mistake) {
            return Err(error);
        }
        merged.map(|()| table)
    }

    /// Makes the mirrors that are missing, as copies of one that is there. A person has to order it: an unmounted disk looks like a file that is missing.
    /// Gives those that were made.
    ///
    /// # Errors
    /// As [`ShredTable::open`]; [`ShredError::Mirror`] for one that cannot be made or filled.
    pub fn make_missing(
        mirrors: &[PathBuf],
        installation: [u8; 16],
        class: ShredClass,
    ) -> Result<Vec<PathBuf>, ShredError> {
        let table = Self::open(mirrors, installation, class)?;
        let is_missing = |mirror: &&Mirror| matches!(mirror.state().fault, Some(MirrorError::Missing));
        let missing: Vec<_> = table.mirrors.iter().filter(is_missing).map(|mirror| mirror.path.clone()).collect();
        create_on(&FileSystem, &missing, installation)?;
        table.tend()?;
        table.check()?;
        Ok(missing)
    }

    /// Writes secrets of keys, each to a slot of its own on every mirror; durable when it returns. Gives the slots, in the order of the keys. `note` is told of them, of the number
    /// of this writing, and whether the mirrors are older than the storage, before anything is written. They are in flight until [`ShredTable::land`].
    ///
    /// # Errors
    /// [`ShredError::Mirror`] if a mirror does not take them, [`ShredError::Full`], those of `note`: nothing refers to what may have been written.
    pub(crate) fn put<E: From<ShredError>>(
        &self,
        keys: &[(KeyId, &ShredSecret)],
        note: impl FnOnce(&[Slot], u64, bool) -> Result<(), E>,
    ) -> Result<Vec<Slot>, E> {
        let mut writer = self.writer.lock();
        self.look();
        self.check()?;
        let slots = writer.space.allocate(keys.len()).ok_or(ShredError::Full)?;
        self.in_flight.lock().extend(&slots);
        let sequence = writer.next_noted();
        if let Err(error) = note(&slots, sequence, writer.behind.is_some()) {
            slots.iter().for_each(|slot| writer.space.free(*slot));
            self.land(&slots);
            return Err(error);
        }
        writer.sequence = sequence;
        let places: Vec<_> = slots.iter().copied().zip(keys).collect();
        self.write(&places, |out, slot, key| write_taken(out, slot, &self.installation, sequence, **key));
        if let Err(error) = self.check() {
            // With a higher number than theirs, so that what was written of them is not brought to the others.
            let places: Vec<_> = slots.iter().copied().zip(keys.iter().map(|(id, _)| *id)).collect();
            self.overwrite(&mut writer, &places);
            self.land(&slots);
            return Err(error.into());
        }
        Ok(slots)
    }

    /// The change for which the secrets in these slots were written is made, or is not.
    pub(crate) fn land(&self, slots: &[Slot]) {
        let mut in_flight = self.in_flight.lock();
        for slot in slots {
            in_flight.remove(slot);
        }
    }

    /// Whether the change for which the secret in this slot was written is being made.
    pub(crate) fn is_in_flight(&self, slot: Slot) -> bool {
        self.in_flight.lock().contains(&slot)
    }

    /// Refuses if a secret could not be written now.
    ///
    /// # Errors
    /// Those of [`ShredTable::put`].
    pub(crate) fn must_have_room(&self) -> Result<(), ShredError> {
        let writer = self.writer.lock();
        self.look();
        self.check()?;
        if writer.space.taken() < SHRED_SLOTS_MAX { Ok(()) } else { Err(ShredError::Full) }
    }

    /// Destroys the secrets of keys, each if it still stands in its slot; done when it returns.
    ///
    /// # Errors
    /// [`ShredError::Mirror`] if a mirror cannot be read or written: not yet destroyed there. [`ShredError::Older`] for slots that the table never had, or that are kept by
    /// [`ShredTable::reserve`], while the others are destroyed.
    pub(crate) fn destroy(&self, keys: &[(Slot, KeyId)]) -> Result<(), ShredError> {
        self.overwrite_held(keys)?.map_or(Ok(()), |slot| Err(ShredError::Older(slot)))
    }

    /// As [`ShredTable::destroy`], for secrets of which it is not known whether they were ever written.
    ///
    /// # Errors
    /// [`ShredError::Mirror`].
    pub(crate) fn take_back(&self, keys: &[(Slot, KeyId)]) -> Result<(), ShredError> {
        self.overwrite_held(keys).map(drop)
    }

    /// Overwrites those slots that hold the secrets of these keys; gives one of which the table does not know, if there is one.
    fn overwrite_held(&self, keys: &[(Slot, KeyId)]) -> Result<Option<Slot>, ShredError> {
        let mut writer = self.writer.lock();
        self.look();
        let (mut held, mut empty) = (Vec::with_capacity(keys.len()), Vec::with_capacity(keys.len()));
        let mut beyond = None;
        for &(slot, id) in keys {
            match self.holder(slot, id) {
                Holder::Key => held.push((slot, id)),
                Holder::Nobody | Holder::Other if writer.lacks(slot, id) => beyond = Some(slot),
                Holder::Nobody => empty.push(slot),
                Holder::Beyond => beyond = Some(slot),
                // The slot was given to another key since; or a mirror has just failed, which is looked at below.
                Holder::Other | Holder::Unknown => {}
            }
        }
        held.sort_unstable_by_key(|(slot, _)| *slot);
        self.overwrite(&mut writer, &held);
        self.check()?;
        for slot in empty {
            writer.space.free(slot);
        }
        Ok(beyond)
    }

    /// Looks whether the mirrors are there, and brings those back that can be.
    ///
    /// # Errors
    /// [`ShredError::NoMirror`], [`ShredError::Disagree`]: as it was before. Mirrors that stay away are no error.
    pub fn tend(&self) -> Result<(), ShredError> {
        let mut writer = self.writer.lock();
        self.look();
        if self.check().is_ok() { Ok(()) } else { self.bring_together(&mut writer) }
    }

    /// How each mirror is.
    #[must_use]
    pub fn status(&self) -> Vec<MirrorStatus> {
        let status = |mirror: &Mirror| MirrorStatus { path: mirror.path.clone(), fault: mirror.state().fault };
        self.mirrors.iter().map(status).collect()
    }

    /// Refuses the table of another installation.
    ///
    /// # Errors
    /// [`ShredError::Mirror`].
    pub(crate) fn must_belong_to(&self, installation: [u8; 16]) -> Result<(), ShredError> {
        match self.mirrors.first() {
            Some(mirror) if installation != self.installation => {
                Err(ShredError::Mirror { path: mirror.path.clone(), error: MirrorError::OtherInstallation })
            }
            _ => Ok(()),
        }
    }

    /// What its destructions are worth.
    #[must_use]
    pub const fn class(&self) -> ShredClass {
        self.class
    }

    /// How many slots hold something, and how many of these are damaged on every mirror.
    #[must_use]
    pub fn taken(&self) -> (u32, u32) {
        let writer = self.writer.lock();
        let reserved = u32::try_from(writer.reserved.len()).unwrap_or(u32::MAX);
        (writer.space.taken().saturating_sub(reserved), u32::try_from(writer.damaged.len()).unwrap_or(u32::MAX))
    }

    /// Whose secret good mirrors have in `slot`: that of `id`, if only on one of them. A mirror that cannot be read fails.
    pub(super) fn holder(&self, slot: Slot, id: KeyId) -> Holder {
        let mut holder = Holder::Beyond;
        for (mirror, file) in self.mirrors.iter().filter_map(|mirror| Some((mirror, mirror.good()?))) {
            let found = match read_slot(&*file, slot, &self.installation) {
                Ok(None) => Holder::Beyond,
                Ok(Some(Content::Free)) => Holder::Nobody,
                Ok(Some(Content::Taken { id: found, .. })) if found == id => return Holder::Key,
                Ok(Some(Content::Taken { .. })) => Holder::Other,
                // That may be what is to be destroyed.
                Ok(Some(Content::Damaged)) => Holder::Key,
                Err(fault) => {
                    mirror.fail(Some(file), fault);
                    Holder::Unknown
                }
            };
            holder = holder.max(found);
        }
        holder
    }

    /// Makes slots free, which are ascending and those of these keys, on every good mirror.
    fn overwrite(&self, writer: &mut Merged, places: &[(Slot, KeyId)]) {
        writer.sequence = writer.sequence.saturating_add(1);
        let sequence = writer.sequence;
        self.write(places, |out, slot, id| write_free(out, slot, &self.installation, sequence, *id));
        if self.check().is_ok() {
            for (slot, _) in places {
                writer.release(*slot);
                writer.damaged.retain(|damaged| damaged != slot);
            }
        }
    }

    /// Writes slots, which are ascending, to every good mirror. One that does not take them fails.
    fn write<T>(&self, places: &[(Slot, T)], fill: impl Fn(&mut [u8], Slot, &T)) {
        let follow = |(one, _): &(Slot, T), (next, _): &(Slot, T)| next.get() == one.get().saturating_add(1);
        let mut runs = Vec::new();
        for run in places.chunk_by(follow) {
            let mut bytes = Zeroizing::new(vec![0; run.len() * SLOT_SIZE]);
            for (out, (slot, what)) in bytes.chunks_exact_mut(SLOT_SIZE).zip(run) {
                fill(out, *slot, what);
            }
            runs.extend(run.first().map(|(slot, _)| (slot.offset(), bytes)));
        }
        if runs.is_empty() {
            return;
        }
        let write = |mirror: &Mirror, file: Arc<dyn MirrorFile>| {
            let wrote = runs.iter().try_for_each(|(offset, bytes)| file.write_at(bytes, *offset));
            if let Err(error) = wrote.and_then(|()| file.sync()) {
                mirror.fail(Some(file), MirrorError::system("written")(error));
            }
        };
        // Disks take their time, so that all of them take it at once: the first here, each other one on a thread of its own.
        thread::scope(|scope| {
            let mut mirrors = self.mirrors.iter().filter_map(|mirror| Some((mirror, mirror.good()?)));
            let first = mirrors.next();
            for (mirror, file) in mirrors {
                let again = Arc::clone(&file);
                let spawned = thread::Builder::new().spawn_scoped(scope, || write(mirror, file));
                if spawned.is_err() {
                    write(mirror, again);
                }
            }
            if let Some((mirror, file)) = first {
                write(mirror, file);
            }
        });
    }
}

/// Whose secret is in a slot. Where mirrors differ, the last of these counts.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Holder {
    /// The slot is beyond the end.
    Beyond,
    /// Nobody's.
    Nobody,
    /// That of the key, or what may be it.
    Key,
    /// Another key's.
    Other,
    /// It cannot be read.
    Unknown,
}

fn create_on(disk: &dyn Disk, mirrors: &[PathBuf], installation: [u8; 16]) -> Result<(), ShredError> {
    for path in mirrors {
        let made = disk.create(path, &header(&installation));
        made.map_err(|error| ShredError::Mirror { path: path.clone(), error })?;
    }
    Ok(())
}

#[cfg(test)]
impl ShredTable {
    /// A table in memory.
    pub(crate) fn for_tests(installation: [u8; 16]) -> Self {
        super::tests::disk::MemoryDisk::default().table(installation)
    }
}
