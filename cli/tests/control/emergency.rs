//! `claviger emergency`: locked by one command, told everywhere, over restarts too.

use std::fs;

use crate::Daemon;

// R-A13
#[test]
fn a_lock_is_told_to_clients_and_people_outlives_a_restart_and_is_ended() {
    let daemon = Daemon::start();
    daemon
        .say_with(&["key", "create", "--store", "demo", "--algorithm", "OPAQUE", "--value-file", "-", "password"], "x");
    let read = ["secret", "read", "--store", "demo", "--key", "password"];
    assert_eq!(daemon.say(&read).code, 0);
    assert_eq!(daemon.say(&["emergency", "show"]).output, "not locked\n");
    let locked = daemon.say(&["emergency", "lock", "--reason", "a theft"]);
    assert!(
        locked.output.starts_with("LOCKED since ") && locked.output.contains(": a theft; no key"),
        "{}",
        locked.output
    );
    assert_eq!(locked.errors, "");
    let refused = daemon.refused(&read);
    assert!(refused.contains("Locked") && refused.contains("claviger emergency unlock"), "{refused}");
    let health = daemon.say(&["health"]);
    assert!(health.code == 1 && health.output.contains("not ready: locked since"), "{}", health.output);
    assert!(daemon.refused(&["key", "rotate", "--store", "demo", "records"]).contains("locked"));
    let daemon = daemon.restarted(|_| {});
    let shown = daemon.say(&["emergency", "show", "--json"]).json();
    assert_eq!((&shown["locked"]["reason"], shown["unwritten"].as_array().unwrap().len()), (&"a theft".into(), 0));
    assert_eq!(daemon.say(&["emergency", "unlock"]).output, "not locked\n");
    assert_eq!(daemon.say(&read).code, 0);
}

// R-A13
#[test]
fn a_lock_that_is_not_durable_says_so_and_why() {
    let daemon = Daemon::start();
    let (audit, away) = (daemon.path("dev/audit"), daemon.path("away"));
    fs::rename(&audit, &away).unwrap();
    let locked = daemon.say(&["emergency", "lock"]);
    assert_eq!((locked.code, locked.output.starts_with("LOCKED since ")), (0, true), "{}", locked.errors);
    assert!(
        locked.errors.contains("in force, and not written") && locked.errors.contains("audit"),
        "{}",
        locked.errors
    );
    let shown = daemon.say(&["emergency", "show"]).output;
    assert!(shown.contains("in memory alone") && shown.contains("LOCKED"), "{shown}");
    let disabled = daemon.say(&["store", "disable", "demo"]);
    assert!(disabled.code == 0 && disabled.errors.contains("in force, and not written"), "{}", disabled.errors);
    fs::rename(&away, &audit).unwrap();
    assert_eq!(daemon.say(&["emergency", "unlock"]).code, 0);
    assert_eq!(daemon.say(&["store", "enable", "demo"]).code, 0);
    assert_eq!(daemon.say(&["emergency", "show"]).output, "not locked\n");
}
