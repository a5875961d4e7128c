//! Imports: begin, list, describe, complete, cancel.

use super::approvals::Approved;
use claviger_algorithm::Algorithm;
use claviger_control::message::{BeginImport, CompleteImport, Import, ImportList, Key, Nothing};
use claviger_engine::approval::ChangeClass;
use claviger_engine::key::id::{ImportId, StoreId};
use claviger_engine::transfer::{self, ImportTarget, NewImport};
use claviger_engine::{Engine, Error};

use super::answer::Answer;
use super::call::Call;
use super::change::{Change, ImportChange};
use super::permission::{CREATE_KEYS, READ_IMPORTS};
use super::problem::{Kind, Problem};
use super::route::{Route, change, form, read};
use super::{ControlState, describe};
use crate::limits::{CHANGE_TIME, IMPORT_BODY_SIZE_MAX};

/// Imports.
pub(super) static ROUTES: &[Route] = &[
    read("/v1/stores/{store}/imports", "list_imports", "Open imports of a store", form::<ImportList>(), list)
        .needs(&READ_IMPORTS),
    change(
        "/v1/stores/{store}/imports",
        "begin_import",
        "Make a transport key for a key, or a new version of one, that was made elsewhere",
        Approved::As(ChangeClass::Create),
        form::<Import>(),
        begin,
    )
    .needs(&CREATE_KEYS)
    .takes::<BeginImport>()
    .creates(),
    read("/v1/stores/{store}/imports/{import}", "read_import", "Describe an open import", form::<Import>(), show)
        .needs(&READ_IMPORTS),
    change(
        "/v1/stores/{store}/imports/{import}/complete",
        "complete_import",
        "Bring in the wrapped material, by one try",
        Approved::As(ChangeClass::Create),
        form::<Key>(),
        complete,
    )
    .needs(&CREATE_KEYS)
    .takes::<CompleteImport>()
    .creates()
    .within(IMPORT_BODY_SIZE_MAX, CHANGE_TIME),
    change(
        "/v1/stores/{store}/imports/{import}/cancel",
        "cancel_import",
        "End an import; its transport key is gone",
        Approved::As(ChangeClass::Modify),
        form::<Import>(),
        cancel,
    )
    .needs(&CREATE_KEYS),
];

fn list(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    let engine = &state.installation.engine;
    let imports = engine.imports(call.store(engine)?)?;
    let imports = imports.iter().filter(|import| is_reached(call, import));
    Answer::ok(&ImportList { imports: imports.map(describe::import).collect() })
}

fn show(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    let engine = &state.installation.engine;
    let store = call.store(engine)?;
    Answer::ok(&describe::import(&engine.import(store, reached(engine, call, store)?)?))
}

fn begin(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let engine = &state.installation.engine;
    let store = call.store(engine)?;
    let new = match call.body()? {
        BeginImport { name: Some(name), algorithm: Some(algorithm), exportable, key: None } => {
            let name = name.parse().map_err(|error| Problem::new(Kind::InvalidValue, format!("name: {error}")))?;
            let algorithm = Algorithm::from_name(&algorithm).ok_or_else(|| {
                let detail = format!(
                    "algorithm: there is no {algorithm:?}: see GET /v1/algorithms, or `claviger key algorithms`"
                );
                Problem::new(Kind::InvalidValue, detail)
            })?;
            NewImport::Key { name, algorithm, exportable }
        }
        BeginImport { name: None, algorithm: None, exportable: false, key: Some(key) } => {
            NewImport::Version { key: call.key_named(engine, &key)? }
        }
        _ => {
            let detail = "a new key is imported with name and algorithm, a new version of a key with key alone";
            return Err(Problem::new(Kind::InvalidValue, detail));
        }
    };
    Ok(Change::Import { store, change: ImportChange::Begin { new, requester: call.caller.requester() } })
}

fn complete(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let CompleteImport { wrapped } = call.body()?;
    let engine = &state.installation.engine;
    let store = call.store(engine)?;
    let import = reached(engine, call, store)?;
    let wrapped = wrapped.decode_base64().ok_or_else(|| {
        Problem::new(Kind::InvalidValue, "wrapped: not base64 with padding; the import is still open")
    })?;
    let change = ImportChange::Complete {
        import,
        requester: call.caller.requester(),
        wrapped: wrapped.to_vec(),
        by: call.permit.creator(),
    };
    Ok(Change::Import { store, change })
}

fn cancel(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let Nothing {} = call.body()?;
    let engine = &state.installation.engine;
    let store = call.store(engine)?;
    Ok(Change::Import { store, change: ImportChange::Cancel { import: reached(engine, call, store)? } })
}

/// The import that the path names, if the caller reaches it.
fn reached(engine: &Engine, call: &Call, store: StoreId) -> Result<ImportId, Problem> {
    let id = call.import()?;
    if call.permit.creator().is_some() && !is_reached(call, &engine.import(store, id)?) {
        return Err(Problem::from(Error::ImportNotFound(id)).refusing());
    }
    Ok(id)
}

/// Whether the caller reaches all keys of the store, or has begun the import himself, of a key that he still reaches.
fn is_reached(call: &Call, import: &transfer::Import) -> bool {
    let reaches_key = match import.target {
        ImportTarget::NewKey { .. } => true,
        ImportTarget::NewVersion { key } => call.permit.reaches(key),
    };
    call.permit.creator().is_none() || (reaches_key && import.requester == call.caller.requester())
}
