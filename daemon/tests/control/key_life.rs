//! The life of keys and versions: states, deletion, rotation by itself, the lowest version.

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Port, Reply, time};

/// A port with the symmetric key `records` of three versions.
async fn port() -> Port {
    let port = Port::with_store().await;
    port.create_keys(json!([{"name": "records", "algorithm": "XAES-256-GCM"}])).await;
    for _ in 0..2 {
        done(&port, "rotate", &json!({})).await;
    }
    port
}

async fn change(port: &Port, change: &str, body: &Value) -> Reply {
    port.post(&format!("/v1/stores/store/keys/records/{change}"), body).await
}

/// Makes a change, and gives the key as it is described then.
async fn done(port: &Port, how: &str, body: &Value) -> Value {
    let reply = change(port, how, body).await;
    assert_eq!(reply.status, StatusCode::OK, "{how}: {}", reply.body);
    reply.body
}

async fn refused(port: &Port, how: &str, body: &Value, problem: &str) {
    let before = shown(port).await;
    let reply = change(port, how, body).await;
    assert_eq!(reply.problem(), problem, "{how} {body}: {}", reply.body);
    assert!(!reply.detail().is_empty());
    assert_eq!(shown(port).await, before, "{how} {body}");
}

async fn shown(port: &Port) -> Value {
    port.get("/v1/stores/store/keys/records").await.body
}

fn versions(key: &Value) -> Vec<&str> {
    key["versions"].as_array().unwrap().iter().map(|version| version["state"].as_str().unwrap()).collect()
}

fn hours_between(from: &Value, to: &Value) -> i64 {
    time(from).duration_until(time(to)).as_hours()
}

// R-K10
#[tokio::test]
async fn a_deletion_waits_72_hours_unless_another_wait_is_given() {
    let port = port().await;
    for (body, hours) in [(json!({}), 72), (json!({"wait_hours": 24}), 24), (json!({"wait_hours": 720}), 720)] {
        let key = done(&port, "request-deletion", &body).await;
        assert_eq!(key["state"], "deletion requested");
        assert_eq!(hours_between(&key["deletion"]["requested"], &key["deletion"]["deadline"]), hours);
        let kept = done(&port, "cancel-deletion", &json!({})).await;
        assert_eq!((&kept["state"], &kept["deletion"]), (&json!("disabled"), &Value::Null));
    }
}

// R-K10
#[tokio::test]
async fn waits_out_of_their_bounds_are_refused() {
    let port = port().await;
    for hours in [json!(0), json!(23), json!(721), json!(u32::MAX)] {
        refused(&port, "request-deletion", &json!({ "wait_hours": hours }), "invalid-value").await;
    }
    for hours in [json!(-1), json!("72"), json!(72.5), json!(u64::MAX)] {
        refused(&port, "request-deletion", &json!({ "wait_hours": hours }), "malformed").await;
    }
    refused(&port, "request-deletion", &json!({"wait": 72}), "malformed").await;
}

// R-K7, R-K10
#[tokio::test]
async fn a_key_is_deleted_at_once_only_after_its_deletion_was_requested() {
    let port = port().await;
    refused(&port, "delete-now", &json!({}), "conflict").await;
    refused(&port, "cancel-deletion", &json!({}), "conflict").await;
    done(&port, "disable", &json!({})).await;
    refused(&port, "delete-now", &json!({}), "conflict").await;
    let requested = done(&port, "request-deletion", &json!({})).await;
    for how in ["enable", "request-deletion"] {
        refused(&port, how, &json!({}), "conflict").await;
    }
    let id = requested["id"].as_str().unwrap();
    let deleted = done(&port, "delete-now", &json!({})).await;
    assert_eq!((&deleted["state"], &deleted["deletion"]), (&json!("deleted"), &Value::Null));
    assert_eq!(deleted["current_version"], Value::Null);
    assert_eq!(versions(&deleted), ["destroyed"; 3]);
    assert!(time(&deleted["deleted"]) >= time(&requested["deletion"]["requested"]));
    assert_eq!(port.get(&format!("/v1/stores/store/keys/{id}")).await.body, deleted, "described by its id");
}

// R-K7, R-K11
#[tokio::test]
async fn nothing_brings_a_deleted_key_back_and_its_name_is_free() {
    let port = port().await;
    let id = shown(&port).await["id"].as_str().unwrap().to_owned();
    done(&port, "request-deletion", &json!({})).await;
    done(&port, "delete-now", &json!({})).await;
    let path = format!("/v1/stores/store/keys/{id}");
    let deleted = port.get(&path).await.body;
    for (how, body) in [
        ("enable", json!({})),
        ("disable", json!({})),
        ("rotate", json!({})),
        ("request-deletion", json!({})),
        ("cancel-deletion", json!({})),
        ("delete-now", json!({})),
        ("set-rotation", json!({"period_days": 1})),
        ("set-lowest-version", json!({"version": 2})),
        ("versions/1/enable", json!({})),
        ("versions/1/disable", json!({})),
        ("versions/1/destroy", json!({})),
    ] {
        let reply = port.post(&format!("{path}/{how}"), &body).await;
        assert_eq!((reply.status, reply.problem()), (StatusCode::CONFLICT, "conflict"), "{how}: {}", reply.body);
        assert_eq!(change(&port, how, &body).await.problem(), "key-not-found", "{how} by its name");
    }
    assert_eq!(port.get(&path).await.body, deleted);
    assert_eq!(port.get("/v1/stores/store/keys").await.body["keys"], json!([]));
    let again = port.create_keys(json!([{"name": "records", "algorithm": "Ed25519"}])).await;
    assert_eq!(again.status, StatusCode::CREATED, "{}", again.body);
    assert_ne!(shown(&port).await["id"], json!(id));
}

