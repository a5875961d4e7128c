//! `claviger key import` and `claviger key export`: key material that comes in and leaves, wrapped both times.

mod export;
mod material;
mod wrap;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand};
use claviger_algorithm::Algorithm;
use claviger_control::ControlClient;
use claviger_control::message::{BeginImport, CompleteImport, Import, Key};
use claviger_control::secret::SecretText;

use super::{changed, current_version, read_secret};
use crate::control::new_file;
use crate::control::once::OnceArguments;
use crate::show;

pub(super) use export::{EXPORT_HELP, ExportArguments, export};

/// What `import` is told: a key to import, or a step of an import.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct ImportArguments {
    #[command(subcommand)]
    step: Option<Step>,
    #[command(flatten)]
    key: Option<ImportedKey>,
    /// File with the key: raw bytes, or a private key as PKCS#8 in PEM or DER; `-` is standard input
    #[arg(long, value_name = "FILE", required = true)]
    file: Option<PathBuf>,
}

/// Steps of an import whose material is wrapped elsewhere.
#[derive(Subcommand)]
pub(crate) enum Step {
    /// Make a transport key, which key material is wrapped to on another machine, by another program or an HSM
    #[command(after_help = BEGIN_HELP)]
    Begin(BeginArguments),
    /// Bring in the wrapped key material, by one try
    #[command(after_help = "\
If it fails, the import is over all the same: begin another one.

Examples:
  claviger key import complete --store payments --wrapped wrapped 4bd5a07a0b9f3b0b4f0a3c6f4c1d2e3f
  claviger key import complete --store payments --wrapped wrapped \\
    --idempotency-key receipts-2027 4bd5a07a0b9f3b0b4f0a3c6f4c1d2e3f")]
    Complete(CompleteArguments),
    /// List the imports of a store that are open
    #[command(after_help = "\
Examples:
  claviger key import list --store payments
  claviger key import list --store payments --json")]
    List {
        /// Name or id of the key store
        #[arg(long)]
        store: String,
    },
    /// End an import; its transport key is gone
    #[command(after_help = "Example:\n  claviger key import cancel --store payments 4bd5a07a0b9f3b0b4f0a3c6f4c1d2e3f")]
    Cancel {
        /// Name or id of the key store
        #[arg(long)]
        store: String,
        /// Id of the import
        import: String,
    },
}

/// Which key is imported.
#[derive(Args)]
pub(crate) struct ImportedKey {
    /// Name or id of the key store
    #[arg(long)]
    store: String,
    /// Algorithm of the new key: see `claviger key algorithms`
    #[arg(long, required_unless_present = "new_version")]
    algorithm: Option<String>,
    /// Let its material be exported again, wrapped to a public key; this cannot be changed later
    #[arg(long, conflicts_with = "new_version")]
    exportable: bool,
    /// Give a key that exists a new version, which is the current one then; rotation by itself ends, if it was on
    #[arg(long, conflicts_with = "algorithm")]
    new_version: bool,
    /// Name of the new key; or name, alias or id of the key that gets a new version
    name: String,
}

#[derive(Args)]
pub(crate) struct BeginArguments {
    #[command(flatten)]
    key: ImportedKey,
    /// File for the transport key, PEM [default: NAME-transport.pem]
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
    #[command(flatten)]
    once: OnceArguments,
}

#[derive(Args)]
pub(crate) struct CompleteArguments {
    #[command(flatten)]
    once: OnceArguments,
    /// Name or id of the key store
    #[arg(long)]
    store: String,
    /// File with the wrapped key material; `-` is standard input
    #[arg(long, value_name = "FILE")]
    wrapped: PathBuf,
    /// Id of the import
    import: String,
}

pub(super) async fn import(arguments: ImportArguments, client: &ControlClient, json: bool) -> anyhow::Result<()> {
    match arguments {
        ImportArguments { step: Some(step), .. } => one_step(step, client, json).await,
        ImportArguments { key: Some(key), file: Some(file), .. } => all_steps(key, &file, client, json).await,
        // The command line is not taken without them.
        _ => bail!("name a key and its --file, or a step: see --help"),
    }
}

