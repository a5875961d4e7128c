//! What people say of a key.

use crate::control::approvals::Approved;
use claviger_engine::approval::ChangeClass;
use std::collections::BTreeMap;

use claviger_control::message::{Key, SetAbout};
use claviger_engine::About;
use claviger_engine::change::AboutChange;
use claviger_engine::key::name::Name;

use super::life::of_key;
use crate::control::ControlState;
use crate::control::call::Call;
use crate::control::change::{Change, KeyChange};
use crate::control::permission::MANAGE_KEY;
use crate::control::problem::{Kind, Problem};
use crate::control::route::{Route, change, form};
use crate::limits::{CHANGE_TIME, LARGE_BODY_SIZE_MAX};

/// Descriptions and labels.
pub(in crate::control) static ROUTES: &[Route] = &[change(
    "/v1/stores/{store}/keys/{key}/about",
    "set_about",
    "Change description and labels of a key",
    Approved::As(ChangeClass::Modify),
    form::<Key>(),
    set_about,
)
.revised()
.needs(&MANAGE_KEY)
.takes::<SetAbout>()
.within(LARGE_BODY_SIZE_MAX, CHANGE_TIME)];

fn set_about(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let SetAbout { description, labels } = call.body()?;
    let labels = labels.into_iter().map(|(label, value)| Ok((label_name(&label)?, value)));
    let labels = labels.collect::<Result<_, String>>().map_err(|detail| Problem::new(Kind::InvalidValue, detail))?;
    of_key(state, call, KeyChange::SetAbout { about: AboutChange { description, labels } })
}

/// What is said of a key that is created. Sizes and characters are checked by the engine.
pub(super) fn about(description: String, labels: BTreeMap<String, String>) -> Result<About, String> {
    let labels = labels.into_iter().map(|(label, value)| Ok((label_name(&label)?, value)));
    Ok(About { description, labels: labels.collect::<Result<_, String>>()? })
}

fn label_name(label: &str) -> Result<Name, String> {
    label.parse().map_err(|error| format!("labels: {label:?}: {error}"))
}
