//! What becomes of a request: done as it was shown, or not at all.

use http::StatusCode;
use serde_json::{Value, json};

use super::parties::parties;

// R-A9
#[tokio::test]
async fn what_is_approved_is_done_as_it_was_shown() {
    let parties = parties().await;
    parties.switch_on(2).await;
    let path = "/v1/stores/store/keys/own/disable";
    let id = parties.ask(&parties.rita, path, &json!({})).await;
    let shown = parties.get(&parties.bob, &format!("/v1/approvals/{id}")).await.body;
    let change = &shown["changes"][0];
    assert_eq!((&change["before"]["state"], &change["after"]["state"]), (&json!("available"), &json!("disabled")));
    assert_eq!((&shown["store"], &shown["requester"]["name"]), (&json!("store"), &json!("rita")));
    let first = parties.decide(&parties.bob, &id, "approve").await;
    assert_eq!((first.status, &first.body["state"]), (StatusCode::OK, &json!("open")), "{}", first.body);
    for (caller, status) in [
        (&parties.bob, StatusCode::CONFLICT),
        (&parties.rita, StatusCode::FORBIDDEN),
        (&parties.ada, StatusCode::FORBIDDEN),
    ] {
        assert_eq!(parties.decide(caller, &id, "approve").await.status, status);
    }
    assert_eq!(parties.port.get("/v1/stores/store/keys/own").await.body["state"], "available");
    let last = parties.decide(&parties.cleo, &id, "approve").await;
    assert_eq!((last.status, &last.body["state"]), (StatusCode::OK, &json!("applied")), "{}", last.body);
    let names: Vec<_> = last.body["approvals"].as_array().unwrap().iter().map(|given| &given["by"]["name"]).collect();
    assert_eq!(names, ["bob", "cleo"]);
    let key = parties.port.get("/v1/stores/store/keys/own").await.body;
    assert_eq!(key["state"], "disabled");
    let answers = parties.get(&parties.rita, &format!("/v1/approvals/{id}/answers")).await;
    assert_eq!(answers.body["answers"][0]["state"], "disabled");
    for other in [&parties.bob, &parties.ada] {
        let reply = parties.get(other, &format!("/v1/approvals/{id}/answers")).await;
        assert_eq!((reply.status, reply.problem()), (StatusCode::FORBIDDEN, "not-permitted"));
    }
}

// R-A9
#[tokio::test]
async fn what_has_moved_is_not_done_and_who_may_not_ask_any_more_does_not() {
    let parties = parties().await;
    let rotate = "/v1/stores/store/keys/own/rotate";
    let id = parties.ask(&parties.rita, rotate, &json!({})).await;
    parties.port.post("/v1/stores/store/keys/own/about", &json!({"description": "x"})).await;
    let moved = parties.decide(&parties.bob, &id, "approve").await;
    assert_eq!((moved.status, moved.problem()), (StatusCode::CONFLICT, "conflict"), "{}", moved.body);
    assert_eq!(parties.get(&parties.bob, &format!("/v1/approvals/{id}")).await.body["state"], "moved");
    let id = parties.ask(&parties.rita, rotate, &json!({})).await;
    parties.port.post("/v1/persons/rita/grants/revoke", &json!({"role": "requester", "store": "store"})).await;
    let lost = parties.decide(&parties.bob, &id, "approve").await;
    assert!(lost.status.is_client_error(), "{}", lost.body);
    parties.port.post("/v1/persons/rita/grants", &json!({"role": "requester", "store": "store"})).await;
    parties.port.post("/v1/persons/rita/disable", &json!({})).await;
    assert_eq!(parties.decide(&parties.bob, &id, "approve").await.status, StatusCode::FORBIDDEN);
    parties.port.post("/v1/persons/rita/enable", &json!({})).await;
    parties.port.post("/v1/persons/bob/grants/revoke", &json!({"role": "approver", "store": "store"})).await;
    assert_eq!(parties.decide(&parties.bob, &id, "approve").await.status, StatusCode::FORBIDDEN);
    assert_eq!(parties.port.get("/v1/stores/store/keys/own").await.body["current_version"], 3);
    assert_eq!(parties.decide(&parties.cleo, &id, "approve").await.body["state"], "applied");
    assert_eq!(parties.port.get("/v1/stores/store/keys/own").await.body["current_version"], 4);
}

