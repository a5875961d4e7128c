//! Every route, asked for by every role: what comes back is what docs/ROLES.md says.

use std::collections::BTreeMap;

use claviger_daemon::control::caller::Caller;
use claviger_daemon::control::route::{Route, routes};
use http::StatusCode;
use serde_json::{Value, json};

use crate::routes::{body_of, path_of};
use crate::support::{Port, Reply, authority, issue, issue_ended, request};

/// A row of the table: request, and a cell for each role.
struct Row {
    request: String,
    cells: Vec<Cell>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Yes,
    Own,
    /// May ask for it: somebody has to approve.
    Ask,
    No,
}

/// The table, by operation. Written by hand; a route is not let in by what it says of itself alone.
fn table() -> BTreeMap<String, Row> {
    let text = include_str!("../../../docs/ROLES.md");
    let rows = text.lines().skip_while(|line| !line.starts_with("| operation")).skip(2);
    let mut table = BTreeMap::new();
    for line in rows.take_while(|line| line.starts_with('|')) {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let (operation, request) = (cells.next().unwrap().to_owned(), cells.next().unwrap().to_owned());
        let cells = cells.map(|cell| match cell {
            "yes" => Cell::Yes,
            "own" => Cell::Own,
            "ask" => Cell::Ask,
            "no" => Cell::No,
            other => panic!("{operation}: {other} is no cell"),
        });
        let row = Row { request, cells: cells.collect() };
        assert_eq!(row.cells.len(), COLUMNS, "{operation}");
        assert!(table.insert(operation, row).is_none(), "twice in the table");
    }
    table
}

/// A port with a store, a key that key managers manage, one that they do not, and somebody of each role, in the order of the columns.
async fn port_with_roles() -> (Port, Vec<Caller>) {
    let port = Port::with_store().await;
    for store in ["elsewhere", "nowhere"] {
        port.post("/v1/stores", &json!({"name": store, "access": {"client_certificate": true}})).await;
    }
    let key = |name| json!({"name": name, "algorithm": "HMAC-SHA-256"});
    let created = port.create_keys(json!([key("own"), key("other")])).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.body);
    for alias in ["own", "other"] {
        let alias = json!({"alias": format!("alias-{alias}"), "key": alias});
        assert_eq!(port.post("/v1/stores/store/aliases", &alias).await.status, StatusCode::CREATED);
    }
    let in_store = |role: &str| json!({"role": role, "store": "store"});
    let exporting = |role: &str| json!({"role": role, "store": "store", "may_export": true});
    let manager = || json!({"role": "key-manager", "store": "store", "keys": ["own"]});
    let mut callers = Vec::new();
    for (name, grants) in [
        ("system-administrator", vec![json!({"role": "system-administrator"})]),
        ("auditor", vec![json!({"role": "auditor"})]),
        ("store-administrator", vec![in_store("store-administrator")]),
        ("exporting-store-administrator", vec![exporting("store-administrator")]),
        ("key-manager", vec![manager()]),
        ("creating-key-manager", vec![manager(), json!({"role": "key-manager", "store": "store", "may_create": true})]),
        ("exporting-key-manager", vec![manager(), exporting("key-manager")]),
        ("requester", vec![in_store("requester")]),
        ("approver", vec![in_store("approver")]),
        ("auditor-of-store", vec![in_store("auditor")]),
    ] {
        callers.push(port.person(name, &grants).await);
    }
    assert_eq!(callers.len(), COLUMNS);
    (port, callers)
}

/// Asks for a route with what it cannot read, so that whoever may use it changes nothing, and is told so.
async fn ask(port: &Port, caller: &Caller, route: &Route, store: &str, key: &str) -> Reply {
    let body = if route.takes_body() { "[" } else { "" };
    port.send_as(caller, request(route.method.as_str(), &path_of(route.path, store, key), body)).await
}

