//! The record of a request that is made once, however often it is sent.

use super::codec::{Reader, Writer};
use super::{Record, WrapField};

/// What is remembered of it. Whose and which it is, the address says.
pub(crate) struct OnceRecord {
    /// When it was first asked for, in milliseconds since 1970.
    pub(crate) begun_ms: u64,
    /// How far it has come.
    pub(crate) state: OnceState,
    /// SHA-256 of what was asked for, and behind that what was answered, if it is kept: wrapped, because whoever knows the hash can try values of a secret that was in it.
    pub(crate) wrapped: Vec<u8>,
}

/// How far a request that is made once has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum OnceState {
    /// It is being made, or nobody knows what has become of it.
    Begun = 0,
    /// It was made, and the answer is kept.
    Answered = 1,
    /// It was made, and the answer is not kept: it was too large, or a secret.
    AnsweredOnce = 2,
}

impl Record for OnceRecord {
    // 55 had the hash beside it, never released.
    const RECORD_TYPE: u8 = 61;
    const WRAPS: &[WrapField<Self>] = &[|record| &mut record.wrapped];

    fn encode(&self, out: &mut Writer) {
        out.u64(self.begun_ms).u8(self.state as u8).sized(&self.wrapped);
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let begun_ms = reader.u64()?;
        let state = match reader.u8()? {
            0 => OnceState::Begun,
            1 => OnceState::Answered,
            2 => OnceState::AnsweredOnce,
            _ => return None,
        };
        Some(Self { begun_ms, state, wrapped: reader.sized()?.to_vec() })
    }
}
