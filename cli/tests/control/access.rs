//! Who may come in to key stores, by the command line.

use crate::Daemon;

// R-A3, R-A6, R-A12
#[test]
fn rows_are_added_found_by_what_they_are_narrowed_and_disabled() {
    let daemon = Daemon::start();
    let say = |arguments: &[&str]| daemon.say(arguments).output;
    let added = say(&["access", "add", "--store", "demo", "--address", "192.0.2.0/24", "--description", "the tills"]);
    assert!(added.contains("192.0.2.0/24") && added.contains("the tills"), "{added}");
    let narrowed = ["access", "narrow", "--store", "demo", "192.0.2.0/24", "--operations", "encrypt,verify"];
    assert!(say(&narrowed).contains("encrypt, verify"));
    let list = say(&["access", "list", "--store", "demo"]);
    assert!(list.contains("192.0.2.0/24") && list.contains("encrypt,verify") && list.contains("certificate"), "{list}");
    let disabled = say(&["access", "disable", "--store", "demo", "192.0.2.0/24"]);
    assert_eq!(disabled, "address 192.0.2.0/24: disabled; nobody comes in by it any more\n");
    assert!(say(&["access", "enable", "--store", "demo", "192.0.2.0/24"]).contains("available"));
    let wrong = daemon.refused(&["access", "add", "--store", "demo", "--address", "192.0.2.7/24"]);
    assert!(wrong.contains("write 192.0.2.0/24"), "{wrong}");
    assert!(daemon.refused(&["access", "show", "--store", "demo", "absent"]).contains("claviger access list"));
    assert!(
        daemon
            .refused(&["access", "methods", "--store", "demo", "--certificate", "false"])
            .contains("only access method")
    );
}

// R-A5, R-A7
#[test]
fn a_revoked_certificate_is_refused_and_why_is_told() {
    let daemon = Daemon::start();
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("billing").display().to_string();
    let certificate = format!("{prefix}.pem");
    daemon.say(&["certificate", "issue", "--store", "demo", "--out", &prefix, "billing"]);
    let why = daemon.say(&["why-denied", &certificate, "demo"]).output;
    assert!(why.contains("The client comes in.") && why.contains("passes"), "{why}");
    let revoked = daemon.say(&["certificate", "revoke", "--store", "demo", &certificate]).output;
    assert!(revoked.contains("nobody comes in by it any more"), "{revoked}");
    let why = daemon.say(&["why-denied", "billing", "demo"]);
    assert_eq!(why.code, 1);
    assert!(
        why.output.contains("FAILS") && why.output.contains("is disabled: `claviger access enable`"),
        "{}",
        why.output
    );
}
