//! Backups and the journal.

use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Port, Reply};

/// The backup once nothing is done with it any more.
async fn done(port: &Port, name: &str) -> Value {
    let patience = Instant::now() + Duration::from_mins(1);
    loop {
        let reply = port.get(&format!("/v1/backups/{name}")).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
        if reply.body.get("progress").is_none() {
            return reply.body;
        }
        assert!(Instant::now() < patience, "{}", reply.body);
        tokio::task::yield_now().await;
    }
}

fn refused(reply: &Reply, status: StatusCode, problem: &str, detail: &str) {
    assert_eq!((reply.status, reply.problem()), (status, problem), "{}", reply.body);
    assert!(reply.detail().contains(detail), "{}", reply.detail());
}

// R-H7
#[tokio::test]
async fn a_backup_is_made_verified_and_the_journal_pruned_to_it() {
    let port = Port::with_store().await;
    port.create_keys(json!([{"name": "records", "algorithm": "XAES-256-GCM"}])).await;
    let made = port.post("/v1/backups", &json!({})).await;
    assert_eq!(
        (made.status, made.headers.get("location").unwrap().to_str().unwrap()),
        (StatusCode::CREATED, "/v1/backups/backup-1")
    );
    let made = done(&port, "backup-1").await;
    assert_eq!((&made["state"], made["file"].get("verified")), (&json!("ready"), None));
    let early = port.post("/v1/journal/prune", &json!({"backup": "backup-1"})).await;
    refused(&early, StatusCode::CONFLICT, "conflict", "claviger backup verify backup-1");
    assert_eq!(port.post("/v1/backups/backup-1/verify", &json!({})).await.status, StatusCode::OK);
    let verified = &done(&port, "backup-1").await["file"]["verified"];
    assert_eq!((&verified["stores"], &verified["keys"], &verified["versions"]), (&json!(1), &json!(1), &json!(1)));
    let pruned = port.post("/v1/journal/prune", &json!({"backup": "backup-1"})).await;
    assert_eq!(pruned.body, json!({"backup": "backup-1", "removed": [1, 2, 3]}));
    let list = port.get("/v1/backups").await.body;
    assert_eq!(list["backups"][0]["name"], "backup-1");
    assert_eq!((&list["journal"]["segments"], list["journal"].get("failure")), (&json!(2), None));
}

// R-H7
#[tokio::test]
async fn backups_that_are_not_there_and_bodies_that_are_none_are_refused() {
    let port = Port::new();
    assert_eq!(port.get("/v1/backups").await.body["backups"], json!([]));
    for name in ["backup-1", "backup-0", "backup-01", "..", "journal-1", "%2e%2e%2fjournal%2fjournal-1"] {
        let path = format!("/v1/backups/{name}");
        refused(&port.get(&path).await, StatusCode::NOT_FOUND, "backup-not-found", "claviger backup list");
        let verify = port.post(&format!("{path}/verify"), &json!({})).await;
        refused(&verify, StatusCode::NOT_FOUND, "backup-not-found", "claviger backup list");
    }
    let prune = port.post("/v1/journal/prune", &json!({"backup": "../backup-1"})).await;
    refused(&prune, StatusCode::NOT_FOUND, "backup-not-found", "claviger backup list");
    for (path, body) in [
        ("/v1/backups", json!({"name": "mine"})),
        ("/v1/backups/backup-1/verify", json!([])),
        ("/v1/journal/prune", json!({})),
        ("/v1/journal/prune", json!({"backup": 1})),
    ] {
        assert_eq!(port.post(path, &body).await.problem(), "malformed", "{path}");
    }
}
