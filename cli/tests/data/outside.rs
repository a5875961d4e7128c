//! What is wrong around the operation: server, certificates, names. One line says what, and what to do.

use crate::support::{Daemon, Files};
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;

/// A configuration file beside the real one, with `from` replaced by `to`.
fn configuration(daemon: &Daemon, files: &Files, from: &str, to: &str) -> PathBuf {
    let text = fs::read_to_string(daemon.client_configuration()).unwrap();
    assert!(text.contains(from), "{text}");
    let here = daemon.file("tls").display().to_string();
    let changed = text.replace(from, to).replace("\"tls/", &format!("\"{here}/"));
    files.with("client.toml", changed.as_bytes())
}

// R-A7, R-P5
#[test]
fn the_server_tells_who_it_sees_on_both_transports() {
    let daemon = Daemon::shared();
    for (transport, name) in [("tcp", "TLS/TCP"), ("quic", "QUIC")] {
        let who = daemon.claviger(["whoami", "--json", "--transport", transport]).done().json();
        assert_eq!((&who["transport"], &who["certificate_subject"]), (&name.into(), &"CN=demo-client".into()));
        let pings = daemon.claviger(["ping", "--count", "3", "--json", "--transport", transport]).done().json();
        assert_eq!(pings["milliseconds"].as_array().unwrap().len(), 3);
    }
    let who = daemon.claviger(["whoami"]).done();
    let text = who.text();
    assert!(text.contains("CN=demo-client") && text.contains("not seen") && !text.contains("as declared"), "{text}");
    assert_eq!(daemon.claviger(["ping", "--count", "2"]).done().text().lines().count(), 2);
}

// R-A4, R-A7
#[test]
fn a_client_says_its_hardware_address_if_its_configuration_does() {
    let (daemon, files) = (Daemon::shared(), Files::new());
    let from = "key = \"tls/demo-client-key.pem\"";
    let declared = format!("{from}\nhardware_address = \"02-00-5E-10-00-01\"");
    let configuration = configuration(&daemon, &files, from, &declared);
    for transport in ["tcp", "quic"] {
        let command = daemon.claviger(["whoami", "--json", "--transport", transport]).configuration(&configuration);
        let who = command.done().json();
        assert_eq!(who["declared_hardware_address"], "02:00:5e:10:00:01");
        assert!(who["hardware_address"].is_null(), "nobody is a neighbour of himself");
    }
    let who = daemon.claviger(["whoami"]).configuration(&configuration).done();
    let text = who.text();
    assert!(text.contains("02:00:5e:10:00:01, which counts only where a key store says so"), "{text}");
}

#[test]
fn a_server_that_is_not_there_is_named_with_its_address() {
    let (daemon, files) = (Daemon::shared(), Files::new());
    // Nobody listens at the port of a socket that was closed.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let configuration = configuration(&daemon, &files, &daemon.addresses()[0], &free);
    let refused = daemon.claviger(["ping"]).configuration(&configuration).refused("check that the server runs");
    assert!(refused.error().contains(&free));
    let encrypt = ["encrypt", "--store", "demo", "--key", "records", "-"];
    let out = files.path("out");
    let command = daemon.claviger(encrypt).paths([&*out]).configuration(&configuration);
    command.input(b"text").refused("check that the server runs");
    assert_eq!(files.names(), ["client.toml"]);
}

// R-P5
#[test]
fn a_server_of_another_authority_is_not_trusted() {
    let (daemon, files) = (Daemon::shared(), Files::new());
    let configuration = configuration(&daemon, &files, "tls/server-ca.pem", "tls/administrators-ca.pem");
    for transport in ["tcp", "quic"] {
        let command = daemon.claviger(["whoami", "--transport", transport]).configuration(&configuration);
        command.refused("check the server's CA and the server name");
    }
}

// R-A1, R-A2, R-A5
#[test]
fn a_certificate_of_another_authority_is_not_admitted_and_is_named() {
    let (daemon, files) = (Daemon::shared(), Files::new());
    let configuration = configuration(&daemon, &files, "tls/demo-client", "tls/administrator");
    let command = daemon.claviger(["describe", "--store", "demo", "--key", "records"]).configuration(&configuration);
    let refused = command.refused("demo/records: NotPermitted: ");
    assert!(refused.error().contains("(your certificate is CN=administrator)"), "{}", refused.error());
}

// R-A2
#[test]
fn a_client_without_certificate_is_not_admitted_and_told_so() {
    let (daemon, files) = (Daemon::shared(), Files::new());
    let lines = "certificate = \"tls/demo-client.pem\"\nkey = \"tls/demo-client-key.pem\"\n";
    let configuration = configuration(&daemon, &files, lines, "");
    let command = daemon.claviger(["describe", "--store", "demo", "--key", "records"]).configuration(&configuration);
    let refused = command.refused("NotPermitted");
    assert!(refused.error().contains("(you showed no certificate)"), "{}", refused.error());
    let who = daemon.claviger(["whoami"]).configuration(&configuration).done();
    assert!(who.text().contains("none: key stores that ask for one do not admit you"));
}

#[test]
fn names_of_stores_and_keys_that_are_not_there_are_told() {
    let daemon = Daemon::shared();
    let describe = |store, key| daemon.claviger(["describe", "--store", store, "--key", key]);
    describe("demo", "recrods")
        .refused("demo/recrods: KeyNotFound: the key store has no key of this name: check its spelling");
    describe("dmeo", "records").refused("dmeo/records: NotPermitted: no such key store or key");
    describe("", "records").refused("NotPermitted");
    describe("demo", "").refused("KeyNotFound");
    describe("demo", &"k".repeat(70_000)).refused("");
}

#[test]
fn every_command_has_examples_in_its_help() {
    let daemon = Daemon::shared();
    let commands: [&[&str]; 14] = [
        &["encrypt"],
        &["decrypt"],
        &["sign"],
        &["verify"],
        &["asymmetric-decrypt"],
        &["mac"],
        &["verify-mac"],
        &["secret", "read"],
        &["public-key"],
        &["random"],
        &["describe"],
        &["resolve"],
        &["whoami"],
        &["ping"],
    ];
    for command in commands {
        let help = daemon.claviger(command.iter().copied()).args(["--help"]).done();
        assert!(help.text().contains(&format!("  claviger {}", command.join(" "))), "{command:?}");
    }
}
