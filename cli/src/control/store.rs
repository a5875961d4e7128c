//! `claviger store`.

use clap::{Subcommand, ValueEnum};
use claviger_control::ControlClient;
use claviger_control::limits::{DELETION_WAIT_HOURS_MAX, DELETION_WAIT_HOURS_MIN};
use claviger_control::message::{Access, CreateStore, Quota, SetStoreSettings, Store, StoreList};

use super::once::OnceArguments;
use crate::show;

/// An access method.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Method {
    /// A client certificate: of the store's own authority, or pinned
    Certificate,
    /// An address of the store's authentication data
    Address,
    /// A hardware (MAC) address of the store's authentication data: a hint, no proof
    HardwareAddress,
}

/// What a quota is set to; nothing takes it away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NewQuota(Option<Quota>);

/// Operations on key stores.
#[derive(Subcommand)]
pub(crate) enum StoreCommand {
    /// Create a key store, with an authority of its own for client certificates
    #[command(after_help = "\
Clients come in with a certificate of the store's own authority: see `claviger certificate issue`. Other access methods, and several at once, which have to pass all: --access.

Examples:
  claviger store create payments
  claviger store create payments --access certificate,address
  claviger store create payments --idempotency-key deploy-2031-payments")]
    Create {
        /// Its name: up to 100 characters of A-Z, a-z, 0-9, dot, underscore and hyphen
        name: String,
        /// Access methods that have to pass, with commas between them
        #[arg(long, value_enum, value_delimiter = ',', default_value = "certificate")]
        access: Vec<Method>,
        #[command(flatten)]
        once: OnceArguments,
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

Quotas count cost units: a unit is a microsecond of one core, so 1000000 a second are a core. `claviger algorithms` tells what is dear; whoever is over a quota is told when to come back.

Examples:
  claviger store set payments --deletion-wait-hours 240
  claviger store set payments --open-public-keys true
  claviger store set payments --record-requests true
  claviger store set payments --quota 500000:2000000 --client-quota 100000
  claviger store set payments --client-quota none")]
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
        /// Whether the hardware address that a client says it has counts where the server sees none: weak
        #[arg(long, value_name = "true|false")]
        declared_hardware_address: Option<bool>,
        /// Whether each request of a client is recorded in the audit log, and not only counted by the minute
        #[arg(long = "record-requests", value_name = "true|false")]
        records_requests: Option<bool>,
        /// How much work all its clients together may have done: cost units a second, and after a colon units at once, else those of a second; or none
        #[arg(long, value_name = "UNITS[:BURST]|none", value_parser = quota)]
        quota: Option<NewQuota>,
        /// How much work each client may have done, as --quota
        #[arg(long, value_name = "UNITS[:BURST]|none", value_parser = quota)]
        client_quota: Option<NewQuota>,
    },
    /// Let nobody in to a key store any more, at once, on live connections too
    #[command(after_help = "\
It is in force even if it cannot be written, and says so then. Everything but the data port goes on.

Example:
  claviger store disable payments")]
    Disable {
        /// Its name or id
        store: String,
    },
    /// Make a disabled key store available again
    #[command(after_help = "Example:\n  claviger store enable payments")]
    Enable {
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
        StoreCommand::Create { name, access, once } => {
            let access = Access {
                client_certificate: access.contains(&Method::Certificate),
                address: access.contains(&Method::Address),
                hardware_address: access.contains(&Method::HardwareAddress),
            };
            let store = once.of(client).create_store(&CreateStore { name, access }).await?;
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
            let row =
                |store: Store| [store.name, access(store.access), store.state, show::time(store.created), store.id];
            show::table(["name", "access", "state", "created", "id"], list.stores.into_iter().map(row))
        }
        StoreCommand::Show { store } => {
            let store = client.store(&store).await?;
            if json {
                return show::json(&store);
            }
            describe(store)
        }
        StoreCommand::Disable { store } => {
            let stopped = client.disable_store(&store).await?;
            super::access::stopped(&stopped, &format!("key store {store}"), json)
        }
        StoreCommand::Enable { store } => {
            let store = client.enable_store(&store).await?;
            if json { show::json(&store) } else { describe(store) }
        }
        StoreCommand::Set {
            store,
            deletion_wait_hours,
            open_public_keys,
            declared_hardware_address,
            records_requests,
            quota,
            client_quota,
        } => {
            let (quota, client_quota) = (quota.map(|NewQuota(quota)| quota), client_quota.map(|NewQuota(quota)| quota));
            let settings = SetStoreSettings {
                deletion_wait_hours,
                open_public_keys,
                declared_hardware_address,
                records_requests,
                quota,
                client_quota,
            };
            let store = client.set_store_settings(&store, &settings).await?;
            if json { show::json(&store) } else { describe(store) }
        }
        StoreCommand::Authority { store } => {
            let authority = client.authority(&store).await?;
            if json { show::json(&authority) } else { show::line(authority.certificate.trim_end()) }
        }
    }
}

/// Shows a store, and beside that what is to be said of it.
pub(super) fn describe(store: Store) -> anyhow::Result<()> {
    let created = show::time(store.created);
    let declared = store.declared_hardware_address.then(|| ("hardware addresses", "declared ones count".to_owned()));
    let quotas = [("quota", store.quota), ("quota of each client", store.client_quota)];
    let quotas = quotas.into_iter().filter_map(|(name, quota)| {
        quota.map(|Quota { units_per_second, burst }| (name, format!("{units_per_second} units/s, {burst} at once")))
    });
    show::facts(
        [
            ("state", store.state),
            ("name", store.name),
            ("id", store.id),
            ("access", access(store.access)),
            ("public keys", if store.open_public_keys { "open to everybody" } else { "for its clients" }.to_owned()),
            ("deletions wait", format!("{} hours", store.deletion_wait_hours)),
            (
                "requests",
                if store.records_requests { "recorded one by one" } else { "counted by the minute" }.to_owned(),
            ),
            ("created", created),
        ]
        .into_iter()
        .chain(declared)
        .chain(quotas),
    )?;
    for warning in store.warnings {
        eprintln!("warning: {warning}");
    }
    Ok(())
}

/// Reads `UNITS`, `UNITS:BURST` or `none`.
fn quota(text: &str) -> Result<NewQuota, String> {
    if text == "none" {
        return Ok(NewQuota(None));
    }
    let (units, burst) = text.split_once(':').unwrap_or((text, text));
    let number = |text: &str| text.parse().ok().filter(|number| *number > 0);
    let (Some(units_per_second), Some(burst)) = (number(units), number(burst)) else {
        return Err("give cost units a second as 500000, with units at once as 500000:2000000, or none".to_owned());
    };
    Ok(NewQuota(Some(Quota { units_per_second, burst })))
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
    let methods = [
        ("client certificate", access.client_certificate),
        ("address", access.address),
        ("hardware address", access.hardware_address),
    ];
    methods.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| *name).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    // R-A11
    #[test]
    fn a_quota_has_a_burst_of_a_second_unless_it_is_given_and_is_never_nothing() {
        let of = |units_per_second, burst| Ok(NewQuota(Some(Quota { units_per_second, burst })));
        assert_eq!(quota("500000"), of(500_000, 500_000));
        assert_eq!(quota("500000:1"), of(500_000, 1));
        assert_eq!(quota("none"), Ok(NewQuota(None)));
        for bad in ["", "0", "0:1", "1:0", ":", "1:", ":1", "1:2:3", "-1", "1.5", "None", "4294967296"] {
            assert!(quota(bad).is_err(), "{bad}");
        }
    }
}
