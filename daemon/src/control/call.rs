//! What is asked: path, query and body of one request, as types.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::Query;
use claviger_engine::Engine;
use claviger_engine::key::id::{AccessRowId, ImportId, KeyId, StoreId};
use claviger_engine::key::name::Name;
use claviger_engine::key::version::KeyVersion;
use claviger_engine::limits::LIST_PAGE_SIZE_MAX;
use claviger_engine::person::Person;
use http::Uri;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::caller::Caller;
use super::permission::Permit;
use super::problem::{Kind, Problem};
use super::route::Route;
use crate::limits::LIST_PAGE_SIZE;

/// One request, after everything that is alike for all routes has been checked.
pub(super) struct Call {
    /// The route.
    pub(super) route: &'static Route,
    /// Who asks.
    pub(super) caller: Caller,
    /// That he may, and what he reaches.
    pub(super) permit: Permit,
    /// Names the request in the log and in the answer.
    pub(super) trace_id: String,
    /// Parts of the path by the names that the route gives them.
    pub(super) parameters: Parameters,
    /// The URI.
    pub(super) uri: Uri,
    /// The revision of what is changed, as the caller has seen it, if he minds.
    pub(super) expected: Option<String>,
    /// The key by which a creation is made once, however often it is sent.
    pub(super) once: Option<String>,
    /// The body; it may hold secrets.
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// Parts of a path by the names that the route gives them.
pub(super) type Parameters = BTreeMap<String, String>;

/// Which part of a list is asked for.
pub(super) struct Page {
    pub(super) after: Option<Name>,
    pub(super) limit: usize,
}

impl Call {
    /// The body as a `T`. An empty one says `{}`.
    pub(super) fn body<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let body = if self.body.is_empty() { b"{}" } else { self.body.trim_ascii_start() };
        // The library would take an array for the fields of an object in their order.
        if !body.starts_with(b"{") {
            return Err(Problem::new(Kind::Malformed, "the body is not what this route takes: expected a JSON object"));
        }
        serde_json::from_slice(body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let detail =
                format!("the body is not what this route takes: {} at line {line}, column {column}", harmless(&error));
            Problem::new(Kind::Malformed, detail)
        })
    }

    /// The part of a list that the query asks for.
    pub(super) fn page(&self) -> Result<Page, Problem> {
        let (after, limit) = self.after_and_limit()?;
        let after = after.map(|after| after.parse::<Name>());
        let after = after.transpose().map_err(|error| Problem::new(Kind::InvalidValue, format!("after: {error}")))?;
        Ok(Page { after, limit })
    }

    /// As [`Call::page`], where what a page begins after is no name.
    pub(super) fn after_and_limit(&self) -> Result<(Option<String>, usize), Problem> {
        let Query(query) = Query::<PageQuery>::try_from_uri(&self.uri).map_err(|_| {
            Problem::new(
                Kind::Malformed,
                "the query may say `after=NAME` and `limit=NUMBER`, each once, and nothing else",
            )
        })?;
        Ok((query.after, limit(query.limit)?))
    }

    /// The id of the key store that the path names by id or name.
    pub(super) fn store(&self, engine: &Engine) -> Result<StoreId, Problem> {
        find_store(engine, &self.parameters)
    }

    /// The id of the key that the path names by id, name or alias, in the key store that it names.
    pub(super) fn key(&self, engine: &Engine) -> Result<KeyId, Problem> {
        self.key_named(engine, self.parameter("key"))
    }

    /// The id of the key of this id, name or alias, in the key store that the path names, if the caller reaches it. No key's id comes to a handler by another way.
    pub(super) fn key_named(&self, engine: &Engine, text: &str) -> Result<KeyId, Problem> {
        let key = find_key(engine, self.store(engine)?, text)?;
        if self.permit.reaches(key) { Ok(key) } else { Err(no_key(text).refusing()) }
    }

    /// The person whom the path names by id or name.
    pub(super) fn person(&self, engine: &Engine) -> Result<Arc<Person>, Problem> {
        let text = self.parameter("person");
        let by_id = text.parse().ok().and_then(|id| engine.person(id));
        let by_name = || text.parse().ok().and_then(|name| engine.person_by_name(&name));
        by_id.or_else(by_name).ok_or_else(|| {
            let detail =
                format!("no person has the name or id {text:?}: see GET /v1/persons, or `claviger person list`");
            Problem::new(Kind::PersonNotFound, detail)
        })
    }

    /// The alias that the path names, and the key that it has to stand for where the caller does not reach every key. Whether there is one that may stand for any, the engine finds out.
    pub(super) fn alias(&self, engine: &Engine) -> Result<(Name, Option<KeyId>), Problem> {
        let text = self.parameter("alias");
        let no_alias = || {
            let detail = format!(
                "no key of this store has the alias {text:?}: see GET /v1/stores/STORE/aliases, or `claviger alias list`"
            );
            Problem::new(Kind::AliasNotFound, detail)
        };
        let alias: Name = text.parse().map_err(|_| no_alias())?;
        if self.permit.reaches_all() {
            return Ok((alias, None));
        }
        let key = engine.find_key(self.store(engine)?, &alias)?.filter(|key| self.permit.reaches(*key));
        Ok((alias, Some(key.ok_or_else(no_alias)?)))
    }

    /// The backup that the path names. Whether there is one, those find out who look after them.
    pub(super) fn backup(&self) -> &str {
        self.parameter("backup")
    }

    /// The import that the path names by its id. Whether it is open is found out by the engine.
    pub(super) fn import(&self) -> Result<ImportId, Problem> {
        let text = self.parameter("import");
        text.parse().map_err(|error| Problem::new(Kind::ImportNotFound, format!("{text:?} is no import: {error}")))
    }

    /// The row of authentication data that the path names by its id. Whether there is one is found out by the engine.
    pub(super) fn access(&self) -> Result<AccessRowId, Problem> {
        let text = self.parameter("access");
        text.parse().map_err(|error| {
            let detail = format!("{text:?} is no id of authentication data: {error}; see GET /v1/stores/STORE/access, or `claviger access list`");
            Problem::new(Kind::AccessNotFound, detail)
        })
    }

    /// The version that the path names by its number. Whether the key has it is found out by the engine.
    pub(super) fn version(&self) -> Result<KeyVersion, Problem> {
        let text = self.parameter("version");
        text.parse().ok().and_then(KeyVersion::new).ok_or_else(|| {
            let detail = format!("{text:?} is no number of a version: give one of those that the key shows");
            Problem::new(Kind::KeyVersionNotFound, detail)
        })
    }

    /// The version of the system key that the path names by its number. Whether there is one is found out by the engine.
    pub(super) fn system_key_version(&self) -> Result<u32, Problem> {
        let text = self.parameter("version");
        text.parse().map_err(|_| {
            let detail =
                format!("{text:?} is no number of a version: see GET /v1/system-keys, or `claviger system-key list`");
            Problem::new(Kind::SystemKeyNotFound, detail)
        })
    }

    pub(super) fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }
}

