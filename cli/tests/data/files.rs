//! Files come back as they were, and no output is touched that should not be.

use crate::support::{Daemon, Files, Run, bytes};
use std::fs;
use std::os::unix::fs::PermissionsExt;

const RECORD: usize = 32_768;

fn encrypt(daemon: &Daemon) -> Run {
    daemon.claviger(["encrypt", "--store", "demo", "--key", "records"])
}

fn decrypt(daemon: &Daemon) -> Run {
    daemon.claviger(["decrypt", "--store", "demo", "--key", "records"])
}

// R-K19, R-P2
#[test]
fn files_of_every_size_come_back_over_both_transports() {
    let (daemon, files) = (Daemon::shared(), Files::new());
    for transport in ["tcp", "quic"] {
        for size in [0, 1, RECORD - 1, RECORD, RECORD + 1, 8 * RECORD, 8 * RECORD + 1, 1_048_576 + 17] {
            let plaintext = bytes(size);
            let (plain, encrypted, decrypted) =
                (files.with("plain", &plaintext), files.path("encrypted"), files.path("decrypted"));
            let over = ["--transport", transport, "--force"];
            encrypt(&daemon).args(over).paths([&*plain, &*encrypted]).done();
            decrypt(&daemon).args(over).paths([&*encrypted, &*decrypted]).done();
            assert!(fs::read(&decrypted).unwrap() == plaintext, "{size} bytes over {transport}");
            let records = size.div_ceil(RECORD).max(1);
            assert_eq!(fs::read(&encrypted).unwrap().len(), 48 + size + records * (5 + 94), "{size} bytes");
        }
    }
}

#[test]
fn standard_input_and_output_are_as_good_as_files() {
    let (daemon, plaintext) = (Daemon::shared(), bytes(600_000));
    let encrypted = encrypt(&daemon).args(["-", "-"]).input(&plaintext).done();
    let decrypted = decrypt(&daemon).input(encrypted.output()).done();
    assert!(decrypted.output() == plaintext);
    assert!(decrypted.error().starts_with("decrypted standard input to standard output: 600.00 kB in "));
}

// R-K19
#[test]
fn the_order_of_the_context_does_not_matter() {
    let daemon = Daemon::shared();
    let encrypted = encrypt(&daemon).args(["--context", "tenant=7", "--context", "year=2026"]).input(b"text").done();
    let decrypted =
        decrypt(&daemon).args(["--context", "year=2026", "--context", "tenant=7"]).input(encrypted.output()).done();
    assert_eq!(decrypted.output(), b"text");
}

// R-K15
#[test]
fn a_file_is_decrypted_after_the_key_was_rotated() {
    let daemon = Daemon::shared();
    let encrypted = encrypt(&daemon).input(b"of before").done();
    daemon.claviger(["key", "rotate", "--store", "demo", "records"]).done();
    assert_eq!(decrypt(&daemon).input(encrypted.output()).done().output(), b"of before");
}

#[test]
fn two_files_of_the_same_plaintext_differ_and_name_their_key() {
    let daemon = Daemon::shared();
    let [first, second] = [(); 2].map(|()| encrypt(&daemon).input(b"same").done());
    assert_ne!(first.output()[16..32], second.output()[16..32], "file ids");
    assert_eq!(first.output()[32..48], second.output()[32..48], "key ids");
}

#[test]
fn an_existing_output_is_replaced_by_force_only() {
    let (daemon, files) = (Daemon::shared(), Files::new());
    let (plain, encrypted) = (files.with("plain", b"text"), files.with("encrypted", b"old"));
    let exists = "encrypted exists: choose another name, or replace it with --force";
    encrypt(&daemon).paths([&*plain, &*encrypted]).refused(exists);
    assert_eq!(fs::read(&encrypted).unwrap(), b"old");
    encrypt(&daemon).args(["--force"]).paths([&*plain, &*encrypted]).done();
    assert_ne!(fs::read(&encrypted).unwrap(), b"old");
    decrypt(&daemon).paths([&*encrypted, &*plain]).refused("plain exists");
    assert_eq!(files.names(), ["encrypted", "plain"]);
}

#[test]
fn a_decrypted_file_is_readable_by_its_owner_only() {
    let (daemon, files) = (Daemon::shared(), Files::new());
    let encrypted = encrypt(&daemon).input(b"text").done();
    let decrypted = files.path("decrypted");
    let path = decrypted.to_str().unwrap();
    decrypt(&daemon).args(["-", path]).input(encrypted.output()).done();
    assert_eq!(fs::metadata(&decrypted).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn the_report_for_programs_counts_bytes_and_records() {
    let (daemon, files) = (Daemon::shared(), Files::new());
    let (plain, encrypted) = (files.with("plain", &bytes(RECORD + 1)), files.path("encrypted"));
    let report = encrypt(&daemon).args(["--json"]).paths([&*plain, &*encrypted]).done().json();
    assert_eq!((&report["plaintext_bytes"], &report["records"]), (&(RECORD + 1).into(), &2.into()));
    assert_eq!(report["file_id"].as_str().unwrap().len(), 32);
}

#[test]
fn what_cannot_be_read_or_written_is_named() {
    let (daemon, files) = (Daemon::shared(), Files::new());
    let plain = files.with("plain", b"text");
    encrypt(&daemon).paths([&*files.path("absent"), &*files.path("out")]).refused("absent: No such file");
    encrypt(&daemon).paths([&*files.path(""), &*files.path("out")]).refused("is a folder: name a file");
    encrypt(&daemon).paths([&*plain, &*files.path("absent/out")]).refused("absent/out: ");
    encrypt(&daemon).args(["--force"]).paths([&*plain, "/dev/null".as_ref()]).refused("/dev/null is no ordinary file");
    encrypt(&daemon).paths([&*plain, "/dev/full".as_ref()]).refused("/dev/full is no ordinary file");
    assert_eq!(files.names(), ["plain"]);
}

#[test]
fn contexts_that_are_none_are_refused() {
    let daemon = Daemon::shared();
    let twice = ["--context", "tenant=7", "--context", "tenant=8"];
    encrypt(&daemon).args(twice).input(b"text").refused("\"tenant\" twice");
    let long = format!("name={}", "v".repeat(4_013));
    encrypt(&daemon).args(["--context", &long]).input(b"text").refused("takes 4025 bytes, at most 4024 are allowed");
    let fits = format!("name={}", "v".repeat(4_012));
    encrypt(&daemon).args(["--context", &fits]).input(b"text").done();
    assert_eq!(encrypt(&daemon).args(["--context", "tenant"]).run().code(), 2);
}

#[test]
fn no_file_is_made_of_what_is_no_encrypted_file() {
    let (daemon, files) = (Daemon::shared(), Files::new());
    let out = files.path("out");
    let named = |bytes: &[u8], words: &str| {
        let file = files.with("in", bytes);
        decrypt(&daemon).paths([&*file, &*out]).refused(words);
        assert_eq!(files.names(), ["in"]);
    };
    named(b"", "in: it is no file that `claviger encrypt` made");
    named(&bytes(1_000), "in: it is no file that `claviger encrypt` made");
    named(b"\x89CLAV\n\x1a\x01", "cut");
    named(&[b"\x89CLAV\n\x1a\x01", &[0; 100][..]].concat(), "transfer it again, as binary");
    named(&[b"\x89CLAV\r\n\x1a\x02", &[0; 100][..]].concat(), "format version 2");
}
