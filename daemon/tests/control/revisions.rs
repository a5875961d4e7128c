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
    for name in ["one", "other"] {
        port.create_keys(json!([{"name": name, "algorithm": "HMAC-SHA-256"}])).await;
    }
    assert_eq!(port.post("/v1/stores/store/aliases", &json!({"alias": "alias", "key": "key"})).await.status, 201);
    port
}

/// A row of authentication data.
async fn row(port: &Port) -> String {
    let added = port.post("/v1/stores/store/access", &json!({"address": "192.0.2.0/24"})).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.body);
    format!("/v1/stores/store/access/{}", added.body["id"].as_str().unwrap())
}

/// What is changed by two who have both seen it as it stands at `place`.
async fn compete(port: &Port, place: &str, path: &str, one: &Value, other: &Value) {
    let seen = quoted(&port.get(place).await);
    let made = post_if(port, path, one, &seen).await;
    assert_eq!(made.status, StatusCode::OK, "{path}: {}", made.body);
    let now = port.get(place).await;
    assert_eq!(quoted(&now), quoted(&made), "{path}: the reply tells the revision that it made");
    let refused = post_if(port, path, other, &seen).await;
    assert_eq!((refused.status, refused.problem()), (StatusCode::PRECONDITION_FAILED, "revision-moved"), "{path}");
    assert!(refused.detail().contains("look at it again"));
    assert_eq!(port.get(place).await.body, now.body, "{path}: nothing was changed");
    assert_eq!(post_if(port, path, other, &quoted(&now)).await.status, StatusCode::OK, "{path}");
    // Whoever does not say what he has seen does not mind.
    assert_eq!(port.post(path, one).await.status, StatusCode::OK, "{path}");
}

/// What has a revision, and a change of each, by two administrators.
fn changes() -> [(&'static str, &'static str, Value, Value); 6] {
    let (key, store, person) = ("/v1/stores/store/keys/key", "/v1/stores/store", "/v1/persons/ada");
    let (policy, of_store) = ("/v1/approval-policy", "/v1/stores/store/approval-policy");
    let off = |quorum: u8| json!({"classes": [], "quorum": quorum});
    [
        (key, "/v1/stores/store/keys/key/about", json!({"description": "one"}), json!({"description": "other"})),
        (key, "/v1/stores/store/keys/key/rotate", json!({}), json!({})),
        (store, "/v1/stores/store/settings", json!({"deletion_wait_hours": 24}), json!({"deletion_wait_hours": 48})),
        (person, "/v1/persons/ada/grants", json!({"role": "auditor"}), json!({"role": "approver", "store": "store"})),
        (policy, policy, off(2), off(3)),
        (of_store, of_store, off(2), off(3)),
    ]
}

// R-O1
#[tokio::test]
async fn of_two_who_have_seen_the_same_one_makes_his_change_and_the_other_is_told() {
    let port = port().await;
    for (place, path, one, other) in changes() {
        compete(&port, place, path, &one, &other).await;
    }
    let row = row(&port).await;
    for (what, one, other) in [
        ("narrow", json!({"operations": ["encrypt"]}), json!({"operations": ["decrypt"]})),
        ("describe", json!({"description": "one"}), json!({"description": "other"})),
        ("end", json!({"ends": "2090-01-01T00:00:00Z"}), json!({"ends": "2091-01-01T00:00:00Z"})),
    ] {
        compete(&port, &row, &format!("{row}/{what}"), &one, &other).await;
    }
}

// R-O1, R-A13
#[tokio::test]
async fn a_key_store_that_was_disabled_since_is_not_enabled_again_unseen() {
    let port = port().await;
    let (place, enable) = ("/v1/stores/store", "/v1/stores/store/enable");
    let seen = quoted(&port.get(place).await);
    assert_eq!(port.post("/v1/stores/store/disable", &json!({})).await.status, StatusCode::OK);
    let refused = post_if(&port, enable, &json!({}), &seen).await;
    assert_eq!((refused.status, refused.problem()), (StatusCode::PRECONDITION_FAILED, "revision-moved"));
    let disabled = port.get(place).await;
    assert_eq!(disabled.body["state"], "disabled");
    let enabled = post_if(&port, enable, &json!({}), &quoted(&disabled)).await;
    assert_eq!((enabled.status, &enabled.body["state"]), (StatusCode::OK, &json!("available")), "{}", enabled.body);
    assert_eq!(quoted(&enabled), seen, "it is as it was");
}

