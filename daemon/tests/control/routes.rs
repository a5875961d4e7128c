//! What is alike for all routes.

use std::sync::Arc;

use axum::body::Body;
use claviger_daemon::control::route::routes;
use claviger_daemon::limits::CONTROL_CALLS_MAX;
use http::{Request, StatusCode};
use serde_json::json;

use crate::audit::records;
use crate::support::{Port, request};

/// The path of a route for things that are not there.
fn path(route: &str) -> String {
    path_of(route, "absent", "absent")
}

/// The path of a route for these things.
pub(crate) fn path_of(route: &str, store: &str, key: &str) -> String {
    route
        .replace("{store}", store)
        .replace("{key}", key)
        .replace("{version}", "1")
        .replace("{alias}", "absent")
        .replace("{person}", "absent")
        .replace("{import}", ABSENT_IMPORT)
        .replace("{approval}", ABSENT_IMPORT)
        .replace("{access}", ABSENT_IMPORT)
}

const ABSENT_IMPORT: &str = "00000000000000000000000000000000";

// R-O1
#[tokio::test]
async fn unknown_routes_are_problems_that_say_where_the_known_ones_are() {
    let port = Port::new();
    for path in ["/", "/v1", "/v1/", "/v2/health", "/v1/health/", "/v1/stores/a/b", "/v1/../v1/health", "//v1/health"] {
        let reply = port.get(path).await;
        assert_eq!((reply.status, reply.problem()), (StatusCode::NOT_FOUND, "no-such-route"), "{path}");
        assert!(reply.detail().contains("openapi.json"));
        assert_eq!(reply.body["instance"], path);
    }
}

// R-O1
#[tokio::test]
async fn other_methods_are_refused_on_every_route() {
    let port = Port::new();
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        for route in routes() {
            let reply = port.send(request(method, &path(route.path), "{}")).await;
            assert_eq!(
                (reply.status, reply.problem()),
                (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"),
                "{}",
                route.path
            );
            assert!(
                reply.headers.get("allow").unwrap().to_str().unwrap().contains(route.method.as_str()),
                "{}",
                route.path
            );
            assert!(reply.headers.get("access-control-allow-origin").is_none());
        }
    }
}

// R-O1
#[tokio::test]
async fn every_route_asks_for_a_caller() {
    let port = Port::new();
    for route in routes() {
        let reply = port.send_as_nobody(request(route.method.as_str(), &path(route.path), "{}")).await;
        assert_eq!((reply.status, reply.problem()), (StatusCode::UNAUTHORIZED, "not-authenticated"), "{}", route.path);
    }
}

// R-O1
#[tokio::test]
async fn every_route_refuses_what_comes_from_another_site() {
    let port = Port::new();
    for route in routes() {
        for (name, value) in [
            ("host", "evil.example"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            let mut request = request(route.method.as_str(), &path(route.path), "{}");
            request.headers_mut().insert(name, value.parse().unwrap());
            let reply = port.send(request).await;
            assert_eq!((reply.status, reply.problem()), (StatusCode::FORBIDDEN, "cross-site"), "{} {name}", route.path);
        }
    }
}

// R-O1
#[tokio::test]
async fn changing_routes_need_their_header_and_media_type() {
    let port = Port::new();
    for route in routes().filter(|route| route.takes_body()) {
        let mut unmarked = request("POST", &path(route.path), "{}");
        unmarked.headers_mut().remove("claviger-request");
        assert_eq!(port.send(unmarked).await.problem(), "header-missing", "{}", route.path);
        for media_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
            let mut request = request("POST", &path(route.path), "{}");
            request.headers_mut().insert("content-type", media_type.parse().unwrap());
            let reply = port.send(request).await;
            assert_eq!(
                (reply.status, reply.problem()),
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type"),
                "{}",
                route.path
            );
        }
    }
}

