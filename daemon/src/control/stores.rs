//! Key stores: create, list, describe.

use claviger_control::message::{CreateStore, Store, StoreList};
use claviger_engine::{AccessMethods, Error};

use super::answer::Answer;
use super::call::Call;
use super::change::Change;
use super::problem::{Kind, Problem};
use super::route::{Route, change, form, read};
use super::{ControlState, describe};

/// Key stores.
pub(super) static ROUTES: &[Route] = &[
    read("/v1/stores", "list_stores", "Key stores in the order of their names", form::<StoreList>(), list).paged(),
    change("/v1/stores", "create_store", "Create a key store", form::<Store>(), create)
        .takes::<CreateStore>()
        .creates(),
    read("/v1/stores/{store}", "read_store", "Describe a key store", form::<Store>(), show),
];

fn create(_: &ControlState, call: &Call) -> Result<Change, Problem> {
    let CreateStore { name, access } = call.body()?;
    let name = name.parse().map_err(|error| Problem::new(Kind::InvalidValue, format!("name: {error}")))?;
    if !access.client_certificate {
        let detail = "a key store needs at least one access method, or everybody could come in: set \"access\": {\"client_certificate\": true}";
        return Err(Problem::new(Kind::NoAccessMethod, detail));
    }
    Ok(Change::CreateStore { name, methods: AccessMethods::CLIENT_CERTIFICATE })
}

fn list(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    let engine = &state.installation.engine;
    let page = call.page()?;
    let mut records = Vec::new();
    for slot in engine.stores() {
        let policy = slot.policy();
        let comes_later = page.after.as_ref().is_none_or(|after| policy.name > *after);
        if comes_later && records.len() < page.limit {
            match engine.describe_store(slot.id()) {
                Ok(record) => records.push(record),
                Err(Error::KeyStoreNotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    let next = records.last().filter(|_| records.len() == page.limit).map(|record| record.name.to_string());
    Answer::ok(&StoreList { stores: records.iter().map(describe::store).collect(), next })
}

fn show(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    let engine = &state.installation.engine;
    Answer::ok(&describe::store(&engine.describe_store(call.store(engine)?)?))
}
