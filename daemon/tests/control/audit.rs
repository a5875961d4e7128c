//! The audit log over the control port: who did what, who was refused, and whether it is as it was written.

use std::fs;

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Port, request};

/// The records that a query finds, page by page.
pub(crate) async fn records(port: &Port, query: &str) -> Vec<Value> {
    let (mut records, mut after) = (Vec::new(), 0);
    loop {
        let reply = port.get(&format!("/v1/audit/records?limit=3&after={after}{query}")).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
        records.extend(reply.body["records"].as_array().unwrap().iter().cloned());
        match reply.body.get("next") {
            Some(next) => after = next.as_u64().unwrap(),
            None => return records,
        }
    }
}

// R-O3
#[tokio::test]
async fn a_change_is_in_the_log_with_its_caller_and_found_by_store_key_actor_kind_and_time() {
    let port = Port::with_store().await;
    let created = port.create_keys(json!([{"name": "records", "algorithm": "XAES-256-GCM"}])).await;
    let id = created.body["keys"][0]["id"].as_str().unwrap();
    let found = records(&port, &format!("&key={id}")).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0]["kind"], &found[0]["operation"]), (&json!("change"), &json!("create_keys")));
    assert!(found[0]["actor"].as_str().unwrap().starts_with("Ada ("), "{found:?}");
    assert!(found[0]["shown"].as_str().unwrap().contains("records (XAES-256-GCM)"), "{found:?}");
    let since = found[0]["time"].as_str().unwrap();
    assert_eq!(records(&port, "&store=store").await.len(), 2);
    assert_eq!(records(&port, "&actor=Ada&kind=change").await.len(), 2);
    assert_eq!(records(&port, &format!("&since={since}&kind=change")).await.len(), 1);
    assert_eq!(records(&port, "&since=2100-01-01T00:00:00Z").await, Vec::<Value>::new());
    let of_store = port.get("/v1/stores/store/audit/records").await.body;
    assert_eq!(of_store["records"].as_array().unwrap().len(), 2);
}

// R-O3
#[tokio::test]
async fn no_secret_is_in_the_log() {
    let port = Port::with_store().await;
    let secret = json!([{"name": "password", "algorithm": "OPAQUE", "value": "Y29ycmVjdCBob3JzZQ=="}]);
    port.create_keys(secret).await;
    let wrong = json!({"keys": [{"name": "other", "algorithm": "OPAQUE", "value": "Y29ycmVjdCBob3JzZQ==", "more": 1}]});
    assert_eq!(port.post("/v1/stores/store/keys", &wrong).await.status, StatusCode::BAD_REQUEST);
    let auditor = port.person("auditor", &[json!({"role": "auditor", "store": "store"})]).await;
    let refused = port.send_as(&auditor, request("POST", "/v1/stores/store/keys", &wrong.to_string())).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    port.create_keys(json!([{"name": "records", "algorithm": "XAES-256-GCM"}])).await;
    let log = fs::read_to_string(port.path("audit/audit-0000000001.jsonl")).unwrap();
    assert!(!log.contains("Y29ycmVjdCBob3JzZQ") && !log.contains("correct horse"), "{log}");
}

// R-O3
#[tokio::test]
async fn what_changes_no_record_is_told_too() {
    let port = Port::with_store().await;
    assert_eq!(port.post("/v1/system-keys/rotate", &json!({})).await.status, StatusCode::OK);
    assert_eq!(port.post("/v1/root-key/rotate", &json!({})).await.status, StatusCode::OK);
    assert_eq!(port.post("/v1/backups", &json!({})).await.status, StatusCode::CREATED);
    let told: Vec<_> = records(&port, "&kind=act").await.iter().map(|record| record["operation"].clone()).collect();
    assert_eq!(told, [json!("rotate_system_key"), json!("rotate_root_key"), json!("create_backup")]);
}

// R-O3
#[tokio::test]
async fn the_log_is_verified_and_an_altered_byte_is_found() {
    let port = Port::with_store().await;
    let key = port.get("/v1/audit").await.body;
    assert_eq!(key["public_key"].as_str().unwrap().len(), 64);
    assert_eq!(port.get("/v1/health").await.body["installation_public_key"], key["public_key"]);
    let report = port.get("/v1/audit/verify").await.body;
    assert_eq!((&report["intact"], &report["findings"]), (&json!(true), &json!([])));
    assert_eq!(report["last"], key["last"]);
    let path = port.path("audit/audit-0000000001.jsonl");
    let log = fs::read_to_string(&path).unwrap();
    fs::write(&path, log.replacen("create_store", "create_stora", 1)).unwrap();
    let report = port.get("/v1/audit/verify").await.body;
    assert_eq!(report["intact"], json!(false));
    assert!(report["findings"][0]["what"].as_str().unwrap().contains("its MAC is another"), "{report}");
}

// R-O3
#[tokio::test]
async fn without_the_audit_disk_changes_are_refused_readiness_says_so_and_it_goes_on_by_itself() {
    let port = Port::with_store().await;
    let (folder, away) = (port.path("audit"), port.path("away"));
    fs::rename(&folder, &away).unwrap();
    let keys = json!({"keys": [{"name": "records", "algorithm": "XAES-256-GCM"}]});
    let refused = port.post("/v1/stores/store/keys", &keys).await;
    assert_eq!((refused.status, refused.problem()), (StatusCode::SERVICE_UNAVAILABLE, "audit-unavailable"));
    assert!(refused.detail().contains("check that the disk of the audit log is there"), "{}", refused.detail());
    let ready = port.get("/v1/ready").await;
    let reasons = ready.body["reasons"].to_string();
    assert!(ready.status == StatusCode::SERVICE_UNAVAILABLE && reasons.contains("audit log"), "{reasons}");
    let warnings = port.get("/v1/health").await.body["warnings"].to_string();
    assert!(warnings.contains("changes are refused"), "{warnings}");
    fs::rename(&away, &folder).unwrap();
    assert_eq!(port.post("/v1/stores/store/keys", &keys).await.status, StatusCode::CREATED);
    assert_eq!(port.get("/v1/audit/verify").await.body["intact"], json!(true));
}

// R-O3
#[tokio::test]
async fn queries_that_are_none_are_refused() {
    let port = Port::with_store().await;
    for (query, problem) in [
        ("after=-1", "malformed"),
        ("limit=0", "invalid-value"),
        ("limit=1001", "invalid-value"),
        ("kind=other", "invalid-value"),
        ("since=yesterday", "invalid-value"),
        ("key=00", "invalid-value"),
        ("store=none", "key-store-not-found"),
        ("more=1", "malformed"),
    ] {
        assert_eq!(port.get(&format!("/v1/audit/records?{query}")).await.problem(), problem, "{query}");
    }
    assert_eq!(port.get("/v1/audit/verify?from_file=x").await.problem(), "malformed");
    // A query does not lead out of the store that the path names.
    let reply = port.get("/v1/stores/store/audit/records?store=none").await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
}
