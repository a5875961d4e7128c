//! `claviger asymmetric-decrypt`.

use super::context::pair;
use super::encoding::{Encoding, confidential_json};
use super::input::Input;
use super::limits::CIPHERTEXT_FILE_SIZE_MAX;
use super::output::{Content, Target};
use super::{KeyArguments, Session, failed, words};
use anyhow::{Context as _, anyhow, ensure};
use claviger_algorithm::{Operation, Primitive};
use claviger_client::{Context, Decrypted, Error, Key, Status};
use claviger_control::secret::SecretText;
use data_encoding::HEXLOWER_PERMISSIVE;
use serde::Serialize;
use std::path::PathBuf;

/// What `asymmetric-decrypt` is told.
#[derive(clap::Args)]
pub(crate) struct DecryptArguments {
    #[command(flatten)]
    key: KeyArguments,
    /// The version that it was encrypted to [default: the current one, then older ones]
    #[arg(long = "key-version", value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    key_version: Option<u32>,
    /// The label that it was encrypted with, as OpenSSL takes it: in hexadecimal digits
    #[arg(long, value_name = "HEX", value_parser = label, conflicts_with = "context")]
    label: Option<Context>,
    /// A pair of an encryption context, whose encoding was the label; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    context: Vec<(String, String)>,
    #[command(flatten)]
    encoding: Encoding,
    /// Replace the output file if it exists
    #[arg(long)]
    force: bool,
    /// File with the ciphertext; - is standard input
    #[arg(value_name = "IN", default_value = "-")]
    input: PathBuf,
    /// File to write; standard output if it is - or left out
    #[arg(value_name = "OUT")]
    output: Option<PathBuf>,
}

/// The answer to a program.
#[derive(Serialize)]
struct Answer {
    key_id: String,
    key_version: u32,
    algorithm: String,
    /// Base64.
    plaintext: SecretText,
}

/// Decrypts what was encrypted to a public key.
///
/// # Errors
/// With the thing and the remedy.
pub(super) async fn decrypt(arguments: DecryptArguments, session: &Session) -> anyhow::Result<()> {
    let DecryptArguments { key: key_arguments, key_version, label, context, encoding, force, input, output } =
        arguments;
    let context = label.map_or_else(|| Context::from_pairs(context), Ok)?;
    let input = Input::open(&input)?;
    let target = Target::new(output.as_deref(), force, Content::Decrypted)?;
    let name = input.name.clone();
    let text = input.read_all(CIPHERTEXT_FILE_SIZE_MAX).context(
        "a ciphertext is as long as the modulus of its key: encrypt large data with a key of their own, and that key to the public key",
    )?;
    let ciphertext = encoding.decode(&text).with_context(|| format!("{name} is written in another form"))?;
    let key = key_arguments.open(session).await?;
    check(&key, &name, ciphertext.len())?;
    let decrypted = key.asymmetric_decrypt(&context, &ciphertext, key_version).await;
    let Decrypted { key_version, plaintext } = decrypted.map_err(|error| explained(&name, &key_arguments, &error))?;
    if session.json {
        let answer = Answer {
            key_id: key.id().to_string(),
            key_version,
            algorithm: words::name(key.algorithm()),
            plaintext: SecretText::base64_of(plaintext.expose()),
        };
        return target.write(&confidential_json(&answer, plaintext.len())?);
    }
    target.write(plaintext.expose())
}

/// Refuses what this key cannot have been meant for.
fn check(key: &Key, name: &str, size: usize) -> anyhow::Result<()> {
    // Of a newer server's algorithm, the server itself knows what it does.
    let Ok(algorithm) = key.algorithm() else { return Ok(()) };
    let row = algorithm.row();
    ensure!(
        !row.does(Operation::Decrypt),
        "a key of {algorithm} decrypts what `claviger encrypt` has encrypted: use `claviger decrypt`"
    );
    ensure!(
        row.does(Operation::AsymmetricDecrypt),
        "a key of {algorithm} does not decrypt: use one of RSA with OAEP, see `claviger key algorithms`"
    );
    if let Primitive::RsaOaep(modulus) = row.primitive {
        ensure!(
            size == modulus.bytes(),
            "{name} has {size} bytes, a ciphertext for {algorithm} has {}: name another key, or say with --hex or --base64 how it is written",
            modulus.bytes()
        );
    }
    Ok(())
}

fn explained(name: &str, key: &KeyArguments, error: &Error) -> anyhow::Error {
    if error.status() != Some(Status::DecryptionFailed) {
        return failed(&key.to_string(), error);
    }
    anyhow!(
        "{name} cannot be decrypted with {key}: give the label that it was encrypted with, and encrypt to the public key of this key \
         by RSA-OAEP with SHA-256 for label and mask"
    )
}

/// The bytes of a label.
fn label(text: &str) -> anyhow::Result<Context> {
    let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).context("not hexadecimal digits, two for each byte")?;
    Ok(Context::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_its_hexadecimal_digits() {
        assert_eq!(label("6c6162656C").unwrap().as_bytes(), b"label");
        assert_eq!(label("").unwrap(), Context::EMPTY);
        for text in ["6", "label", "6c ", "0x6c"] {
            assert!(label(text).is_err(), "{text}");
        }
    }
}
