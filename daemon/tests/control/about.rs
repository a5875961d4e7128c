//! What people say of keys, how else they call them, and new values of secrets.

use claviger_control::secret::SecretText;
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Port, Reply};

/// A port with two keys and a secret.
async fn port() -> Port {
    let port = Port::with_store().await;
    let created = port
        .create_keys(json!([
            {"name": "records-1", "algorithm": "XAES-256-GCM", "description": "Card numbers", "labels": {"team": "cards"}},
            {"name": "records-2", "algorithm": "XAES-256-GCM"},
            {"name": "password", "algorithm": "OPAQUE", "value": "aHVudGVyMg=="},
        ]))
        .await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.body);
    port
}

async fn shown(port: &Port, key: &str) -> Value {
    port.get(&format!("/v1/stores/store/keys/{key}")).await.body
}

async fn update(port: &Port, key: &str, body: &Value) -> Reply {
    port.post(&format!("/v1/stores/store/keys/{key}/update"), body).await
}

fn base64(value: &[u8]) -> String {
    SecretText::base64_of(value).expose().to_owned()
}

// R-K21
#[tokio::test]
async fn descriptions_and_labels_are_set_one_by_one_and_shown() {
    let port = port().await;
    let first = shown(&port, "records-1").await;
    assert_eq!((&first["description"], &first["labels"]), (&json!("Card numbers"), &json!({"team": "cards"})));
    for (body, description, labels) in [
        (
            json!({"labels": {"tier": "", "team": "payments"}}),
            json!("Card numbers"),
            json!({"team": "payments", "tier": ""}),
        ),
        (
            json!({"description": "Records\nsince 2026"}),
            json!("Records\nsince 2026"),
            json!({"team": "payments", "tier": ""}),
        ),
        (json!({"description": "", "labels": {"team": null, "absent": null}}), Value::Null, json!({"tier": ""})),
        (json!({"labels": {"tier": null}}), Value::Null, Value::Null),
        (json!({}), Value::Null, Value::Null),
    ] {
        let reply = port.post("/v1/stores/store/keys/records-1/about", &body).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
        assert_eq!((&reply.body["description"], &reply.body["labels"]), (&description, &labels), "{body}");
        assert_eq!(shown(&port, "records-1").await, reply.body);
    }
}

// R-K21
#[tokio::test]
async fn what_is_said_of_keys_is_refused_with_its_bounds() {
    let port = port().await;
    let before = shown(&port, "records-1").await;
    let many: Vec<_> = (0..33).map(|number| (format!("label-{number}"), Value::from(""))).collect();
    for (body, problem, said) in [
        (json!({"description": "x".repeat(1_025)}), "invalid-value", "1024 bytes"),
        (json!({"description": "\u{1b}[31m"}), "invalid-value", "line feeds"),
        (json!({"description": "for tests \u{202e}noitcudorp"}), "invalid-value", "reorder others"),
        (json!({"labels": {"team": "pay\u{200b}ments"}}), "invalid-value", "not seen"),
        (json!({"labels": {"a b": "x"}}), "invalid-value", "1 to 100 characters"),
        (json!({"labels": {"": null}}), "invalid-value", "1 to 100 characters"),
        (json!({"labels": {"team": "a\nb"}}), "invalid-value", "one line"),
        (json!({"labels": {"team": "x".repeat(257)}}), "invalid-value", "256 bytes"),
        (json!({"labels": Value::Object(many.into_iter().collect())}), "invalid-value", "at most 32 labels"),
        (json!({"labels": {"team": 1}}), "malformed", "expected"),
        (json!({"labels": ["team"]}), "malformed", "expected"),
        (json!({"label": {}}), "malformed", "unknown field"),
    ] {
        let reply = port.post("/v1/stores/store/keys/records-1/about", &body).await;
        assert_eq!(reply.problem(), problem, "{body}");
        assert!(reply.detail().contains(said), "{}", reply.detail());
        assert_eq!(shown(&port, "records-1").await, before);
    }
    let long = json!([{"name": "new", "algorithm": "Ed25519", "labels": {"team": "\u{7}"}}]);
    assert_eq!(port.create_keys(long).await.problem(), "invalid-value");
    assert_eq!(port.get("/v1/stores/store/keys/new").await.problem(), "key-not-found");
}

