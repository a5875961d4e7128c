//! `claviger store`.

use clap::Subcommand;
use claviger_control::ControlClient;
use claviger_control::limits::{DELETION_WAIT_HOURS_MAX, DELETION_WAIT_HOURS_MIN};
use claviger_control::message::{Access, CreateStore, SetStoreSettings, Store, StoreList};

use crate::show;

/// Operations on key stores.
#[derive(Subcommand)]
pub(crate) enum StoreCommand {
    /// Create a key store, with an authority of its own for client certificates
    #[command(after_help = "\
Clients come in with a certificate of the store's own authority: see `claviger certificate issue`.

Example:
  claviger store create payments")]
    Create {
        /// Its name: up to 100 characters of A-Z, a-z, 0-9, dot, underscore and hyphen
        name: String,
    },
    /// List all key stores
    #[command(after_help = "Examples:\n  claviger store list\n  claviger store list --json")]
    List,
    /// Show a key store
    #[command(after_help = "Example:\n  claviger store show payments")]
    Show {
        /// Its name or id
        store: String,
    },
    /// Set settings of a key store
    #[command(after_help = "\
What is not given stays as it is. Deletions that were requested already wait as they did.

Examples:
  claviger store set payments --deletion-wait-hours 240
  claviger store set payments --open-public-keys true")]
    Set {
        /// Its name or id
        store: String,
        #[arg(long, value_name = "HOURS", help = format!(
            "How long deletions of its keys wait unless said otherwise, {DELETION_WAIT_HOURS_MIN} to {DELETION_WAIT_HOURS_MAX} hours"
        ))]
        deletion_wait_hours: Option<u32>,
        /// Whether public keys are given to every client that connects, also to those that may not come in
        #[arg(long, value_name = "true|false")]
        open_public_keys: Option<bool>,
    },
    /// Print the certificate of the authority that issues the store's client certificates (PEM)
    #[command(after_help = "Example:\n  claviger store authority payments > payments-ca.pem")]
    Authority {
        /// Its name or id
        store: String,
    },
}

pub(super) async fn run(command: StoreCommand, client: &ControlClient, json: bool) -> anyhow::Result<()> {
    match command {
        StoreCommand::Create { name } => {
            let access = Access { client_certificate: true };
            let store = client.create_store(&CreateStore { name, access }).await?;
            if json {
                show::json(&store)
            } else {
                show::line(&format!("created key store {} ({})", store.name, store.id))
            }
        }
        StoreCommand::List => {
            let list = all(client).await?;
            if json {
                return show::json(&list);
            }
            let row = |store: Store| [store.name, access(store.access), show::time(store.created), store.id];
            show::table(["name", "access", "created", "id"], list.stores.into_iter().map(row))
        }
        StoreCommand::Show { store } => {
            let store = client.store(&store).await?;
            if json {
                return show::json(&store);
            }
            describe(store)
        }
        StoreCommand::Set { store, deletion_wait_hours, open_public_keys } => {
            let settings = SetStoreSettings { deletion_wait_hours, open_public_keys };
            let store = client.set_store_settings(&store, &settings).await?;
            if json { show::json(&store) } else { describe(store) }
        }
        StoreCommand::Authority { store } => {
            let authority = client.authority(&store).await?;
            if json { show::json(&authority) } else { show::line(authority.certificate.trim_end()) }
        }
    }
}

fn describe(store: Store) -> anyhow::Result<()> {
    let created = show::time(store.created);
    show::facts([
        ("name", store.name),
        ("id", store.id),
        ("access", access(store.access)),
        ("public keys", if store.open_public_keys { "open to everybody" } else { "for its clients" }.to_owned()),
        ("deletions wait", format!("{} hours", store.deletion_wait_hours)),
        ("created", created),
    ])
}

/// All pages in one.
async fn all(client: &ControlClient) -> anyhow::Result<StoreList> {
    let mut list = client.stores(None).await?;
    while let Some(after) = list.next.take() {
        let page = client.stores(Some(&after)).await?;
        list.stores.extend(page.stores);
        list.next = page.next;
    }
    Ok(list)
}

fn access(access: Access) -> String {
    if access.client_certificate { "client certificate" } else { "unknown" }.to_owned()
}