// R-K8
#[tokio::test]
async fn versions_keep_their_states_while_their_key_is_disabled() {
    let port = port().await;
    let disabled = done(&port, "versions/2/disable", &json!({})).await;
    assert_eq!(versions(&disabled), ["active", "disabled", "current"]);
    let destroyed = done(&port, "versions/1/destroy", &json!({})).await;
    assert_eq!(versions(&destroyed), ["destroyed", "disabled", "current"]);
    for how in ["disable", "request-deletion", "cancel-deletion", "enable"] {
        assert_eq!(versions(&done(&port, how, &json!({})).await), ["destroyed", "disabled", "current"], "{how}");
    }
    let enabled = done(&port, "versions/2/enable", &json!({})).await;
    assert_eq!(versions(&enabled), ["destroyed", "active", "current"]);
    let rotated = done(&port, "rotate", &json!({})).await;
    assert_eq!(versions(&rotated), ["destroyed", "active", "active", "current"]);
}

// R-K8
#[tokio::test]
async fn the_current_version_is_neither_disabled_nor_destroyed_and_a_destroyed_one_stays_so() {
    let port = port().await;
    for how in ["disable", "destroy", "enable"] {
        refused(&port, &format!("versions/3/{how}"), &json!({}), "conflict").await;
    }
    done(&port, "versions/1/destroy", &json!({})).await;
    for how in ["enable", "disable"] {
        refused(&port, &format!("versions/1/{how}"), &json!({}), "conflict").await;
    }
}

// R-K8
#[tokio::test]
async fn versions_that_are_not_there_are_told_from_keys_that_are_not() {
    let port = port().await;
    for version in ["0", "4", "-1", "x", "1x", "4294967296"] {
        for how in ["disable", "enable", "destroy"] {
            refused(&port, &format!("versions/{version}/{how}"), &json!({}), "key-version-not-found").await;
        }
    }
    let absent = port.post("/v1/stores/store/keys/absent/versions/1/destroy", &json!({})).await;
    assert_eq!(absent.problem(), "key-not-found");
    refused(&port, "versions/1/destroy", &json!({"force": true}), "malformed").await;
}

// R-K12, R-K20
#[tokio::test]
async fn rotation_by_itself_is_set_shown_and_ended() {
    let port = port().await;
    assert_eq!(shown(&port).await["rotation"], Value::Null);
    for days in [1, 90, 730] {
        let key = done(&port, "set-rotation", &json!({ "period_days": days })).await;
        assert_eq!(key["rotation"]["period_days"], days);
        let hours = hours_between(&key["changed"], &key["rotation"]["next"]);
        assert!((days * 24 - 1..=days * 24).contains(&hours), "{hours} hours for {days} days");
        assert_eq!(shown(&port).await, key);
    }
    let before = shown(&port).await["rotation"].clone();
    assert_eq!(done(&port, "rotate", &json!({})).await["rotation"], before, "by hand does not move the schedule");
    let ended = done(&port, "set-rotation", &json!({"period_days": null})).await;
    assert_eq!(ended["rotation"], Value::Null);
}

// R-K12
#[tokio::test]
async fn periods_out_of_their_bounds_are_refused_and_nothing_is_not_the_end_of_rotation() {
    let port = port().await;
    done(&port, "set-rotation", &json!({"period_days": 90})).await;
    for days in [0, 731, u16::MAX] {
        refused(&port, "set-rotation", &json!({ "period_days": days }), "invalid-value").await;
    }
    for body in [json!({}), json!({"period_days": "off"}), json!({"period_days": -1}), json!({"period": 1})] {
        refused(&port, "set-rotation", &body, "malformed").await;
    }
}

// R-K15
#[tokio::test]
async fn the_lowest_version_is_one_that_there_is_and_not_above_the_current_one() {
    let port = port().await;
    assert_eq!(shown(&port).await["lowest_version"], 1);
    for version in [2, 3, 1] {
        let key = done(&port, "set-lowest-version", &json!({ "version": version })).await;
        assert_eq!(key["lowest_version"], version);
    }
    refused(&port, "set-lowest-version", &json!({"version": 4}), "key-version-not-found").await;
    refused(&port, "set-lowest-version", &json!({"version": 0}), "invalid-value").await;
    for body in [json!({}), json!({"version": null}), json!({"version": "2"}), json!({"version": -1})] {
        refused(&port, "set-lowest-version", &body, "malformed").await;
    }
}

// R-K14
#[tokio::test]
async fn a_key_warns_from_its_ninetieth_version_on() {
    let port = port().await;
    let mut key = shown(&port).await;
    for _ in 4..90 {
        key = done(&port, "rotate", &json!({})).await;
    }
    assert_eq!(key["warnings"], Value::Null, "version 89");
    // Destroyed versions count.
    done(&port, "versions/1/destroy", &json!({})).await;
    let warned = done(&port, "rotate", &json!({})).await;
    assert_eq!(warned["current_version"], 90);
    assert!(warned["warnings"][0].as_str().unwrap().contains("90 of 100 versions"), "{}", warned["warnings"]);
    let warning = format!("key {} has 90 of 100 versions", warned["id"].as_str().unwrap());
    let health = port.get("/v1/health").await.body["warnings"].to_string();
    assert!(health.contains(&warning), "{health}");
}
