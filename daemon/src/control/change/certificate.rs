//! Issuing client certificates: each is a row of the authentication data of its key store.

use std::time::{Duration, SystemTime};

use claviger_control::message::IssuedCertificate;
use claviger_control::secret::SecretText;
use claviger_engine::access::{NewAccess, NewPermit};
use claviger_engine::key::id::StoreId;
use claviger_engine::{AccessData, Engine, IssuedCertificate as IssuedData};
use http::StatusCode;
use jiff::Timestamp;

use crate::access::ShownCertificate;
use crate::authority::{Authority, Purpose, Subject};
use crate::control::answer::Answer;
use crate::control::problem::{Kind, Problem};
use crate::pem;

pub(super) fn issue(
    engine: &Engine,
    store: StoreId,
    common_name: &str,
    lifetime: Duration,
    signing_request: Option<&str>,
) -> Result<Answer, Problem> {
    let stored = engine.authority(store)?;
    let authority = Authority::from_der(&stored.certificate, stored.private_key.expose())?;
    let subject = signing_request.map_or(Subject::Generated, Subject::Request);
    let issued =
        authority.issue(common_name, &Purpose::Client, &subject, lifetime, SystemTime::now(), engine.random())?;
    let internal = |detail: String| Problem::new(Kind::Internal, detail);
    let shown = ShownCertificate::of(vec![issued.certificate.clone()])
        .ok_or_else(|| internal("the certificate that was issued cannot be read".to_owned()))?;
    // Nobody comes in by the certificate before this is done, and whoever has it comes in from then on.
    let row = engine.add_access(
        store,
        NewAccess {
            data: AccessData::IssuedCertificate(IssuedData {
                serial: shown.serial,
                public_key_sha256: shown.public_key_sha256,
                common_name: common_name.to_owned(),
            }),
            description: String::new(),
            ends_ms: Some(shown.ends_ms),
            permit: NewPermit::default(),
        },
    )?;
    let message = IssuedCertificate {
        access_id: row.id.to_string(),
        certificate: pem::encode("CERTIFICATE", &issued.certificate).to_string(),
        private_key: issued.private_key.map(SecretText::from),
        not_after: Timestamp::try_from(issued.not_after)
            .map_err(|error| internal(format!("the end of the certificate: {error}")))?,
    };
    // No location: the certificate is not kept, only what tells it.
    Answer::new(StatusCode::CREATED, &message)
}
