//! The line that ends `encrypt` and `decrypt`.

use super::{Direction, Job};
use crate::data::Session;
use crate::data::encoding::hexadecimal;
use crate::data::output::Target;
use crate::show;
use indicatif::DecimalBytes;
use serde_json::json;
use std::time::Instant;

/// What is told at the end.
pub(super) struct Report {
    direction: Direction,
    input: String,
    output: String,
    to_stdout: bool,
    started: Instant,
}

impl Report {
    /// The time begins to count.
    pub(super) fn start(direction: Direction, input: &str, target: &Target) -> Self {
        let (output, to_stdout) = (target.name(), target.is_stdout());
        Self { direction, input: input.to_owned(), output, to_stdout, started: Instant::now() }
    }

    /// To standard error for a person. For a program to standard output, unless that has the data.
    ///
    /// # Errors
    /// JSON cannot be written.
    pub(super) fn print(&self, job: &Job, session: &Session) -> anyhow::Result<()> {
        let seconds = self.started.elapsed().as_secs_f64();
        let (size, records) = (job.progress.plaintext_size(), job.progress.records());
        if session.json {
            let report = json!({
                "operation": self.direction.name(),
                "input": self.input,
                "output": self.output,
                "key": job.key_name,
                "key_id": job.key.id().to_string(),
                "file_id": hexadecimal(&job.header.file_id),
                "plaintext_bytes": size,
                "records": records,
                "seconds": seconds,
            });
            if self.to_stdout {
                eprintln!("{report:#}");
                return Ok(());
            }
            return show::json(&report);
        }
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate for people"
        )]
        let rate = DecimalBytes((size as f64 / seconds.max(0.001)) as u64);
        eprintln!(
            "{}ed {} to {}: {} in {seconds:.2} s ({rate}/s), key {}",
            self.direction.name(),
            self.input,
            self.output,
            DecimalBytes(size),
            job.key_name,
        );
        Ok(())
    }
}
