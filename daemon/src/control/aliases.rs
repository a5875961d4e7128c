//! Aliases of keys: list, create, move, delete.

use super::approvals::Approved;
use claviger_control::message::{Alias, AliasList, CreateAlias, MoveAlias, Nothing};
use claviger_engine::approval::ChangeClass;
use claviger_engine::key::name::Name;
use claviger_engine::names::AliasPage;

use super::answer::Answer;
use super::call::Call;
use super::change::{AliasChange, Change};
use super::permission::{MANAGE_ALIASES, READ_STORE};
use super::problem::{Kind, Problem};
use super::reached::{self, ReachedPage};
use super::route::{Route, change, form, read};
use super::{ControlState, describe};

/// Aliases.
pub(super) static ROUTES: &[Route] = &[
    read(
        "/v1/stores/{store}/aliases",
        "list_aliases",
        "Aliases of the keys of a store in their order",
        form::<AliasList>(),
        list,
    )
    .needs(&READ_STORE)
    .paged(),
    change(
        "/v1/stores/{store}/aliases",
        "create_alias",
        "Give a key one more name",
        Approved::As(ChangeClass::Create),
        form::<Alias>(),
        create,
    )
    .needs(&MANAGE_ALIASES)
    .takes::<CreateAlias>()
    .creates(),
    change(
        "/v1/stores/{store}/aliases/{alias}/move",
        "move_alias",
        "Have an alias stand for another key, in one step",
        Approved::As(ChangeClass::Modify),
        form::<Alias>(),
        move_to,
    )
    .revised()
    .needs(&MANAGE_ALIASES)
    .takes::<MoveAlias>(),
    change(
        "/v1/stores/{store}/aliases/{alias}/delete",
        "delete_alias",
        "Take an alias from its key; the key stays",
        Approved::As(ChangeClass::Modify),
        form::<Alias>(),
        delete,
    )
    .revised()
    .needs(&MANAGE_ALIASES),
];

fn list(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    let engine = &state.installation.engine;
    let (store, page) = (call.store(engine)?, call.page()?);
    let read = |after: Option<&Name>, limit| {
        let AliasPage { aliases, next, unreadable } = engine.list_aliases(store, after, limit)?;
        Ok((aliases, next, unreadable))
    };
    let ReachedPage { entries, next, unreadable } =
        reached::page(&call.permit, page.after, page.limit, read, |(alias, key)| (key.id, alias.clone()))?;
    let aliases = entries.iter().map(|(alias, key)| describe::alias(alias, key)).collect();
    Answer::ok(&AliasList { aliases, next: next.map(|alias| alias.to_string()), unreadable })
}

fn create(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let CreateAlias { alias, key } = call.body()?;
    let engine = &state.installation.engine;
    let store = call.store(engine)?;
    let alias = alias.parse().map_err(|error| Problem::new(Kind::InvalidValue, format!("alias: {error}")))?;
    let key = call.key_named(engine, &key)?;
    Ok(Change::Alias { store, alias, change: AliasChange::Create { key } })
}

fn move_to(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let MoveAlias { key } = call.body()?;
    let engine = &state.installation.engine;
    let (store, (alias, of)) = (call.store(engine)?, call.alias(engine)?);
    let key = call.key_named(engine, &key)?;
    Ok(Change::Alias { store, alias, change: AliasChange::Move { key, of } })
}

fn delete(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let Nothing {} = call.body()?;
    let engine = &state.installation.engine;
    let (store, (alias, of)) = (call.store(engine)?, call.alias(engine)?);
    Ok(Change::Alias { store, alias, change: AliasChange::Delete { of } })
}
