//! What is read and not computed: secrets, public keys, descriptions, ids, random bytes.

use crate::support::{Daemon, Done, Files, openssl};
use std::fs;
use std::os::unix::fs::PermissionsExt;

const SECRET: &[u8] = b"hunter2\0\xFF\n";
/// A line of the metrics of a daemon where one client waits for a secret.
const WAITING: &str = "claviger_budget_taken{budget=\"waits\"} 1";

fn daemon_with_secret(name: &str) -> std::sync::Arc<Daemon> {
    let daemon = Daemon::shared();
    let create = ["key", "create", "--store", "demo", "--algorithm", "OPAQUE", "--value-file", "-", name];
    daemon.claviger(create).input(SECRET).done();
    daemon
}

// R-K2
#[test]
fn a_secret_is_read_byte_for_byte_on_both_transports() {
    let daemon = daemon_with_secret("secret-read");
    for transport in ["tcp", "quic"] {
        let read = ["secret", "read", "--store", "demo", "--key", "secret-read", "--transport", transport];
        let done = daemon.claviger(read).done();
        assert_eq!((done.output(), done.error()), (SECRET, ""));
        assert_eq!(daemon.claviger(read).args(["--show"]).done().output(), SECRET);
    }
}

// R-K2
#[test]
fn a_secret_in_a_file_is_readable_by_its_owner_only_and_in_json_it_is_base64() {
    let (daemon, files) = (daemon_with_secret("secret-file"), Files::new());
    let read = ["secret", "read", "--store", "demo", "--key", "secret-file"];
    let path = files.path("secret");
    daemon.claviger(read).paths([&*path]).done();
    assert_eq!(fs::read(&path).unwrap(), SECRET);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    daemon.claviger(read).paths([&*path]).refused("exists");
    let json = daemon.claviger(read).args(["--json"]).done().json();
    assert_eq!((&json["value"], &json["key_version"]), (&"aHVudGVyMgD/Cg==".into(), &1.into()));
}

// R-K2
#[test]
fn a_newer_version_of_a_secret_is_waited_for_and_replaces_the_file() {
    let (daemon, files) = (daemon_with_secret("secret-wait"), Files::new());
    let wait = ["secret", "wait", "--store", "demo", "--key", "secret-wait"];
    let path = files.path("secret");
    let done = daemon.claviger(wait).args(["--known-version", "0", "--output"]).paths([&*path]).done();
    assert_eq!((done.output(), done.error()), (&b""[..], ""));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read(&path).unwrap(), SECRET);
    for known in [&["--known-version", "1"][..], &[]] {
        let over =
            daemon.claviger(wait).args(known.iter().copied()).args(["--for", "0s", "--output"]).paths([&*path]).run();
        assert_eq!((over.code(), over.output()), (3, &b""[..]), "neither a value nor a failure");
        assert!(over.error().contains("no version newer than 1"), "{}", over.error());
    }
    for transport in ["tcp", "quic"] {
        let known = if transport == "tcp" { "1" } else { "2" };
        let waiting = daemon.claviger(wait).args(["--known-version", known, "--transport", transport, "--json"]);
        let done = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| waiting.done());
            let update = ["key", "update", "--store", "demo", "secret-wait", "--file", "-"];
            daemon.claviger(update).input(transport.as_bytes()).done();
            waiting.join().unwrap()
        });
        let value = if transport == "tcp" { "dGNw" } else { "cXVpYw==" };
        assert_eq!(done.json()["value"], value);
    }
    daemon.claviger(wait).args(["--known-version", "2", "--output"]).paths([&*path]).done();
    assert_eq!(fs::read(&path).unwrap(), b"quic");
    daemon
        .claviger(["secret", "wait", "--store", "demo", "--key", "records", "--known-version", "1"])
        .refused("OperationNotAllowed");
}

// R-K2, R-P6
#[test]
fn a_wait_for_a_secret_outlives_the_daemon_and_misses_nothing() {
    let mut daemon = Daemon::start();
    let create = ["key", "create", "--store", "demo", "--algorithm", "OPAQUE", "--value-file", "-", "password"];
    daemon.claviger(create).input(SECRET).done();
    let wait = ["secret", "wait", "--store", "demo", "--key", "password", "--known-version", "1", "--for", "10m"];
    let waiting = daemon.claviger(wait);
    let done = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| waiting.done());
        // Once it waits, not when it is about to: who finds no daemon at his beginning gives up.
        let waits = |metrics: &Done| String::from_utf8_lossy(metrics.output()).lines().any(|line| line == WAITING);
        while !waits(&daemon.claviger(["metrics"]).done()) {}
        daemon.restart();
        daemon.claviger(["key", "update", "--store", "demo", "password", "--file", "-"]).input(b"changed").done();
        waiting.join().unwrap()
    });
    assert_eq!((done.output(), done.error()), (&b"changed"[..], ""));
}

