//! Key stores.

use http::StatusCode;
use serde_json::json;

use crate::support::{Port, request};

// R-A1, R-O1
#[tokio::test]
async fn a_store_is_created_and_found_by_name_and_id() {
    let port = Port::new();
    let revision = async || port.get("/v1/health").await.body["storage_revision"].as_u64().unwrap();
    let before = revision().await;
    let created = port.post("/v1/stores", &json!({"name": "payments", "access": {"client_certificate": true}})).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.body);
    let id = created.body["id"].as_str().unwrap();
    assert_eq!(created.headers.get("location").unwrap(), &format!("/v1/stores/{id}"));
    assert_eq!(
        created.body["access"],
        json!({"client_certificate": true, "address": false, "hardware_address": false})
    );
    for path in [format!("/v1/stores/{id}"), "/v1/stores/payments".to_owned()] {
        assert_eq!(port.get(&path).await.body, created.body);
    }
    assert_eq!(revision().await, before + 1);
}

// R-A1, R-A2
#[tokio::test]
async fn a_store_that_everybody_could_enter_is_refused() {
    let port = Port::new();
    for access in [json!({}), json!({"client_certificate": false})] {
        let reply = port.post("/v1/stores", &json!({"name": "open", "access": access})).await;
        assert_eq!((reply.status, reply.problem()), (StatusCode::UNPROCESSABLE_ENTITY, "no-access-method"));
        assert!(reply.detail().contains("client_certificate"));
    }
    let reply = port.post("/v1/stores", &json!({"name": "open"})).await;
    assert_eq!(reply.problem(), "malformed");
    assert!(reply.detail().contains("missing field `access`"));
    assert_eq!(port.get("/v1/stores").await.body["stores"], json!([]), "nothing was created");
}

#[tokio::test]
async fn names_that_are_none_are_refused() {
    let port = Port::new();
    for name in ["", " ", "a b", "a/b", "ä", "a\n", &"x".repeat(101)] {
        let reply = port.post("/v1/stores", &json!({"name": name, "access": {"client_certificate": true}})).await;
        assert_eq!(reply.problem(), "invalid-value", "{name:?}");
        assert!(reply.detail().starts_with("name: "), "{}", reply.detail());
    }
}

#[tokio::test]
async fn a_name_is_given_once() {
    let port = Port::with_store().await;
    let again = port.post("/v1/stores", &json!({"name": "store", "access": {"client_certificate": true}})).await;
    assert_eq!((again.status, again.problem()), (StatusCode::CONFLICT, "name-taken"));
}

#[tokio::test]
async fn a_list_comes_in_pages_in_the_order_of_names() {
    let port = Port::new();
    for name in ["c", "a", "d", "b"] {
        port.post("/v1/stores", &json!({"name": name, "access": {"client_certificate": true}})).await;
    }
    let mut seen = Vec::new();
    let mut path = "/v1/stores?limit=3".to_owned();
    loop {
        let page = port.get(&path).await.body;
        seen.extend(page["stores"].as_array().unwrap().iter().map(|store| store["name"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/stores?limit=3&after={next}");
    }
    assert_eq!(seen, ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn queries_that_are_not_understood_are_refused() {
    let port = Port::with_store().await;
    for path in ["/v1/stores", "/v1/stores/store/keys"] {
        for query in
            ["limit=0", "limit=1001", "limit=-1", "limit=x", "after=a%20b", "limt=1", "limit=1&limit=2", "after=%ff"]
        {
            let reply = port.send(request("GET", &format!("{path}?{query}"), "")).await;
            assert!(["invalid-value", "malformed"].contains(&reply.problem()), "{query}");
        }
    }
}

// R-A11
#[tokio::test]
async fn quotas_are_set_shown_and_taken_away() {
    let port = Port::with_store().await;
    let path = "/v1/stores/store/settings";
    assert!(port.get("/v1/stores/store").await.body.get("quota").is_none());
    let quota = json!({"units_per_second": 500_000, "burst": 1_000_000});
    let set = port.post(path, &json!({"quota": quota, "client_quota": {"units_per_second": 1, "burst": 1}})).await;
    assert_eq!(set.body["quota"], quota, "{}", set.body);
    assert_eq!(set.body["client_quota"], json!({"units_per_second": 1, "burst": 1}));
    let less = port.post(path, &json!({"client_quota": null})).await.body;
    assert_eq!((&less["quota"], less.get("client_quota")), (&quota, None));
    assert_eq!(port.get("/v1/stores/store").await.body, less);
}

// R-A11
#[tokio::test]
async fn quotas_out_of_bounds_are_refused_and_the_bounds_told() {
    let port = Port::with_store().await;
    for (rate, burst) in [(0, 1), (1, 0), (0, 0), (1_000_000_001_u64, 1), (1, 1_000_000_001)] {
        for name in ["quota", "client_quota"] {
            let body = json!({name: {"units_per_second": rate, "burst": burst}, "open_public_keys": true});
            let reply = port.post("/v1/stores/store/settings", &body).await;
            assert_eq!((reply.status, reply.problem()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid-value"));
            assert!(
                reply.detail().starts_with(name) && reply.detail().contains("1 to 1000000000"),
                "{}",
                reply.detail()
            );
        }
    }
    for bad in [
        json!({"quota": 0}),
        json!({"quota": {"burst": 1}}),
        json!({"quota": {"units_per_second": 1_u64 << 40, "burst": 1}}),
    ] {
        assert_eq!(port.post("/v1/stores/store/settings", &bad).await.problem(), "malformed");
    }
    assert_eq!(port.get("/v1/stores/store").await.body["open_public_keys"], json!(false), "nothing was set");
}
