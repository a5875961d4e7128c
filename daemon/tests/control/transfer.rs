//! Import and export: how key material comes in, and how it leaves.

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::Port;

async fn shown(port: &Port, key: &str) -> Value {
    port.get(&format!("/v1/stores/store/keys/{key}")).await.body
}

// R-K6
#[tokio::test]
async fn whether_a_key_may_be_exported_is_said_at_its_creation_and_shown() {
    let port = Port::with_store().await;
    let created = port
        .create_keys(json!([
            {"name": "kept", "algorithm": "XAES-256-GCM"},
            {"name": "also-kept", "algorithm": "Ed25519", "exportable": false},
            {"name": "lent", "algorithm": "XAES-256-GCM", "exportable": true},
        ]))
        .await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.body);
    for (name, exportable) in [("kept", false), ("also-kept", false), ("lent", true)] {
        assert_eq!(shown(&port, name).await["exportable"], exportable, "{name}");
    }
    for change in ["rotate", "disable", "enable"] {
        let changed = port.post(&format!("/v1/stores/store/keys/lent/{change}"), &json!({})).await;
        assert_eq!(changed.body["exportable"], true, "after {change}");
    }
    for bad in [json!("true"), json!(1), Value::Null] {
        let refused = port.create_keys(json!([{"name": "a", "algorithm": "Ed25519", "exportable": bad}])).await;
        assert_eq!(refused.problem(), "malformed", "{bad}");
    }
}

// R-K18, R-K20
#[tokio::test]
async fn each_version_says_where_its_material_came_from() {
    let port = Port::with_store().await;
    port.create_keys(json!([
        {"name": "password", "algorithm": "OPAQUE", "value": "aHVudGVyMg=="},
        {"name": "records", "algorithm": "XAES-256-GCM"},
    ]))
    .await;
    assert_eq!(shown(&port, "password").await["versions"][0]["origin"], "registered");
    assert_eq!(shown(&port, "records").await["versions"][0]["origin"], "generated");
}
