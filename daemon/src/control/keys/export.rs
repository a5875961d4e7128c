//! Export of a key.

use crate::control::approvals::Approved;
use claviger_control::message::{ExportKey, ExportedKey};
use claviger_engine::Error;
use claviger_engine::approval::ChangeClass;
use claviger_engine::crypto::key_wrap::ReceiverKey;
use claviger_engine::key::version::KeyVersion;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;

use crate::control::ControlState;
use crate::control::call::Call;
use crate::control::change::Change;
use crate::control::permission::EXPORT_KEY;
use crate::control::problem::{Kind, Problem};
use crate::control::route::{Route, change, form};

/// Export.
pub(in crate::control) static ROUTES: &[Route] = &[change(
    "/v1/stores/{store}/keys/{key}/export",
    "export_key",
    "Wrap the material of a key that was created exportable to a public key",
    Approved::As(ChangeClass::Custody),
    form::<ExportedKey>(),
    export,
)
.needs(&EXPORT_KEY)
.takes::<ExportKey>()];

fn export(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let ExportKey { version, public_key } = call.body()?;
    let engine = &state.installation.engine;
    let key = call.key(engine)?;
    let invalid = |detail: String| Problem::new(Kind::InvalidValue, detail);
    let receiver = SubjectPublicKeyInfoDer::from_pem_slice(public_key.as_bytes()).map_err(|_| {
        invalid("public_key: no public key in PEM, which begins with -----BEGIN PUBLIC KEY-----".into())
    })?;
    let receiver = ReceiverKey::from_der(&receiver).map_err(|error| invalid(format!("public_key: {error}")))?;
    // Which version leaves is decided now, so that what is approved, made and written down is the same.
    let version = match version {
        Some(number) => KeyVersion::new(number).ok_or_else(|| invalid("version is 0: versions count from 1".into()))?,
        None => {
            let record = engine.describe_key(key)?;
            record.current().ok_or(Error::KeyNotUsable { id: key, state: record.state })?
        }
    };
    Ok(Change::Export { key, version, receiver })
}
