//! Who may come in to key stores, as the control port sets and shows it.

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Port, Reply, authority, time};

async fn add(port: &Port, row: Value) -> Value {
    let reply = port.post("/v1/stores/store/access", &row).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.body);
    reply.body
}

fn path(row: &Value, change: &str) -> String {
    format!("/v1/stores/store/access/{}/{change}", row["id"].as_str().unwrap())
}

async fn issue(port: &Port, name: &str) -> Value {
    let reply = port.post("/v1/stores/store/certificates", &json!({"common_name": name})).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.body);
    reply.body
}

async fn why(port: &Port, question: Value) -> Reply {
    port.post("/v1/stores/store/why-denied", &question).await
}

/// Names and outcomes of the checks.
fn checks(reply: &Reply) -> Vec<(&str, bool)> {
    let checks = reply.body["checks"].as_array().unwrap_or_else(|| panic!("{}", reply.body));
    checks.iter().map(|check| (check["check"].as_str().unwrap(), check["passes"].as_bool().unwrap())).collect()
}

fn reason<'r>(reply: &'r Reply, check: &str) -> &'r str {
    let checks = reply.body["checks"].as_array().unwrap();
    checks.iter().find(|found| found["check"] == check).unwrap()["reason"].as_str().unwrap()
}

// R-A13
#[tokio::test]
async fn what_is_stopped_in_memory_alone_is_told_as_such_to_who_asks_why_somebody_is_denied() {
    let port = Port::with_store().await;
    let (folder, away) = (port.path("audit"), port.path("away"));
    std::fs::rename(&folder, &away).unwrap();
    let stopped = port.post("/v1/stores/store/disable", &json!({})).await;
    assert_eq!(stopped.body["durable"], json!(false), "{}", stopped.body);
    let told = why(&port, json!({})).await;
    assert!(reason(&told, "store").contains("in force, not written yet"), "{}", told.body);
}

// R-A3, R-A6
#[tokio::test]
async fn a_row_is_added_shown_narrowed_and_listed() {
    let port = Port::with_store().await;
    port.create_keys(json!([{"name": "records", "algorithm": "XAES-256-GCM"}])).await;
    let row = add(&port, json!({"address": "::ffff:192.0.2.0/120", "description": "the tills"})).await;
    assert_eq!(
        (&row["address"], &row["state"], &row["method"]),
        (&json!("192.0.2.0/24"), &json!("available"), &json!("address"))
    );
    assert!(row["creator"].as_str().unwrap().starts_with("Ada"), "{row}");
    assert!(row.get("operations").is_none() && row.get("keys").is_none());
    let narrowed =
        port.post(&path(&row, "narrow"), &json!({"operations": ["encrypt"], "keys": ["records"]})).await.body;
    assert_eq!(narrowed["operations"], json!(["encrypt"]));
    assert_eq!(narrowed["keys"].as_array().unwrap().len(), 1);
    assert_eq!(port.get(&format!("/v1/stores/store/access/{}", row["id"].as_str().unwrap())).await.body, narrowed);
    add(&port, json!({"hardware_address": "02-00-5E-10-00-01"})).await;
    let mut listed = Vec::new();
    let mut next = "/v1/stores/store/access?limit=1".to_owned();
    loop {
        let page = port.get(&next).await.body;
        listed.extend(page["rows"].as_array().unwrap().iter().map(|row| row["method"].as_str().unwrap().to_owned()));
        let Some(after) = page["next"].as_str() else { break };
        next = format!("/v1/stores/store/access?limit=1&after={after}");
    }
    listed.sort_unstable();
    assert_eq!(listed, ["address", "hardware_address"]);
}

