//! What OpenSSL encrypts to a public key that this program has written, and this program decrypts.

use crate::support::{Daemon, Files, Run, bytes, openssl};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const OAEP: [&str; 6] =
    ["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256", "-pkeyopt", "rsa_mgf1_md:sha256"];

/// A key of one test, and its public key in a file.
struct Letters {
    daemon: Arc<Daemon>,
    files: Files,
    key: &'static str,
}

impl Letters {
    fn to(key: &'static str, algorithm: &str) -> Self {
        let letters = Self { daemon: Daemon::shared(), files: Files::new(), key };
        letters.daemon.claviger(["key", "create", "--store", "demo", "--algorithm", algorithm, key]).done();
        letters.read_public_key();
        letters
    }

    fn read_public_key(&self) {
        let path = self.files.path("public.pem");
        self.daemon.claviger(["public-key", "--store", "demo", "--key", self.key, "--force"]).paths([&*path]).done();
    }

    /// `plaintext`, encrypted by OpenSSL with these options.
    fn encrypt(&self, options: &[&str], plaintext: &[u8]) -> PathBuf {
        let (input, output) = (self.files.with("plaintext", plaintext), self.files.path("ciphertext"));
        let paths = [("-inkey", &*self.files.path("public.pem")), ("-in", &*input), ("-out", &*output)];
        assert!(openssl(&[&["pkeyutl", "-encrypt", "-pubin"], options].concat(), &paths), "{options:?}");
        output
    }

    fn decrypt(&self, ciphertext: &Path) -> Run {
        self.daemon.claviger(["asymmetric-decrypt", "--store", "demo", "--key", self.key]).paths([ciphertext])
    }
}

// R-K4
#[test]
fn what_openssl_encrypts_is_decrypted_on_both_transports_by_every_size_of_key() {
    for (key, algorithm, size_max) in [
        ("letters-2048", "RSA-2048-OAEP-SHA256", 190),
        ("letters-3072", "RSA-3072-OAEP-SHA256", 318),
        ("letters-4096", "RSA-4096-OAEP-SHA256", 446),
    ] {
        let letters = Letters::to(key, algorithm);
        let plaintext = bytes(size_max);
        let ciphertext = letters.encrypt(&OAEP, &plaintext);
        for transport in ["tcp", "quic"] {
            let done = letters.decrypt(&ciphertext).args(["--transport", transport]).done();
            assert_eq!((done.output(), done.error()), (&plaintext[..], ""), "{algorithm}");
        }
    }
}

// R-K4
#[test]
fn a_label_is_given_again_as_it_is_or_as_a_context() {
    let letters = Letters::to("letters-label", "RSA-2048-OAEP-SHA256");
    let encrypt = |label: &str| {
        letters.encrypt(&[&OAEP[..], &["-pkeyopt", &format!("rsa_oaep_label:{label}")]].concat(), b"letter")
    };
    let ciphertext = encrypt("6c6162656c");
    assert_eq!(letters.decrypt(&ciphertext).args(["--label", "6c6162656c"]).done().output(), b"letter");
    for other in [&[][..], &["--label", "6c616265"], &["--label", ""], &["--context", "label=label"]] {
        letters.decrypt(&ciphertext).args(other.iter().copied()).refused("give the label that it was encrypted with");
    }
    let halved = letters.decrypt(&ciphertext).args(["--label", "6"]).run();
    assert!(halved.code() == 2 && halved.error().contains("hexadecimal digits"), "{}", halved.error());
    // SPEC section 5: sorted, each name and each value with its size.
    let [unsorted, sorted] = ["000000017a000000013100000001610000000132", "00000001610000000132000000017a0000000131"];
    let ciphertext = encrypt(sorted);
    let context = ["--context", "z=1", "--context", "a=2"];
    assert_eq!(letters.decrypt(&ciphertext).args(context).done().output(), b"letter");
    let ciphertext = encrypt(unsorted);
    letters.decrypt(&ciphertext).args(context).refused("cannot be decrypted");
    assert_eq!(letters.decrypt(&ciphertext).args(["--context", "a=2", "--label", ""]).run().code(), 2);
}

