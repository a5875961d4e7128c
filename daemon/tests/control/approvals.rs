//! Approval on the control port: no change slips by, and what is approved is what was shown.

use std::collections::BTreeMap;

use claviger_daemon::authority::Purpose;
use claviger_daemon::control::approvals::Approved;
use claviger_daemon::control::caller::Caller;
use claviger_daemon::control::route::routes;
use claviger_daemon::pem;
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Port, Reply, authority, issue, request};

/// A port, and persons who ask and decide.
pub(crate) struct Parties {
    pub(crate) port: Port,
    /// Administers everything.
    pub(crate) ada: Caller,
    /// Approves changes of the store and of the installation.
    pub(crate) bob: Caller,
    /// So does she.
    cleo: Caller,
    /// Asks for changes of the store.
    pub(crate) rita: Caller,
}

pub(crate) async fn parties() -> Parties {
    let port = Port::with_store().await;
    let keys = ["own", "other", "going", "off"].map(|name| json!({"name": name, "algorithm": "XAES-256-GCM"}));
    assert_eq!(port.create_keys(json!(keys)).await.status, StatusCode::CREATED);
    let secret = json!([{"name": "secret", "algorithm": "OPAQUE", "value": "b25l"}]);
    assert_eq!(port.create_keys(secret).await.status, StatusCode::CREATED);
    let exportable = json!([{"name": "leaving", "algorithm": "HMAC-SHA-256", "exportable": true}]);
    assert_eq!(port.create_keys(exportable).await.status, StatusCode::CREATED);
    for (path, body) in [
        ("own/rotate", json!({})),
        ("own/rotate", json!({})),
        ("own/versions/1/disable", json!({})),
        ("going/request-deletion", json!({})),
        ("off/disable", json!({})),
    ] {
        let reply = port.post(&format!("/v1/stores/store/keys/{path}"), &body).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {}", reply.body);
    }
    let alias = port.post("/v1/stores/store/aliases", &json!({"alias": "alias", "key": "own"})).await;
    assert_eq!(alias.status, StatusCode::CREATED, "{}", alias.body);
    let approver = [json!({"role": "approver", "store": "store"}), json!({"role": "approver"})];
    let ada = port.person("ada", &[json!({"role": "system-administrator"})]).await;
    let bob = port.person("bob", &approver).await;
    let cleo = port.person("cleo", &approver).await;
    let rita = port.person("rita", &[json!({"role": "requester", "store": "store"})]).await;
    Parties { port, ada, bob, cleo, rita }
}

impl Parties {
    pub(crate) async fn get(&self, caller: &Caller, path: &str) -> Reply {
        self.port.send_as(caller, request("GET", path, "")).await
    }

    pub(crate) async fn post(&self, caller: &Caller, path: &str, body: &Value) -> Reply {
        self.port.send_as(caller, request("POST", path, &body.to_string())).await
    }

    pub(crate) async fn decide(&self, caller: &Caller, id: &str, what: &str) -> Reply {
        self.post(caller, &format!("/v1/approvals/{id}/{what}"), &json!({})).await
    }

    /// Has every change need the approval of so many.
    async fn switch_on(&self, quorum: u8) {
        let classes = ["create", "modify", "delete", "access-control", "custody"];
        let of_store = json!({"classes": classes, "quorum": quorum});
        let reply = self.port.post("/v1/stores/store/approval-policy", &of_store).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
        let of_installation = json!({"classes": ["custody", "installation"], "quorum": quorum});
        let reply = self.port.post("/v1/approval-policy", &of_installation).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    }

    /// Asks for a change, and gives the id of the request.
    pub(crate) async fn ask(&self, caller: &Caller, path: &str, body: &Value) -> String {
        let reply = self.post(caller, path, body).await;
        assert_eq!(reply.status, StatusCode::ACCEPTED, "{path}: {}", reply.body);
        let id = reply.body["id"].as_str().unwrap().to_owned();
        assert_eq!(reply.headers.get("location").unwrap(), &format!("/v1/approvals/{id}"));
        id
    }

    /// Everything that can be read of the installation.
    async fn everything(&self) -> Vec<Value> {
        let mut everything = Vec::new();
        for path in [
            "/v1/stores",
            "/v1/stores/store/approval-policy",
            "/v1/approval-policy",
            "/v1/stores/store/access",
            "/v1/stores/store/keys",
            "/v1/stores/store/keys?state=deleted",
            "/v1/stores/store/aliases",
            "/v1/stores/store/imports",
            "/v1/persons",
            "/v1/backups",
            "/v1/system-keys",
            "/v1/root-key",
        ] {
            let reply = self.port.get(path).await;
            assert_eq!(reply.status, StatusCode::OK, "{path}: {}", reply.body);
            let mut body = reply.body;
            // It grows with each request that is asked for.
            body.as_object_mut().unwrap().remove("journal");
            everything.push(body);
        }
        everything
    }
}

