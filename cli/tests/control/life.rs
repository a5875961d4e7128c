//! The life of keys and versions.

use serde_json::Value;

use crate::{Daemon, Said};

impl Daemon {
    /// `claviger key COMMAND --store demo REST`.
    fn key(&self, command: &[&str], rest: &[&str]) -> Said {
        self.say(&arguments(command, rest))
    }

    fn done(&self, command: &[&str], key: &str) {
        let said = self.key(command, &[key]);
        assert_eq!(said.code, 0, "{}", said.errors);
    }

    fn refused_key(&self, command: &[&str], rest: &[&str]) -> String {
        self.refused(&arguments(command, rest))
    }

    fn shown(&self, key: &str) -> Value {
        self.key(&["show"], &[key, "--json"]).json()
    }
}

fn arguments<'a>(command: &[&'a str], rest: &[&'a str]) -> Vec<&'a str> {
    [&["key"], command, &["--store", "demo"], rest].concat()
}

fn states(key: &Value) -> Vec<&str> {
    key["versions"].as_array().unwrap().iter().map(|version| version["state"].as_str().unwrap()).collect()
}

// R-K7, R-K10
#[test]
fn a_deletion_is_requested_cancelled_and_made_at_once() {
    let daemon = Daemon::start();
    assert!(daemon.refused_key(&["delete"], &["--wait-hours", "23", "records"]).contains("24 to 720"));
    let requested = daemon.key(&["delete"], &["--wait-hours", "24", "records"]);
    assert!(requested.output.starts_with("key records: deleted on "), "{}", requested.output);
    assert!(requested.output.contains("unless that is cancelled"), "{}", requested.output);
    let shown = daemon.key(&["show"], &["records"]).output;
    assert!(shown.contains("deletion requested") && shown.contains("at the earliest"), "{shown}");
    assert!(daemon.refused_key(&["enable"], &["records"]).contains("deletion requested"));
    let kept = daemon.key(&["cancel-deletion"], &["records"]);
    assert!(kept.output.contains("claviger key enable"), "{}", kept.output);
    assert_eq!(daemon.shown("records")["state"], "disabled");
    assert!(daemon.refused_key(&["cancel-deletion"], &["records"]).contains("disabled"));
    assert!(daemon.refused_key(&["delete-now"], &["--yes", "records"]).contains("disabled"));
    let id = daemon.key(&["delete"], &["records", "--json"]).json()["id"].as_str().unwrap().to_owned();
    // The demonstration has just used it.
    let refused = daemon.refused_key(&["delete-now"], &["--yes", "records"]);
    assert!(refused.contains("less than a minute ago") && refused.contains("force"), "{refused}");
    let deleted = daemon.key(&["delete-now"], &["--yes", "--force", "records"]);
    assert!(deleted.output.starts_with("key records: deleted"), "{}", deleted.errors);
    assert!(daemon.refused_key(&["show"], &["records"]).contains("no key of this store"));
    let deleted = daemon.shown(&id);
    assert_eq!((&deleted["state"], &deleted["current_version"]), (&Value::from("deleted"), &Value::Null));
    assert!(daemon.key(&["show"], &[&id]).output.contains("destroyed"));
}

// R-K8
#[test]
fn versions_are_disabled_enabled_and_destroyed() {
    let daemon = Daemon::start();
    assert!(daemon.refused_key(&["version", "disable"], &["records", "1"]).contains("current"));
    assert!(daemon.refused_key(&["version", "destroy"], &["--yes", "records", "1"]).contains("current"));
    daemon.done(&["rotate"], "records");
    assert_eq!(daemon.key(&["version", "disable"], &["records", "1"]).output, "key records: version 1 is disabled\n");
    assert_eq!(daemon.key(&["version", "enable"], &["records", "1"]).output, "key records: version 1 is active\n");
    let destroyed = daemon.key(&["version", "destroy"], &["--yes", "records", "1", "--json"]).json();
    assert_eq!(states(&destroyed), ["destroyed", "current"]);
    assert!(daemon.refused_key(&["version", "enable"], &["records", "1"]).contains("does not come back"));
    assert!(daemon.refused_key(&["version", "enable"], &["records", "3"]).contains("no version 3"));
}

// R-K10
#[test]
fn what_cannot_be_undone_is_done_only_after_the_name_of_the_key_was_typed() {
    let daemon = Daemon::start();
    daemon.done(&["rotate"], "records");
    daemon.done(&["delete"], "webhooks");
    let id = daemon.shown("records")["id"].as_str().unwrap().to_owned();
    let destroy = arguments(&["version", "destroy"], &["records", "1"]);
    let destroy_by_id = arguments(&["version", "destroy"], &[&id, "1"]);
    let delete = arguments(&["delete-now"], &["--force", "webhooks"]);
    for (arguments, typed, name) in [
        (&destroy, "", "records"),
        (&destroy, "\n", "records"),
        (&destroy, "y\n", "records"),
        (&destroy, "yes\n", "records"),
        (&destroy, "Records\n", "records"),
        (&destroy, "records2\n", "records"),
        (&destroy, " records\n", "records"),
        (&destroy_by_id, &id, "records"),
        (&delete, "records\n", "webhooks"),
        (&delete, &"webhooks".repeat(1_000), "webhooks"),
    ] {
        let said = daemon.say_with(arguments, typed);
        assert_eq!((said.code, said.output.as_str()), (1, ""), "{typed:?}");
        assert!(said.errors.contains(name) && said.errors.contains("--yes"), "{}", said.errors);
    }
    assert_eq!(states(&daemon.shown("records")), ["active", "current"]);
    assert_eq!(daemon.shown("webhooks")["state"], "deletion requested");
    assert_eq!(daemon.say_with(&destroy_by_id, "records\n").output, "key records: version 1 is destroyed\n");
    let deleted = daemon.say_with(&delete, "webhooks\r\n").output;
    assert!(deleted.starts_with("key webhooks: deleted; destroyed: development, at 2"), "{deleted}");
}

// R-K12, R-K15, R-K20
#[test]
fn rotation_by_itself_and_the_lowest_version_are_set_and_shown() {
    let daemon = Daemon::start();
    let set = daemon.key(&["rotation"], &["--every", "90d", "records"]);
    assert!(set.output.starts_with("key records: rotated every 90 days, next on "), "{}", set.output);
    assert!(daemon.key(&["show"], &["records"]).output.contains("every 90 days, next on "));
    assert_eq!(daemon.shown("records")["rotation"]["period_days"], 90);
    for bad in ["0d", "731d", "90", "never", ""] {
        let said = daemon.key(&["rotation"], &["--every", bad, "records"]);
        assert_eq!(said.code, 2, "{bad:?}");
        assert!(said.errors.contains("1d to 730d, or off"), "{}", said.errors);
    }
    assert_eq!(daemon.key(&["rotation"], &["records"]).code, 2, "nothing is not off");
    let off = daemon.key(&["rotation"], &["--every", "off", "records"]);
    assert_eq!(off.output, "key records: rotated by hand only\n");
    assert_eq!(daemon.shown("records")["rotation"], Value::Null);

    daemon.done(&["rotate"], "records");
    let set = daemon.key(&["lowest-version"], &["records", "2"]);
    assert_eq!(set.output, "key records: ciphertexts of versions below 2 are refused\n");
    assert_eq!(daemon.shown("records")["lowest_version"], 2);
    assert!(daemon.key(&["show"], &["records"]).output.contains("lowest version that decrypts"));
    assert!(daemon.refused_key(&["lowest-version"], &["records", "3"]).contains("no version 3"));
    assert!(daemon.refused_key(&["lowest-version"], &["records", "0"]).contains("versions count from 1"));
}

#[test]
fn every_command_of_the_life_of_keys_has_examples_in_its_help() {
    let daemon = Daemon::start();
    for command in [
        &["rotation"][..],
        &["lowest-version"],
        &["delete"],
        &["cancel-deletion"],
        &["delete-now"],
        &["version", "disable"],
        &["version", "enable"],
        &["version", "destroy"],
    ] {
        let help = daemon.say(&[&["key"], command, &["--help"]].concat()).output;
        assert!(help.contains(&format!("  claviger key {} --store", command.join(" "))), "{help}");
    }
}
