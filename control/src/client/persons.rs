//! Persons, and who the caller is.

use super::{ControlClient, paged, path};
use crate::error::ControlError;
use crate::message::{
    AddPerson, AddPersonCertificate, GrantRole, Identity, Nothing, Person, PersonList, RemovePersonCertificate,
    RevokeRole,
};

impl ControlClient {
    /// Who the server takes this client for.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn whoami(&self) -> Result<Identity, ControlError> {
        self.get("/v1/whoami").await
    }

    /// One page of persons after the name `after`.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn persons(&self, after: Option<&str>) -> Result<PersonList, ControlError> {
        self.get(&paged("/v1/persons", after)).await
    }

    /// A person by his name or id.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn person(&self, person: &str) -> Result<Person, ControlError> {
        self.get(&path(&["persons", person])).await
    }

    /// Adds a person.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn add_person(&self, person: &AddPerson) -> Result<Person, ControlError> {
        self.post("/v1/persons", person).await
    }

    /// Has a person known by one more certificate.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn add_person_certificate(
        &self,
        person: &str,
        certificate: &AddPersonCertificate,
    ) -> Result<Person, ControlError> {
        self.post(&path(&["persons", person, "certificates"]), certificate).await
    }

    /// Has a person not known by a public key any more.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn remove_person_certificate(
        &self,
        person: &str,
        certificate: &RemovePersonCertificate,
    ) -> Result<Person, ControlError> {
        self.post(&path(&["persons", person, "certificates", "remove"]), certificate).await
    }

    /// Grants a person a role, or what goes beside one that he has.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn grant_role(&self, person: &str, grant: &GrantRole) -> Result<Person, ControlError> {
        self.post(&path(&["persons", person, "grants"]), grant).await
    }

    /// Takes a role from a person, or only keys.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn revoke_role(&self, person: &str, role: &RevokeRole) -> Result<Person, ControlError> {
        self.post(&path(&["persons", person, "grants", "revoke"]), role).await
    }

    /// Keeps a person out, with all of his certificates.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn disable_person(&self, person: &str) -> Result<Person, ControlError> {
        self.post(&path(&["persons", person, "disable"]), &Nothing {}).await
    }

    /// Lets a person in again.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn enable_person(&self, person: &str) -> Result<Person, ControlError> {
        self.post(&path(&["persons", person, "enable"]), &Nothing {}).await
    }

    /// Removes a person; gives what he was.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn remove_person(&self, person: &str) -> Result<Person, ControlError> {
        self.post(&path(&["persons", person, "remove"]), &Nothing {}).await
    }
}
