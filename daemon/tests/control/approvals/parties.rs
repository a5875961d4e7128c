//! Who asks for changes and who decides, on a port with something to change.

use claviger_daemon::control::caller::Caller;
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Port, Reply, request};

/// A port, and persons who ask and decide.
pub(super) struct Parties {
    pub(super) port: Port,
    /// Administers everything.
    pub(super) ada: Caller,
    /// Approves changes of the store and of the installation.
    pub(super) bob: Caller,
    /// So does she.
    pub(super) cleo: Caller,
    /// Asks for changes of the store.
    pub(super) rita: Caller,
}

pub(super) async fn parties() -> Parties {
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
    pub(super) async fn get(&self, caller: &Caller, path: &str) -> Reply {
        self.port.send_as(caller, request("GET", path, "")).await
    }

    pub(super) async fn post(&self, caller: &Caller, path: &str, body: &Value) -> Reply {
        self.port.send_as(caller, request("POST", path, &body.to_string())).await
    }

    pub(super) async fn decide(&self, caller: &Caller, id: &str, what: &str) -> Reply {
        self.post(caller, &format!("/v1/approvals/{id}/{what}"), &json!({})).await
    }

    /// Has every change need the approval of so many.
    pub(super) async fn switch_on(&self, quorum: u8) {
        let classes = ["create", "modify", "delete", "access-control", "custody"];
        let of_store = json!({"classes": classes, "quorum": quorum});
        let reply = self.port.post("/v1/stores/store/approval-policy", &of_store).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
        let of_installation = json!({"classes": ["custody", "installation"], "quorum": quorum});
        let reply = self.port.post("/v1/approval-policy", &of_installation).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    }

    /// Asks for a change, and gives the id of the request.
    pub(super) async fn ask(&self, caller: &Caller, path: &str, body: &Value) -> String {
        let reply = self.post(caller, path, body).await;
        assert_eq!(reply.status, StatusCode::ACCEPTED, "{path}: {}", reply.body);
        let id = reply.body["id"].as_str().unwrap().to_owned();
        assert_eq!(reply.headers.get("location").unwrap(), &format!("/v1/approvals/{id}"));
        id
    }

    /// Everything that can be read of the installation.
    pub(super) async fn everything(&self) -> Vec<Value> {
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