/// The id of the key store that a path names by id or name.
pub(super) fn find_store(engine: &Engine, parameters: &Parameters) -> Result<StoreId, Problem> {
    let text = parameters.get("store").map_or("", String::as_str);
    store_named(engine, text)
}

/// The id of the key store of this id or name.
pub(super) fn store_named(engine: &Engine, text: &str) -> Result<StoreId, Problem> {
    let by_id = text.parse().ok().and_then(|id| engine.store_by_id(id));
    let by_name = || text.parse().ok().and_then(|name| engine.store_by_name(&name));
    by_id.or_else(by_name).map(|store| store.id()).ok_or_else(|| no_store(text))
}

/// What is answered for a key store that is not there, or not for the caller.
pub(super) fn no_store(text: &str) -> Problem {
    let detail = format!("no key store has the name or id {text:?}: see GET /v1/stores, or `claviger store list`");
    Problem::new(Kind::StoreNotFound, detail)
}

/// The id of the key of this id, name or alias in a key store.
pub(super) fn find_key(engine: &Engine, store: StoreId, text: &str) -> Result<KeyId, Problem> {
    if let Ok(id) = text.parse::<KeyId>() {
        // A name may look like an id: what is no id of this store may still be one of its names.
        if engine.describe_key(id).is_ok_and(|record| record.store == store) {
            return Ok(id);
        }
    }
    let named = text.parse::<Name>().ok().map(|name| engine.find_key(store, &name)).transpose()?;
    named.flatten().ok_or_else(|| no_key(text))
}

