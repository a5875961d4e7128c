//! The vault: authenticated, wrapped records over storage.
//!
//! Storage is not trusted: each record carries an HMAC over its own address, so that no record can be altered or put in another place, and key material
//! in it is wrapped with its place as associated data (R-H1). The keys for both come from a system key.
//!
//! bytes of a record: `format u8 | record type u8 | system key version u32 | fields | HMAC-SHA-256 [32]`, big-endian.

use std::sync::Arc;

use super::Record;
use super::codec::{Reader, Writer};
use crate::backup::Sealing;
use crate::crypto::random::Random;
use crate::crypto::wrap::WrapContext;
use crate::error::Error;
use crate::hierarchy::SystemKeys;
use crate::key::material::SecretBytes;
use crate::storage::{Address, Compare, Revision, Storage, TransactError, Versioned, Write};

/// Reads and writes records of one installation.
pub(crate) struct Vault {
    storage: Arc<dyn Storage>,
    keys: Arc<SystemKeys>,
    random: Arc<dyn Random>,
}

impl Vault {
    /// A vault over `storage` with the unwrapped system keys.
    pub(crate) fn new(storage: Arc<dyn Storage>, keys: SystemKeys, random: Arc<dyn Random>) -> Self {
        Self { storage, keys: Arc::new(keys), random }
    }

    /// What journal and backups of the installation are sealed with.
    pub(crate) fn sealing(&self) -> Sealing {
        self.keys.sealing()
    }

    /// A vault of the same installation over another storage.
    pub(crate) fn over(&self, storage: Arc<dyn Storage>) -> Self {
        Self { storage, keys: Arc::clone(&self.keys), random: Arc::clone(&self.random) }
    }

    /// The storage underneath.
    pub(crate) fn storage(&self) -> &dyn Storage {
        &*self.storage
    }

    /// The record at `address` and its revision, if there is one.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it is not what was written there; [`Error::SystemKeyMissing`], [`Error::Storage`].
    pub(crate) fn read<R: Record>(&self, address: &Address) -> Result<Option<(R, Revision)>, Error> {
        match self.storage.get(address)? {
            None => Ok(None),
            Some(Versioned { value, revision }) => Ok(Some((self.open(address, &value)?, revision))),
        }
    }

    /// One page of the records whose addresses begin with `prefix`, after `after`, ascending.
    ///
    /// # Errors
    /// As [`Vault::read`].
    pub(crate) fn scan<R: Record>(
        &self,
        prefix: &Address,
        after: Option<&Address>,
        limit: usize,
    ) -> Result<Vec<(Address, R)>, Error> {
        let page = self.storage.scan(prefix, after, limit)?;
        page.into_iter().map(|(address, found)| Ok((address.clone(), self.open(&address, &found.value)?))).collect()
    }

    /// The write that puts `record` at `address`.
    pub(crate) fn put<R: Record>(&self, address: Address, record: &R) -> Write {
        let (system_version, keys) = self.keys.current();
        let mut writer = Writer::default();
        writer.u8(FORMAT).u8(R::RECORD_TYPE).u32(system_version);
        record.encode(&mut writer);
        let mut value = writer.finish();
        let tag = keys.record.tag(&full_address(&address), &value);
        value.extend_from_slice(&tag);
        Write::Put { address, value }
    }

    /// Wraps the secret bytes of the record of type `R` at `address`.
    ///
    /// # Errors
    /// [`Error::Entropy`].
    pub(crate) fn wrap<R: Record>(&self, address: &Address, secret: &[u8]) -> Result<Vec<u8>, Error> {
        let (system_version, keys) = self.keys.current();
        let place = full_address(address);
        let context = self.context::<R>(&place, system_version);
        let wrapped = keys.wrapping.wrap(&context, secret, &*self.random)?;
        let mut writer = Writer::default();
        writer.u32(system_version).bytes(&wrapped);
        Ok(writer.finish())
    }

    /// Unwraps what [`Vault::wrap`] made for the same place.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it was not, [`Error::SystemKeyMissing`].
    pub(crate) fn unwrap<R: Record>(&self, address: &Address, wrapped: &[u8]) -> Result<SecretBytes, Error> {
        let mut reader = Reader::new(wrapped);
        let system_version = reader.u32().ok_or_else(|| damaged(address))?;
        let wrapped = wrapped.get(SYSTEM_VERSION_SIZE..).ok_or_else(|| damaged(address))?;
        let keys = self.keys.version(system_version).ok_or(Error::SystemKeyMissing(system_version))?;
        let place = full_address(address);
        keys.wrapping.unwrap(&self.context::<R>(&place, system_version), wrapped).map_err(|_| damaged(address))
    }

    /// All or nothing, durable when it returns.
    ///
    /// # Errors
    /// [`Error::Conflict`] if a compare does not hold, [`Error::Storage`].
    pub(crate) fn transact(&self, compares: &[Compare], writes: &[Write]) -> Result<Revision, Error> {
        self.storage.transact(compares, writes).map_err(|error| match error {
            TransactError::Conflict { .. } => Error::Conflict,
            TransactError::Storage(error) => Error::Storage(error),
        })
    }

    /// Checks that `value` was written at `address`, whatever kind of record it is.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it was not, [`Error::SystemKeyMissing`].
    pub(crate) fn authenticate(&self, address: &Address, value: &[u8]) -> Result<(), Error> {
        self.authentic(address, value).map(drop)
    }

    /// The type of an authenticated record, and its fields.
    fn authentic<'a>(&self, address: &Address, value: &'a [u8]) -> Result<(u8, Reader<'a>), Error> {
        let (signed, tag) = value.split_last_chunk::<TAG_SIZE>().ok_or_else(|| damaged(address))?;
        let mut reader = Reader::new(signed);
        let header = (|| Some((reader.u8()?, reader.u8()?, reader.u32()?)))();
        let Some((FORMAT, record_type, system_version)) = header else { return Err(damaged(address)) };
        let keys = self.keys.version(system_version).ok_or(Error::SystemKeyMissing(system_version))?;
        keys.record.verify(&full_address(address), signed, tag).map_err(|_| damaged(address))?;
        Ok((record_type, reader))
    }

    fn open<R: Record>(&self, address: &Address, value: &[u8]) -> Result<R, Error> {
        let (record_type, mut reader) = self.authentic(address, value)?;
        if record_type != R::RECORD_TYPE {
            return Err(damaged(address));
        }
        let record = R::decode(&mut reader).ok_or_else(|| damaged(address))?;
        reader.finish().ok_or_else(|| damaged(address))?;
        Ok(record)
    }

    fn context<'a, R: Record>(&'a self, place: &'a [u8], system_version: u32) -> WrapContext<'a> {
        WrapContext {
            installation: self.keys.installation(),
            record_type: R::RECORD_TYPE,
            address: place,
            wrapping_version: system_version,
            shred_secret: None,
        }
    }
}

/// Database and key as one run of bytes: the place that a record is bound to.
fn full_address(address: &Address) -> Vec<u8> {
    let mut place = Vec::with_capacity(1 + address.key.len());
    place.push(address.database as u8);
    place.extend_from_slice(&address.key);
    place
}

fn damaged(address: &Address) -> Error {
    Error::Damaged(address.to_string())
}

/// Format of the records. A newer one is found by the format of the whole storage, which is refused first.
const FORMAT: u8 = 1;
const TAG_SIZE: usize = 32;
const SYSTEM_VERSION_SIZE: usize = 4;
