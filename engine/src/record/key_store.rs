//! The records of a key store: the store itself, and the certificate authority that issues its client certificates.

use std::time::Duration;

use super::codec::{Reader, Writer};
use super::{Record, WrapField};
use crate::key::id::StoreId;
use crate::key::name::Name;
use crate::limits::{DELETION_WAIT_MAX, DELETION_WAIT_MIN};

/// What is stored of a key store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStoreRecord {
    /// Its id, which never changes.
    pub id: StoreId,
    /// Its name, unique in the installation.
    pub name: Name,
    /// When it was created, in milliseconds since 1970.
    pub created_ms: u64,
    /// Which access methods are set; at least one. All that are set must pass.
    pub methods: AccessMethods,
    /// How long deletions of its keys wait unless said otherwise: 24..=720 hours.
    pub deletion_wait_hours: u16,
    /// Whether public keys are given to clients that it does not admit, too.
    pub open_public_keys: bool,
}

impl KeyStoreRecord {
    /// Whether its settings are within bounds.
    pub(crate) fn is_consistent(&self) -> bool {
        (DELETION_WAIT_MIN..=DELETION_WAIT_MAX).contains(&self.deletion_wait())
    }

    /// How long deletions of its keys wait unless said otherwise.
    #[must_use]
    pub fn deletion_wait(&self) -> Duration {
        Duration::from_hours(self.deletion_wait_hours.into())
    }
}

/// The access methods of a key store. Never none: the bit set is checked wherever it comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessMethods(u8);

impl AccessMethods {
    /// A client certificate of the store's own authority.
    pub const CLIENT_CERTIFICATE: Self = Self(1);

    /// The methods of these bits, if there is at least one and all are known.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            1 => Some(Self(bits)),
            _ => None,
        }
    }

    /// As bits, for records.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether a client certificate is asked for.
    #[must_use]
    pub const fn client_certificate(self) -> bool {
        self.0 & Self::CLIENT_CERTIFICATE.0 != 0
    }
}

impl Record for KeyStoreRecord {
    // 1 was a key store without settings, never released.
    const RECORD_TYPE: u8 = 11;
    const WRAPS: &[WrapField<Self>] = &[];

    fn encode(&self, out: &mut Writer) {
        out.bytes(&self.id.0).sized(self.name.as_str().as_bytes()).u64(self.created_ms).u8(self.methods.bits());
        out.u16(self.deletion_wait_hours).u8(u8::from(self.open_public_keys));
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let id = StoreId(reader.array()?);
        let name = Name::from_bytes(reader.sized()?).ok()?;
        let record = Self {
            id,
            name,
            created_ms: reader.u64()?,
            methods: AccessMethods::from_bits(reader.u8()?)?,
            deletion_wait_hours: reader.u16()?,
            open_public_keys: reader.flag()?,
        };
        record.is_consistent().then_some(record)
    }
}

/// The certificate authority of a key store.
pub(crate) struct AuthorityRecord {
    /// Its certificate, DER.
    pub certificate: Vec<u8>,
    /// Its private key (PKCS#8), wrapped.
    pub(crate) wrapped_private_key: Vec<u8>,
}

impl Record for AuthorityRecord {
    const RECORD_TYPE: u8 = 5;
    const WRAPS: &[WrapField<Self>] = &[|record| &mut record.wrapped_private_key];

    fn encode(&self, out: &mut Writer) {
        out.sized(&self.certificate).sized(&self.wrapped_private_key);
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { certificate: reader.sized()?.to_vec(), wrapped_private_key: reader.sized()?.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R-A1
    #[test]
    fn an_empty_or_unknown_set_of_methods_cannot_be_read() {
        assert_eq!(AccessMethods::from_bits(0), None);
        assert_eq!(AccessMethods::from_bits(2), None);
        assert_eq!(AccessMethods::from_bits(1), Some(AccessMethods::CLIENT_CERTIFICATE));
    }

    // R-K10
    #[test]
    fn a_wait_out_of_bounds_cannot_be_read() {
        for (deletion_wait_hours, is_read) in [(0, false), (23, false), (24, true), (720, true), (721, false)] {
            let record = KeyStoreRecord {
                id: StoreId([1; 16]),
                name: "store".parse().unwrap(),
                created_ms: 1,
                methods: AccessMethods::CLIENT_CERTIFICATE,
                deletion_wait_hours,
                open_public_keys: true,
            };
            let mut writer = Writer::default();
            record.encode(&mut writer);
            let read = KeyStoreRecord::decode(&mut Reader::new(&writer.finish()));
            assert_eq!(read, is_read.then_some(record), "{deletion_wait_hours}");
        }
    }
}
