//! What cannot be undone is done only after the key's name has been typed.

use clap::Args;
use claviger_control::ControlClient;
use claviger_control::message::Key;

use super::super::confirm;
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
    /// Has the name of the key typed, unless that is not wanted. `what` cannot be undone. Gives the store, and the id of the key: what is done then is done to the key that
    /// the person was shown, whatever its name or alias may stand for by then.
    ///
    /// # Errors
    /// If something else is typed, or nothing.
    pub(super) async fn confirm(self, client: &ControlClient, what: &str) -> anyhow::Result<(String, String)> {
        let Self { key: KeyArguments { store, key }, yes } = self;
        if yes {
            return Ok((store, key));
        }
        // The key's own name, also where it was given by its id or an alias: only that tells a person what it is about.
        let Key { id, name, store_id, .. } = client.key(&store, &key).await?;
        let stands =
            if key == name || key == id { String::new() } else { format!("{key} stands for the key {name}. ") };
        confirm::typed(&format!("{stands}{what} for good."), "key", &name)?;
        Ok((store_id, id))
    }
}
