//! Signatures and MACs: made here, verified here and by OpenSSL; altered ones refused by both.

use crate::support::{Daemon, Files, bytes, openssl, openssl_lists_ml_dsa};
use claviger_algorithm::{Algorithm, Operation};
use std::fs;
use std::path::Path;

/// A key of each algorithm that signs, and how OpenSSL verifies it: the whole message, or with a hash and these options.
const ALGORITHMS: [(&str, Verifier); 13] = [
    ("Ed25519", Verifier::Message),
    ("ECDSA-P256-SHA256", Verifier::Digest("-sha256", &[])),
    ("ECDSA-P384-SHA384", Verifier::Digest("-sha384", &[])),
    ("ECDSA-P521-SHA512", Verifier::Digest("-sha512", &[])),
    ("ML-DSA-44", Verifier::Message),
    ("ML-DSA-65", Verifier::Message),
    ("ML-DSA-87", Verifier::Message),
    ("RSA-2048-PKCS1-SHA256", Verifier::Digest("-sha256", &[])),
    ("RSA-2048-PSS-SHA256", Verifier::Digest("-sha256", PSS)),
    ("RSA-3072-PKCS1-SHA256", Verifier::Digest("-sha256", &[])),
    ("RSA-3072-PSS-SHA256", Verifier::Digest("-sha256", PSS)),
    ("RSA-4096-PKCS1-SHA256", Verifier::Digest("-sha256", &[])),
    ("RSA-4096-PSS-SHA256", Verifier::Digest("-sha256", PSS)),
];

const PSS: &[&str] = &["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"];

