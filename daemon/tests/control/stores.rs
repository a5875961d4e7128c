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
