//! Every route that changes something: none slips by.

use std::collections::BTreeMap;

use claviger_daemon::authority::Purpose;
use claviger_daemon::control::approvals::Approved;
use claviger_daemon::control::route::routes;
use claviger_daemon::pem;
use http::StatusCode;
use serde_json::{Value, json};

use super::parties::{Parties, parties};
use crate::support::{authority, issue};

/// A request of every route that changes something, which would change something here.
pub(super) async fn changes(parties: &Parties) -> BTreeMap<&'static str, (String, Value)> {
    let begun = json!({"name": "begun", "algorithm": "HMAC-SHA-256"});
    let begun = parties.post(&parties.ada, "/v1/stores/store/imports", &begun).await;
    assert_eq!(begun.status, StatusCode::CREATED, "{}", begun.body);
    let import = format!("/v1/stores/store/imports/{}", begun.body["id"].as_str().unwrap());
    let certificate = issue(&authority("Persons"), "Bob's other", &Purpose::Client).certificate;
    let certificate = pem::encode("CERTIFICATE", &certificate).to_string();
    let row = parties.post(&parties.ada, "/v1/stores/store/access", &json!({"address": "192.0.2.1"})).await.body;
    let issued = parties.post(&parties.ada, "/v1/stores/store/certificates", &json!({"common_name": "a"})).await.body;
    let access = |row: &Value, change: &str| format!("/v1/stores/store/access/{}/{change}", row.as_str().unwrap());
    let going = parties.post(&parties.ada, "/v1/stores/store/access", &json!({"address": "192.0.2.2"})).await.body;
    parties.post(&parties.ada, &access(&going["id"], "request-deletion"), &json!({})).await;
    let mut changes: BTreeMap<_, (String, Value)> = BTreeMap::from([
        ("narrow_access", (access(&row["id"], "narrow"), json!({"operations": ["encrypt"]}))),
        ("describe_access", (access(&row["id"], "describe"), json!({"description": "new"}))),
        ("end_access", (access(&row["id"], "end"), json!({"ends": "2040-01-01T00:00:00Z"}))),
        ("enable_access", (access(&row["id"], "enable"), json!({}))),
        ("request_access_deletion", (access(&row["id"], "request-deletion"), json!({}))),
        ("cancel_access_deletion", (access(&going["id"], "cancel-deletion"), json!({}))),
        ("disable_access", (access(&row["id"], "disable"), json!({}))),
        ("disable_store", ("/v1/stores/store/disable".to_owned(), json!({}))),
        ("renew_certificate", (access(&issued["access_id"], "renew"), json!({}))),
        ("add_access", ("/v1/stores/store/access".to_owned(), json!({"address": "192.0.2.3"}))),
        ("set_access_methods", ("/v1/stores/store/access-methods".to_owned(), json!({"address": true}))),
        ("enable_store", ("/v1/stores/store/enable".to_owned(), json!({}))),
        (
            "export_key",
            ("/v1/stores/store/keys/leaving/export".to_owned(), json!({"public_key": begun.body["public_key"]})),
        ),
        ("complete_import", (format!("{import}/complete"), json!({"wrapped": "AAAA"}))),
        ("cancel_import", (format!("{import}/cancel"), json!({}))),
        ("add_person_certificate", ("/v1/persons/bob/certificates".to_owned(), json!({ "certificate": certificate }))),
        (
            "remove_person_certificate",
            (
                "/v1/persons/bob/certificates/remove".to_owned(),
                json!({"public_key_sha256": parties.bob.key().to_string()}),
            ),
        ),
    ]);
    let others = [
        ("create_store", ("/v1/stores", json!({"name": "new", "access": {"client_certificate": true}}))),
        ("set_store_settings", ("/v1/stores/store/settings", json!({"deletion_wait_hours": 48}))),
        ("issue_certificate", ("/v1/stores/store/certificates", json!({"common_name": "new"}))),
        ("create_keys", ("/v1/stores/store/keys", json!({"keys": [{"name": "new", "algorithm": "Ed25519"}]}))),
        ("rotate_key", ("/v1/stores/store/keys/own/rotate", json!({}))),
        ("disable_key", ("/v1/stores/store/keys/own/disable", json!({}))),
        ("enable_key", ("/v1/stores/store/keys/off/enable", json!({}))),
        ("request_deletion", ("/v1/stores/store/keys/own/request-deletion", json!({}))),
        ("cancel_deletion", ("/v1/stores/store/keys/going/cancel-deletion", json!({}))),
        ("delete_now", ("/v1/stores/store/keys/going/delete-now", json!({}))),
        ("set_rotation", ("/v1/stores/store/keys/own/set-rotation", json!({"period_days": 1}))),
        ("set_rotation_by_use", ("/v1/stores/store/keys/own/set-rotation-by-use", json!({"items": 1, "bytes": null}))),
        ("set_lowest_version", ("/v1/stores/store/keys/own/set-lowest-version", json!({"version": 2}))),
        ("disable_key_version", ("/v1/stores/store/keys/own/versions/2/disable", json!({}))),
        ("enable_key_version", ("/v1/stores/store/keys/own/versions/1/enable", json!({}))),
        ("destroy_key_version", ("/v1/stores/store/keys/own/versions/1/destroy", json!({}))),
        ("update_secret", ("/v1/stores/store/keys/secret/update", json!({"value": "dHdv"}))),
        ("set_about", ("/v1/stores/store/keys/own/about", json!({"description": "new"}))),
        ("create_alias", ("/v1/stores/store/aliases", json!({"alias": "new", "key": "own"}))),
        ("move_alias", ("/v1/stores/store/aliases/alias/move", json!({"key": "other"}))),
        ("delete_alias", ("/v1/stores/store/aliases/alias/delete", json!({}))),
        ("create_backup", ("/v1/backups", json!({}))),
        ("verify_backup", ("/v1/backups/absent/verify", json!({}))),
        ("prune_journal", ("/v1/journal/prune", json!({"backup": "absent"}))),
        ("begin_import", ("/v1/stores/store/imports", json!({"name": "imported", "algorithm": "HMAC-SHA-256"}))),
        ("rotate_system_key", ("/v1/system-keys/rotate", json!({}))),
        ("destroy_system_key", ("/v1/system-keys/1/destroy", json!({}))),
        ("rotate_root_key", ("/v1/root-key/rotate", json!({}))),
        ("lock", ("/v1/emergency/lock", json!({}))),
        ("unlock", ("/v1/emergency/unlock", json!({}))),
        ("add_person", ("/v1/persons", json!({"name": "new"}))),
        ("disable_person", ("/v1/persons/bob/disable", json!({}))),
        ("enable_person", ("/v1/persons/bob/enable", json!({}))),
        ("remove_person", ("/v1/persons/bob/remove", json!({}))),
        ("grant_role", ("/v1/persons/rita/grants", json!({"role": "approver", "store": "store"}))),
        ("revoke_role", ("/v1/persons/rita/grants/revoke", json!({"role": "requester", "store": "store"}))),
        ("set_approval_policy", ("/v1/stores/store/approval-policy", json!({"classes": []}))),
        ("set_installation_approval_policy", ("/v1/approval-policy", json!({"classes": []}))),
    ];
    changes.extend(others.map(|(operation, (path, body))| (operation, (path.to_owned(), body))));
    changes
}

