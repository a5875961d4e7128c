//! `claviger person`.

use std::process::Command;

use serde_json::json;

use crate::{Daemon, run};

/// A key and a certificate of somebody's own, and the configuration file by which he asks.
pub(crate) fn own_certificate(daemon: &Daemon, name: &str) {
    let subject = format!("/CN={name}");
    let (key, certificate) = (daemon.path(&format!("{name}-key.pem")), daemon.path(&format!("{name}.pem")));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ed25519", "-noenc", "-days", "1", "-subj", &subject])
        .args(["-addext", "extendedKeyUsage=clientAuth", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let config = std::fs::read_to_string(daemon.path("dev/client.toml")).unwrap();
    let config = config
        .replace("tls/administrator-key.pem", &key.display().to_string())
        .replace("tls/administrator.pem", &certificate.display().to_string());
    std::fs::write(daemon.path(&format!("dev/{name}.toml")), config).unwrap();
}

// R-A8
#[test]
fn a_person_is_added_granted_what_he_needs_and_removed() {
    let daemon = Daemon::start();
    own_certificate(&daemon, "ada");
    let as_ada =
        |arguments: &[&str]| run(daemon.command(arguments).env("CLAVIGER_CONFIG", daemon.path("dev/ada.toml")));
    let who = daemon.say(&["person", "whoami"]);
    assert!(who.output.contains("an administrator by configuration") && who.output.contains("You may do everything"));
    let stranger = as_ada(&["person", "whoami"]);
    assert_eq!(stranger.code, 1);
    assert!(stranger.errors.contains("claviger person"), "{}", stranger.errors);
    let added = daemon.say(&["person", "add", "ada", "--certificate", "ada.pem"]);
    assert_eq!(added.code, 0, "{}", added.errors);
    assert!(as_ada(&["person", "whoami"]).output.contains("You have no role"));
    assert_eq!(as_ada(&["key", "list", "--store", "demo"]).code, 1);
    let granted =
        daemon.say(&["person", "grant", "ada", "key-manager", "--store", "demo", "--key", "records", "--may-create"]);
    assert!(granted.output.contains("key-manager in demo of 1 keys, may create"), "{}", granted.output);
    assert_eq!(as_ada(&["key", "rotate", "--store", "demo", "records"]).code, 0);
    let refused = as_ada(&["key", "rotate", "--store", "demo", "signing-p256"]);
    assert!(refused.code == 1 && refused.errors.contains("no key of this store"), "{}", refused.errors);
    assert_eq!(as_ada(&["key", "create", "--store", "demo", "mine", "--algorithm", "Ed25519"]).code, 0);
    let shown = daemon.say(&["person", "show", "ada"]).output;
    assert!(shown.contains("records (") && shown.contains("mine ("), "{shown}");
    let list = daemon.say(&["person", "list", "--json"]).json();
    assert_eq!(list["persons"][0]["grants"][0]["key_count"], 2);
    assert_eq!(as_ada(&["person", "whoami", "--json"]).json()["person"]["name"], json!("ada"));
    assert_eq!(daemon.say(&["person", "revoke", "ada", "key-manager", "--store", "demo", "--key", "records"]).code, 0);
    assert_eq!(as_ada(&["key", "rotate", "--store", "demo", "records"]).code, 1);
    assert_eq!(daemon.say(&["person", "disable", "ada"]).code, 0);
    assert_eq!(as_ada(&["person", "whoami"]).code, 1);
    assert_eq!(daemon.say(&["person", "enable", "ada"]).code, 0);
    let wrong = daemon.say_with(&["person", "remove", "ada"], "bob\n");
    assert!(wrong.code == 1 && wrong.errors.contains("nothing was done"), "{}", wrong.errors);
    assert_eq!(as_ada(&["person", "whoami"]).code, 0);
    assert_eq!(daemon.say_with(&["person", "remove", "ada"], "ada\n").code, 0);
    assert_eq!(as_ada(&["person", "whoami"]).code, 1);
}

// R-A8
#[test]
fn certificates_of_persons_come_and_go() {
    let daemon = Daemon::start();
    own_certificate(&daemon, "ada");
    assert!(daemon.refused(&["person", "add", "ada", "--certificate", "absent.pem"]).contains("absent.pem"));
    assert!(
        daemon.refused(&["person", "add", "ada", "--certificate", "ada-key.pem"]).contains("no certificate in PEM")
    );
    let administrator = daemon.refused(&["person", "add", "ada", "--certificate", "dev/tls/administrator.pem"]);
    assert!(administrator.contains("administrators' authority"), "{administrator}");
    assert_eq!(daemon.say(&["person", "add", "ada"]).code, 0);
    let added = daemon.say(&["person", "certificate", "add", "ada", "ada.pem", "--json"]).json();
    let key = added["certificates"][0]["public_key_sha256"].as_str().unwrap();
    assert!(daemon.refused(&["person", "certificate", "remove", "ada", "00"]).contains("64 lowercase"));
    let removed = daemon.say(&["person", "certificate", "remove", "ada", key, "--json"]).json();
    assert_eq!(removed["certificates"], json!([]));
    assert!(daemon.refused(&["person", "certificate", "remove", "ada", key]).contains("claviger person show"));
    assert!(daemon.refused(&["person", "show", "absent"]).contains("claviger person list"));
    assert!(daemon.refused(&["person", "grant", "ada", "root"]).contains("store-administrator"));
}
