//! The control operations: what an administrator does, for people and for scripts.

mod access;
mod alias;
mod approval;
mod audit;
mod backup;
mod certificate;
mod confirm;
mod emergency;
mod health;
mod key;
mod new_file;
mod once;
mod person;
mod root_key;
mod store;
mod system_key;

use std::process::ExitCode;

use clap::Subcommand;
use claviger_control::ControlClient;

use crate::show;

/// Operations of the control port.
#[derive(Subcommand)]
pub(crate) enum ControlCommand {
    /// Show how the server is; the exit code is 1 if it is not ready
    #[command(after_help = "Examples:\n  claviger health\n  claviger health --json")]
    Health,
    /// Show the metrics, as Prometheus reads them
    #[command(
        after_help = "Scrapers read the same from the listener of [metrics], if it is set; docs/OPERATIONS.md says what each metric means.\n\nExamples:\n  claviger metrics\n  claviger metrics | grep certificate_left"
    )]
    Metrics,
    /// Work with key stores
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// Work with keys
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Work with who may come in to key stores: addresses, hardware addresses, certificates
    #[command(subcommand)]
    Access(access::AccessCommand),
    /// Find out why a client is refused: whether it comes in to a store, method by method; the exit code is 1 if it does not
    #[command(
        after_help = "Nothing of this is told to the client, which learns `not permitted`.\n\nExamples:\n  claviger why-denied billing.pem payments --address 192.0.2.7\n  claviger why-denied billing payments --operation decrypt --key records\n  claviger why-denied 192.0.2.7 payments"
    )]
    WhyDenied(access::WhyArguments),
    /// Stop everything at once: lock the daemon, so that no key is used; unlock it
    #[command(subcommand)]
    Emergency(emergency::EmergencyCommand),
    /// Work with aliases: other names of keys
    #[command(subcommand)]
    Alias(alias::AliasCommand),
    /// Decide what others ask for, and set which changes need that
    #[command(subcommand)]
    Approval(approval::ApprovalCommand),
    /// Work with persons: who manages what, by which certificates
    #[command(subcommand)]
    Person(person::PersonCommand),
    /// Look at the audit log: who did what, and whether it is as it was written
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Make and verify full backups
    #[command(subcommand)]
    Backup(backup::BackupCommand),
    /// Show the system keys, rotate them, destroy old ones
    #[command(subcommand)]
    SystemKey(system_key::SystemKeyCommand),
    /// Show the root key, rotate it
    #[command(subcommand)]
    RootKey(root_key::RootKeyCommand),
    /// Work with client certificates
    #[command(subcommand)]
    Certificate(certificate::CertificateCommand),
}

/// Does what it is told. The exit code is not 0 if the answer is no.
///
/// # Errors
/// In one line, with the thing and the remedy.
pub(crate) async fn run(command: ControlCommand, client: &ControlClient, json: bool) -> anyhow::Result<ExitCode> {
    match command {
        ControlCommand::Health => return health::show(client, json).await,
        ControlCommand::Metrics => {
            show::text(&client.metrics().await?)?;
        }
        ControlCommand::Store(command) => store::run(command, client, json).await?,
        ControlCommand::Key(command) => key::run(command, client, json).await?,
        ControlCommand::Access(command) => access::run(command, client, json).await?,
        ControlCommand::WhyDenied(arguments) => return access::why_denied(arguments, client, json).await,
        ControlCommand::Emergency(command) => emergency::run(command, client, json).await?,
        ControlCommand::Alias(command) => alias::run(command, client, json).await?,
        ControlCommand::Approval(command) => approval::run(command, client, json).await?,
        ControlCommand::Person(command) => person::run(command, client, json).await?,
        ControlCommand::Audit(command) => return audit::run(command, client, json).await,
        ControlCommand::Backup(command) => backup::run(command, client, json).await?,
        ControlCommand::SystemKey(command) => return system_key::run(command, client, json).await,
        ControlCommand::RootKey(command) => root_key::run(command, client, json).await?,
        ControlCommand::Certificate(command) => certificate::run(command, client, json).await?,
    }
    Ok(ExitCode::SUCCESS)
}
