//! The judgement: by which rows a client passes one access method of a key store, or why it does not.

use std::net::IpAddr;
use std::sync::Arc;

use claviger_engine::access::HeldRow;
use claviger_engine::{AccessData, AccessMethod, HardwareAddress, StorePolicy};
use rustls::crypto::CryptoProvider;

use super::certificate::{Path, ShownCertificate};

/// What a client shows.
#[derive(Clone, Copy)]
pub(crate) struct Shown<'s> {
    /// Where it comes from.
    pub(crate) address: Option<IpAddr>,
    /// Its certificate, whose private key it has proved to hold.
    pub(crate) certificate: Option<&'s ShownCertificate>,
    /// Its hardware address as the server sees it.
    pub(crate) seen: Option<HardwareAddress>,
    /// Its hardware address as it says itself.
    pub(crate) declared: Option<HardwareAddress>,
}

/// The rows by which a client passes a method, with the time until which each passes, in milliseconds since 1970; at least one.
pub(crate) type Passed = Vec<(Arc<HeldRow>, u64)>;

/// Why a client does not pass a method. Told on the control port only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It shows nothing of this kind.
    NothingShown,
    /// No available row asks for what it shows.
    NoRow,
    /// The row has ended.
    RowEnded,
    /// The certificate is not valid yet, or not any more.
    CertificateNotValid,
    /// The certificate is not for clients.
    NotForClients,
    /// The certificate says a row's key and serial number, but the authority of the store has not issued it.
    NotIssuedHere,
}

/// Judges one method. `path` remembers path validation from one call to the next.
pub(crate) fn judge(
    method: AccessMethod,
    policy: &StorePolicy,
    shown: &Shown<'_>,
    path: &mut Option<Path>,
    provider: &Arc<CryptoProvider>,
    now_ms: u64,
) -> Result<Passed, Failure> {
    let until =
        |held: &Arc<HeldRow>, ends_ms: u64| (Arc::clone(held), held.row().ends_ms.unwrap_or(u64::MAX).min(ends_ms));
    match method {
        AccessMethod::ClientCertificate => {
            let certificate = shown.certificate.ok_or(Failure::NothingShown)?;
            let mut failure = Failure::NoRow;
            let mut passed = Vec::new();
            for held in policy.access.certificates(&certificate.public_key_sha256) {
                match certificate_end(certificate, held, policy, path, provider, now_ms) {
                    Ok(ends_ms) => passed.push(until(held, ends_ms)),
                    Err(why) => failure = why,
                }
            }
            if passed.is_empty() { Err(failure) } else { Ok(passed) }
        }
        AccessMethod::Address => {
            let address = shown.address.ok_or(Failure::NothingShown)?;
            passing(policy.access.networks(address).map(|held| until(held, u64::MAX)), now_ms)
        }
        AccessMethod::HardwareAddress => {
            // What is only said counts where nothing is seen, and only if the store takes it.
            let declared = shown.declared.filter(|_| policy.declared_hardware_address);
            let address = shown.seen.or(declared).ok_or(Failure::NothingShown)?;
            let held = policy.access.hardware_address(address);
            passing(held.map(|held| until(held, u64::MAX)).into_iter(), now_ms)
        }
    }
}

fn passing(rows: impl Iterator<Item = (Arc<HeldRow>, u64)>, now_ms: u64) -> Result<Passed, Failure> {
    let rows: Vec<_> = rows.collect();
    let any = !rows.is_empty();
    let passed: Passed = rows.into_iter().filter(|(held, _)| held.row().passes(now_ms)).collect();
    match (any, passed.is_empty()) {
        (_, false) => Ok(passed),
        (true, true) => Err(Failure::RowEnded),
        (false, true) => Err(Failure::NoRow),
    }
}

/// Until when a certificate passes by a row that names its key.
fn certificate_end(
    certificate: &ShownCertificate,
    held: &HeldRow,
    policy: &StorePolicy,
    path: &mut Option<Path>,
    provider: &Arc<CryptoProvider>,
    now_ms: u64,
) -> Result<u64, Failure> {
    let is_issued = match &held.row().data {
        AccessData::IssuedCertificate(issued) if issued.serial == certificate.serial => true,
        AccessData::PinnedKey(_) => false,
        // Another certificate of the same key, which is a row of its own.
        _ => return Err(Failure::NoRow),
    };
    if !held.row().passes(now_ms) {
        return Err(Failure::RowEnded);
    }
    if !(certificate.begins_ms..certificate.ends_ms).contains(&now_ms) {
        return Err(Failure::CertificateNotValid);
    }
    // Path validation takes a certificate that names no purpose for any purpose; those that are issued here name theirs.
    let is_for_clients =
        if is_issued { certificate.client_auth == Some(true) } else { certificate.client_auth != Some(false) };
    if !is_for_clients {
        return Err(Failure::NotForClients);
    }
    if !is_issued {
        return Ok(certificate.ends_ms);
    }
    let authority_ends_ms = certificate.issued_by(&policy.authority, provider, path, now_ms);
    authority_ends_ms.map(|ends_ms| ends_ms.min(certificate.ends_ms)).ok_or(Failure::NotIssuedHere)
}
