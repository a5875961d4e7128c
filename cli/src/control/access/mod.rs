//! `claviger access`: who may come in to key stores.

mod show;
mod why;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use claviger_control::ControlClient;
use claviger_control::message::{
    AccessList, AccessRow, AddAccess, DescribeAccess, EndAccess, NarrowAccess, RequestDeletion, SetAccessMethods, Time,
};
use jiff::Timestamp;

pub(super) use show::stopped;
pub(super) use why::{WhyArguments, run as why_denied};

use crate::control::confirm;
use crate::control::once::OnceArguments;

/// Operations on the authentication data of key stores.
#[derive(Subcommand)]
pub(crate) enum AccessCommand {
    /// List the authentication data of a store: who may come in, and by what
    #[command(
        after_help = "Examples:\n  claviger access list --store payments\n  claviger access list --store payments --json"
    )]
    List {
        /// Name or id of the key store
        #[arg(long)]
        store: String,
    },
    /// Show one row of authentication data
    #[command(after_help = "Example:\n  claviger access show --store payments 192.0.2.0/24")]
    Show(RowArguments),
    /// Let in an address or network, a hardware address, or a certificate of another authority
    #[command(after_help = "\
It lets in only who passes the other methods that the store asks for, too: see `claviger access methods`.
Client certificates of the store's own authority come with `claviger certificate issue`.

Examples:
  claviger access add --store payments --address 192.0.2.0/24 --description 'the tills'
  claviger access add --store payments --hardware-address 02:00:5e:10:00:01
  claviger access add --store payments --certificate partner.pem --operations encrypt --keys records
  claviger access add --store payments --address 192.0.2.7 --ends 2027-01-01T00:00:00Z")]
    Add(AddArguments),
    /// Set what authentication data permit: some operations, with some keys
    #[command(after_help = "\
What is not given is not restricted. A client that is let in by several rows of one method may do what some of them permits.

Examples:
  claviger access narrow --store payments billing --operations encrypt,verify --keys records,invoices
  claviger access narrow --store payments billing")]
    Narrow {
        #[command(flatten)]
        row: RowArguments,
        #[command(flatten)]
        permit: PermitArguments,
    },
    /// Describe authentication data anew
    #[command(
        after_help = "Example:\n  claviger access describe --store payments 192.0.2.0/24 'the tills of the old building'"
    )]
    Describe {
        #[command(flatten)]
        row: RowArguments,
        /// One line
        description: String,
    },
    /// Set when authentication data stop to let in by themselves
    #[command(after_help = "\
That of an issued certificate can only become earlier: renew it instead.

Examples:
  claviger access end --store payments 192.0.2.7 2027-01-01T00:00:00Z
  claviger access end --store payments 192.0.2.7 never")]
    End {
        #[command(flatten)]
        row: RowArguments,
        /// A time as 2027-01-01T00:00:00Z, or never
        when: String,
    },
    /// Let nobody in by authentication data any more, at once, on live connections too: so a certificate is revoked
    #[command(after_help = "\
It is in force even if it cannot be written, and says so then.

Example:
  claviger access disable --store payments billing")]
    Disable(RowArguments),
    /// Make disabled authentication data available again
    #[command(after_help = "Example:\n  claviger access enable --store payments billing")]
    Enable(RowArguments),
    /// Let nobody in by authentication data any more, and delete them after a wait
    #[command(after_help = "\
Until then it can be cancelled.

Example:
  claviger access delete --store payments billing --wait-hours 24")]
    Delete {
        #[command(flatten)]
        row: RowArguments,
        /// Hours until it is deleted, 24 to 720 [default: what the store says]
        #[arg(long, value_name = "HOURS")]
        wait_hours: Option<u32>,
        /// Do not ask for the name of the row
        #[arg(long)]
        yes: bool,
    },
    /// Keep authentication data whose deletion was requested; they are disabled then
    #[command(after_help = "Example:\n  claviger access cancel-deletion --store payments billing")]
    CancelDeletion(RowArguments),
    /// Set what a store asks of those who want to come in: all that is set has to pass
    #[command(after_help = "\