#[derive(Clone, Copy)]
enum Verifier {
    Message,
    Digest(&'static str, &'static [&'static str]),
}

impl Verifier {
    fn accepts(self, public_key: &Path, message: &Path, signature: &Path) -> bool {
        match self {
            Self::Message => openssl(
                &["pkeyutl", "-verify", "-pubin", "-rawin"],
                &[("-inkey", public_key), ("-in", message), ("-sigfile", signature)],
            ),
            Self::Digest(hash, options) => {
                let arguments = [&["dgst", hash], options].concat();
                openssl(
                    &[&arguments[..], &["-verify"]].concat(),
                    &[(public_key.to_str().unwrap(), "-signature".as_ref()), (signature.to_str().unwrap(), message)],
                )
            }
        }
    }
}

#[test]
fn every_algorithm_that_signs_is_tried() {
    let signing = Algorithm::ALL.iter().filter(|algorithm| algorithm.row().does(Operation::Sign));
    assert!(signing.map(|algorithm| algorithm.name()).eq(ALGORITHMS.map(|(name, _)| name)));
}

// R-K4, R-K6
#[test]
fn signatures_of_every_algorithm_are_verified_here_and_by_openssl_and_altered_ones_refused_by_both() {
    let (daemon, files) = (Daemon::shared(), Files::new());
    let message = files.with("message", &bytes(10_000));
    let other = files.with("other", &bytes(9_999));
    for (algorithm, verifier) in ALGORITHMS {
        daemon.claviger(["key", "create", "--store", "demo", "--algorithm", algorithm, algorithm]).done();
        let with = |command: &'static str| daemon.claviger([command, "--store", "demo", "--key", algorithm, "--force"]);
        let verify = || daemon.claviger(["verify", "--store", "demo", "--key", algorithm]);
        let public_key = files.path("public.pem");
        // ML-DSA came with OpenSSL 3.5: before that, this program alone verifies it.
        let openssl_has_it = !algorithm.starts_with("ML-DSA") || openssl_lists_ml_dsa();
        with("public-key").paths([&*public_key]).done();

        let message_form: &[&str] = &[];
        // What is signed in one form is verified in the other: the hash is the same.
        let forms = match verifier {
            Verifier::Message => vec![(message_form, message_form)],
            Verifier::Digest(..) => vec![(message_form, &["--digest"][..]), (&["--digest"], message_form)],
        };
        let signature = files.path("signature");
        for (signed, verified) in forms {
            with("sign").args(signed.iter().copied()).paths([&*message, &*signature]).done();
            let accepted = !openssl_has_it || verifier.accepts(&public_key, &message, &signature);
            assert!(accepted, "{algorithm} {signed:?}");
            let valid = verify().args(verified.iter().copied()).paths([&*message, &*signature]).done();
            assert!(valid.text().contains("the signature is valid, made by version 1"), "{}", valid.text());
        }

        let mut bytes = fs::read(&signature).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        let altered = files.with("altered", &bytes);
        let shortened = files.with("shortened", &bytes[..middle]);
        for (message, signature) in [(&message, &altered), (&message, &shortened), (&other, &signature)] {
            assert!(!openssl_has_it || !verifier.accepts(&public_key, message, signature), "{algorithm}");
            let invalid = verify().paths([&**message, &**signature]).run();
            assert_eq!(invalid.code(), 1);
            assert!(invalid.text().contains("NOT VALID"), "{}", invalid.text());
        }
    }
}

// R-K15
#[test]
fn a_signature_of_before_a_rotation_is_verified_and_names_its_version() {
    let (daemon, files) = (Daemon::shared(), Files::new());
    daemon.claviger(["key", "create", "--store", "demo", "--algorithm", "Ed25519", "rotated"]).done();
    let (message, signature) = (files.with("message", b"text"), files.path("signature"));
    let public_key = |version: &[&str]| {
        daemon.claviger(["public-key", "--store", "demo", "--key", "rotated"]).args(version.iter().copied()).done()
    };
    let before = public_key(&[]);
    daemon.claviger(["sign", "--store", "demo", "--key", "rotated"]).paths([&*message, &*signature]).done();
    daemon.claviger(["key", "rotate", "--store", "demo", "rotated"]).done();
    let verify = || daemon.claviger(["verify", "--store", "demo", "--key", "rotated", "--json"]);
    let verdict = verify().paths([&*message, &*signature]).done().json();
    assert_eq!(verdict, serde_json::json!({ "valid": true, "key_version": 1 }));
    let by_the_new_one = verify().args(["--key-version", "2"]).paths([&*message, &*signature]).run();
    assert_eq!((by_the_new_one.code(), by_the_new_one.json()["valid"].as_bool()), (1, Some(false)));
    verify().args(["--key-version", "3"]).paths([&*message, &*signature]).refused("KeyVersionNotFound");
    assert_ne!(public_key(&[]).text(), before.text());
    assert_eq!(public_key(&["--key-version", "1"]).text(), before.text());
}

// R-K4
#[test]
fn a_large_file_is_signed_by_its_digest_only() {
    let (daemon, files) = (Daemon::shared(), Files::new());
    let (large, signature) = (files.with("large", &bytes(32_769)), files.path("signature"));
    let sign = |key| daemon.claviger(["sign", "--store", "demo", "--key", key]).paths([&*large, &*signature]);
    sign("signing-p256").refused(
        "large has more than 32768 bytes, the most that is sent to be hashed by the server: hash it here with --digest",
    );
    sign("signing-ed25519").refused("use an RSA or ECDSA key with --digest");
    sign("signing-ed25519").args(["--digest"]).refused("takes whole messages only: leave out --digest");
    sign("records").refused("a key of XAES-256-GCM does not sign: use one that does, see `claviger key algorithms`");
    assert_eq!(files.names(), ["large"]);
    sign("signing-p256").args(["--digest"]).done();
    let verify = ["verify", "--store", "demo", "--key", "signing-p256", "--digest"];
    daemon.claviger(verify).paths([&*large, &*signature]).done();
}

#[test]
fn signatures_are_written_and_read_as_text() {
    let (daemon, files) = (Daemon::shared(), Files::new());
    let message = files.with("message", b"text");
    for form in ["--hex", "--base64"] {
        let key = ["--store", "demo", "--key", "signing-p256", form];
        let signed = daemon.claviger(["sign"]).args(key).paths([&*message]).done();
        assert!(signed.text().ends_with('\n'));
        let signature = files.with("signature", signed.output());
        daemon.claviger(["verify"]).args(key).paths([&*message, &*signature]).done();
        let raw = ["verify", "--store", "demo", "--key", "signing-p256"];
        assert_eq!(daemon.claviger(raw).paths([&*message, &*signature]).run().code(), 1, "text is no signature");
        let garbage = files.with("garbage", b"not of this form");
        daemon.claviger(["verify"]).args(key).paths([&*message, &*garbage]).refused("is written in another form");
    }
    let both = ["sign", "--store", "demo", "--key", "signing-p256", "--hex", "--base64"];
    assert_eq!(daemon.claviger(both).input(b"text").run().code(), 2);
}

#[test]
fn message_and_signature_do_not_both_come_from_standard_input() {
    let verify = ["verify", "--store", "demo", "--key", "signing-p256", "-", "-"];
    Daemon::shared().claviger(verify).input(b"text").refused("only one of the two");
}

// R-K5
#[test]
fn macs_are_verified_and_altered_ones_refused() {
    let (daemon, files) = (Daemon::shared(), Files::new());
    let (message, other) = (files.with("message", &bytes(32_768)), files.with("other", &bytes(32_767)));
    let (mac, altered) = (files.path("mac"), files.path("altered"));
    let key = ["--store", "demo", "--key", "webhooks"];
    daemon.claviger(["mac"]).args(key).paths([&*message, &*mac]).done();
    let mut bytes = fs::read(&mac).unwrap();
    assert_eq!(bytes.len(), 32);
    let verify = || daemon.claviger(["verify-mac"]).args(key);
    assert!(verify().paths([&*message, &*mac]).done().text().contains("the MAC is valid, made by version 1"));
    assert_eq!(verify().paths([&*other, &*mac]).run().code(), 1);
    fs::write(&altered, &bytes[..31]).unwrap();
    assert_eq!(verify().paths([&*message, &*altered]).run().code(), 1, "shortened");
    bytes[31] ^= 1;
    fs::write(&altered, &bytes).unwrap();
    assert!(verify().paths([&*message, &*altered]).run().text().contains("NOT VALID"));
    let large = files.with("large", &[0; 32_769]);
    daemon.claviger(["mac"]).args(key).paths([&*large]).refused("32,768 bytes at most");
}
