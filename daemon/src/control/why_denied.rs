//! Why a client is refused: each thing that decides about its admission, told to administrators only. It is judged by what judges admissions.

use std::net::IpAddr;
use std::sync::Arc;

use claviger_control::message::{AccessCheck, AskWhyDenied, WhyDenied};
use claviger_engine::access::{HeldRow, JoinedPermit};
use claviger_engine::emergency::UnwrittenStop;
use claviger_engine::key::id::{AccessRowId, KeyId, StoreId};
use claviger_engine::key::state::KeyState;
use claviger_engine::{AccessData, AccessMethod, Engine, Permit, PermittedOperations, StorePolicy, StoreState};
use rustls::crypto::{CryptoProvider, aws_lc_rs};

use super::answer::Answer;
use super::call::Call;
use super::permission::READ_STORE;
use super::problem::{Kind, Problem};
use super::route::{Route, ask, form};
use super::{ControlState, describe};
use crate::access::{Failure, Shown, ShownCertificate, judge};

/// Questions about admissions.
pub(super) static ROUTES: &[Route] = &[ask::<AskWhyDenied>(
    "/v1/stores/{store}/why-denied",
    "why_denied",
    "Whether a client comes in to a store, method by method",
    form::<WhyDenied>(),
    why_denied,
)
.needs(&READ_STORE)];

/// What the question is about.
struct Question<'q> {
    engine: &'q Engine,
    store: StoreId,
    policy: &'q StorePolicy,
    certificate: Option<ShownCertificate>,
    /// Rows of certificates that are named instead of shown.
    named: Option<Vec<AccessRowId>>,
    address: Option<IpAddr>,
    seen: Option<claviger_engine::HardwareAddress>,
    declared: Option<claviger_engine::HardwareAddress>,
    provider: Arc<CryptoProvider>,
    now_ms: u64,
}

fn why_denied(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    let engine = &state.installation.engine;
    let store = call.store(engine)?;
    let AskWhyDenied { certificate, client, address, hardware_address, declared_hardware_address, operation, key } =
        call.body()?;
    let slot = engine.store_by_id(store).ok_or(claviger_engine::Error::KeyStoreNotFound(store))?;
    let policy = slot.policy();
    let address =
        address.map(|text| text.parse::<IpAddr>().map_err(|_| Problem::of_field("address", "no IPv4 or IPv6 address")));
    let hardware = |text: Option<String>, field: &str| {
        text.map(|text| text.parse().map_err(|error| Problem::of_field(field, error))).transpose()
    };
    let address = address.transpose()?.map(|address| address.to_canonical());
    let seen = address.and_then(|address| state.data.lock().as_ref()?.hardware_address(address));
    let question = Question {
        engine,
        store,
        policy: &policy,
        certificate: certificate.map(|text| shown_certificate(&text)).transpose()?,
        named: client.map(|client| rows_named(&policy, &client)).transpose()?,
        address,
        seen: hardware(hardware_address, "hardware_address")?.or(seen),
        declared: hardware(declared_hardware_address, "declared_hardware_address")?,
        provider: Arc::new(aws_lc_rs::default_provider()),
        now_ms: engine.now_ms(),
    };
    let operation = operation.map(|name| {
        let known = || PermittedOperations::ALL.names().collect::<Vec<_>>().join(", ");
        let set = PermittedOperations::from_names([name.as_str()]);
        set.ok_or_else(|| Problem::of_field("operation", format!("there is no {name:?}: give one of {}", known())))
    });
    let key = key.map(|key| call.key_named(engine, &key)).transpose()?;
    Answer::ok(&question.answer(operation.transpose()?, key))
}

