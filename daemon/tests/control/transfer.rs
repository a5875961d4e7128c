//! Import and export: how key material comes in, and how it leaves.

use aws_lc_rs::key_wrap::{AES_256, KeyEncryptionKey, KeyWrapPadded};
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};

use crate::support::{Port, Reply, time};

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

const IMPORTS: &str = "/v1/stores/store/imports";
const MATERIAL: &[u8] = b"material that was made elsewhere";

async fn begun(port: &Port, body: &Value) -> Value {
    let reply = port.post(IMPORTS, body).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.body);
    reply.body
}

async fn begun_key(port: &Port, name: &str) -> Value {
    begun(port, &json!({"name": name, "algorithm": "HMAC-SHA-256"})).await
}

/// `material` wrapped to the transport key of `import`.
fn wrap(import: &Value, material: &[u8]) -> String {
    let public_key =
        SubjectPublicKeyInfoDer::from_pem_slice(import["public_key"].as_str().unwrap().as_bytes()).unwrap();
    let public_key = OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(&public_key).unwrap()).unwrap();
    let (key, mut block, mut rest) = ([0x4b; 32], vec![0; public_key.ciphertext_size()], vec![0; material.len() + 15]);
    public_key.encrypt(&OAEP_SHA256_MGF1SHA256, &key, &mut block, None).unwrap();
    let rest = KeyEncryptionKey::new(&AES_256, &key).unwrap().wrap_with_padding(material, &mut rest).unwrap();
    STANDARD.encode([&block, &*rest].concat())
}

fn path(import: &Value, what: &str) -> String {
    format!("{IMPORTS}/{}{what}", import["id"].as_str().unwrap())
}

async fn complete(port: &Port, import: &Value, wrapped: &str) -> Reply {
    port.post(&path(import, "/complete"), &json!({ "wrapped": wrapped })).await
}

// R-K18
#[tokio::test]
async fn an_import_is_begun_shown_listed_and_completed_once() {
    let port = Port::with_store().await;
    assert_eq!(port.get(IMPORTS).await.body, json!({"imports": []}));
    let body = json!({"name": "webhooks", "algorithm": "HMAC-SHA-256", "exportable": true});
    let reply = port.post(IMPORTS, &body).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.body);
    let import = reply.body;
    assert_eq!(reply.headers.get("location").unwrap().to_str().unwrap().rsplit('/').next(), import["id"].as_str());
    assert_eq!((&import["name"], &import["algorithm"]), (&json!("webhooks"), &json!("HMAC-SHA-256")));
    assert_eq!((&import["exportable"], &import["key_id"]), (&json!(true), &Value::Null));
    assert_eq!(import["requester"].as_str().unwrap().len(), 64);
    let [created, ends] = ["created", "ends"].map(|when| time(&import[when]));
    assert_eq!(created.duration_until(ends).as_hours(), 24);
    assert!(import["public_key"].as_str().unwrap().starts_with("-----BEGIN PUBLIC KEY-----\n"));
    assert_eq!(port.get(&path(&import, "")).await.body, import);
    assert_eq!(port.get(IMPORTS).await.body, json!({ "imports": [import] }));

    let wrapped = wrap(&import, MATERIAL);
    let completed = complete(&port, &import, &wrapped).await;
    assert_eq!(completed.status, StatusCode::CREATED, "{}", completed.body);
    let key = shown(&port, "webhooks").await;
    assert_eq!(completed.body, key);
    assert_eq!(completed.headers.get("location").unwrap().to_str().unwrap().rsplit('/').next(), key["id"].as_str());
    assert_eq!((&key["state"], &key["exportable"]), (&json!("available"), &json!(true)));
    assert_eq!((&key["versions"][0]["origin"], &key["rotation"]), (&json!("imported"), &Value::Null));
    assert!(!key.to_string().contains("elsewhere"));
    for again in [complete(&port, &import, &wrapped).await, port.get(&path(&import, "")).await] {
        assert_eq!((again.status, again.problem()), (StatusCode::NOT_FOUND, "import-not-found"));
        assert!(again.detail().contains("begin another one"), "{}", again.detail());
    }
    assert_eq!(port.get(IMPORTS).await.body, json!({"imports": []}));
}

