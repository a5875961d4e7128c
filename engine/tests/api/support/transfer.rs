//! Whoever has key material elsewhere: wraps it to a transport key, and unwraps what was exported to him.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::key_wrap::{AES_256, KeyEncryptionKey, KeyWrapPadded};
use aws_lc_rs::rsa::{KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use claviger_algorithm::Algorithm;
use claviger_engine::crypto::key_wrap::ReceiverKey;
use claviger_engine::transfer::{Import, NewImport, Requester};
use claviger_engine::{Error, KeyRecord};

use super::oaep;
use super::{Installation, name};

/// `material` wrapped to `public_key`.
pub(crate) fn wrap(public_key: &[u8], material: &[u8]) -> Vec<u8> {
    let key = [0x4b; 32];
    let mut block = vec![0; material.len() + 15];
    let size = KeyEncryptionKey::new(&AES_256, &key).unwrap().wrap_with_padding(material, &mut block).unwrap().len();
    [&oaep::encrypt(public_key, b"", &key)[..], &block[..size]].concat()
}

/// Somebody who receives exported material.
pub(crate) struct Receiver(PrivateDecryptingKey);

impl Receiver {
    pub(crate) fn new() -> Self {
        Self(PrivateDecryptingKey::generate(KeySize::Rsa3072).unwrap())
    }

    pub(crate) fn key(&self) -> ReceiverKey {
        let der: PublicKeyX509Der<'_> = self.0.public_key().as_der().unwrap();
        ReceiverKey::from_der(der.as_ref()).unwrap()
    }

    pub(crate) fn unwrap(&self, wrapped: &[u8]) -> Vec<u8> {
        let key = OaepPrivateDecryptingKey::new(self.0.clone()).unwrap();
        let (block, rest) = wrapped.split_at(key.key_size_bytes());
        let mut room = vec![0; key.min_output_size()];
        let wrapping_key = key.decrypt(&OAEP_SHA256_MGF1SHA256, block, &mut room, None).unwrap();
        let mut material = vec![0; rest.len()];
        let unwrapped = KeyEncryptionKey::new(&AES_256, wrapping_key).unwrap();
        unwrapped.unwrap_with_padding(rest, &mut material).unwrap().to_vec()
    }
}

impl Installation {
    pub(crate) fn begin(&self, new: NewImport) -> Result<Import, Error> {
        self.engine.begin_import(self.store, new, ADA)
    }

    /// Begins the import of a key.
    pub(crate) fn begin_key(&self, key_name: &str, algorithm: Algorithm) -> Import {
        self.begin(NewImport::Key { name: name(key_name), algorithm, exportable: false }).unwrap()
    }

    /// Completes an import with `material`, which is wrapped as it should be.
    pub(crate) fn complete(&self, import: &Import, material: &[u8]) -> Result<KeyRecord, Error> {
        self.engine.complete_import(self.store, import.id, ADA, &wrap(&import.public_key, material))
    }

    pub(crate) fn import_key(&self, key_name: &str, algorithm: Algorithm, material: &[u8]) -> KeyRecord {
        self.complete(&self.begin_key(key_name, algorithm), material).unwrap()
    }
}

pub(crate) const ADA: Requester = Requester([0xad; 32]);
