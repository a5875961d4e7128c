//! From an HTTP request to a route and back: what is alike for all of them.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request};
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use bytes::Bytes;
use claviger_control::limits::IDEMPOTENCY_KEY_SIZE_MAX;
use claviger_engine::crypto::random::Random;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, IF_MATCH, LOCATION, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use tokio::task::spawn_blocking;
use tokio::time::{Instant as Deadline, timeout_at};
use zeroize::Zeroizing;

use super::answer::Answer;
use super::approvals::Approved;
use super::call::{Call, Parameters};
use super::caller::Caller;
use super::problem::{Kind, Problem};
use super::refusals::RefusedRequest;
use super::route::{Handler, Route, routes};
use super::{ControlState, browser, once, permission, refusals};

/// All routes. A request must carry its [`Caller`] as an extension.
///
/// # Errors
/// If the table names a method that is not known.
pub fn router(state: &Arc<ControlState>) -> anyhow::Result<Router> {
    let mut router = Router::new();
    for route in routes() {
        let state = Arc::clone(state);
        let handler = move |parameters: Result<RawPathParams, RawPathParamsRejection>, request: Request| {
            serve(Arc::clone(&state), route, parameters, request)
        };
        router = router.route(route.path, on(MethodFilter::try_from(route.method.clone())?, handler));
    }
    let absent = Arc::clone(state);
    let other_method = Arc::clone(state);
    Ok(router
        .fallback(move |request: Request| async move {
            let detail = "there is no such route: GET /v1/openapi.json describes all of them";
            refuse(&absent, &request, Problem::new(Kind::NoSuchRoute, detail))
        })
        .method_not_allowed_fallback(move |request: Request| async move {
            let detail = "this route does not take this method: the header Allow names those that it takes";
            refuse(&other_method, &request, Problem::new(Kind::MethodNotAllowed, detail))
        }))
}

async fn serve(
    state: Arc<ControlState>,
    route: &'static Route,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
) -> Response {
    let began = Instant::now();
    let trace_id = trace_id(request.headers(), &state);
    let path = request.uri().path().to_owned();
    let caller = request.extensions().get::<Caller>().cloned();
    let parameters = parameters.map(|parameters| {
        let parts = parameters.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        parts.collect::<Parameters>()
    });
    let named = parameters.as_ref().map(Parameters::clone).unwrap_or_default();
    let result = match parameters {
        Ok(parameters) => answer(Arc::clone(&state), route, &trace_id, parameters, caller.as_ref(), request).await,
        Err(_) => Err(Problem::new(Kind::Malformed, "the path is not text in UTF-8, percent-encoded")),
    };
    let (status, response) = match result {
        Ok(answer) => (answer.status, respond(answer, route.media_type, &trace_id)),
        Err(problem) => {
            let refused = RefusedRequest {
                operation: route.operation,
                trace_id: &trace_id,
                caller: caller.as_ref(),
                parameters: named,
            };
            refusals::tell(&state, &problem, refused).await;
            (problem.kind().row().1, respond_problem(&problem, &path, (&trace_id, route.operation), caller.as_ref()))
        }
    };
    state.counts.answered(route, status);
    tracing::debug!(trace_id, operation = route.operation, status = status.as_u16(), after = ?began.elapsed(), "answered");
    response
}

async fn answer(
    state: Arc<ControlState>,
    route: &'static Route,
    trace_id: &str,
    parameters: Parameters,
    caller: Option<&Caller>,
    request: Request,
) -> Result<Answer, Problem> {
    let (parts, body) = request.into_parts();
    browser::check_site(&parts.uri, &parts.headers, &state.shown().hosts)?;
    let unknown = || Problem::new(Kind::NotAuthenticated, "connect with a client certificate");
    let caller = caller.cloned().ok_or_else(unknown)?;
    let permit = permission::authorise(&state.installation.engine, route, &parameters, &caller, SystemTime::now())?;
    if route.takes_body() {
        browser::check_change(&parts.headers)?;
    }
    let expected = expected(route, &parts.headers)?;
    let once = idempotency_key(route, &parts.headers)?;
    let busy = || Problem::new(Kind::Busy, "too many requests are worked on: ask again in a moment");
    let is_emergency = route.approved == Some(Approved::Emergency);
    let calls = if is_emergency { &state.emergency_calls } else { &state.calls };
    let place = Arc::clone(calls).try_acquire_owned().map_err(|_| busy())?;
    let deadline = Deadline::now() + route.time;
    let late = |detail: &str| Problem::new(Kind::Timeout, detail);
    let body = timeout_at(deadline, read_body(body, route.body_size_max)).await;
    let body = body.map_err(|_| late("the body did not arrive in time: send it again, faster"))??;
    let call =
        Call { route, caller, permit, trace_id: trace_id.to_owned(), parameters, uri: parts.uri, expected, once, body };
    // The place goes along, so that work whose caller has given up counts until it is over.
    let work = spawn_blocking(move || {
        let _place = place;
        match route.handler {
            Handler::Read(read) => read(&state, &call),
            Handler::Change(understand) => once::change(&state, call, understand),
            Handler::Decide(decide) => decide(&state, &call),
        }
    });
    let done = timeout_at(deadline, work).await;
    let done = done
        .map_err(|_| late("this takes longer than it may; a change may still be made, so look before repeating it"))?;
    // The handler panicked. What it said is in the log, and nobody else's affair.
    done.map_err(|_| Problem::new(Kind::Internal, "a fault of the program ended this request: the log says more"))?
}

