//! What can happen to an import; and export, in which nothing changes here, but what cannot be taken back leaves.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_control::message::ExportedKey;
use claviger_engine::Engine;
use claviger_engine::crypto::key_wrap::ReceiverKey;
use claviger_engine::key::id::{ImportId, KeyId, StoreId};
use claviger_engine::key::version::KeyVersion;
use claviger_engine::person::PersonId;
use claviger_engine::transfer::{ImportTarget, NewImport, Requester};

use crate::control::answer::Answer;
use crate::control::describe;
use crate::control::problem::Problem;

/// What is to happen to an import. Shown, it is a sentence of its own.
pub enum ImportChange {
    /// One is begun.
    Begin {
        /// Of what.
        new: NewImport,
        /// By whom.
        requester: Requester,
    },
    /// One is completed, by one try.
    Complete {
        /// The import.
        import: ImportId,
        /// Who brings the material.
        requester: Requester,
        /// The wrapped material.
        wrapped: Vec<u8>,
        /// The key manager who brings it, if it is one: a new key is assigned to him.
        by: Option<PersonId>,
    },
    /// One is cancelled.
    Cancel {
        /// The import.
        import: ImportId,
    },
}

impl ImportChange {
    /// The key of which a version is imported; none for a new key.
    pub(super) fn key(&self, engine: &Engine, store: StoreId) -> Result<Option<KeyId>, Problem> {
        let target = match self {
            Self::Begin { new: NewImport::Version { key }, .. } => return Ok(Some(*key)),
            Self::Begin { .. } => return Ok(None),
            Self::Complete { import, .. } | Self::Cancel { import } => engine.import(store, *import)?.target,
        };
        Ok(match target {
            ImportTarget::NewVersion { key } => Some(key),
            ImportTarget::NewKey { .. } => None,
        })
    }

    pub(super) fn apply(self, engine: &Engine, store: StoreId) -> Result<Answer, Problem> {
        match self {
            Self::Begin { new, requester } => {
                let import = engine.begin_import(store, new, requester)?;
                Answer::created(format!("/v1/stores/{store}/imports/{}", import.id), &describe::import(&import))
            }
            Self::Complete { import, requester, wrapped, by } => {
                let record = match by {
                    Some(manager) => engine.complete_import_by(store, import, requester, &wrapped, manager)?,
                    None => engine.complete_import(store, import, requester, &wrapped)?,
                };
                Answer::created(format!("/v1/stores/{store}/keys/{}", record.id), &describe::key(&record))
            }
            Self::Cancel { import } => Answer::ok(&describe::import(&engine.cancel_import(store, import)?)),
        }
    }
}

/// Wraps the material of a version of a key to `receiver`.
pub(super) fn export(
    engine: &Engine,
    key: KeyId,
    version: KeyVersion,
    receiver: &ReceiverKey,
) -> Result<Answer, Problem> {
    engine.export_key(key, Some(version), receiver, |exported| {
        Answer::ok(&ExportedKey {
            key_id: exported.key.to_string(),
            version: exported.version.get(),
            algorithm: exported.algorithm.to_string(),
            public_key_sha256: hexadecimal(&receiver.fingerprint()),
            wrapped: STANDARD.encode(&exported.wrapped),
        })
    })?
}

impl fmt::Display for ImportChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begin { new: NewImport::Key { name, algorithm, exportable }, .. } => {
                let exportable = if *exportable { ", exportable" } else { "" };
                write!(f, "import of key {name} ({algorithm}{exportable}) begun")
            }
            Self::Begin { new: NewImport::Version { key }, .. } => {
                write!(f, "import of a new version of key {key} begun")
            }
            Self::Complete { import, .. } => write!(f, "import {import} completed"),
            Self::Cancel { import } => write!(f, "import {import} cancelled"),
        }
    }
}

/// As hexadecimal digits.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
