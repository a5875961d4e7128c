//! How keys are used, which keys there are, and settings of stores, as the control port tells and takes them.

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Port, time};

fn names(list: &Value) -> Vec<&str> {
    list["keys"].as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap()).collect()
}

async fn port() -> Port {
    let port = Port::with_store().await;
    let keys = json!([
        {"name": "password", "algorithm": "OPAQUE", "value": "aHVudGVyMg=="},
        {"name": "records", "algorithm": "XAES-256-GCM", "labels": {"team": "billing"}},
        {"name": "receipts", "algorithm": "Ed25519", "labels": {"team": "payments"}},
    ]);
    assert_eq!(port.create_keys(keys).await.status, StatusCode::CREATED);
    port
}

// R-K20
#[tokio::test]
async fn lists_are_narrowed_by_what_keys_are_like() {
    let port = port().await;
    port.post("/v1/stores/store/keys/receipts/disable", &json!({})).await;
    for (query, expected) in [
        ("kind=asymmetric", vec!["receipts"]),
        ("kind=secret", vec!["password"]),
        ("state=disabled", vec!["receipts"]),
        ("state=available&kind=symmetric", vec!["records"]),
        ("state=deletion%20requested", vec![]),
        ("state=deleted", vec![]),
        ("prefix=rec", vec!["receipts", "records"]),
        ("prefix=rec&name=ord", vec!["records"]),
        ("name=s", vec!["password", "receipts", "records"]),
        ("label=team", vec!["receipts", "records"]),
        ("label=team%3Dbilling", vec!["records"]),
        ("label=team%3D", vec![]),
        ("prefix=rec&limit=1&after=receipts", vec!["records"]),
        ("prefix=%00%ff", vec![]),
    ] {
        let list = port.get(&format!("/v1/stores/store/keys?{query}")).await;
        if list.status != StatusCode::OK {
            assert_eq!((query, list.problem()), ("prefix=%00%ff", "malformed"));
            continue;
        }
        assert_eq!(names(&list.body), expected, "{query}");
    }
}

// R-K20
#[tokio::test]
async fn a_filter_that_means_nothing_is_refused_with_what_may_be_said() {
    let port = port().await;
    let long = "x".repeat(101);
    for (query, problem, said) in [
        ("kind=symetric", "invalid-value", "secret, symmetric, mac, asymmetric"),
        ("state=gone", "invalid-value", "available, disabled, deletion requested, deleted"),
        ("label=a%20b", "invalid-value", "NAME=VALUE"),
        (&format!("prefix={long}"), "invalid-value", "100 characters"),
        (&format!("name={long}"), "invalid-value", "100 characters"),
        ("state=deleted&after=records", "invalid-value", "deleted keys"),
        ("after=a%20b", "invalid-value", "after"),
        ("limit=0", "invalid-value", "1 to 1000"),
        ("colour=red", "malformed", "`label`"),
        ("kind=mac&kind=mac", "malformed", "each once"),
    ] {
        let refused = port.get(&format!("/v1/stores/store/keys?{query}")).await;
        assert_eq!(refused.problem(), problem, "{query}");
        assert!(refused.detail().contains(said), "{query}: {}", refused.detail());
    }
}

// R-K11, R-K20
#[tokio::test]
async fn deleted_keys_are_listed_by_their_ids() {
    let port = port().await;
    for key in ["password", "records", "receipts"] {
        port.post(&format!("/v1/stores/store/keys/{key}/request-deletion"), &json!({})).await;
        let deleted = port.post(&format!("/v1/stores/store/keys/{key}/delete-now"), &json!({})).await;
        assert_eq!(deleted.body["state"], "deleted", "{}", deleted.body);
    }
    assert_eq!(names(&port.get("/v1/stores/store/keys").await.body), [""; 0]);
    let mut ids = Vec::new();
    let mut query = "state=deleted&limit=2".to_owned();
    loop {
        let page = port.get(&format!("/v1/stores/store/keys?{query}")).await.body;
        ids.extend(page["keys"].as_array().unwrap().iter().map(|key| key["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("state=deleted&limit=2&after={next}");
    }
    assert_eq!(ids.len(), 3);
    assert!(ids.is_sorted());
}

// R-K12
#[tokio::test]
async fn rotation_by_use_is_set_shown_and_ended() {
    let port = port().await;
    let path = "/v1/stores/store/keys/records/set-rotation-by-use";
    let set = port.post(path, &json!({"items": 1_000, "bytes": null})).await;
    assert_eq!(set.body["rotation_by_use"], json!({"items": 1_000}), "{}", set.body);
    let both = port.post(path, &json!({"items": 1_000, "bytes": 64_000})).await;
    assert_eq!(both.body["rotation_by_use"], json!({"items": 1_000, "bytes": 64_000}));
    assert_eq!(port.get("/v1/stores/store/keys/records").await.body["rotation_by_use"], both.body["rotation_by_use"]);
    let ended = port.post(path, &json!({"items": null, "bytes": null})).await;
    assert_eq!((ended.status, &ended.body["rotation_by_use"]), (StatusCode::OK, &Value::Null));
    for (key, body, problem) in [
        ("records", json!({"items": 0, "bytes": null}), "invalid-value"),
        ("records", json!({"items": 5, "bytes": 0}), "invalid-value"),
        ("records", json!({"items": 5}), "malformed"),
        ("records", json!({}), "malformed"),
        ("records", json!({"items": -1, "bytes": null}), "malformed"),
        ("password", json!({"items": 5, "bytes": null}), "invalid-value"),
    ] {
        let refused = port.post(&format!("/v1/stores/store/keys/{key}/set-rotation-by-use"), &body).await;
        assert_eq!(refused.problem(), problem, "{body}");
    }
}

// R-K6, R-K10
#[tokio::test]
async fn settings_of_a_store_are_set_one_by_one_and_shown() {
    let port = port().await;
    let shown = async || {
        let store = port.get("/v1/stores/store").await.body;
        (store["deletion_wait_hours"].clone(), store["open_public_keys"].clone())
    };
    assert_eq!(shown().await, (json!(72), json!(false)));
    let set = port.post("/v1/stores/store/settings", &json!({"deletion_wait_hours": 240})).await;
    assert_eq!(set.status, StatusCode::OK, "{}", set.body);
    assert_eq!(set.body, port.get("/v1/stores/store").await.body);
    port.post("/v1/stores/store/settings", &json!({"open_public_keys": true})).await;
    assert_eq!(shown().await, (json!(240), json!(true)));
    let requested = port.post("/v1/stores/store/keys/records/request-deletion", &json!({})).await.body;
    let deletion = &requested["deletion"];
    assert_eq!(time(&deletion["requested"]).duration_until(time(&deletion["deadline"])).as_hours(), 240);
    for (body, said) in [
        (json!({}), "nothing is to be set"),
        (json!({"deletion_wait_hours": 23}), "24 to 720"),
        (json!({"deletion_wait_hours": 721}), "24 to 720"),
        (json!({"deletion_wait_hours": 65_536 + 72}), "24 to 720"),
    ] {
        let refused = port.post("/v1/stores/store/settings", &body).await;
        assert_eq!(refused.problem(), "invalid-value", "{body}");
        assert!(refused.detail().contains(said), "{}", refused.detail());
    }
    assert_eq!(port.post("/v1/stores/store/settings", &json!({"name": "x"})).await.problem(), "malformed");
    assert_eq!(port.post("/v1/stores/other/settings", &json!({})).await.problem(), "key-store-not-found");
    assert_eq!(shown().await, (json!(240), json!(true)));
}