/// The revision that the request names (`If-Match`, RFC 9110 section 13.1.1): one, since what is changed is one.
fn expected(route: &Route, headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let malformed = |detail| Err(Problem::new(Kind::Malformed, detail));
    let mut values = headers.get_all(IF_MATCH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if !route.revised {
        return malformed("If-Match is for routes that change something that has a revision: this one does not");
    }
    let value = value.to_str().ok().filter(|_| values.next().is_none());
    let revision = value.and_then(|value| value.trim().strip_prefix('"')?.strip_suffix('"'));
    match revision {
        Some(revision) if (1..=REVISION_SIZE_MAX).contains(&revision.len()) && !revision.contains('"') => {
            Ok(Some(revision.to_owned()))
        }
        _ => malformed(
            "If-Match names one revision, in quotes, as the reply that showed it: If-Match: \"0123456789abcdef\"",
        ),
    }
}

/// The key by which a creation is made once (`Idempotency-Key`).
fn idempotency_key(route: &Route, headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let malformed = |detail| Err(Problem::new(Kind::Malformed, detail));
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if !route.makes_once() {
        return malformed("Idempotency-Key is for routes that create something: this one does not");
    }
    let key = value.to_str().ok().filter(|_| values.next().is_none());
    match key.filter(|key| (1..=IDEMPOTENCY_KEY_SIZE_MAX).contains(&key.len())) {
        Some(key) => Ok(Some(key.to_owned())),
        None => malformed("Idempotency-Key is one text of 1 to 64 printable characters of ASCII"),
    }
}

/// The whole body, if it has at most `size_max` bytes.
async fn read_body(mut body: Body, size_max: usize) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let too_large =
        || Problem::new(Kind::BodyTooLarge, format!("the body of this request may have at most {size_max} bytes"));
    let hint = body.size_hint();
    let known = hint.upper().and_then(|size| usize::try_from(size).ok());
    if known.is_some_and(|size| size > size_max) {
        return Err(too_large());
    }
    // Room for all of it at once where its size is known: growing leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(known.unwrap_or(0)));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::new(Kind::Malformed, "the body broke off: send it again"))?;
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > size_max - bytes.len() {
            return Err(too_large());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn refuse(state: &ControlState, request: &Request, problem: Problem) -> Response {
    let caller = request.extensions().get::<Caller>();
    let trace_id = trace_id(request.headers(), state);
    respond_problem(&problem, request.uri().path(), (&trace_id, "none"), caller)
}

fn respond(answer: Answer, media_type: &'static str, trace_id: &str) -> Response {
    let Answer { status, location, body } = answer;
    let mut response = reply(status, media_type, Bytes::from_owner(body), trace_id);
    if let Some(location) = location.and_then(|location| HeaderValue::try_from(location).ok()) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

fn respond_problem(
    problem: &Problem,
    path: &str,
    (trace_id, operation): (&str, &'static str),
    caller: Option<&Caller>,
) -> Response {
    let (name, status, _) = problem.kind().row();
    let code = status.as_u16();
    let caller = caller.map(tracing::field::display);
    if status.is_server_error() {
        tracing::error!(
            trace_id,
            operation,
            status = code,
            caller,
            problem = name,
            path,
            "not done: {}",
            problem.detail()
        );
    } else {
        tracing::info!(
            trace_id,
            operation,
            status = code,
            caller,
            problem = name,
            path,
            "refused: {}",
            problem.detail()
        );
    }
    let body = serde_json::to_vec(&problem.message(path, trace_id)).unwrap_or_default();
    let mut response = reply(status, "application/problem+json", Bytes::from(body), trace_id);
    if matches!(problem.kind(), Kind::Busy) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn reply(status: StatusCode, media_type: &'static str, body: Bytes, trace_id: &str) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(trace_id) = HeaderValue::try_from(trace_id) {
        headers.insert(TRACE_HEADER, trace_id);
    }
    response
}

/// The trace id that the client gave, if it is one; else a new one: 32 lower-case hexadecimal digits.
fn trace_id(headers: &HeaderMap, state: &ControlState) -> String {
    let given = headers.get(TRACE_HEADER).and_then(|value| value.to_str().ok());
    let digits = |text: &&str| text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    given.filter(digits).map_or_else(
        || {
            let mut bytes = [0; 16];
            // A trace id is no secret: should there be no random bytes, all requests share one, and are served.
            let _ = Random::fill(state.installation.engine.random(), &mut bytes);
            format!("{:032x}", u128::from_be_bytes(bytes))
        },
        str::to_owned,
    )
}

/// Names a request in the answer and in the log. A client may choose it.
pub const TRACE_HEADER: HeaderName = HeaderName::from_static("claviger-trace-id");

/// Most characters of a revision that is looked at: more than any has.
const REVISION_SIZE_MAX: usize = 64;

/// Names a creation that is made once, however often it is sent. The client chooses it.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
