//! Seals the records of a plaintext, batch by batch.

use super::Job;
use super::format::RecordPrefix;
use super::pipeline::{self, Written};
use super::records::{PlainBatch, PlainBatches, PlainRecord};
use crate::data::failed;
use crate::data::input::Input;
use crate::data::output::Stream;
use anyhow::Context as _;
use claviger_client::{EncryptItem, Error};
use std::io::Write;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Encrypts all of the input, the header first.
///
/// # Errors
/// Of reading, of the service, of writing; each names its thing.
pub(super) async fn run(input: Input, mut output: Stream, job: Arc<Job>) -> anyhow::Result<()> {
    output.write_all(&job.header.encode())?;
    let input_name = input.name.clone();
    let batches = PlainBatches::new(input, &job.header)
        .map(move |batch| batch.with_context(|| format!("cannot read {input_name}")));
    let seal = |batch: PlainBatch| {
        let job = Arc::clone(&job);
        async move { seal(&job, &batch).await }
    };
    pipeline::run(batches, seal, output).await
}

/// The records of the batch, as they stand in the file.
async fn seal(job: &Job, batch: &PlainBatch) -> anyhow::Result<Written> {
    let records: Vec<PlainRecord<'_>> = batch.records().collect();
    let contexts: Vec<_> = records.iter().map(|record| job.contexts.of(record.number, record.last)).collect();
    let items: Vec<_> = records
        .iter()
        .zip(&contexts)
        .map(|(record, context)| EncryptItem { context, plaintext: record.plaintext })
        .collect();
    let refused = |error: Error| failed(&job.key_name, &error);
    let results = job.key.encrypt_batch(&items).await.map_err(refused)?;
    let mut written = Zeroizing::new(Vec::new());
    for (record, ciphertext) in records.iter().zip(results) {
        let ciphertext = ciphertext.map_err(refused)?;
        written.extend(RecordPrefix { last: record.last, size: ciphertext.len() }.encode());
        written.extend(ciphertext);
        job.progress.add_record(record.plaintext.len(), record.plaintext.len());
    }
    Ok(written)
}
