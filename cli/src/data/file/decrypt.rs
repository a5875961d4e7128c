//! Opens the records of an encrypted file, batch by batch.

use super::Job;
use super::fault::FileFault;
use super::pipeline::{self, Written};
use super::records::{SealedBatches, SealedRecord};
use crate::data::failed;
use crate::data::output::Stream;
use anyhow::Context as _;
use claviger_client::{DecryptItem, Error, Secret, Status};
use std::io::Read;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Decrypts the records of `input`, from which the header has been read.
///
/// What is written is verified, but only success says that it is complete.
///
/// # Errors
/// A [`FileFault`]; or those of reading, of the service, of writing. Each names its thing.
pub(super) async fn run(
    input: impl Read + Send + 'static,
    input_name: &str,
    output: Stream,
    job: Arc<Job>,
) -> anyhow::Result<()> {
    let name: Arc<str> = input_name.into();
    let named = Arc::clone(&name);
    let batches = SealedBatches::new(input, job.header).map(move |batch| batch.with_context(|| named.to_string()));
    let open = |batch: Vec<SealedRecord>| {
        let (job, name) = (Arc::clone(&job), Arc::clone(&name));
        async move { open(&job, &name, &batch).await }
    };
    pipeline::run(batches, open, output).await
}

/// The plaintexts of the batch, one behind the other.
async fn open(job: &Job, input_name: &str, batch: &[SealedRecord]) -> anyhow::Result<Written> {
    let contexts: Vec<_> = batch.iter().map(|record| job.contexts.of(record.number, record.last)).collect();
    let items: Vec<_> = batch
        .iter()
        .zip(&contexts)
        .map(|(record, context)| DecryptItem { context, ciphertext: &record.ciphertext })
        .collect();
    let results = job.key.decrypt_batch(&items).await.map_err(|error| failed(&job.key_name, &error))?;
    // Room for all of it at once: what grows leaves copies behind.
    let mut written = Zeroizing::new(Vec::with_capacity(batch.len() * job.header.record_size()));
    for (record, result) in batch.iter().zip(results) {
        let plaintext = plaintext(job, input_name, record, result)?;
        written.extend_from_slice(plaintext.expose());
        job.progress.add_record(record.size_in_file(), plaintext.len());
    }
    Ok(written)
}

fn plaintext(
    job: &Job,
    input_name: &str,
    record: &SealedRecord,
    result: Result<Secret, Error>,
) -> anyhow::Result<Secret> {
    let &SealedRecord { number, offset, last, .. } = record;
    let fault = match result {
        Ok(plaintext) if job.header.fits(number, last, plaintext.len()) => return Ok(plaintext),
        Ok(plaintext) => FileFault::RecordSize { number, size: plaintext.len() },
        Err(error) if error.status() != Some(Status::DecryptionFailed) => return Err(failed(&job.key_name, &error)),
        // With the first record open, key and context are right.
        Err(_) if number == 0 => FileFault::FirstRecord,
        Err(_) => FileFault::Record { number, offset },
    };
    Err(anyhow::Error::new(fault).context(input_name.to_owned()))
}
