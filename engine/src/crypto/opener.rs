//! Opening what was sealed, item by item; what items of one burst have in common is done once.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use claviger_algorithm::Primitive;
use subtle::ConstantTimeEq;

use crate::ciphertext::{AadBuffer, COMMITMENT_SIZE, Ciphertext, Header, Purpose};
use crate::crypto::commitment::Committer;
use crate::crypto::gcm::{GcmKey, Position};
use crate::crypto::nonces::Binding;
use crate::crypto::symmetric::{OpenedPrefix, SymmetricKey};
use crate::crypto::xaes::{Deriver, Prefix, split_nonce};
use crate::key::id::KeyId;
use crate::key::version::KeyVersion;
use crate::limits::CONTEXT_SIZE_MAX;

/// Opens the items of one read under one key version; made anew for each read of a socket.
///
/// Items of XAES-256-GCM that were sealed in one burst share the derived key, those of AES-256-GCM the key itself. A derived key is remembered for later reads if two
/// items in succession needed it, or if it was the last: where each item was sealed in another burst, remembering all of them would cost more than it saves.
pub struct Opener<'key> {
    key: &'key SymmetricKey,
    binding: Binding,
    aad: AadBuffer,
    /// Prepared when they are first needed, and not at all where the key has them ready.
    committer: Option<Committer>,
    deriver: Option<Deriver>,
    /// What the item before has left ready.
    prepared: Option<Prepared>,
}

/// Every failed opening: wrong key, wrong context, altered or malformed bytes.
///
/// Carries no cause: telling these apart helps an attacker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("decryption failed")]
pub struct OpenFailed;

/// A key that opens.
enum Prepared {
    /// XAES-256-GCM: the key of one prefix.
    Derived { prefix: Arc<OpenedPrefix>, key: GcmKey, merit: Merit },
    /// AES-256-GCM: the key itself.
    Itself(GcmKey),
}

/// Whether a derived key is to be remembered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Merit {
    /// It has opened nothing yet: anybody can write a prefix.
    None,
    /// It has opened one item.
    Opened,
    /// It is remembered.
    Remembered,
}

impl<'key> Opener<'key> {
    /// An opener for ciphertexts of version `version` of key `id`.
    pub(crate) fn new(key: &'key SymmetricKey, id: KeyId, version: KeyVersion) -> Self {
        let algorithm = key.algorithm();
        let aad = AadBuffer::new(algorithm, version, id);
        let binding = Binding { algorithm, id, version };
        Self { key, binding, aad, committer: None, deriver: None, prepared: None }
    }

