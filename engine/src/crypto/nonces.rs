//! The nonces of one burst: drawn when its plaintexts have been read, each given out once.

use claviger_algorithm::Primitive;

use crate::ciphertext::{COMMITMENT_SIZE, FORMAT, NONCE_SIZE_MAX};
use crate::crypto::commitment::{Committed, Committer};
use crate::crypto::gcm::{POSITION_SIZE, Position};
use crate::crypto::random::{EntropyError, Random};
use crate::crypto::symmetric::SymmetricKey;
use crate::crypto::xaes::{NONCE_SIZE, PREFIX_SIZE, Prefix, split_nonce};
use crate::key::id::KeyId;
use crate::key::version::KeyVersion;
use crate::limits::{BURST_ITEMS_MAX, NONCES_DRAWN};

/// Where the nonces of a burst come from.
pub(crate) enum Nonces {
    /// XAES-256-GCM: one nonce is drawn; its first half derives the key, its last half is counted up, modulo 2^96 from the drawn value.
    Counted { nonce: [u8; NONCE_SIZE], commitment: [u8; COMMITMENT_SIZE], left: usize },
    /// AES-256-GCM: each is drawn by itself (NIST SP 800-38D section 8.2.2), some at once because one call of the generator costs as much as sixteen.
    Drawn { drawn: Box<[Position; NONCES_DRAWN]>, next: usize, committer: Committer, binding: Binding },
}

/// What commitments of a burst bind beside the nonce.
#[derive(Clone, Copy)]
pub(crate) struct Binding {
    pub(crate) algorithm: u8,
    pub(crate) id: KeyId,
    pub(crate) version: KeyVersion,
}

/// A nonce that is spent, whatever comes of it.
pub(crate) struct Spent {
    nonce: [u8; NONCE_SIZE_MAX],
    size: usize,
    /// The nonce of AES-256-GCM: its last 12 bytes.
    pub(crate) position: Position,
    /// What the header commits with.
    pub(crate) commitment: [u8; COMMITMENT_SIZE],
}

impl Nonces {
    /// Draws what a burst under `key` needs.
    ///
    /// # Errors
    /// [`EntropyError`].
    pub(crate) fn draw(
        key: &SymmetricKey,
        id: KeyId,
        version: KeyVersion,
        random: &dyn Random,
    ) -> Result<Self, EntropyError> {
        let binding = Binding { algorithm: key.algorithm().id(), id, version };
        if key.algorithm().row().primitive == Primitive::Aes256Gcm {
            let mut drawn = Box::new([[0; POSITION_SIZE]; NONCES_DRAWN]);
            random.fill(drawn.as_flattened_mut())?;
            return Ok(Self::Drawn { drawn, next: 0, committer: key.commitment_key().prepare(), binding });
        }
        let mut nonce = [0; NONCE_SIZE];
        random.fill(&mut nonce)?;
        let commitment = key.commitment_key().commit(binding.committed(&split_nonce(&nonce).0));
        Ok(Self::Counted { nonce, commitment, left: BURST_ITEMS_MAX })
    }

    /// The prefix that derives the key of the burst; `None` if the key is used as it is.
    pub(crate) fn prefix(&self) -> Option<Prefix> {
        match self {
            Self::Counted { nonce, .. } => Some(split_nonce(nonce).0),
            Self::Drawn { .. } => None,
        }
    }

    /// Takes the next nonce, before anything is sealed with it; `None` when the burst has no more.
    pub(crate) fn spend(&mut self) -> Option<Spent> {
        match self {
            Self::Counted { nonce, commitment, left } => {
                *left = left.checked_sub(1)?;
                let (_, position) = split_nonce(nonce);
                let spent = Spent { nonce: *nonce, size: NONCE_SIZE, position, commitment: *commitment };
                nonce[PREFIX_SIZE..].copy_from_slice(&count_up(position));
                Some(spent)
            }
            Self::Drawn { drawn, next, committer, binding } => {
                let position = *drawn.get(*next)?;
                *next += 1;
                let mut nonce = [0; NONCE_SIZE_MAX];
                nonce[..POSITION_SIZE].copy_from_slice(&position);
                let commitment = committer.commit(binding.committed(&position));
                Some(Spent { nonce, size: POSITION_SIZE, position, commitment })
            }
        }
    }
}

impl Binding {
    /// With the first 12 bytes of a nonce.
    pub(crate) fn committed<'a>(&self, prefix: &'a Prefix) -> Committed<'a> {
        let Self { algorithm, id, version } = *self;
        Committed { format: FORMAT, algorithm, version: version.get(), id: id.0, prefix }
    }
}

impl Spent {
    /// The nonce as the header says it.
    pub(crate) fn nonce(&self) -> &[u8] {
        self.nonce.get(..self.size).unwrap_or_default()
    }
}

/// The number after `position`, big-endian, modulo 2^96.
fn count_up(mut position: Position) -> Position {
    for byte in position.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            break;
        }
    }
    position
}
