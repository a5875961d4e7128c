//! Client certificates of a key store, and the authority that issues them.

use super::approvals::Approved;
use claviger_engine::approval::ChangeClass;
use std::time::Duration;

use claviger_control::limits::{CERTIFICATE_DAYS, CERTIFICATE_DAYS_MAX, CERTIFICATE_DAYS_MIN};
use claviger_control::message::{IssueCertificate, IssuedCertificate, StoreAuthority};

use super::ControlState;
use super::access::permit;
use super::answer::Answer;
use super::call::Call;
use super::change::Change;
use super::permission::{MANAGE_STORE, READ_STORE};
use super::problem::{Kind, Problem};
use super::route::{Route, change, form, read};
use crate::pem;

/// Client certificates.
pub(super) static ROUTES: &[Route] = &[
    read(
        "/v1/stores/{store}/authority",
        "read_authority",
        "The authority that issues the store's client certificates",
        form::<StoreAuthority>(),
        authority,
    )
    .needs(&READ_STORE),
    change(
        "/v1/stores/{store}/certificates",
        "issue_certificate",
        "Issue a client certificate",
        Approved::As(ChangeClass::AccessControl),
        form::<IssuedCertificate>(),
        issue,
    )
    .needs(&MANAGE_STORE)
    .takes::<IssueCertificate>()
    .creates()
    .answers_once(),
];

fn issue(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let store = call.store(&state.installation.engine)?;
    let IssueCertificate { common_name, lifetime_days, signing_request, operations, keys } = call.body()?;
    let permit = permit(&state.installation.engine, call, operations, keys)?;
    let lifetime = lifetime(lifetime_days)?;
    Ok(Change::IssueCertificate { store, common_name, lifetime, signing_request, permit })
}

/// How long a certificate is to be valid.
pub(super) fn lifetime(lifetime_days: Option<u32>) -> Result<Duration, Problem> {
    let days = lifetime_days.unwrap_or(CERTIFICATE_DAYS);
    if !(CERTIFICATE_DAYS_MIN..=CERTIFICATE_DAYS_MAX).contains(&days) {
        let detail = format!("lifetime_days is {days}: give {CERTIFICATE_DAYS_MIN} to {CERTIFICATE_DAYS_MAX}");
        return Err(Problem::new(Kind::InvalidValue, detail));
    }
    Ok(DAY * days)
}

fn authority(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    let engine = &state.installation.engine;
    let authority = engine.authority(call.store(engine)?)?;
    Answer::ok(&StoreAuthority { certificate: pem::encode("CERTIFICATE", &authority.certificate).to_string() })
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
