//! The vault: authenticated, wrapped records over storage.
//!
//! Storage is not trusted: each record carries an HMAC over its own address, so that no record can be altered or put in another place, and key material
//! in it is wrapped with its place as associated data (R-H1). The keys for both come from a system key.
//!
//! bytes of a record: `format u8 | record type u8 | system key version u32 | fields | HMAC-SHA-256 [32]`, big-endian.
//! bytes of a wrap in it: `system key version u32 | wrap`.
//!
//! The system keys can be exchanged while the vault is used. What is written is protected by the current one; what stands there is read by the one it names.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use parking_lot::RwLock;

use super::codec::{Reader, Writer};
use super::{Record, types};
use crate::backup::Sealing;
use crate::crypto::random::Random;
use crate::crypto::wrap::WrapContext;
use crate::error::Error;
use crate::hierarchy::SystemKeys;
use crate::key::material::SecretBytes;
use crate::shred::ShredSecret;
use crate::storage::{Address, Compare, Revision, Storage, TransactError, Versioned, Write};

/// Reads and writes records of one installation.
pub(crate) struct Vault {
    storage: Arc<dyn Storage>,
    keys: ArcSwap<SystemKeys>,
    /// A version by which nothing may be written any more, because it is being destroyed. Held for reading by each transaction.
    barred: RwLock<Option<u32>>,
    random: Arc<dyn Random>,
}

impl Vault {
    /// A vault over `storage` with the unwrapped system keys.
    pub(crate) fn new(storage: Arc<dyn Storage>, keys: SystemKeys, random: Arc<dyn Random>) -> Self {
        Self { storage, keys: ArcSwap::from_pointee(keys), barred: RwLock::new(None), random }
    }

    /// What journal and backups of the installation are sealed with.
    pub(crate) fn sealing(&self) -> Sealing {
        self.keys().sealing()
    }

    /// A vault of the same installation over another storage, with the system keys as they are now.
    pub(crate) fn over(&self, storage: Arc<dyn Storage>) -> Self {
        let (keys, random) = (ArcSwap::new(self.keys.load_full()), Arc::clone(&self.random));
        Self { storage, keys, barred: RwLock::new(None), random }
    }

    /// The system keys as they are now.
    pub(crate) fn keys(&self) -> Guard<Arc<SystemKeys>> {
        self.keys.load()
    }

    /// From now on these are the system keys.
    pub(crate) fn exchange_keys(&self, keys: SystemKeys) {
        self.keys.store(Arc::new(keys));
    }

