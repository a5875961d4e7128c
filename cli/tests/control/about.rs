//! Descriptions, labels, aliases, and new values of secrets.

use std::fs;

use serde_json::Value;

use crate::{Daemon, Said};

impl Daemon {
    /// `claviger COMMAND --store demo REST`.
    fn in_demo(&self, command: &[&str], rest: &[&str]) -> Said {
        self.say(&[command, &["--store", "demo"], rest].concat())
    }

    fn refused_in_demo(&self, command: &[&str], rest: &[&str]) -> String {
        self.refused(&[command, &["--store", "demo"], rest].concat())
    }

    fn described(&self, key: &str) -> Value {
        self.in_demo(&["key", "show"], &[key, "--json"]).json()
    }
}

// R-O1
#[test]
fn what_is_run_again_with_the_same_idempotency_key_is_created_once() {
    let daemon = Daemon::start();
    let create = |name: &str| {
        daemon.say(&[
            "key",
            "create",
            "--store",
            "demo",
            "--algorithm",
            "HMAC-SHA-256",
            "--idempotency-key",
            "one",
            name,
            "--json",
        ])
    };
    let first = create("once").json();
    assert_eq!(create("once").json(), first);
    let other =
        ["key", "create", "--store", "demo", "--algorithm", "HMAC-SHA-256", "--idempotency-key", "one", "other"];
    assert!(daemon.refused(&other).contains("another request"));
    let alias = ["alias", "create", "--store", "demo", "short", "once", "--idempotency-key", "two"];
    assert_eq!(daemon.say(&alias).output, daemon.say(&alias).output);
}

// R-A5, R-O1
#[test]
fn a_certificate_whose_renewal_is_run_again_with_the_same_idempotency_key_is_renewed_once() {
    let daemon = Daemon::start();
    assert_eq!(daemon.say(&["certificate", "issue", "--store", "demo", "billing"]).code, 0);
    let rows = || daemon.say(&["access", "list", "--store", "demo", "--json"]).json()["rows"].as_array().unwrap().len();
    let before = rows();
    let renew = ["certificate", "renew", "--store", "demo", "billing.pem", "--idempotency-key", "billing-2027"];
    let renewed = daemon.say(&renew);
    assert_eq!((renewed.code, rows()), (0, before + 1), "{}", renewed.errors);
    for file in ["billing-renewed.pem", "billing-renewed-key.pem"] {
        fs::remove_file(daemon.path(file)).unwrap();
    }
    // Its private key was shown once.
    let again = daemon.refused(&renew);
    assert!(again.contains("was made before"), "{again}");
    let other = ["certificate", "renew", "--store", "demo", "billing.pem", "--days", "7"];
    let other = daemon.refused(&[&other[..], &["--idempotency-key", "billing-2027"]].concat());
    assert!(other.contains("another request"), "{other}");
    assert_eq!(rows(), before + 1);
    assert!(!daemon.path("billing-renewed.pem").exists());
}

// R-K21
#[test]
fn descriptions_and_labels_are_said_and_shown() {
    let daemon = Daemon::start();
    let said = daemon.in_demo(&["key", "describe"], &["records", "--description", "Card numbers\nsince 2026"]);
    assert_eq!(said.output, "key records: described\n");
    let said = daemon.in_demo(&["key", "label"], &["records", "team=payments", "tier=", "absent-"]);
    assert_eq!(said.output, "key records: labels: team=payments, tier=\n");
    let shown = daemon.in_demo(&["key", "show"], &["records"]).output;
    for text in ["Card numbers", "since 2026", "team=payments, tier="] {
        assert!(shown.contains(text), "{shown}");
    }
    assert_eq!(daemon.in_demo(&["key", "label"], &["records", "team-", "tier-"]).output, "key records: labels: none\n");
    let said = daemon.in_demo(&["key", "describe"], &["records", "--description", ""]);
    assert_eq!(said.output, "key records: has no description any more\n");
    assert_eq!(
        (&daemon.described("records")["labels"], &daemon.described("records")["description"]),
        (&Value::Null, &Value::Null)
    );
    assert!(daemon.refused_in_demo(&["key", "label"], &["records", "a b=c"]).contains("1 to 100 characters"));
    assert!(
        daemon.refused_in_demo(&["key", "describe"], &["records", "--description", "\u{1b}[2J"]).contains("line feeds")
    );
    for bad in ["team", "-", ""] {
        assert_eq!(daemon.in_demo(&["key", "label"], &["records", "--", bad]).code, 2, "{bad:?}");
    }
    let create = [
        "--algorithm",
        "Ed25519",
        "--description",
        "Signs receipts",
        "--label",
        "team=sales",
        "--label",
        "tier=1",
        "new",
    ];
    assert_eq!(daemon.in_demo(&["key", "create"], &create).code, 0);
    assert_eq!(daemon.described("new")["labels"], serde_json::json!({"team": "sales", "tier": "1"}));
}

