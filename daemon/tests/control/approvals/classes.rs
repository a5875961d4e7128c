//! Approval class by class: what is of a class that needs one is held, what is of another is not; and a policy that nobody could meet does not come about.

use claviger_daemon::control::approvals::Approved;
use claviger_daemon::control::route::routes;
use claviger_engine::approval::ChangeClass;
use claviger_engine::key::id::StoreId;
use http::StatusCode;
use serde_json::{Value, json};

use super::every_change::changes;
use super::parties::{Parties, parties};
use crate::support::Reply;

/// Whether such a change is held at its place, when this class alone needs an approval.
fn is_held(approved: Approved, of_store: bool, class: ChangeClass) -> bool {
    let is_on = class.is_of(of_store.then_some(StoreId([0; 16])));
    match approved {
        Approved::As(own) => own == class,
        Approved::AsPolicy => is_on,
        Approved::Emergency => false,
    }
}

// R-A9
#[tokio::test]
async fn where_one_class_needs_an_approval_its_changes_are_held_and_no_others() {
    for class in ChangeClass::ALL {
        let parties = parties().await;
        let changes = changes(&parties).await;
        let policy = json!({"classes": [class.name()]});
        for (path, place) in
            [("/v1/stores/store/approval-policy", Some(StoreId([0; 16]))), ("/v1/approval-policy", None)]
        {
            if class.is_of(place) {
                let set = parties.port.post(path, &policy).await;
                assert_eq!(set.status, StatusCode::OK, "{}", set.body);
            }
        }
        let (mut held, mut others) = (Vec::new(), Vec::new());
        for route in routes() {
            let Some(approved) = route.approved else { continue };
            let (path, body) = &changes[route.operation];
            let is_held = is_held(approved, path.starts_with("/v1/stores/"), class);
            if is_held { &mut held } else { &mut others }.push((route.operation, approved, path, body));
        }
        assert!(!held.is_empty(), "{class}");
        // First, while everything is as it was.
        for (operation, _, path, body) in &held {
            let reply = parties.post(&parties.ada, path, body).await;
            assert_eq!(reply.status, StatusCode::ACCEPTED, "{class}: {operation}: {}", reply.body);
        }
        // What keeps everybody out comes last.
        others.sort_by_key(|(_, approved, ..)| *approved == Approved::Emergency);
        let mut made = 0;
        for (operation, _, path, body) in &others {
            let reply = parties.post(&parties.ada, path, body).await;
            assert_ne!(reply.status, StatusCode::ACCEPTED, "{class}: {operation} is held");
            made += usize::from(reply.status.is_success());
        }
        // Some have nothing to change any more, or never had: a backup that is not there.
        assert!(made * 2 > others.len(), "{class}: {made} of {} others were made", others.len());
    }
}

/// The store alone needs approvals, by so many.
async fn with_policy(quorum: u8) -> Parties {
    let parties = parties().await;
    let policy = json!({"classes": ["modify"], "quorum": quorum});
    let set = parties.port.post("/v1/stores/store/approval-policy", &policy).await;
    assert_eq!(set.status, StatusCode::OK, "{}", set.body);
    parties
}

fn is_kept(reply: &Reply) {
    assert_eq!((reply.status, reply.problem()), (StatusCode::CONFLICT, "conflict"), "{}", reply.body);
    let detail = reply.detail();
    assert!(detail.contains("key store store") && detail.contains("claviger person grant"), "{detail}");
}

// R-A9
#[tokio::test]
async fn no_approver_is_lost_without_whom_nobody_could_approve() {
    let parties = with_policy(2).await;
    let port = &parties.port;
    let bobs = parties.certificate_of("bob").await;
    let losses: [(&str, Value); 4] = [
        ("/v1/persons/bob/disable", json!({})),
        ("/v1/persons/bob/remove", json!({})),
        ("/v1/persons/bob/grants/revoke", json!({"role": "approver", "store": "store"})),
        ("/v1/persons/bob/certificates/remove", json!({ "public_key_sha256": bobs })),
    ];
    for (path, body) in &losses {
        is_kept(&port.post(path, body).await);
    }
    // Of what needs no approval they are not needed.
    let elsewhere = port.post("/v1/persons/bob/grants/revoke", &json!({"role": "approver"})).await;
    assert_eq!(elsewhere.status, StatusCode::OK, "{}", elsewhere.body);
    // With another approver each of them can go.
    port.person("dora", &[json!({"role": "approver", "store": "store"})]).await;
    let disabled = port.post("/v1/persons/bob/disable", &json!({})).await;
    assert_eq!(disabled.status, StatusCode::OK, "{}", disabled.body);
    // And the next one cannot.
    is_kept(&port.post("/v1/persons/cleo/remove", &json!({})).await);
    let removed = port.post("/v1/persons/bob/remove", &json!({})).await;
    assert_eq!(removed.status, StatusCode::OK, "who is disabled is not needed: {}", removed.body);
}

// R-A9
#[tokio::test]
async fn nobody_is_lost_without_whom_nobody_could_ask() {
    let parties = with_policy(2).await;
    let disabled = parties.port.post("/v1/persons/rita/disable", &json!({})).await;
    assert_eq!(disabled.status, StatusCode::OK, "{}", disabled.body);
    is_kept(&parties.port.post("/v1/persons/ada/disable", &json!({})).await);
    is_kept(&parties.port.post("/v1/persons/ada/grants/revoke", &json!({"role": "system-administrator"})).await);
    // Who asks does not count among those who approve.
    let granted = parties.port.post("/v1/persons/bob/grants", &json!({"role": "requester", "store": "store"})).await;
    assert_eq!(granted.status, StatusCode::OK, "{}", granted.body);
    is_kept(&parties.port.post("/v1/persons/ada/remove", &json!({})).await);
}

// R-A9
#[tokio::test]
async fn where_nothing_needs_an_approval_anybody_can_go() {
    let parties = parties().await;
    for person in ["bob", "cleo", "rita", "ada"] {
        let removed = parties.port.post(&format!("/v1/persons/{person}/remove"), &json!({})).await;
        assert_eq!(removed.status, StatusCode::OK, "{}", removed.body);
    }
}

impl Parties {
    /// The hash of the public key by which somebody is known.
    async fn certificate_of(&self, name: &str) -> Value {
        self.port.get(&format!("/v1/persons/{name}")).await.body["certificates"][0]["public_key_sha256"].clone()
    }
}
