//! Who may come in to key stores.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ControlClient, paged, path};
use crate::error::ControlError;
use crate::message::{
    AccessList, AccessRow, AddAccess, AskWhyDenied, DescribeAccess, EndAccess, IssuedCertificate, NarrowAccess,
    Nothing, RenewCertificate, RequestDeletion, SetAccessMethods, Stopped, Store, WhyDenied,
};

impl ControlClient {
    /// One page of the authentication data of a store, after the id `after`.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn access(&self, store: &str, after: Option<&str>) -> Result<AccessList, ControlError> {
        self.get(&paged(&path(&["stores", store, "access"]), after)).await
    }

    /// A row of authentication data by its id.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn access_row(&self, store: &str, row: &str) -> Result<AccessRow, ControlError> {
        self.get(&path(&["stores", store, "access", row])).await
    }

    /// Adds authentication data.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn add_access(&self, store: &str, new: &AddAccess) -> Result<AccessRow, ControlError> {
        self.post(&path(&["stores", store, "access"]), new).await
    }

    /// Sets what a row permits.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn narrow_access(&self, store: &str, row: &str, to: &NarrowAccess) -> Result<AccessRow, ControlError> {
        self.change_access(store, row, "narrow", to).await
    }

    /// Describes a row anew.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn describe_access(
        &self,
        store: &str,
        row: &str,
        description: &DescribeAccess,
    ) -> Result<AccessRow, ControlError> {
        self.change_access(store, row, "describe", description).await
    }

    /// Sets when a row stops to let in.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn end_access(&self, store: &str, row: &str, end: &EndAccess) -> Result<AccessRow, ControlError> {
        self.change_access(store, row, "end", end).await
    }

    /// Lets nobody in by a row any more.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn disable_access(&self, store: &str, row: &str) -> Result<Stopped, ControlError> {
        self.change_access(store, row, "disable", &Nothing {}).await
    }

    /// Makes a disabled row available again.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn enable_access(&self, store: &str, row: &str) -> Result<AccessRow, ControlError> {
        self.change_access(store, row, "enable", &Nothing {}).await
    }

    /// Requests the deletion of a row.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn request_access_deletion(
        &self,
        store: &str,
        row: &str,
        deletion: &RequestDeletion,
    ) -> Result<AccessRow, ControlError> {
        self.change_access(store, row, "request-deletion", deletion).await
    }

    /// Cancels the deletion of a row.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn cancel_access_deletion(&self, store: &str, row: &str) -> Result<AccessRow, ControlError> {
        self.change_access(store, row, "cancel-deletion", &Nothing {}).await
    }

    /// Renews the certificate of a row.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn renew_certificate(
        &self,
        store: &str,
        row: &str,
        renewal: &RenewCertificate,
    ) -> Result<IssuedCertificate, ControlError> {
        self.change_access(store, row, "renew", renewal).await
    }

    /// Sets the access methods of a store.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn set_access_methods(&self, store: &str, methods: &SetAccessMethods) -> Result<Store, ControlError> {
        self.post(&path(&["stores", store, "access-methods"]), methods).await
    }

    /// Lets nobody in to a store any more.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn disable_store(&self, store: &str) -> Result<Stopped, ControlError> {
        self.post(&path(&["stores", store, "disable"]), &Nothing {}).await
    }

    /// Makes a disabled store available again.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn enable_store(&self, store: &str) -> Result<Store, ControlError> {
        self.post(&path(&["stores", store, "enable"]), &Nothing {}).await
    }

    /// Whether a client comes in to a store, and why not.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn why_denied(&self, store: &str, question: &AskWhyDenied) -> Result<WhyDenied, ControlError> {
        self.post(&path(&["stores", store, "why-denied"]), question).await
    }

    async fn change_access<T: DeserializeOwned>(
        &self,
        store: &str,
        row: &str,
        change: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T, ControlError> {
        self.post(&path(&["stores", store, "access", row, change]), body).await
    }
}
