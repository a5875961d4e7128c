//! What cannot be undone is done only after the key's name has been typed.

use std::io::{self, BufRead, IsTerminal, Read};

use anyhow::{Context, ensure};
use clap::Args;
use claviger_control::ControlClient;

use super::KeyArguments;

/// A key that something is done to that cannot be undone.
#[derive(Args)]
pub(crate) struct ConfirmedArguments {
    #[command(flatten)]
    pub(super) key: KeyArguments,
    /// Do not ask for the name of the key
    #[arg(long)]
    yes: bool,
}

impl ConfirmedArguments {
    /// Has the name of the key typed, unless that is not wanted. `what` cannot be undone.
    ///
    /// # Errors
    /// If something else is typed, or nothing.
    pub(super) async fn confirm(&self, client: &ControlClient, what: &str) -> anyhow::Result<()> {
        if self.yes {
            return Ok(());
        }
        // The name, also where the key was given by its id: only a name tells a person what it is about.
        let name = client.key(&self.key.store, &self.key.key).await?.name;
        let input = io::stdin().lock();
        if input.is_terminal() {
            eprint!("{what} for good. Type the name of the key, {name}, to go on: ");
        }
        let mut typed = String::new();
        input.take(TYPED_SIZE_MAX).read_line(&mut typed).context("standard input")?;
        ensure!(
            typed.trim_end_matches(['\r', '\n']) == name,
            "not confirmed, and nothing was done: type the name of the key, {name}, or add --yes"
        );
        Ok(())
    }
}

/// Most bytes of a line that is read: more than any name has.
const TYPED_SIZE_MAX: u64 = 1_024;
