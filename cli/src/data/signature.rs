//! `claviger sign` and `claviger verify`.

use super::encoding::Encoding;
use super::input::{Input, TooLarge};
use super::limits::SIGNATURE_FILE_SIZE_MAX;
use super::output::{Content, Target};
use super::{KeyArguments, Session, failed, words};
use crate::show;
use anyhow::{Context, anyhow, bail, ensure};
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use claviger_algorithm::Operation;
use claviger_client::{Error, Key, MessageForm, Signature, Status};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What `sign` is told.
#[derive(clap::Args)]
pub(crate) struct SignArguments {
    #[command(flatten)]
    key: KeyArguments,
    /// Hash here, as the key's algorithm does, and send the digest: for files of any size, with RSA and ECDSA keys
    #[arg(long)]
    digest: bool,
    #[command(flatten)]
    encoding: Encoding,
    /// Replace the signature file if it exists
    #[arg(long)]
    force: bool,
    /// File to sign; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    message: PathBuf,
    /// File for the signature; standard output if it is - or left out
    #[arg(value_name = "SIGNATURE")]
    signature: Option<PathBuf>,
}

/// What `verify` is told.
#[derive(clap::Args)]
pub(crate) struct VerifyArguments {
    #[command(flatten)]
    key: KeyArguments,
    /// The version that signed [default: the current one, then older ones]
    #[arg(long = "key-version", value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    key_version: Option<u32>,
    /// Hash here, as the key's algorithm does, and send the digest: for files of any size, with RSA and ECDSA keys
    #[arg(long)]
    digest: bool,
    #[command(flatten)]
    encoding: Encoding,
    /// File that was signed; - is standard input
    #[arg(value_name = "FILE")]
    message: PathBuf,
    /// File with the signature; - is standard input
    #[arg(value_name = "SIGNATURE")]
    signature: PathBuf,
}

/// Signs.
///
/// # Errors
/// With the thing and the remedy.
pub(super) async fn sign(arguments: SignArguments, session: &Session) -> anyhow::Result<()> {
    let SignArguments { key: key_arguments, digest, encoding, force, message, signature } = arguments;
    let input = Input::open(&message)?;
    let output = CodeOutput::new(signature.as_deref(), force, encoding, session)?;
    let key = key_arguments.open(session).await?;
    let message = Message::read(input, digest, &key)?;
    let signed = match message.form {
        MessageForm::Message => key.sign(&message.bytes).await,
        MessageForm::Digest => key.sign_digest(&message.bytes).await,
    };
    output.write("signature", &key, &signed.map_err(|error| failed(&key_arguments.to_string(), &error))?)
}

/// Verifies. The exit code is 1 if the signature is not valid.
///
/// # Errors
/// With the thing and the remedy, if it could not be found out.
pub(super) async fn verify(arguments: VerifyArguments, session: &Session) -> anyhow::Result<ExitCode> {
    let VerifyArguments { key: key_arguments, key_version, digest, encoding, message, signature } = arguments;
    let signature = read_code(&message, &signature, encoding)?;
    let input = Input::open(&message)?;
    let name = input.name.clone();
    let key = key_arguments.open(session).await?;
    let message = Message::read(input, digest, &key)?;
    let verified = match message.form {
        MessageForm::Message => key.verify(&message.bytes, &signature, key_version).await,
        MessageForm::Digest => key.verify_digest(&message.bytes, &signature, key_version).await,
    };
    tell_verdict("signature", &name, &key_arguments, verified, session)
}

/// Where a signature or MAC goes, and how it is written.
pub(super) struct CodeOutput {
    target: Target,
    encoding: Encoding,
    json: bool,
}

impl CodeOutput {
    /// Looks at the place before anything is made.
    ///
    /// # Errors
    /// It cannot be written there.
    pub(super) fn new(path: Option<&Path>, force: bool, encoding: Encoding, session: &Session) -> anyhow::Result<Self> {
        let content = if encoding.is_text() || session.json { Content::Text } else { Content::Encodable };
        Ok(Self { target: Target::new(path, force, content)?, encoding, json: session.json })
    }

