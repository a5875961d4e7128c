//! The data operations: what a client of the data port does, for people and for scripts.

mod asymmetric;
mod context;
mod describe;
mod encoding;
mod file;
mod input;
mod limits;
mod mac;
mod output;
mod peer;
mod public_key;
mod random;
mod secret;
mod signature;
mod words;

use anyhow::anyhow;
use claviger_client::{Client, ClientConfig, Error, Key, Status, Transport};
use std::fmt;
use std::process::ExitCode;

/// Operations of the data port.
#[derive(clap::Subcommand)]
pub(crate) enum DataCommand {
    /// Encrypt a file of any size
    #[command(after_help = "\
Examples:
  claviger encrypt --store demo --key records report.pdf report.enc
  claviger encrypt --store demo --key records --context tenant=7 a.pdf a.enc
  tar cz folder | claviger encrypt --store demo --key records - folder.enc")]
    Encrypt(file::FileArguments),
    /// Decrypt a file that `claviger encrypt` made
    #[command(after_help = "\
The output file appears when all of it is verified. Standard output gets what is
verified, piece by piece: only the exit code 0 says that nothing is missing.

Examples:
  claviger decrypt --store demo --key records report.enc report.pdf
  claviger decrypt --store demo --key records --context tenant=7 a.enc a.pdf
  claviger decrypt --store demo --key records notes.enc -")]
    Decrypt(file::FileArguments),
    /// Sign a file
    #[command(after_help = "\
Examples:
  claviger sign --store demo --key signing-ed25519 report.pdf report.sig
  claviger sign --store demo --key signing-p256 --digest disk.iso disk.sig
  echo -n text | claviger sign --store demo --key signing-rsa-2048 --hex")]
    Sign(signature::SignArguments),
    /// Verify the signature of a file; the exit code is 1 if it is not valid
    #[command(after_help = "\
Examples:
  claviger verify --store demo --key signing-ed25519 report.pdf report.sig
  claviger verify --store demo --key signing-p256 --digest disk.iso disk.sig")]
    Verify(signature::VerifyArguments),
    /// Decrypt what others have encrypted to the public key of an RSA key
    #[command(after_help = "\
Who has the public key encrypts without this service, at most 190 bytes with an RSA
key of 2,048 bits: a key, say, with which the data themselves are encrypted.
--hex and --base64 say how the ciphertext is written.

Examples:
  claviger key create --store demo --algorithm RSA-2048-OAEP-SHA256 letters
  claviger public-key --store demo --key letters public.pem
  openssl pkeyutl -encrypt -pubin -inkey public.pem -in key.bin -out key.enc \\
    -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256
  claviger asymmetric-decrypt --store demo --key letters key.enc key.bin
With -pkeyopt rsa_oaep_label:6a6f65 in addition:
  claviger asymmetric-decrypt --store demo --key letters --label 6a6f65 key.enc key.bin")]
    AsymmetricDecrypt(asymmetric::DecryptArguments),
    /// Make the message authentication code of a file
    #[command(after_help = "\
Example:
  claviger mac --store demo --key webhooks --hex body.json body.mac")]
    Mac(mac::MakeArguments),
    /// Verify the message authentication code of a file; the exit code is 1 if it is not valid
    #[command(after_help = "\
Example:
  claviger verify-mac --store demo --key webhooks --hex body.json body.mac")]
    VerifyMac(mac::VerifyArguments),
    /// Work with secrets
    #[command(subcommand)]
    Secret(secret::SecretCommand),
    /// Read a public key
    #[command(after_help = "\
Examples:
  claviger public-key --store demo --key signing-p256 public.pem
  openssl dgst -sha256 -verify public.pem -signature report.sig report.pdf")]
    PublicKey(public_key::PublicKeyArguments),
    /// Draw random bytes from the service
    #[command(after_help = "\
The bytes are drawn on the account of the store; any of its keys names it.

Example:
  claviger random --store demo --key records --hex 32")]
    Random(random::RandomArguments),
    /// Show a key: its algorithm, state and versions
    #[command(after_help = "\
Example:
  claviger describe --store demo --key records")]
    Describe(describe::DescribeArguments),
    /// Show the ids of keys
    #[command(after_help = "\
Example:
  claviger resolve --store demo records webhooks")]
    Resolve(describe::ResolveArguments),
    /// Show what the server sees of this client
    #[command(after_help = "\
Which key stores admit it is not told here: see `claviger why-denied`. With
hardware_address = \"02:00:5e:10:00:01\" in [data] of its configuration a client
declares its own, for key stores that count that.

Examples:
  claviger whoami
  claviger whoami --transport quic")]
    Whoami(peer::WhoamiArguments),
    /// Measure the way to the server and back
    #[command(after_help = "\
Examples:
  claviger ping
  claviger ping --count 10 --transport quic")]
    Ping(peer::PingArguments),
}