// R-K18
#[tokio::test]
async fn a_try_in_vain_ends_the_import_and_says_so() {
    let port = Port::with_store().await;
    let import = begun_key(&port, "webhooks").await;
    let failed = complete(&port, &import, &wrap(&import, &[0; 32])).await;
    assert_eq!((failed.status, failed.problem()), (StatusCode::UNPROCESSABLE_ENTITY, "import-failed"));
    assert!(failed.detail().contains("spent: begin another one"), "{}", failed.detail());
    assert_eq!(complete(&port, &import, &wrap(&import, MATERIAL)).await.problem(), "import-not-found");
    assert_eq!(port.get("/v1/stores/store/keys/webhooks").await.problem(), "key-not-found");
}

// R-K18
#[tokio::test]
async fn another_administrator_neither_completes_an_import_nor_spoils_it() {
    let port = Port::with_store().await;
    let import = begun_key(&port, "webhooks").await;
    let port = port.with_another_administrator();
    for wrapped in [wrap(&import, MATERIAL), wrap(&import, &[0; 32])] {
        let refused = complete(&port, &import, &wrapped).await;
        assert_eq!((refused.status, refused.problem()), (StatusCode::FORBIDDEN, "not-permitted"));
    }
    assert_eq!(port.get(&path(&import, "")).await.body, import, "still open");
    let cancelled = port.post(&path(&import, "/cancel"), &json!({})).await;
    assert_eq!((cancelled.status, &cancelled.body), (StatusCode::OK, &import), "ending it harms nobody");
    assert_eq!(port.post(&path(&import, "/cancel"), &json!({})).await.problem(), "import-not-found");
}