What is not given stays as it is. One at least must stay set. Who does not pass what is set anew is out at his next request.

Examples:
  claviger access methods --store payments --address true
  claviger access methods --store payments --certificate true --hardware-address false")]
    Methods {
        /// Name or id of the key store
        #[arg(long)]
        store: String,
        /// Whether a client certificate is asked for
        #[arg(long, value_name = "true|false")]
        certificate: Option<bool>,
        /// Whether an address of the store's authentication data is asked for
        #[arg(long, value_name = "true|false")]
        address: Option<bool>,
        /// Whether a hardware (MAC) address of the store's authentication data is asked for: a hint, no proof
        #[arg(long, value_name = "true|false")]
        hardware_address: Option<bool>,
    },
}

#[derive(Args)]
pub(crate) struct RowArguments {
    /// Name or id of the key store
    #[arg(long)]
    store: String,
    /// Its id; or its address, or the name in its certificate, if one row alone has it
    row: String,
}

#[derive(Args)]
pub(crate) struct AddArguments {
    #[command(flatten)]
    once: OnceArguments,
    /// Name or id of the key store
    #[arg(long)]
    store: String,
    /// An address or a network: 192.0.2.7, 192.0.2.0/24, 2001:db8::/32
    #[arg(long, group = "what")]
    address: Option<String>,
    /// A hardware (MAC) address: 02:00:5e:10:00:01
    #[arg(long, group = "what")]
    hardware_address: Option<String>,
    /// A certificate (PEM) whose public key is pinned, whoever has issued it
    #[arg(long, group = "what", value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// A public key (PEM) that is pinned
    #[arg(long, group = "what", value_name = "FILE")]
    public_key: Option<PathBuf>,
    /// SHA-256 of a public key that is pinned (of SubjectPublicKeyInfo, DER)
    #[arg(long, group = "what", value_name = "HEXADECIMAL")]
    public_key_sha256: Option<String>,
    /// What is to be remembered of it: one line
    #[arg(long, default_value = "")]
    description: String,
    /// When it stops to let in by itself: a time as 2027-01-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    ends: Option<Time>,
    #[command(flatten)]
    permit: PermitArguments,
}

#[derive(Args)]
pub(crate) struct PermitArguments {
    /// Operations that are permitted, with commas between them [default: all]: encrypt, decrypt, wrap-data-key, unwrap-data-key, sign, verify, asymmetric-decrypt,
    /// make-mac, verify-mac, read-secret, read-public-key, random-bytes
    #[arg(long, value_delimiter = ',')]
    pub(super) operations: Option<Vec<String>>,
    /// Names or ids of keys with which they are, with commas between them [default: all]
    #[arg(long, value_delimiter = ',')]
    pub(super) keys: Option<Vec<String>>,
}

