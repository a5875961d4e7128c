//! Admission: whether a key store lets this client in. All access methods that the store sets must pass; the default is no.
//!
//! A decision is made once for each connection and policy, and remembered no longer than the client's certificate is valid.

use std::sync::Arc;

use claviger_engine::StoreSlot;
use claviger_engine::key::id::StoreId;
use claviger_engine::{Engine, StorePolicy};
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::identity::{ClientIdentity, end_ms};
use crate::limits::{DECISIONS_MAX, REFUSAL_MS};

/// The decisions about one connection.
pub(super) struct Admissions {
    identity: Arc<ClientIdentity>,
    provider: Arc<CryptoProvider>,
    decisions: Vec<Decision>,
    /// No store lets the client in, as was found some time before this one, in milliseconds since 1970.
    stranger_until: u64,
}

/// What was decided under one policy of one store.
struct Decision {
    store: StoreId,
    generation: u64,
    verdict: Verdict,
}

#[derive(Clone, Copy)]
enum Verdict {
    /// Until then: a certificate may begin to be valid, so that it is judged again.
    RefusedUntil(u64),
    /// Until this time, in milliseconds since 1970.
    AdmittedUntil(u64),
}

impl Admissions {
    pub(super) const fn new(identity: Arc<ClientIdentity>, provider: Arc<CryptoProvider>) -> Self {
        Self { identity, provider, decisions: Vec::new(), stranger_until: 0 }
    }

    /// What the connection shows.
    pub(super) fn identity(&self) -> &ClientIdentity {
        &self.identity
    }

    /// Whether `store` lets the client in at `now_ms`, under the policy in force. To be asked inside a frame.
    pub(super) fn admits(&mut self, store: &StoreSlot, now_ms: u64) -> bool {
        self.admitted_until(store, now_ms).is_some()
    }

    /// As [`Admissions::admits`]; until when the policy in force lets the client in, in milliseconds since 1970.
    pub(super) fn admitted_until(&mut self, store: &StoreSlot, now_ms: u64) -> Option<u64> {
        let policy = store.policy();
        let known = self
            .decisions
            .iter()
            .find(|decision| decision.store == store.id() && decision.generation == policy.generation);
        let verdict = match known.map(|decision| decision.verdict) {
            Some(Verdict::RefusedUntil(end)) if now_ms >= end => self.decide(store.id(), &policy, now_ms),
            Some(verdict) => verdict,
            None => self.decide(store.id(), &policy, now_ms),
        };
        match verdict {
            Verdict::RefusedUntil(_) => None,
            Verdict::AdmittedUntil(end) => (now_ms < end).then_some(end),
        }
    }

    /// Whether no store lets this client in: then it may ask for less at once.
    pub(super) fn is_stranger(&mut self, engine: &Engine, now_ms: u64) -> bool {
        if self.decisions.iter().any(|decision| matches!(decision.verdict, Verdict::AdmittedUntil(_))) {
            return false;
        }
        if now_ms >= self.stranger_until {
            // A client of a store beyond these is told Overloaded earlier than others, until a store has let it in.
            let known = engine.stores().into_iter().take(DECISIONS_MAX).any(|store| self.admits(&store, now_ms));
            self.stranger_until = if known { 0 } else { now_ms.saturating_add(REFUSAL_MS) };
        }
        now_ms < self.stranger_until
    }

    #[cold]
    fn decide(&mut self, store: StoreId, policy: &StorePolicy, now_ms: u64) -> Verdict {
        let verdict = match self.end_of_admission(policy, now_ms) {
            Some(end) => Verdict::AdmittedUntil(end),
            None => Verdict::RefusedUntil(now_ms.saturating_add(REFUSAL_MS)),
        };
        self.decisions.retain(|decision| decision.store != store);
        if self.decisions.len() >= DECISIONS_MAX {
            self.decisions.remove(0);
        }
        self.decisions.push(Decision { store, generation: policy.generation, verdict });
        verdict
    }

    /// Until when the client may come in, if it may: all methods that are set have to pass, and there is one at least.
    fn end_of_admission(&self, policy: &StorePolicy, now_ms: u64) -> Option<u64> {
        let methods = policy.methods?;
        let certificate = methods.client_certificate().then(|| self.certificate_end(&policy.authority, now_ms));
        // One entry for each method that is set: when it ends to pass, or nothing if it does not pass.
        let ends: Option<Vec<u64>> = certificate.into_iter().collect();
        ends?.into_iter().min()
    }

    /// When the client's certificate ends, if it is one of `authority` (full path validation, RFC 5280 section 6) for client authentication.
    fn certificate_end(&self, authority: &[u8], now_ms: u64) -> Option<u64> {
        let (end_entity, intermediates) = self.identity.certificates.split_first()?;
        let authority = CertificateDer::from(authority);
        let (_, parsed_authority) = X509Certificate::from_der(&authority).ok()?;
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone()).ok()?;
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider)).build().ok()?;
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_millis(now_ms));
        verifier.verify_client_cert(end_entity, intermediates, now).ok()?;
        let (_, certificate) = X509Certificate::from_der(end_entity).ok()?;
        // Path validation takes a certificate that names no purpose for any purpose.
        if !certificate.extended_key_usage().ok()??.value.client_auth {
            return None;
        }
        Some(end_ms(&certificate).min(end_ms(&parsed_authority)))
    }
}