/// What is answered for a key that is not there, or not for the caller.
fn no_key(text: &str) -> Problem {
    let detail = format!(
        "no key of this store has the name, alias or id {text:?}: see GET /v1/stores/STORE/keys, or `claviger key list`"
    );
    Problem::new(Kind::KeyNotFound, detail)
}

/// How many of a list are asked for, if it may be so many.
pub(super) fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    let limit = asked.unwrap_or(LIST_PAGE_SIZE);
    if !(1..=LIST_PAGE_SIZE_MAX).contains(&limit) {
        return Err(Problem::new(Kind::InvalidValue, format!("limit is {limit}: give 1 to {LIST_PAGE_SIZE_MAX}")));
    }
    Ok(limit)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    after: Option<String>,
    limit: Option<usize>,
}

/// What is wrong with a body, without quoting it: a value in it may be secret.
fn harmless(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    let about_fields = ["unknown field", "missing field", "duplicate field"];
    if about_fields.iter().any(|start| text.starts_with(start)) || !error.is_data() {
        return text.to_owned();
    }
    // "invalid type: string \"...\", expected a sequence": what was expected is ours, what came is not.
    text.rsplit_once(", expected ")
        .map_or_else(|| "a value is wrong".to_owned(), |(_, expected)| format!("expected {expected}"))
}

#[cfg(test)]
mod tests {
    use claviger_control::message::{CreateKeys, CreateStore};

    use super::*;

    fn said<T: DeserializeOwned>(body: &str) -> String {
        harmless(&serde_json::from_str::<T>(body).err().unwrap())
    }

    #[test]
    fn what_is_wrong_with_a_body_is_told_without_quoting_it() {
        for (body, expected) in [
            ("", "EOF while parsing a value"),
            ("{", "EOF while parsing an object"),
            ("\"hunter2\"", "expected struct CreateKeys"),
            ("{\"keys\": \"hunter2\"}", "expected a sequence"),
            ("{\"keys\": [{\"name\": \"a\", \"algorithm\": \"OPAQUE\", \"value\": 424242}]}", "expected a string"),
            (
                "{\"keys\": [{\"name\": \"a\", \"algorithm\": \"OPAQUE\", \"valeu\": \"hunter2\"}]}",
                "unknown field `valeu`",
            ),
            ("{\"keys\": [{\"name\": \"hunter2, expected hunter2\"}]}", "missing field `algorithm`"),
            ("{\"keys\": \"x, expected hunter2\"}", "expected a sequence"),
            ("{\"keys\": [], \"keys\": []}", "duplicate field `keys`"),
            ("{\"keys\": []} hunter2", "trailing characters"),
            ("{\"keys\": hunter2}", "expected value"),
        ] {
            let said = said::<CreateKeys>(body);
            assert!(said.contains(expected), "{body}: {said}");
            assert!(!said.contains("hunter2") && !said.contains("424242"), "{body}: {said}");
        }
        assert!(
            said::<CreateStore>("{\"name\": \"a\", \"access\": {\"password\": true}}")
                .contains("unknown field `password`")
        );
    }
}