    /// Writes it, or what a program is answered, where it is named `what`.
    ///
    /// # Errors
    /// It could not be written.
    pub(super) fn write(self, what: &str, key: &Key, code: &Signature) -> anyhow::Result<()> {
        if !self.json {
            return self.target.write(&self.encoding.encode(&code.bytes));
        }
        let answer = json!({
            "key_id": key.id().to_string(),
            "key_version": code.key_version,
            "algorithm": words::name(key.algorithm()),
            (what): STANDARD.encode(&code.bytes),
        });
        self.target.write(format!("{answer:#}\n").as_bytes())
    }
}

/// Reads a signature or MAC, which is not where the message is.
///
/// # Errors
/// It is there; it cannot be read, or is written in another form.
pub(super) fn read_code(message: &Path, code: &Path, encoding: Encoding) -> anyhow::Result<Vec<u8>> {
    ensure!(message != code || code.as_os_str() != "-", "only one of the two can come from standard input");
    let input = Input::open(code)?;
    let name = input.name.clone();
    let text = input.read_all(SIGNATURE_FILE_SIZE_MAX)?;
    encoding.decode(&text).with_context(|| format!("{name} is written in another form"))
}

/// Says whether a signature or MAC is valid; the exit code says it to a script.
///
/// # Errors
/// It could not be found out.
pub(super) fn tell_verdict(
    what: &str,
    message: &str,
    key: &KeyArguments,
    verified: Result<u32, Error>,
    session: &Session,
) -> anyhow::Result<ExitCode> {
    let key_version = match verified {
        Ok(version) => Some(version),
        Err(error) if error.status() == Some(Status::VerificationFailed) => None,
        Err(error) => return Err(failed(&key.to_string(), &error)),
    };
    if session.json {
        show::json(&json!({ "valid": key_version.is_some(), "key_version": key_version }))?;
    } else if let Some(version) = key_version {
        show::line(&format!("{message}: the {what} is valid, made by version {version} of {key}"))?;
    } else {
        show::line(&format!("{message}: the {what} is NOT VALID for {key}: of another file or key, or altered"))?;
    }
    Ok(if key_version.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is sent of a file.
struct Message {
    bytes: Vec<u8>,
    form: MessageForm,
}

impl Message {
    /// Reads the file, or hashes it if the key takes digests.
    fn read(input: Input, digest: bool, key: &Key) -> anyhow::Result<Self> {
        let algorithm = words::name(key.algorithm());
        let row = key.algorithm().ok().map(|algorithm| algorithm.row());
        // Of a newer server's algorithm, the server itself knows what it does.
        if row.is_some_and(|row| !row.does(Operation::Sign)) {
            bail!("a key of {algorithm} does not sign: use one that does, see `claviger key algorithms`");
        }
        let digest_size = row.and_then(|row| row.digest_size);
        if digest {
            let Some(size) = digest_size else {
                bail!("a key of {algorithm} takes whole messages only: leave out --digest");
            };
            // All algorithms that take digests of a size take them of the same hash.
            let Some(hash) = HASHES.into_iter().find(|hash| hash.output_len() == size) else {
                bail!("{algorithm} takes digests of a hash that this program does not know: update it");
            };
            return Ok(Self { bytes: input.digest(hash)?.as_ref().to_vec(), form: MessageForm::Digest });
        }
        match input.read_message() {
            Ok(bytes) => Ok(Self { bytes, form: MessageForm::Message }),
            Err(error) if error.is::<TooLarge>() && digest_size.is_some() => {
                Err(anyhow!("{error}, the most that is sent to be hashed by the server: hash it here with --digest"))
            }
            Err(error) if error.is::<TooLarge>() => Err(anyhow!(
                "{error}, the most that a key of {algorithm} takes: use an RSA or ECDSA key with --digest, or sign a list of checksums"
            )),
            Err(error) => Err(error),
        }
    }
}

/// Hashes of digests that are made here.
const HASHES: [&digest::Algorithm; 3] = [&digest::SHA256, &digest::SHA384, &digest::SHA512];