// R-O1
#[tokio::test]
async fn no_route_takes_a_body_above_its_limit() {
    let port = Port::new();
    for route in routes() {
        let body = " ".repeat(route.body_size_max + 1);
        let reply = port.send(request(route.method.as_str(), &path(route.path), &body)).await;
        assert_eq!(
            (reply.status, reply.problem()),
            (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large"),
            "{}",
            route.path
        );
    }
}

// R-O1
#[tokio::test]
async fn a_body_whose_size_is_not_told_is_bounded_too() {
    let port = Port::new();
    let frames = futures_of_frames(1_024, 64 * 1024);
    let mut chunked = request("POST", "/v1/stores", "");
    *chunked.body_mut() = frames;
    assert_eq!(port.send(chunked).await.problem(), "body-too-large");
}

// R-O1
#[tokio::test]
async fn more_requests_at_once_than_are_worked_on_are_told_to_come_back() {
    let port = Arc::new(Port::new());
    let waiting: Vec<_> = (0..CONTROL_CALLS_MAX).map(|_| waiting_request()).collect();
    let (bodies, requests): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
    let calls: Vec<_> = requests
        .into_iter()
        .map(|request| {
            let port = Arc::clone(&port);
            tokio::spawn(async move { port.send(request).await.status })
        })
        .collect();
    // One thread: once this task has its turn again, each of the others has had one, and waits for its body.
    tokio::task::yield_now().await;
    let refused = port.get("/v1/health").await;
    assert_eq!((refused.status, refused.problem()), (StatusCode::SERVICE_UNAVAILABLE, "busy"));
    assert_eq!(refused.headers.get("retry-after").unwrap(), "1");
    drop(bodies);
    for call in calls {
        assert!(call.await.unwrap().is_client_error());
    }
    assert_eq!(port.get("/v1/health").await.status, StatusCode::OK);
}

// R-A13, R-O3
#[tokio::test]
async fn refusals_take_no_more_threads_than_other_requests_and_are_told_all_the_same() {
    let port = Arc::new(Port::with_store().await);
    port.create_keys(json!([{"name": "records", "algorithm": "XAES-256-GCM"}])).await;
    let auditor = port.person("auditor", &[json!({"role": "auditor", "store": "store"})]).await;
    let refused = || async {
        let reply = port.send_as(&auditor, request("POST", "/v1/stores/store/keys/records/disable", "{}")).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{}", reply.body);
    };
    refused().await;
    let waiting: Vec<_> = (0..CONTROL_CALLS_MAX).map(|_| waiting_request()).collect();
    let (bodies, requests): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
    let calls: Vec<_> = requests
        .into_iter()
        .map(|request| {
            let port = Arc::clone(&port);
            tokio::spawn(async move { port.send(request).await })
        })
        .collect();
    tokio::task::yield_now().await;
    refused().await;
    drop(bodies);
    for call in calls {
        call.await.unwrap();
    }
    // What comes after them is waited for.
    port.create_keys(json!([{"name": "later", "algorithm": "XAES-256-GCM"}])).await;
    let told = records(&port, "&kind=refusal").await;
    let told = told.iter().filter(|record| record["actor"].as_str().is_some_and(|actor| actor.contains("auditor")));
    let keys: Vec<_> = told.map(|record| record["keys"].as_array().map_or(0, Vec::len)).collect();
    assert_eq!(keys, [1, 0]);
}

// R-O1
#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_is_given_up_in_time() {
    let port = Port::new();
    let (_body, request) = waiting_request();
    let began = tokio::time::Instant::now();
    let reply = port.send(request).await;
    assert_eq!((reply.status, reply.problem()), (StatusCode::GATEWAY_TIMEOUT, "timeout"));
    let route = routes().find(|route| route.operation == "create_store").unwrap();
    assert!(began.elapsed() >= route.time && began.elapsed() < 2 * route.time);
}

/// A request whose body does not come to its end before the sender is dropped.
fn waiting_request() -> (http_body_util::channel::Sender<bytes::Bytes, std::convert::Infallible>, Request<Body>) {
    let (sender, body) = http_body_util::channel::Channel::new(1);
    let mut request = request("POST", "/v1/stores", "");
    *request.body_mut() = Body::new(body);
    (sender, request)
}

/// A body of `count` frames of `size` bytes without a length.
fn futures_of_frames(count: usize, size: usize) -> Body {
    let (mut sender, body) = http_body_util::channel::Channel::<bytes::Bytes, std::convert::Infallible>::new(1);
    tokio::spawn(async move {
        for _ in 0..count {
            // The reader has given up once this fails.
            if sender.send_data(vec![b' '; size].into()).await.is_err() {
                return;
            }
        }
    });
    Body::new(body)
}

