//! One slot of the table: a shred secret and whose it is, as bytes.

use std::num::NonZeroU32;

use crate::crypto::checksum::sha256;
use crate::crypto::random::{EntropyError, Random};
use crate::crypto::wrap::SHRED_SECRET_SIZE;
use crate::key::id::{ID_SIZE, KeyId};
use crate::key::material::SecretKey;

/// The secret of one key: 32 random bytes, wiped on drop.
pub struct ShredSecret(SecretKey);

/// Number of a slot, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(pub(super) NonZeroU32);

/// What a slot holds.
pub(super) enum Content {
    /// Nothing: it was never used, or what it held was destroyed.
    Free,
    /// The secret of a key.
    Taken {
        /// The key.
        id: KeyId,
        /// Its secret.
        secret: ShredSecret,
    },
    /// Something that was never written there.
    Damaged,
}

impl ShredSecret {
    /// A new secret.
    ///
    /// # Errors
    /// [`EntropyError`].
    pub(crate) fn generate(random: &dyn Random) -> Result<Self, EntropyError> {
        let mut secret = SecretKey::zeroed();
        random.fill(&mut secret.expose_mut()[..])?;
        Ok(Self(secret))
    }

    /// Lends the bytes.
    pub(crate) fn expose(&self) -> &[u8; SHRED_SECRET_SIZE] {
        self.0.expose()
    }
}

impl Slot {
    /// The slot of this number; none has the number 0.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// Where it begins in a mirror, in bytes: the header is as long as a slot.
    pub(super) fn offset(self) -> u64 {
        u64::from(self.get()) * SLOT_SIZE as u64
    }
}

impl Content {
    /// What the bytes of this slot say.
    pub(super) fn read(bytes: &[u8; SLOT_SIZE], slot: Slot, installation: &[u8; 16]) -> Self {
        let Some(head) = head(bytes, slot, installation) else { return Self::Damaged };
        let secret = bytes.get(SECRET_AT..CONTENT_SIZE).and_then(SecretKey::copy_of);
        match (head.holds, secret) {
            (Holds::NothingAfter(_), _) => Self::Free,
            (Holds::SecretOf(id), Some(secret)) => Self::Taken { id, secret: ShredSecret(secret) },
            (Holds::SecretOf(_), None) => Self::Damaged,
        }
    }
}

/// What a slot says of itself, without its secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// When it was written, among all writings of the table.
    pub(super) sequence: u64,
    pub(super) holds: Holds,
}

/// Whose secret a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// That of this key.
    SecretOf(KeyId),
    /// None. The name of the key whose secret it held last.
    NothingAfter([u8; ID_SIZE]),
}

impl Head {
    /// Whether it holds a secret.
    pub(super) const fn is_taken(&self) -> bool {
        matches!(self.holds, Holds::SecretOf(_))
    }

    /// Name of the key whose secret it holds, or held last.
    pub(super) fn holder(&self, installation: &[u8; 16]) -> [u8; ID_SIZE] {
        match self.holds {
            Holds::SecretOf(id) => name_of(id, installation),
            Holds::NothingAfter(holder) => holder,
        }
    }
}

/// The head of a slot; `None` if it is damaged. Leaves the secret where it is.
pub(super) fn head(bytes: &[u8; SLOT_SIZE], slot: Slot, installation: &[u8; 16]) -> Option<Head> {
    let (content, sum) = bytes.split_at(CONTENT_SIZE);
    if sum != checksum(content, slot, installation) {
        return None;
    }
    let (sequence, rest) = content.split_first_chunk()?;
    let (id, secret) = rest.split_first_chunk::<ID_SIZE>()?;
    let sequence = u64::from_be_bytes(*sequence);
    // No secret is all zeros.
    let is_free = secret.iter().all(|byte| *byte == 0);
    Some(Head { sequence, holds: if is_free { Holds::NothingAfter(*id) } else { Holds::SecretOf(KeyId(*id)) } })
}

/// Puts a key's secret into the bytes of a slot.
pub(super) fn write_taken(
    out: &mut [u8],
    slot: Slot,
    installation: &[u8; 16],
    sequence: u64,
    key: (KeyId, &ShredSecret),
) {
    write(out, slot, installation, [&sequence.to_be_bytes(), &key.0.0, key.1.expose()]);
}

/// Makes the bytes of a slot those of a free one, which held the secret of `last`.
pub(super) fn write_free(out: &mut [u8], slot: Slot, installation: &[u8; 16], sequence: u64, last: KeyId) {
    let holder = name_of(last, installation);
    write(out, slot, installation, [&sequence.to_be_bytes(), &holder, &[0; SHRED_SECRET_SIZE]]);
}

