//! What a route answers when it does what it was asked.

use http::StatusCode;
use serde::Serialize;
use zeroize::Zeroizing;

use super::problem::{Kind, Problem};

/// A reply: in JSON, unless its route says otherwise.
pub(super) struct Answer {
    /// 200, 201 or 503 (of readiness).
    pub(super) status: StatusCode,
    /// Path of what was created, if it can be read.
    pub(super) location: Option<String>,
    /// The body. It may hold a private key, so it is wiped.
    pub(super) body: Zeroizing<Vec<u8>>,
}

impl Answer {
    /// `message` with this status.
    pub(super) fn new(status: StatusCode, message: &impl Serialize) -> Result<Self, Problem> {
        // Room for a private key beforehand: growing leaves copies behind. Larger messages hold none.
        let mut body = Zeroizing::new(Vec::with_capacity(BODY_SIZE));
        serde_json::to_writer(&mut *body, message)
            .map_err(|error| Problem::new(Kind::Internal, format!("the answer could not be written: {error}")))?;
        Ok(Self { status, location: None, body })
    }

    /// `message` about what is there.
    pub(super) fn ok(message: &impl Serialize) -> Result<Self, Problem> {
        Self::new(StatusCode::OK, message)
    }

    /// `message` about what was created, and can be read at `location`.
    pub(super) fn created(location: String, message: &impl Serialize) -> Result<Self, Problem> {
        Ok(Self { location: Some(location), ..Self::new(StatusCode::CREATED, message)? })
    }
}

/// A certificate takes some 700 bytes, its private key 250.
const BODY_SIZE: usize = 8 * 1024;