impl Question<'_> {
    fn answer(&self, operation: Option<PermittedOperations>, key: Option<KeyId>) -> WhyDenied {
        let mut checks = vec![self.store()];
        let mut permits: Vec<Vec<Permit>> = Vec::new();
        for method in self.policy.methods.iter().flat_map(|methods| methods.iter()) {
            let (check, permitted) = self.method(method);
            checks.push(check);
            permits.push(permitted);
        }
        if operation.is_some() || key.is_some() {
            checks.push(permission(&JoinedPermit::of(permits.iter()), operation, key));
        }
        WhyDenied { store_id: self.store.to_string(), admitted: checks.iter().all(|check| check.passes), checks }
    }

    fn store(&self) -> AccessCheck {
        let (passes, reason) = if self.policy.methods.is_none() {
            (false, "the records of the key store cannot be read: see the log, and restore them from a backup")
        } else if self.engine.is_stop_unwritten(UnwrittenStop::Store(self.store)) {
            (false, "the key store is disabled (in force, not written yet): `claviger store enable` lets in again")
        } else if self.policy.state == StoreState::Disabled {
            (false, "the key store is disabled: `claviger store enable` lets in again")
        } else {
            (true, "the key store is available")
        };
        check("store", passes, reason, Vec::new())
    }

    fn method(&self, method: AccessMethod) -> (AccessCheck, Vec<Permit>) {
        if method == AccessMethod::ClientCertificate && self.certificate.is_none() && self.named.is_some() {
            return self.named_certificate();
        }
        let shown = Shown {
            address: self.address,
            certificate: self.certificate.as_ref(),
            seen: self.seen,
            declared: self.declared,
        };
        let name = describe::method(method);
        match judge(method, self.policy, &shown, &mut None, &self.provider, self.now_ms) {
            Ok(passed) => {
                let ids = passed.iter().map(|(held, _)| held.row().id).collect();
                let rows: Vec<_> = passed.iter().map(|(held, _)| held.row().data.to_string()).collect();
                let permits = passed.iter().map(|(held, _)| held.row().permit.clone()).collect();
                (check(name, true, format!("lets in: {}", rows.join("; ")), ids), permits)
            }
            Err(failure) => {
                let (reason, ids) = self.why(method, failure);
                (check(name, false, reason, ids), Vec::new())
            }
        }
    }

    /// Of a certificate that is only named: what its row says. Whether it is shown, valid and issued here, only the handshake tells.
    fn named_certificate(&self) -> (AccessCheck, Vec<Permit>) {
        let name = describe::method(AccessMethod::ClientCertificate);
        let ids = self.named.clone().unwrap_or_default();
        let rows: Vec<_> = self.rows().filter(|held| ids.contains(&held.row().id)).collect();
        let lets_in: Vec<_> = rows.iter().filter(|held| self.obstacle(held).is_none()).collect();
        if lets_in.is_empty() {
            let why: Vec<_> =
                rows.iter().filter_map(|held| Some(format!("{}: {}", held.row().id, self.obstacle(held)?))).collect();
            return (check(name, false, why.join("; "), ids), Vec::new());
        }
        let reason = "its authentication data let in, if it shows that certificate; give the file of the certificate to have it judged too";
        let permits = lets_in.iter().map(|held| held.row().permit.clone()).collect();
        (check(name, true, reason, lets_in.iter().map(|held| held.row().id).collect()), permits)
    }

    /// Why a method fails, in words, and the rows that would let in.
    fn why(&self, method: AccessMethod, failure: Failure) -> (String, Vec<AccessRowId>) {
        let nearly: Vec<_> = self
            .rows()
            .filter(|held| self.asks_for_this(held))
            .filter(|held| held.row().data.method() == method)
            .collect();
        let ids = nearly.iter().map(|held| held.row().id).collect();
        let obstacles: Vec<_> =
            nearly.iter().filter_map(|held| Some(format!("{} {}", held.row().data, self.obstacle(held)?))).collect();
        let reason = match (failure, method) {
            (Failure::NothingShown, AccessMethod::ClientCertificate) => {
                "no certificate was given: give its file, or the client shows none".to_owned()
            }
            (Failure::NothingShown, AccessMethod::Address) => "no address was given: give it with --address".to_owned(),
            (Failure::NothingShown, AccessMethod::HardwareAddress) => {
                let declared = if self.declared.is_some() { "; the one that it says does not count in this store" } else { "" };
                format!("the server sees no hardware address: the client is behind a router, or was not asked about{declared}")
            }
            (Failure::NoRow | Failure::RowEnded, _) if !obstacles.is_empty() => obstacles.join("; "),
            (Failure::RowEnded, _) => "its authentication data have ended".to_owned(),
            (Failure::NoRow, AccessMethod::ClientCertificate) => {
                "no authentication data of this store name the certificate: issue one, or pin its key with `claviger access add`".to_owned()
            }
            (Failure::NoRow, AccessMethod::Address) => {
                format!("{} lies in no network of this store: see `claviger access add --address`", self.address.map(|address| address.to_string()).unwrap_or_default())
            }
            (Failure::NoRow, AccessMethod::HardwareAddress) => {
                "no authentication data of this store have this hardware address: see `claviger access add --hardware-address`".to_owned()
            }
            (Failure::CertificateNotValid, _) => "the certificate is not valid yet, or has ended: renew it".to_owned(),
            (Failure::NotForClients, _) => "the certificate is not for client authentication: issue another one".to_owned(),
            (Failure::NotIssuedHere, _) => {
                "the certificate says the key and number of one that was issued, but this store's authority has not signed it".to_owned()
            }
        };
        (reason, ids)
    }

    fn rows(&self) -> impl Iterator<Item = &HeldRow> {
        self.policy.access.rows().iter().map(AsRef::as_ref)
    }

    /// Why a row lets nobody in now.
    fn obstacle(&self, held: &HeldRow) -> Option<&'static str> {
        let row = held.row();
        if self.engine.is_stop_unwritten(UnwrittenStop::Row(row.store, row.id)) {
            return Some("is disabled (in force, not written yet): `claviger access enable` lets in again");
        }
        match row.state {
            KeyState::Available if row.passes(self.now_ms) => None,
            KeyState::Available => Some("has ended: renew the certificate, or set another end"),
            KeyState::Disabled => Some("is disabled: `claviger access enable` lets in again"),
            KeyState::DeletionRequested | KeyState::Deleted => {
                Some("waits for its deletion: `claviger access cancel-deletion` keeps it")
            }
        }
    }

    /// Whether what was shown is what a row asks for, whatever its state.
    fn asks_for_this(&self, held: &HeldRow) -> bool {
        match &held.row().data {
            AccessData::Network(network) => self.address.is_some_and(|address| network.contains(address)),
            AccessData::HardwareAddress(address) => self.seen.or(self.declared) == Some(*address),
            AccessData::IssuedCertificate(issued) => self.certificate.as_ref().is_some_and(|certificate| {
                certificate.public_key_sha256 == issued.public_key_sha256 && certificate.serial == issued.serial
            }),
            AccessData::PinnedKey(sha256) => {
                self.certificate.as_ref().is_some_and(|certificate| certificate.public_key_sha256 == *sha256)
            }
        }
    }
}

