//! Which keys there are, how they are used, and settings of stores.

use serde_json::Value;

use crate::{Daemon, Said};

impl Daemon {
    /// `claviger COMMAND --store demo REST`.
    fn demo(&self, command: &[&str], rest: &[&str]) -> Said {
        self.say(&[command, &["--store", "demo"], rest].concat())
    }

    /// Names of the keys that are listed, by a program.
    fn listed(&self, rest: &[&str]) -> Vec<String> {
        let said = self.demo(&["key", "list"], &[&["--json"], rest].concat());
        assert_eq!(said.code, 0, "{}", said.errors);
        let name = |line: &str| serde_json::from_str::<Value>(line).unwrap()["name"].as_str().unwrap().to_owned();
        said.output.lines().map(name).collect()
    }
}

// R-K20
#[test]
fn keys_are_listed_by_what_they_are_like() {
    let daemon = Daemon::start();
    let all = daemon.listed(&[]);
    assert!(all.contains(&"records".to_owned()) && all.is_sorted(), "{all:?}");
    assert_eq!(daemon.listed(&["--all"]), all);
    assert_eq!(daemon.listed(&["--prefix", "rec", "--kind", "symmetric"]), ["records"]);
    assert_eq!(daemon.listed(&["--name", "ecord"]), ["records"]);
    assert_eq!(daemon.demo(&["key", "label"], &["records", "team=payments"]).code, 0);
    assert_eq!(daemon.listed(&["--label", "team"]), ["records"]);
    assert_eq!(daemon.listed(&["--label", "team=billing"]), [""; 0]);
    assert_eq!(daemon.demo(&["key", "disable"], &["records"]).code, 0);
    assert_eq!(daemon.listed(&["--state", "disabled"]), ["records"]);
    assert_eq!(daemon.demo(&["key", "rotation"], &["--every", "90d", "records"]).code, 0);
    let table = daemon.demo(&["key", "list"], &["--state", "disabled"]).output;
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].starts_with("NAME") && lines[1].starts_with("records"), "{table}");
    assert!(lines[1].contains("rotation 2"), "{table}");
    let nothing = daemon.demo(&["key", "list"], &["--prefix", "nothing"]);
    assert_eq!((nothing.output.lines().count(), nothing.errors.as_str()), (1, ""));
    assert!(daemon.refused(&["key", "list", "--store", "demo", "--kind", "symetric"]).contains("secret, symmetric"));
}

// R-K11, R-K20
#[test]
fn deleted_keys_are_listed_and_tell_who_used_them() {
    let daemon = Daemon::start();
    let id = daemon.demo(&["key", "delete"], &["records", "--json"]).json()["id"].as_str().unwrap().to_owned();
    assert_eq!(daemon.demo(&["key", "delete-now"], &["--yes", "--force", "records"]).code, 0);
    assert_eq!(daemon.listed(&["--state", "deleted"]), ["records"]);
    let table = daemon.demo(&["key", "list"], &["--state", "deleted"]).output;
    assert!(table.contains("deleted 2") && table.contains(&id), "{table}");
    let clients = daemon.demo(&["key", "clients"], &[&id]).output;
    assert!(clients.contains("CLIENT") && clients.contains("LAST USED"), "{clients}");
}

// R-K20
#[test]
fn a_key_shows_who_uses_it_and_how_much() {
    let daemon = Daemon::start();
    let shown = daemon.demo(&["key", "show"], &["records"]).output;
    for said in ["last used", "ITEMS", "BYTES", "CLIENT", "CERTIFICATE SHA-256"] {
        assert!(shown.contains(said), "{said:?} is missing: {shown}");
    }
    let usage = daemon.demo(&["key", "clients"], &["records", "--json"]).json();
    let client = &usage["clients"][0];
    assert!(client["items"].as_u64().unwrap() > 0, "{usage}");
    assert_eq!(client["certificate_sha256"].as_str().unwrap().len(), 64);
    let clients = daemon.demo(&["key", "clients"], &["records"]).output;
    assert!(clients.contains(&format!("{:?}", client["common_name"].as_str().unwrap())), "{clients}");
    assert_eq!(daemon.demo(&["key", "create"], &["--algorithm", "Ed25519", "unused"]).code, 0);
    assert_eq!(daemon.demo(&["key", "clients"], &["unused"]).output, "last used: never\n");
    assert_eq!(daemon.demo(&["key", "clients"], &["unused", "--json"]).json(), Value::Null);
    assert!(daemon.demo(&["key", "show"], &["unused"]).output.contains("never"));
}

