//! Issuing and renewing client certificates: each is a row of the authentication data of its key store.

use std::time::{Duration, SystemTime};

use claviger_control::message::{IssuedCertificate, Time};
use claviger_control::secret::SecretText;
use claviger_engine::access::{NewAccess, NewPermit};
use claviger_engine::key::id::{AccessRowId, StoreId};
use claviger_engine::{AccessData, AccessRow, Engine, Error, IssuedCertificate as IssuedData};
use http::StatusCode;
use jiff::Timestamp;

use crate::access::ShownCertificate;
use crate::authority::{Authority, Issued, Purpose, Subject};
use crate::control::answer::Answer;
use crate::control::describe;
use crate::control::problem::{Kind, Problem};
use crate::pem;

pub(super) fn issue(
    engine: &Engine,
    store: StoreId,
    common_name: &str,
    lifetime: Duration,
    signing_request: Option<&str>,
    permit: NewPermit,
) -> Result<Answer, Problem> {
    let (issued, data, ends_ms) = certificate(engine, store, common_name, lifetime, signing_request)?;
    // Nobody comes in by the certificate before this is done, and whoever has it comes in from then on.
    let new = NewAccess { data, description: String::new(), ends_ms: Some(ends_ms), permit };
    answer(issued, &engine.add_access(store, new)?, None)
}

pub(super) fn renew(
    engine: &Engine,
    store: StoreId,
    former: AccessRowId,
    lifetime: Duration,
    overlap: Duration,
    signing_request: Option<&str>,
) -> Result<Answer, Problem> {
    let (row, _) = engine.describe_access(store, former)?;
    let AccessData::IssuedCertificate(IssuedData { common_name, .. }) = row.data else {
        return Err(Error::NotACertificate(former).into());
    };
    let (issued, data, ends_ms) = certificate(engine, store, &common_name, lifetime, signing_request)?;
    let until = (SystemTime::now() + overlap).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let former_ends_ms = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
    let (row, before) = engine.renew_access(store, former, data, ends_ms, former_ends_ms)?;
    answer(issued, &row, before.ends_ms)
}

/// A new certificate, what it is told by, and when it ends, in milliseconds since 1970.
fn certificate(
    engine: &Engine,
    store: StoreId,
    common_name: &str,
    lifetime: Duration,
    signing_request: Option<&str>,
) -> Result<(Issued, AccessData, u64), Problem> {
    let stored = engine.authority(store)?;
    let authority = Authority::from_der(&stored.certificate, stored.private_key.expose())?;
    let subject = signing_request.map_or(Subject::Generated, Subject::Request);
    let issued =
        authority.issue(common_name, &Purpose::Client, &subject, lifetime, SystemTime::now(), engine.random())?;
    let shown = ShownCertificate::of(vec![issued.certificate.clone()])
        .ok_or_else(|| Problem::new(Kind::Internal, "the certificate that was issued cannot be read"))?;
    let data = AccessData::IssuedCertificate(IssuedData {
        serial: shown.serial,
        public_key_sha256: shown.public_key_sha256,
        common_name: common_name.to_owned(),
    });
    Ok((issued, data, shown.ends_ms))
}

fn answer(issued: Issued, row: &AccessRow, former_ends_ms: Option<u64>) -> Result<Answer, Problem> {
    let message = IssuedCertificate {
        access_id: row.id.to_string(),
        certificate: pem::encode("CERTIFICATE", &issued.certificate).to_string(),
        private_key: issued.private_key.map(SecretText::from),
        not_after: Timestamp::try_from(issued.not_after)
            .map(Time)
            .map_err(|error| Problem::new(Kind::Internal, format!("the end of the certificate: {error}")))?,
        former_ends: former_ends_ms.map(describe::time),
    };
    // No location: the certificate is not kept, only what tells it.
    Answer::new(StatusCode::CREATED, &message)
}
