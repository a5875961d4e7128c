//! The changes of access that are ordered, each undone by the next.

use std::fmt;

use anyhow::Context;
use claviger_control::ControlClient;
use claviger_control::message::{Access, AddAccess, CreateStore, NarrowAccess, RequestDeletion, SetAccessMethods};

use crate::installation::STORE;

/// A change of access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Disable,
    Enable,
    Narrow,
    Widen,
    AskForAddress,
    AddNetwork,
    DeleteNetwork,
    AskForNoAddress,
    Revoke,
    EnableAgain,
}

/// The client of all connections, in two key stores.
pub(super) struct Client<'c> {
    administrator: &'c ControlClient,
    /// The row of its certificate in the key store of the load.
    row: String,
    /// That in the other one, which lets it in until the end.
    other_row: String,
    /// The row of the last network.
    network: Option<String>,
}

impl Change {
    /// In the order in which they are made: those that refuse and those that let in take turns.
    pub(super) const ALL: [Self; 10] = [
        Self::Disable,
        Self::Enable,
        Self::Narrow,
        Self::Widen,
        Self::AskForAddress,
        Self::AddNetwork,
        Self::DeleteNetwork,
        Self::AskForNoAddress,
        Self::Revoke,
        Self::EnableAgain,
    ];

    /// Whether it lets in.
    pub(super) const fn admits(self) -> bool {
        match self {
            Self::Disable | Self::Narrow | Self::AskForAddress | Self::DeleteNetwork | Self::Revoke => false,
            Self::Enable | Self::Widen | Self::AddNetwork | Self::AskForNoAddress | Self::EnableAgain => true,
        }
    }

    /// What people call it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable a certificate",
            Self::Enable => "enable it",
            Self::Narrow => "narrow what it permits",
            Self::Widen => "widen it",
            Self::AskForAddress => "ask for an address too",
            Self::AddNetwork => "add a network",
            Self::DeleteNetwork => "delete the network",
            Self::AskForNoAddress => "ask for no address",
            Self::Revoke => "delete the certificate",
            Self::EnableAgain => "keep and enable it",
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl<'c> Client<'c> {
    /// The client that the key store of the load lets in, which another key store lets in too from now on.
    ///
    /// # Errors
    /// Those of the control port.
    pub(super) async fn begin(administrator: &'c ControlClient) -> anyhow::Result<Self> {
        let rows = administrator.access(STORE, None).await?.rows;
        let row = rows.into_iter().find(|row| row.common_name.is_some()).context("the load has no certificate")?;
        let access = Access { client_certificate: true, ..Access::default() };
        administrator.create_store(&CreateStore { name: OTHER_STORE.to_owned(), access }).await?;
        let pinned = AddAccess { public_key_sha256: row.public_key_sha256, ..AddAccess::default() };
        let other_row = administrator.add_access(OTHER_STORE, &pinned).await?.id;
        Ok(Self { administrator, row: row.id, other_row, network: None })
    }

    /// Makes a change; in force when this returns.
    ///
    /// # Errors
    /// Those of the control port.
    pub(super) async fn order(&mut self, change: Change, round: usize) -> anyhow::Result<()> {
        let Self { administrator: port, row, network, .. } = self;
        let deletion = RequestDeletion::default();
        match change {
            Change::Disable => drop(port.disable_access(STORE, row).await?),
            Change::Enable | Change::EnableAgain => drop(port.enable_access(STORE, row).await?),
            Change::Narrow => {
                let operations = Some(vec!["decrypt".to_owned()]);
                drop(port.narrow_access(STORE, row, &NarrowAccess { operations, keys: None }).await?);
            }
            Change::Widen => drop(port.narrow_access(STORE, row, &NarrowAccess::default()).await?),
            Change::AskForAddress => ask_for_address(port, true).await?,
            Change::AskForNoAddress => ask_for_address(port, false).await?,
            Change::AddNetwork => {
                // Another one each time: a row whose deletion is requested keeps its place.
                let address = Some(format!("127.0.0.0/{}", PREFIX_FIRST + round));
                let added = port.add_access(STORE, &AddAccess { address, ..AddAccess::default() }).await?;
                *network = Some(added.id);
            }
            Change::DeleteNetwork => {
                let network = network.take().context("no network was added")?;
                drop(port.request_access_deletion(STORE, &network, &deletion).await?);
            }
            Change::Revoke => drop(port.request_access_deletion(STORE, row, &deletion).await?),
        }
        Ok(())
    }

    /// Does what has to be done after a change so that the next one can be made, and lets nobody in.
    ///
    /// # Errors
    /// Those of the control port.
    pub(super) async fn settle(&self, change: Change) -> anyhow::Result<()> {
        if change == Change::Revoke {
            self.administrator.cancel_access_deletion(STORE, &self.row).await?;
        }
        Ok(())
    }

    /// Disables the client in both key stores.
    ///
    /// # Errors
    /// Those of the control port.
    pub(super) async fn let_go(&self) -> anyhow::Result<()> {
        self.administrator.disable_access(STORE, &self.row).await?;
        self.administrator.disable_access(OTHER_STORE, &self.other_row).await?;
        Ok(())
    }
}

async fn ask_for_address(administrator: &ControlClient, is_asked: bool) -> anyhow::Result<()> {
    let methods = SetAccessMethods { address: Some(is_asked), ..SetAccessMethods::default() };
    administrator.set_access_methods(STORE, &methods).await?;
    Ok(())
}

/// Lets the client in while the other one does not.
const OTHER_STORE: &str = "load-test-other";

/// Bits of the network that is added first.
const PREFIX_FIRST: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_that_refuse_and_changes_that_let_in_take_turns() {
        let admits: Vec<_> = Change::ALL.map(Change::admits).into();
        assert_eq!(admits, [false, true].repeat(5));
    }
}