pub(super) async fn run(command: AccessCommand, client: &ControlClient, json: bool) -> anyhow::Result<()> {
    let row = match command {
        AccessCommand::List { store } => {
            let list = all(client, &store).await?;
            return if json { crate::show::json(&list) } else { show::table(list) };
        }
        AccessCommand::Methods { store, certificate, address, hardware_address } => {
            let methods = SetAccessMethods { client_certificate: certificate, address, hardware_address };
            let store = client.set_access_methods(&store, &methods).await?;
            return if json { crate::show::json(&store) } else { super::store::describe(store) };
        }
        AccessCommand::Add(arguments) => {
            let (store, client) = (arguments.store.clone(), arguments.once.of(client));
            client.add_access(&store, &new(arguments)?).await?
        }
        AccessCommand::Show(row) => find(client, &row).await?,
        AccessCommand::Narrow { row, permit: PermitArguments { operations, keys } } => {
            let found = find(client, &row).await?;
            client.narrow_access(&row.store, &found.id, &NarrowAccess { operations, keys }).await?
        }
        AccessCommand::Describe { row, description } => {
            let found = find(client, &row).await?;
            client.describe_access(&row.store, &found.id, &DescribeAccess { description }).await?
        }
        AccessCommand::End { row, when } => {
            let ends = if when == "never" {
                None
            } else {
                Some(
                    when.parse()
                        .with_context(|| format!("{when:?} is neither a time as 2027-01-01T00:00:00Z nor never"))?,
                )
            };
            let found = find(client, &row).await?;
            client.end_access(&row.store, &found.id, &EndAccess { ends }).await?
        }
        AccessCommand::Disable(row) => {
            let found = find(client, &row).await?;
            let stopped = client.disable_access(&row.store, &found.id).await?;
            return show::stopped(&stopped, &show::what(&found), json);
        }
        AccessCommand::Enable(row) => {
            let found = find(client, &row).await?;
            client.enable_access(&row.store, &found.id).await?
        }
        AccessCommand::Delete { row, wait_hours, yes } => {
            let found = find(client, &row).await?;
            if !yes {
                let name = show::name(&found);
                let question =
                    format!("{} will let nobody in from now on, and be deleted after its wait.", show::what(&found));
                confirm::typed(&question, "row", &name)?;
            }
            client.request_access_deletion(&row.store, &found.id, &RequestDeletion { wait_hours }).await?
        }
        AccessCommand::CancelDeletion(row) => {
            let found = find(client, &row).await?;
            client.cancel_access_deletion(&row.store, &found.id).await?
        }
    };
    if json { crate::show::json(&row) } else { show::one(row) }
}

fn new(arguments: AddArguments) -> anyhow::Result<AddAccess> {
    let AddArguments {
        address,
        hardware_address,
        certificate,
        public_key,
        public_key_sha256,
        description,
        ends,
        permit,
        ..
    } = arguments;
    let read = |path: PathBuf| fs::read_to_string(&path).with_context(|| format!("file {}", path.display()));
    let new = AddAccess {
        address,
        hardware_address,
        certificate: certificate.map(read).transpose()?,
        public_key: public_key.map(read).transpose()?,
        public_key_sha256,
        description,
        ends,
        operations: permit.operations,
        keys: permit.keys,
    };
    Ok(new)
}

/// The row of an id, or the only one with this address or name. Certificates that have ended do not count beside one that has not.
pub(super) async fn find(client: &ControlClient, row: &RowArguments) -> anyhow::Result<AccessRow> {
    find_row(client, &row.store, &row.row).await
}

pub(super) async fn find_row(client: &ControlClient, store: &str, text: &str) -> anyhow::Result<AccessRow> {
    let is_id = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_id {
        return Ok(client.access_row(store, text).await?);
    }
    let mut found: Vec<_> =
        all(client, store).await?.rows.into_iter().filter(|row| show::has_name(row, text)).collect();
    if found.len() > 1 {
        let now = Timestamp::now();
        let lives = |row: &AccessRow| row.ends.is_none_or(|ends| ends > Time(now));
        if found.iter().filter(|row| lives(row)).count() == 1 {
            found.retain(lives);
        }
    }
    match <[_; 1]>::try_from(found) {
        Ok([row]) => Ok(row),
        Err(found) if found.is_empty() => {
            bail!("no authentication data of this store are {text:?}: see `claviger access list --store {store}`")
        }
        Err(found) => {
            let ids: Vec<_> = found.iter().map(|row| row.id.as_str()).collect();
            bail!("{} rows are {text:?}: give the id of one: {}", found.len(), ids.join(", "))
        }
    }
}

/// All pages in one.
async fn all(client: &ControlClient, store: &str) -> anyhow::Result<AccessList> {
    let mut list = client.access(store, None).await?;
    while let Some(after) = list.next.take() {
        let AccessList { rows, next } = client.access(store, Some(&after)).await?;
        list.rows.extend(rows);
        list.next = next;
    }
    Ok(list)
}