// R-A9
#[tokio::test]
async fn a_name_that_stands_for_another_key_by_then_is_not_followed() {
    let parties = parties().await;
    let id = parties.ask(&parties.rita, "/v1/stores/store/keys/alias/rotate", &json!({})).await;
    let moved = parties.port.post("/v1/stores/store/aliases/alias/move", &json!({"key": "other"})).await;
    assert_eq!(moved.status, StatusCode::OK);
    let before = parties.port.get("/v1/stores/store/keys/other").await.body["current_version"].clone();
    let reply = parties.decide(&parties.bob, &id, "approve").await;
    // The alias is part of the key, which has moved by that.
    assert_eq!(reply.problem(), "conflict", "{}", reply.body);
    assert_eq!(parties.port.get("/v1/stores/store/keys/other").await.body["current_version"], before);
}

// R-A9
#[tokio::test]
async fn rejected_and_withdrawn_requests_are_over() {
    let parties = parties().await;
    let rotate = "/v1/stores/store/keys/own/rotate";
    let [rejected, withdrawn] =
        [parties.ask(&parties.rita, rotate, &json!({})).await, parties.ask(&parties.rita, rotate, &json!({})).await];
    assert_eq!(parties.decide(&parties.rita, &rejected, "reject").await.status, StatusCode::FORBIDDEN);
    let reply =
        parties.post(&parties.bob, &format!("/v1/approvals/{rejected}/reject"), &json!({"reason": "not today"})).await;
    assert_eq!((&reply.body["state"], &reply.body["rejection"]["reason"]), (&json!("rejected"), &json!("not today")));
    assert_eq!(parties.decide(&parties.bob, &withdrawn, "withdraw").await.status, StatusCode::FORBIDDEN);
    assert_eq!(parties.decide(&parties.rita, &withdrawn, "withdraw").await.body["state"], "withdrawn");
    for id in [&rejected, &withdrawn] {
        assert_eq!(parties.decide(&parties.bob, id, "approve").await.problem(), "conflict");
        assert_eq!(parties.get(&parties.rita, &format!("/v1/approvals/{id}/answers")).await.problem(), "conflict");
    }
    assert_eq!(parties.get(&parties.bob, "/v1/approvals/open").await.body["approvals"], json!([]));
    assert_eq!(parties.get(&parties.bob, "/v1/approvals").await.body["approvals"].as_array().unwrap().len(), 2);
}

