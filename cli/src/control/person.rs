//! `claviger person`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use claviger_control::ControlClient;
use claviger_control::message::{
    AddPerson, AddPersonCertificate, Grant, GrantRole, Identity, Person, PersonList, RemovePersonCertificate,
    RevokeRole,
};

use super::confirm;
use super::once::OnceArguments;
use crate::show;

/// Operations on persons: who manages what on the control port.
#[derive(Subcommand)]
pub(crate) enum PersonCommand {
    /// Show who the control port takes you for, and what you may do there
    #[command(after_help = "\
Of the data port, `claviger whoami` says it.

Examples:
  claviger person whoami
  claviger person whoami --json")]
    Whoami,
    /// Add a person, who may do nothing until he is granted a role
    #[command(after_help = "\
A person is known by the public keys of his certificates, whoever issued them. He makes his own key, and it stays with him:
  openssl req -x509 -newkey ed25519 -noenc -days 365 -subj /CN=Ada -addext extendedKeyUsage=clientAuth \\
    -keyout ada-key.pem -out ada.pem

Example:
  claviger person add ada --certificate ada.pem")]
    Add {
        /// His name: up to 100 characters of A-Z, a-z, 0-9, dot, underscore and hyphen
        name: String,
        /// Certificate (PEM) by whose public key he is known; may be given several times
        #[arg(long, value_name = "FILE")]
        certificate: Vec<PathBuf>,
        #[command(flatten)]
        once: OnceArguments,
    },
    /// List all persons and what they are let do
    #[command(after_help = "Examples:\n  claviger person list\n  claviger person list --json")]
    List,
    /// Show a person: his certificates, his roles, and the keys that are assigned to him
    #[command(after_help = "Example:\n  claviger person show ada")]
    Show {
        /// His name or id
        person: String,
    },
    /// Grant a person a role, or what goes beside one that he has; what he has already stays
    #[command(after_help = "\
Roles: system-administrator, store-administrator, key-manager, requester, approver, auditor. All are had in a key store, but for
system-administrator; auditor may be either.

Examples:
  claviger person grant ada store-administrator --store payments
  claviger person grant bob key-manager --store payments --key records --key orders --may-create
  claviger person grant eve auditor")]
    Grant(GrantArguments),
    /// Take a role from a person with all that goes beside it, or only keys; in force at once
    #[command(after_help = "\
Examples:
  claviger person revoke ada store-administrator --store payments
  claviger person revoke bob key-manager --store payments --key records")]
    Revoke(RoleArguments),
    /// Work with the certificates by which persons are known
    #[command(subcommand)]
    Certificate(CertificateCommand),
    /// Keep a person out, with all of his certificates; in force at once
    #[command(after_help = "Example:\n  claviger person disable ada")]
    Disable {
        /// His name or id
        person: String,
    },
    /// Let a person in again
    #[command(after_help = "Example:\n  claviger person enable ada")]
    Enable {
        /// His name or id
        person: String,
    },
    /// Remove a person; what he was let do is forgotten
    #[command(after_help = "\
His name has to be typed, unless --yes is given. To keep somebody out for a while, disable him.

Example:
  claviger person remove ada")]
    Remove {
        /// His name or id
        person: String,
        /// Do not ask for his name
        #[arg(long)]
        yes: bool,
    },
}

/// Operations on the certificates of persons.
#[derive(Subcommand)]
pub(crate) enum CertificateCommand {
    /// Have a person known by one more certificate
    #[command(after_help = "Example:\n  claviger person certificate add ada ada-laptop.pem")]
    Add {
        /// His name or id
        person: String,
        /// The certificate (PEM)
        file: PathBuf,
    },
    /// Have a person not known by a public key any more; in force at once
    #[command(after_help = "\
The public key is named by its SHA-256, as `claviger person show` does.

Example:
  claviger person certificate remove ada 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae")]
    Remove {
        /// His name or id
        person: String,
        /// SHA-256 of the public key
        public_key: String,
    },
}

#[derive(Args)]
pub(crate) struct RoleArguments {
    /// Name or id of the person
    person: String,
    /// The role
    role: String,
    /// Name or id of the key store in which it is had
    #[arg(long)]
    store: Option<String>,
    /// Name or id of a key that a key manager manages; may be given several times
    #[arg(long)]
    key: Vec<String>,
}

#[derive(Args)]
pub(crate) struct GrantArguments {
    #[command(flatten)]
    role: RoleArguments,
    /// A key manager may create keys, which are then assigned to him
    #[arg(long)]
    may_create: bool,
    /// A store administrator or key manager may export the material of keys that were created for that
    #[arg(long)]
    may_export: bool,
}