// R-K12
#[test]
fn rotation_by_use_is_set_shown_and_ended() {
    let daemon = Daemon::start();
    let limits = ["--after-items", "1000000", "--after-bytes", "64000000", "records"];
    let set = daemon.demo(&["key", "rotation"], &limits);
    assert_eq!(set.output, "key records: rotated after 1,000,000 items or 64,000,000 bytes\n");
    assert!(daemon.demo(&["key", "show"], &["records"]).output.contains("rotated by use"));
    let both = daemon.demo(&["key", "rotation"], &["--every", "1d", "--after-items", "5000", "records"]).output;
    assert!(both.contains("every day, next on") && both.contains("; after 5,000 items"), "{both}");
    let ended = daemon.demo(&["key", "rotation"], &["--after-use", "off", "--every", "off", "records"]);
    assert_eq!(ended.output, "key records: rotated by hand only\n");
    for bad in [
        &["--after-items", "0"][..],
        &["--after-bytes", "-1"],
        &["--after-items", "5", "--after-use", "off"],
        &["--after-use", "on"],
        &[],
    ] {
        assert_eq!(daemon.demo(&["key", "rotation"], &[bad, &["records"]].concat()).code, 2, "{bad:?}");
    }
}

// R-K6, R-K10
#[test]
fn settings_of_a_store_are_set_and_shown() {
    let daemon = Daemon::start();
    let shown = daemon.say(&["store", "show", "demo"]).output;
    assert!(shown.contains("72 hours") && shown.contains("for its clients"), "{shown}");
    let set = daemon.say(&["store", "set", "demo", "--deletion-wait-hours", "240", "--open-public-keys", "true"]);
    assert!(set.output.contains("240 hours") && set.output.contains("open to everybody"), "{}", set.output);
    let set = daemon.say(&["store", "set", "demo", "--open-public-keys", "false", "--json"]).json();
    assert_eq!((&set["deletion_wait_hours"], &set["open_public_keys"]), (&Value::from(240), &Value::from(false)));
    // R-A11
    let set = daemon.say(&["store", "set", "demo", "--quota", "500000:2000000", "--client-quota", "100000"]);
    assert!(
        set.output.contains("500000 units/s, 2000000 at once") && set.output.contains("100000 units/s, 100000 at once")
    );
    let set = daemon.say(&["store", "set", "demo", "--quota", "none", "--json"]).json();
    assert_eq!((set.get("quota"), &set["client_quota"]["burst"]), (None, &Value::from(100_000)));
    let nothing = daemon.say(&["store", "set", "demo", "--quota", "0"]);
    assert!(nothing.code == 2 && nothing.errors.contains("500000:2000000, or none"), "{}", nothing.errors);
    daemon.say(&["store", "set", "demo", "--client-quota", "none"]);
    assert!(daemon.refused(&["store", "set", "demo", "--deletion-wait-hours", "23"]).contains("24 to 720"));
    assert!(daemon.refused(&["store", "set", "demo"]).contains("nothing is to be set"));
    // R-O3
    let set = daemon.say(&["store", "set", "demo", "--record-requests", "true"]);
    assert!(set.output.contains("recorded one by one"), "{}", set.output);
    let set = daemon.say(&["store", "set", "demo", "--record-requests", "false", "--json"]).json();
    assert_eq!(set["records_requests"], Value::from(false));
    assert!(daemon.refused(&["store", "set", "absent", "--open-public-keys", "true"]).contains("no key store"));
}