// R-K21
#[test]
fn an_alias_is_made_moved_listed_and_deleted() {
    let daemon = Daemon::start();
    assert_eq!(daemon.in_demo(&["key", "create"], &["--algorithm", "XAES-256-GCM", "records-2"]).code, 0);
    let id = daemon.described("records")["id"].as_str().unwrap().to_owned();
    let made = daemon.in_demo(&["alias", "create"], &["cards", "records"]);
    assert_eq!(made.output, format!("alias cards: stands for key records ({id})\n"));
    assert!(daemon.in_demo(&["alias", "list"], &[]).output.contains("cards"));
    assert!(
        daemon
            .in_demo(&["key", "list"], &[])
            .output
            .lines()
            .any(|line| line.contains("records") && line.contains("cards"))
    );
    // What is done by the alias says to which key it was done.
    assert_eq!(daemon.in_demo(&["key", "rotate"], &["cards"]).output, "key records: version 2 is the current one\n");
    let moved = daemon.in_demo(&["alias", "move"], &["cards", "records-2"]);
    assert!(moved.output.starts_with("alias cards: stands for key records-2 ("), "{}", moved.output);
    assert_eq!(daemon.described("cards")["name"], "records-2");
    let deleted = daemon.in_demo(&["alias", "delete"], &["cards"]);
    assert!(deleted.output.starts_with("alias cards: deleted; it stood for key records-2 ("), "{}", deleted.output);
    for (command, rest, said) in [
        (["alias", "delete"], &["cards"][..], "claviger alias list"),
        (["alias", "delete"], &["records"], "claviger alias list"),
        (["alias", "move"], &["records", "records-2"], "claviger alias list"),
        (["alias", "create"], &["records-2", "records"], "choose another"),
        (["alias", "create"], &["cards", "absent"], "claviger key list"),
        (["alias", "create"], &["a/b", "records"], "1 to 100 characters"),
    ] {
        let refused = daemon.refused_in_demo(&command, rest);
        assert!(refused.contains(said), "{refused}");
    }
    assert_eq!(daemon.in_demo(&["alias", "list"], &["--json"]).json()["aliases"], serde_json::json!([]));
}

// R-K10, R-K21
#[test]
fn what_cannot_be_undone_asks_for_the_keys_own_name_also_where_an_alias_was_given() {
    let daemon = Daemon::start();
    assert_eq!(daemon.in_demo(&["alias", "create"], &["cards", "records"]).code, 0);
    assert_eq!(daemon.in_demo(&["key", "delete"], &["cards"]).code, 0);
    let delete = ["key", "delete-now", "--store", "demo", "--force", "cards"];
    let refused = daemon.say_with(&delete, "cards\n");
    assert_eq!(refused.code, 1);
    assert!(refused.errors.contains("type the name of the key, records,"), "{}", refused.errors);
    assert_eq!(daemon.described("cards")["state"], "deletion requested");
    let deleted = daemon.say_with(&delete, "records\n");
    assert!(deleted.output.starts_with("key records: deleted"), "{}", deleted.errors);
    assert!(daemon.refused_in_demo(&["key", "show"], &["cards"]).contains("no key of this store"));
}

// R-K2
#[test]
fn a_secret_is_updated_from_a_file_or_a_pipe() {
    let daemon = Daemon::start();
    let create = ["--algorithm", "OPAQUE", "--value-file", "-", "password"];
    let create = [&["key", "create", "--store", "demo"][..], &create].concat();
    assert_eq!(daemon.say_with(&create, "first").code, 0);
    fs::write(daemon.path("value"), [0, 255, b'\n']).unwrap();
    let updated = daemon.in_demo(&["key", "update"], &["password", "--file", "value"]);
    assert_eq!(updated.output, "key password: updated, version 2 is the current one\n");
    let read = |daemon: &Daemon| daemon.in_demo(&["secret", "read"], &["--key", "password", "--json"]).json();
    assert_eq!((&read(&daemon)["key_version"], &read(&daemon)["value"]), (&Value::from(2), &Value::from("AP8K")));
    let following = |expected: &'static str| {
        ["key", "update", "--store", "demo", "password", "--expected-version", expected, "--file", "-"]
    };
    let late = daemon.say_with(&following("1"), "lost");
    assert!(late.errors.contains("is at version 2, not 1"), "{}", late.errors);
    assert_eq!(daemon.say_with(&following("2"), "third").code, 0);
    assert_eq!(read(&daemon)["key_version"], 3);
    fs::write(daemon.path("large"), vec![0; 32_769]).unwrap();
    assert!(
        daemon.refused_in_demo(&["key", "update"], &["password", "--file", "large"]).contains("at most 32768 bytes")
    );
    assert!(daemon.refused_in_demo(&["key", "update"], &["records", "--file", "value"]).contains("every other kind"));
    assert_eq!(daemon.in_demo(&["key", "update"], &["password"]).code, 2, "never from the command line itself");
}

#[test]
fn every_command_about_names_and_secrets_has_examples_in_its_help() {
    let daemon = Daemon::start();
    for command in [
        ["key", "update"],
        ["key", "describe"],
        ["key", "label"],
        ["alias", "list"],
        ["alias", "create"],
        ["alias", "move"],
        ["alias", "delete"],
    ] {
        let help = daemon.say(&[&command[..], &["--help"]].concat()).output;
        assert!(help.contains(&format!("  claviger {} --store", command.join(" "))), "{help}");
    }
}