// R-K15
#[test]
fn what_was_encrypted_before_a_rotation_is_decrypted_and_names_its_version() {
    let letters = Letters::to("letters-rotated", "RSA-2048-OAEP-SHA256");
    let before = letters.encrypt(&OAEP, b"before");
    letters.daemon.claviger(["key", "rotate", "--store", "demo", letters.key]).done();
    let answer = letters.decrypt(&before).args(["--json"]).done().json();
    assert_eq!((&answer["key_version"], &answer["plaintext"]), (&1.into(), &"YmVmb3Jl".into()));
    assert_eq!(answer["algorithm"], "RSA-2048-OAEP-SHA256");
    letters.decrypt(&before).args(["--key-version", "2"]).refused("cannot be decrypted");
    letters.decrypt(&before).args(["--key-version", "3"]).refused("KeyVersionNotFound");
    letters.read_public_key();
    let after = letters.encrypt(&OAEP, b"after");
    assert_eq!(letters.decrypt(&after).args(["--json"]).done().json()["key_version"], 2);
}

// R-K4
#[test]
fn other_paddings_and_altered_files_are_refused_and_leave_nothing() {
    let letters = Letters::to("letters-altered", "RSA-2048-OAEP-SHA256");
    let good = fs::read(letters.encrypt(&OAEP, b"letter")).unwrap();
    let refused = |ciphertext: &[u8], words: &str| {
        let path = letters.files.with("ciphertext", ciphertext);
        let out = letters.files.path("out");
        letters.decrypt(&path).paths([&*out]).refused(words);
        assert!(!out.exists());
    };
    let mut altered = good.clone();
    altered[200] ^= 1;
    refused(&altered, "cannot be decrypted");
    for options in [&["-pkeyopt", "rsa_padding_mode:pkcs1"][..], &["-pkeyopt", "rsa_padding_mode:oaep"]] {
        refused(&fs::read(letters.encrypt(options, b"letter")).unwrap(), "by RSA-OAEP with SHA-256 for label and mask");
    }
    refused(&good[1..], "ciphertext has 255 bytes, a ciphertext for RSA-2048-OAEP-SHA256 has 256");
    refused(&[&good[..], b"\n"].concat(), "has 257 bytes");
    refused(b"", "has 0 bytes");
    refused(&bytes(10_000), "encrypt large data with a key of their own");
}

#[test]
fn ciphertexts_are_read_as_text_and_plaintexts_are_their_owners_only() {
    let letters = Letters::to("letters-text", "RSA-2048-OAEP-SHA256");
    let ciphertext = letters.encrypt(&OAEP, b"letter");
    let digits: String = fs::read(&ciphertext).unwrap().iter().map(|byte| format!("{byte:02X}")).collect();
    let lines: Vec<_> = digits.as_bytes().chunks(64).map(|line| [line, b"\n"].concat()).collect();
    let text = letters.files.with("text", &lines.concat());
    assert_eq!(letters.decrypt(&text).args(["--hex"]).done().output(), b"letter");
    letters.decrypt(&text).refused("say with --hex or --base64 how it is written");
    letters.decrypt(&text).args(["--base64"]).refused("");
    let out = letters.files.path("out");
    letters.decrypt(&ciphertext).paths([&*out]).done();
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    letters.decrypt(&ciphertext).paths([&*out]).refused("exists");
}

// R-K1
#[test]
fn each_command_names_the_other_one_for_keys_that_are_not_its_own() {
    let letters = Letters::to("letters-purpose", "RSA-2048-OAEP-SHA256");
    let ciphertext = letters.encrypt(&OAEP, b"letter");
    let command = |name: &'static str, key: &'static str| {
        letters.daemon.claviger([name, "--store", "demo", "--key", key]).paths([&*ciphertext])
    };
    command("decrypt", letters.key).refused("use `claviger asymmetric-decrypt`");
    command("encrypt", letters.key).refused("see `claviger asymmetric-decrypt --help`");
    command("sign", letters.key).refused("does not sign: use one that does");
    command("mac", letters.key).refused("OperationNotAllowed");
    command("asymmetric-decrypt", "records").refused("use `claviger decrypt`");
    command("asymmetric-decrypt", "signing-rsa-2048").refused("does not decrypt: use one of RSA with OAEP");
    command("decrypt", "signing-p256").refused("does not decrypt: use a symmetric one");
    command("encrypt", "webhooks").refused("does not encrypt: use a symmetric one");
}
