//! `clavigerd dev`.

use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::path::Path;

use claviger_control::{ControlClient, Credentials};
use claviger_daemon::pem::{self, Credential};
use rustix::process::Signal;

use crate::support::{Ended, Process, run, write};

fn arguments(folder: &Path) -> [&OsStr; 7] {
    ["dev", "--folder", folder.to_str().unwrap(), "--data", "127.0.0.1:0", "--control", "127.0.0.1:0"].map(OsStr::new)
}

/// Starts, and waits until it serves.
fn start(folder: &Path) -> (Process, String) {
    let mut process = Process::start(&arguments(folder));
    let output = process.output_until("Serving until Ctrl-C");
    (process, output)
}

/// A client made of what `client.toml` says.
fn administrator(folder: &Path) -> ControlClient {
    let config: toml::Table = toml::from_str(&fs::read_to_string(folder.join("client.toml")).unwrap()).unwrap();
    let control = config["control"].as_table().unwrap();
    let file = |name: &str| folder.join(control[name].as_str().unwrap());
    let Credential { certificate_chain, private_key } = Credential::read(&file("certificate"), &file("key")).unwrap();
    let server_authorities = pem::certificates(&file("server_ca")).unwrap();
    let credentials = Credentials { server_authorities, certificate_chain, private_key };
    ControlClient::new(control["address"].as_str().unwrap(), credentials).unwrap()
}

fn refused(folder: &Path) -> String {
    let Ended { success, output, errors } = run(&arguments(folder));
    assert!(!success && output.is_empty(), "{output}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    errors
}

#[test]
fn a_newcomer_sees_every_kind_of_key_at_work_on_both_transports() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("claviger-dev");
    let (process, output) = start(&folder);
    for said in [
        "UNSAFE",
        "created key store demo",
        "created database-password (OPAQUE)",
        "created signing-rsa-2048 (RSA-2048-PSS-SHA256)",
        "issued client certificate demo-client",
        "TLS/TCP      QUIC",
        "encrypted 64 records of 1024 bytes",
        "decrypted them again: all the same",
        "made and verified a MAC with webhooks",
        "signed and verified with signing-ed25519",
        "signed and verified with signing-p256",
        "signed and verified with signing-rsa-2048",
        "read the secret database-password",
        "export CLAVIGER_CONFIG=",
        "key list --store demo",
    ] {
        assert!(output.contains(said), "{said:?} is missing:\n{output}");
    }
    assert!(!output.contains("failed"), "{output}");
    assert!(!output.contains('\x1b'), "colour is for terminals");
    let Ended { success, output, errors } = process.end(Signal::INT);
    assert!(success, "{errors}");
    assert_eq!((output.as_str(), errors.as_str()), ("", ""));
}

#[test]
fn a_second_start_uses_what_the_first_one_made() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("claviger-dev");
    let (process, _) = start(&folder);
    assert!(process.end(Signal::TERM).success);
    let root_key = fs::read(folder.join("root-key")).unwrap();
    let (process, output) = start(&folder);
    for said in ["made before", "found key store demo", "found its 6 keys", "decrypted them again: all the same"] {
        assert!(output.contains(said), "{said:?} is missing:\n{output}");
    }
    assert!(!output.contains("created") && !output.contains("issued") && !output.contains("failed"), "{output}");
    assert_eq!(fs::read(folder.join("root-key")).unwrap(), root_key);
    assert!(process.end(Signal::TERM).success);
}

// R-K9
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_was_disabled_does_not_keep_it_from_serving() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("claviger-dev");
    let (process, _) = start(&folder);
    administrator(&folder).disable_key("demo", "records").await.unwrap();
    assert!(process.end(Signal::TERM).success);
    let (process, output) = start(&folder);
    assert!(output.contains("failed:") && output.contains("disabled"), "{output}");
    assert!(administrator(&folder).ready().await.unwrap().ready);
    assert!(process.end(Signal::TERM).success);
}

// R-H2
#[test]
fn keys_and_the_folder_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("claviger-dev");
    let (process, _) = start(&folder);
    let mode = |name: &str| fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(""), 0o700);
    for name in
        ["root-key", "system-keys", "tls/server-key.pem", "tls/administrator-key.pem", "tls/demo-client-key.pem"]
    {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    assert!(process.end(Signal::TERM).success);
}

#[test]
fn a_folder_that_is_half_made_or_foreign_is_left_alone() {
    let parent = tempfile::tempdir().unwrap();
    let foreign = parent.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    write(&foreign.join("letter.txt"), "Dear Ada");
    let error = refused(&foreign);
    for said in ["half made, or is not one of Claviger", "rm -r", "--folder"] {
        assert!(error.contains(said), "{error}");
    }
    assert_eq!(fs::read_dir(&foreign).unwrap().count(), 1);

    let folder = parent.path().join("claviger-dev");
    let (process, _) = start(&folder);
    assert!(process.end(Signal::TERM).success);
    fs::remove_file(folder.join("system-keys")).unwrap();
    let error = run(&arguments(&folder)).errors;
    assert!(error.contains("half there") && error.contains("missing"), "{error}");
    fs::remove_file(folder.join("config.toml")).unwrap();
    assert!(refused(&folder).contains("half made"));
}

#[test]
fn a_taken_port_is_named_and_leaves_no_folder_behind() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("claviger-dev");
    for option in ["--data", "--control"] {
        let other = if option == "--data" { "--control" } else { "--data" };
        let arguments = ["dev", "--folder", folder.to_str().unwrap(), option, &address, other, "127.0.0.1:0"];
        let Ended { success, errors, .. } = run(&arguments.map(OsStr::new));
        assert!(!success);
        for said in [address.as_str(), "ss -ltnp", option] {
            assert!(errors.contains(said), "{said:?} is missing: {errors}");
        }
        assert!(!folder.exists());
    }
}
