//! Resolve: from names to ids. `SPEC.md` section 5.4.
//!
//! ```text
//! request   store_name bytes16 | item_count u16 | item_count x key_name bytes16
//! result    key_id [16] | store_id [16] | kind u8 | algorithm u8
//! ```

use super::Message;
use super::batch::{BATCH_BOUNDS, Item, Items, ResultValue};
use crate::codec::Reader;
use crate::error::DecodeError;
use crate::id::{KeyId, StoreId};
use crate::limits::NAME_SIZE_MAX;
use crate::opcode::Opcode;
use crate::output::FrameWriter;

/// Names of keys of one store.
#[derive(Clone, Debug)]
pub struct Resolve<'a, I> {
    /// Name of the key store.
    pub store_name: &'a [u8],
    /// Names of keys, 1 to [`crate::limits::BATCH_ITEMS_MAX`].
    pub items: I,
}

/// One name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolveItem<'a> {
    /// Name of a key.
    pub key_name: &'a [u8],
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Id of the key; never changes.
    pub key_id: KeyId,
    /// Id of its store.
    pub store_id: StoreId,
    /// Code of its kind ([`crate::KeyKind::from_id`]).
    pub kind: u8,
    /// Code of its algorithm ([`crate::Algorithm::from_id`]).
    pub algorithm: u8,
}

/// The text of a name of a key or a key store, if it is one: 1 to [`NAME_SIZE_MAX`] of `A-Za-z0-9._-`.
#[must_use]
pub fn name_text(name: &[u8]) -> Option<&str> {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    let text = std::str::from_utf8(name).ok()?;
    ((1..=NAME_SIZE_MAX).contains(&name.len()) && name.iter().all(allowed)).then_some(text)
}

impl Resolved {
    /// Bytes of the result.
    pub const SIZE: usize = 16 + 16 + 1 + 1;

    /// Encodes the result of an item.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let fields = self.key_id.0.into_iter().chain(self.store_id.0).chain([self.kind, self.algorithm]);
        bytes.iter_mut().zip(fields).for_each(|(byte, field)| *byte = field);
        bytes
    }
}

impl<'a> ResultValue<'a> for Resolved {
    fn read(result: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            key_id: KeyId(result.array()?),
            store_id: StoreId(result.array()?),
            kind: result.u8()?,
            algorithm: result.u8()?,
        })
    }

    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes(&self.encode());
    }
}

impl<'a> Resolve<'a, Items<'a, ResolveItem<'a>>> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { store_name: reader.bytes16()?, items: Items::read_batch(reader)? })
    }
}

impl<'a, I: IntoIterator<Item = ResolveItem<'a>>> Message for Resolve<'_, I> {
    const OPCODE: Opcode = Opcode::Resolve;

    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes16(self.store_name);
        body.list(self.items, BATCH_BOUNDS, |body, item| item.write(body));
    }
}

impl<'a> Item<'a> for ResolveItem<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { key_name: reader.bytes16()? })
    }

    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes16(self.key_name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_to_a_hundred_of_the_allowed_characters() {
        for name in ["a", "A-Z.0_9", &"n".repeat(100)] {
            assert_eq!(name_text(name.as_bytes()), Some(name));
        }
        for name in ["", "a b", "a/b", "é", "a\0", &"n".repeat(101)] {
            assert_eq!(name_text(name.as_bytes()), None, "{name:?}");
        }
        assert_eq!(name_text(&[0xFF]), None);
    }

    #[test]
    fn resolved_encodes_as_it_is_read() {
        let resolved = Resolved { key_id: KeyId([1; 16]), store_id: StoreId([2; 16]), kind: 2, algorithm: 16 };
        assert_eq!(Resolved::read(&mut Reader::new(&resolved.encode())), Ok(resolved));
        assert_eq!(Resolved::read(&mut Reader::new(&resolved.encode()[..33])), Err(DecodeError::Malformed));
    }
}