/// Whether a request has come past the decision on who may.
fn passed(route: &Route, reply: &Reply) -> bool {
    let is_absent = reply.status == StatusCode::NOT_FOUND
        && ["import-not-found", "backup-not-found", "person-not-found", "approval-not-found", "access-not-found"]
            .contains(&reply.problem());
    // Of readiness: there is no data port here.
    let is_unavailable = reply.status == StatusCode::SERVICE_UNAVAILABLE && route.may_be_unavailable;
    if route.takes_body() {
        return reply.status == StatusCode::BAD_REQUEST && reply.problem() == "malformed" || is_absent;
    }
    reply.status == StatusCode::OK || is_absent || is_unavailable
}

fn is_refused(reply: &Reply, status: StatusCode, problem: &str) -> bool {
    reply.status == status && reply.problem() == problem
}

// R-A8
#[test]
fn every_route_has_a_row_in_the_table_of_roles_and_every_row_a_route() {
    let table = table();
    for route in routes() {
        let row = table.get(route.operation);
        let row = row.unwrap_or_else(|| panic!("{} has no row in docs/ROLES.md: who may use it?", route.operation));
        assert_eq!(row.request, format!("{} {}", route.method, route.path));
        // Nobody is let in whom the route does not name, and the administrator always is.
        assert_eq!(row.cells.first(), Some(&Cell::Yes), "{}", route.operation);
    }
    assert_eq!(table.len(), routes().count(), "rows without a route");
}

// R-A8
#[tokio::test]
async fn every_role_uses_the_routes_of_its_column_and_no_others() {
    let (port, callers) = port_with_roles().await;
    let table = table();
    for route in routes() {
        let row = table.get(route.operation).unwrap();
        for (column, (caller, cell)) in callers.iter().zip(&row.cells).enumerate() {
            let reply = ask(&port, caller, route, "store", "own").await;
            let what = format!("{} by column {column}: {} {}", route.operation, reply.status, reply.body);
            match cell {
                Cell::Yes | Cell::Own | Cell::Ask => assert!(passed(route, &reply), "{what}"),
                Cell::No => {
                    assert!(is_refused(&reply, StatusCode::FORBIDDEN, "not-permitted"), "{what}");
                    assert!(reply.detail().contains("system administrator"), "{what}");
                }
            }
        }
    }
}

// R-A8
#[tokio::test]
async fn a_key_that_is_not_assigned_is_not_there_for_a_key_manager() {
    let (port, callers) = port_with_roles().await;
    let table = table();
    for route in routes() {
        let row = table.get(route.operation).unwrap();
        for (caller, cell) in callers.iter().zip(&row.cells).filter(|(_, cell)| **cell == Cell::Own) {
            assert_eq!(*cell, Cell::Own);
            if route.path.contains("{key}") {
                let path = path_of(route.path, "store", "other");
                for path in [path.clone(), path.replace("/other", "/alias-other")] {
                    let absent = path.replace("other", "absent");
                    let body = body_of(route.operation);
                    let [reply, absent] = [
                        port.send_as(caller, request(route.method.as_str(), &path, body)).await,
                        port.send_as(caller, request(route.method.as_str(), &absent, body)).await,
                    ];
                    assert!(is_refused(&reply, StatusCode::NOT_FOUND, "key-not-found"), "{path}: {}", reply.body);
                    assert_eq!(absent.status, reply.status);
                    let same = reply.detail().replace("alias-other", "X").replace("other", "X");
                    assert_eq!(same, absent.detail().replace("alias-absent", "X").replace("absent", "X"));
                }
            }
        }
    }
    for manager in &callers[4..7] {
        for (list, items, name) in [("keys", "keys", "name"), ("aliases", "aliases", "key")] {
            let reply = port.send_as(manager, request("GET", &format!("/v1/stores/store/{list}"), "")).await;
            let names: Vec<_> =
                reply.body[items].as_array().unwrap().iter().map(|item| item[name].as_str().unwrap()).collect();
            assert_eq!(names, ["own"], "{list}");
        }
    }
    // Nothing was done to it.
    let other = port.get("/v1/stores/store/keys/other").await;
    assert_eq!((&other.body["state"], &other.body["current_version"]), (&json!("available"), &json!(1)));
}