// R-A9, R-K6
#[tokio::test]
async fn with_approval_on_no_change_slips_by() {
    let parties = parties().await;
    let changes = changes(&parties).await;
    parties.switch_on(1).await;
    let before = parties.everything().await;
    let mut asked = 0;
    for route in routes().filter(|route| route.changes()) {
        let Some(approved) = route.approved else {
            // Asking and deciding need none; whatever else changes something must say what it is.
            assert!(DECISIONS.contains(&route.operation), "{} needs no approval", route.operation);
            continue;
        };
        let (path, body) =
            changes.get(route.operation).unwrap_or_else(|| panic!("{} is not tried here", route.operation));
        let of_store = path.starts_with("/v1/stores/");
        if approved == Approved::Emergency {
            assert!(STOPS.contains(&route.operation), "{} needs no approval", route.operation);
            continue;
        }
        if let Approved::As(class) = approved {
            assert_eq!(class.name() == "installation", !of_store && class.name() != "custody", "{}", route.operation);
        }
        let what = format!("{} {path}", route.operation);
        let reply = parties.post(&parties.ada, path, body).await;
        assert_eq!(reply.status, StatusCode::ACCEPTED, "{what}: {}", reply.body);
        assert_eq!(reply.body["state"], "open", "{what}");
        assert_eq!(reply.body["changes"][0]["operation"], route.operation, "{what}");
        asked += 1;
        // An administrator by configuration is nobody who could be told from who approves.
        let configured = parties.port.post(path, body).await;
        assert_eq!((configured.status, configured.problem()), (StatusCode::FORBIDDEN, "not-permitted"), "{what}");
        assert!(configured.detail().contains("only a person"), "{what}: {}", configured.detail());
        if of_store {
            let reply = parties.post(&parties.rita, path, body).await;
            // An import is completed and cancelled by who began it, whoever approves.
            assert_eq!(reply.status, StatusCode::ACCEPTED, "{what}: {}", reply.body);
            asked += 1;
        }
        for caller in [&parties.bob, &parties.cleo] {
            let reply = parties.post(caller, path, body).await;
            assert_eq!((reply.status, reply.problem()), (StatusCode::FORBIDDEN, "not-permitted"), "{what}");
        }
    }
    assert_eq!(parties.everything().await, before, "something was changed");
    let open = parties.get(&parties.bob, "/v1/approvals/open?limit=1000").await;
    assert_eq!(open.body["approvals"].as_array().unwrap().len(), asked);
}

// R-A9
#[tokio::test]
async fn what_a_requester_orders_is_asked_for_though_nothing_needs_an_approval() {
    let parties = parties().await;
    let changes = changes(&parties).await;
    let before = parties.everything().await;
    for route in routes().filter(|route| route.approved.is_some() && route.path.starts_with("/v1/stores/")) {
        let (path, body) = &changes[route.operation];
        let reply = parties.post(&parties.rita, path, body).await;
        assert_eq!(reply.status, StatusCode::ACCEPTED, "{}: {}", route.operation, reply.body);
    }
    assert_eq!(parties.everything().await, before, "something was changed");
}

/// Those that take away what lets somebody in: nobody is waited for.
const STOPS: [&str; 3] = ["disable_access", "disable_store", "lock"];

/// Routes that ask for changes and decide them.
const DECISIONS: [&str; 4] = ["ask_for_approval", "approve", "reject_approval", "withdraw_approval"];
