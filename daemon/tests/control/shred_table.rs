//! What is told of the shred table, and of what is destroyed in it.

use std::fs;

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Port, time};

async fn port() -> Port {
    let port = Port::with_store().await;
    let keys = ["one", "two"].map(|name| json!({"name": name, "algorithm": "XAES-256-GCM"}));
    assert_eq!(port.create_keys(json!(keys)).await.status, StatusCode::CREATED);
    port
}

async fn deleted(port: &Port, key: &str) -> Value {
    let path = format!("/v1/stores/store/keys/{key}");
    assert_eq!(port.post(&format!("{path}/request-deletion"), &json!({})).await.status, StatusCode::OK);
    let reply = port.post(&format!("{path}/delete-now"), &json!({})).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    reply.body
}

// R-K11
#[tokio::test]
async fn a_deleted_key_tells_in_which_class_it_was_destroyed_and_when() {
    let port = port().await;
    let key = deleted(&port, "one").await;
    let destruction = &key["destruction"];
    assert_eq!((&destruction["state"], &destruction["class"]), (&json!("destroyed"), &json!("file")));
    assert!(time(&destruction["time"]) >= time(&key["deleted"]));
    assert_eq!(destruction["reasons"], Value::Null);
    let path = format!("/v1/stores/store/keys/{}", key["id"].as_str().unwrap());
    assert_eq!(port.get(&path).await.body["destruction"], *destruction, "for as long as it is described");
    assert_eq!(port.get("/v1/stores/store/keys/two").await.body["destruction"], Value::Null);
    let table = port.get("/v1/health").await.body["shred_table"].clone();
    let counts = ["secrets", "damaged", "not_yet_destroyed"].map(|name| table[name].as_u64().unwrap());
    assert_eq!((table["class"].as_str(), counts), (Some("file"), [1, 0, 0]));
    let mirrors = table["mirrors"].as_array().unwrap();
    assert_eq!(mirrors.len(), 2);
    assert!(mirrors.iter().all(|mirror| mirror["fault"] == Value::Null));
    assert_eq!(mirrors[1]["path"], port.path("shred-table-2").to_str().unwrap());
}

// R-K11
#[tokio::test]
async fn a_mirror_that_is_away_is_named_wherever_it_matters() {
    let port = port().await;
    let mirror = port.path("shred-table-2");
    fs::rename(&mirror, port.path("elsewhere")).unwrap();
    let refused = port.create_keys(json!([{"name": "new", "algorithm": "XAES-256-GCM"}])).await;
    assert_eq!((refused.status, refused.problem()), (StatusCode::SERVICE_UNAVAILABLE, "shred-table-unavailable"));
    for said in [mirror.to_str().unwrap(), "was removed or replaced", "put it back"] {
        assert!(refused.detail().contains(said), "{}", refused.detail());
    }
    assert_eq!(port.post("/v1/stores/store/keys/two/rotate", &json!({})).await.status, StatusCode::OK);
    let refused = port.post("/v1/stores/store/keys/two/versions/1/destroy", &json!({})).await;
    assert_eq!(refused.problem(), "shred-table-unavailable");

    let key = deleted(&port, "one").await;
    assert_eq!(key["state"], "deleted");
    let destruction = &key["destruction"];
    assert_eq!((&destruction["state"], &destruction["class"]), (&json!("not yet destroyed"), &Value::Null));
    assert_eq!(destruction["time"], key["deleted"]);
    assert!(destruction["reasons"][0].as_str().unwrap().contains(mirror.to_str().unwrap()), "{destruction}");
    let path = format!("/v1/stores/store/keys/{}", key["id"].as_str().unwrap());
    assert_eq!(port.get(&path).await.body["destruction"], *destruction);

    let health = port.get("/v1/health").await.body;
    assert_eq!(health["shred_table"]["not_yet_destroyed"], 1);
    assert!(health["shred_table"]["mirrors"][1]["fault"].as_str().unwrap().contains("put it back"));
    let warnings = health["warnings"].to_string();
    for said in ["no key is created and nothing deleted is destroyed", "deleted and not yet destroyed"] {
        assert!(warnings.contains(said), "{warnings}");
    }
    let ready = port.get("/v1/ready").await.body;
    assert!(ready["reasons"].to_string().contains("mirror"), "{ready}");
}
