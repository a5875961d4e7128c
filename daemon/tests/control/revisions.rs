//! Revisions: nobody undoes what another has done since he looked.

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Port, Reply, request};

async fn post_if(port: &Port, path: &str, body: &Value, expected: &str) -> Reply {
    let mut request = request("POST", path, &body.to_string());
    request.headers_mut().insert("if-match", expected.parse().unwrap());
    port.send(request).await
}

fn quoted(reply: &Reply) -> String {
    format!("\"{}\"", reply.body["revision"].as_str().unwrap())
}

async fn port() -> Port {
    let port = Port::with_store().await;
    port.create_keys(json!([{"name": "key", "algorithm": "HMAC-SHA-256"}])).await;
    port.person("ada", &[]).await;
    port
}

/// What has a revision, and a change of each, by two administrators.
fn changes() -> [(&'static str, &'static str, Value, Value); 4] {
    let (key, store, person) = ("/v1/stores/store/keys/key", "/v1/stores/store", "/v1/persons/ada");
    [
        (key, "/v1/stores/store/keys/key/about", json!({"description": "one"}), json!({"description": "other"})),
        (key, "/v1/stores/store/keys/key/rotate", json!({}), json!({})),
        (store, "/v1/stores/store/settings", json!({"deletion_wait_hours": 24}), json!({"deletion_wait_hours": 48})),
        (person, "/v1/persons/ada/grants", json!({"role": "auditor"}), json!({"role": "approver", "store": "store"})),
    ]
}

// R-O1
#[tokio::test]
async fn of_two_who_have_seen_the_same_one_makes_his_change_and_the_other_is_told() {
    let port = port().await;
    for (place, path, one, other) in changes() {
        let seen = quoted(&port.get(place).await);
        let made = post_if(&port, path, &one, &seen).await;
        assert_eq!(made.status, StatusCode::OK, "{path}: {}", made.body);
        let now = port.get(place).await;
        assert_eq!(quoted(&now), quoted(&made), "{path}: the reply tells the revision that it made");
        let refused = post_if(&port, path, &other, &seen).await;
        assert_eq!((refused.status, refused.problem()), (StatusCode::PRECONDITION_FAILED, "revision-moved"), "{path}");
        assert!(refused.detail().contains("look at it again"));
        assert_eq!(port.get(place).await.body, now.body, "{path}: nothing was changed");
        assert_eq!(post_if(&port, path, &other, &quoted(&now)).await.status, StatusCode::OK, "{path}");
        // Whoever does not say what he has seen does not mind.
        assert_eq!(port.post(path, &one).await.status, StatusCode::OK);
    }
}

// R-O1
#[tokio::test]
async fn a_revision_that_is_none_is_refused_and_never_passed_over() {
    let port = port().await;
    for bad in ["*", "", "\"\"", "0123456789abcdef", "W/\"0123456789abcdef\"", "\"a\", \"b\""] {
        for (_, path, one, _) in changes() {
            let reply = post_if(&port, path, &one, bad).await;
            assert_eq!((reply.status, reply.problem()), (StatusCode::BAD_REQUEST, "malformed"), "{bad} {path}");
        }
    }
    for (path, body) in
        [("/v1/stores", json!({"name": "a"})), ("/v1/backups", json!({})), ("/v1/system-keys/rotate", json!({}))]
    {
        let reply = post_if(&port, path, &body, "\"0123456789abcdef\"").await;
        assert_eq!((reply.status, reply.problem()), (StatusCode::BAD_REQUEST, "malformed"), "{path}");
    }
}

// R-O1
#[tokio::test]
async fn what_is_only_read_or_protected_anew_keeps_its_revision() {
    let port = port().await;
    let mut before = Vec::new();
    for (place, ..) in changes() {
        before.push(quoted(&port.get(place).await));
    }
    assert_eq!(port.post("/v1/system-keys/rotate", &json!({})).await.status, StatusCode::OK);
    for ((place, ..), before) in changes().into_iter().zip(&before) {
        assert_eq!(quoted(&port.get(place).await), *before, "{place}");
    }
}
