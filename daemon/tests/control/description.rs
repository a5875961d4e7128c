//! What the port says of itself: the OpenAPI document, and the table of routes behind it.

use claviger_control::limits::{
    CERTIFICATE_DAYS, CERTIFICATE_DAYS_MAX, CERTIFICATE_DAYS_MIN, DELETION_WAIT_HOURS_MAX, DELETION_WAIT_HOURS_MIN,
    ROTATION_DAYS_MAX, ROTATION_DAYS_MIN,
};
use claviger_daemon::control::openapi;
use claviger_daemon::control::route::routes;
use claviger_daemon::limits::{COMMON_NAME_SIZE_MAX, SLOW_KEYS_MAX};
use claviger_engine::limits::{CREATE_KEYS_MAX, NAME_SIZE_MAX, SECRET_SIZE_MAX};
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::Port;

// R-O1
#[tokio::test]
async fn the_description_names_every_route_with_its_form() {
    let port = Port::new();
    let reply = port.get("/v1/openapi.json").await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.body, serde_json::to_value(openapi::document()).unwrap());
    assert_eq!(reply.body["openapi"], "3.1.0");
    for route in routes() {
        let operation = &reply.body["paths"][route.path][route.method.as_str().to_lowercase()];
        assert_eq!(operation["operationId"], route.operation);
        assert!(operation["responses"][route.success.as_str()].is_object(), "{}", route.operation);
        assert!(operation["responses"]["default"].is_object(), "{}", route.operation);
        assert_eq!(operation["requestBody"].is_object(), route.takes_body(), "{}", route.operation);
        for part in route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
            let mut parameters = operation["parameters"].as_array().unwrap().iter();
            assert!(parameters.any(|parameter| parameter["name"] == part), "{} {part}", route.operation);
        }
    }
    let mut references = Vec::new();
    collect_references(&reply.body, &mut references);
    assert!(references.len() > routes().count());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(reply.body.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

// R-O1
#[test]
fn the_description_names_the_bounds_that_are_in_force() {
    let document = serde_json::to_value(openapi::document()).unwrap();
    let field = |message: &str, field: &str| &document["components"]["schemas"][message]["properties"][field];
    for message in ["CreateStore", "NewKey"] {
        assert_eq!(field(message, "name")["maxLength"], NAME_SIZE_MAX);
        assert!(text(field(message, "name")).contains(&format!("1 to {NAME_SIZE_MAX} characters")));
    }
    assert_eq!(field("CreateKeys", "keys")["maxItems"], CREATE_KEYS_MAX);
    let counts = format!("1 to {} keys, of which at most {SLOW_KEYS_MAX} for RSA", thousands(CREATE_KEYS_MAX));
    assert!(text(field("CreateKeys", "keys")).contains(&counts));
    assert!(text(field("NewKey", "value")).contains(&format!("0 to {} bytes", thousands(SECRET_SIZE_MAX))));
    assert_eq!(field("IssueCertificate", "common_name")["maxLength"], COMMON_NAME_SIZE_MAX);
    assert!(text(field("IssueCertificate", "common_name")).contains(&format!("1 to {COMMON_NAME_SIZE_MAX} bytes")));
    let days = field("IssueCertificate", "lifetime_days");
    assert_eq!((&days["minimum"], &days["maximum"]), (&json!(CERTIFICATE_DAYS_MIN), &json!(CERTIFICATE_DAYS_MAX)));
    let days_text = format!("{CERTIFICATE_DAYS_MIN} to {CERTIFICATE_DAYS_MAX}; {CERTIFICATE_DAYS} unless given");
    assert!(text(days).contains(&days_text));
    let wait = field("RequestDeletion", "wait_hours");
    let bounds = (&json!(DELETION_WAIT_HOURS_MIN), &json!(DELETION_WAIT_HOURS_MAX));
    assert_eq!((&wait["minimum"], &wait["maximum"]), bounds);
    let wait_text =
        format!("{DELETION_WAIT_HOURS_MIN} to {DELETION_WAIT_HOURS_MAX}; unless given, what the key store says");
    assert!(text(wait).contains(&wait_text));
    let period = field("SetRotation", "period_days");
    assert_eq!((&period["minimum"], &period["maximum"]), (&json!(ROTATION_DAYS_MIN), &json!(ROTATION_DAYS_MAX)));
    assert!(text(period).contains(&format!("{ROTATION_DAYS_MIN} to {ROTATION_DAYS_MAX}; `null` ends it")));
    assert_eq!(document["components"]["schemas"]["SetRotation"]["required"], json!(["period_days"]));
}

#[test]
fn every_route_has_limits_and_a_name_of_its_own() {
    let mut names = std::collections::BTreeSet::new();
    for route in routes() {
        assert!(names.insert(route.operation), "{}", route.operation);
        assert!(!route.time.is_zero());
        assert_eq!(route.takes_body(), route.method == http::Method::POST, "{}", route.operation);
        assert!(route.takes_body() || !route.changes(), "{}", route.operation);
    }
}

fn text(field: &Value) -> &str {
    field["description"].as_str().unwrap()
}

/// As a person writes a number of four or five digits.
fn thousands(number: usize) -> String {
    format!("{},{:03}", number / 1_000, number % 1_000)
}

fn collect_references<'a>(value: &'a Value, references: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            references.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| collect_references(value, references));
        }
        Value::Array(items) => items.iter().for_each(|value| collect_references(value, references)),
        _ => {}
    }
}
