//! What needs an approval.

use std::num::NonZeroU8;

use claviger_control::message::{self, SetApprovalPolicy};
use claviger_engine::Engine;
use claviger_engine::approval::{ApprovalPolicy, ChangeClass};
use claviger_engine::key::id::StoreId;
use claviger_engine::person::Role;

use super::Approved;
use crate::control::ControlState;
use crate::control::answer::Answer;
use crate::control::call::Call;
use crate::control::change::Change;
use crate::control::permission::{MANAGE_INSTALLATION, MANAGE_STORE, READ_INSTALLATION, READ_STORE};
use crate::control::problem::{Kind, Problem};
use crate::control::route::{Route, change, form, read};

/// What needs an approval, in key stores and of the installation.
pub(in crate::control) static ROUTES: &[Route] = &[
    read(
        "/v1/stores/{store}/approval-policy",
        "read_approval_policy",
        "Which changes of a key store need an approval",
        form::<message::ApprovalPolicy>(),
        show_of_store,
    )
    .needs(&READ_STORE),
    change(
        "/v1/stores/{store}/approval-policy",
        "set_approval_policy",
        "Set which changes of a key store need an approval",
        Approved::AsPolicy,
        form::<message::ApprovalPolicy>(),
        set_of_store,
    )
    .revised()
    .needs(&MANAGE_STORE)
    .takes::<SetApprovalPolicy>(),
    read(
        "/v1/approval-policy",
        "read_installation_approval_policy",
        "Which changes of the installation need an approval",
        form::<message::ApprovalPolicy>(),
        show,
    )
    .needs(&READ_INSTALLATION),
    change(
        "/v1/approval-policy",
        "set_installation_approval_policy",
        "Set which changes of the installation need an approval",
        Approved::AsPolicy,
        form::<message::ApprovalPolicy>(),
        set,
    )
    .revised()
    .needs(&MANAGE_INSTALLATION)
    .takes::<SetApprovalPolicy>(),
];

/// As it is told.
pub(in crate::control) fn describe(policy: &ApprovalPolicy) -> message::ApprovalPolicy {
    let classes = policy.classes.iter().map(|class| class.name().to_owned()).collect();
    message::ApprovalPolicy { classes, quorum: policy.quorum.get(), revision: policy.revision() }
}

fn show_of_store(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    let engine = &state.installation.engine;
    Answer::ok(&describe(&engine.approval_policy(Some(call.store(engine)?))?))
}

fn show(state: &ControlState, _: &Call) -> Result<Answer, Problem> {
    Answer::ok(&describe(&state.installation.engine.approval_policy(None)?))
}

fn set_of_store(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let engine = &state.installation.engine;
    let store = call.store(engine)?;
    policy(engine, call, Some(store))
}

fn set(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    policy(&state.installation.engine, call, None)
}

fn policy(engine: &Engine, call: &Call, store: Option<StoreId>) -> Result<Change, Problem> {
    let SetApprovalPolicy { classes, quorum } = call.body()?;
    let invalid = |detail: String| Problem::new(Kind::InvalidValue, detail);
    let class = |name: &String| {
        ChangeClass::from_name(name).filter(|class| class.is_of(store)).ok_or_else(|| {
            let known: Vec<_> = ChangeClass::ALL.into_iter().filter(|class| class.is_of(store)).collect();
            let known: Vec<_> = known.iter().map(|class| class.name()).collect();
            invalid(format!("{name:?} is no class of changes here: give some of {}", known.join(", ")))
        })
    };
    let classes = classes.iter().map(class).collect::<Result<_, _>>()?;
    let quorum = NonZeroU8::new(quorum.unwrap_or(1))
        .ok_or_else(|| invalid("quorum is 0: somebody has to approve, so give 1 to 10".to_owned()))?;
    let policy = ApprovalPolicy { classes, quorum };
    // Whoever asks does not approve: without enough others nothing would ever be approved, this included.
    if policy.is_on() && !engine.can_be_approved(store, quorum) {
        let (place, asking) = match store {
            Some(_) => ("this key store", vec![Role::Requester, Role::StoreAdministrator, Role::SystemAdministrator]),
            None => ("the installation", vec![Role::SystemAdministrator]),
        };
        let others = if quorum == NonZeroU8::MIN { "somebody else".to_owned() } else { format!("{quorum} others") };
        let asking: Vec<_> = asking.iter().map(Role::to_string).collect();
        let detail = format!(
            "nobody could ask for a change of {place} and have the approval of {others}: first grant {} to a person with a certificate, who then asks, and {} to {others} (`claviger person grant`); whoever is let in by the configuration only is no person, and does neither",
            asking.join(" or "),
            Role::Approver
        );
        return Err(invalid(detail));
    }
    Ok(Change::SetApprovalPolicy { store, policy })
}

/// What health says of approval: that of a key store is worth nothing while whoever likes can be made its approver.
pub(in crate::control) fn warning(engine: &Engine) -> Option<String> {
    let of_persons = engine.approval_policy(None).is_ok_and(|policy| policy.needs(ChangeClass::Installation));
    if of_persons {
        return None;
    }
    let stores = engine.stores();
    let on = stores.iter().find(|store| engine.approval_policy(Some(store.id())).is_ok_and(|policy| policy.is_on()))?;
    let name = &on.policy().name;
    Some(format!(
        "changes of key store {name} need an approval, and a system administrator can grant the role approver without one: set class installation too (`claviger approval set-policy --class installation`)"
    ))
}