/// A request of every route that changes something, which would change something here.
pub(crate) async fn changes(parties: &Parties) -> BTreeMap<&'static str, (String, Value)> {
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

// R-A9
#[tokio::test]
async fn what_is_approved_is_done_as_it_was_shown() {
    let parties = parties().await;
    parties.switch_on(2).await;
    let path = "/v1/stores/store/keys/own/disable";
    let id = parties.ask(&parties.rita, path, &json!({})).await;
    let shown = parties.get(&parties.bob, &format!("/v1/approvals/{id}")).await.body;
    let change = &shown["changes"][0];
    assert_eq!((&change["before"]["state"], &change["after"]["state"]), (&json!("available"), &json!("disabled")));
    assert_eq!((&shown["store"], &shown["requester"]["name"]), (&json!("store"), &json!("rita")));
    let first = parties.decide(&parties.bob, &id, "approve").await;
    assert_eq!((first.status, &first.body["state"]), (StatusCode::OK, &json!("open")), "{}", first.body);
    for (caller, status) in [
        (&parties.bob, StatusCode::CONFLICT),
        (&parties.rita, StatusCode::FORBIDDEN),
        (&parties.ada, StatusCode::FORBIDDEN),
    ] {
        assert_eq!(parties.decide(caller, &id, "approve").await.status, status);
    }
    assert_eq!(parties.port.get("/v1/stores/store/keys/own").await.body["state"], "available");
    let last = parties.decide(&parties.cleo, &id, "approve").await;
    assert_eq!((last.status, &last.body["state"]), (StatusCode::OK, &json!("applied")), "{}", last.body);
    let names: Vec<_> = last.body["approvals"].as_array().unwrap().iter().map(|given| &given["by"]["name"]).collect();
    assert_eq!(names, ["bob", "cleo"]);
    let key = parties.port.get("/v1/stores/store/keys/own").await.body;
    assert_eq!(key["state"], "disabled");
    let answers = parties.get(&parties.rita, &format!("/v1/approvals/{id}/answers")).await;
    assert_eq!(answers.body["answers"][0]["state"], "disabled");
    for other in [&parties.bob, &parties.ada] {
        let reply = parties.get(other, &format!("/v1/approvals/{id}/answers")).await;
        assert_eq!((reply.status, reply.problem()), (StatusCode::FORBIDDEN, "not-permitted"));
    }
}

// R-A9
#[tokio::test]
async fn a_private_key_that_comes_of_an_approval_is_for_who_asked() {
    let parties = parties().await;
    parties.switch_on(1).await;
    let id = parties.ask(&parties.rita, "/v1/stores/store/certificates", &json!({"common_name": "billing"})).await;
    let applied = parties.decide(&parties.bob, &id, "approve").await;
    assert_eq!(applied.body["state"], "applied", "{}", applied.body);
    assert!(!applied.body.to_string().contains("PRIVATE KEY"));
    let answers = parties.get(&parties.rita, &format!("/v1/approvals/{id}/answers")).await.body;
    assert!(answers["answers"][0]["private_key"].as_str().unwrap().contains("PRIVATE KEY"));
}

// R-A9
#[tokio::test]
async fn values_that_are_asked_for_are_shown_to_nobody() {
    let parties = parties().await;
    parties.switch_on(1).await;
    let id = parties.ask(&parties.rita, "/v1/stores/store/keys/secret/update", &json!({"value": "aHVudGVyMg=="})).await;
    let shown = parties.get(&parties.bob, &format!("/v1/approvals/{id}")).await.body.to_string();
    assert!(!shown.contains("aHVudGVyMg") && !shown.contains("hunter2"), "{shown}");
    parties.decide(&parties.bob, &id, "approve").await;
    assert_eq!(parties.port.get("/v1/stores/store/keys/secret").await.body["current_version"], 2);
}

