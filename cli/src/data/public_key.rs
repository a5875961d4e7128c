//! `claviger public-key`.

use super::output::{Content, Target};
use super::{KeyArguments, Session, failed, words};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::path::PathBuf;

/// What `public-key` is told.
#[derive(clap::Args)]
pub(crate) struct PublicKeyArguments {
    #[command(flatten)]
    key: KeyArguments,
    /// The version to read [default: the current one]
    #[arg(long = "key-version", value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    key_version: Option<u32>,
    /// Write DER (SubjectPublicKeyInfo) instead of PEM
    #[arg(long)]
    der: bool,
    /// Replace the output file if it exists
    #[arg(long)]
    force: bool,
    /// File for the public key; standard output if it is - or left out
    #[arg(value_name = "OUT")]
    output: Option<PathBuf>,
}

/// Reads a public key.
///
/// # Errors
/// With the thing and the remedy.
pub(super) async fn read(arguments: PublicKeyArguments, session: &Session) -> anyhow::Result<()> {
    let content = if arguments.der && !session.json { Content::Binary } else { Content::Text };
    let target = Target::new(arguments.output.as_deref(), arguments.force, content)?;
    let key = arguments.key.open(session).await?;
    let public_key = key.read_public_key(arguments.key_version).await;
    let public_key = public_key.map_err(|error| failed(&arguments.key.to_string(), &error))?;
    if session.json {
        let result = json!({
            "key_id": key.id().to_string(),
            "key_version": public_key.key_version,
            "algorithm": words::name(public_key.algorithm),
            "public_key": pem(&public_key.der),
        });
        return target.write(format!("{result:#}\n").as_bytes());
    }
    if arguments.der { target.write(&public_key.der) } else { target.write(pem(&public_key.der).as_bytes()) }
}

/// RFC 7468 section 13: base64 in lines of 64.
fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut lines = vec!["-----BEGIN PUBLIC KEY-----"];
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at_checked(64).unwrap_or((rest, ""));
        lines.push(line);
        rest = after;
    }
    lines.push("-----END PUBLIC KEY-----\n");
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_has_lines_of_64() {
        assert_eq!(pem(&[0; 3]), "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
        let full = "A".repeat(64);
        assert_eq!(pem(&[0; 48]), format!("-----BEGIN PUBLIC KEY-----\n{full}\n-----END PUBLIC KEY-----\n"));
        assert_eq!(pem(&[0; 51]), format!("-----BEGIN PUBLIC KEY-----\n{full}\nAAAA\n-----END PUBLIC KEY-----\n"));
    }
}
