//! The root key and the system keys.

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Port, Reply, time};

async fn done(reply: impl Future<Output = Reply>) -> Value {
    let reply = reply.await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    reply.body
}

async fn refused(port: &Port, path: &str, body: &Value, problem: &str) -> String {
    let before = port.get("/v1/system-keys").await.body["system_keys"].clone();
    let reply = port.post(path, body).await;
    assert_eq!(reply.problem(), problem, "{path} {body}: {}", reply.body);
    assert_eq!(port.get("/v1/system-keys").await.body["system_keys"], before);
    reply.detail().to_owned()
}

fn states(keys: &Value) -> Vec<(u64, &str)> {
    let keys = keys["system_keys"].as_array().unwrap();
    keys.iter().map(|key| (key["version"].as_u64().unwrap(), key["state"].as_str().unwrap())).collect()
}

/// The system keys, once all records are protected by the current one.
async fn renewed(port: &Port) -> Value {
    loop {
        let keys = done(port.get("/v1/system-keys")).await;
        if keys["renewal"].is_null() {
            return keys;
        }
        tokio::task::yield_now().await;
    }
}

/// Makes a backup, which gets this name, and verifies it.
async fn back_up(port: &Port, name: &str) {
    let path = format!("/v1/backups/{name}");
    assert_eq!(port.post("/v1/backups", &json!({})).await.status, StatusCode::CREATED);
    until(port, &path, |backup| !backup["file"].is_null() && backup["progress"].is_null()).await;
    done(port.post(&format!("{path}/verify"), &json!({}))).await;
    until(port, &path, |backup| !backup["file"]["verified"].is_null() && backup["progress"].is_null()).await;
}

async fn until(port: &Port, path: &str, is_so: fn(&Value) -> bool) {
    while !is_so(&done(port.get(path)).await) {
        tokio::task::yield_now().await;
    }
}

// R-H6
#[tokio::test]
async fn the_system_key_is_rotated_and_the_old_one_destroyed() {
    let port = Port::with_store().await;
    port.create_keys(json!([{"name": "records", "algorithm": "XAES-256-GCM"}])).await;
    let before = port.get("/v1/stores/store/keys/records").await.body;
    assert_eq!(states(&done(port.get("/v1/system-keys")).await), [(1, "current")]);
    let rotated = done(port.post("/v1/system-keys/rotate", &json!({}))).await;
    assert_eq!(states(&rotated)[1], (2, "current"));
    let created = |index: usize| time(&rotated["system_keys"][index]["created"]);
    assert!(created(1) > created(0));
    assert_eq!(states(&renewed(&port).await), [(1, "unused"), (2, "current")]);
    let health = done(port.get("/v1/health")).await;
    assert_eq!(health["system_key_version"], 2);
    assert!(health["warnings"].to_string().contains("version 1 of the system key is not used any more"), "{health}");
    // R-H7: what a restore needs stays.
    assert!(
        refused(&port, "/v1/system-keys/1/destroy", &json!({}), "conflict").await.contains("no backup is verified")
    );
    back_up(&port, "backup-1").await;
    let destroyed = done(port.post("/v1/system-keys/1/destroy", &json!({}))).await;
    assert_eq!(states(&destroyed), [(2, "current")]);
    assert_eq!(port.get("/v1/stores/store/keys/records").await.body, before);
    assert!(!done(port.get("/v1/health")).await["warnings"].to_string().contains("is not used any more"));
}

// R-H6
#[tokio::test]
async fn system_keys_that_are_needed_or_not_there_are_not_destroyed() {
    let port = Port::new();
    assert!(
        refused(&port, "/v1/system-keys/1/destroy", &json!({}), "conflict").await.contains("rotate the system key")
    );
    for absent in ["0", "2", "4294967295", "4294967296", "-1", "one"] {
        refused(&port, &format!("/v1/system-keys/{absent}/destroy"), &json!({}), "system-key-not-found").await;
    }
    for path in ["/v1/system-keys/rotate", "/v1/system-keys/1/destroy", "/v1/root-key/rotate"] {
        refused(&port, path, &json!({"version": 1}), "malformed").await;
    }
}

// R-H6
#[tokio::test]
async fn the_root_key_is_rotated_and_files_that_cannot_be_read_are_named() {
    let port = Port::with_store().await;
    let expected =
        |version: u32| json!({"custody": "development file (UNSAFE)", "version": version, "older_versions": []});
    assert_eq!(done(port.get("/v1/root-key")).await, expected(1));
    assert_eq!(done(port.post("/v1/root-key/rotate", &json!({}))).await, expected(2));
    assert_eq!(done(port.get("/v1/root-key")).await, expected(2));
    done(port.post("/v1/system-keys/rotate", &json!({}))).await;
    renewed(&port).await;
    back_up(&port, "backup-1").await;
    for (file, paths) in [
        ("root-key", &["/v1/root-key/rotate", "/v1/system-keys/rotate"][..]),
        ("system-keys", &["/v1/root-key/rotate", "/v1/system-keys/rotate", "/v1/system-keys/1/destroy"]),
    ] {
        let path = port.path(file);
        let away = path.with_extension("away");
        std::fs::rename(&path, &away).unwrap();
        for route in paths {
            let detail = refused(&port, route, &json!({}), "key-tree-unavailable").await;
            assert!(detail.contains(path.to_str().unwrap()), "{route}: {detail}");
        }
        std::fs::rename(&away, &path).unwrap();
    }
    let root_key = port.path("root-key");
    let away = root_key.with_extension("away");
    std::fs::rename(&root_key, &away).unwrap();
    assert_eq!(port.get("/v1/root-key").await.problem(), "key-tree-unavailable");
    std::fs::rename(&away, &root_key).unwrap();
    done(port.post("/v1/system-keys/1/destroy", &json!({}))).await;
}
