//! Creations that are made once, however often they are sent.

use std::fs;

use claviger_daemon::control::caller::Caller;
use claviger_daemon::control::route::routes;
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Port, Reply, request};

async fn post(port: &Port, path: &str, body: &Value, key: &str) -> Reply {
    let mut request = request("POST", path, &body.to_string());
    request.headers_mut().insert("idempotency-key", key.parse().unwrap());
    port.send(request).await
}

async fn post_as(port: &Port, caller: &Caller, path: &str, body: &Value, key: &str) -> Reply {
    let mut request = request("POST", path, &body.to_string());
    request.headers_mut().insert("idempotency-key", key.parse().unwrap());
    port.send_as(caller, request).await
}

fn new_key(name: &str) -> Value {
    json!({"keys": [{"name": name, "algorithm": "HMAC-SHA-256"}]})
}

const KEYS: &str = "/v1/stores/store/keys";

// R-O1
#[tokio::test]
async fn what_is_sent_again_is_made_once_and_answered_as_before() {
    let port = Port::with_store().await;
    let first = post(&port, KEYS, &new_key("key"), "one").await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.body);
    for _ in 0..2 {
        let again = post(&port, KEYS, &new_key("key"), "one").await;
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        assert_eq!(again.headers.get("location"), first.headers.get("location"));
    }
    assert_eq!(post(&port, KEYS, &new_key("key"), "other").await.problem(), "name-taken");
    assert_eq!(port.get(KEYS).await.body["keys"].as_array().unwrap().len(), 1);
    // Others have keys of their own.
    let ada = port.person("ada", &[json!({"role": "system-administrator"})]).await;
    assert_eq!(post_as(&port, &ada, KEYS, &new_key("key"), "one").await.problem(), "name-taken");
    assert_eq!(post_as(&port, &ada, KEYS, &new_key("hers"), "one").await.status, StatusCode::CREATED);
}

// R-O1
#[tokio::test]
async fn a_key_that_was_used_for_something_else_is_refused() {
    let port = Port::with_store().await;
    post(&port, KEYS, &new_key("key"), "one").await;
    for (path, body) in [
        (KEYS, new_key("another")),
        ("/v1/stores", json!({"name": "another", "access": {"client_certificate": true}})),
        ("/v1/persons", json!({"name": "another"})),
    ] {
        let reply = post(&port, path, &body, "one").await;
        assert_eq!((reply.status, reply.problem()), (StatusCode::CONFLICT, "idempotency-key-used"), "{path}");
        assert!(reply.detail().contains("another request"), "{}", reply.detail());
    }
    assert_eq!(port.get("/v1/stores/another").await.status, StatusCode::NOT_FOUND);
}

// R-O1
#[tokio::test]
async fn what_was_refused_can_be_sent_again_with_the_same_key() {
    let port = Port::with_store().await;
    post(&port, KEYS, &new_key("key"), "one").await;
    assert_eq!(post(&port, KEYS, &new_key("key"), "two").await.problem(), "name-taken");
    let rotated = port.post("/v1/stores/store/keys/key/request-deletion", &json!({})).await;
    assert_eq!(rotated.status, StatusCode::OK);
    port.post("/v1/stores/store/keys/key/delete-now", &json!({"force": true})).await;
    assert_eq!(post(&port, KEYS, &new_key("key"), "two").await.status, StatusCode::CREATED);
}

// R-O1, R-O3
#[tokio::test]
async fn without_an_audit_log_a_key_is_used_up_by_what_was_made_alone() {
    let port = Port::with_store().await;
    let (folder, away) = (port.path("audit"), port.path("away"));
    fs::rename(&folder, &away).unwrap();
    let refused = post(&port, KEYS, &new_key("key"), "one").await;
    assert_eq!(refused.problem(), "audit-unavailable", "{}", refused.body);
    assert_eq!(port.get(KEYS).await.body["keys"], json!([]), "nothing was made");
    fs::rename(&away, &folder).unwrap();
    let again = post(&port, KEYS, &new_key("key"), "one").await;
    assert_eq!(again.status, StatusCode::CREATED, "{}", again.body);
    // The log itself goes: what is made stands, and its record comes later.
    let (file, away) = (port.path("audit/audit-0000000001.jsonl"), port.path("audit/away"));
    fs::rename(&file, &away).unwrap();
    let made = post(&port, KEYS, &new_key("made"), "two").await;
    assert_eq!(made.problem(), "audit-unavailable", "{}", made.body);
    assert!(made.detail().contains("the change was made"), "{}", made.detail());
    fs::rename(&away, &file).unwrap();
    assert_eq!(port.get(&format!("{KEYS}/made")).await.status, StatusCode::OK);
    let again = post(&port, KEYS, &new_key("made"), "two").await;
    assert_eq!((again.status, again.problem()), (StatusCode::CONFLICT, "idempotency-key-used"), "{}", again.body);
}

// R-O1
#[tokio::test]
async fn a_private_key_is_not_kept_to_be_answered_again() {
    let port = Port::with_store().await;
    let (path, body) = ("/v1/stores/store/certificates", json!({"common_name": "billing"}));
    assert_eq!(post(&port, path, &body, "one").await.status, StatusCode::CREATED);
    let again = post(&port, path, &body, "one").await;
    assert_eq!((again.status, again.problem()), (StatusCode::CONFLICT, "idempotency-key-used"));
    assert!(again.detail().contains("made before"), "{}", again.detail());
}

// R-O1
#[tokio::test]
async fn keys_that_are_none_and_routes_that_create_nothing_are_refused() {
    let port = Port::with_store().await;
    for bad in ["", &"x".repeat(65)] {
        let reply = post(&port, KEYS, &new_key("key"), bad).await;
        assert_eq!((reply.status, reply.problem()), (StatusCode::BAD_REQUEST, "malformed"), "{bad}");
    }
    for route in routes().filter(|route| route.changes() && !route.makes_once()) {
        let path = crate::routes::path_of(route.path, "store", "absent");
        let reply = post(&port, &path, &json!({}), "one").await;
        assert_eq!((reply.status, reply.problem()), (StatusCode::BAD_REQUEST, "malformed"), "{path}");
    }
}
