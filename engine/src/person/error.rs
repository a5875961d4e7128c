//! Why nothing of a person is changed.

use super::{PersonId, PublicKeyHash};
use crate::key::name::Name;
use crate::limits::{ASSIGNED_KEYS_MAX, GRANTS_MAX, PERSON_CERTIFICATES_MAX, PERSONS_MAX};

/// Why nothing of a person is changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PersonError {
    /// No person has this id.
    #[error("no such person: {0}")]
    NotFound(PersonId),
    /// There are as many persons as there may be.
    #[error("there are {PERSONS_MAX} persons, which is the most: remove one who is not needed any more")]
    TooMany,
    /// The person has as many certificates as a person may have.
    #[error("a person has {PERSON_CERTIFICATES_MAX} certificates at most: remove one that is not used any more")]
    TooManyCertificates,
    /// The public key belongs to somebody already.
    #[error("the public key {key} is that of {by}: a certificate tells who somebody is, so it belongs to one person")]
    CertificateTaken {
        /// The key.
        key: PublicKeyHash,
        /// Whose it is.
        by: Name,
    },
    /// The person has no certificate with this public key.
    #[error("the person has no certificate with the public key {0}: see `claviger person show`")]
    CertificateNotFound(PublicKeyHash),
    /// A grant that makes no sense.
    #[error("{0}")]
    Grant(&'static str),
    /// The person has as many grants as a person may have.
    #[error("a person has {GRANTS_MAX} grants at most: revoke one that is not needed any more")]
    TooManyGrants,
    /// The person does not have what is to be revoked.
    #[error("the person does not have this role there: see `claviger person show`")]
    GrantNotFound,
    /// The person is not, or no longer, a key manager of the store who may create keys.
    #[error("he is no key manager of this store who may create keys: see `claviger person show`")]
    MayNotCreate,
    /// A key manager manages as many keys of a store as he may.
    #[error(
        "a key manager manages {ASSIGNED_KEYS_MAX} keys of a store at most: make him administrator of a store of its own, or take keys from him"
    )]
    TooManyKeys,
}
