//! What of the requests that are not done the audit log tells as refusals, and of which key store and key: what its filters find.

use claviger_daemon::control::caller::Caller;
use http::StatusCode;
use serde_json::{Value, json};

use crate::audit::records;
use crate::support::{Port, Reply, request};

async fn port_with_key() -> (Port, String) {
    let port = Port::with_store().await;
    let created = port.create_keys(json!([{"name": "records", "algorithm": "XAES-256-GCM"}])).await;
    (port, created.body["keys"][0]["id"].as_str().unwrap().to_owned())
}

async fn post(port: &Port, caller: &Caller, path: &str, body: &Value) -> Reply {
    port.send_as(caller, request("POST", path, &body.to_string())).await
}

/// The refusals that a query finds, once all of them are in the log: a change waits for that.
async fn refusals(port: &Port, query: &str) -> Vec<Value> {
    port.create_keys(json!([{"name": "waited-for", "algorithm": "XAES-256-GCM"}])).await;
    records(port, &format!("&kind=refusal{query}")).await
}

// R-O3
#[tokio::test]
async fn what_somebody_may_not_do_is_told_with_the_key_store_and_the_key_that_he_has_named() {
    let (port, id) = port_with_key().await;
    let eve = port.person("eve", &[json!({"role": "auditor", "store": "store"})]).await;
    for key in ["records", &id] {
        let refused = post(&port, &eve, &format!("/v1/stores/store/keys/{key}/disable"), &json!({})).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(post(&port, &eve, "/v1/persons", &json!({"name": "mallory"})).await.status, StatusCode::FORBIDDEN);
    let found = refusals(&port, &format!("&key={id}")).await;
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().all(|record| record["operation"] == "disable_key"), "{found:?}");
    assert!(found[0]["actor"].as_str().unwrap().starts_with("person eve ("), "{found:?}");
    assert!(found[0]["reason"].as_str().unwrap().starts_with("not-permitted: "), "{found:?}");
    assert_eq!(refusals(&port, "&store=store").await, found);
    assert_eq!(refusals(&port, "&actor=eve").await.len(), 3);
}

// R-O3, R-A8
#[tokio::test]
async fn what_is_answered_as_if_it_were_not_there_is_a_refusal_nevertheless() {
    let (port, id) = port_with_key().await;
    assert_eq!(port.post("/v1/stores", &json!({"name": "other", "access": {"address": true}})).await.status, 201);
    let eve = port.person("eve", &[json!({"role": "key-manager", "store": "store"})]).await;
    for path in ["/v1/stores/other", "/v1/stores/store/keys/records", "/v1/stores/store/keys/absent"] {
        assert_eq!(port.send_as(&eve, request("GET", path, "")).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let found = refusals(&port, "&actor=eve").await;
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0]["reason"].as_str().unwrap().starts_with("key-store-not-found: "), "{found:?}");
    assert_eq!(refusals(&port, "&store=other").await, found[..1]);
    assert_eq!(refusals(&port, &format!("&key={id}")).await, found[1..]);
}

// R-O3
#[tokio::test]
async fn what_finds_nothing_or_cannot_be_is_no_refusal() {
    let (port, _) = port_with_key().await;
    for path in ["/v1/stores/none", "/v1/stores/store/keys/none", "/v1/no-such-route"] {
        assert_eq!(port.get(path).await.status, StatusCode::NOT_FOUND);
    }
    for (path, body) in [
        ("/v1/stores", json!({"name": "store", "more": 1})),
        ("/v1/stores", json!({"name": "store", "access": {"address": true}})),
        ("/v1/stores/store/settings", json!({})),
        ("/v1/stores/store/keys/records/cancel-deletion", json!({})),
    ] {
        assert!(port.post(path, &body).await.status.is_client_error(), "{path}");
    }
    assert_eq!(refusals(&port, "").await, Vec::<Value>::new());
}

