//! `claviger store`.

use clap::Subcommand;
use claviger_control::ControlClient;
use claviger_control::message::{Access, CreateStore, Store, StoreList};

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
            let created = show::time(store.created);
            show::facts([
                ("name", store.name),
                ("id", store.id),
                ("access", access(store.access)),
                ("created", created),
            ])
        }
        StoreCommand::Authority { store } => {
            let authority = client.authority(&store).await?;
            if json { show::json(&authority) } else { show::line(authority.certificate.trim_end()) }
        }
    }
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
