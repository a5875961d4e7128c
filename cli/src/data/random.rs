//! `claviger random`.

use super::encoding::{Encoding, confidential_json};
use super::limits::{RANDOM_ITEM_SIZE_MAX, RANDOM_SIZE_MAX};
use super::output::{Content, Target};
use super::{KeyArguments, Session, failed};
use anyhow::ensure;
use claviger_control::secret::SecretText;
use serde::Serialize;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// What `random` is told.
#[derive(clap::Args)]
pub(crate) struct RandomArguments {
    // A store is named on the wire by its id, which only its keys tell.
    #[command(flatten)]
    key: KeyArguments,
    #[command(flatten)]
    encoding: Encoding,
    /// Replace the output file if it exists
    #[arg(long)]
    force: bool,
    /// Number of bytes, 1 to 1048576
    #[arg(value_name = "SIZE")]
    size: usize,
    /// File for the bytes, readable by you only; standard output if it is - or left out
    #[arg(value_name = "OUT")]
    output: Option<PathBuf>,
}

/// The answer to a program.
#[derive(Serialize)]
struct Random {
    size: usize,
    /// Base64.
    bytes: SecretText,
}

/// Draws random bytes.
///
/// # Errors
/// With the thing and the remedy.
pub(super) async fn draw(arguments: RandomArguments, session: &Session) -> anyhow::Result<()> {
    let RandomArguments { key: key_arguments, encoding, force, size, output } = arguments;
    ensure!((1..=RANDOM_SIZE_MAX).contains(&size), "{size} bytes: ask for 1 to {RANDOM_SIZE_MAX}");
    let to_file = output.as_ref().is_some_and(|path| path.as_os_str() != "-");
    let content = match () {
        () if to_file => Content::Secret,
        () if encoding.is_text() || session.json => Content::Text,
        () => Content::Encodable,
    };
    let target = Target::new(output.as_deref(), force, content)?;
    let key = key_arguments.open(session).await?;
    let mut sizes = vec![RANDOM_ITEM_SIZE_MAX; size / RANDOM_ITEM_SIZE_MAX];
    sizes.extend(Some(size % RANDOM_ITEM_SIZE_MAX).filter(|&rest| rest > 0));
    let refused = |error| failed(&key_arguments.to_string(), &error);
    let drawn = key.client().random_bytes_batch(key.store_id(), &sizes).await.map_err(refused)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(size));
    for part in drawn {
        bytes.extend_from_slice(part.map_err(refused)?.expose());
    }
    if session.json {
        let result = Random { size, bytes: SecretText::base64_of(&bytes) };
        return target.write(&confidential_json(&result, size)?);
    }
    target.write(&encoding.encode(&bytes))
}
