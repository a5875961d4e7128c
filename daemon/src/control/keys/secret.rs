//! New values of secrets.

use crate::control::approvals::Approved;
use claviger_control::message::{Key, UpdateSecret};
use claviger_engine::approval::ChangeClass;
use claviger_engine::key::material::SecretBytes;
use claviger_engine::key::version::KeyVersion;

use super::life::of_key;
use crate::control::ControlState;
use crate::control::call::Call;
use crate::control::change::{Change, KeyChange};
use crate::control::permission::MANAGE_KEY;
use crate::control::problem::{Kind, Problem};
use crate::control::route::{Route, change, form};
use crate::limits::{CHANGE_TIME, LARGE_BODY_SIZE_MAX};

/// The values of secrets.
pub(in crate::control) static ROUTES: &[Route] = &[change(
    "/v1/stores/{store}/keys/{key}/update",
    "update_secret",
    "Give a secret a new value, as a version that is the current one; the newest 10 are kept",
    Approved::As(ChangeClass::Modify),
    form::<Key>(),
    update,
)
.revised()
.needs(&MANAGE_KEY)
.takes::<UpdateSecret>()
.within(LARGE_BODY_SIZE_MAX, CHANGE_TIME)];

fn update(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let UpdateSecret { value, expected_version } = call.body()?;
    let invalid = |what| Problem::new(Kind::InvalidValue, what);
    let mut value = value.decode_base64().ok_or_else(|| invalid("value: not base64 with padding"))?;
    let expected = expected_version
        .map(|number| KeyVersion::new(number).ok_or_else(|| invalid("expected_version is 0: versions count from 1")));
    let (value, expected) = (SecretBytes::from(std::mem::take(&mut *value)), expected.transpose()?);
    of_key(state, call, KeyChange::UpdateSecret { value, expected })
}
