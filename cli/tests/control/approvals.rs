//! `claviger approval`.

use crate::persons::own_certificate;
use crate::{Daemon, Said, run};

/// A daemon, and what these persons say there.
struct Parties(Daemon);

impl Parties {
    fn new() -> Self {
        let daemon = Daemon::start();
        for (name, role) in [("rita", "requester"), ("bob", "approver")] {
            own_certificate(&daemon, name);
            let certificate = format!("{name}.pem");
            assert_eq!(daemon.say(&["person", "add", name, "--certificate", &certificate]).code, 0);
            assert_eq!(daemon.say(&["person", "grant", name, role, "--store", "demo"]).code, 0);
        }
        Self(daemon)
    }

    fn say(&self, name: &str, arguments: &[&str]) -> Said {
        run(self.0.command(arguments).env("CLAVIGER_CONFIG", self.0.path(&format!("dev/{name}.toml"))))
    }

    /// The id of the one request that can be decided.
    fn open(&self) -> String {
        let list = self.say("bob", &["approval", "list", "--json"]).json();
        let [open] = list["approvals"].as_array().unwrap().as_slice() else { panic!("{list}") };
        open["id"].as_str().unwrap().to_owned()
    }
}

// R-A9
#[test]
fn what_is_asked_for_is_shown_approved_and_done() {
    let parties = Parties::new();
    let asked = parties.say("rita", &["key", "disable", "--store", "demo", "records"]);
    assert_eq!((asked.code, asked.output.as_str()), (4, ""), "{}", asked.errors);
    let id = parties.open();
    assert!(asked.errors.contains("not done yet") && asked.errors.contains(&id), "{}", asked.errors);
    let listed = parties.say("bob", &["approval", "list"]).output;
    for text in [&id, "key store demo", "rita", "open", "0 of 1"] {
        assert!(listed.contains(text), "{listed}");
    }
    let shown = parties.say("bob", &["approval", "show", &id]).output;
    for line in ["  - state: \"available\"", "  + state: \"disabled\""] {
        assert!(shown.lines().any(|shown| shown == line), "{shown}");
    }
    let own = parties.say("rita", &["approval", "approve", &id]);
    assert_eq!(own.code, 1, "{}", own.output);
    let approved = parties.say("bob", &["approval", "approve", &id]).output;
    assert!(approved.contains("applied") && approved.contains("approved by"), "{approved}");
    let key = parties.0.say(&["key", "show", "--store", "demo", "records", "--json"]).json();
    assert_eq!(key["state"], "disabled");
    let answers = parties.say("rita", &["approval", "answers", &id]).json();
    assert_eq!(answers["answers"][0]["state"], "disabled");
}

// R-A9
#[test]
fn requests_are_rejected_withdrawn_and_bundled() {
    let parties = Parties::new();
    assert_eq!(parties.say("rita", &["key", "rotate", "--store", "demo", "records"]).code, 4);
    let rejected = parties.say("bob", &["approval", "reject", &parties.open(), "--reason", "not before the release"]);
    assert!(rejected.output.contains("rejected") && rejected.output.contains("not before the release"));
    assert_eq!(parties.say("rita", &["key", "rotate", "--store", "demo", "records"]).code, 4);
    assert!(parties.say("rita", &["approval", "withdraw", &parties.open()]).output.contains("withdrawn"));
    let changes = r#"[{"operation": "rotate_key", "parameters": {"key": "records"}},
                      {"operation": "set_about", "parameters": {"key": "signing-p256"}, "body": {"description": "receipts"}}]"#;
    std::fs::write(parties.0.path("changes.json"), changes).unwrap();
    let asked = parties.say("rita", &["approval", "ask", "--store", "demo", "--reason", "spring", "changes.json"]);
    assert!(asked.code == 0 && asked.output.contains("spring"), "{}{}", asked.output, asked.errors);
    assert!(parties.say("bob", &["approval", "approve", &parties.open()]).output.contains("applied"));
    std::fs::write(parties.0.path("changes.json"), "{").unwrap();
    let bad = parties.say("rita", &["approval", "ask", "--store", "demo", "changes.json"]);
    assert!(bad.code == 1 && bad.errors.contains("changes.json"), "{}", bad.errors);
    assert_eq!(
        parties.say("bob", &["approval", "list", "--all", "--json"]).json()["approvals"].as_array().unwrap().len(),
        3
    );
}

// R-A9
#[test]
fn what_needs_an_approval_is_set_and_shown() {
    let parties = Parties::new();
    let daemon = &parties.0;
    let seen = daemon.say(&["approval", "policy", "--store", "demo", "--json"]).json();
    let seen = seen["revision"].as_str().unwrap();
    let shown = daemon.say(&["approval", "policy", "--store", "demo"]).output;
    assert_eq!(shown, format!("nothing needs an approval (revision {seen})\n"));
    let refused = daemon.refused(&["approval", "set-policy", "--store", "demo", "--class", "delete", "--quorum", "2"]);
    assert!(refused.contains("approval of 2 others"), "{refused}");
    assert_eq!(daemon.say(&["person", "revoke", "rita", "requester", "--store", "demo"]).code, 0);
    let refused = daemon.refused(&["approval", "set-policy", "--store", "demo", "--class", "delete"]);
    assert!(refused.contains("first grant requester"), "who asks is missing: {refused}");
    assert_eq!(daemon.say(&["person", "grant", "rita", "requester", "--store", "demo"]).code, 0);
    let on = ["approval", "set-policy", "--store", "demo", "--class", "delete", "--class", "custody", "--revision"];
    let other = daemon.say(&["approval", "set-policy", "--store", "demo", "--quorum", "2", "--json"]).json();
    for moved in [seen, "0000000000000000"] {
        let refused = daemon.refused(&[&on[..], &[moved]].concat());
        assert!(refused.contains("Changed by somebody else"), "{refused}");
    }
    for wrong in ["", "a\"b"] {
        daemon.refused(&[&on[..], &[wrong]].concat());
    }
    let set = daemon.say(&[&on[..], &[other["revision"].as_str().unwrap()]].concat()).output;
    assert!(set.starts_with("delete, custody need the approval of 1 (revision "), "{set}");
    let refused = daemon.refused(&["key", "delete", "--store", "demo", "records"]);
    assert!(refused.contains("only a person can ask"), "{refused}");
    assert_eq!(daemon.say(&["key", "rotate", "--store", "demo", "records"]).code, 0, "rotations need none");
    assert_eq!(daemon.say(&["approval", "set-policy", "--store", "demo", "--quorum", "0"]).code, 2);
}