/// By what a free slot knows the key whose secret it held: not by its id, which is to be forgotten with the key.
fn name_of(id: KeyId, installation: &[u8; 16]) -> [u8; ID_SIZE] {
    let sum = sha256(&[b"claviger/shred-holder/1", installation, &id.0]);
    let mut name = [0; ID_SIZE];
    name.iter_mut().zip(sum).for_each(|(place, byte)| *place = byte);
    name
}

fn write(out: &mut [u8], slot: Slot, installation: &[u8; 16], fields: [&[u8]; 3]) {
    let (content, sum) = out.split_at_mut(CONTENT_SIZE);
    let mut rest = &mut *content;
    for field in fields {
        let (place, after) = rest.split_at_mut(field.len());
        place.copy_from_slice(field);
        rest = after;
    }
    sum.copy_from_slice(&checksum(content, slot, installation));
}

fn checksum(content: &[u8], slot: Slot, installation: &[u8; 16]) -> [u8; CHECKSUM_SIZE] {
    let sum = sha256(&[b"claviger/shred-slot/1", installation, &slot.get().to_be_bytes(), content]);
    let mut short = [0; CHECKSUM_SIZE];
    short.iter_mut().zip(sum).for_each(|(place, byte)| *place = byte);
    short
}

/// Size of a slot, in bytes. A power of two that divides a sector, so that none lies in two.
pub(super) const SLOT_SIZE: usize = 64;
const CHECKSUM_SIZE: usize = 8;
const CONTENT_SIZE: usize = SLOT_SIZE - CHECKSUM_SIZE;
const SECRET_AT: usize = CONTENT_SIZE - SHRED_SECRET_SIZE;

const _: () = assert!(CONTENT_SIZE == size_of::<u64>() + ID_SIZE + SHRED_SECRET_SIZE);

#[cfg(test)]
mod tests {
    use static_assertions::assert_not_impl_any;

    use super::*;
    use crate::crypto::random::SystemRandom;

    assert_not_impl_any!(ShredSecret: std::fmt::Debug, Clone, PartialEq);

    const HERE: [u8; 16] = [7; 16];
    const ID: KeyId = KeyId([3; 16]);

    fn slot(number: u32) -> Slot {
        Slot::new(number).unwrap()
    }

    fn taken() -> ([u8; SLOT_SIZE], ShredSecret) {
        let secret = ShredSecret::generate(&SystemRandom::new()).unwrap();
        let mut bytes = [0; SLOT_SIZE];
        write_taken(&mut bytes, slot(5), &HERE, 9, (ID, &secret));
        (bytes, secret)
    }

    // R-K11
    #[test]
    fn slot_is_read_as_it_was_written() {
        let (mut bytes, written) = taken();
        let Content::Taken { id: ID, secret } = Content::read(&bytes, slot(5), &HERE) else { panic!() };
        let before = head(&bytes, slot(5), &HERE).unwrap();
        assert_eq!(before, Head { sequence: 9, holds: Holds::SecretOf(ID) });
        assert_eq!(secret.expose(), written.expose());
        write_free(&mut bytes, slot(5), &HERE, 10, ID);
        let holds = Holds::NothingAfter(before.holder(&HERE));
        assert_eq!(head(&bytes, slot(5), &HERE), Some(Head { sequence: 10, holds }));
        assert!(!bytes.windows(ID_SIZE).any(|part| part == ID.0));
        assert!(matches!(Content::read(&bytes, slot(5), &HERE), Content::Free));
        assert!(!bytes.windows(8).any(|part| written.expose().windows(8).any(|of_it| of_it == part)));
    }

    // R-K11
    #[test]
    fn slot_that_was_altered_or_moved_or_zeroed_by_the_disk_is_damaged() {
        let (bytes, _) = taken();
        let is_damaged = |bytes: &[u8; SLOT_SIZE], number, installation: &[u8; 16]| {
            matches!(Content::read(bytes, slot(number), installation), Content::Damaged)
        };
        for at in 0..SLOT_SIZE {
            let mut altered = bytes;
            altered[at] ^= 0x10;
            assert!(is_damaged(&altered, 5, &HERE), "byte {at}");
        }
        assert!(is_damaged(&bytes, 6, &HERE));
        assert!(is_damaged(&bytes, 5, &[8; 16]));
        assert!(is_damaged(&[0; SLOT_SIZE], 5, &HERE));
        assert!(is_damaged(&[0xff; SLOT_SIZE], 5, &HERE));
    }
}
