//! An engine and a key store, as unit tests want them.

use std::sync::Arc;

use crate::change::NewKeyStore;
use crate::clock::SystemClock;
use crate::crypto::random::SystemRandom;
use crate::hierarchy::SystemKeys;
use crate::key::id::StoreId;
use crate::key::material::SecretBytes;
use crate::record::AccessMethods;
use crate::shred::ShredTable;
use crate::storage::Storage;
use crate::{Engine, EngineParts};

impl EngineParts {
    /// A small engine over `storage`, with keys and a shred table of its own.
    pub(crate) fn for_tests(storage: Arc<dyn Storage>) -> Self {
        Self {
            storage,
            system_keys: SystemKeys::for_tests([3; 32]),
            shred_table: Arc::new(ShredTable::for_tests([9; 16])),
            random: Arc::new(SystemRandom::new()),
            clock: Arc::new(SystemClock),
            cached_keys_max: 10,
            compute_threads: 1,
            audit: None,
        }
    }
}

impl Engine {
    /// A new key store, whose name is `store`.
    pub(crate) fn store_for_tests(&self) -> StoreId {
        let new = NewKeyStore {
            name: "store".parse().unwrap(),
            methods: AccessMethods::CLIENT_CERTIFICATE,
            authority_certificate: Vec::new(),
            authority_private_key: SecretBytes::from(Vec::new()),
        };
        self.create_store(new).unwrap().id
    }
}
