//! One version of a symmetric key: its material, and what it remembers of what it has opened.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use aws_lc_rs::error::Unspecified;
use claviger_algorithm::{Algorithm, KeyKind};
use zeroize::Zeroizing;

use crate::ciphertext::{COMMITMENT_SIZE, Purpose};
use crate::crypto::commitment::{CommitmentKey, Committed};
use crate::crypto::gcm::GcmKey;
use crate::crypto::opener::{OpenFailed, Opener};
use crate::crypto::ready::Ready;
use crate::crypto::xaes::{Deriver, Prefix};
use crate::key::id::KeyId;
use crate::key::material::{KeyMaterial, MaterialError, SECRET_KEY_SIZE, SecretKey};
use crate::key::version::KeyVersion;
use crate::limits::{OPEN_CACHE_SLOTS, READY_AFTER_PREPARATIONS};

/// Material of one version of a symmetric key, ready for bursts.
///
/// Keeps 64 secret bytes, and prepared objects, which take 30 times as much memory, only if it derives often; and, once it has opened
/// something of XAES-256-GCM, the bytes of the keys derived for it. All are wiped when the key is dropped.
// One allocation, because there may be a million of them; on the heap, where moving the owner leaves no copy.
pub struct SymmetricKey(Box<Kept>);

/// What is kept of a version.
struct Kept {
    material: Zeroizing<[u8; SECRET_KEY_SIZE]>,
    commitment_key: Zeroizing<[u8; SECRET_KEY_SIZE]>,
    /// Made when there is something for it: most keys of very many are used a few times, to seal.
    in_use: OnceLock<Box<InUse>>,
    /// How often it was prepared to derive, modulo 256, until it is kept so.
    preparations: AtomicU8,
    algorithm: Algorithm,
}

/// What only keys have that have opened something or are kept prepared.
#[derive(Default)]
struct InUse {
    opened: Opened,
    ready: OnceLock<Box<Ready>>,
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
        let (in_use, preparations) = (OnceLock::new(), AtomicU8::new(0));
        let (material, commitment_key) = (nothing(), nothing());
        let mut kept = Box::new(Kept { material, commitment_key, in_use, preparations, algorithm });
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