// R-A9
#[tokio::test]
async fn a_bundle_is_made_as_a_whole() {
    let parties = parties().await;
    let ask = |changes: Value| json!({"reason": "spring cleaning", "hours": 2, "changes": changes});
    let of_key = |operation: &str, key: &str, body: Value| json!({"operation": operation, "parameters": {"key": key}, "body": body});
    let path = "/v1/stores/store/approvals";
    let good = ask(json!([of_key("rotate_key", "own", json!({})), of_key("enable_key", "off", json!({}))]));
    let id = parties.ask(&parties.rita, path, &good).await;
    let applied = parties.decide(&parties.bob, &id, "approve").await;
    assert_eq!(applied.body["state"], "applied", "{}", applied.body);
    assert_eq!(parties.port.get("/v1/stores/store/keys/own").await.body["current_version"], 4);
    assert_eq!(parties.port.get("/v1/stores/store/keys/off").await.body["state"], "available");
    for (bad, status) in [
        (
            ask(json!([of_key("rotate_key", "own", json!({})), of_key("rotate_key", "own", json!({}))])),
            StatusCode::CONFLICT,
        ),
        (ask(json!([of_key("rotate_key", "absent", json!({}))])), StatusCode::NOT_FOUND),
        (ask(json!([{"operation": "rotate_root_key"}])), StatusCode::UNPROCESSABLE_ENTITY),
        (ask(json!([{"operation": "approve", "parameters": {"approval": id}}])), StatusCode::UNPROCESSABLE_ENTITY),
        (ask(json!([{"operation": "list_keys"}])), StatusCode::UNPROCESSABLE_ENTITY),
        (
            ask(json!([{"operation": "rotate_key", "parameters": {"store": "store", "key": "own"}}])),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (ask(json!([of_key("set_rotation", "own", json!({"period_days": "x"}))])), StatusCode::BAD_REQUEST),
        (ask(json!([])), StatusCode::UNPROCESSABLE_ENTITY),
        (
            ask(
                json!([of_key("rotate_key", "own", json!({})), {"operation": "issue_certificate", "body": {"common_name": "x"}}]),
            ),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
    ] {
        let reply = parties.post(&parties.rita, path, &bad).await;
        assert_eq!(reply.status, status, "{bad}: {}", reply.body);
    }
}

// R-A9, R-K18
#[tokio::test]
async fn the_import_of_a_version_is_a_change_of_its_key() {
    let parties = parties().await;
    let only = json!({"classes": ["modify"]});
    assert_eq!(parties.port.post("/v1/stores/store/approval-policy", &only).await.status, StatusCode::OK);
    let path = "/v1/stores/store/imports";
    let new = json!({"name": "imported", "algorithm": "XAES-256-GCM"});
    assert_eq!(parties.post(&parties.ada, path, &new).await.status, StatusCode::CREATED, "a new key needs none");
    let begun = parties.ask(&parties.ada, path, &json!({"key": "own"})).await;
    parties.decide(&parties.bob, &begun, "approve").await;
    let answers = parties.get(&parties.ada, &format!("/v1/approvals/{begun}/answers")).await.body;
    let complete = format!("{path}/{}/complete", answers["answers"][0]["id"].as_str().unwrap());
    parties.ask(&parties.ada, &complete, &json!({"wrapped": "AAAA"})).await;
}

// R-A9
#[tokio::test]
async fn somebody_else_with_the_same_certificate_did_not_ask() {
    let parties = parties().await;
    let id = parties.ask(&parties.rita, "/v1/stores/store/keys/own/rotate", &json!({})).await;
    parties.port.post("/v1/persons/rita/remove", &json!({})).await;
    let gone = parties.decide(&parties.bob, &id, "approve").await;
    assert_eq!((gone.status, gone.problem()), (StatusCode::CONFLICT, "conflict"), "{}", gone.body);
    assert_eq!(parties.port.get("/v1/stores/store/keys/own").await.body["current_version"], 3);
}

// R-A9
#[tokio::test]
async fn what_was_begun_and_failed_says_why() {
    let parties = parties().await;
    let begun = json!({"name": "begun", "algorithm": "XAES-256-GCM"});
    let id = parties.ask(&parties.rita, "/v1/stores/store/imports", &begun).await;
    parties.decide(&parties.bob, &id, "approve").await;
    let answers = parties.get(&parties.rita, &format!("/v1/approvals/{id}/answers")).await.body;
    let complete = format!("/v1/stores/store/imports/{}/complete", answers["answers"][0]["id"].as_str().unwrap());
    let wrapped = "A".repeat(4 * 184);
    let id = parties.ask(&parties.rita, &complete, &json!({ "wrapped": wrapped })).await;
    let failed = parties.decide(&parties.bob, &id, "approve").await;
    assert_eq!(failed.problem(), "import-failed", "{}", failed.body);
    let shown = parties.get(&parties.rita, &format!("/v1/approvals/{id}")).await.body;
    assert_eq!(shown["state"], "failed");
    assert!(!shown["failure"].as_str().unwrap().is_empty() && !shown.to_string().contains(&wrapped));
}
