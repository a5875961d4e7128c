//! What is read and not computed: whoami, descriptions, secrets, public keys; and random bytes.

use crate::batch::{BatchOperation, ItemSize, Order};
use crate::call::Call;
use crate::client::Client;
use crate::config::Transport;
use crate::error::Error;
use crate::hardware_address::HardwareAddress;
use crate::key::{Key, UnknownCode};
use crate::limits::Limits;
use crate::operations::bytes;
use crate::secret::Secret;
use claviger_protocol::message::{
    DescribeKey, FactValue, KeyVersionDescription, RandomBytes, RandomBytesItem, ReadPublicKey, ReadSecret, Reply,
};
use claviger_protocol::{
    Algorithm, EncodeError, Fact, KeyId, KeyKind, KeyState, KeyVersionState, Status, StoreId, message,
};
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, SystemTime};

/// What the server sees of its client. What it does not tell, or this library does not know, is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Whoami {
    /// Address that the connection comes from.
    pub address: Option<IpAddr>,
    /// Port that the connection comes from.
    pub port: Option<u16>,
    /// What carries the connection.
    pub transport: Option<Transport>,
    /// SHA-256 of the client certificate (DER).
    pub certificate_digest: Option<[u8; 32]>,
    /// SHA-256 of the certificate's `SubjectPublicKeyInfo` (DER).
    pub public_key_digest: Option<[u8; 32]>,
    /// Subject of the certificate, in the form of RFC 4514.
    pub certificate_subject: Option<String>,
    /// When the certificate ends.
    pub certificate_end: Option<SystemTime>,
    /// Hardware address that the server sees: none if a router lies between.
    pub hardware_address: Option<HardwareAddress>,
    /// Hardware address that this client has declared of itself.
    pub declared_hardware_address: Option<HardwareAddress>,
}

/// A key as the server shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyDescription {
    /// Its id.
    pub key_id: KeyId,
    /// Id of its store.
    pub store_id: StoreId,
    /// Its name in its store.
    pub name: String,
    /// Its kind.
    pub kind: Result<KeyKind, UnknownCode>,
    /// Its algorithm.
    pub algorithm: Result<Algorithm, UnknownCode>,
    /// Its state.
    pub state: Result<KeyState, UnknownCode>,
    /// Number of its current version; 0 if the key is deleted.
    pub current_version: u32,
    /// When it was created.
    pub created: SystemTime,
    /// Its versions, ascending.
    pub versions: Vec<KeyVersion>,
}

/// One version of a key as the server shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyVersion {
    /// Its number, from 1.
    pub version: u32,
    /// Its state.
    pub state: Result<KeyVersionState, UnknownCode>,
    /// When it was created.
    pub created: SystemTime,
}

/// The value of a secret. No `Debug`, on purpose.
pub struct SecretVersion {
    /// The version it is of.
    pub key_version: u32,
    /// 0..=32,768 bytes.
    pub value: Secret,
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// The version it is of.
    pub key_version: u32,
    /// Its algorithm.
    pub algorithm: Result<Algorithm, UnknownCode>,
    /// DER `SubjectPublicKeyInfo` (RFC 5280 section 4.1).
    pub der: Vec<u8>,
}

impl Key {
    /// The key's state and versions.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn describe(&self) -> Result<KeyDescription, Error> {
        let result = describe(self.client(), self.id()).await;
        self.checked(result)
    }

    /// The value of a secret: of this version, or of the current one.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn read_secret(&self, key_version: Option<u32>) -> Result<SecretVersion, Error> {
        let request = ReadSecret { key_id: self.id(), key_version: key_version.unwrap_or(0) };
        let value = |reply: Reply<'_>| match reply {
            Reply::ReadSecret(secret) => {
                Some(SecretVersion { key_version: secret.key_version, value: Secret::new(secret.value) })
            }
            _ => None,
        };
        let result = self.client().read(request, value).await;
        self.checked(result)
    }

    /// The public key: of this version, or of the current one.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn read_public_key(&self, key_version: Option<u32>) -> Result<PublicKey, Error> {
        let request = ReadPublicKey { key_id: self.id(), key_version: key_version.unwrap_or(0) };
        let value = |reply: Reply<'_>| match reply {
            Reply::ReadPublicKey(key) => Some(PublicKey {
                key_version: key.key_version,
                algorithm: Algorithm::from_id(key.algorithm).ok_or(UnknownCode(key.algorithm)),
                der: key.public_key.to_vec(),
            }),
            _ => None,
        };
        let result = self.client().read(request, value).await;
        self.checked(result)
    }
}

/// Describe key.
pub(crate) async fn describe(client: &Client, key_id: KeyId) -> Result<KeyDescription, Error> {
    let value = |reply: Reply<'_>| match reply {
        Reply::DescribeKey(description) if description.key_id == key_id => {
            Some(KeyDescription::from_reply(description))
        }
        _ => None,
    };
    client.read(DescribeKey { key_id }, value).await
}

impl KeyDescription {
    fn from_reply(reply: message::KeyDescription<'_, impl Iterator<Item = KeyVersionDescription>>) -> Self {
        Self {
            key_id: reply.key_id,
            store_id: reply.store_id,
            name: String::from_utf8_lossy(reply.name).into_owned(),
            kind: KeyKind::from_id(reply.kind).ok_or(UnknownCode(reply.kind)),
            algorithm: Algorithm::from_id(reply.algorithm).ok_or(UnknownCode(reply.algorithm)),
            state: KeyState::from_code(reply.state).ok_or(UnknownCode(reply.state)),
            current_version: reply.current_version,
            created: time(reply.created_ms),
            versions: reply.versions.map(KeyVersion::from).collect(),
        }
    }
}