async fn one_step(step: Step, client: &ControlClient, json: bool) -> anyhow::Result<()> {
    match step {
        Step::Begin(arguments) => begin(arguments, client, json).await,
        Step::Complete(CompleteArguments { once, store, wrapped, import }) => {
            let wrapped = SecretText::base64_of(&read_secret(&wrapped, WRAPPED_SIZE_MAX)?);
            imported(&once.of(client).complete_import(&store, &import, &CompleteImport { wrapped }).await?, json)
        }
        Step::List { store } => list(&store, client, json).await,
        Step::Cancel { store, import } => {
            let import = client.cancel_import(&store, &import).await?;
            let cancelled = || show::line(&format!("import {} of key {}: cancelled", import.id, import.name));
            if json { show::json(&import) } else { cancelled() }
        }
    }
}

/// Begins, wraps here, completes.
async fn all_steps(key: ImportedKey, file: &Path, client: &ControlClient, json: bool) -> anyhow::Result<()> {
    let bytes = read_secret(file, MATERIAL_SIZE_MAX)?;
    let algorithm = match &key.algorithm {
        Some(algorithm) => algorithm.clone(),
        None => client.key(&key.store, &key.name).await?.algorithm,
    };
    let algorithm = Algorithm::from_name(&algorithm)
        .with_context(|| format!("there is no algorithm {algorithm:?}: see `claviger key algorithms`"))?;
    let material = material::material(algorithm, file, bytes)?;
    let (store, begin) = key.request();
    let import = client.begin_import(&store, &begin).await?;
    let completed = async {
        let wrapped = SecretText::base64_of(&wrap::wrap(&import.public_key, &material)?);
        anyhow::Ok(client.complete_import(&store, &import.id, &CompleteImport { wrapped }).await?)
    };
    match completed.await {
        Ok(key) => imported(&key, json),
        Err(error) => {
            // Nobody else can use it. Where it is over already, there is nothing to cancel.
            let _gone = client.cancel_import(&store, &import.id).await;
            Err(error)
        }
    }
}

async fn begin(arguments: BeginArguments, client: &ControlClient, json: bool) -> anyhow::Result<()> {
    let BeginArguments { key, public_key, once } = arguments;
    let path = public_key.unwrap_or_else(|| PathBuf::from(format!("{}-transport.pem", key.name)));
    new_file::check(&path, PUBLIC_KEY)?;
    let (store, begin) = key.request();
    let import = once.of(client).begin_import(&store, &begin).await?;
    new_file::write(&path, import.public_key.as_bytes(), 0o644, PUBLIC_KEY)?;
    if json {
        return show::json(&import);
    }
    show::facts([
        ("import", import.id.clone()),
        ("key", import.name.clone()),
        ("algorithm", import.algorithm.clone()),
        ("transport key", path.display().to_string()),
        ("ends", show::time(import.ends)),
        ("then", format!("claviger key import complete --store {store} --wrapped FILE {}", import.id)),
    ])
}

async fn list(store: &str, client: &ControlClient, json: bool) -> anyhow::Result<()> {
    let list = client.imports(store).await?;
    if json {
        return show::json(&list);
    }
    let row = |import: Import| {
        let what = if import.key_id.is_some() { "new version" } else { "new key" };
        let requester = import.requester.get(..REQUESTER_DIGITS).unwrap_or_default().to_owned();
        [import.id, import.name, import.algorithm, what.to_owned(), show::time(import.ends), requester]
    };
    show::table(["import", "key", "algorithm", "of", "ends", "requester"], list.imports.into_iter().map(row))
}

fn imported(key: &Key, json: bool) -> anyhow::Result<()> {
    let version = current_version(key);
    let what = format!("imported, version {version} is the current one; it is not rotated by itself unless you say so");
    changed(key, &what, json)
}

