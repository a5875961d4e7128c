//! The records of a key store: the store itself, and the certificate authority that issues its client certificates.

use std::fmt;
use std::time::Duration;

use super::access::AccessMethod;
use super::codec::{Reader, Writer};
use super::quota::Quotas;
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
    /// Whether clients are let in at all.
    pub state: StoreState,
    /// Whether the hardware address that a client says it has counts where the server sees none: weak, because nothing proves it.
    pub declared_hardware_address: bool,
    /// Whether each request of a client is recorded in the audit log.
    pub records_requests: bool,
    /// How much work its clients may have done.
    pub quotas: Quotas,
}

/// State of a key store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum StoreState {
    /// Lets in whom its access methods let in.
    Available = 1,
    /// Lets nobody in. Everything else goes on.
    Disabled = 2,
}

impl StoreState {
    const fn from_id(id: u8) -> Option<Self> {
        match id {
            1 => Some(Self::Available),
            2 => Some(Self::Disabled),
            _ => None,
        }
    }
}

impl fmt::Display for StoreState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Available => "available",
            Self::Disabled => "disabled",
        })
    }
}

impl KeyStoreRecord {
    /// Whether its settings are within bounds.
    pub(crate) fn is_consistent(&self) -> bool {
        (DELETION_WAIT_MIN..=DELETION_WAIT_MAX).contains(&self.deletion_wait())
    }

    /// Whether what lets a client in can be made up by whoever is on the way: hardware addresses alone, or such that are only said.
    #[must_use]
    pub fn is_weakly_protected(&self) -> bool {
        let asks_for_hardware_address = self.methods.contains(AccessMethod::HardwareAddress);
        let alone = self.methods.without(AccessMethod::HardwareAddress).is_none();
        asks_for_hardware_address && (alone || self.declared_hardware_address)
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
    /// A client certificate alone.
    pub const CLIENT_CERTIFICATE: Self = Self::of(AccessMethod::ClientCertificate);

    /// One method alone.
    #[must_use]
    pub const fn of(method: AccessMethod) -> Self {
        Self(method.bit())
    }

    /// The methods of these bits, if there is at least one and all are known.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            1..=ALL_METHODS => Some(Self(bits)),
            _ => None,
        }
    }

    /// These methods, and another one.
    #[must_use]
    pub const fn with(self, method: AccessMethod) -> Self {
        Self(self.0 | method.bit())
    }

    /// The others of these methods; `None` if there are none.
    #[must_use]
    pub const fn without(self, method: AccessMethod) -> Option<Self> {
        Self::from_bits(self.0 & !method.bit())
    }

    /// As bits, for records.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether a method is set.
    #[must_use]
    pub const fn contains(self, method: AccessMethod) -> bool {
        self.0 & method.bit() != 0
    }

    /// The methods that are set.
    pub fn iter(self) -> impl Iterator<Item = AccessMethod> {
        AccessMethod::ALL.into_iter().filter(move |method| self.contains(*method))
    }
}

impl fmt::Display for AccessMethods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, method) in self.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { " and " })?;
            method.fmt(f)?;
        }
        Ok(())
    }
}

/// The bits of all methods.
const ALL_METHODS: u8 = 7;

impl Record for KeyStoreRecord {
    // 1, 11, 34 and 60 were key stores with fewer settings, never released.
    const RECORD_TYPE: u8 = 70;
    const WRAPS: &[WrapField<Self>] = &[];

    fn encode(&self, out: &mut Writer) {
        out.bytes(&self.id.0).sized(self.name.as_str().as_bytes()).u64(self.created_ms).u8(self.methods.bits());
        out.u16(self.deletion_wait_hours).u8(u8::from(self.open_public_keys));
        out.u8(self.state as u8).u8(u8::from(self.declared_hardware_address));
        out.u8(u8::from(self.records_requests));
        self.quotas.encode(out);
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
            state: StoreState::from_id(reader.u8()?)?,
            declared_hardware_address: reader.flag()?,
            records_requests: reader.flag()?,
            quotas: Quotas::decode(reader)?,
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
    use super::super::quota::Quota;
    use super::*;

    fn store() -> KeyStoreRecord {
        KeyStoreRecord {
            id: StoreId([1; 16]),
            name: "store".parse().unwrap(),
            created_ms: 1,
            methods: AccessMethods::CLIENT_CERTIFICATE,
            deletion_wait_hours: 72,
            open_public_keys: true,
            state: StoreState::Disabled,
            declared_hardware_address: true,
            records_requests: true,
            quotas: Quotas { store: None, client: Quota::new(1, 2) },
        }
    }

    // R-A1
    #[test]
    fn an_empty_or_unknown_set_of_methods_cannot_be_read() {
        for bits in 0..=u8::MAX {
            let methods = AccessMethods::from_bits(bits);
            assert_eq!(methods.map(AccessMethods::bits), (1..=7).contains(&bits).then_some(bits));
        }
        assert_eq!(AccessMethods::from_bits(1), Some(AccessMethods::CLIENT_CERTIFICATE));
    }

    // R-A1
    #[test]
    fn the_last_method_cannot_be_taken_away() {
        for method in AccessMethod::ALL {
            let alone = AccessMethods::of(method);
            assert_eq!(alone.without(method), None);
            for other in AccessMethod::ALL.into_iter().filter(|other| *other != method) {
                assert_eq!(alone.without(other), Some(alone));
                assert_eq!(alone.with(other).without(other), Some(alone));
            }
        }
    }

    // R-A4
    #[test]
    fn a_store_of_hardware_addresses_alone_or_of_declared_ones_is_weakly_protected() {
        let is_weak = |methods: AccessMethods, declared_hardware_address| {
            KeyStoreRecord { methods, declared_hardware_address, ..store() }.is_weakly_protected()
        };
        let hardware = AccessMethods::of(AccessMethod::HardwareAddress);
        let both = hardware.with(AccessMethod::ClientCertificate);
        assert!(is_weak(hardware, false) && is_weak(hardware, true) && is_weak(both, true));
        assert!(!is_weak(both, false));
        assert!(!is_weak(AccessMethods::CLIENT_CERTIFICATE, true), "no hardware address is asked for");
    }

    // R-K10
    #[test]
    fn a_wait_out_of_bounds_cannot_be_read() {
        for (deletion_wait_hours, is_read) in [(0, false), (23, false), (24, true), (720, true), (721, false)] {
            let record = KeyStoreRecord { deletion_wait_hours, ..store() };
            let mut writer = Writer::default();
            record.encode(&mut writer);
            let read = KeyStoreRecord::decode(&mut Reader::new(&writer.finish()));
            assert_eq!(read, is_read.then_some(record), "{deletion_wait_hours}");
        }
    }
}
