//! Approvals: what needs them, who asks, who decides.

use super::{ControlClient, paged, path};
use crate::error::ControlError;
use crate::message::{
    Approval, ApprovalAnswers, ApprovalList, ApprovalPolicy, AskForApproval, Nothing, RejectApproval, SetApprovalPolicy,
};

impl ControlClient {
    /// What needs an approval in a key store, or of the installation.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn approval_policy(&self, store: Option<&str>) -> Result<ApprovalPolicy, ControlError> {
        self.get(&policy_path(store)).await
    }

    /// Sets what needs an approval in a key store, or of the installation.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn set_approval_policy(
        &self,
        store: Option<&str>,
        policy: &SetApprovalPolicy,
    ) -> Result<ApprovalPolicy, ControlError> {
        self.post(&policy_path(store), policy).await
    }

    /// One page of requests for approval after the one with the id `after`; all of them, or those that are open.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn approvals(&self, all: bool, after: Option<&str>) -> Result<ApprovalList, ControlError> {
        let base = if all { "/v1/approvals" } else { "/v1/approvals/open" };
        self.get(&paged(base, after)).await
    }

    /// A request for approval.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn approval(&self, id: &str) -> Result<Approval, ControlError> {
        self.get(&path(&["approvals", id])).await
    }

    /// What the changes of an approved request have answered: for who asked, for a day.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn approval_answers(&self, id: &str) -> Result<ApprovalAnswers, ControlError> {
        self.get(&path(&["approvals", id, "answers"])).await
    }

    /// Asks for several changes of one key store.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn ask_for_approval(&self, store: &str, ask: &AskForApproval) -> Result<Approval, ControlError> {
        match self.post::<Approval>(&path(&["stores", store, "approvals"]), ask).await {
            Err(ControlError::NeedsApproval(approval)) => Ok(*approval),
            other => other,
        }
    }

    /// Approves a request. With the last approval it is done.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn approve(&self, id: &str) -> Result<Approval, ControlError> {
        self.post(&path(&["approvals", id, "approve"]), &Nothing {}).await
    }

    /// Rejects a request.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn reject(&self, id: &str, reason: String) -> Result<Approval, ControlError> {
        self.post(&path(&["approvals", id, "reject"]), &RejectApproval { reason }).await
    }

    /// Withdraws a request of one's own.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn withdraw(&self, id: &str) -> Result<Approval, ControlError> {
        self.post(&path(&["approvals", id, "withdraw"]), &Nothing {}).await
    }
}

fn policy_path(store: Option<&str>) -> String {
    store.map_or_else(|| path(&["approval-policy"]), |store| path(&["stores", store, "approval-policy"]))
}