/// Does what it is told. The exit code is not 0 if the answer is no.
///
/// # Errors
/// In one line, with the thing and the remedy.
pub(crate) async fn run(command: DataCommand, config: ClientConfig, json: bool) -> anyhow::Result<ExitCode> {
    let session = Session { config, json };
    match command {
        DataCommand::Encrypt(arguments) => file::encrypt(arguments, &session).await?,
        DataCommand::Decrypt(arguments) => file::decrypt(arguments, &session).await?,
        DataCommand::Sign(arguments) => signature::sign(arguments, &session).await?,
        DataCommand::Verify(arguments) => return signature::verify(arguments, &session).await,
        DataCommand::AsymmetricDecrypt(arguments) => asymmetric::decrypt(arguments, &session).await?,
        DataCommand::Mac(arguments) => mac::make(arguments, &session).await?,
        DataCommand::VerifyMac(arguments) => return mac::verify(arguments, &session).await,
        DataCommand::Secret(secret::SecretCommand::Read(arguments)) => secret::read(arguments, &session).await?,
        DataCommand::Secret(secret::SecretCommand::Wait(arguments)) => return secret::wait(arguments, &session).await,
        DataCommand::PublicKey(arguments) => public_key::read(arguments, &session).await?,
        DataCommand::Random(arguments) => random::draw(arguments, &session).await?,
        DataCommand::Describe(arguments) => describe::describe(arguments, &session).await?,
        DataCommand::Resolve(arguments) => return describe::resolve(arguments, &session).await,
        DataCommand::Whoami(arguments) => peer::whoami(arguments, &session).await?,
        DataCommand::Ping(arguments) => peer::ping(arguments, &session).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What is the same for all commands.
struct Session {
    config: ClientConfig,
    /// Results are for a program.
    json: bool,
}

/// How the server is reached.
#[derive(clap::Args)]
struct ConnectionArguments {
    /// What carries the connection: TLS over TCP, or QUIC [default: as configured]
    #[arg(long, value_name = "TRANSPORT")]
    transport: Option<TransportName>,
}

/// Transports by name.
#[derive(Clone, Copy, clap::ValueEnum)]
enum TransportName {
    Tcp,
    Quic,
}

/// Which key is meant.
#[derive(clap::Args)]
struct KeyArguments {
    /// Name of the key store
    #[arg(long, value_name = "NAME")]
    store: String,
    /// Name of the key
    #[arg(long, value_name = "NAME")]
    key: String,
    #[command(flatten)]
    connection: ConnectionArguments,
}

impl Session {
    async fn connect(&self, arguments: &ConnectionArguments) -> anyhow::Result<Client> {
        let mut config = self.config.clone();
        match arguments.transport {
            Some(TransportName::Tcp) => config.transport = Transport::Tcp,
            Some(TransportName::Quic) => config.transport = Transport::Quic,
            None => {}
        }
        // The error names the address.
        Client::connect(config).await.map_err(|error| anyhow!("{error}"))
    }
}

impl KeyArguments {
    /// Connects and finds the key.
    async fn open(&self, session: &Session) -> anyhow::Result<Key> {
        let client = session.connect(&self.connection).await?;
        match client.key(&self.store, &self.key).await {
            Ok(key) => Ok(key),
            Err(error) if error.status() == Some(Status::NotPermitted) => {
                Err(anyhow!("{self}: {error} ({})", who(&client).await))
            }
            Err(error) => Err(failed(&self.to_string(), &error)),
        }
    }
}

impl fmt::Display for KeyArguments {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.store, self.key)
    }
}

/// What a client says of itself that was not admitted.
async fn who(client: &Client) -> String {
    match client.whoami().await {
        Ok(whoami) => match whoami.certificate_subject {
            Some(subject) => format!("your certificate is {subject}"),
            None => "you showed no certificate".to_owned(),
        },
        Err(error) => error.to_string(),
    }
}

/// An error of the service, in one line, with what it befell. Its cause is in its text already.
fn failed(what: &str, error: &Error) -> anyhow::Error {
    anyhow!("{what}: {error}")
}
