//! The record of an open import: what it is for, and the transport key that its material comes wrapped to.

use claviger_algorithm::Algorithm;

use super::codec::{Reader, Writer};
use super::{Record, WrapField};
use crate::key::id::{ImportId, KeyId, StoreId};
use crate::key::name::Name;
use crate::limits::IMPORT_TIME;
use crate::record::key::milliseconds;
use crate::transfer::{Import, ImportTarget, Requester};

/// An import that is open, with its transport key.
pub(crate) struct TransportKeyRecord {
    /// What it is for, and the public half.
    pub(crate) import: Import,
    /// How long the installation had been running when it was begun, in milliseconds: a wall clock that is put back does not give it more time.
    pub(crate) running_ms: u64,
    /// The private half (PKCS#8), wrapped.
    pub(crate) wrapped_private_key: Vec<u8>,
}

impl Record for TransportKeyRecord {
    const RECORD_TYPE: u8 = 31;
    const WRAPS: &[WrapField<Self>] = &[|record| &mut record.wrapped_private_key];

    fn encode(&self, out: &mut Writer) {
        let Import { id, store, requester, name, algorithm, target, created_ms, public_key } = &self.import;
        out.bytes(&id.0).bytes(&store.0).bytes(&requester.0).sized(name.as_str().as_bytes()).u8(algorithm.id());
        match target {
            ImportTarget::NewKey { exportable } => out.u8(NEW_KEY).u8(u8::from(*exportable)),
            ImportTarget::NewVersion { key } => out.u8(NEW_VERSION).bytes(&key.0),
        };
        out.u64(*created_ms).sized(public_key).u64(self.running_ms).sized(&self.wrapped_private_key);
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let import = Import {
            id: ImportId(reader.array()?),
            store: StoreId(reader.array()?),
            requester: Requester(reader.array()?),
            name: Name::from_bytes(reader.sized()?).ok()?,
            algorithm: Algorithm::from_id(reader.u8()?)?,
            target: match reader.u8()? {
                NEW_KEY => ImportTarget::NewKey { exportable: reader.flag()? },
                NEW_VERSION => ImportTarget::NewVersion { key: KeyId(reader.array()?) },
                _ => return None,
            },
            created_ms: reader.u64()?,
            public_key: reader.sized()?.to_vec(),
        };
        Some(Self { import, running_ms: reader.u64()?, wrapped_private_key: reader.sized()?.to_vec() })
    }
}

impl TransportKeyRecord {
    /// Whether the time of the import is over, by the wall clock or by the time that the installation has been running: early is harmless, late is not. So it is too when the
    /// wall clock was put back behind the beginning by as much.
    pub(crate) fn has_ended(&self, now_ms: u64, running_ms: u64) -> bool {
        let time = milliseconds(IMPORT_TIME);
        now_ms.abs_diff(self.import.created_ms) >= time || running_ms.saturating_sub(self.running_ms) >= time
    }
}

const NEW_KEY: u8 = 1;
const NEW_VERSION: u8 = 2;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn samples() -> [TransportKeyRecord; 2] {
        let targets = [ImportTarget::NewKey { exportable: true }, ImportTarget::NewVersion { key: KeyId([4; 16]) }];
        targets.map(|target| TransportKeyRecord {
            import: Import {
                id: ImportId([1; 16]),
                store: StoreId([2; 16]),
                requester: Requester([3; 32]),
                name: "payments".parse().unwrap(),
                algorithm: Algorithm::Xaes256Gcm,
                target,
                created_ms: 5,
                public_key: vec![6; 9],
            },
            running_ms: 8,
            wrapped_private_key: vec![7; 9],
        })
    }

    #[test]
    fn decodes_what_was_encoded_and_refuses_every_truncation() {
        for record in samples() {
            let mut writer = Writer::default();
            record.encode(&mut writer);
            let bytes = writer.finish();
            let decoded = TransportKeyRecord::decode(&mut Reader::new(&bytes)).unwrap();
            assert_eq!(decoded.import, record.import);
            assert_eq!(decoded.running_ms, record.running_ms);
            assert_eq!(decoded.wrapped_private_key, record.wrapped_private_key);
            for size in 0..bytes.len() {
                assert!(TransportKeyRecord::decode(&mut Reader::new(&bytes[..size])).is_none(), "{size} bytes");
            }
        }
    }
}