// R-A3, R-A4, R-A12
#[tokio::test]
async fn rows_that_cannot_be_are_refused_with_what_to_do() {
    let port = Port::with_store().await;
    for (row, said) in [
        (json!({}), "give exactly one of"),
        (json!({"address": "192.0.2.1", "hardware_address": "02:00:5e:10:00:01"}), "give exactly one of"),
        (json!({"address": "192.0.2.7/24"}), "192.0.2.0/24"),
        (json!({"address": "localhost"}), "no IPv4 or IPv6 address"),
        (json!({"hardware_address": "ff:ff:ff:ff:ff:ff"}), "six pairs"),
        (json!({"public_key_sha256": "AB"}), "64 lower-case"),
        (json!({"public_key": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"}), "public key"),
        (json!({"certificate": "hello"}), "PEM"),
        (json!({"address": "192.0.2.1", "operations": ["encrypt", "fly"]}), "operations: give one"),
        (json!({"address": "192.0.2.1", "operations": []}), "operations: give one"),
        (json!({"address": "192.0.2.1", "keys": []}), "disable them"),
        (json!({"address": "192.0.2.1", "description": "a\nb"}), "one line"),
    ] {
        let reply = port.post("/v1/stores/store/access", &row).await;
        assert_eq!(reply.problem(), "invalid-value", "{row}: {}", reply.body);
        assert!(reply.detail().contains(said), "{row}: {}", reply.detail());
    }
    let unknown = port.post("/v1/stores/store/access", &json!({"address": "192.0.2.1", "keys": ["absent"]})).await;
    assert_eq!(unknown.problem(), "key-not-found");
    add(&port, json!({"address": "192.0.2.1"})).await;
    let again = port.post("/v1/stores/store/access", &json!({"address": "192.0.2.1/32"})).await;
    assert_eq!((again.status, again.problem()), (StatusCode::CONFLICT, "conflict"));
    assert_eq!(port.get("/v1/stores/store/access").await.body["rows"].as_array().unwrap().len(), 1);
}

// R-A1
#[tokio::test]
async fn methods_are_set_and_the_last_one_stays() {
    let port = Port::with_store().await;
    let set = async |methods: Value| port.post("/v1/stores/store/access-methods", &methods).await;
    assert_eq!(set(json!({})).await.problem(), "invalid-value");
    assert_eq!(set(json!({"client_certificate": false})).await.problem(), "no-access-method");
    let both = set(json!({"address": true})).await.body;
    assert_eq!(both["access"], json!({"client_certificate": true, "address": true, "hardware_address": false}));
    assert!(both["warnings"].to_string().contains("no authentication data are there for it"), "{both}");
    let swapped = set(json!({"hardware_address": true, "client_certificate": false, "address": false})).await.body;
    assert_eq!(swapped["access"], json!({"client_certificate": false, "address": false, "hardware_address": true}));
    // R-A4
    assert!(swapped["warnings"].to_string().contains("weakly protected"), "{swapped}");
    let health = port.get("/v1/health").await.body["warnings"].to_string();
    assert!(health.contains("key store store is weakly protected"), "{health}");
    assert_eq!(set(json!({"hardware_address": false})).await.problem(), "no-access-method");
    let created = port.post("/v1/stores", &json!({"name": "tills", "access": {"address": true}})).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.body);
}

// R-A5, R-A6
#[tokio::test]
async fn a_certificate_is_issued_renewed_and_revoked() {
    let port = Port::with_store().await;
    let issued = issue(&port, "billing").await;
    let row = json!({"id": issued["access_id"]});
    let path_of_row = format!("/v1/stores/store/access/{}", issued["access_id"].as_str().unwrap());
    let shown = port.get(&path_of_row).await.body;
    assert_eq!((&shown["common_name"], &shown["ends"]), (&json!("billing"), &issued["not_after"]));
    port.post(&path(&row, "narrow"), &json!({"operations": ["encrypt"]})).await;
    let renewed = port.post(&path(&row, "renew"), &json!({"overlap_hours": 24})).await;
    assert_eq!(renewed.status, StatusCode::CREATED, "{}", renewed.body);
    let renewed = renewed.body;
    assert!(renewed["private_key"].is_string() && renewed["certificate"] != issued["certificate"]);
    let second = port.get(&format!("/v1/stores/store/access/{}", renewed["access_id"].as_str().unwrap())).await.body;
    assert_eq!((&second["common_name"], &second["operations"]), (&json!("billing"), &json!(["encrypt"])));
    let first = port.get(&path_of_row).await.body;
    assert_eq!(first["ends"], renewed["former_ends"]);
    assert!(time(&first["ends"]) < time(&issued["not_after"]));
    // What ends soon is told.
    let health = port.get("/v1/health").await.body["warnings"].to_string();
    assert!(health.contains("issued to") && health.contains("ends in 0 days"), "{health}");
    // A former one is not given more time by another renewal, and one that is revoked is not renewed.
    let stopped = port.post(&path(&row, "disable"), &json!({})).await.body;
    assert_eq!((&stopped["state"], &stopped["durable"]), (&json!("disabled"), &json!(true)));
    assert_eq!(port.post(&path(&row, "renew"), &json!({})).await.problem(), "conflict");
    let network = add(&port, json!({"address": "192.0.2.1"})).await;
    assert_eq!(port.post(&path(&network, "renew"), &json!({})).await.problem(), "invalid-value");
    for bad in [json!({"overlap_hours": 2161}), json!({"lifetime_days": 0}), json!({"lifetime_days": 399})] {
        assert_eq!(port.post(&path(&row, "renew"), &bad).await.problem(), "invalid-value", "{bad}");
    }
}

// R-A6
#[tokio::test]
async fn a_row_goes_through_its_states() {
    let port = Port::with_store().await;
    let row = add(&port, json!({"address": "192.0.2.1"})).await;
    let post = async |change: &str| port.post(&path(&row, change), &json!({})).await;
    assert_eq!(post("cancel-deletion").await.problem(), "conflict");
    assert_eq!(post("disable").await.body["state"], "disabled");
    assert_eq!(post("enable").await.body["state"], "available");
    let requested = post("request-deletion").await.body;
    assert_eq!(requested["state"], "deletion requested");
    assert!(requested["deletion"]["deadline"].is_string());
    for change in ["request-deletion", "enable", "disable"] {
        assert_eq!(post(change).await.problem(), "conflict", "{change}");
    }
    assert_eq!(post("cancel-deletion").await.body["state"], "disabled");
    let ended = port.post(&path(&row, "end"), &json!({"ends": "2030-01-01T00:00:00Z"})).await.body;
    assert_eq!(ended["ends"], "2030-01-01T00:00:00.000Z");
    let described = port.post(&path(&row, "describe"), &json!({"description": "the till"})).await.body;
    assert_eq!(described["description"], "the till");
    let absent = port.post("/v1/stores/store/access/00000000000000000000000000000000/enable", &json!({})).await;
    assert_eq!((absent.status, absent.problem()), (StatusCode::NOT_FOUND, "access-not-found"));
}

// R-A13
#[tokio::test]
async fn a_store_is_disabled_and_enabled() {
    let port = Port::with_store().await;
    let stopped = port.post("/v1/stores/store/disable", &json!({})).await.body;
    assert_eq!((&stopped["state"], &stopped["durable"]), (&json!("disabled"), &json!(true)));
    assert_eq!(port.get("/v1/stores/store").await.body["state"], "disabled");
    assert_eq!(port.post("/v1/stores/store/enable", &json!({})).await.body["state"], "available");
}

// R-A7
#[tokio::test]
async fn why_a_client_is_refused_is_told_method_by_method() {
    let port = Port::with_store().await;
    port.create_keys(json!([{"name": "records", "algorithm": "XAES-256-GCM"}])).await;
    port.post("/v1/stores/store/access-methods", &json!({"address": true})).await;
    let network = add(&port, json!({"address": "192.0.2.0/24"})).await;
    let issued = issue(&port, "billing").await;
    let certificate = &issued["certificate"];

    let good = why(&port, json!({"certificate": certificate, "address": "192.0.2.7"})).await;
    assert_eq!(checks(&good), [("store", true), ("client_certificate", true), ("address", true)]);
    assert_eq!(good.body["admitted"], true);

    let elsewhere = why(&port, json!({"certificate": certificate, "address": "192.0.3.7"})).await;
    assert_eq!(checks(&elsewhere), [("store", true), ("client_certificate", true), ("address", false)]);
    assert!(reason(&elsewhere, "address").contains("192.0.3.7 lies in no network"));
    assert_eq!(elsewhere.body["admitted"], false);

    let without = why(&port, json!({"address": "192.0.2.7"})).await;
    assert!(reason(&without, "client_certificate").contains("no certificate was given"));
    let by_name = why(&port, json!({"client": "billing", "address": "192.0.2.7"})).await;
    assert_eq!(checks(&by_name), [("store", true), ("client_certificate", true), ("address", true)]);
    assert_eq!(why(&port, json!({"client": "nobody"})).await.problem(), "access-not-found");

    port.post(&path(&network, "disable"), &json!({})).await;
    let disabled = why(&port, json!({"certificate": certificate, "address": "192.0.2.7"})).await;
    assert!(reason(&disabled, "address").contains("is disabled: `claviger access enable`"), "{}", disabled.body);
    port.post(&path(&network, "enable"), &json!({})).await;

    let row = json!({"id": issued["access_id"]});
    port.post(&path(&row, "narrow"), &json!({"operations": ["encrypt"], "keys": ["records"]})).await;
    let asked = async |operation: &str| {
        why(
            &port,
            json!({"certificate": certificate, "address": "192.0.2.7", "operation": operation, "key": "records"}),
        )
        .await
    };
    assert_eq!(asked("encrypt").await.body["admitted"], true);
    let refused = asked("decrypt").await;
    assert!(reason(&refused, "operation").contains("do not permit this"), "{}", refused.body);
    assert_eq!(asked("fly").await.problem(), "invalid-value");

    port.post("/v1/stores/store/disable", &json!({})).await;
    let closed = why(&port, json!({"certificate": certificate, "address": "192.0.2.7"})).await;
    assert!(reason(&closed, "store").contains("is disabled"));

    // A certificate of a forger that says the same, and one that nobody knows.
    let forger = authority("Claviger key store");
    let forged = crate::support::issue(&forger, "billing", &claviger_daemon::authority::Purpose::Client);
    let pem = claviger_daemon::pem::encode("CERTIFICATE", &forged.certificate).to_string();
    let unknown = why(&port, json!({"certificate": pem, "address": "192.0.2.7"})).await;
    assert!(
        reason(&unknown, "client_certificate").contains("no authentication data of this store name the certificate")
    );
}