    /// Refuses all writes by a version of the system key, those too that were made before and are not in storage yet, until the bar is dropped.
    pub(crate) fn bar(&self, version: u32) -> Bar<'_> {
        *self.barred.write() = Some(version);
        Bar(self)
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
        let keys = self.keys();
        let (system_version, keys) = keys.current();
        let mut writer = Writer::default();
        writer.u8(FORMAT).u8(R::RECORD_TYPE).u32(system_version);
        record.encode(&mut writer);
        let mut value = writer.finish();
        let tag = keys.record.tag(&full_address(&address), &value);
        value.extend_from_slice(&tag);
        Write::Put { address, value }
    }

    /// Wraps the secret bytes of the record of type `R` at `address`, so that they need `shred_secret` as well, if there is one.
    ///
    /// # Errors
    /// [`Error::Entropy`].
    pub(crate) fn wrap<R: Record>(
        &self,
        address: &Address,
        shred_secret: Option<&ShredSecret>,
        secret: &[u8],
    ) -> Result<Vec<u8>, Error> {
        const { assert!(!R::WRAPS.is_empty(), "a type for which is wrapped must say where its wraps are") };
        self.wrap_as::<R>(address, shred_secret, secret)
    }

    fn wrap_as<R: Record>(
        &self,
        address: &Address,
        shred_secret: Option<&ShredSecret>,
        secret: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let keys = self.keys();
        let place = full_address(address);
        let (system_version, derived) = keys.current();
        let context = context::<R>(&keys, &place, system_version, shred_secret);
        let wrapped = derived.wrapping.wrap(&context, secret, &*self.random)?;
        let mut writer = Writer::default();
        writer.u32(system_version).bytes(&wrapped);
        Ok(writer.finish())
    }

    /// Unwraps what [`Vault::wrap`] made for the same place with the same shred secret.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it was not, [`Error::SystemKeyMissing`].
    pub(crate) fn unwrap<R: Record>(
        &self,
        address: &Address,
        shred_secret: Option<&ShredSecret>,
        wrapped: &[u8],
    ) -> Result<SecretBytes, Error> {
        let system_version = Self::version_of_wrap(wrapped).ok_or_else(|| damaged(address))?;
        let wrapped = wrapped.get(SYSTEM_VERSION_SIZE..).ok_or_else(|| damaged(address))?;
        let keys = self.keys();
        let derived = keys.version(system_version).ok_or(Error::SystemKeyMissing(system_version))?;
        let place = full_address(address);
        let context = context::<R>(&keys, &place, system_version, shred_secret);
        derived.wrapping.unwrap(&context, wrapped).map_err(|_| damaged(address))
    }

    /// All or nothing, durable when it returns.
    ///
    /// # Errors
    /// [`Error::Conflict`] if a compare does not hold, or if the system key was destroyed by which something is written; [`Error::Storage`].
    pub(crate) fn transact(&self, compares: &[Compare], writes: &[Write]) -> Result<Revision, Error> {
        // Until the transaction has been made: who bars a version must not overlook what is on its way.
        let barred = self.barred.read();
        let keys = self.keys();
        let may_be_written = |version: u32| *barred != Some(version) && keys.version(version).is_some();
        for write in writes {
            if let Write::Put { value, .. } = write
                && !versions_needed(value).is_none_or(|versions| versions.into_iter().all(may_be_written))
            {
                return Err(Error::Conflict);
            }
        }
        drop(keys);
        self.storage.transact(compares, writes).map_err(|error| match error {
            TransactError::Conflict { .. } => Error::Conflict,
            TransactError::Storage(error) => Error::Storage(error),
        })
    }

    /// The write that protects by the current system key what stands at `address`; `None` if it is protected by that alone, or is no record. What is wrapped in it needs the
    /// shred secret that `shred_secret` finds for the address, if there is one.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::SystemKeyMissing`], [`Error::Entropy`], and those of `shred_secret`.
    pub(crate) fn renew(
        &self,
        address: &Address,
        value: &[u8],
        shred_secret: impl FnOnce(&Address) -> Result<Option<ShredSecret>, Error>,
    ) -> Result<Option<Write>, Error> {
        if value.is_empty() {
            return Ok(None);
        }
        let current = self.keys().current().0;
        let versions = versions_needed(value).ok_or_else(|| damaged(address))?;
        if versions.iter().all(|version| *version == current) {
            return Ok(None);
        }
        let record_type = value.get(1).and_then(|number| types::find(*number)).ok_or_else(|| damaged(address))?;
        let shred_secret = shred_secret(address)?;
        (record_type.renew)(self, address.clone(), shred_secret.as_ref(), value).map(Some)
    }

    /// [`Vault::renew`] for a record of type `R`.
    pub(super) fn renew_as<R: Record>(
        &self,
        address: Address,
        shred_secret: Option<&ShredSecret>,
        value: &[u8],
    ) -> Result<Write, Error> {
        let mut record: R = self.open(&address, value)?;
        for wrap in R::WRAPS {
            let wrapped = wrap(&mut record);
            let secret = self.unwrap::<R>(&address, shred_secret, wrapped)?;
            *wrapped = self.wrap_as::<R>(&address, shred_secret, secret.expose())?;
        }
        Ok(self.put(address, &record))
    }

    /// The version of the system key that a wrap names.
    pub(super) fn version_of_wrap(wrapped: &[u8]) -> Option<u32> {
        Reader::new(wrapped).u32()
    }

    /// Checks that `value` was written at `address`, whatever kind of record it is.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it was not, [`Error::SystemKeyMissing`].
    pub(crate) fn authenticate(&self, address: &Address, value: &[u8]) -> Result<(), Error> {
        self.authentic(address, value).map(drop)
    }

    /// What a record says: its type and its fields, without how they are protected. Empty for an empty value.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::SystemKeyMissing`].
    pub(crate) fn fields(&self, address: &Address, value: &[u8]) -> Result<Vec<u8>, Error> {
        if value.is_empty() {
            return Ok(Vec::new());
        }
        let (record_type, mut fields) = self.authentic(address, value)?;
        Ok([&[record_type][..], fields.rest()].concat())
    }

    /// The type of an authenticated record, and its fields.
    fn authentic<'a>(&self, address: &Address, value: &'a [u8]) -> Result<(u8, Reader<'a>), Error> {
        let (signed, tag) = value.split_last_chunk::<TAG_SIZE>().ok_or_else(|| damaged(address))?;
        let mut reader = Reader::new(signed);
        let header = (|| Some((reader.u8()?, reader.u8()?, reader.u32()?)))();
        let Some((FORMAT, record_type, system_version)) = header else { return Err(damaged(address)) };
        let keys = self.keys();
        let keys = keys.version(system_version).ok_or(Error::SystemKeyMissing(system_version))?;
        keys.record.verify(&full_address(address), signed, tag).map_err(|_| damaged(address))?;
        Ok((record_type, reader))
    }

    /// The record that `value`, which stands at `address` or is to, is.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::SystemKeyMissing`].
    pub(crate) fn open<R: Record>(&self, address: &Address, value: &[u8]) -> Result<R, Error> {
        let (record_type, mut reader) = self.authentic(address, value)?;
        if record_type != R::RECORD_TYPE {
            return Err(damaged(address));
        }
        let record = R::decode(&mut reader).ok_or_else(|| damaged(address))?;
        reader.finish().ok_or_else(|| damaged(address))?;
        Ok(record)
    }
}

/// While it lives, a version of the system key is barred.
pub(crate) struct Bar<'v>(&'v Vault);

impl Drop for Bar<'_> {
    fn drop(&mut self) {
        *self.0.barred.write() = None;
    }
}

fn context<'a, R: Record>(
    keys: &SystemKeys,
    place: &'a [u8],
    system_version: u32,
    shred_secret: Option<&'a ShredSecret>,
) -> WrapContext<'a> {
    WrapContext {
        installation: keys.installation(),
        record_type: R::RECORD_TYPE,
        address: place,
        wrapping_version: system_version,
        shred_secret: shred_secret.map(ShredSecret::expose),
    }
}

/// The versions of the system key that bytes of a record say they need: for its tag and for its wraps. Nothing of it is checked. `None` if they are no record.
pub(crate) fn versions_needed(value: &[u8]) -> Option<Vec<u32>> {
    let (signed, _) = value.split_last_chunk::<TAG_SIZE>()?;
    let mut reader = Reader::new(signed);
    let (FORMAT, record_type, version) = (reader.u8()?, reader.u8()?, reader.u32()?) else { return None };
    let mut versions = (types::find(record_type)?.versions_of_wraps)(signed.get(HEADER_SIZE..)?)?;
    versions.push(version);
    Some(versions)
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
const HEADER_SIZE: usize = 1 + 1 + SYSTEM_VERSION_SIZE;
