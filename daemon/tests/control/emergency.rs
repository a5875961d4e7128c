//! Emergency stops on the control port: the lock, and what answers, health, readiness, metrics and the audit log say of stops.

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Port, request};

async fn lock(port: &Port) -> Value {
    let reply = port.post("/v1/emergency/lock", &json!({"reason": "a theft"})).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    reply.body
}

// R-A13
#[tokio::test]
async fn a_lock_is_told_by_its_answer_by_health_by_readiness_and_by_metrics() {
    let port = Port::with_store().await;
    assert_eq!(port.get("/v1/emergency").await.body, json!({"unwritten": []}));
    let answer = lock(&port).await;
    assert_eq!((&answer["durable"], &answer["keys_left"], answer.get("detail")), (&json!(true), &json!(0), None));
    let locked = &answer["locked"];
    assert_eq!(locked["reason"], "a theft");
    assert!(locked["by"].as_str().unwrap().contains("Ada") && locked["since"].is_string(), "{locked}");
    assert_eq!(port.get("/v1/emergency").await.body, json!({"locked": locked, "unwritten": []}));
    let health = port.get("/v1/health").await.body;
    assert_eq!(&health["locked"], locked);
    let warned =
        |word: &str| health["warnings"].as_array().unwrap().iter().any(|one| one.as_str().unwrap().contains(word));
    assert!(warned("locked since") && warned("claviger emergency unlock"), "{health}");
    let ready = port.get("/v1/ready").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(ready.body["reasons"].to_string().contains("a theft"), "{}", ready.body);
    let metrics = port.get("/metrics").await.body;
    assert!(metrics.as_str().unwrap().contains("claviger_locked 1\n"), "{metrics}");
    let unlocked = port.post("/v1/emergency/unlock", &json!({})).await;
    assert_eq!((unlocked.status, unlocked.body), (StatusCode::OK, json!({"unwritten": []})));
    assert_eq!(port.get("/v1/health").await.body.get("locked"), None);
    assert!(port.get("/metrics").await.body.as_str().unwrap().contains("claviger_locked 0\n"));
}

// R-A13, R-O3
#[tokio::test]
async fn a_lock_and_its_end_are_in_the_audit_log() {
    let port = Port::with_store().await;
    lock(&port).await;
    port.post("/v1/emergency/unlock", &json!({})).await;
    let records = port.get("/v1/audit/records?limit=1000").await.body;
    let told: Vec<_> = records["records"].as_array().unwrap().iter().map(|record| &record["operation"]).collect();
    assert_eq!(told[told.len() - 2..], [&json!("lock"), &json!("unlock")], "{records}");
}

// R-A13
#[tokio::test]
async fn while_it_is_locked_what_needs_key_material_is_refused_and_the_rest_goes_on() {
    let port = Port::with_store().await;
    port.create_keys(json!([{"name": "key", "algorithm": "Ed25519"}])).await;
    lock(&port).await;
    for (path, body) in [
        ("/v1/stores/store/keys", json!({"keys": [{"name": "new", "algorithm": "Ed25519"}]})),
        ("/v1/stores/store/keys/key/rotate", json!({})),
        ("/v1/stores/store/imports", json!({"name": "imported", "algorithm": "HMAC-SHA-256"})),
        ("/v1/backups/absent/verify", json!({})),
    ] {
        let reply = port.post(path, &body).await;
        assert_eq!((reply.status, reply.problem()), (StatusCode::CONFLICT, "locked"), "{path}: {}", reply.body);
        assert!(reply.detail().contains("claviger emergency unlock"), "{}", reply.detail());
    }
    for path in ["/v1/stores/store/keys/key/disable", "/v1/stores/store/disable"] {
        assert_eq!(port.post(path, &json!({})).await.status, StatusCode::OK, "{path}");
    }
    let added = port.post("/v1/stores/store/access", &json!({"address": "192.0.2.1"})).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.body);
}

// R-A13
#[tokio::test]
async fn only_system_administrators_lock_and_unlock() {
    let port = Port::with_store().await;
    let administrator = port.person("sue", &[json!({"role": "system-administrator"})]).await;
    let mut others = vec![port.person("eve", &[]).await];
    for role in ["store-administrator", "key-manager", "requester", "approver", "auditor"] {
        others.push(port.person(role, &[json!({"role": role, "store": "store"})]).await);
    }
    for path in ["/v1/emergency/lock", "/v1/emergency/unlock"] {
        for other in &others {
            let reply = port.send_as(other, request("POST", path, "{}")).await;
            assert_eq!((reply.status, reply.problem()), (StatusCode::FORBIDDEN, "not-permitted"), "{path}");
        }
        let reply = port.send_as(&administrator, request("POST", path, "{}")).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {}", reply.body);
    }
}

// R-A13, R-A9
#[tokio::test]
async fn locking_needs_no_approval_and_unlocking_that_of_custody() {
    let port = Port::with_store().await;
    let administrator = json!({"role": "system-administrator"});
    let [sue, tom] = [
        port.person("sue", std::slice::from_ref(&administrator)).await,
        port.person("tom", &[json!({"role": "approver"})]).await,
    ];
    let policy = port.post("/v1/approval-policy", &json!({"classes": ["custody"]})).await;
    assert_eq!(policy.status, StatusCode::OK, "{}", policy.body);
    lock(&port).await;
    let configured = port.post("/v1/emergency/unlock", &json!({})).await;
    assert_eq!((configured.status, configured.problem()), (StatusCode::FORBIDDEN, "not-permitted"));
    let asked = port.send_as(&sue, request("POST", "/v1/emergency/unlock", "{}")).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.body);
    assert_eq!(asked.body["changes"][0]["change"], "the daemon unlocked");
    assert!(port.get("/v1/emergency").await.body["locked"].is_object());
    let approve = format!("/v1/approvals/{}/approve", asked.body["id"].as_str().unwrap());
    let approved = port.send_as(&tom, request("POST", &approve, "{}")).await;
    assert_eq!(approved.status, StatusCode::OK, "{}", approved.body);
    assert_eq!(port.get("/v1/emergency").await.body, json!({"unwritten": []}));
}

// R-A13, R-A9
#[tokio::test]
async fn an_unlock_that_was_asked_for_before_another_lock_is_not_applied() {
    let port = Port::with_store().await;
    let sue = port.person("sue", &[json!({"role": "system-administrator"})]).await;
    let tom = port.person("tom", &[json!({"role": "approver"}), json!({"role": "system-administrator"})]).await;
    port.person("pam", &[json!({"role": "approver"})]).await;
    port.post("/v1/approval-policy", &json!({"classes": ["custody"]})).await;
    lock(&port).await;
    let ask = || request("POST", "/v1/emergency/unlock", "{}");
    let [first, second] = [port.send_as(&sue, ask()).await, port.send_as(&sue, ask()).await];
    let approve = |reply: &crate::support::Reply| {
        request("POST", &format!("/v1/approvals/{}/approve", reply.body["id"].as_str().unwrap()), "{}")
    };
    assert_eq!(port.send_as(&tom, approve(&first)).await.status, StatusCode::OK);
    lock(&port).await;
    let late = port.send_as(&tom, approve(&second)).await;
    assert_eq!((late.status, late.problem()), (StatusCode::CONFLICT, "conflict"), "{}", late.body);
    assert!(port.get("/v1/emergency").await.body["locked"].is_object());
}
