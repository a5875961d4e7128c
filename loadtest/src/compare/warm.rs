//! Each of very many keys once.

use std::collections::VecDeque;

use anyhow::{Context, ensure};
use claviger_client::{ClientConfig, RawConnection};
use claviger_protocol::message::{Encrypt, EncryptItem};
use claviger_protocol::{KeyId, OutputBuffer, RequestHeader, Status};

use crate::format::grouped;
use crate::progress::progress;

/// Encrypts something with each key, many at once. What the daemon has no room for is asked for again.
///
/// # Errors
/// If anything else comes than that it was done.
pub(super) async fn use_each(key_ids: &[KeyId], config: &ClientConfig) -> anyhow::Result<()> {
    let mut connection = RawConnection::connect(config).await?;
    let mut output = OutputBuffer::new();
    let mut missing: VecDeque<KeyId> = key_ids.iter().copied().collect();
    let mut windows = 0_usize;
    while !missing.is_empty() {
        let window: Vec<_> = missing.drain(..missing.len().min(AT_ONCE)).collect();
        output.clear();
        for (key_id, number) in window.iter().zip(0_u64..) {
            let items = [EncryptItem { context: &[], plaintext: &[0x5a; ITEM_SIZE] }];
            output.request(RequestHeader::new(number), Encrypt { key_id: *key_id, items })?;
        }
        connection.send(output.as_bytes()).await?;
        for _ in &window {
            let frame = connection.receive().await?;
            let number = usize::try_from(frame.header.request_id)?;
            let key_id = window.get(number).context("a reply came to a request that was not sent")?;
            match frame.header.status {
                Status::Ok => {}
                Status::Overloaded => missing.push_back(*key_id),
                status => ensure!(status == Status::Ok, "a key cannot be used: {status}"),
            }
        }
        windows += 1;
        if windows.is_multiple_of(100) {
            let (used, all) = (key_ids.len() - missing.len(), key_ids.len());
            progress(&format!("used {} of {} keys", grouped(used as u64), grouped(all as u64)));
        }
    }
    progress("");
    Ok(())
}

/// Frames in flight.
const AT_ONCE: usize = 256;

/// Bytes of each plaintext.
const ITEM_SIZE: usize = 64;
