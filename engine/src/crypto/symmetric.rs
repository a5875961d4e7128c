//! One version of a symmetric key: its material, and what it remembers of what it has opened.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use aws_lc_rs::error::Unspecified;
use claviger_algorithm::{Algorithm, KeyKind};
use zeroize::Zeroizing;

use crate::ciphertext::{COMMITMENT_SIZE, Purpose};
use crate::crypto::commitment::CommitmentKey;
use crate::crypto::gcm::GcmKey;
use crate::crypto::opener::{OpenFailed, Opener};
use crate::crypto::xaes::{Deriver, Prefix};
use crate::key::id::KeyId;
use crate::key::material::{KeyMaterial, MaterialError, SECRET_KEY_SIZE, SecretKey};
use crate::key::version::KeyVersion;
use crate::limits::OPEN_CACHE_SLOTS;

/// Material of one version of a symmetric key, ready for bursts.
///
/// Keeps 64 secret bytes, not prepared objects, which would take 30 times as much memory; and, once it has opened
/// something of XAES-256-GCM, the bytes of the keys derived for it. All are wiped when the key is dropped.
// One allocation, because there may be a million of them; on the heap, where moving the owner leaves no copy.
pub struct SymmetricKey(Box<Kept>);

/// What is kept of a version.
struct Kept {
    material: Zeroizing<[u8; SECRET_KEY_SIZE]>,
    commitment_key: Zeroizing<[u8; SECRET_KEY_SIZE]>,
    /// Made when something is remembered first: most keys of very many never open anything.
    opened: OnceLock<Box<Opened>>,
    algorithm: Algorithm,
}

/// The prefixes that are remembered.
type Opened = [ArcSwapOption<OpenedPrefix>; OPEN_CACHE_SLOTS];

/// What was derived for one nonce prefix, remembered because a ciphertext with it has been opened.
pub(crate) struct OpenedPrefix {
    pub(crate) prefix: Prefix,
    pub(crate) commitment: [u8; COMMITMENT_SIZE],
    pub(crate) derived: SecretKey,
}

impl OpenedPrefix {
    /// Nothing yet, to be filled in place.
    pub(crate) fn zeroed() -> Self {
        Self { prefix: Default::default(), commitment: [0; COMMITMENT_SIZE], derived: SecretKey::zeroed() }
    }
}

impl SymmetricKey {
    /// A key from its material.
    ///
    /// # Errors
    /// [`MaterialError`] if the material is not of a symmetric algorithm.
    pub fn new(material: &KeyMaterial) -> Result<Self, MaterialError> {
        let algorithm = material.algorithm();
        if algorithm.row().kind != KeyKind::Symmetric {
            return Err(MaterialError::OtherAlgorithm(algorithm));
        }
        let bytes: &[u8; SECRET_KEY_SIZE] = material.expose().try_into().map_err(|_| MaterialError::Size(algorithm))?;
        let nothing = || Zeroizing::new([0; SECRET_KEY_SIZE]);
        let opened = OnceLock::new();
        let mut kept = Box::new(Kept { material: nothing(), commitment_key: nothing(), opened, algorithm });
        kept.material.copy_from_slice(bytes);
        CommitmentKey::derive(bytes, &mut kept.commitment_key);
        Ok(Self(kept))
    }

    /// The algorithm that it seals and opens by.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.0.algorithm
    }

    /// An opener for one read of ciphertexts of this key, which is version `version` of key `id`.
    #[must_use]
    pub fn opener(&self, id: KeyId, version: KeyVersion) -> Opener<'_> {
        Opener::new(self, id, version)
    }

    /// Opens one ciphertext; see [`Opener::open`]. An [`Opener`] does the same for many at less cost.
    ///
    /// # Errors
    /// [`OpenFailed`].
    pub fn open(
        &self,
        id: KeyId,
        version: KeyVersion,
        purpose: Purpose,
        context: &[u8],
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Result<usize, OpenFailed> {
        self.opener(id, version).open(purpose, context, ciphertext, out)
    }

    /// What makes the commitments.
    pub(crate) fn commitment_key(&self) -> CommitmentKey<'_> {
        CommitmentKey::derived(&self.0.commitment_key)
    }

    /// The key that seals: the one derived for `prefix`, or the key itself.
    pub(crate) fn sealing_key(&self, prefix: Option<&Prefix>) -> Result<GcmKey, Unspecified> {
        match prefix {
            Some(prefix) => {
                let mut derived = SecretKey::zeroed();
                self.deriver()?.derive(prefix, derived.expose_mut())?;
                GcmKey::new(derived.expose())
            }
            None => GcmKey::new(&self.0.material),
        }
    }

    /// What derives the keys of XAES-256-GCM.
    pub(crate) fn deriver(&self) -> Result<Deriver, Unspecified> {
        Deriver::new(&self.0.material)
    }

    /// What is remembered for `prefix`, if anything is. Wait-free.
    pub(crate) fn recall(&self, prefix: &Prefix) -> Option<Arc<OpenedPrefix>> {
        slot(self.0.opened.get()?, prefix)?.load().as_ref().filter(|entry| entry.prefix == *prefix).cloned()
    }

    /// Remembers `opened` in place of whatever had its slot.
    pub(crate) fn remember(&self, opened: &Arc<OpenedPrefix>) {
        if let Some(slot) = slot(self.0.opened.get_or_init(Box::default), &opened.prefix) {
            slot.store(Some(Arc::clone(opened)));
        }
    }

    /// How many prefixes are remembered.
    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.0.opened.get().map_or(0, |opened| opened.iter().filter(|slot| slot.load().is_some()).count())
    }
}

/// The place of a prefix. Prefixes are random, so that their last byte spreads them evenly.
fn slot<'key>(opened: &'key Opened, prefix: &Prefix) -> Option<&'key ArcSwapOption<OpenedPrefix>> {
    let [.., last] = prefix;
    opened.get(usize::from(*last) % OPEN_CACHE_SLOTS)
}

#[cfg(test)]
mod tests {
    use static_assertions::assert_not_impl_any;

    use super::*;
    use crate::key::material::SecretBytes;

    assert_not_impl_any!(SymmetricKey: std::fmt::Debug, Clone, PartialEq);

    #[test]
    fn a_key_that_has_opened_nothing_takes_at_most_96_bytes() {
        assert_eq!(size_of::<SymmetricKey>(), size_of::<usize>());
        // Common allocators give blocks of 16 bytes, and take 8 for themselves.
        assert!(size_of::<Kept>() + 8 <= 96);
    }

    #[test]
    fn refuses_material_of_another_algorithm() {
        for (algorithm, size) in [(Algorithm::HmacSha256, 32), (Algorithm::Opaque, 32), (Algorithm::Opaque, 0)] {
            let material = KeyMaterial::import(algorithm, SecretBytes::copy_of(&vec![7; size])).unwrap();
            assert_eq!(SymmetricKey::new(&material).err(), Some(MaterialError::OtherAlgorithm(algorithm)));
        }
    }
}
