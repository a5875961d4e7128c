//! One version of a symmetric key, and opening what it sealed.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use aws_lc_rs::error::Unspecified;
use subtle::ConstantTimeEq;

use crate::ciphertext::{AadBuffer, COMMITMENT_SIZE, Ciphertext, FORMAT, Header, Purpose};
use crate::crypto::commitment::{CommitmentKey, Committed};
use crate::crypto::xaes::{self, DerivedKey, Prefix};
use crate::key::algorithm::Algorithm;
use crate::key::id::KeyId;
use crate::key::material::{KeyMaterial, MaterialError, SecretKey};
use crate::key::version::KeyVersion;
use crate::limits::{CONTEXT_SIZE_MAX, OPEN_CACHE_SLOTS};

/// Material of one version of a symmetric key (XAES-256-GCM), ready for bursts.
///
/// Keeps 64 secret bytes, not prepared objects, which would take 30 times as much memory; and, once it has opened
/// something, the bytes of the keys derived for it. All are wiped when the key is dropped.
pub struct SymmetricKey {
    material: SecretKey,
    commitment_key: CommitmentKey,
    opened: [ArcSwapOption<OpenedPrefix>; OPEN_CACHE_SLOTS],
}

/// Opens the items of one read under one key version; made anew for each read of a socket.
///
/// Items that were sealed in one burst share the derived key. No allocation per item after the first.
pub struct Opener<'key> {
    key: &'key SymmetricKey,
    id: KeyId,
    version: KeyVersion,
    aad: AadBuffer,
    current: Option<CurrentPrefix>,
}

/// Every failed opening: wrong key, wrong context, altered or malformed bytes.
///
/// Carries no cause: telling these apart helps an attacker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("decryption failed")]
pub struct OpenFailed;

/// What was derived for one nonce prefix, remembered because a ciphertext with it has been opened.
struct OpenedPrefix {
    prefix: Prefix,
    commitment: [u8; COMMITMENT_SIZE],
    derived: SecretKey,
}

/// The prefix that an opener is at.
struct CurrentPrefix {
    entry: Arc<OpenedPrefix>,
    derived_key: DerivedKey,
    is_remembered: bool,
}

impl SymmetricKey {
    /// A key from its material.
    ///
    /// # Errors
    /// [`MaterialError`] if the material is not of XAES-256-GCM.
    pub fn new(material: &KeyMaterial) -> Result<Self, MaterialError> {
        let material = material.to_secret_key(Algorithm::Xaes256Gcm)?;
        let commitment_key = CommitmentKey::new(material.expose());
        Ok(Self { material, commitment_key, opened: Default::default() })
    }

    /// An opener for one read of ciphertexts of this key, which is version `version` of key `id`.
    pub fn opener(&self, id: KeyId, version: KeyVersion) -> Opener<'_> {
        let aad = AadBuffer::new(Algorithm::Xaes256Gcm, version, id);
        Opener { key: self, id, version, aad, current: None }
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

    /// The commitment of ciphertexts that version `version` of key `id` seals with `prefix`.
    pub(crate) fn commit(&self, id: KeyId, version: KeyVersion, prefix: &Prefix) -> [u8; COMMITMENT_SIZE] {
        self.commitment_key.commit(Committed {
            format: FORMAT,
            algorithm: Algorithm::Xaes256Gcm.id(),
            version: version.get(),
            id: id.0,
            prefix,
        })
    }

    /// Derives the key for `prefix`.
    pub(crate) fn derive(&self, prefix: &Prefix) -> Result<SecretKey, Unspecified> {
        let mut derived = SecretKey::zeroed();
        xaes::derive(self.material.expose(), prefix, derived.expose_mut())?;
        Ok(derived)
    }

    /// What is remembered for `prefix`, if anything is. Wait-free.
    fn recall(&self, prefix: &Prefix) -> Option<Arc<OpenedPrefix>> {
        self.slot(prefix)?.load().as_ref().filter(|entry| entry.prefix == *prefix).cloned()
    }

    /// Remembers `entry` in place of whatever had its slot.
    fn remember(&self, entry: &Arc<OpenedPrefix>) {
        if let Some(slot) = self.slot(&entry.prefix) {
            slot.store(Some(Arc::clone(entry)));
        }
    }

    /// Prefixes are random, so that their last byte spreads them evenly.
    fn slot(&self, prefix: &Prefix) -> Option<&ArcSwapOption<OpenedPrefix>> {
        let [.., last] = prefix;
        self.opened.get(usize::from(*last) % OPEN_CACHE_SLOTS)
    }
}

impl Opener<'_> {
    /// Opens `ciphertext` into `out`, gives the size of the plaintext, and leaves `out` zero on failure.
    ///
    /// `ciphertext`: what [`crate::crypto::burst::SealBurst::seal`] wrote for the same key id, version, purpose and
    /// context. `out`: exactly [`crate::ciphertext::SEAL_OVERHEAD`] bytes shorter. The header is compared with the key,
    /// and the commitment in constant time, before anything is decrypted.
    ///
    /// # Errors
    /// [`OpenFailed`], whatever the cause.
    pub fn open(
        &mut self,
        purpose: Purpose,
        context: &[u8],
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Result<usize, OpenFailed> {
        let opened = self.open_parts(purpose, context, ciphertext, out);
        if opened.is_err() {
            out.fill(0);
        }
        opened
    }

    fn open_parts(
        &mut self,
        purpose: Purpose,
        context: &[u8],
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Result<usize, OpenFailed> {
        let Ciphertext { header, body, tag } = Ciphertext::parse(ciphertext).map_err(|_| OpenFailed)?;
        let is_of_this_key =
            header.algorithm == Algorithm::Xaes256Gcm && header.version == self.version && header.key_id == self.id;
        if !is_of_this_key || context.len() > CONTEXT_SIZE_MAX {
            return Err(OpenFailed);
        }
        let (prefix, position) = xaes::split_nonce(header.nonce);
        let current = match self.current.take() {
            Some(current) if current.entry.prefix == prefix => current,
            _ => self.prepare(&header, &prefix)?,
        };
        let current = self.current.insert(current);
        if !bool::from(header.commitment.ct_eq(&current.entry.commitment)) {
            return Err(OpenFailed);
        }
        let aad = self.aad.fill(purpose, context);
        current.derived_key.open(position, aad, body, tag, out).map_err(|_| OpenFailed)?;
        if !current.is_remembered {
            self.key.remember(&current.entry);
            current.is_remembered = true;
        }
        Ok(body.len())
    }

    /// Recalls or derives the key for `prefix`. Derives nothing for a header that does not commit to this key.
    fn prepare(&self, header: &Header<'_>, prefix: &Prefix) -> Result<CurrentPrefix, OpenFailed> {
        let (entry, is_remembered) = match self.key.recall(prefix) {
            Some(entry) => (entry, true),
            None => (Arc::new(self.derive(header, prefix)?), false),
        };
        let derived_key = DerivedKey::new(entry.derived.expose()).map_err(|_| OpenFailed)?;
        Ok(CurrentPrefix { entry, derived_key, is_remembered })
    }

    fn derive(&self, header: &Header<'_>, prefix: &Prefix) -> Result<OpenedPrefix, OpenFailed> {
        let commitment = self.key.commit(self.id, self.version, prefix);
        if !bool::from(header.commitment.ct_eq(&commitment)) {
            return Err(OpenFailed);
        }
        let derived = self.key.derive(prefix).map_err(|_| OpenFailed)?;
        Ok(OpenedPrefix { prefix: *prefix, commitment, derived })
    }
}
