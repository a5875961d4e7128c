//! Keys.

use claviger_algorithm::{Algorithm, OutputSize};
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::Port;

fn names(list: &Value) -> Vec<&str> {
    list["keys"].as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap()).collect()
}

// R-K1, R-K7, R-O1
#[tokio::test]
async fn keys_of_every_kind_are_created_available_and_described_without_their_material() {
    let port = Port::with_store().await;
    let created = port
        .create_keys(json!([
            {"name": "password", "algorithm": "OPAQUE", "value": "aHVudGVyMg=="},
            {"name": "records", "algorithm": "XAES-256-GCM"},
            {"name": "webhooks", "algorithm": "HMAC-SHA-256"},
            {"name": "releases", "algorithm": "Ed25519"},
        ]))
        .await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.body);
    assert_eq!(names(&created.body), ["password", "records", "webhooks", "releases"]);
    let kinds: Vec<_> =
        created.body["keys"].as_array().unwrap().iter().map(|key| key["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["secret", "symmetric", "mac", "asymmetric"]);
    for key in created.body["keys"].as_array().unwrap() {
        assert_eq!((&key["state"], &key["current_version"]), (&json!("available"), &json!(1)));
        for name in ["id", "name"] {
            let path = format!("/v1/stores/store/keys/{}", key[name].as_str().unwrap());
            let shown = port.get(&path).await.body;
            assert_eq!(&shown, key);
            assert!(!shown.to_string().contains("hunter2") && !shown.to_string().contains("aHVudGVyMg"));
        }
    }
}

#[tokio::test]
async fn a_thousand_keys_are_created_at_once_and_listed_in_pages() {
    let port = Port::with_store().await;
    let keys: Vec<_> =
        (0..1_000).map(|index| json!({"name": format!("key-{index:04}"), "algorithm": "XAES-256-GCM"})).collect();
    assert_eq!(port.create_keys(json!(keys)).await.status, StatusCode::CREATED);
    let first = port.get("/v1/stores/store/keys").await.body;
    assert_eq!(names(&first).len(), 100);
    assert_eq!(first["next"], "key-0099");
    let second = port.get("/v1/stores/store/keys?after=key-0099&limit=1000").await.body;
    assert_eq!(names(&second).len(), 900);
    assert_eq!(second["next"], Value::Null);
}

#[tokio::test]
async fn one_bad_key_means_that_none_is_created() {
    let port = Port::with_store().await;
    port.create_keys(json!([{"name": "taken", "algorithm": "Ed25519"}])).await;
    let good = json!({"name": "good", "algorithm": "Ed25519"});
    for (bad, problem) in [
        (json!({"name": "taken", "algorithm": "Ed25519"}), "name-taken"),
        (json!({"name": "good", "algorithm": "Ed25519"}), "name-taken"),
        (json!({"name": "a b", "algorithm": "Ed25519"}), "invalid-value"),
        (json!({"name": "a", "algorithm": "ed25519"}), "invalid-value"),
        (json!({"name": "a", "algorithm": "AES-128-ECB"}), "invalid-value"),
        (json!({"name": "a", "algorithm": "OPAQUE"}), "invalid-value"),
        (json!({"name": "a", "algorithm": "OPAQUE", "value": "hunter2!"}), "invalid-value"),
        (json!({"name": "a", "algorithm": "Ed25519", "value": "aHVudGVyMg=="}), "invalid-value"),
    ] {
        let reply = port.create_keys(json!([good, bad])).await;
        assert_eq!(reply.problem(), problem, "{bad}");
        assert!(!reply.body.to_string().contains("hunter2"), "{bad}");
    }
    assert_eq!(names(&port.get("/v1/stores/store/keys").await.body), ["taken"]);
}

#[tokio::test]
async fn counts_out_of_their_bounds_are_refused() {
    let port = Port::with_store().await;
    let keys = |count, algorithm: &str| -> Value {
        (0..count).map(|index| json!({"name": format!("k{index}"), "algorithm": algorithm})).collect()
    };
    for (keys, said) in [
        (json!([]), "1 to 1000"),
        (keys(1_001, "Ed25519"), "1 to 1000"),
        (keys(17, "RSA-4096-PSS-SHA256"), "at most 16 RSA keys"),
    ] {
        let reply = port.create_keys(keys).await;
        assert_eq!(reply.problem(), "invalid-value");
        assert!(reply.detail().contains(said), "{}", reply.detail());
    }
}

// R-K2
#[tokio::test]
async fn a_secret_may_have_up_to_32_kib() {
    let port = Port::with_store().await;
    let of = |name: &str, size: usize| {
        // 3 bytes are 4 digits; `size` is not a multiple of 3.
        let digits = "AAAA".repeat(size / 3) + if size % 3 == 2 { "AAA=" } else { "AA==" };
        json!([{"name": name, "algorithm": "OPAQUE", "value": digits}])
    };
    assert_eq!(port.create_keys(of("fits", 32_768)).await.status, StatusCode::CREATED);
    assert_eq!(port.create_keys(of("too-large", 32_770)).await.problem(), "invalid-value");
    assert_eq!(
        port.create_keys(json!([{"name": "empty", "algorithm": "OPAQUE", "value": ""}])).await.status,
        StatusCode::CREATED
    );
}

// R-K12, R-K15
#[tokio::test]
async fn rotation_adds_a_version_and_keeps_the_one_before() {
    let port = Port::with_store().await;
    port.create_keys(json!([{"name": "records", "algorithm": "XAES-256-GCM"}])).await;
    let rotated = port.post("/v1/stores/store/keys/records/rotate", &json!({})).await;
    assert_eq!(rotated.status, StatusCode::OK, "{}", rotated.body);
    assert_eq!(rotated.body["current_version"], 2);
    let states: Vec<_> =
        rotated.body["versions"].as_array().unwrap().iter().map(|version| version["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["active", "current"]);
}

// R-K14
#[tokio::test]
async fn the_hundred_and_first_version_is_refused_with_what_to_do() {
    let port = Port::with_store().await;
    port.create_keys(json!([{"name": "records", "algorithm": "HMAC-SHA-256"}])).await;
    for version in 2..=100 {
        let rotated = port.post("/v1/stores/store/keys/records/rotate", &json!({})).await;
        assert_eq!(rotated.body["current_version"], version);
    }
    let refused = port.post("/v1/stores/store/keys/records/rotate", &json!({})).await;
    assert_eq!((refused.status, refused.problem()), (StatusCode::CONFLICT, "conflict"));
    assert!(refused.detail().contains("create a new key"), "{}", refused.detail());
}

// R-K9
#[tokio::test]
async fn a_key_is_disabled_and_enabled_again() {
    let port = Port::with_store().await;
    port.create_keys(json!([{"name": "records", "algorithm": "XAES-256-GCM"}])).await;
    for (action, state) in
        [("disable", "disabled"), ("disable", "disabled"), ("enable", "available"), ("enable", "available")]
    {
        let reply = port.post(&format!("/v1/stores/store/keys/records/{action}"), &json!({})).await;
        assert_eq!((reply.status, &reply.body["state"]), (StatusCode::OK, &json!(state)));
    }
}

#[tokio::test]
async fn a_key_is_not_reached_through_another_store() {
    let port = Port::with_store().await;
    port.post("/v1/stores", &json!({"name": "other", "access": {"client_certificate": true}})).await;
    let created = port.create_keys(json!([{"name": "records", "algorithm": "XAES-256-GCM"}])).await;
    let id = created.body["keys"][0]["id"].as_str().unwrap();
    for key in ["records", id] {
        assert_eq!(port.get(&format!("/v1/stores/other/keys/{key}")).await.problem(), "key-not-found");
        let rotate = port.post(&format!("/v1/stores/other/keys/{key}/rotate"), &json!({})).await;
        assert_eq!(rotate.problem(), "key-not-found");
    }
}

#[tokio::test]
async fn a_name_that_looks_like_the_id_of_another_key_leads_to_that_key_only() {
    let port = Port::with_store().await;
    let created = port.create_keys(json!([{"name": "first", "algorithm": "Ed25519"}])).await;
    let id = created.body["keys"][0]["id"].as_str().unwrap();
    port.create_keys(json!([{"name": id, "algorithm": "Ed25519"}])).await;
    assert_eq!(port.get(&format!("/v1/stores/store/keys/{id}")).await.body["name"], "first");
    let absent_id = "f".repeat(32);
    port.create_keys(json!([{"name": absent_id, "algorithm": "Ed25519"}])).await;
    assert_eq!(port.get(&format!("/v1/stores/store/keys/{absent_id}")).await.body["name"], absent_id);
}

// R-K1
#[tokio::test]
async fn the_list_of_algorithms_is_the_table() {
    let list = Port::new().get("/v1/algorithms").await.body;
    let listed = list["algorithms"].as_array().unwrap();
    assert_eq!(listed.len(), Algorithm::ALL.len());
    for (told, row) in listed.iter().zip(Algorithm::ALL.iter().map(|algorithm| algorithm.row())) {
        assert_eq!(told["name"], row.name);
        let output_size = match row.output_size {
            OutputSize::Fixed(size) => json!({"fixed": size}),
            OutputSize::AtMost(size) => json!({"at_most": size}),
            OutputSize::PlaintextPlus(size) => json!({"plaintext_plus": size}),
        };
        assert_eq!(told["output_size"], output_size, "{}", row.name);
        let operations: Vec<_> = row.operations.iter().map(|operation| operation.to_string()).collect();
        assert_eq!(told["operations"], json!(operations), "{}", row.name);
        assert_eq!(told["digest_size"].as_u64(), row.digest_size.map(|size| size as u64), "{}", row.name);
        assert_eq!(told["use_limit"].as_u64(), row.use_limit, "{}", row.name);
        assert_eq!(told["cost_class"], row.cost.class().to_string(), "{}", row.name);
        assert_eq!(told["check_nanoseconds"], row.cost.check_nanoseconds, "{}", row.name);
    }
    let decrypting = listed.iter().find(|told| told["name"] == "RSA-2048-OAEP-SHA256").unwrap();
    assert_eq!(decrypting["operations"], json!(["asymmetric decrypt", "read public key"]));
    assert_eq!((&decrypting["cost_class"], &decrypting["generation"]), (&json!("heavy"), &json!("slow")));
}

// R-K1
#[tokio::test]
async fn every_algorithm_of_the_list_can_be_created() {
    let port = Port::with_store().await;
    let list = port.get("/v1/algorithms").await.body;
    let algorithms = list["algorithms"].as_array().unwrap();
    assert_eq!(algorithms.len(), Algorithm::ALL.len());
    // The larger RSA keys take seconds to make in a test build, and are made the same way.
    for algorithm in algorithms.iter().filter(|row| {
        !row["name"].as_str().unwrap().contains("RSA-3072") && !row["name"].as_str().unwrap().contains("RSA-4096")
    }) {
        let name = algorithm["name"].as_str().unwrap();
        let mut key = json!({"name": name, "algorithm": name});
        if algorithm["kind"] == "secret" {
            key["value"] = json!("aHVudGVyMg==");
        }
        let created = port.create_keys(json!([key])).await;
        assert_eq!(created.status, StatusCode::CREATED, "{name}: {}", created.body);
        assert_eq!(created.body["keys"][0]["kind"], algorithm["kind"]);
    }
}
