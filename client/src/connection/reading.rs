//! The task that reads replies.

use super::Shared;
use crate::error::Error;
use crate::raw::RawReceiver;
use claviger_protocol::Status;
use std::sync::Arc;

/// Answers callers until the byte stream ends, or until nothing more is to come.
pub(super) async fn run(mut receiver: RawReceiver, shared: Arc<Shared>) {
    let ended = shared.ended.clone();
    tokio::select! {
        () = ended.cancelled() => {}
        error = read(&mut receiver, &shared) => tracing::debug!(%error, "a byte stream has ended"),
    }
    ended.cancel();
    shared.waiting.end();
}

async fn read(receiver: &mut RawReceiver, shared: &Shared) -> Error {
    loop {
        let frame = match receiver.receive().await {
            Ok(frame) => frame,
            Err(error) => return error,
        };
        if frame.header.status == Status::ShuttingDown {
            shared.draining.cancel();
        }
        if frame.decode().is_err() || shared.waiting.answer(&frame).is_err() {
            return Error::BadReply;
        }
    }
}
