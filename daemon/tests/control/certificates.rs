//! Client certificates of a key store.

use http::StatusCode;
use serde_json::json;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::support::{Port, certificate};

const PATH: &str = "/v1/stores/store/certificates";

fn request() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap()
}

// R-A5
#[tokio::test]
async fn a_certificate_comes_from_the_authority_of_its_store_and_no_other() {
    let port = Port::with_store().await;
    port.post("/v1/stores", &json!({"name": "other", "access": {"client_certificate": true}})).await;
    let issued = port.post(PATH, &json!({"common_name": "billing", "lifetime_days": 1})).await;
    assert_eq!(issued.status, StatusCode::CREATED, "{}", issued.body);
    let der = certificate(issued.body["certificate"].as_str().unwrap());
    let (_, parsed) = X509Certificate::from_der(&der).unwrap();
    assert_eq!(parsed.subject().to_string(), "CN=billing");
    for (store, own) in [("store", true), ("other", false)] {
        let authority = port.get(&format!("/v1/stores/{store}/authority")).await.body;
        let der = certificate(authority["certificate"].as_str().unwrap());
        let (_, authority) = X509Certificate::from_der(&der).unwrap();
        assert_eq!(parsed.verify_signature(Some(authority.public_key())).is_ok(), own, "{store}");
        assert_eq!(parsed.issuer() == authority.subject(), own, "{store}");
    }
    assert!(issued.body["private_key"].as_str().unwrap().starts_with("-----BEGIN PRIVATE KEY-----\n"));
}

// R-A5
#[tokio::test]
async fn with_a_signing_request_no_private_key_comes_back() {
    let port = Port::with_store().await;
    let issued = port.post(PATH, &json!({"common_name": "billing", "signing_request": request()})).await;
    assert_eq!(issued.status, StatusCode::CREATED, "{}", issued.body);
    assert!(issued.body.get("private_key").is_none());
    assert!(issued.headers.get("location").is_none(), "a certificate cannot be read later");
}

// R-A5
#[tokio::test]
async fn what_cannot_stand_in_a_certificate_is_refused_with_what_can() {
    let port = Port::with_store().await;
    for (body, said) in [
        (json!({"common_name": ""}), "1 to 64 bytes"),
        (json!({"common_name": "x".repeat(65)}), "1 to 64 bytes"),
        (json!({"common_name": "a\nb"}), "1 to 64 bytes"),
        (json!({"common_name": "a", "lifetime_days": 0}), "1 to 398"),
        (json!({"common_name": "a", "lifetime_days": 399}), "1 to 398"),
        (json!({"common_name": "a", "signing_request": "hello"}), "openssl req"),
        (json!({"common_name": "a", "signing_request": request().replace('M', "N")}), "openssl req"),
        (json!({"common_name": "a", "signing_request": ""}), "openssl req"),
    ] {
        let reply = port.post(PATH, &body).await;
        assert_eq!(reply.problem(), "invalid-value", "{body}");
        assert!(reply.detail().contains(said), "{}", reply.detail());
    }
}

// R-A5
#[tokio::test]
async fn signing_requests_made_by_openssl_are_taken() {
    let port = Port::with_store().await;
    for algorithm in [
        ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"].as_slice(),
        ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"].as_slice(),
        ["ed25519"].as_slice(),
        ["rsa:2048"].as_slice(),
    ] {
        let made = std::process::Command::new("openssl")
            .args(["req", "-new", "-nodes", "-subj", "/CN=ignored", "-keyout", "/dev/null", "-newkey"])
            .args(algorithm)
            .output()
            .expect("openssl is installed");
        let request = String::from_utf8(made.stdout).unwrap();
        let issued = port.post(PATH, &json!({"common_name": "billing", "signing_request": request})).await;
        assert_eq!(issued.status, StatusCode::CREATED, "{algorithm:?}: {}", issued.body);
    }
    let weak = std::process::Command::new("openssl")
        .args(["req", "-new", "-nodes", "-subj", "/CN=a", "-keyout", "/dev/null", "-newkey", "rsa:1024"])
        .output()
        .unwrap();
    let request = String::from_utf8(weak.stdout).unwrap();
    let refused = port.post(PATH, &json!({"common_name": "a", "signing_request": request})).await;
    assert_eq!(refused.problem(), "invalid-value");
    assert!(refused.detail().contains("2,048 bits"), "{}", refused.detail());
}
