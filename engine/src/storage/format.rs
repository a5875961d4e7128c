//! The format of a data folder: its tables, what it notes about itself, and how a record is written.

use super::environment::{Environment, Failure, PendingChange, Table};
use super::folder::Folder;
use super::{Address, Database, Revision, StorageError, Versioned};

/// The tables of a folder.
#[derive(Clone, Copy)]
pub(super) struct Tables {
    /// What the storage notes about itself: apart, so that no address of a caller can collide with it.
    storage: Table,
    meta: Table,
    keys: Table,
    authentication: Table,
    usage: Table,
    audit: Table,
}

impl Tables {
    /// The storage's own table, and one for each database.
    pub(super) const COUNT: u32 = 6;

    /// Opens the tables, or makes them in a new folder; returns them with the revision of the last change.
    pub(super) fn open(environment: &Environment, folder: &Folder) -> Result<(Self, Revision), StorageError> {
        let failed = |failure| folder.failure("open", failure);
        let table = |name| environment.table(name).map_err(failed);

        // The format first: nothing else of a newer folder is touched.
        let storage = table("storage")?;
        let format = environment.get(storage, FORMAT, number).map_err(failed)?.map(u32::from_be_bytes);
        match format {
            None | Some(FORMAT_VERSION) => {}
            Some(0) => return Err(folder.damaged("its format version is zero")),
            // No release has written an older one. Migrations come in here: a backup of the older format first, then one step from each version to the next.
            Some(found) if found < FORMAT_VERSION => {
                let path = folder.path().to_owned();
                return Err(StorageError::OlderFormat { path, found, supported: FORMAT_VERSION });
            }
            Some(found) => {
                let path = folder.path().to_owned();
                return Err(StorageError::NewerFormat { path, found, supported: FORMAT_VERSION });
            }
        }
        let tables = Self {
            storage,
            meta: table(Database::Meta.name())?,
            keys: table(Database::Keys.name())?,
            authentication: table(Database::Authentication.name())?,
            usage: table(Database::Usage.name())?,
            audit: table(Database::Audit.name())?,
        };
        let revision = environment.get(storage, REVISION, number).map_err(failed)?.map(u64::from_be_bytes);
        match (format, revision) {
            (Some(_), Some(revision)) => Ok((tables, Revision(revision))),
            (Some(_), None) => Err(folder.damaged("its revision is missing")),
            (None, Some(_)) => Err(folder.damaged("its format version is missing")),
            (None, None) => {
                // A new folder, or one whose making was cut short: no change can have been made before this one.
                tables.note_format(environment).map_err(failed)?;
                Ok((tables, Revision::default()))
            }
        }
    }

    /// The table that holds this address.
    pub(super) fn of(&self, address: &Address) -> Table {
        self.of_database(address.database)
    }

    fn of_database(&self, database: Database) -> Table {
        match database {
            Database::Meta => self.meta,
            Database::Keys => self.keys,
            Database::Authentication => self.authentication,
            Database::Usage => self.usage,
            Database::Audit => self.audit,
        }
    }

    /// Where the revision of the last change is noted.
    pub(super) const fn revision_note(&self) -> (Table, &'static [u8]) {
        (self.storage, REVISION)
    }

    /// The revision in that note.
    pub(super) fn noted_revision(note: &[u8]) -> Result<Revision, Failure> {
        number(note).map(|bytes| Revision(u64::from_be_bytes(bytes)))
    }

    /// The tables of all databases, in their order.
    pub(super) fn all(&self) -> [Table; Database::ALL.len()] {
        Database::ALL.map(|database| self.of_database(database))
    }

    /// The last change that was written ahead; zero if none is known.
    pub(super) fn ahead(&self, environment: &Environment) -> Result<Revision, Failure> {
        let noted = environment.get(self.storage, AHEAD, number)?;
        Ok(noted.map_or(Revision::default(), |bytes| Revision(u64::from_be_bytes(bytes))))
    }

    /// Notes, in a change, that it was written ahead.
    pub(super) fn note_ahead(&self, pending: &mut PendingChange<'_>, revision: Revision) -> Result<(), Failure> {
        pending.put(self.storage, AHEAD, &revision.0.to_be_bytes())
    }

    /// Notes the revision of a change, in that change.
    pub(super) fn note_revision(&self, pending: &mut PendingChange<'_>, revision: Revision) -> Result<(), Failure> {
        pending.put(self.storage, REVISION, &revision.0.to_be_bytes())
    }

    fn note_format(&self, environment: &Environment) -> Result<(), Failure> {
        let mut pending = environment.begin()?;
        pending.put(self.storage, FORMAT, &FORMAT_VERSION.to_be_bytes())?;
        self.note_revision(&mut pending, Revision::default())?;
        pending.commit()
    }
}

/// A record: the revision of its last change, u64 big-endian, and the value.
pub(super) fn encode(revision: Revision, value: &[u8]) -> Vec<u8> {
    [&revision.0.to_be_bytes(), value].concat()
}

/// The value of a record and its revision.
pub(super) fn decode(record: &[u8]) -> Result<Versioned, Failure> {
    let (revision, value) = split(record)?;
    Ok(Versioned { value: value.to_vec(), revision })
}

/// The revision of a record, without a copy of its value.
pub(super) fn revision(record: &[u8]) -> Result<Revision, Failure> {
    split(record).map(|(revision, _value)| revision)
}

