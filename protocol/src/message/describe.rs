//! Describe key: state and versions. `SPEC.md` section 5.5.
//!
//! ```text
//! request   key_id [16]
//! reply     key_id [16] | store_id [16] | kind u8 | algorithm u8 | state u8 | current_version u32 | created u64
//!           | name bytes16 | version_count u16 | version_count x (version u32 | version_state u8 | created u64)
//! ```

use super::batch::{Item, Items};
use super::{Message, ReplyMessage};
use crate::codec::Reader;
use crate::error::DecodeError;
use crate::id::{KeyId, StoreId};
use crate::opcode::Opcode;
use crate::output::FrameWriter;

/// Which key to describe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescribeKey {
    /// Id of the key.
    pub key_id: KeyId,
}

/// A key as it is shown.
#[derive(Clone, Debug)]
pub struct KeyDescription<'a, I> {
    /// Id of the key.
    pub key_id: KeyId,
    /// Id of its store.
    pub store_id: StoreId,
    /// Code of its kind ([`crate::KeyKind::from_id`]).
    pub kind: u8,
    /// Code of its algorithm ([`crate::Algorithm::from_id`]).
    pub algorithm: u8,
    /// Code of its state ([`crate::KeyState::from_code`]).
    pub state: u8,
    /// Number of its current version, from 1; 0 if the key is deleted.
    pub current_version: u32,
    /// When it was created, in milliseconds since 1970-01-01 00:00 UTC.
    pub created_ms: u64,
    /// Its name, unique in its store.
    pub name: &'a [u8],
    /// Its versions, ascending.
    pub versions: I,
}

/// One version of a key as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyVersionDescription {
    /// Its number, from 1.
    pub version: u32,
    /// Code of its state ([`crate::KeyVersionState::from_code`]).
    pub state: u8,
    /// When it was created, in milliseconds since 1970-01-01 00:00 UTC.
    pub created_ms: u64,
}

impl DescribeKey {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { key_id: KeyId(reader.array()?) })
    }
}

impl Message for DescribeKey {
    const OPCODE: Opcode = Opcode::DescribeKey;

    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes(&self.key_id.0);
    }
}

impl<'a> KeyDescription<'a, Items<'a, KeyVersionDescription>> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            key_id: KeyId(reader.array()?),
            store_id: StoreId(reader.array()?),
            kind: reader.u8()?,
            algorithm: reader.u8()?,
            state: reader.u8()?,
            current_version: reader.u32()?,
            created_ms: reader.u64()?,
            name: reader.bytes16()?,
            versions: Items::read_list(reader, usize::MAX)?,
        })
    }
}

impl<I: IntoIterator<Item = KeyVersionDescription>> ReplyMessage for KeyDescription<'_, I> {
    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes(&self.key_id.0);
        body.bytes(&self.store_id.0);
        body.u8(self.kind);
        body.u8(self.algorithm);
        body.u8(self.state);
        body.u32(self.current_version);
        body.u64(self.created_ms);
        body.bytes16(self.name);
        body.list(self.versions, 0..=usize::MAX, |body, version| version.write(body));
    }
}

impl<'a> Item<'a> for KeyVersionDescription {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { version: reader.u32()?, state: reader.u8()?, created_ms: reader.u64()? })
    }

    fn write(self, body: &mut FrameWriter<'_>) {
        body.u32(self.version);
        body.u8(self.state);
        body.u64(self.created_ms);
    }
}