// R-K21
#[tokio::test]
async fn an_alias_is_taken_wherever_the_name_of_its_key_is() {
    let port = port().await;
    let created = port.post("/v1/stores/store/aliases", &json!({"alias": "records", "key": "records-1"})).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.body);
    let id = shown(&port, "records-1").await["id"].clone();
    let revision = created.body["revision"].clone();
    assert_eq!(created.body, json!({"alias": "records", "key": "records-1", "key_id": id, "revision": revision}));
    assert_eq!(shown(&port, "records").await, shown(&port, "records-1").await);
    assert_eq!(shown(&port, "records").await["aliases"], json!(["records"]));
    let rotated = port.post("/v1/stores/store/keys/records/rotate", &json!({})).await.body;
    assert_eq!((&rotated["name"], &rotated["current_version"]), (&json!("records-1"), &json!(2)));
    // By an alias another alias can be made and moved.
    let second = port.post("/v1/stores/store/aliases", &json!({"alias": "cards", "key": "records"})).await.body;
    assert_eq!(second["key"], "records-1");

    let listed = port.get("/v1/stores/store/keys").await.body;
    let names: Vec<_> = listed["keys"].as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["password", "records-1", "records-2"], "each key once");
    let aliases = port.get("/v1/stores/store/aliases?limit=1").await.body;
    assert_eq!((&aliases["aliases"][0]["alias"], &aliases["next"]), (&json!("cards"), &json!("cards")));
    let rest = port.get("/v1/stores/store/aliases?after=cards").await.body;
    assert_eq!((&rest["aliases"][0]["alias"], &rest["next"]), (&json!("records"), &Value::Null));

    let moved = port.post("/v1/stores/store/aliases/records/move", &json!({"key": "records-2"})).await.body;
    assert_eq!(moved["key"], "records-2");
    assert_eq!(shown(&port, "records").await["name"], "records-2");
    assert_eq!(shown(&port, "records-1").await["aliases"], json!(["cards"]));
    let deleted = port.post("/v1/stores/store/aliases/records/delete", &json!({})).await.body;
    assert_eq!(deleted, moved);
    assert_eq!(port.get("/v1/stores/store/keys/records").await.problem(), "key-not-found");
}

// R-K21
#[tokio::test]
async fn what_cannot_be_an_alias_is_refused() {
    let port = port().await;
    port.post("/v1/stores/store/aliases", &json!({"alias": "records", "key": "records-1"})).await;
    for (body, problem) in [
        (json!({"alias": "records", "key": "records-2"}), "name-taken"),
        (json!({"alias": "records-2", "key": "records-1"}), "name-taken"),
        (json!({"alias": "records-1", "key": "records-1"}), "name-taken"),
        (json!({"alias": "a b", "key": "records-1"}), "invalid-value"),
        (json!({"alias": "", "key": "records-1"}), "invalid-value"),
        (json!({"alias": "a".repeat(101), "key": "records-1"}), "invalid-value"),
        (json!({"alias": "new", "key": "absent"}), "key-not-found"),
        (json!({"alias": "new"}), "malformed"),
        (json!({"key": "records-1"}), "malformed"),
    ] {
        let reply = port.post("/v1/stores/store/aliases", &body).await;
        assert_eq!(reply.problem(), problem, "{body}");
    }
    for (alias, change, body, problem) in [
        ("records-1", "move", json!({"key": "records-2"}), "alias-not-found"),
        ("records-1", "delete", json!({}), "alias-not-found"),
        ("absent", "delete", json!({}), "alias-not-found"),
        ("records", "move", json!({"key": "absent"}), "key-not-found"),
        ("records", "move", json!({}), "malformed"),
    ] {
        let reply = port.post(&format!("/v1/stores/store/aliases/{alias}/{change}"), &body).await;
        assert_eq!(reply.problem(), problem, "{alias} {change} {body}");
    }
    let created = port.create_keys(json!([{"name": "records", "algorithm": "Ed25519"}])).await;
    assert_eq!(created.problem(), "name-taken");
    assert_eq!(shown(&port, "records").await["name"], "records-1");
}

// R-K2, R-K14
#[tokio::test]
async fn a_secret_is_updated_and_its_newest_ten_versions_are_described() {
    let port = port().await;
    for version in 2..=12 {
        let reply = update(&port, "password", &json!({"value": base64(&[version])})).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
        assert_eq!(reply.body["current_version"], version);
        assert!(!reply.body.to_string().contains(&base64(&[version])));
    }
    let versions = shown(&port, "password").await["versions"].clone();
    let numbers: Vec<_> =
        versions.as_array().unwrap().iter().map(|version| version["version"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (3..=12).collect::<Vec<_>>());
    let largest = base64(&vec![0xff; 32_768]);
    assert_eq!(update(&port, "password", &json!({ "value": largest })).await.status, StatusCode::OK);
}

// R-K2
#[tokio::test]
async fn updates_that_cannot_be_made_say_why_and_quote_no_value() {
    let port = port().await;
    let value = base64(b"hunter2");
    for (key, body, problem, said) in [
        ("password", json!({"value": value, "expected_version": 2}), "conflict", "is at version 1, not 2"),
        ("password", json!({"value": value, "expected_version": 0}), "invalid-value", "count from 1"),
        ("password", json!({"value": "aHVudGVyMg"}), "invalid-value", "base64"),
        ("password", json!({"value": base64(&vec![0; 32_769])}), "invalid-value", "32768 bytes"),
        ("password", json!({"value": "A".repeat(70_000)}), "body-too-large", ""),
        ("password", json!({}), "malformed", "missing field `value`"),
        ("password", json!({"value": null}), "malformed", ""),
        ("password", json!({"value": value, "version": 1}), "malformed", "unknown field"),
        ("records-1", json!({"value": value}), "invalid-value", "every other kind of key is made here"),
        ("absent", json!({"value": value}), "key-not-found", "claviger key list"),
    ] {
        let reply = update(&port, key, &body).await;
        assert_eq!(reply.problem(), problem, "{key}");
        assert!(reply.detail().contains(said), "{}", reply.detail());
        assert!(!reply.body.to_string().contains("aHVudGVyMg"));
    }
    assert_eq!(shown(&port, "password").await["current_version"], 1);
    let following = update(&port, "password", &json!({"value": value, "expected_version": 1})).await;
    assert_eq!(following.body["current_version"], 2);
}