// R-O1, R-K21
#[tokio::test]
async fn an_alias_that_stands_for_another_key_by_now_is_not_moved_or_deleted() {
    let port = port().await;
    let shown = async || port.get("/v1/stores/store/aliases").await.body["aliases"][0].clone();
    let seen = format!("{}", shown().await["revision"]);
    let moved = post_if(&port, "/v1/stores/store/aliases/alias/move", &json!({"key": "one"}), &seen).await;
    assert_eq!((moved.status, &moved.body), (StatusCode::OK, &shown().await));
    for (what, body) in [("move", json!({"key": "other"})), ("delete", json!({}))] {
        let refused = post_if(&port, &format!("/v1/stores/store/aliases/alias/{what}"), &body, &seen).await;
        assert_eq!((refused.status, refused.problem()), (StatusCode::PRECONDITION_FAILED, "revision-moved"), "{what}");
    }
    let now = shown().await;
    assert_eq!(now["key"], "one");
    let deleted =
        post_if(&port, "/v1/stores/store/aliases/alias/delete", &json!({}), &now["revision"].to_string()).await;
    assert_eq!(deleted.status, StatusCode::OK, "{}", deleted.body);
}

// R-O1, R-A9
#[tokio::test]
async fn what_is_asked_for_builds_on_what_was_seen() {
    let port = port().await;
    let row = row(&port).await;
    let grants = ["store-administrator", "approver"].map(|role| json!({"role": role, "store": "store"}));
    let (eve, bob) = (port.person("eve", &grants).await, port.person("bob", &grants).await);
    let _third = port.person("cleo", &grants).await;
    let places = [
        ("/v1/stores/store/keys/key".to_owned(), "/v1/stores/store/keys/key/about".to_owned()),
        (row.clone(), format!("{row}/describe")),
    ];
    let mut seen = Vec::new();
    for (place, path) in &places {
        seen.push(quoted(&port.get(place).await));
        assert_eq!(port.post(path, &json!({"description": "moved"})).await.status, StatusCode::OK);
    }
    let policy = json!({"classes": ["modify", "access-control"], "quorum": 1});
    assert_eq!(port.post("/v1/stores/store/approval-policy", &policy).await.status, StatusCode::OK);
    for ((place, path), seen) in places.iter().zip(seen) {
        let ask = async |expected: &str| {
            let mut request = request("POST", path, &json!({"description": "mine"}).to_string());
            request.headers_mut().insert("if-match", expected.parse().unwrap());
            port.send_as(&eve, request).await
        };
        assert_eq!(ask(&seen).await.problem(), "revision-moved", "{path}");
        let bundle = |revision: &str| {
            let revision = revision.trim_matches('"');
            let change = json!({"operation": "set_about", "parameters": {"key": "key"}, "revision": revision, "body": {"description": "b"}});
            request("POST", "/v1/stores/store/approvals", &json!({"changes": [change]}).to_string())
        };
        if path.ends_with("about") {
            let reply = port.send_as(&eve, bundle(&seen)).await;
            assert_eq!(reply.problem(), "revision-moved", "{}", reply.body);
        }
        let asked = ask(&quoted(&port.get(place).await)).await;
        assert_eq!(asked.status, StatusCode::ACCEPTED, "{path}: {}", asked.body);
        let approve = format!("/v1/approvals/{}/approve", asked.body["id"].as_str().unwrap());
        let approved = port.send_as(&bob, request("POST", &approve, "{}")).await;
        assert_eq!(approved.status, StatusCode::OK, "{path}: {}", approved.body);
        assert_eq!(port.get(place).await.body["description"], "mine", "{path}");
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
