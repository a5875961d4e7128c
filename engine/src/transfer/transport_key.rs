//! Transport keys in storage: the open imports of an installation.

use crate::crypto::oaep::DecryptingKey;
use crate::error::Error;
use crate::key::id::{ImportId, StoreId};
use crate::key::material::{GenerateError, KeyMaterial, SecretBytes};
use crate::ledger::Ledger;
use crate::limits::{IMPORTS_IN_ALL_MAX, IMPORTS_MAX, SCAN_PAGE_RECORDS};
use crate::record::address;
use crate::record::transport_key::TransportKeyRecord;
use crate::storage::{Address, Compare, Revision, Write};

use super::import::{Import, TRANSPORT_ALGORITHM};

impl Ledger {
    /// Makes the transport key of `import`, and opens it.
    ///
    /// # Errors
    /// [`Error::TooManyImports`], [`Error::Entropy`], [`Error::Storage`].
    pub(super) fn add_transport_key(&self, import: Import) -> Result<Import, Error> {
        // Before the key is made, which takes seconds, and again when others may have made theirs.
        self.check_room(import.store)?;
        let private_key = KeyMaterial::generate(TRANSPORT_ALGORITHM, &*self.random).map_err(|error| match error {
            GenerateError::Opaque => Error::ValueMismatch,
            GenerateError::Entropy(error) => Error::Entropy(error),
        })?;
        let place = address::transport_key(import.store, import.id);
        let public_key = DecryptingKey::new(&private_key).map_err(|_| Error::Damaged(place.to_string()))?;
        let import = Import { public_key: public_key.public_key_der().to_vec(), ..import };
        let wrapped_private_key =
            self.vault().wrap::<TransportKeyRecord>(&place, None, private_key.into_bytes().expose())?;
        let record = TransportKeyRecord { import, wrapped_private_key };
        let _one_at_a_time = self.imports.lock();
        self.check_room(record.import.store)?;
        self.commit(&[Compare::absent(place.clone())], &[self.vault().put(place, &record)])?;
        Ok(record.import)
    }

    /// The transport key of an open import of `store`.
    ///
    /// # Errors
    /// [`Error::ImportNotFound`], [`Error::Damaged`], [`Error::Storage`].
    pub(super) fn transport_key(&self, store: StoreId, id: ImportId) -> Result<(TransportKeyRecord, Revision), Error> {
        let place = address::transport_key(store, id);
        let (record, revision) = self.vault().read::<TransportKeyRecord>(&place)?.ok_or(Error::ImportNotFound(id))?;
        if (record.import.store, record.import.id) != (store, id) {
            return Err(Error::Damaged(place.to_string()));
        }
        if record.import.has_ended(self.clock.now_ms()) {
            Err(Error::ImportNotFound(id))
        } else {
            Ok((record, revision))
        }
    }

    /// Its private half, PKCS#8.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::SystemKeyMissing`].
    pub(super) fn transport_private_key(&self, record: &TransportKeyRecord) -> Result<SecretBytes, Error> {
        let place = address::transport_key(record.import.store, record.import.id);
        self.vault().unwrap::<TransportKeyRecord>(&place, None, &record.wrapped_private_key)
    }

    /// The open imports at `prefix`.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Storage`].
    pub(super) fn open_imports(&self, prefix: &Address) -> Result<Vec<Import>, Error> {
        let now_ms = self.clock.now_ms();
        let imports = self.all_imports(prefix)?;
        Ok(imports.into_iter().map(|(_, import)| import).filter(|import| !import.has_ended(now_ms)).collect())
    }

    /// Removes the transport keys of imports whose time is over. Gives how many there were.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Storage`], [`Error::Closed`].
    pub(crate) fn remove_ended_imports(&self) -> Result<usize, Error> {
        let now_ms = self.clock.now_ms();
        let ended = self.all_imports(&address::transport_keys())?;
        let ended: Vec<_> = ended.into_iter().filter(|(_, import)| import.has_ended(now_ms)).collect();
        let writes: Vec<_> = ended.iter().map(|(place, _)| Write::Delete { address: place.clone() }).collect();
        if !writes.is_empty() {
            self.commit(&[], &writes)?;
        }
        for (_, import) in &ended {
            tracing::info!(import = %import.id, store = %import.store, "the time of an import is over");
        }
        Ok(ended.len())
    }

    fn all_imports(&self, prefix: &Address) -> Result<Vec<(Address, Import)>, Error> {
        let (mut imports, mut after) = (Vec::new(), None);
        loop {
            let page = self.vault().scan::<TransportKeyRecord>(prefix, after.as_ref(), SCAN_PAGE_RECORDS)?;
            let Some((last, _)) = page.last() else { return Ok(imports) };
            after = Some(last.clone());
            imports.extend(page.into_iter().map(|(place, record)| (place, record.import)));
        }
    }

    fn check_room(&self, store: StoreId) -> Result<(), Error> {
        let open = self.open_imports(&address::transport_keys())?;
        let of_store = open.iter().filter(|import| import.store == store).count();
        if of_store >= IMPORTS_MAX || open.len() >= IMPORTS_IN_ALL_MAX { Err(Error::TooManyImports) } else { Ok(()) }
    }
}
