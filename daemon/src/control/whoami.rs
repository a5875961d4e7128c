//! Who the server takes the caller for.

use claviger_control::message::{CallerCertificate, Identity, Time};
use claviger_engine::Engine;
use claviger_engine::key::id::StoreId;
use claviger_engine::person::{Grant, Person, Role};
use jiff::Timestamp;

use super::ControlState;
use super::answer::Answer;
use super::call::Call;
use super::permission::EVERYBODY;
use super::persons;
use super::problem::Problem;
use super::route::{Route, form, read};

/// Who asks.
pub(super) static ROUTES: &[Route] =
    &[read("/v1/whoami", "whoami", "Who the server takes you for, and what you may do", form::<Identity>(), whoami)
        .needs(&EVERYBODY)];

fn whoami(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    let engine = &state.installation.engine;
    let (caller, person) = (&call.caller, call.permit.person.as_deref());
    let (_, not_after) = caller.validity();
    let certificate = CallerCertificate {
        common_name: caller.common_name().to_owned(),
        sha256: caller.requester().to_string(),
        public_key_sha256: caller.key().to_string(),
        not_after: Time(Timestamp::try_from(not_after).unwrap_or(Timestamp::MAX)),
    };
    let summary = match person {
        Some(person) => {
            format!("You are the person {}, known by the public key of your certificate.", person.record.name)
        }
        None => format!(
            "You are {}, an administrator by configuration: your certificate is one of the administrators' authority.",
            caller.common_name()
        ),
    };
    Answer::ok(&Identity {
        summary,
        permissions: permissions(engine, person),
        certificate,
        administrator_by_configuration: caller.is_administrator(),
        person: person.map(|person| persons::describe(engine, person)),
    })
}

fn permissions(engine: &Engine, person: Option<&Person>) -> Vec<String> {
    let Some(person) = person else { return vec![EVERYTHING.to_owned()] };
    if person.record.grants.is_empty() {
        return vec!["You have no role: a system administrator grants one (`claviger person grant`).".to_owned()];
    }
    person.record.grants.iter().map(|grant| in_words(engine, person, grant)).collect()
}

fn in_words(engine: &Engine, person: &Person, grant: &Grant) -> String {
    let store = grant.store.map(|store| store_name(engine, store));
    let place = store.as_ref().map_or_else(String::new, |store| format!(" in key store {store}"));
    let keys = grant.store.map_or(0, |store| person.keys_in(store).count());
    let exports = if grant.may_export { ", and export those that were created for it" } else { "" };
    match grant.role {
        Role::SystemAdministrator => EVERYTHING.to_owned(),
        Role::StoreAdministrator => format!("You manage all keys{place} and who may come in{exports}."),
        Role::KeyManager => {
            let creates = if grant.may_create { ", create new ones" } else { "" };
            format!("You manage the {keys} keys{place} that are assigned to you{creates}{exports}.")
        }
        Role::Requester => format!("You read everything{place} and ask for changes, which others approve."),
        Role::Approver => format!("You read everything{place} and approve changes that others ask for."),
        Role::Auditor if grant.store.is_none() => "You read everything, and change nothing.".to_owned(),
        Role::Auditor => format!("You read everything{place}, and change nothing."),
    }
}

/// The name of a key store, or its id should it be gone.
pub(super) fn store_name(engine: &Engine, id: StoreId) -> String {
    engine.store_by_id(id).map_or_else(|| id.to_string(), |store| store.policy().name.to_string())
}

const EVERYTHING: &str = "You may do everything.";
