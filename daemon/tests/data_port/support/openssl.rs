//! Somebody else's software, by its program.

use std::fs;
use std::path::Path;
use std::process::Command;

/// How OAEP with SHA-256 is asked for.
pub(crate) const OAEP: &[&str] = &["rsa_padding_mode:oaep", "rsa_oaep_md:sha256", "rsa_mgf1_md:sha256"];

/// `plaintext`, encrypted to the key whose SubjectPublicKeyInfo is `public_key`, with these options.
pub(crate) fn encrypt(public_key: &[u8], options: &[&str], plaintext: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("public.der"), public_key).unwrap();
    fs::write(folder.path().join("plaintext"), plaintext).unwrap();
    let mut arguments = vec!["pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey", "public.der"];
    arguments.extend(options.iter().flat_map(|option| ["-pkeyopt", option]));
    arguments.extend(["-in", "plaintext", "-out", "ciphertext"]);
    run(folder.path(), &arguments);
    fs::read(folder.path().join("ciphertext")).unwrap()
}

fn run(folder: &Path, arguments: &[&str]) {
    let output = Command::new("openssl").current_dir(folder).args(arguments).output();
    let output = output.expect("openssl is installed: `cargo xtask test --install` does it");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
