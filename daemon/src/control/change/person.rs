//! What can happen to a person, in words.

use std::fmt;

use claviger_engine::change::{NewPerson, PersonChange};
use claviger_engine::key::id::{KeyId, StoreId};
use claviger_engine::person::Grant;

/// A change of a person, which goes on after him.
pub(super) struct InWords<'a>(pub(super) &'a PersonChange);

/// The key store and the keys that a change of a person is about.
pub(super) fn is_about(change: &PersonChange) -> (Option<StoreId>, Vec<KeyId>) {
    match change {
        PersonChange::Grant { grant: Grant { store, .. }, keys } | PersonChange::Revoke { store, keys, .. } => {
            (*store, keys.clone())
        }
        PersonChange::AddCertificate(_) | PersonChange::RemoveCertificate(_) | PersonChange::SetDisabled(_) => {
            (None, Vec::new())
        }
    }
}

/// A person who is added.
pub(super) struct Added<'a>(pub(super) &'a NewPerson);

impl fmt::Display for Added<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "person {} added", self.0.name)?;
        self.0.certificates.iter().try_for_each(|certificate| write!(f, ", known by public key {}", certificate.key))
    }
}

impl fmt::Display for InWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            PersonChange::AddCertificate(certificate) => {
                write!(f, "known by public key {} ({:?})", certificate.key, certificate.common_name)
            }
            PersonChange::RemoveCertificate(key) => write!(f, "not known by public key {key} any more"),
            PersonChange::Grant { grant: Grant { role, store, may_create, may_export }, keys } => {
                write!(f, "granted {role}")?;
                store.iter().try_for_each(|store| write!(f, " in store {store}"))?;
                f.write_str(if *may_create { ", may create keys" } else { "" })?;
                f.write_str(if *may_export { ", may export keys" } else { "" })?;
                list(f, " of keys", keys)
            }
            PersonChange::Revoke { role, store, keys } => {
                f.write_str(if keys.is_empty() { "not any more " } else { "still " })?;
                write!(f, "{role}")?;
                store.iter().try_for_each(|store| write!(f, " in store {store}"))?;
                list(f, ", but not of keys", keys)
            }
            PersonChange::SetDisabled(true) => f.write_str("disabled"),
            PersonChange::SetDisabled(false) => f.write_str("enabled"),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, begin: &str, keys: &[impl fmt::Display]) -> fmt::Result {
    if keys.is_empty() {
        return Ok(());
    }
    f.write_str(begin)?;
    keys.iter().take(super::SHOWN_KEYS).try_for_each(|key| write!(f, " {key}"))?;
    if keys.len() > super::SHOWN_KEYS { f.write_str(" and more") } else { Ok(()) }
}
