//! Switching approval on and off.

use http::StatusCode;
use serde_json::json;

use super::parties::parties;
use crate::support::{Port, request};

// R-A9
#[tokio::test]
async fn an_approval_that_nobody_could_give_is_not_switched_on() {
    let parties = parties().await;
    let path = "/v1/stores/store/approval-policy";
    for (policy, part) in [
        (json!({"classes": ["delete"], "quorum": 3}), "approval of 3 others"),
        (json!({"classes": ["delete"], "quorum": 0}), "quorum is 0"),
        (json!({"classes": ["installation"]}), "no class"),
        (json!({"classes": ["everything"]}), "no class"),
    ] {
        let reply = parties.port.post(path, &policy).await;
        assert_eq!(reply.problem(), "invalid-value", "{policy}");
        assert!(reply.detail().contains(part), "{}", reply.detail());
    }
    parties.port.post("/v1/persons/cleo/disable", &json!({})).await;
    let reply = parties.port.post(path, &json!({"classes": ["delete"], "quorum": 2})).await;
    assert_eq!(reply.problem(), "invalid-value", "who is disabled approves nothing");
    let policy = parties.port.get(path).await.body;
    assert_eq!((&policy["classes"], &policy["quorum"]), (&json!([]), &json!(1)));
}

// R-A9
#[tokio::test]
async fn switching_it_off_needs_an_approval_itself() {
    let parties = parties().await;
    let path = "/v1/stores/store/approval-policy";
    let on = parties.post(&parties.ada, path, &json!({"classes": ["delete"]})).await;
    assert_eq!(on.status, StatusCode::OK, "{}", on.body);
    // Nothing but deletions need one, and this.
    assert_eq!(parties.post(&parties.ada, "/v1/stores/store/keys/own/rotate", &json!({})).await.status, StatusCode::OK);
    let off = parties.ask(&parties.ada, path, &json!({"classes": []})).await;
    assert_eq!(parties.port.get(path).await.body["classes"], json!(["delete"]));
    assert_eq!(parties.decide(&parties.bob, &off, "approve").await.body["state"], "applied");
    assert_eq!(parties.port.get(path).await.body["classes"], json!([]));
}

// R-A9
#[tokio::test]
async fn nobody_locks_out_himself() {
    let port = Port::with_store().await;
    let roles = [json!({"role": "system-administrator"}), json!({"role": "approver"})];
    let paul = port.person("paul", &roles).await;
    let on = request("POST", "/v1/approval-policy", &json!({"classes": ["installation"]}).to_string());
    let reply = port.send_as(&paul, on).await;
    assert_eq!(reply.problem(), "invalid-value", "{}", reply.body);
    assert!(reply.detail().contains("the approval of somebody else"), "{}", reply.detail());
}