impl From<KeyVersionDescription> for KeyVersion {
    fn from(reply: KeyVersionDescription) -> Self {
        let state = KeyVersionState::from_code(reply.state).ok_or(UnknownCode(reply.state));
        Self { version: reply.version, state, created: time(reply.created_ms) }
    }
}

impl Whoami {
    /// Facts whose value has another form than the protocol gives it are left out like those that are not known.
    pub(crate) fn from_facts<'a>(facts: impl Iterator<Item = FactValue<'a>>) -> Self {
        let mut whoami = Self::default();
        for FactValue { fact, value } in facts {
            match Fact::from_code(fact) {
                Some(Fact::Address) => whoami.address = array(value).map(address),
                Some(Fact::Port) => whoami.port = array(value).map(u16::from_be_bytes),
                Some(Fact::Transport) => whoami.transport = transport(value),
                Some(Fact::CertificateDigest) => whoami.certificate_digest = array(value),
                Some(Fact::PublicKeyDigest) => whoami.public_key_digest = array(value),
                Some(Fact::CertificateSubject) => {
                    whoami.certificate_subject = std::str::from_utf8(value).ok().map(str::to_owned);
                }
                Some(Fact::CertificateEnd) => {
                    whoami.certificate_end = array(value).map(|end| time(u64::from_be_bytes(end)));
                }
                Some(Fact::HardwareAddress) => whoami.hardware_address = hardware_address(value),
                Some(Fact::DeclaredHardwareAddress) => whoami.declared_hardware_address = hardware_address(value),
                None => {}
            }
        }
        whoami
    }
}

fn array<const SIZE: usize>(value: &[u8]) -> Option<[u8; SIZE]> {
    value.try_into().ok()
}

fn hardware_address(value: &[u8]) -> Option<HardwareAddress> {
    HardwareAddress::new(array(value)?)
}

fn address(bytes: [u8; 16]) -> IpAddr {
    Ipv6Addr::from(bytes).to_canonical()
}

const fn transport(value: &[u8]) -> Option<Transport> {
    match value {
        [Fact::TRANSPORT_TCP] => Some(Transport::Tcp),
        [Fact::TRANSPORT_QUIC] => Some(Transport::Quic),
        _ => None,
    }
}

/// The time that many milliseconds after 1970-01-01 00:00 UTC, or the last that the system can express.
fn time(milliseconds: u64) -> SystemTime {
    let far = || SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(u32::MAX));
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds)).unwrap_or_else(far)
}

impl BatchOperation for RandomBytes<()> {
    type Item<'i> = RandomBytesItem;
    type Value = Secret;

    fn measure(&self, item: RandomBytesItem, limits: &Limits) -> Result<ItemSize, Status> {
        let size = usize::try_from(item.size).unwrap_or(usize::MAX);
        if size == 0 || size > limits.random_size {
            return Err(Status::SizeNotAllowed);
        }
        Ok(ItemSize { request: size_of::<u32>(), reply: size })
    }

    fn call(&self, items: &[RandomBytesItem], order: Order) -> Result<Call, EncodeError> {
        let items = items.iter().copied();
        Call::new(RandomBytes { store_id: self.store_id, items }, order.trace_id, order.deadline)
    }

    fn values(&self, reply: Reply<'_>) -> Option<Vec<Result<Secret, Status>>> {
        match reply {
            Reply::Bytes(results) => Some(bytes(results, Secret::new)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static_assertions::assert_not_impl_any!(SecretVersion: std::fmt::Debug, Clone, PartialEq);

    // R-A7
    #[test]
    fn whoami_reads_what_it_knows_and_leaves_out_the_rest() {
        let mapped = [&[0; 10][..], &[0xFF, 0xFF, 192, 0, 2, 7]].concat();
        let facts = [
            FactValue { fact: 1, value: &mapped },
            FactValue { fact: 2, value: &[0x1E, 0x14] },
            FactValue { fact: 3, value: &[2] },
            FactValue { fact: 4, value: &[7; 31] },
            FactValue { fact: 6, value: &[0xFF] },
            FactValue { fact: 7, value: &[0xFF; 8] },
            FactValue { fact: 8, value: &[2, 0, 0x5E, 0x10, 0, 1] },
            FactValue { fact: 9, value: &[0xFF; 6] },
            FactValue { fact: 999, value: b"later" },
        ];
        let whoami = Whoami::from_facts(facts.into_iter());
        assert_eq!(whoami.address, Some(IpAddr::from([192, 0, 2, 7])));
        assert_eq!((whoami.port, whoami.transport), (Some(7_700), Some(Transport::Quic)));
        assert_eq!((whoami.certificate_digest, whoami.certificate_subject), (None, None));
        assert_eq!(whoami.hardware_address, "02:00:5e:10:00:01".parse().ok());
        assert_eq!(whoami.declared_hardware_address, None, "the address of a group is that of nobody");
        assert!(whoami.certificate_end.is_some(), "a time far away does no harm");
    }
}
