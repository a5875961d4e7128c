//! `claviger health` and `claviger metrics`: how the daemon is, for people and for scripts.

use std::fs;

use serde_json::Value;

use crate::Daemon;

// R-O1
#[test]
fn health_says_what_is_wrong_and_its_exit_code_tells_until_it_is_mended() {
    let daemon = Daemon::start();
    assert_eq!(daemon.say(&["health"]).code, 0);
    // The disk of the journal is away.
    let (journal, away) = (daemon.path("dev/journal"), daemon.path("away"));
    fs::rename(&journal, &away).unwrap();
    fs::create_dir(&journal).unwrap();
    assert!(daemon.refused(&["key", "disable", "--store", "demo", "records"]).contains("journal"));
    let health = daemon.say(&["health"]);
    assert_eq!(health.code, 1, "{}", health.output);
    for said in ["ready             no", "not ready: ", "warning: changes are refused: "] {
        assert!(health.output.contains(said), "{said:?} is missing: {}", health.output);
    }
    let json = daemon.say(&["health", "--json"]);
    let state: Value = serde_json::from_str(&json.output).unwrap();
    assert_eq!((json.code, &state["ready"]), (1, &Value::Bool(false)));
    assert!(state["reasons"][0].as_str().unwrap().contains("journal"), "{}", json.output);
    fs::remove_dir_all(&journal).unwrap();
    fs::rename(&away, &journal).unwrap();
    assert_eq!(daemon.say(&["key", "disable", "--store", "demo", "records"]).code, 0);
    assert_eq!(daemon.say(&["health"]).code, 0);
}

// R-O1
#[test]
fn metrics_are_printed_as_they_are() {
    let daemon = Daemon::start();
    let metrics = daemon.say(&["metrics"]);
    assert_eq!(metrics.code, 0, "{}", metrics.errors);
    assert!(metrics.output.starts_with("# HELP claviger_build_info"), "{}", metrics.output);
    assert!(metrics.output.contains("\nclaviger_ready 1\n"), "{}", metrics.output);
    assert!(metrics.output.ends_with('\n') && !metrics.output.ends_with("\n\n"));
}
