//! Files in memory that fail on order.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::super::disk::{Disk, MirrorFile};
use super::super::error::MirrorError;
use super::super::{ShredClass, ShredTable};

/// Files by path. Copies are the same disk.
#[derive(Clone, Default)]
pub(crate) struct MemoryDisk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    files: BTreeMap<PathBuf, Stored>,
    /// Calls of the kind left until one fails; the failing one counts. From then on all fail if the flag is set.
    order: Option<(Call, u64, bool)>,
}

#[derive(Default)]
struct Stored {
    bytes: Vec<u8>,
    is_open: bool,
    is_away: bool,
}

/// What can be told to fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Read(&'static str),
    Write(&'static str),
    Sync(&'static str),
}

struct MemoryFile {
    disk: MemoryDisk,
    path: PathBuf,
}

impl MemoryDisk {
    /// A table of two mirrors, made if they are not there.
    pub(crate) fn table(&self, installation: [u8; 16]) -> ShredTable {
        for path in [ONE, TWO] {
            let header = super::super::mirror::header(&installation);
            self.0
                .lock()
                .files
                .entry(path.into())
                .or_insert_with(|| Stored { bytes: header.to_vec(), ..Stored::default() });
        }
        self.open(installation).unwrap()
    }

    /// The table of the two mirrors.
    pub(super) fn open(&self, installation: [u8; 16]) -> Result<ShredTable, super::super::ShredError> {
        ShredTable::open_on(Arc::new(self.clone()), &[ONE.into(), TWO.into()], installation, ShredClass::File)
    }

    /// The bytes of a file.
    pub(super) fn bytes(&self, path: &str) -> Vec<u8> {
        self.0.lock().files.get(Path::new(path)).unwrap().bytes.clone()
    }

    /// Writes past the table.
    pub(super) fn set(&self, path: &str, bytes: Vec<u8>) {
        self.0.lock().files.get_mut(Path::new(path)).unwrap().bytes = bytes;
    }

    /// The disk of a file goes, or comes back.
    pub(super) fn take_away(&self, path: &str, is_away: bool) {
        self.0.lock().files.get_mut(Path::new(path)).unwrap().is_away = is_away;
    }

    /// Lets the `n`-th such call from now on fail, and all after it if `for_good`; 0 is none.
    pub(super) fn fail(&self, call: Call, n: u64, for_good: bool) {
        self.0.lock().order = (n > 0).then_some((call, n, for_good));
    }

    fn obey(&self, call: Call) -> io::Result<()> {
        let mut state = self.0.lock();
        let Some((ordered, left, for_good)) = &mut state.order else { return Ok(()) };
        if *ordered != call {
            return Ok(());
        }
        *left = left.saturating_sub(1);
        if *left > 0 {
            return Ok(());
        }
        if !*for_good {
            state.order = None;
        }
        Err(io::Error::other("told to fail"))
    }
}

impl Disk for MemoryDisk {
    fn open(&self, path: &Path) -> Result<Arc<dyn MirrorFile>, MirrorError> {
        let mut state = self.0.lock();
        let file = state.files.get_mut(path).filter(|file| !file.is_away).ok_or(MirrorError::Missing)?;
        if std::mem::replace(&mut file.is_open, true) {
            return Err(MirrorError::InUse);
        }
        Ok(Arc::new(MemoryFile { disk: self.clone(), path: path.to_owned() }))
    }

    fn create(&self, path: &Path, content: &[u8]) -> Result<(), MirrorError> {
        let file = Stored { bytes: content.to_vec(), ..Stored::default() };
        match self.0.lock().files.insert(path.to_owned(), file) {
            None => Ok(()),
            Some(_) => Err(MirrorError::Exists),
        }
    }
}

impl MemoryFile {
    fn name(&self) -> &'static str {
        if self.path == Path::new(ONE) { ONE } else { TWO }
    }
}

impl MirrorFile for MemoryFile {
    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.obey(Call::Read(self.name()))?;
        let state = self.disk.0.lock();
        let rest = state.files[&self.path].bytes.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        let size = rest.len().min(out.len());
        out[..size].copy_from_slice(&rest[..size]);
        Ok(size)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let obeyed = self.disk.obey(Call::Write(self.name()));
        // One that fails leaves half of it behind.
        let bytes = if obeyed.is_ok() { bytes } else { &bytes[..bytes.len() / 2] };
        let offset = usize::try_from(offset).unwrap();
        let mut state = self.disk.0.lock();
        let stored = &mut state.files.get_mut(&self.path).unwrap().bytes;
        let size = stored.len().max(offset + bytes.len());
        stored.resize(size, 0);
        stored[offset..offset + bytes.len()].copy_from_slice(bytes);
        obeyed
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.obey(Call::Sync(self.name()))
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.disk.0.lock().files[&self.path].bytes.len() as u64)
    }

    fn is_there(&self) -> bool {
        !self.disk.0.lock().files[&self.path].is_away
    }

    fn is_deleted(&self) -> bool {
        false
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        if let Some(file) = self.disk.0.lock().files.get_mut(&self.path) {
            file.is_open = false;
        }
    }
}

pub(super) const ONE: &str = "one";
pub(super) const TWO: &str = "two";
