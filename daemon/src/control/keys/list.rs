//! Lists of keys: what is asked of them.

use axum::extract::Query;
use claviger_algorithm::KeyKind;
use claviger_control::message::KeyList;
use claviger_engine::KeyRecord;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::name::Name;
use claviger_engine::key::state::KeyState;
use claviger_engine::limits::NAME_SIZE_MAX;
use claviger_engine::list::{KeyFilter, KeyPage};
use serde::Deserialize;

use crate::control::answer::Answer;
use crate::control::call::{Call, limit};
use crate::control::problem::{Kind, Problem};
use crate::control::reached::{self, ReachedPage};
use crate::control::{ControlState, describe};

pub(super) fn list(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    let engine = &state.installation.engine;
    let store = call.store(engine)?;
    let Query(query) = Query::<KeyQuery>::try_from_uri(&call.uri).map_err(|_| {
        let detail = "the query may say `after`, `limit=NUMBER`, `kind`, `state`, `prefix`, `name` and `label`, each once, and nothing else";
        Problem::new(Kind::Malformed, detail)
    })?;
    let filter = query.filter()?;
    let limit = limit(query.limit)?;
    let (keys, next, unreadable) = if filter.state == Some(KeyState::Deleted) {
        let after = query.after.map(|after| after.parse::<KeyId>());
        let after =
            after.transpose().map_err(|error| invalid(&format!("after: {error}, in a list of deleted keys")))?;
        let read = |after: Option<&KeyId>, limit| {
            let KeyPage { keys, next, unreadable } = engine.list_deleted_keys(store, &filter, after.copied(), limit)?;
            Ok((keys, next, unreadable))
        };
        let ReachedPage { entries, next, unreadable } =
            reached::page(&call.permit, after, limit, read, |key: &KeyRecord| (key.id, key.id))?;
        (entries, next.map(|id| id.to_string()), unreadable)
    } else {
        let after = query.after.map(|after| after.parse::<Name>());
        let after = after.transpose().map_err(|error| invalid(&format!("after: {error}")))?;
        let read = |after: Option<&Name>, limit| {
            let KeyPage { keys, next, unreadable } = engine.list_keys(store, &filter, after, limit)?;
            Ok((keys, next, unreadable))
        };
        let ReachedPage { entries, next, unreadable } =
            reached::page(&call.permit, after, limit, read, |key: &KeyRecord| (key.id, key.name.clone()))?;
        (entries, next.map(|name| name.to_string()), unreadable)
    };
    Answer::ok(&KeyList { keys: keys.iter().map(describe::key).collect(), next, unreadable })
}

/// What a list of keys can be asked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyQuery {
    after: Option<String>,
    limit: Option<usize>,
    kind: Option<String>,
    state: Option<String>,
    prefix: Option<String>,
    name: Option<String>,
    label: Option<String>,
}

impl KeyQuery {
    fn filter(&self) -> Result<KeyFilter, Problem> {
        let kind = |text: &str| KINDS.into_iter().find(|kind| describe::kind(*kind) == text);
        let state = |text: &str| STATES.into_iter().find(|state| state.to_string() == text);
        let one_of = |what: &str, words: Vec<String>| invalid(&format!("{what}: give one of: {}", words.join(", ")));
        let kinds = || one_of("kind", KINDS.map(|kind| describe::kind(kind).to_owned()).to_vec());
        let states = || one_of("state", STATES.map(|state| state.to_string()).to_vec());
        Ok(KeyFilter {
            kind: self.kind.as_deref().map(|text| kind(text).ok_or_else(kinds)).transpose()?,
            state: self.state.as_deref().map(|text| state(text).ok_or_else(states)).transpose()?,
            name_prefix: part_of_name("prefix", self.prefix.as_deref())?,
            name_part: part_of_name("name", self.name.as_deref())?,
            label: self.label.as_deref().map(label).transpose()?,
        })
    }
}

/// What a name may have in it; nothing else can be found.
fn part_of_name(what: &str, text: Option<&str>) -> Result<String, Problem> {
    let text = text.unwrap_or_default();
    if text.len() > NAME_SIZE_MAX {
        return Err(invalid(&format!("{what}: names have at most {NAME_SIZE_MAX} characters")));
    }
    Ok(text.to_owned())
}

/// `NAME`, or `NAME=VALUE`.
fn label(text: &str) -> Result<(Name, Option<String>), Problem> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (text, None),
    };
    let name = name.parse().map_err(|error| invalid(&format!("label: give NAME or NAME=VALUE: {error}")))?;
    Ok((name, value))
}

fn invalid(detail: &str) -> Problem {
    Problem::new(Kind::InvalidValue, detail)
}

const KINDS: [KeyKind; 4] = [KeyKind::Secret, KeyKind::Symmetric, KeyKind::Mac, KeyKind::Asymmetric];
const STATES: [KeyState; 4] = [KeyState::Available, KeyState::Disabled, KeyState::DeletionRequested, KeyState::Deleted];
