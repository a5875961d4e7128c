//! `claviger key export`.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use claviger_control::ControlClient;
use claviger_control::message::ExportKey;
use claviger_control::secret::SecretText;
use zeroize::Zeroizing;

use super::read_public_key;
use crate::control::key::confirm::{Confirmed, ConfirmedArguments};
use crate::control::new_file;
use crate::show;

/// What `export` is told.
#[derive(Args)]
pub(crate) struct ExportArguments {
    #[command(flatten)]
    confirmed: ConfirmedArguments,
    /// Public key that the material is wrapped to: RSA with 3,072 to 8,192 bits, PEM
    #[arg(long, value_name = "FILE")]
    to_public_key: PathBuf,
    /// The version that leaves [default: the current one]
    #[arg(long = "key-version", value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    version: Option<u32>,
    /// File for the wrapped material, as bytes; without it, base64 on standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) async fn export(arguments: ExportArguments, client: &ControlClient, json: bool) -> anyhow::Result<()> {
    let ExportArguments { confirmed, to_public_key, version, output } = arguments;
    let public_key = read_public_key(&to_public_key)?;
    output.iter().try_for_each(|path| new_file::check(path, OUTPUT))?;
    let Confirmed { store, key, .. } = confirmed.confirm(client, "This lets the material of the key leave").await?;
    let exported = client.export_key(&store, &key, &ExportKey { version, public_key }).await?;
    let Some(path) = output else {
        return if json { show::json(&exported) } else { show::line(&exported.wrapped) };
    };
    let wrapped = SecretText::from(Zeroizing::new(exported.wrapped.clone())).decode_base64();
    new_file::write(&path, &wrapped.context("the server's answer is not base64")?, 0o600, OUTPUT)?;
    if json {
        return show::json(&exported);
    }
    show::facts([
        ("key", exported.key_id),
        ("version", exported.version.to_string()),
        ("algorithm", exported.algorithm),
        ("public key (SHA-256)", exported.public_key_sha256),
        ("wrapped material", path.display().to_string()),
    ])
}

const OUTPUT: &str = "--output";

pub(crate) const EXPORT_HELP: &str = "\
Only a key that was created with --exportable leaves. Asks for the name of the key,
unless --yes is given. The form is that of an import: RSA-OAEP with SHA-256 and AES-256
with padding (RFC 5649). With OpenSSL and a private key of 3,072 bits, on a machine that
nobody else is on, because -K can be seen by all:

  openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out receiver.pem
  openssl pkey -in receiver.pem -pubout -out receiver-public.pem
  claviger key export --store payments --to-public-key receiver-public.pem \\
    --output wrapped receipts
  head -c 384 wrapped > block
  tail -c +385 wrapped > rest
  openssl pkeyutl -decrypt -inkey receiver.pem -in block -out wrapping-key \\
    -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256
  openssl enc -d -id-aes256-wrap-pad -iv A65959A6 -in rest -out material \\
    -K \"$(od -An -v -tx1 wrapping-key | tr -d ' \\n')\"

To another installation, whose transport key is the public key:
  claviger key export --store payments --to-public-key transport.pem --output wrapped receipts";
