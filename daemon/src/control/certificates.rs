//! Client certificates of a key store, and the authority that issues them.

use std::time::Duration;

use claviger_control::limits::{CERTIFICATE_DAYS, CERTIFICATE_DAYS_MAX, CERTIFICATE_DAYS_MIN};
use claviger_control::message::{IssueCertificate, StoreAuthority};

use super::ControlState;
use super::answer::Answer;
use super::call::Call;
use super::change::Change;
use super::problem::{Kind, Problem};
use crate::pem;

pub(super) fn issue(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let store = call.store(&state.installation.engine)?;
    let IssueCertificate { common_name, lifetime_days, signing_request } = call.body()?;
    let days = lifetime_days.unwrap_or(CERTIFICATE_DAYS);
    if !(CERTIFICATE_DAYS_MIN..=CERTIFICATE_DAYS_MAX).contains(&days) {
        let detail = format!("lifetime_days is {days}: give {CERTIFICATE_DAYS_MIN} to {CERTIFICATE_DAYS_MAX}");
        return Err(Problem::new(Kind::InvalidValue, detail));
    }
    let lifetime = DAY * days;
    Ok(Change::IssueCertificate { store, common_name, lifetime, signing_request })
}

pub(super) fn authority(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    let engine = &state.installation.engine;
    let authority = engine.authority(call.store(engine)?)?;
    Answer::ok(&StoreAuthority { certificate: pem::encode("CERTIFICATE", &authority.certificate).to_string() })
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
