//! Key stores and the certificates of their clients.

use super::{ControlClient, paged, path};
use crate::error::ControlError;
use crate::message::{
    CreateStore, IssueCertificate, IssuedCertificate, SetStoreSettings, Store, StoreAuthority, StoreList,
};

impl ControlClient {
    /// Creates a key store.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn create_store(&self, store: &CreateStore) -> Result<Store, ControlError> {
        self.post("/v1/stores", store).await
    }

    /// One page of key stores after the name `after`.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn stores(&self, after: Option<&str>) -> Result<StoreList, ControlError> {
        self.get(&paged("/v1/stores", after)).await
    }

    /// A key store by its name or id.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn store(&self, store: &str) -> Result<Store, ControlError> {
        self.get(&path(&["stores", store])).await
    }

    /// Sets settings of a key store; what is not given stays as it is.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn set_store_settings(&self, store: &str, settings: &SetStoreSettings) -> Result<Store, ControlError> {
        self.post(&path(&["stores", store, "settings"]), settings).await
    }

    /// Certificate of the authority that issues the client certificates of a store.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn authority(&self, store: &str) -> Result<StoreAuthority, ControlError> {
        self.get(&path(&["stores", store, "authority"])).await
    }

    /// Issues a client certificate of a store.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn issue_certificate(
        &self,
        store: &str,
        certificate: &IssueCertificate,
    ) -> Result<IssuedCertificate, ControlError> {
        self.post(&path(&["stores", store, "certificates"]), certificate).await
    }
}
