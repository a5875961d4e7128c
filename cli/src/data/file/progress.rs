//! How far a file is: a bar for people, and the count for the report.

use super::Direction;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts records as they are done, and shows it where a person looks.
pub(super) struct Progress {
    bar: ProgressBar,
    plaintext_size: AtomicU64,
    records: AtomicU64,
}

impl Progress {
    /// `input_size`: bytes of the input, if that is known. Nothing is drawn unless standard error is a terminal, and
    /// the data do not go to that terminal.
    pub(super) fn start(direction: Direction, input_size: Option<u64>, to_stdout: bool) -> Self {
        let hidden = to_stdout && io::stdout().is_terminal();
        // indicatif draws nothing where standard error is no terminal.
        let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let (length, template) = match input_size {
            Some(_) => (
                input_size,
                "{msg} [{bar:30}] {percent:>3} %  {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left",
            ),
            None => (None, "{msg} {spinner} {decimal_bytes}, {decimal_bytes_per_sec}, {elapsed} so far"),
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(length, target)
            .with_style(style.progress_chars("=> "))
            .with_message(format!("{}ing", direction.name()));
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar, plaintext_size: AtomicU64::new(0), records: AtomicU64::new(0) }
    }

    /// A record is done: bytes that it takes in the input, and of its plaintext.
    pub(super) fn add_record(&self, input_size: usize, plaintext_size: usize) {
        self.bar.inc(input_size as u64);
        self.plaintext_size.fetch_add(plaintext_size as u64, Ordering::Relaxed);
        self.records.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes the bar off the terminal, so that a message finds the line empty.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// Bytes of plaintext done.
    pub(super) fn plaintext_size(&self) -> u64 {
        self.plaintext_size.load(Ordering::Relaxed)
    }

    /// Records done.
    pub(super) fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }
}