// R-A9
#[tokio::test]
async fn what_has_moved_is_not_done_and_who_may_not_ask_any_more_does_not() {
    let parties = parties().await;
    let rotate = "/v1/stores/store/keys/own/rotate";
    let id = parties.ask(&parties.rita, rotate, &json!({})).await;
    parties.port.post("/v1/stores/store/keys/own/about", &json!({"description": "x"})).await;
    let moved = parties.decide(&parties.bob, &id, "approve").await;
    assert_eq!((moved.status, moved.problem()), (StatusCode::CONFLICT, "conflict"), "{}", moved.body);
    assert_eq!(parties.get(&parties.bob, &format!("/v1/approvals/{id}")).await.body["state"], "moved");
    let id = parties.ask(&parties.rita, rotate, &json!({})).await;
    parties.port.post("/v1/persons/rita/grants/revoke", &json!({"role": "requester", "store": "store"})).await;
    let lost = parties.decide(&parties.bob, &id, "approve").await;
    assert!(lost.status.is_client_error(), "{}", lost.body);
    parties.port.post("/v1/persons/rita/grants", &json!({"role": "requester", "store": "store"})).await;
    parties.port.post("/v1/persons/rita/disable", &json!({})).await;
    assert_eq!(parties.decide(&parties.bob, &id, "approve").await.status, StatusCode::FORBIDDEN);
    parties.port.post("/v1/persons/rita/enable", &json!({})).await;
    parties.port.post("/v1/persons/bob/grants/revoke", &json!({"role": "approver", "store": "store"})).await;
    assert_eq!(parties.decide(&parties.bob, &id, "approve").await.status, StatusCode::FORBIDDEN);
    assert_eq!(parties.port.get("/v1/stores/store/keys/own").await.body["current_version"], 3);
    assert_eq!(parties.decide(&parties.cleo, &id, "approve").await.body["state"], "applied");
    assert_eq!(parties.port.get("/v1/stores/store/keys/own").await.body["current_version"], 4);
}

// R-A9
#[tokio::test]
async fn a_name_that_stands_for_another_key_by_then_is_not_followed() {
    let parties = parties().await;
    let id = parties.ask(&parties.rita, "/v1/stores/store/keys/alias/rotate", &json!({})).await;
    let moved = parties.port.post("/v1/stores/store/aliases/alias/move", &json!({"key": "other"})).await;
    assert_eq!(moved.status, StatusCode::OK);
    let before = parties.port.get("/v1/stores/store/keys/other").await.body["current_version"].clone();
    let reply = parties.decide(&parties.bob, &id, "approve").await;
    // The alias is part of the key, which has moved by that.
    assert_eq!(reply.problem(), "conflict", "{}", reply.body);
    assert_eq!(parties.port.get("/v1/stores/store/keys/other").await.body["current_version"], before);
}

// R-A9
#[tokio::test]
async fn rejected_and_withdrawn_requests_are_over() {
    let parties = parties().await;
    let rotate = "/v1/stores/store/keys/own/rotate";
    let [rejected, withdrawn] =
        [parties.ask(&parties.rita, rotate, &json!({})).await, parties.ask(&parties.rita, rotate, &json!({})).await];
    assert_eq!(parties.decide(&parties.rita, &rejected, "reject").await.status, StatusCode::FORBIDDEN);
    let reply =
        parties.post(&parties.bob, &format!("/v1/approvals/{rejected}/reject"), &json!({"reason": "not today"})).await;
    assert_eq!((&reply.body["state"], &reply.body["rejection"]["reason"]), (&json!("rejected"), &json!("not today")));
    assert_eq!(parties.decide(&parties.bob, &withdrawn, "withdraw").await.status, StatusCode::FORBIDDEN);
    assert_eq!(parties.decide(&parties.rita, &withdrawn, "withdraw").await.body["state"], "withdrawn");
    for id in [&rejected, &withdrawn] {
        assert_eq!(parties.decide(&parties.bob, id, "approve").await.problem(), "conflict");
        assert_eq!(parties.get(&parties.rita, &format!("/v1/approvals/{id}/answers")).await.problem(), "conflict");
    }
    assert_eq!(parties.get(&parties.bob, "/v1/approvals/open").await.body["approvals"], json!([]));
    assert_eq!(parties.get(&parties.bob, "/v1/approvals").await.body["approvals"].as_array().unwrap().len(), 2);
}