fn split(record: &[u8]) -> Result<(Revision, &[u8]), Failure> {
    let (revision, value) = record.split_first_chunk().ok_or(Failure::Damaged("a record in it is cut short"))?;
    Ok((Revision(u64::from_be_bytes(*revision)), value))
}

fn number<const SIZE: usize>(record: &[u8]) -> Result<[u8; SIZE], Failure> {
    record.try_into().map_err(|_wrong_size| Failure::Damaged("a number in it has the wrong size"))
}

/// Version of the stored format that this program writes, and the only one that it reads. Raised when records change, those of keys included.
const FORMAT_VERSION: u32 = 5;

/// What the storage notes about itself: the format version, u32 big-endian; the last revision, and the last one that was written ahead, u64 big-endian.
const FORMAT: &[u8] = b"format";
const REVISION: &[u8] = b"revision";
const AHEAD: &[u8] = b"ahead";

#[cfg(test)]
mod tests {
    use std::io;

    use tempfile::TempDir;

    use super::*;
    use crate::storage::environment::DATA_FILE;
    use crate::storage::{Compare, LmdbOptions, LmdbStorage, Storage as _, TransactError};

    fn open(folder: &TempDir) -> Result<LmdbStorage, StorageError> {
        LmdbStorage::open(folder.path(), &LmdbOptions { map_size: 0, free_space_floor: 0, ..LmdbOptions::default() })
    }

    /// Makes a folder and changes it as no storage would.
    fn tampered(tamper: impl FnOnce(&Tables, &mut PendingChange<'_>) -> Result<(), Failure>) -> TempDir {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::open(directory.path()).unwrap();
        let tampering = || {
            let environment = Environment::open(folder.path(), 0, Tables::COUNT)?;
            let (tables, _revision) = Tables::open(&environment, &folder).unwrap();
            let mut pending = environment.begin()?;
            tamper(&tables, &mut pending)?;
            pending.commit()
        };
        tampering().map_err(io::Error::from).unwrap();
        directory
    }

    fn address(key: &str) -> Address {
        Address::new(Database::Keys, key)
    }

    // R-O7
    #[test]
    fn refuses_a_newer_format_and_leaves_it_alone() {
        let newer = FORMAT_VERSION + 1;
        let folder = tampered(|tables, pending| pending.put(tables.storage, FORMAT, &newer.to_be_bytes()));
        let data = || std::fs::read(folder.path().join(DATA_FILE)).unwrap();
        let before = data();
        for _ in 0..2 {
            let error = open(&folder).err().unwrap();
            assert!(matches!(error, StorageError::NewerFormat { found, .. } if found == newer), "{error}");
            assert!(error.to_string().contains("run the newer program"), "{error}");
        }
        assert_eq!(data(), before);
    }

    // R-O7
    #[test]
    fn refuses_an_older_format_and_leaves_it_alone() {
        let folder = tampered(|tables, pending| pending.put(tables.storage, FORMAT, &1_u32.to_be_bytes()));
        let data = || std::fs::read(folder.path().join(DATA_FILE)).unwrap();
        let before = data();
        for _ in 0..2 {
            let error = open(&folder).err().unwrap();
            assert!(matches!(error, StorageError::OlderFormat { found: 1, .. }), "{error}");
            assert!(error.to_string().contains("make a new data folder"), "{error}");
        }
        assert_eq!(data(), before);
    }

    #[test]
    fn refuses_a_folder_whose_own_notes_are_not_as_written() {
        type Tamper = fn(&Tables, &mut PendingChange<'_>) -> Result<(), Failure>;
        let cases: [Tamper; 5] = [
            |tables, pending| pending.put(tables.storage, FORMAT, &0_u32.to_be_bytes()),
            |tables, pending| pending.put(tables.storage, FORMAT, b"1"),
            |tables, pending| pending.delete(tables.storage, FORMAT),
            |tables, pending| pending.delete(tables.storage, REVISION),
            |tables, pending| pending.put(tables.storage, REVISION, &[0; 9]),
        ];
        for (case, tamper) in cases.into_iter().enumerate() {
            let error = open(&tampered(tamper)).err().unwrap();
            assert!(matches!(error, StorageError::Damaged { .. }), "case {case}: {error}");
        }
    }

    #[test]
    fn refuses_a_record_cut_short() {
        let folder = tampered(|tables, pending| pending.put(tables.keys, b"short", &[0; 7]));
        let storage = open(&folder).unwrap();
        assert!(matches!(storage.get(&address("short")), Err(StorageError::Damaged { .. })));
        assert!(matches!(storage.scan(&address(""), None, 1), Err(StorageError::Damaged { .. })));
        let error = storage.transact(&[Compare::absent(address("short"))], &[]).unwrap_err();
        assert!(matches!(error, TransactError::Storage(StorageError::WritesEnded { .. })), "{error}");
    }

    #[test]
    fn making_a_folder_that_was_cut_short_is_finished() {
        let folder = tampered(|tables, pending| {
            pending.delete(tables.storage, FORMAT)?;
            pending.delete(tables.storage, REVISION)
        });
        assert_eq!(open(&folder).unwrap().revision(), Revision::default());
        assert_eq!(open(&folder).unwrap().revision(), Revision::default());
    }
}