// R-A8
#[tokio::test]
async fn key_managers_give_names_to_their_own_keys_and_touch_no_others() {
    let (port, callers) = port_with_roles().await;
    let manager = &callers[4];
    port.create_keys(json!([{"name": "second", "algorithm": "HMAC-SHA-256"}])).await;
    let keys = json!({"role": "key-manager", "store": "store", "keys": ["own", "second"]});
    assert_eq!(port.post("/v1/persons/key-manager/grants", &keys).await.status, StatusCode::OK);
    let post = async |path: &str, body: &str| {
        port.send_as(manager, request("POST", &format!("/v1/stores/store/aliases{path}"), body)).await
    };
    let created = post("", r#"{"alias": "mine", "key": "own"}"#).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.body);
    assert_eq!(post("/mine/move", r#"{"key": "second"}"#).await.body["key"], "second");
    for (path, body, problem) in [
        ("", r#"{"alias": "a", "key": "other"}"#, "key-not-found"),
        ("/mine/move", r#"{"key": "other"}"#, "key-not-found"),
        ("/alias-other/move", r#"{"key": "own"}"#, "alias-not-found"),
        ("/alias-other/delete", "{}", "alias-not-found"),
        ("/other/delete", "{}", "alias-not-found"),
        ("/absent/delete", "{}", "alias-not-found"),
        ("/no%20name/delete", "{}", "alias-not-found"),
    ] {
        let reply = post(path, body).await;
        assert!(is_refused(&reply, StatusCode::NOT_FOUND, problem), "{path}: {}", reply.body);
    }
    // Another's alias is not told from none.
    let said = async |alias: &str| {
        let reply = post(&format!("/{alias}/move"), r#"{"key": "own"}"#).await;
        reply.detail().replace(alias, "X")
    };
    assert_eq!(said("alias-other").await, said("absent").await);
    let aliases = port.get("/v1/stores/store/aliases").await.body;
    let pairs: Vec<_> = aliases["aliases"].as_array().unwrap().iter().map(|one| (&one["alias"], &one["key"])).collect();
    assert_eq!(
        pairs,
        [
            (&json!("alias-other"), &json!("other")),
            (&json!("alias-own"), &json!("own")),
            (&json!("mine"), &json!("second"))
        ]
    );
    assert_eq!(post("/mine/delete", "{}").await.status, StatusCode::OK);
}

// R-A8
#[tokio::test]
async fn roles_of_another_store_are_worth_nothing_and_do_not_show_the_store() {
    let (port, _) = port_with_roles().await;
    let roles = ["store-administrator", "key-manager", "requester", "approver", "auditor"];
    let grants: Vec<_> = roles.map(|role| json!({"role": role, "store": "elsewhere"})).to_vec();
    let elsewhere = port.person("elsewhere", &grants).await;
    let no_role = port.person("no-role", &[]).await;
    for route in routes() {
        for caller in [&elsewhere, &no_role] {
            let reply = ask(&port, caller, route, "store", "own").await;
            let what = format!("{}: {} {}", route.operation, reply.status, reply.body);
            if route.path.contains("{store}") {
                assert!(is_refused(&reply, StatusCode::NOT_FOUND, "key-store-not-found"), "{what}");
                let absent = ask(&port, caller, route, "absent", "own").await;
                assert_eq!(absent.detail().replace("absent", "store"), reply.detail(), "{what}");
            } else if FOR_EVERYBODY.contains(&route.operation) {
                assert!(passed(route, &reply), "{what}");
            } else {
                assert!(is_refused(&reply, StatusCode::FORBIDDEN, "not-permitted"), "{what}");
            }
        }
    }
    for (caller, seen) in [(&elsewhere, vec!["elsewhere"]), (&no_role, vec![])] {
        let list = port.send_as(caller, request("GET", "/v1/stores", "")).await;
        let names: Vec<_> = list.body["stores"].as_array().unwrap().iter().map(|store| &store["name"]).collect();
        assert_eq!(names, seen);
    }
}

// R-A8
#[tokio::test]
async fn who_is_disabled_unknown_ended_or_nobody_uses_no_route() {
    let (port, _) = port_with_roles().await;
    let everything = [json!({"role": "system-administrator"})];
    let disabled = port.person("disabled", &everything).await;
    let forgotten = port.person("forgotten", &everything).await;
    let removed = port.person("removed", &everything).await;
    port.post("/v1/persons/disabled/disable", &json!({})).await;
    let key = forgotten.key().to_string();
    port.post("/v1/persons/forgotten/certificates/remove", &json!({ "public_key_sha256": key })).await;
    port.post("/v1/persons/removed/remove", &json!({})).await;
    let stranger = issue(&authority("Persons"), "Stranger", &claviger_daemon::authority::Purpose::Client).certificate;
    let stranger = Caller::holder(&stranger).unwrap();
    let ended = Caller::administrator(&issue_ended(port.administrators(), "Ada").certificate).unwrap();
    for route in routes() {
        for (who, caller) in [
            ("disabled", &disabled),
            ("forgotten", &forgotten),
            ("removed", &removed),
            ("stranger", &stranger),
            ("ended", &ended),
        ] {
            let reply = ask(&port, caller, route, "store", "own").await;
            assert!(is_refused(&reply, StatusCode::FORBIDDEN, "not-permitted"), "{} {who}", route.operation);
        }
        let body = if route.takes_body() { "[" } else { "" };
        let request = request(route.method.as_str(), &path_of(route.path, "store", "own"), body);
        let nobody = port.send_as_nobody(request).await;
        assert!(is_refused(&nobody, StatusCode::UNAUTHORIZED, "not-authenticated"), "{} nobody", route.operation);
    }
    port.post("/v1/persons/disabled/enable", &json!({})).await;
    assert_eq!(port.send_as(&disabled, request("GET", "/v1/health", "")).await.status, StatusCode::OK);
}

// R-A8
#[tokio::test]
async fn routes_and_methods_that_are_not_there_are_the_same_for_everybody() {
    let (port, callers) = port_with_roles().await;
    for caller in &callers {
        for path in ["/v1/absent", "/v1/stores/store/absent", "/v1/persons/auditor/absent/x", "/"] {
            let reply = port.send_as(caller, request("GET", path, "")).await;
            assert!(is_refused(&reply, StatusCode::NOT_FOUND, "no-such-route"), "{path}");
        }
        for route in routes() {
            for method in ["PUT", "DELETE", "PATCH"] {
                let reply = port.send_as(caller, request(method, &path_of(route.path, "store", "own"), "")).await;
                assert!(is_refused(&reply, StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"), "{}", route.path);
            }
        }
    }
}

// R-A8, R-O1
#[tokio::test]
async fn the_description_names_the_roles_of_each_route() {
    let (port, callers) = port_with_roles().await;
    let document = port.send_as(&callers[7], request("GET", "/v1/openapi.json", "")).await.body;
    let table = table();
    for route in routes() {
        let operation = &document["paths"][route.path][route.method.as_str().to_lowercase()];
        let named: Vec<_> = operation["x-claviger-roles"].as_array().unwrap().iter().map(Value::to_string).collect();
        let row = table.get(route.operation).unwrap();
        let names = |role: &str| named.iter().any(|named| named.starts_with(&format!("\"{role}")));
        if FOR_EVERYBODY.contains(&route.operation) {
            assert!(names("everybody"), "{}", route.operation);
            continue;
        }
        assert!(names("system-administrator"), "{}", route.operation);
        for (role, columns) in
            [("store-administrator", 2..4), ("key-manager", 4..7), ("requester", 7..8), ("approver", 8..9)]
        {
            let may = row.cells[columns].iter().any(|cell| *cell != Cell::No);
            assert_eq!(names(role), may, "{} {role}", route.operation);
        }
        let audits = row.cells[1] != Cell::No || row.cells[9] != Cell::No;
        assert_eq!(names("auditor"), audits, "{}", route.operation);
    }
}

/// Columns of the table.
const COLUMNS: usize = 10;

/// What whoever is known may use, without any role.
const FOR_EVERYBODY: [&str; 12] = [
    "read_readiness",
    "read_api",
    "whoami",
    "list_algorithms",
    "list_stores",
    "list_approvals",
    "list_open_approvals",
    "read_approval",
    "read_approval_answers",
    "approve",
    "reject_approval",
    "withdraw_approval",
];