// R-O1
#[tokio::test]
async fn bodies_that_are_no_json_or_of_another_form_are_refused_without_being_quoted() {
    let port = Port::with_store().await;
    for route in routes().filter(|route| route.takes_body()) {
        let path = path_of(route.path, "store", "absent");
        for body in [
            "hunter2",
            "{",
            "[]",
            "null",
            "\"hunter2\"",
            "{\"name\": \"hunter2\", \"unknown\": 1}",
            "{\"x\": \"hunter2\"}",
            "\u{0}",
            "{}{}",
        ] {
            let reply = port.send(request("POST", &path, body)).await;
            assert_eq!((reply.status, reply.problem()), (StatusCode::BAD_REQUEST, "malformed"), "{path} {body}");
            assert!(!reply.body.to_string().contains("hunter2"), "{path} {body}");
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_named_with_the_list_to_look_at() {
    let port = Port::with_store().await;
    for route in routes().filter(|route| route.path.contains("{store}")) {
        let reply = port.send(request(route.method.as_str(), &path(route.path), body_of(route.operation))).await;
        assert_eq!((reply.status, reply.problem()), (StatusCode::NOT_FOUND, "key-store-not-found"), "{}", route.path);
        assert!(reply.detail().contains("GET /v1/stores"));
    }
    for route in routes().filter(|route| route.path.contains("{key}")) {
        for absent in ["absent", "00000000000000000000000000000000", "a%20b", "..", "%F0%9F%94%91"] {
            let path = path_of(route.path, "store", absent);
            let reply = port.send(request(route.method.as_str(), &path, body_of(route.operation))).await;
            assert_eq!((reply.status, reply.problem()), (StatusCode::NOT_FOUND, "key-not-found"), "{path}");
        }
    }
}

#[tokio::test]
async fn a_path_that_is_no_text_is_refused_as_a_problem() {
    let port = Port::with_store().await;
    for path in ["/v1/stores/%ff", "/v1/stores/store/keys/%c3%28"] {
        let reply = port.get(path).await;
        assert_eq!((reply.status, reply.problem()), (StatusCode::BAD_REQUEST, "malformed"), "{path}");
    }
}

pub(crate) fn body_of(operation: &str) -> &'static str {
    match operation {
        "create_keys" => r#"{"keys": [{"name": "a", "algorithm": "Ed25519"}]}"#,
        "issue_certificate" => r#"{"common_name": "a"}"#,
        "describe_access" => r#"{"description": ""}"#,
        "set_rotation" => r#"{"period_days": 1}"#,
        "set_rotation_by_use" => r#"{"items": 1, "bytes": null}"#,
        "set_lowest_version" => r#"{"version": 1}"#,
        "update_secret" => r#"{"value": ""}"#,
        "create_alias" => r#"{"alias": "a", "key": "absent"}"#,
        "begin_import" => r#"{"key": "absent"}"#,
        "complete_import" => r#"{"wrapped": ""}"#,
        "export_key" => r#"{"public_key": ""}"#,
        "move_alias" => r#"{"key": "absent"}"#,
        _ => "",
    }
}

// R-O1
#[tokio::test]
async fn a_trace_id_is_taken_over_if_it_is_one_and_made_if_not() {
    let port = Port::new();
    let given = "0123456789abcdef0123456789abcdef";
    for (sent, kept) in [(given, true), ("0123", false), ("0123456789ABCDEF0123456789ABCDEF", false), ("", false)] {
        for path in ["/v1/health", "/absent"] {
            let mut request = request("GET", path, "");
            request.headers_mut().insert("claviger-trace-id", sent.parse().unwrap());
            let reply = port.send(request).await;
            let trace_id = reply.headers.get("claviger-trace-id").unwrap().to_str().unwrap();
            assert_eq!(trace_id == sent, kept, "{sent}");
            assert_eq!(trace_id.len(), 32);
            if path == "/absent" {
                assert_eq!(reply.body["trace_id"], trace_id);
            }
        }
    }
}

// R-O1
#[tokio::test]
async fn health_names_what_is_unsafe() {
    let health = Port::new().get("/v1/health").await;
    assert_eq!(health.status, StatusCode::OK);
    assert_eq!(health.body["root_key"], "development file (UNSAFE)");
    assert_eq!(health.body["separated"], false);
    let warnings = health.body["warnings"].to_string();
    assert!(warnings.contains("development root key (UNSAFE)") && warnings.contains("not separated"), "{warnings}");
    assert!(health.body["storage_revision"].is_u64());
    assert_eq!(health.headers.get("cache-control").unwrap(), "no-store");
}

// R-O1
#[tokio::test]
async fn a_daemon_without_its_data_port_is_not_ready_and_says_why() {
    let ready = Port::new().get("/v1/ready").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        ready.body,
        json!({"ready": false, "reasons": ["the daemon is ending: the data port takes no more requests"]})
    );
}

#[tokio::test]
async fn a_request_without_a_host_is_refused() {
    let request = Request::get("/v1/health").body(Body::empty()).unwrap();
    assert_eq!(Port::new().send(request).await.problem(), "cross-site");
}
