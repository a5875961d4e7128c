//! Approval of who may come in: he reaches the keys that were shown, and no others.

use http::StatusCode;
use serde_json::{Value, json};

use super::parties::{Parties, parties};

const ACCESS: &str = "/v1/stores/store/access";
const CERTIFICATES: &str = "/v1/stores/store/certificates";

async fn rows(parties: &Parties) -> Value {
    parties.port.get(ACCESS).await.body["rows"].clone()
}

async fn id_of(parties: &Parties, key: &str) -> String {
    let key = parties.port.get(&format!("/v1/stores/store/keys/{key}")).await.body;
    key["id"].as_str().unwrap().to_owned()
}

/// Has it decided, and sees that it has moved.
async fn is_moved(parties: &Parties, id: &str) {
    let reply = parties.decide(&parties.bob, id, "approve").await;
    assert_eq!((reply.status, reply.problem()), (StatusCode::CONFLICT, "conflict"), "{}", reply.body);
    let asked = parties.get(&parties.bob, &format!("/v1/approvals/{id}")).await.body;
    assert_ne!(asked["state"], "applied", "{asked}");
}

// R-A9, R-A12
#[tokio::test]
async fn an_alias_that_stands_for_another_key_by_then_lets_nobody_in_to_it() {
    let parties = parties().await;
    let row = parties.port.post(ACCESS, &json!({"address": "192.0.2.1"})).await.body;
    let narrow = format!("{ACCESS}/{}/narrow", row["id"].as_str().unwrap());
    let mut asked = Vec::new();
    for (path, body) in [
        (ACCESS, json!({"address": "192.0.2.2", "keys": ["alias"]})),
        (&narrow, json!({"keys": ["alias"]})),
        (CERTIFICATES, json!({"common_name": "billing", "keys": ["alias"]})),
    ] {
        asked.push(parties.ask(&parties.rita, path, &body).await);
    }
    let moved = parties.port.post("/v1/stores/store/aliases/alias/move", &json!({"key": "other"})).await;
    assert_eq!(moved.status, StatusCode::OK, "{}", moved.body);
    let before = rows(&parties).await;
    for id in &asked {
        is_moved(&parties, id).await;
    }
    assert_eq!(rows(&parties).await, before, "somebody was let in to another key");
    // As it was shown, it is done.
    let back = parties.port.post("/v1/stores/store/aliases/alias/move", &json!({"key": "own"})).await;
    assert_eq!(back.status, StatusCode::OK, "{}", back.body);
    let id = parties.ask(&parties.rita, CERTIFICATES, &json!({"common_name": "billing", "keys": ["alias"]})).await;
    let applied = parties.decide(&parties.bob, &id, "approve").await;
    assert_eq!(applied.body["state"], "applied", "{}", applied.body);
}

// R-A9
#[tokio::test]
async fn a_certificate_whose_row_has_changed_is_not_renewed() {
    let parties = parties().await;
    let issued = parties.port.post(CERTIFICATES, &json!({"common_name": "billing", "keys": ["own"]})).await.body;
    let path = |change: &str| format!("{ACCESS}/{}/{change}", issued["access_id"].as_str().unwrap());
    let [narrowed, ended] = [
        parties.ask(&parties.rita, &path("renew"), &json!({})).await,
        parties.ask(&parties.rita, &path("renew"), &json!({})).await,
    ];
    let wider = parties.port.post(&path("narrow"), &json!({"keys": ["own", "other"]})).await;
    assert_eq!(wider.status, StatusCode::OK, "{}", wider.body);
    let before = rows(&parties).await;
    is_moved(&parties, &narrowed).await;
    is_moved(&parties, &ended).await;
    assert_eq!(rows(&parties).await, before, "a certificate was issued");
    let id = parties.ask(&parties.rita, &path("renew"), &json!({})).await;
    let applied = parties.decide(&parties.bob, &id, "approve").await;
    assert_eq!(applied.body["state"], "applied", "{}", applied.body);
}

// R-A9, R-A12, R-O3
#[tokio::test]
async fn what_a_certificate_is_to_permit_is_shown_in_words() {
    let parties = parties().await;
    let (own, other) = (id_of(&parties, "own").await, id_of(&parties, "other").await);
    let body = json!({"common_name": "billing", "operations": ["encrypt"], "keys": ["own", "other"]});
    let id = parties.ask(&parties.rita, CERTIFICATES, &body).await;
    let asked = parties.get(&parties.bob, &format!("/v1/approvals/{id}")).await.body;
    let shown = asked["changes"][0]["change"].as_str().unwrap();
    for part in ["operations encrypt", "2 keys:", &own, &other] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let id = parties.ask(&parties.rita, CERTIFICATES, &json!({"common_name": "all"})).await;
    let asked = parties.get(&parties.bob, &format!("/v1/approvals/{id}")).await.body;
    let shown = asked["changes"][0]["change"].as_str().unwrap();
    assert!(shown.contains("all operations, all keys"), "{shown}");
}
