//! What is shown of a request, and to whom.

use http::StatusCode;
use serde_json::{Value, json};

use super::parties::parties;
use crate::support::request;

// R-A9
#[tokio::test]
async fn a_private_key_that_comes_of_an_approval_is_for_who_asked() {
    let parties = parties().await;
    parties.switch_on(1).await;
    let id = parties.ask(&parties.rita, "/v1/stores/store/certificates", &json!({"common_name": "billing"})).await;
    let applied = parties.decide(&parties.bob, &id, "approve").await;
    assert_eq!(applied.body["state"], "applied", "{}", applied.body);
    assert!(!applied.body.to_string().contains("PRIVATE KEY"));
    let answers = parties.get(&parties.rita, &format!("/v1/approvals/{id}/answers")).await.body;
    assert!(answers["answers"][0]["private_key"].as_str().unwrap().contains("PRIVATE KEY"));
}

// R-A9
#[tokio::test]
async fn values_that_are_asked_for_are_shown_to_nobody() {
    let parties = parties().await;
    parties.switch_on(1).await;
    let id = parties.ask(&parties.rita, "/v1/stores/store/keys/secret/update", &json!({"value": "aHVudGVyMg=="})).await;
    let shown = parties.get(&parties.bob, &format!("/v1/approvals/{id}")).await.body.to_string();
    assert!(!shown.contains("aHVudGVyMg") && !shown.contains("hunter2"), "{shown}");
    parties.decide(&parties.bob, &id, "approve").await;
    assert_eq!(parties.port.get("/v1/stores/store/keys/secret").await.body["current_version"], 2);
}

// R-A9
#[tokio::test]
async fn what_is_asked_for_is_shown_in_full_but_for_secrets() {
    let parties = parties().await;
    let keys = json!({"keys": [
        {"name": "a", "algorithm": "OPAQUE", "value": "aHVudGVyMg==", "exportable": true, "description": "for the vault"},
    ]});
    let id = parties.ask(&parties.rita, "/v1/stores/store/keys", &keys).await;
    let request = &parties.get(&parties.bob, &format!("/v1/approvals/{id}")).await.body["changes"][0]["request"];
    let mut expected = keys;
    expected["keys"][0]["value"] = Value::Null;
    assert_eq!(request, &expected);
}

// R-A9
#[tokio::test]
async fn requests_of_other_places_are_not_seen() {
    let parties = parties().await;
    parties.port.post("/v1/stores", &json!({"name": "elsewhere", "access": {"client_certificate": true}})).await;
    let eve = parties.port.person("eve", &[json!({"role": "approver", "store": "elsewhere"})]).await;
    let id = parties.ask(&parties.rita, "/v1/stores/store/keys/own/rotate", &json!({})).await;
    for (path, method) in
        [("", "GET"), ("/answers", "GET"), ("/approve", "POST"), ("/reject", "POST"), ("/withdraw", "POST")]
    {
        let path = format!("/v1/approvals/{id}{path}");
        let reply = parties.port.send_as(&eve, request(method, &path, if method == "POST" { "{}" } else { "" })).await;
        assert_eq!((reply.status, reply.problem()), (StatusCode::NOT_FOUND, "approval-not-found"), "{path}");
    }
    assert_eq!(parties.get(&eve, "/v1/approvals").await.body["approvals"], json!([]));
}
