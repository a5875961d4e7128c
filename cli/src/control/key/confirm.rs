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

/// What is to be done was confirmed.
pub(super) struct Confirmed {
    pub(super) store: String,
    pub(super) key: String,
    /// Changes the key only as it was shown.
    pub(super) client: ControlClient,
}

impl ConfirmedArguments {
    /// Has the name of the key typed, unless that is not wanted. `what` cannot be undone. Gives the store, the id of the key, and a client: what is done then is done to the key that
    /// the person was shown, whatever its name or alias may stand for by then, and by this client only if nobody has changed it meanwhile.
    ///
    /// # Errors
    /// If something else is typed, or nothing.
    pub(super) async fn confirm(self, client: &ControlClient, what: &str) -> anyhow::Result<Confirmed> {
        let Self { key: KeyArguments { store, key }, yes } = self;
        if yes {
            return Ok(Confirmed { store, key, client: client.clone() });
        }
        // The key's own name, also where it was given by its id or an alias: only that tells a person what it is about.
        let Key { id, name, store_id, revision, .. } = client.key(&store, &key).await?;
        let stands =
            if key == name || key == id { String::new() } else { format!("{key} stands for the key {name}. ") };
        confirm::typed(&format!("{stands}{what} for good."), "key", &name)?;
        Ok(Confirmed { store: store_id, key: id, client: client.expecting(&revision) })
    }
}
