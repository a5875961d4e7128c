//! `claviger encrypt` and `claviger decrypt`: files of any size. The format is `docs/FILE_FORMAT.md`.

mod decrypt;
mod encrypt;
mod fault;
mod format;
mod pipeline;
mod progress;
mod records;
mod report;

use self::fault::FileFault;
use self::format::{Header, RecordContexts};
use self::progress::Progress;
use self::records::read_header;
use self::report::Report;
use super::context::pair;
use super::input::Input;
use super::limits::{BATCH_DEADLINE, READ_SIZE};
use super::output::{Content, Output, Target};
use super::{KeyArguments, Session};
use anyhow::{Context as _, anyhow, bail, ensure};
use claviger_algorithm::Operation;
use claviger_client::{Context, Key};
use std::future::Future;
use std::io::BufReader;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

/// What both commands are told.
#[derive(clap::Args)]
pub(crate) struct FileArguments {
    #[command(flatten)]
    key: KeyArguments,
    /// A pair that is bound to the file and not stored in it; may be repeated. Who decrypts gives the same pairs
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    context: Vec<(String, String)>,
    /// Replace the output file if it exists
    #[arg(long)]
    force: bool,
    /// File to read; - is standard input
    #[arg(value_name = "IN", default_value = "-")]
    input: PathBuf,
    /// File to write; standard output if it is - or left out
    #[arg(value_name = "OUT")]
    output: Option<PathBuf>,
}

/// What is done to a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Encrypt,
    Decrypt,
}

/// What all batches of one file share.
struct Job {
    key: Key,
    /// How messages call the key.
    key_name: String,
    header: Header,
    contexts: RecordContexts,
    progress: Progress,
}

/// Encrypts a file.
///
/// # Errors
/// With the thing and the remedy; the output file is not there then.
pub(super) async fn encrypt(arguments: FileArguments, session: &Session) -> anyhow::Result<()> {
    let context = Context::from_pairs(arguments.context)?;
    let input = Input::open(&arguments.input)?;
    let target = Target::new(arguments.output.as_deref(), arguments.force, Content::Binary)?;
    let key = arguments.key.open(session).await?;
    check(&key, Direction::Encrypt)?;
    let header = Header::new(random_file_id()?, key.id());
    let report = Report::start(Direction::Encrypt, &input.name, &target);
    let progress = Progress::start(Direction::Encrypt, input.size, target.is_stdout());
    let job = Job::new(key, &arguments.key, header, &context, progress)?;
    let output = target.open()?;
    let work = encrypt::run(input, output.stream()?, Arc::clone(&job));
    complete(work, output, &job).await?;
    report.print(&job, session)
}

/// Decrypts a file that [`encrypt()`] made.
///
/// # Errors
/// With the thing and the remedy. The output file is not there then; standard output may have got a part, all of it
/// verified.
pub(super) async fn decrypt(arguments: FileArguments, session: &Session) -> anyhow::Result<()> {
    let context = Context::from_pairs(arguments.context)?;
    let input = Input::open(&arguments.input)?;
    let target = Target::new(arguments.output.as_deref(), arguments.force, Content::Decrypted)?;
    let (name, size) = (input.name.clone(), input.size);
    let key = arguments.key.open(session).await?;
    // Before the file is looked at: what was encrypted to a public key is no file of ours.
    check(&key, Direction::Decrypt)?;
    let mut input = BufReader::with_capacity(READ_SIZE, input);
    let header = read_header(&mut input).with_context(|| name.clone())?;
    if key.id() != header.key_id {
        let fault = FileFault::OtherKey { of_file: header.key_id, of_key: key.id(), named: arguments.key.to_string() };
        return Err(anyhow::Error::new(fault).context(name));
    }
    let report = Report::start(Direction::Decrypt, &name, &target);
    let progress = Progress::start(Direction::Decrypt, size, target.is_stdout());
    let job = Job::new(key, &arguments.key, header, &context, progress)?;
    let output = target.open()?;
    let work = decrypt::run(input, &name, output.stream()?, Arc::clone(&job));
    complete(work, output, &job).await?;
    report.print(&job, session)
}

impl Direction {
    const fn name(self) -> &'static str {
        match self {
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
        }
    }
}

impl Job {
    fn new(
        key: Key,
        key_arguments: &KeyArguments,
        header: Header,
        context: &Context,
        progress: Progress,
    ) -> anyhow::Result<Arc<Self>> {
        let contexts = RecordContexts::new(&header, context)?;
        let key = key.with_deadline(BATCH_DEADLINE);
        Ok(Arc::new(Self { key, key_name: key_arguments.to_string(), header, contexts, progress }))
    }
}

/// Does the work unless a person or the system ends it, then puts the output in its place.
async fn complete(work: impl Future<Output = anyhow::Result<()>>, output: Output, job: &Job) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let worked = tokio::select! {
        worked = work => worked,
        _ = interrupt.recv() => Err(anyhow!("interrupted: the output is not complete")),
        _ = terminate.recv() => Err(anyhow!("told to end: the output is not complete")),
    };
    job.progress.clear();
    worked?;
    output.finish()
}

fn random_file_id() -> anyhow::Result<[u8; 16]> {
    let mut file_id = [0; 16];
    aws_lc_rs::rand::fill(&mut file_id).map_err(|_| anyhow!("the system gives no random bytes"))?;
    Ok(file_id)
}

/// Refuses a key that does something else to data, and names the command for it.
fn check(key: &Key, direction: Direction) -> anyhow::Result<()> {
    // Of a newer server's algorithm, the server itself knows what it does.
    let Ok(algorithm) = key.algorithm() else { return Ok(()) };
    let row = algorithm.row();
    if row.does(Operation::AsymmetricDecrypt) {
        match direction {
            Direction::Encrypt => bail!(
                "others encrypt to a key of {algorithm}, with its public key and without this service: see `claviger asymmetric-decrypt --help`"
            ),
            Direction::Decrypt => bail!(
                "a key of {algorithm} decrypts what was encrypted to its public key: use `claviger asymmetric-decrypt`"
            ),
        }
    }
    ensure!(
        row.does(Operation::Encrypt),
        "a key of {algorithm} does not {}: use a symmetric one, see `claviger key algorithms`",
        direction.name()
    );
    Ok(())
}