// R-O3, R-O1
#[tokio::test]
async fn requests_of_other_sites_and_of_nobody_are_refusals() {
    let (port, _) = port_with_key().await;
    let mut foreign = request("GET", "/v1/stores/store", "");
    foreign.headers_mut().insert("origin", "https://elsewhere.example".parse().unwrap());
    assert_eq!(port.send(foreign).await.status, StatusCode::FORBIDDEN);
    let mut bare = request("POST", "/v1/stores/store/settings", "{}");
    bare.headers_mut().remove("claviger-request");
    assert_eq!(port.send(bare).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(port.send_as_nobody(request("GET", "/v1/stores/store", "")).await.status, StatusCode::UNAUTHORIZED);
    let found = refusals(&port, "&store=store").await;
    let reasons: Vec<_> =
        found.iter().map(|record| record["reason"].as_str().unwrap().split(':').next().unwrap()).collect();
    assert_eq!(reasons, ["cross-site", "header-missing", "not-authenticated"]);
    assert_eq!(found[2].get("actor"), None);
}

// R-O3, R-A9
#[tokio::test]
async fn requests_for_approval_and_what_keeps_them_from_being_done_name_the_key_store() {
    let (port, id) = port_with_key().await;
    let approver =
        [json!({"role": "approver", "store": "store"}), json!({"role": "store-administrator", "store": "store"})];
    let (ada, bob) = (port.person("ada", &approver).await, port.person("bob", &approver).await);
    let policy = json!({"classes": ["modify"], "quorum": 2});
    let _third = port.person("cleo", &approver).await;
    assert_eq!(port.post("/v1/stores/store/approval-policy", &policy).await.status, StatusCode::OK);
    let asked = post(&port, &ada, "/v1/stores/store/keys/records/disable", &json!({})).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.body);
    let request_id = asked.body["id"].as_str().unwrap();
    let approve = format!("/v1/approvals/{request_id}/approve");
    assert_eq!(post(&port, &ada, &approve, &json!({})).await.status, StatusCode::FORBIDDEN);
    assert_eq!(post(&port, &bob, &approve, &json!({})).await.status, StatusCode::OK);
    assert_eq!(post(&port, &bob, &approve, &json!({})).await.status, StatusCode::CONFLICT);
    let found = refusals(&port, "&store=store").await;
    let whose: Vec<_> =
        found.iter().map(|record| record["actor"].as_str().unwrap().split(' ').nth(1).unwrap()).collect();
    assert_eq!(whose, ["ada", "bob"], "{found:?}");
    let rejected = post(&port, &bob, &format!("/v1/approvals/{request_id}/reject"), &json!({"reason": "no"})).await;
    assert_eq!(rejected.status, StatusCode::OK, "{}", rejected.body);
    let of_store = records(&port, "&store=store&kind=change").await;
    for operation in ["ask_for_approval", "approve", "reject_approval"] {
        assert!(of_store.iter().any(|record| record["operation"] == operation), "{operation}: {of_store:?}");
    }
    let of_key = records(&port, &format!("&key={id}&kind=change")).await;
    assert!(of_key.iter().any(|record| record["operation"] == "ask_for_approval"), "{of_key:?}");
}

// R-O3
#[tokio::test]
async fn changes_of_persons_and_of_who_may_come_in_name_key_store_and_keys() {
    let (port, id) = port_with_key().await;
    let _managing = port.person("eve", &[json!({"role": "key-manager", "store": "store", "keys": ["records"]})]).await;
    let network = json!({"address": "192.0.2.0/24", "operations": ["encrypt"], "keys": ["records"]});
    let added = port.post("/v1/stores/store/access", &network).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.body);
    let row = added.body["id"].as_str().unwrap();
    assert_eq!(port.post(&format!("/v1/stores/store/access/{row}/disable"), &json!({})).await.status, StatusCode::OK);
    let operations = async |query: &str| {
        let found = records(&port, query).await;
        found.iter().map(|record| record["operation"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(operations(&format!("&key={id}")).await, ["create_keys", "grant_role", "add_access"]);
    let of_store = operations("&store=store").await;
    assert_eq!(of_store, ["create_store", "create_keys", "grant_role", "add_access", "disable_access"]);
}
