//! Persons, and what they are let do.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Time;

/// A person who manages something on the control port.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Person {
    /// His id, which never changes: 32 lower-case hexadecimal digits.
    pub id: String,
    /// His name.
    pub name: String,
    /// When he was added.
    pub created: Time,
    /// When this was last changed.
    pub changed: Time,
    /// Tells this content from every other: to be given back in the header `If-Match: "REVISION"` by whoever changes it, so that nobody undoes what another has done meanwhile.
    pub revision: String,
    /// Whether he is kept out, with all of his certificates.
    pub disabled: bool,
    /// By what he is known.
    pub certificates: Vec<PersonCertificate>,
    /// What he is let do.
    pub grants: Vec<Grant>,
}

/// By what a person is known: a public key. Every certificate for it is as good as the one that was shown when it was added.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PersonCertificate {
    /// SHA-256 of the public key (SubjectPublicKeyInfo in DER): 64 lower-case hexadecimal digits.
    pub public_key_sha256: String,
    /// Common name of the certificate that was shown.
    pub common_name: String,
    /// The end of that certificate.
    pub not_after: Time,
}

/// A role, and where it is had.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Grant {
    /// `system-administrator`, `store-administrator`, `key-manager`, `requester`, `approver` or `auditor`.
    #[schema(example = "key-manager")]
    pub role: String,
    /// Name of the key store. Missing where the role is had in the installation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// Id of the key store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_id: Option<String>,
    /// A key manager may create keys, which are then assigned to him.
    pub may_create: bool,
    /// A store administrator or key manager may export the material of keys that were created for that.
    pub may_export: bool,
    /// How many keys are assigned to a key manager; some may be deleted since.
    pub key_count: u64,
    /// These keys, where one person is described.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<GrantedKey>,
}

/// A key that is assigned to a key manager.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct GrantedKey {
    /// Its id.
    pub id: String,
    /// Its name; missing if it cannot be read, or is no longer described.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// One page of persons, in the order of their names.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PersonList {
    /// The persons of this page, without the keys that are assigned to them.
    pub persons: Vec<Person>,
    /// What to give as `after` for the next page. Missing on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Add a person. He may do nothing until he is granted a role.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddPerson {
    /// His name, unique in the installation: 1 to 100 characters of A-Z, a-z, 0-9, dot, underscore and hyphen. Not confidential.
    #[schema(min_length = 1, max_length = 100, pattern = "^[A-Za-z0-9._-]+$", example = "ada")]
    pub name: String,
    /// Certificates (PEM) by whose public keys he is known, up to 8. Any authority may have issued them, or they themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 8)]
    pub certificates: Vec<String>,
}

/// Have a person known by one more certificate.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddPersonCertificate {
    /// The certificate (PEM), for client authentication. It stands for its public key: another certificate for that is as good.
    pub certificate: String,
}

/// Have a person not known by a public key any more.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RemovePersonCertificate {
    /// SHA-256 of the public key, as the person shows it.
    #[schema(min_length = 64, max_length = 64, pattern = "^[0-9a-f]{64}$")]
    pub public_key_sha256: String,
}

/// Grant a person a role, or what goes beside one that he has. What he has already stays.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantRole {
    /// `system-administrator`, `store-administrator`, `key-manager`, `requester`, `approver` or `auditor`.
    #[schema(example = "key-manager")]
    pub role: String,
    /// Name or id of the key store. None for a system administrator, and for an auditor of the whole installation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// Names or ids of keys that are assigned to a key manager, up to 1,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000)]
    pub keys: Vec<String>,
    /// Whether a key manager may create keys, which are then assigned to him.
    #[serde(default)]
    pub may_create: bool,
    /// Whether a store administrator or key manager may export the material of keys that were created for that.
    #[serde(default)]
    pub may_export: bool,
}

/// Take a role from a person with all that goes beside it, or only keys.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeRole {
    /// The role.
    #[schema(example = "key-manager")]
    pub role: String,
    /// Name or id of the key store where he has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// Names or ids of the keys that a key manager is not to manage any more, up to 1,000. Without any, the role is taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000)]
    pub keys: Vec<String>,
}

/// Who the server takes the caller for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Identity {
    /// In one sentence.
    pub summary: String,
    /// What he may do, a sentence for each role.
    pub permissions: Vec<String>,
    /// The certificate of the connection.
    pub certificate: CallerCertificate,
    /// Whether the certificate is one of the administrators' authority of the configuration, so that he may do everything.
    pub administrator_by_configuration: bool,
    /// The person who is known by the certificate; missing for an administrator by configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Person>,
}

/// The certificate of a connection of the control port.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CallerCertificate {
    /// Common name of its subject.
    pub common_name: String,
    /// SHA-256 of the certificate: 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// SHA-256 of its public key (SubjectPublicKeyInfo in DER).
    pub public_key_sha256: String,
    /// Its end. No request is answered after it.
    pub not_after: Time,
}
