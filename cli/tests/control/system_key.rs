//! The root key and the system keys.

use crate::Daemon;

// R-H6
#[test]
fn the_system_key_is_rotated_waited_for_and_the_old_one_destroyed() {
    let daemon = Daemon::start();
    let listed = daemon.say(&["system-key", "list"]).output;
    assert!(listed.starts_with("VERSION") && listed.contains("current"), "{listed}");
    assert!(daemon.refused(&["system-key", "destroy", "--yes", "1"]).contains("rotate the system key first"));
    let rotated = daemon.say(&["system-key", "rotate", "--wait"]);
    assert_eq!(rotated.code, 0, "{}", rotated.errors);
    for said in ["version 2 protects", "all records are protected by it", "copy the system-key file anew"] {
        assert!(rotated.output.contains(said), "{}", rotated.output);
    }
    let listed = daemon.say(&["system-key", "list", "--json"]).json();
    assert_eq!((&listed["system_keys"][0]["state"], &listed["renewal"]), (&"unused".into(), &serde_json::Value::Null));
    assert!(daemon.say(&["health"]).output.contains("version 1 of the system key is not used any more"));
    assert!(daemon.refused(&["system-key", "destroy", "--yes", "1"]).contains("claviger backup verify"));
    let backup = daemon.say(&["backup", "create", "--json"]).json()["name"].as_str().unwrap().to_owned();
    assert_eq!(daemon.say(&["backup", "verify", &backup]).code, 0);
    for typed in ["", "2\n", "yes\n"] {
        let refused = daemon.say_with(&["system-key", "destroy", "1"], typed);
        assert_eq!(refused.code, 1);
        assert!(refused.errors.contains("not confirmed"), "{}", refused.errors);
    }
    let destroyed = daemon.say_with(&["system-key", "destroy", "1"], "1\n");
    assert!(destroyed.output.contains("backups from before it was replaced cannot be read"), "{}", destroyed.errors);
    assert!(daemon.refused(&["system-key", "destroy", "--yes", "1"]).contains("no version 1"));
    let rotated = daemon.say(&["system-key", "rotate", "--wait", "--json"]).json();
    assert_eq!(rotated["system_keys"].as_array().unwrap().len(), 2);
    assert_eq!(daemon.say(&["key", "show", "--store", "demo", "records", "--json"]).json()["state"], "available");
}

// R-H6
#[test]
fn the_root_key_is_rotated() {
    let daemon = Daemon::start();
    let shown = daemon.say(&["root-key", "show"]).output;
    assert!(shown.contains("development file (UNSAFE)") && shown.contains("version  1"), "{shown}");
    let rotated = daemon.say(&["root-key", "rotate"]).output;
    assert!(rotated.contains("version 2 wraps the system keys") && rotated.contains("make new copies"), "{rotated}");
    assert_eq!(daemon.say(&["root-key", "show", "--json"]).json()["version"], 2);
}
