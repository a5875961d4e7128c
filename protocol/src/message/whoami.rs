//! Whoami: what the server sees of its client. `SPEC.md` section 5.3.
//!
//! ```text
//! request   empty
//! reply     fact_count u16 | fact_count x (fact u16 | value bytes16)
//! ```

use super::batch::{Item, Items, no_code_twice};
use super::{Message, ReplyMessage};
use crate::codec::Reader;
use crate::error::DecodeError;
use crate::opcode::Opcode;
use crate::output::FrameWriter;

/// The question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whoami;

/// The answer.
#[derive(Clone, Debug)]
pub struct WhoamiReply<I> {
    /// Facts that have a value.
    pub facts: I,
}

/// One fact and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FactValue<'a> {
    /// Code of the fact ([`crate::Fact::from_code`]); a client ignores those it does not know.
    pub fact: u16,
    /// As the fact says.
    pub value: &'a [u8],
}

impl Message for Whoami {
    const OPCODE: Opcode = Opcode::Whoami;

    fn write(self, _body: &mut FrameWriter<'_>) {}
}

impl<'a> WhoamiReply<Items<'a, FactValue<'a>>> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let facts = Items::<FactValue<'a>>::read_list(reader, usize::MAX)?;
        no_code_twice(facts.clone().map(|fact| fact.fact))?;
        Ok(Self { facts })
    }
}

impl<'a, I: IntoIterator<Item = FactValue<'a>>> ReplyMessage for WhoamiReply<I> {
    fn write(self, body: &mut FrameWriter<'_>) {
        body.list(self.facts, 0..=usize::MAX, |body, fact| fact.write(body));
    }
}

impl<'a> Item<'a> for FactValue<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { fact: reader.u16()?, value: reader.bytes16()? })
    }

    fn write(self, body: &mut FrameWriter<'_>) {
        body.u16(self.fact);
        body.bytes16(self.value);
    }
}
