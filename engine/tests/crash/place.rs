//! Installations in one folder, which are made if they are not there, and what the tests do with them at random.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use claviger_engine::change::NewKeyStore;
use claviger_engine::crypto::random::SystemRandom;
use claviger_engine::hierarchy::{DevelopmentRootKey, SystemKeyFile, SystemKeys};
use claviger_engine::key::id::StoreId;
use claviger_engine::key::material::SecretBytes;
use claviger_engine::key::name::Name;
use claviger_engine::shred::{ShredClass, ShredTable};
use claviger_engine::{AccessMethods, Engine};

/// The system keys of the installation in `folder`, which is made if there is none.
pub(crate) fn system_keys(folder: &Path) -> SystemKeys {
    let (root_key, file) = (folder.join("root-key"), SystemKeyFile::at(folder.join("system-keys")));
    let root_key = if root_key.exists() {
        DevelopmentRootKey::at(root_key)
    } else {
        let random = SystemRandom::new();
        let root_key = DevelopmentRootKey::create(root_key, &random).unwrap();
        file.create(&root_key, &random, 0).unwrap();
        root_key
    };
    file.unlock(&root_key).unwrap()
}

/// The mirrors of the shred table of an installation in one folder.
pub(crate) fn mirrors(folder: &Path) -> [PathBuf; 2] {
    [1, 2].map(|number| folder.join(format!("shred-table-{number}")))
}

/// The shred table of an installation in one folder, made if it is new.
pub(crate) fn shred_table(folder: &Path, system_keys: &SystemKeys) -> Arc<ShredTable> {
    let (mirrors, installation) = (mirrors(folder), system_keys.installation());
    if mirrors.iter().all(|mirror| !mirror.exists()) {
        ShredTable::create(&mirrors, installation).unwrap();
    }
    Arc::new(ShredTable::open(&mirrors, installation, ShredClass::File).unwrap())
}

/// The key store of this name, made if it is not there.
pub(crate) fn store(engine: &Engine, name: &str) -> StoreId {
    let name: Name = name.parse().unwrap();
    engine.store_by_name(&name).map(|slot| slot.id()).unwrap_or_else(|| {
        let new = NewKeyStore {
            name,
            methods: AccessMethods::CLIENT_CERTIFICATE,
            authority_certificate: Vec::new(),
            authority_private_key: SecretBytes::from(Vec::new()),
        };
        engine.create_store(new).unwrap().id
    })
}

/// A linear congruential generator (Knuth, MMIX), of which the upper bits are taken.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    pub(crate) fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(u64::try_from(bound).unwrap())).unwrap()
    }
}
