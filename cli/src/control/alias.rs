//! `claviger alias`.

use clap::{Args, Subcommand};
use claviger_control::ControlClient;
use claviger_control::message::{Alias, AliasList, CreateAlias, MoveAlias};

use super::once::OnceArguments;
use crate::show;

/// Operations on aliases: other names of keys.
#[derive(Subcommand)]
pub(crate) enum AliasCommand {
    /// List the aliases of a store and the keys that they stand for
    #[command(after_help = "Example:\n  claviger alias list --store payments")]
    List {
        /// Name or id of the key store
        #[arg(long)]
        store: String,
    },
    /// Give a key one more name
    #[command(after_help = "\
Wherever the name of a key is taken, an alias of it is, too.

Example:
  claviger alias create --store payments records records-2026")]
    Create {
        #[command(flatten)]
        names: AliasAndKey,
        #[command(flatten)]
        once: OnceArguments,
    },
    /// Have an alias stand for another key, in one step
    #[command(after_help = "\
From then on whoever resolves the alias gets the other key. Programs that have resolved it before go on with the key that they have until they resolve it again.

Example:
  claviger alias move --store payments records records-2027")]
    Move(AliasAndKey),
    /// Take an alias from its key; the key stays
    #[command(after_help = "Example:\n  claviger alias delete --store payments records")]
    Delete {
        /// Name or id of the key store
        #[arg(long)]
        store: String,
        /// The alias
        alias: String,
    },
}

#[derive(Args)]
pub(crate) struct AliasAndKey {
    /// Name or id of the key store
    #[arg(long)]
    store: String,
    /// The alias: up to 100 characters of A-Z, a-z, 0-9, dot, underscore and hyphen
    alias: String,
    /// Name or id of the key that it stands for from then on
    key: String,
}

pub(super) async fn run(command: AliasCommand, client: &ControlClient, json: bool) -> anyhow::Result<()> {
    let (alias, what) = match command {
        AliasCommand::List { store } => return list(client, &store, json).await,
        AliasCommand::Create { names: AliasAndKey { store, alias, key }, once } => {
            (once.of(client).create_alias(&store, &CreateAlias { alias, key }).await?, "stands for")
        }
        AliasCommand::Move(AliasAndKey { store, alias, key }) => {
            (client.move_alias(&store, &alias, &MoveAlias { key }).await?, "stands for")
        }
        AliasCommand::Delete { store, alias } => (client.delete_alias(&store, &alias).await?, "deleted; it stood for"),
    };
    if json {
        return show::json(&alias);
    }
    show::line(&format!("alias {}: {what} key {} ({})", alias.alias, alias.key, alias.key_id))
}

async fn list(client: &ControlClient, store: &str, json: bool) -> anyhow::Result<()> {
    let mut list = client.aliases(store, None).await?;
    while let Some(after) = list.next.take() {
        let AliasList { aliases, next, unreadable } = client.aliases(store, Some(&after)).await?;
        list.aliases.extend(aliases);
        list.next = next;
        list.unreadable += unreadable;
    }
    show::unreadable(list.unreadable);
    if json {
        return show::json(&list);
    }
    let row = |Alias { alias, key, key_id, .. }: Alias| [alias, key, key_id];
    show::table(["alias", "key", "key id"], list.aliases.into_iter().map(row))
}