pub(super) async fn run(command: PersonCommand, client: &ControlClient, json: bool) -> anyhow::Result<()> {
    let person = match command {
        PersonCommand::Whoami => return whoami(client, json).await,
        PersonCommand::List => return list(client, json).await,
        PersonCommand::Add { name, certificate, once } => {
            let certificates = certificate.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
            once.of(client).add_person(&AddPerson { name, certificates }).await?
        }
        PersonCommand::Show { person } => client.person(&person).await?,
        PersonCommand::Grant(GrantArguments { role, may_create, may_export }) => {
            let RoleArguments { person, role, store, key: keys } = role;
            client.grant_role(&person, &GrantRole { role, store, keys, may_create, may_export }).await?
        }
        PersonCommand::Revoke(RoleArguments { person, role, store, key: keys }) => {
            client.revoke_role(&person, &RevokeRole { role, store, keys }).await?
        }
        PersonCommand::Certificate(CertificateCommand::Add { person, file }) => {
            let certificate = read(&file)?;
            client.add_person_certificate(&person, &AddPersonCertificate { certificate }).await?
        }
        PersonCommand::Certificate(CertificateCommand::Remove { person, public_key: public_key_sha256 }) => {
            client.remove_person_certificate(&person, &RemovePersonCertificate { public_key_sha256 }).await?
        }
        PersonCommand::Disable { person } => client.disable_person(&person).await?,
        PersonCommand::Enable { person } => client.enable_person(&person).await?,
        PersonCommand::Remove { person, yes } => return remove(client, person, yes, json).await,
    };
    if json { show::json(&person) } else { describe(person) }
}

async fn whoami(client: &ControlClient, json: bool) -> anyhow::Result<()> {
    let identity = client.whoami().await?;
    if json {
        return show::json(&identity);
    }
    let Identity { summary, permissions, certificate, .. } = identity;
    show::line(&summary)?;
    permissions.iter().try_for_each(|permission| show::line(&format!("  {permission}")))?;
    show::facts([
        ("certificate", certificate.common_name),
        ("valid until", show::time(certificate.not_after)),
        ("sha-256", certificate.sha256),
        ("of its public key", certificate.public_key_sha256),
    ])
}

async fn list(client: &ControlClient, json: bool) -> anyhow::Result<()> {
    let mut list = client.persons(None).await?;
    while let Some(after) = list.next.take() {
        let PersonList { persons, next } = client.persons(Some(&after)).await?;
        list.persons.extend(persons);
        list.next = next;
    }
    if json {
        return show::json(&list);
    }
    let row = |person: Person| {
        let roles: Vec<_> = person.grants.iter().map(in_words).collect();
        [
            person.name,
            state(person.disabled).to_owned(),
            person.certificates.len().to_string(),
            roles.join("; "),
            person.id,
        ]
    };
    show::table(["name", "state", "certificates", "roles", "id"], list.persons.into_iter().map(row))
}

async fn remove(client: &ControlClient, person: String, yes: bool, json: bool) -> anyhow::Result<()> {
    // What is removed then is who was shown, whatever his name may stand for by then.
    let (person, client) = if yes {
        (person, client.clone())
    } else {
        let Person { id, name, revision, .. } = client.person(&person).await?;
        confirm::typed(&format!("{name} is removed, with what he is let do."), "person", &name)?;
        (id, client.expecting(&revision))
    };
    let removed = client.remove_person(&person).await?;
    if json { show::json(&removed) } else { show::line(&format!("removed person {} ({})", removed.name, removed.id)) }
}

fn describe(person: Person) -> anyhow::Result<()> {
    show::facts([
        ("name", person.name),
        ("id", person.id),
        ("state", state(person.disabled).to_owned()),
        ("added", show::time(person.created)),
        ("changed", show::time(person.changed)),
    ])?;
    for certificate in person.certificates {
        let (name, end) = (certificate.common_name, show::time(certificate.not_after));
        show::line(&format!("public key {} ({name:?}, until {end} when it was added)", certificate.public_key_sha256))?;
    }
    for grant in person.grants {
        show::line(&in_words(&grant))?;
        for key in grant.keys {
            show::line(&format!("  {} ({})", key.name.unwrap_or_else(|| "no longer described".to_owned()), key.id))?;
        }
    }
    Ok(())
}

fn in_words(grant: &Grant) -> String {
    let mut words = grant.role.clone();
    if let Some(store) = &grant.store {
        words += &format!(" in {store}");
    }
    if grant.role == KEY_MANAGER {
        words += &format!(" of {} keys", grant.key_count);
    }
    words += if grant.may_create { ", may create" } else { "" };
    words += if grant.may_export { ", may export" } else { "" };
    words
}

const fn state(disabled: bool) -> &'static str {
    if disabled { "disabled" } else { "enabled" }
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("file {}", path.display()))
}

const KEY_MANAGER: &str = "key-manager";
