//! Calls as they are kept in a request for approval, to be made when it is approved.
//!
//! bytes: `u32 size of head | head, JSON | body of each call, one after the other`. Only bodies hold secrets; they are copied once, to where they are wiped.

use claviger_engine::key::material::SecretBytes;
use claviger_engine::person::{PersonId, PublicKeyHash};
use http::Uri;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::control::ControlState;
use crate::control::call::{Call, Parameters};
use crate::control::caller::Caller;
use crate::control::permission;
use crate::control::problem::{Kind, Problem};
use crate::control::route::routes;

/// What is kept beside the bodies.
#[derive(Serialize, Deserialize)]
struct Head {
    /// Common name, fingerprint and public key of the certificate of who asked.
    caller: (String, [u8; 32], [u8; 32]),
    calls: Vec<HeadOfCall>,
}

#[derive(Serialize, Deserialize)]
struct HeadOfCall {
    operation: String,
    parameters: Parameters,
    /// What the call came to when it was asked for, with ids for names: it must come to the same.
    resolved: String,
    body_size: usize,
}

/// The bytes of calls of one caller.
pub(super) fn write(calls: &[(Call, String)]) -> Result<SecretBytes, Problem> {
    let internal = |_| Problem::new(Kind::Internal, "the request for approval could not be written");
    let caller = calls.first().map(|(call, _)| call.caller.parts()).unwrap_or_default();
    let head = |(call, resolved): &(Call, String)| HeadOfCall {
        operation: call.route.operation.to_owned(),
        parameters: call.parameters.clone(),
        resolved: resolved.clone(),
        body_size: call.body.len(),
    };
    let head = serde_json::to_vec(&Head { caller, calls: calls.iter().map(head).collect() }).map_err(internal)?;
    let size = u32::try_from(head.len()).map_err(|_| Problem::new(Kind::InvalidValue, "the request is too large"))?;
    // Room for all of it at once: growing leaves copies behind.
    let bodies = calls.iter().map(|(call, _)| call.body.len()).sum::<usize>();
    let mut bytes = Vec::with_capacity(SIZE_SIZE + head.len() + bodies);
    bytes.extend_from_slice(&size.to_be_bytes());
    bytes.extend_from_slice(&head);
    calls.iter().for_each(|(call, _)| bytes.extend_from_slice(&call.body));
    Ok(SecretBytes::from(bytes))
}

/// The calls of these bytes, authorised as those of who asked, as he stands now.
pub(super) fn read(
    state: &ControlState,
    stored: &SecretBytes,
    requester: PersonId,
    trace_id: &str,
) -> Result<Vec<(Call, String)>, Problem> {
    let damaged = || Problem::new(Kind::Internal, "what was asked for cannot be read");
    let (size, rest) = stored.expose().split_first_chunk::<SIZE_SIZE>().ok_or_else(damaged)?;
    let size = usize::try_from(u32::from_be_bytes(*size)).map_err(|_| damaged())?;
    let (head, mut bodies) = rest.split_at_checked(size).ok_or_else(damaged)?;
    let Head { caller: (name, fingerprint, key), calls } = serde_json::from_slice(head).map_err(|_| damaged())?;
    let caller = Caller::who_asked(name, fingerprint, PublicKeyHash(key));
    let engine = &state.installation.engine;
    let mut read = Vec::with_capacity(calls.len());
    for HeadOfCall { operation, parameters, resolved, body_size } in calls {
        let route = routes().find(|route| route.operation == operation).ok_or_else(damaged)?;
        let (body, rest) = bodies.split_at_checked(body_size).ok_or_else(damaged)?;
        bodies = rest;
        let permit = permission::authorise(engine, route, &parameters, &caller, std::time::SystemTime::now())?;
        // Whoever is known by the key now may be somebody else, or the same with another name: it is not his request.
        if permit.person.as_ref().is_none_or(|person| person.record.id != requester) {
            let detail = "who asked for this is not known any more by the certificate with which he asked: it has to be asked for again";
            return Err(Problem::new(Kind::Conflict, detail));
        }
        let call = Call {
            route,
            caller: caller.clone(),
            permit,
            trace_id: trace_id.to_owned(),
            parameters,
            uri: Uri::default(),
            expected: None,
            once: None,
            body: Zeroizing::new(body.to_vec()),
        };
        read.push((call, resolved));
    }
    Ok(read)
}

const SIZE_SIZE: usize = size_of::<u32>();