// R-K6
#[test]
fn only_secrets_are_read_and_only_asymmetric_keys_are_public() {
    let daemon = daemon_with_secret("secret-kind");
    for key in ["records", "webhooks", "signing-p256"] {
        daemon.claviger(["secret", "read", "--store", "demo", "--key", key]).refused("OperationNotAllowed");
    }
    for key in ["records", "webhooks", "secret-kind"] {
        daemon.claviger(["public-key", "--store", "demo", "--key", key]).refused("OperationNotAllowed");
    }
}

#[test]
fn public_keys_are_read_by_openssl_in_both_forms() {
    let (daemon, files) = (Daemon::shared(), Files::new());
    for key in ["signing-ed25519", "signing-p256", "signing-rsa-2048"] {
        let (pem, der) = (files.path("public.pem"), files.path("public.der"));
        let read = || daemon.claviger(["public-key", "--store", "demo", "--key", key, "--force"]);
        read().paths([&*pem]).done();
        read().args(["--der"]).paths([&*der]).done();
        let converted = files.path("converted.der");
        let convert = ["pkey", "-pubin", "-pubout", "-outform", "DER"];
        assert!(openssl(&convert, &[("-in", &pem), ("-out", &converted)]), "{key}");
        assert_eq!(fs::read(&der).unwrap(), fs::read(&converted).unwrap(), "{key}");
    }
}

// R-K20
#[test]
fn a_key_is_described_and_found_by_its_name() {
    let daemon = Daemon::shared();
    let description = daemon.claviger(["describe", "--store", "demo", "--key", "webhooks", "--json"]).done().json();
    let found = daemon.claviger(["resolve", "--store", "demo", "webhooks", "--json"]).done().json();
    for field in ["id", "store_id", "name", "kind", "algorithm"] {
        assert_eq!(description[field], found["keys"][0][field], "{field}");
    }
    assert_eq!((&description["state"], &description["kind"]), (&"available".into(), &"mac".into()));
    let table = daemon.claviger(["describe", "--store", "demo", "--key", "webhooks"]).done();
    assert!(table.text().contains(description["id"].as_str().unwrap()));
}

#[test]
fn names_that_no_key_has_are_told_apart() {
    let daemon = Daemon::shared();
    let done = daemon.claviger(["resolve", "--store", "demo", "records", "recrods", "--json"]).run();
    assert_eq!((done.code(), &done.json()["missing"]), (1, &serde_json::json!(["recrods"])));
    assert_eq!(done.json()["keys"][0]["name"], "records");
}

// R-K17
#[test]
fn random_bytes_have_the_size_asked_for_and_differ() {
    let daemon = Daemon::shared();
    let random = |size: &str| daemon.claviger(["random", "--store", "demo", "--key", "records", size]);
    for size in [1, 32_768, 32_769, 100_000] {
        assert_eq!(random(&size.to_string()).done().output().len(), size);
    }
    assert_ne!(random("32").done().output(), random("32").done().output());
    assert_eq!(random("32").args(["--hex"]).done().text().trim().len(), 64);
    let json = random("3").args(["--json"]).done().json();
    assert_eq!((&json["size"], json["bytes"].as_str().unwrap().len()), (&3.into(), 4));
    random("0").refused("ask for 1 to 1048576");
    random("1048577").refused("ask for 1 to 1048576");
}

// R-K9
#[test]
fn a_disabled_key_says_so_and_is_still_described() {
    let daemon = Daemon::shared();
    daemon.claviger(["key", "create", "--store", "demo", "--algorithm", "XAES-256-GCM", "disabled"]).done();
    daemon.claviger(["key", "disable", "--store", "demo", "disabled"]).done();
    let encrypt = ["encrypt", "--store", "demo", "--key", "disabled"];
    daemon
        .claviger(encrypt)
        .input(b"text")
        .refused("demo/disabled: KeyDisabled: the key is disabled: make it available");
    let described = daemon.claviger(["describe", "--store", "demo", "--key", "disabled", "--json"]).done().json();
    assert_eq!(described["state"], "disabled");
}

// R-K9, R-K10
#[test]
fn a_key_that_is_to_be_deleted_says_how_to_keep_it_and_is_still_described() {
    let daemon = Daemon::shared();
    daemon.claviger(["key", "create", "--store", "demo", "--algorithm", "Ed25519", "doomed"]).done();
    daemon.claviger(["key", "delete", "--store", "demo", "doomed"]).done();
    daemon
        .claviger(["sign", "--store", "demo", "--key", "doomed"])
        .input(b"text")
        .refused("demo/doomed: KeyDeletionRequested: the deletion of the key has been requested: cancel it");
    let described = daemon.claviger(["describe", "--store", "demo", "--key", "doomed"]).done();
    assert!(described.text().contains("deletion requested"), "{}", described.text());
    daemon.claviger(["public-key", "--store", "demo", "--key", "doomed"]).done();
    daemon.claviger(["key", "delete-now", "--store", "demo", "--yes", "doomed"]).done();
    daemon.claviger(["describe", "--store", "demo", "--key", "doomed"]).refused("demo/doomed: KeyNotFound");
}