    /// Opens `ciphertext` into `out`, gives the size of the plaintext, and leaves `out` zero on failure.
    ///
    /// `ciphertext`: what [`crate::crypto::burst::SealBurst::seal`] wrote for the same key id, version, purpose and
    /// context. `out`: exactly [`crate::ciphertext::seal_overhead`] bytes shorter. The header is compared with the key,
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
        let Binding { id, version, .. } = self.binding;
        let is_of_this_key =
            header.algorithm == self.key.algorithm() && header.version == version && header.key_id == id;
        if !is_of_this_key || context.len() > CONTEXT_SIZE_MAX {
            return Err(OpenFailed);
        }
        let position = self.prepare(&header)?;
        let aad = self.aad.fill(purpose, context);
        let key = self.prepared.as_ref().ok_or(OpenFailed)?.key();
        key.open(position, aad, body, tag, out).map_err(|_| OpenFailed)?;
        self.note_opened();
        Ok(body.len())
    }

    /// Has the key of `header` ready, if the header commits to it, and gives the nonce of AES-256-GCM.
    fn prepare(&mut self, header: &Header<'_>) -> Result<Position, OpenFailed> {
        if self.key.algorithm().row().primitive == Primitive::Aes256Gcm {
            let position = header.nonce.try_into().map_err(|_| OpenFailed)?;
            commits(header, &self.commitment(&position))?;
            if self.prepared.is_none() {
                let key = self.key.sealing_key(None).map_err(|_| OpenFailed)?;
                self.prepared = Some(Prepared::Itself(key));
            }
            return Ok(position);
        }
        let nonce = header.nonce.try_into().map_err(|_| OpenFailed)?;
        let (prefix, position) = split_nonce(nonce);
        self.prepare_derived(header, &prefix)?;
        Ok(position)
    }

    /// Has the key for `prefix` ready: that of the item before, or one that is recalled or derived.
    fn prepare_derived(&mut self, header: &Header<'_>, prefix: &Prefix) -> Result<(), OpenFailed> {
        if let Some(Prepared::Derived { prefix: ready, .. }) = &self.prepared
            && ready.prefix == *prefix
        {
            return commits(header, &ready.commitment);
        }
        let (prefix, merit) = match self.key.recall(prefix) {
            Some(recalled) => {
                commits(header, &recalled.commitment)?;
                (recalled, Merit::Remembered)
            }
            None => (self.derive(header, prefix)?, Merit::None),
        };
        let key = GcmKey::new(prefix.derived.expose()).map_err(|_| OpenFailed)?;
        self.prepared = Some(Prepared::Derived { prefix, key, merit });
        Ok(())
    }

    /// Derives the key for `prefix`, but nothing for a header that does not commit to this key.
    fn derive(&mut self, header: &Header<'_>, prefix: &Prefix) -> Result<Arc<OpenedPrefix>, OpenFailed> {
        let commitment = self.commitment(prefix);
        commits(header, &commitment)?;
        let deriver = match (self.key.ready(), &mut self.deriver) {
            (Some(ready), _) => ready.deriver(),
            (None, Some(deriver)) => deriver,
            (None, none) => none.insert(self.key.deriver().map_err(|_| OpenFailed)?),
        };
        let mut place = match self.prepared.take() {
            Some(Prepared::Derived { prefix, merit: Merit::None | Merit::Opened, .. }) => prefix,
            _ => Arc::new(OpenedPrefix::zeroed()),
        };
        // There is no other holder before it is remembered.
        let opened = Arc::get_mut(&mut place).ok_or(OpenFailed)?;
        (opened.prefix, opened.commitment) = (*prefix, commitment);
        deriver.derive(prefix, opened.derived.expose_mut()).map_err(|_| OpenFailed)?;
        Ok(place)
    }

    /// What every ciphertext commits with whose nonce begins so.
    fn commitment(&mut self, prefix: &Prefix) -> [u8; COMMITMENT_SIZE] {
        let committed = self.binding.committed(prefix);
        if let Some(ready) = self.key.ready() {
            return ready.commit(committed);
        }
        self.committer.get_or_insert_with(|| self.key.commitment_key().prepare()).commit(committed)
    }

    /// The key that is ready has opened an item.
    fn note_opened(&mut self) {
        let Some(Prepared::Derived { prefix, merit, .. }) = &mut self.prepared else { return };
        match merit {
            Merit::None => *merit = Merit::Opened,
            Merit::Opened => {
                self.key.remember(prefix);
                *merit = Merit::Remembered;
            }
            Merit::Remembered => {}
        }
    }
}

impl Drop for Opener<'_> {
    /// The next read may bring more of the burst that this one has ended with, or of others again.
    fn drop(&mut self) {
        if let Some(deriver) = self.deriver.take() {
            self.key.keep_ready_if_hot(deriver);
        }
        if let Some(Prepared::Derived { prefix, merit: Merit::Opened, .. }) = &self.prepared {
            self.key.remember(prefix);
        }
    }
}

impl Prepared {
    const fn key(&self) -> &GcmKey {
        match self {
            Self::Derived { key, .. } | Self::Itself(key) => key,
        }
    }
}

/// Whether `header` carries this commitment, in constant time.
fn commits(header: &Header<'_>, commitment: &[u8; COMMITMENT_SIZE]) -> Result<(), OpenFailed> {
    if bool::from(header.commitment.ct_eq(commitment)) { Ok(()) } else { Err(OpenFailed) }
}
