//! One mirror: a file with a header that never changes, and slots.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use zeroize::Zeroizing;

use super::disk::{Disk, MirrorFile};
use super::error::MirrorError;
use super::merge::Part;
use super::slot::{Content, SLOT_SIZE, Slot};
use crate::crypto::checksum::sha256;
use crate::limits::SHRED_SLOTS_MAX;

/// A mirror and how it is.
pub(super) struct Mirror {
    pub(super) path: PathBuf,
    state: RwLock<State>,
}

/// A mirror is good if it has a file and no fault.
#[derive(Clone, Default)]
pub(super) struct State {
    /// The file. One with a fault is still read if nothing else is left: what it holds of a key that lives is right.
    pub(super) file: Option<Arc<dyn MirrorFile>>,
    /// Why it takes no part.
    pub(super) fault: Option<MirrorError>,
}

impl Mirror {
    /// A mirror that has not been looked at.
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path, state: RwLock::default() }
    }

    /// How it is now.
    pub(super) fn state(&self) -> State {
        self.state.read().clone()
    }

    /// Its file, if it is good.
    pub(super) fn good(&self) -> Option<Arc<dyn MirrorFile>> {
        let state = self.state.read();
        state.file.clone().filter(|_| state.fault.is_none())
    }

    /// It takes part from now on.
    pub(super) fn mend(&self, file: Arc<dyn MirrorFile>) {
        *self.state.write() = State { file: Some(file), fault: None };
    }

    /// It takes no part any more, until it is mended; `file` is it, if it can still be read.
    pub(super) fn fail(&self, file: Option<Arc<dyn MirrorFile>>, fault: MirrorError) {
        let mut state = self.state.write();
        if state.fault.is_none() {
            tracing::error!(mirror = %self.path.display(), "a mirror of the shred table {fault}");
        }
        *state = State { file, fault: Some(fault) };
    }

    /// The file to bring it back with: the one at hand if it still stands there, else what stands there now.
    pub(super) fn reopen(&self, disk: &dyn Disk, installation: &[u8; 16]) -> Result<Part, MirrorError> {
        if let Some(file) = self.state().file.filter(|file| file.is_there()) {
            return Ok(Part { file, is_tainted: true });
        }
        // What is open is not let go of: it may be the last that there is.
        let opened = match open(disk, &self.path, installation) {
            Err(MirrorError::Missing) if self.state().file.is_some_and(|file| file.is_deleted()) => {
                tracing::warn!(mirror = %self.path.display(), "a mirror of the shred table was deleted while it was in use: it is made anew");
                disk.create(&self.path, &header(installation))?;
                open(disk, &self.path, installation)
            }
            opened => opened,
        };
        Ok(Part { file: opened?, is_tainted: false })
    }

    /// Its open file, if that is not at its place any more.
    pub(super) fn astray(&self) -> Option<Part> {
        let file = self.state().file.filter(|file| !file.is_there())?;
        Some(Part { file, is_tainted: false })
    }
}

/// Opens a mirror of this installation.
fn open(disk: &dyn Disk, path: &Path, installation: &[u8; 16]) -> Result<Arc<dyn MirrorFile>, MirrorError> {
    let file = disk.open(path)?;
    let size = file.size().map_err(MirrorError::system("read"))?;
    if size > (u64::from(SHRED_SLOTS_MAX) + 1) * SLOT_SIZE as u64 {
        return Err(MirrorError::Damaged("it is larger than a table can be"));
    }
    let mut bytes = [0; HEADER_SIZE];
    let read = file.read_at(&mut bytes, 0).map_err(MirrorError::system("read"))?;
    let damaged = MirrorError::Damaged("its head is not that of a mirror");
    if read < HEADER_SIZE {
        return Err(damaged);
    }
    let Some((found_magic, rest)) = bytes.split_first_chunk::<16>() else { return Err(damaged) };
    let Some((format, _)) = rest.split_first_chunk() else { return Err(damaged) };
    let format = u32::from_be_bytes(*format);
    if found_magic != MAGIC {
        return Err(damaged);
    }
    // Before the checksum: a newer format may have another one.
    if format > FORMAT {
        return Err(MirrorError::NewerFormat { found: format, supported: FORMAT });
    }
    if bytes == header(installation) {
        return Ok(file);
    }
    let theirs = bytes.get(INSTALLATION_AT..INSTALLATION_AT + 16).and_then(|id| id.try_into().ok());
    match theirs {
        Some(theirs) if bytes == header(&theirs) => Err(MirrorError::OtherInstallation),
        _ => Err(damaged),
    }
}

/// The head of every mirror of an installation.
pub(super) fn header(installation: &[u8; 16]) -> [u8; HEADER_SIZE] {
    let content = [&MAGIC[..], &FORMAT.to_be_bytes(), installation, &[0; 12]].concat();
    let sum = sha256(&[b"claviger/shred-table/1", &content]);
    let mut header = [0; HEADER_SIZE];
    header.iter_mut().zip(content.iter().chain(&sum)).for_each(|(place, byte)| *place = *byte);
    header
}

/// What a slot of an open mirror holds; `None` beyond its end.
pub(super) fn read_slot(
    file: &dyn MirrorFile,
    slot: Slot,
    installation: &[u8; 16],
) -> Result<Option<Content>, MirrorError> {
    let mut bytes = Zeroizing::new([0; SLOT_SIZE]);
    match file.read_at(&mut bytes[..], slot.offset()).map_err(MirrorError::system("read"))? {
        0 => Ok(None),
        SLOT_SIZE => Ok(Some(Content::read(&bytes, slot, installation))),
        _ => Ok(Some(Content::Damaged)),
    }
}

/// Size of the header, in bytes: that of a slot.
const HEADER_SIZE: usize = SLOT_SIZE;
const MAGIC: &[u8; 16] = b"claviger shred  ";
const FORMAT: u32 = 1;
const INSTALLATION_AT: usize = 20;