// R-K18
#[tokio::test]
async fn what_is_no_wrapped_key_is_told_and_leaves_the_import_open() {
    let port = Port::with_store().await;
    let import = begun_key(&port, "webhooks").await;
    let good = wrap(&import, MATERIAL);
    for bad in ["", "AAAA", "!", &good[..good.len() - 1], &STANDARD.encode([7; 551]), &STANDARD.encode([7; 33_296])] {
        let refused = complete(&port, &import, bad).await;
        assert_eq!((refused.status, refused.problem()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid-value"));
        assert!(refused.detail().contains("still open"), "{}", refused.detail());
    }
    let too_large = complete(&port, &import, &STANDARD.encode([7; 48 * 1024])).await;
    assert_eq!(too_large.problem(), "body-too-large");
    for bad in [json!({}), json!({"wrapped": 1}), json!({"wrapped": good, "more": 1})] {
        assert_eq!(port.post(&path(&import, "/complete"), &bad).await.problem(), "malformed", "{bad}");
    }
    for id in ["absent", "00000000000000000000000000000000", "webhooks"] {
        let refused = port.post(&format!("{IMPORTS}/{id}/complete"), &json!({ "wrapped": good })).await;
        assert_eq!((refused.status, refused.problem()), (StatusCode::NOT_FOUND, "import-not-found"), "{id}");
    }
    assert_eq!(complete(&port, &import, &good).await.status, StatusCode::CREATED);
}

// R-K18
#[tokio::test]
async fn an_import_says_which_key_it_is_for() {
    let port = Port::with_store().await;
    port.create_keys(json!([{"name": "taken", "algorithm": "HMAC-SHA-256"}])).await;
    for (bad, problem) in [
        (json!({}), "invalid-value"),
        (json!({"name": "a"}), "invalid-value"),
        (json!({"algorithm": "Ed25519"}), "invalid-value"),
        (json!({"name": "a", "algorithm": "Ed25519", "key": "taken"}), "invalid-value"),
        (json!({"key": "taken", "algorithm": "HMAC-SHA-256"}), "invalid-value"),
        (json!({"key": "taken", "exportable": true}), "invalid-value"),
        (json!({"name": "a b", "algorithm": "Ed25519"}), "invalid-value"),
        (json!({"name": "a", "algorithm": "ROT13"}), "invalid-value"),
        (json!({"name": "taken", "algorithm": "Ed25519"}), "name-taken"),
        (json!({"key": "absent"}), "key-not-found"),
        (json!({"name": "a", "algorithm": "Ed25519", "value": "aHVudGVyMg=="}), "malformed"),
    ] {
        assert_eq!(port.post(IMPORTS, &bad).await.problem(), problem, "{bad}");
    }
    assert_eq!(port.get(IMPORTS).await.body, json!({"imports": []}));
}

// R-K12, R-K18
#[tokio::test]
async fn a_new_version_is_imported_and_rotation_by_itself_is_off_until_ordered() {
    let port = Port::with_store().await;
    port.create_keys(json!([{"name": "webhooks", "algorithm": "HMAC-SHA-256"}])).await;
    let set_rotation = async |days: u16| {
        port.post("/v1/stores/store/keys/webhooks/set-rotation", &json!({ "period_days": days })).await.body
    };
    assert_eq!(set_rotation(90).await["warnings"], Value::Null);
    let import = begun(&port, &json!({"key": "webhooks"})).await;
    assert_eq!((&import["name"], &import["algorithm"]), (&json!("webhooks"), &json!("HMAC-SHA-256")));
    assert_eq!((&import["key_id"], &import["exportable"]), (&shown(&port, "webhooks").await["id"], &Value::Null));
    let key = complete(&port, &import, &wrap(&import, MATERIAL)).await.body;
    assert_eq!((&key["current_version"], &key["rotation"]), (&json!(2), &Value::Null));
    let origins: Vec<_> = key["versions"].as_array().unwrap().iter().map(|version| &version["origin"]).collect();
    assert_eq!(origins, ["generated", "imported"]);
    let ordered = set_rotation(90).await;
    assert_eq!(ordered["rotation"]["period_days"], 90);
    assert!(ordered["warnings"][0].as_str().unwrap().contains("imported"), "{}", ordered["warnings"]);
}

// R-K6
#[tokio::test]
async fn only_exportable_keys_leave_and_only_to_keys_that_are_strong_enough() {
    let port = Port::with_store().await;
    let import = begun_key(&port, "any").await;
    let receiver = &import["public_key"];
    port.create_keys(json!([
        {"name": "kept", "algorithm": "HMAC-SHA-256"},
        {"name": "lent", "algorithm": "HMAC-SHA-256", "exportable": true},
    ]))
    .await;
    let export = async |key: &str, body: Value| port.post(&format!("/v1/stores/store/keys/{key}/export"), &body).await;
    let exported = export("lent", json!({ "public_key": receiver })).await;
    assert_eq!(exported.status, StatusCode::OK, "{}", exported.body);
    assert_eq!((&exported.body["version"], &exported.body["algorithm"]), (&json!(1), &json!("HMAC-SHA-256")));
    assert_eq!(exported.body["public_key_sha256"].as_str().unwrap().len(), 64);
    let wrapped = STANDARD.decode(exported.body["wrapped"].as_str().unwrap()).unwrap();
    assert_eq!(wrapped.len(), 512 + 40);

    let refused = export("kept", json!({ "public_key": receiver })).await;
    assert_eq!((refused.status, refused.problem()), (StatusCode::CONFLICT, "conflict"));
    assert!(refused.detail().contains("not exportable"), "{}", refused.detail());
    for (version, problem) in [(0, "invalid-value"), (2, "key-version-not-found")] {
        let body = json!({ "public_key": receiver, "version": version });
        assert_eq!(export("lent", body).await.problem(), problem, "{version}");
    }
    let certificate = receiver.as_str().unwrap().replace("PUBLIC KEY", "CERTIFICATE");
    for bad in ["", "hunter2", &certificate, SMALL_RSA, SMALL_EXPONENT, ED25519] {
        let refused = export("lent", json!({ "public_key": bad })).await;
        assert_eq!((refused.status, refused.problem()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid-value"), "{bad}");
        assert!(refused.detail().starts_with("public_key: "), "{}", refused.detail());
    }
    for bad in [json!({}), json!({ "public_key": receiver, "format": "plain" }), json!({"public_key": 1})] {
        assert_eq!(export("lent", bad.clone()).await.problem(), "malformed", "{bad}");
    }
    assert_eq!(export("absent", json!({ "public_key": receiver })).await.problem(), "key-not-found");
    let id = shown(&port, "lent").await["id"].as_str().unwrap().to_owned();
    for (change, said) in
        [("disable", "disabled"), ("request-deletion", "deletion requested"), ("delete-now", "deleted")]
    {
        port.post(&format!("/v1/stores/store/keys/{id}/{change}"), &json!({})).await;
        let refused = export(&id, json!({ "public_key": receiver })).await;
        assert_eq!(refused.problem(), "conflict", "{change}");
        assert!(refused.detail().contains(said), "{}", refused.detail());
    }
}

/// RSA with 2,048 bits.
const SMALL_RSA: &str = "\
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAtVguIUFT7oOHlOD//c8a
vR7jxaQxXvfcVVog8l3ZKbofjDS61IDlEu19MWmBmutoJ2ko/6PjKl5AB9t3MGVz
BY7zfQfG6DsYFQwoinmktIxVlRjPHi3Rwog0Feoyf1XG0LEFAU+ZhZNbrTS8S7kU
ATHmh7b4tW0v28NTIsiz4jI0RaHzZ9C2q6h6oEWphBX+gJ+/PIPOvCB91gBy4xg9
s+aa+DdI2KiWoNd8CoGzjjT9RuTYA4Ba1+c0i6szeLqWJiF4o52t59i4uu99sNXW
82Sl332RoM8jdIhjoo4LLSH3buiUZ1wXqJh+GBVEWe6y/8vwozGPwOLwCKQufPIz
RQIDAQAB
-----END PUBLIC KEY-----
";

/// RSA with 3,072 bits and the exponent 3.
const SMALL_EXPONENT: &str = "\
-----BEGIN PUBLIC KEY-----
MIIBoDANBgkqhkiG9w0BAQEFAAOCAY0AMIIBiAKCAYEAwUBq6MxFN9LUntNKCUVF
QCdhD/RNLnKDcXLYVxLp1fLUTX1gawWqBpCFcLzZ/a6s3BsAtnl/37+K1q+fuSRL
jU4aXaAno2uisjEJ9ByUiH5VVRx3VWL5qbbfZytKY2MWY/0mgn8OqUL3NWtnAsv2
iBnbS5+WX6jnhavhW9VbQVPovV2bqIplEBcQoRDs+8Vxm1714xiE1A/goF22+fw0
Pjkg1jmfNk0FFUcMuos/bKWklhjYdLaXNb4Bra/dOeyOqquw4xAAggaKUJgifoof
IzTFXn3Xuugj4AYblYQDaw64saNokOLcdLNczaOobhQ2jBbMMv+3N7doMIOqwgPD
+ErOJJxEQOyQ7p5DU8nUcw7mHZB4LApSgCresca7OSifC3x5tPNzkAlq38qYMZNO
9ovcYlEBgnF2KOhmJ065kaZ826wu76LivrILw7yDDtcPtmkCsCQs7vStgpLEL7xn
cwxm/sLaar8sIJtqefFFyza0hIrqfaGYCAyfbItxuVTfAgED
-----END PUBLIC KEY-----
";

/// A key that encrypts nothing.
const ED25519: &str = "\
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAMsJU9WqJv+WBdawjl4IGVfQCNTUYVagnipy+uJ22Ukg=
-----END PUBLIC KEY-----
";
