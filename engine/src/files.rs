//! Files that are there whole or not at all, durable, for their owner only; and the room on their disks.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file that is being written, beside its place and under a name that says that it is not whole. Dropped before it is put into its place, it is removed.
pub(crate) struct PendingFile {
    file: File,
    place: PathBuf,
    pending: Pending,
}

impl PendingFile {
    /// Begins a file (mode 0600) for this place. One that is left over from a crash is removed, not written to: its permissions are unknown.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn begin(place: &Path) -> io::Result<Self> {
        let path = pending_path(place);
        remove_if_there(&path)?;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { file, place: place.to_owned(), pending: Pending { path, is_there: true } })
    }

    /// The file, to be written or given its permissions.
    pub(crate) const fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Puts it into its place, as one step, whatever stands there. Gives it, open to be written on.
    ///
    /// # Errors
    /// What the system said. What stood there stands there still, unless it was the folder that could not be synced.
    pub(crate) fn replace(self) -> io::Result<File> {
        let Self { file, place, mut pending } = self;
        file.sync_all()?;
        fs::rename(&pending.path, &place)?;
        pending.is_there = false;
        sync_folder(folder_of(&place))?;
        Ok(file)
    }

    /// Puts it into its place, if nothing stands there. Gives it, open to be written on.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`] if something does; else what the system said.
    pub(crate) fn create(self) -> io::Result<File> {
        let Self { file, place, mut pending } = self;
        file.sync_all()?;
        // A hard link fails if there is something; a rename would overwrite it.
        fs::hard_link(&pending.path, &place)?;
        fs::remove_file(&pending.path)?;
        pending.is_there = false;
        sync_folder(folder_of(&place))?;
        Ok(file)
    }
}

impl Write for PendingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The name that says that the file is not whole.
struct Pending {
    path: PathBuf,
    is_there: bool,
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.is_there {
            // If it cannot be removed, whoever writes it the next time does so, or the next start.
            let _removed = remove_if_there(&self.path);
        }
    }
}

/// Under which name a file for this place is not whole yet.
pub(crate) fn pending_path(place: &Path) -> PathBuf {
    let mut name = place.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

/// Removes a file. One that is not there is no error.
///
/// # Errors
/// What the system said.
pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The folder that a file stands in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the names in a folder durable.
///
/// # Errors
/// What the system said.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Bytes that are free for this process on the disk of a folder.
///
/// # Errors
/// What the system said.
pub(crate) fn free_space(folder: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn begun(place: &Path, text: &str) -> PendingFile {
        let mut pending = PendingFile::begin(place).unwrap();
        pending.write_all(text.as_bytes()).unwrap();
        pending
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_file_is_in_its_place_when_it_is_whole_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("file");
        let pending = begun(&place, "first");
        assert_eq!(names(folder.path()), ["file.new"]);
        pending.create().unwrap();
        assert_eq!((names(folder.path()), fs::read_to_string(&place).unwrap()), (vec!["file".into()], "first".into()));
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o7777, 0o600);
        let mut file = begun(&place, "second").replace().unwrap();
        file.write_all(b", written on").unwrap();
        assert_eq!(fs::read_to_string(&place).unwrap(), "second, written on");
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn one_that_is_given_up_or_refused_leaves_nothing_and_touches_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("file");
        drop(begun(&place, "half"));
        assert!(names(folder.path()).is_empty());
        fs::write(&place, "there").unwrap();
        assert_eq!(begun(&place, "other").create().unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!((names(folder.path()), fs::read_to_string(&place).unwrap()), (vec!["file".into()], "there".into()));
        fs::remove_file(&place).unwrap();
        fs::create_dir(&place).unwrap();
        assert!(begun(&place, "other").replace().is_err());
        assert_eq!(names(folder.path()), ["file"]);
        assert!(PendingFile::begin(&folder.path().join("missing/file")).is_err());
    }

    #[test]
    fn what_a_crash_has_left_is_not_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let (place, left) = (folder.path().join("file"), folder.path().join("file.new"));
        fs::write(&left, "left over").unwrap();
        let other_name = folder.path().join("other");
        fs::hard_link(&left, &other_name).unwrap();
        begun(&place, "new").replace().unwrap();
        assert_eq!(fs::read_to_string(&other_name).unwrap(), "left over");
        fs::create_dir(&left).unwrap();
        assert!(PendingFile::begin(&place).is_err());
        assert!(remove_if_there(&left).is_err() && remove_if_there(&folder.path().join("absent")).is_ok());
    }
}