/// Whether what was asked about is permitted to whoever has come in.
fn permission(permit: &JoinedPermit, operation: Option<PermittedOperations>, key: Option<KeyId>) -> AccessCheck {
    let wanted = operation.unwrap_or(PermittedOperations::NONE);
    let of_keys = claviger_algorithm::Operation::ALL.into_iter().find(|operation| wanted.contains(*operation));
    let passes = match (of_keys, key) {
        (Some(operation), Some(key)) => permit.allows(operation, key),
        // With some key at least.
        (Some(operation), None) => permit.allows_some(operation),
        (None, Some(key)) => permit.has_key(key) && (!wanted.random_bytes() || permit.random_bytes()),
        (None, None) => permit.random_bytes(),
    };
    let reason = if passes {
        "the authentication data by which it comes in permit this"
    } else {
        "the authentication data by which it comes in do not permit this: see `claviger access narrow`"
    };
    check("operation", passes, reason, Vec::new())
}

/// The certificate rows of this id or name.
fn rows_named(policy: &StorePolicy, client: &str) -> Result<Vec<AccessRowId>, Problem> {
    let id = client.parse::<AccessRowId>().ok();
    let is_it = |held: &HeldRow| match &held.row().data {
        AccessData::IssuedCertificate(issued) => Some(held.row().id) == id || issued.common_name == client,
        AccessData::PinnedKey(_) => Some(held.row().id) == id || held.row().description == client,
        AccessData::Network(_) | AccessData::HardwareAddress(_) => false,
    };
    let found: Vec<_> = policy.access.rows().iter().filter(|held| is_it(held)).map(|held| held.row().id).collect();
    if found.is_empty() {
        let detail = format!(
            "no certificate of this store has the name or id {client:?}: see `claviger access list`; a client without one is named by its address"
        );
        return Err(Problem::new(Kind::AccessNotFound, detail));
    }
    Ok(found)
}

fn shown_certificate(text: &str) -> Result<ShownCertificate, Problem> {
    ShownCertificate::from_pem(text).ok_or_else(|| Problem::of_field("certificate", "not a certificate in PEM"))
}

fn check(name: &str, passes: bool, reason: impl Into<String>, ids: Vec<AccessRowId>) -> AccessCheck {
    let access_ids = ids.iter().map(ToString::to_string).collect();
    AccessCheck { check: name.to_owned(), passes, reason: reason.into(), access_ids }
}