impl ImportedKey {
    /// The store, and what is asked of it.
    fn request(self) -> (String, BeginImport) {
        let Self { store, algorithm, exportable, new_version, name } = self;
        let (name, key) = if new_version { (None, Some(name)) } else { (Some(name), None) };
        (store, BeginImport { name, algorithm, exportable, key })
    }
}

/// Reads a public key that somebody has in a file.
fn read_public_key(path: &Path) -> anyhow::Result<String> {
    let bytes = read_secret(path, MATERIAL_SIZE_MAX)?;
    let text = std::str::from_utf8(&bytes).ok().with_context(|| format!("{} is no text in PEM", path.display()))?;
    ensure!(
        text.contains("-----BEGIN PUBLIC KEY-----"),
        "{} holds no public key in PEM: make one by `openssl pkey -in KEY -pubout`",
        path.display()
    );
    Ok(text.to_owned())
}

/// Most bytes of material, as the server has it.
const MATERIAL_SIZE_MAX: usize = 32_768;

/// Most bytes of wrapped material, as the server has it.
const WRAPPED_SIZE_MAX: usize = MATERIAL_SIZE_MAX + 8 + 512;

/// Digits of a requester that are shown: as many as in the server's log.
const REQUESTER_DIGITS: usize = 16;

const PUBLIC_KEY: &str = "--public-key";

pub(super) const IMPORT_HELP: &str = "\
The key is wrapped here, and goes to the server wrapped. Private keys are PKCS#8, unencrypted:
  openssl pkcs8 -topk8 -nocrypt -in FILE -out key.pem
ML-DSA keys are taken as the seed alone, which OpenSSL 3.5 or newer writes so:
  openssl pkcs8 -topk8 -nocrypt -provparam ml-dsa.output_formats=seed-only \\
    -in FILE -out key.pem
RSA keys are taken as keys of the algorithm RSA, for RSA-PSS too: what OpenSSL makes with
`-algorithm RSA-PSS` is refused. If an import is refused after its one try, begin again.
What may be run again without importing twice are the steps, with --idempotency-key each:
here the key is wrapped in another way each time.

Examples:
  claviger key import --store payments --algorithm ECDSA-P256-SHA256 --file key.pem receipts
  claviger key import --store payments --algorithm HMAC-SHA-256 --file webhook-key webhooks
  claviger key import --store payments --new-version --file new-key.pem receipts
  claviger key import begin --help";

const BEGIN_HELP: &str = "\
The transport key is for this key alone and for whoever begins it, is used once, and
ends after 24 hours. The material is wrapped by RSA-OAEP with SHA-256 and AES-256 with
padding (RFC 5649); PKCS#11 calls it CKM_RSA_AES_KEY_WRAP. With OpenSSL, on a machine
that nobody else is on, because -K can be seen by all:

  claviger key import begin --store payments --algorithm ECDSA-P256-SHA256 \\
    --public-key transport.pem receipts
  openssl pkcs8 -topk8 -nocrypt -in key.pem -outform DER -out material
  openssl rand -out wrapping-key 32
  openssl pkeyutl -encrypt -pubin -inkey transport.pem -in wrapping-key -out block \\
    -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256
  openssl enc -id-aes256-wrap-pad -iv A65959A6 -in material -out rest \\
    -K \"$(od -An -v -tx1 wrapping-key | tr -d ' \\n')\"
  cat block rest > wrapped
  claviger key import complete --store payments --wrapped wrapped IMPORT

A symmetric key, a MAC key or a secret is the material as it is, without the step of
pkcs8. There, ML-DSA keys need `-provparam ml-dsa.output_formats=seed-only`: they are
taken as the seed alone. RSA keys are taken as keys of the algorithm RSA, for RSA-PSS too:
what OpenSSL makes with `-algorithm RSA-PSS` is refused. Destroy `wrapped` in the end.

Examples for a new version of a key:
  claviger key import begin --store payments --new-version receipts
  claviger key import begin --store payments --new-version --idempotency-key r-2027 receipts";