// R-A9
#[tokio::test]
async fn a_bundle_is_made_as_a_whole() {
    let parties = parties().await;
    let ask = |changes: Value| json!({"reason": "spring cleaning", "hours": 2, "changes": changes});
    let of_key = |operation: &str, key: &str, body: Value| json!({"operation": operation, "parameters": {"key": key}, "body": body});
    let path = "/v1/stores/store/approvals";
    let good = ask(json!([of_key("rotate_key", "own", json!({})), of_key("enable_key", "off", json!({}))]));
    let id = parties.ask(&parties.rita, path, &good).await;
    let applied = parties.decide(&parties.bob, &id, "approve").await;
    assert_eq!(applied.body["state"], "applied", "{}", applied.body);
    assert_eq!(parties.port.get("/v1/stores/store/keys/own").await.body["current_version"], 4);
    assert_eq!(parties.port.get("/v1/stores/store/keys/off").await.body["state"], "available");
    for (bad, status) in [
        (
            ask(json!([of_key("rotate_key", "own", json!({})), of_key("rotate_key", "own", json!({}))])),
            StatusCode::CONFLICT,
        ),
        (ask(json!([of_key("rotate_key", "absent", json!({}))])), StatusCode::NOT_FOUND),
        (ask(json!([{"operation": "rotate_root_key"}])), StatusCode::UNPROCESSABLE_ENTITY),
        (ask(json!([{"operation": "approve", "parameters": {"approval": id}}])), StatusCode::UNPROCESSABLE_ENTITY),
        (ask(json!([{"operation": "list_keys"}])), StatusCode::UNPROCESSABLE_ENTITY),
        (
            ask(json!([{"operation": "rotate_key", "parameters": {"store": "store", "key": "own"}}])),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (ask(json!([of_key("set_rotation", "own", json!({"period_days": "x"}))])), StatusCode::BAD_REQUEST),
        (ask(json!([])), StatusCode::UNPROCESSABLE_ENTITY),
        (
            ask(
                json!([of_key("rotate_key", "own", json!({})), {"operation": "issue_certificate", "body": {"common_name": "x"}}]),
            ),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
    ] {
        let reply = parties.post(&parties.rita, path, &bad).await;
        assert_eq!(reply.status, status, "{bad}: {}", reply.body);
    }
}

// R-A9
#[tokio::test]
async fn an_approval_that_nobody_could_give_is_not_switched_on() {
    let parties = parties().await;
    let path = "/v1/stores/store/approval-policy";
    for (policy, part) in [
        (json!({"classes": ["delete"], "quorum": 3}), "approval of 3 others"),
        (json!({"classes": ["delete"], "quorum": 0}), "quorum is 0"),
        (json!({"classes": ["installation"]}), "no class"),
        (json!({"classes": ["everything"]}), "no class"),
    ] {
        let reply = parties.port.post(path, &policy).await;
        assert_eq!(reply.problem(), "invalid-value", "{policy}");
        assert!(reply.detail().contains(part), "{}", reply.detail());
    }
    parties.port.post("/v1/persons/cleo/disable", &json!({})).await;
    let reply = parties.port.post(path, &json!({"classes": ["delete"], "quorum": 2})).await;
    assert_eq!(reply.problem(), "invalid-value", "who is disabled approves nothing");
    let policy = parties.port.get(path).await.body;
    assert_eq!((&policy["classes"], &policy["quorum"]), (&json!([]), &json!(1)));
}

// R-A9
#[tokio::test]
async fn switching_it_off_needs_an_approval_itself() {
    let parties = parties().await;
    let path = "/v1/stores/store/approval-policy";
    let on = parties.post(&parties.ada, path, &json!({"classes": ["delete"]})).await;
    assert_eq!(on.status, StatusCode::OK, "{}", on.body);
    // Nothing but deletions need one, and this.
    assert_eq!(parties.post(&parties.ada, "/v1/stores/store/keys/own/rotate", &json!({})).await.status, StatusCode::OK);
    let off = parties.ask(&parties.ada, path, &json!({"classes": []})).await;
    assert_eq!(parties.port.get(path).await.body["classes"], json!(["delete"]));
    assert_eq!(parties.decide(&parties.bob, &off, "approve").await.body["state"], "applied");
    assert_eq!(parties.port.get(path).await.body["classes"], json!([]));
}

// R-A9, R-K18
#[tokio::test]
async fn the_import_of_a_version_is_a_change_of_its_key() {
    let parties = parties().await;
    let only = json!({"classes": ["modify"]});
    assert_eq!(parties.port.post("/v1/stores/store/approval-policy", &only).await.status, StatusCode::OK);
    let path = "/v1/stores/store/imports";
    let new = json!({"name": "imported", "algorithm": "XAES-256-GCM"});
    assert_eq!(parties.post(&parties.ada, path, &new).await.status, StatusCode::CREATED, "a new key needs none");
    let begun = parties.ask(&parties.ada, path, &json!({"key": "own"})).await;
    parties.decide(&parties.bob, &begun, "approve").await;
    let answers = parties.get(&parties.ada, &format!("/v1/approvals/{begun}/answers")).await.body;
    let complete = format!("{path}/{}/complete", answers["answers"][0]["id"].as_str().unwrap());
    parties.ask(&parties.ada, &complete, &json!({"wrapped": "AAAA"})).await;
}

// R-A9
#[tokio::test]
async fn somebody_else_with_the_same_certificate_did_not_ask() {
    let parties = parties().await;
    let id = parties.ask(&parties.rita, "/v1/stores/store/keys/own/rotate", &json!({})).await;
    parties.port.post("/v1/persons/rita/remove", &json!({})).await;
    let gone = parties.decide(&parties.bob, &id, "approve").await;
    assert_eq!((gone.status, gone.problem()), (StatusCode::CONFLICT, "conflict"), "{}", gone.body);
    assert_eq!(parties.port.get("/v1/stores/store/keys/own").await.body["current_version"], 3);
}

// R-A9
#[tokio::test]
async fn what_was_begun_and_failed_says_why() {
    let parties = parties().await;
    let begun = json!({"name": "begun", "algorithm": "XAES-256-GCM"});
    let id = parties.ask(&parties.rita, "/v1/stores/store/imports", &begun).await;
    parties.decide(&parties.bob, &id, "approve").await;
    let answers = parties.get(&parties.rita, &format!("/v1/approvals/{id}/answers")).await.body;
    let complete = format!("/v1/stores/store/imports/{}/complete", answers["answers"][0]["id"].as_str().unwrap());
    let wrapped = "A".repeat(4 * 184);
    let id = parties.ask(&parties.rita, &complete, &json!({ "wrapped": wrapped })).await;
    let failed = parties.decide(&parties.bob, &id, "approve").await;
    assert_eq!(failed.problem(), "import-failed", "{}", failed.body);
    let shown = parties.get(&parties.rita, &format!("/v1/approvals/{id}")).await.body;
    assert_eq!(shown["state"], "failed");
    assert!(!shown["failure"].as_str().unwrap().is_empty() && !shown.to_string().contains(&wrapped));
}

// R-A9
#[tokio::test]
async fn what_is_asked_for_is_shown_in_full_but_for_secrets() {
    let parties = parties().await;
    let keys = json!({"keys": [
        {"name": "a", "algorithm": "OPAQUE", "value": "aHVudGVyMg==", "exportable": true, "description": "for the vault"},
    ]});
    let id = parties.ask(&parties.rita, "/v1/stores/store/keys", &keys).await;
    let request = &parties.get(&parties.bob, &format!("/v1/approvals/{id}")).await.body["changes"][0]["request"];
    let mut expected = keys;
    expected["keys"][0]["value"] = Value::Null;
    assert_eq!(request, &expected);
}

// R-A9
#[tokio::test]
async fn nobody_locks_out_himself() {
    let port = Port::with_store().await;
    let roles = [json!({"role": "system-administrator"}), json!({"role": "approver"})];
    let paul = port.person("paul", &roles).await;
    let on = request("POST", "/v1/approval-policy", &json!({"classes": ["installation"]}).to_string());
    let reply = port.send_as(&paul, on).await;
    assert_eq!(reply.problem(), "invalid-value", "{}", reply.body);
    assert!(reply.detail().contains("approval of 1 others"), "{}", reply.detail());
}

// R-A9
#[tokio::test]
async fn requests_of_other_places_are_not_seen() {
    let parties = parties().await;
    parties.port.post("/v1/stores", &json!({"name": "elsewhere", "access": {"client_certificate": true}})).await;
    let eve = parties.port.person("eve", &[json!({"role": "approver", "store": "elsewhere"})]).await;
    let id = parties.ask(&parties.rita, "/v1/stores/store/keys/own/rotate", &json!({})).await;
    for (path, method) in
        [("", "GET"), ("/answers", "GET"), ("/approve", "POST"), ("/reject", "POST"), ("/withdraw", "POST")]
    {
        let path = format!("/v1/approvals/{id}{path}");
        let reply = parties.port.send_as(&eve, request(method, &path, if method == "POST" { "{}" } else { "" })).await;
        assert_eq!((reply.status, reply.problem()), (StatusCode::NOT_FOUND, "approval-not-found"), "{path}");
    }
    assert_eq!(parties.get(&eve, "/v1/approvals").await.body["approvals"], json!([]));
}

/// Those that take away what lets somebody in: nobody is waited for.
const STOPS: [&str; 3] = ["disable_access", "disable_store", "lock"];

/// Routes that ask for changes and decide them.
const DECISIONS: [&str; 4] = ["ask_for_approval", "approve", "reject_approval", "withdraw_approval"];