    /// The commitment of every ciphertext whose header says `committed`.
    pub(crate) fn commit(&self, committed: Committed<'_>) -> [u8; COMMITMENT_SIZE] {
        match self.ready() {
            Some(ready) => ready.commit(committed),
            None => self.commitment_key().commit(committed),
        }
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
                self.derive(prefix, &mut derived)?;
                GcmKey::new(derived.expose())
            }
            None => GcmKey::new(&self.0.material),
        }
    }

    /// Writes the key for `prefix` into `derived`.
    fn derive(&self, prefix: &Prefix, derived: &mut SecretKey) -> Result<(), Unspecified> {
        if let Some(ready) = self.ready() {
            return ready.deriver().derive(prefix, derived.expose_mut());
        }
        let deriver = self.deriver()?;
        deriver.derive(prefix, derived.expose_mut())?;
        self.keep_ready_if_hot(deriver);
        Ok(())
    }

    /// What is kept prepared, if this key is.
    pub(crate) fn ready(&self) -> Option<&Ready> {
        self.0.in_use.get()?.ready.get().map(Box::as_ref)
    }

    /// Counts that `deriver` was prepared, and keeps it if that happens often and there is a place for it.
    pub(crate) fn keep_ready_if_hot(&self, deriver: Deriver) {
        // Where there is no place, nothing is written beside the key that all threads read.
        if !Ready::has_place() {
            return;
        }
        // Decides about speed only: two threads may count once together.
        let before = self.0.preparations.load(Ordering::Relaxed);
        self.0.preparations.store(before.wrapping_add(1), Ordering::Relaxed);
        if before % READY_AFTER_PREPARATIONS == READY_AFTER_PREPARATIONS - 1
            && let Some(ready) = Ready::keep(deriver, &self.commitment_key())
        {
            // If another thread was here meanwhile, this one gives its place back.
            let _ = self.in_use().ready.set(Box::new(ready));
        }
    }

    fn in_use(&self) -> &InUse {
        self.0.in_use.get_or_init(Box::default)
    }

    /// What derives the keys of XAES-256-GCM.
    pub(crate) fn deriver(&self) -> Result<Deriver, Unspecified> {
        Deriver::new(&self.0.material)
    }

    /// What is remembered for `prefix`, if anything is. Wait-free.
    pub(crate) fn recall(&self, prefix: &Prefix) -> Option<Arc<OpenedPrefix>> {
        slot(&self.0.in_use.get()?.opened, prefix)?.load().as_ref().filter(|entry| entry.prefix == *prefix).cloned()
    }

    /// Remembers `opened` in place of whatever had its slot.
    pub(crate) fn remember(&self, opened: &Arc<OpenedPrefix>) {
        if let Some(slot) = slot(&self.in_use().opened, &opened.prefix) {
            slot.store(Some(Arc::clone(opened)));
        }
    }

    /// How many prefixes are remembered.
    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.0.in_use.get().map_or(0, |in_use| in_use.opened.iter().filter(|slot| slot.load().is_some()).count())
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
    use crate::ciphertext::seal_overhead;
    use crate::crypto::burst::SealBurst;
    use crate::crypto::random::{EntropyError, Random, SystemRandom};
    use crate::key::material::SecretBytes;

    assert_not_impl_any!(SymmetricKey: std::fmt::Debug, Clone, PartialEq);

    #[test]
    fn a_key_that_is_not_in_use_takes_at_most_96_bytes() {
        assert_eq!(size_of::<SymmetricKey>(), size_of::<usize>());
        // Common allocators give blocks of 16 bytes, and take 8 for themselves.
        assert!(size_of::<Kept>() + 8 <= 96);
    }

    /// The same bytes whenever it is asked.
    struct Same;

    impl Random for Same {
        fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
            out.fill(0x5a);
            Ok(())
        }
    }

    const ID: KeyId = KeyId([1; 16]);
    const VERSION: KeyVersion = KeyVersion::FIRST;

    fn key(byte: u8) -> SymmetricKey {
        let material = KeyMaterial::import(Algorithm::Xaes256Gcm, SecretBytes::copy_of(&[byte; 32])).unwrap();
        SymmetricKey::new(&material).unwrap()
    }

    fn seal(key: &SymmetricKey, random: &dyn Random) -> Vec<u8> {
        let mut out = vec![0; seal_overhead(key.algorithm()) + 9];
        let mut burst = SealBurst::begin(key, ID, VERSION, random).unwrap();
        burst.seal(Purpose::Data, b"context", b"plaintext", &mut out).unwrap();
        out
    }

    fn open(key: &SymmetricKey, ciphertext: &[u8]) -> Result<[u8; 9], OpenFailed> {
        let mut out = [0; 9];
        key.open(ID, VERSION, Purpose::Data, b"context", ciphertext, &mut out).map(|_| out)
    }

    fn hot(byte: u8) -> SymmetricKey {
        let key = key(byte);
        (0..READY_AFTER_PREPARATIONS).for_each(|_| drop(seal(&key, &Same)));
        assert!(key.ready().is_some());
        key
    }

    // R-K3
    #[test]
    fn a_key_that_is_kept_ready_seals_and_opens_as_one_that_is_not() {
        let (hot, cold) = (hot(7), key(7));
        let sealed = seal(&hot, &Same);
        assert_eq!(sealed, seal(&cold, &Same));
        assert_eq!(open(&hot, &sealed).as_ref(), Ok(b"plaintext"));
        assert_eq!(open(&cold, &sealed).as_ref(), Ok(b"plaintext"));
        assert!(cold.ready().is_none());
    }

    // R-K3
    #[test]
    fn a_key_that_is_kept_ready_opens_nothing_of_another_and_nothing_altered() {
        let hot = hot(7);
        assert_eq!(open(&hot, &seal(&key(8), &Same)), Err(OpenFailed), "the commitment is another key's");
        let sealed = seal(&key(7), &SystemRandom::new());
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert_eq!(open(&hot, &altered), Err(OpenFailed), "byte {at}");
        }
        assert_eq!(open(&hot, &sealed).as_ref(), Ok(b"plaintext"));
    }

    #[test]
    fn a_key_is_kept_ready_when_it_was_prepared_often_by_whatever() {
        let (key, random) = (key(7), SystemRandom::new());
        // Of many bursts, so that none is remembered.
        let ciphertexts: Vec<_> = (0..READY_AFTER_PREPARATIONS).map(|_| seal(&self::key(7), &random)).collect();
        for (index, ciphertext) in ciphertexts.iter().enumerate() {
            assert!(key.ready().is_none(), "after {index}");
            open(&key, ciphertext).unwrap();
        }
        assert!(key.ready().is_some());
    }

    #[test]
    fn keys_that_nothing_is_derived_from_are_not_kept_ready() {
        let material = KeyMaterial::import(Algorithm::Aes256Gcm, SecretBytes::copy_of(&[7; 32])).unwrap();
        let key = SymmetricKey::new(&material).unwrap();
        for _ in 0..=u8::MAX {
            let sealed = seal(&key, &SystemRandom::new());
            open(&key, &sealed).unwrap();
        }
        assert!(key.ready().is_none());
    }

    #[test]
    fn refuses_material_of_another_algorithm() {
        for (algorithm, size) in [(Algorithm::HmacSha256, 32), (Algorithm::Opaque, 32), (Algorithm::Opaque, 0)] {
            let material = KeyMaterial::import(algorithm, SecretBytes::copy_of(&vec![7; size])).unwrap();
            assert_eq!(SymmetricKey::new(&material).err(), Some(MaterialError::OtherAlgorithm(algorithm)));
        }
    }
}
