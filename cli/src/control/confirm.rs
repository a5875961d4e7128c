//! What cannot be undone is done only after a name has been typed.

use std::io::{self, BufRead, IsTerminal, Read};

use anyhow::{Context, ensure};

/// Asks for `name`, the name of `what`, and reads a line. `question` says what is about to happen.
///
/// # Errors
/// If something else is typed, or nothing.
pub(super) fn typed(question: &str, what: &str, name: &str) -> anyhow::Result<()> {
    let input = io::stdin().lock();
    if input.is_terminal() {
        eprint!("{question} Type the name of the {what}, {name}, to go on: ");
    }
    let mut typed = String::new();
    input.take(TYPED_SIZE_MAX).read_line(&mut typed).context("standard input")?;
    ensure!(
        typed.trim_end_matches(['\r', '\n']) == name,
        "not confirmed, and nothing was done: type the name of the {what}, {name}, or add --yes"
    );
    Ok(())
}

/// Most bytes of a line that is read: more than any name has.
const TYPED_SIZE_MAX: u64 = 1_024;
