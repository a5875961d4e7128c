//! Whoever holds keys in files, and works on them with the program of OpenSSL.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// A folder with what one test works on.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With a new private key: see [`Folder::generate`].
    pub(crate) fn with_private_key(generate: &[&str]) -> Self {
        let folder = Self::new();
        folder.generate(generate);
        folder
    }

    /// Makes a private key: `key.pem`, its PKCS#8 as `material`, and `public.der`.
    pub(crate) fn generate(&self, generate: &[&str]) {
        self.run(&[&["genpkey", "-out", "key.pem", "-algorithm"], generate].concat());
        self.run(&["pkcs8", "-topk8", "-nocrypt", "-in", "key.pem", "-outform", "DER", "-out", "material"]);
        self.run(&["pkey", "-in", "key.pem", "-pubout", "-outform", "DER", "-out", "public.der"]);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn run(&self, arguments: &[&str]) {
        let output = Command::new("openssl").current_dir(self.0.path()).args(arguments).output();
        let output = output.expect("openssl is installed: `cargo xtask test --install` does it");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Wraps the file `material` to the key in `public_key`.
    pub(crate) fn wrap(&self, public_key: &str, material: &str, wrapped: &str) {
        self.write("to-wrap", &self.read(material));
        self.wrap_file(public_key, OAEP, KWP, "to-wrap", wrapped);
    }

    /// Wraps `material` as `wrapped`, with other options.
    pub(crate) fn wrap_by(&self, public_key: &str, padding: &[&str], cipher: &[&str]) {
        self.wrap_file(public_key, padding, cipher, "material", "wrapped");
    }

    fn wrap_file(&self, public_key: &str, padding: &[&str], cipher: &[&str], from: &str, to: &str) {
        self.run(&["rand", "-out", "wrapping-key", "32"]);
        let mut encrypt = vec!["pkeyutl", "-encrypt", "-pubin", "-inkey", public_key];
        encrypt.extend(padding.iter().flat_map(|option| ["-pkeyopt", option]));
        encrypt.extend(["-in", "wrapping-key", "-out", "block"]);
        self.run(&encrypt);
        let key = hexadecimal(&self.read("wrapping-key"));
        let options = ["-K", &key, "-in", from, "-out", "wrapped-material"];
        self.run(&[&["enc", "-e"], cipher, &options[..]].concat());
        self.write(to, &[self.read("block"), self.read("wrapped-material")].concat());
    }

    /// Unwraps the file `wrapped` by the private key in `private_key`, of 3,072 bits.
    pub(crate) fn unwrap(&self, private_key: &str, wrapped: &str, material: &str) {
        let bytes = self.read(wrapped);
        let (block, rest) = bytes.split_at(3_072 / 8);
        self.write("block", block);
        self.write("wrapped-material", rest);
        let mut decrypt = vec!["pkeyutl", "-decrypt", "-inkey", private_key];
        decrypt.extend(OAEP.iter().flat_map(|option| ["-pkeyopt", option]));
        decrypt.extend(["-in", "block", "-out", "wrapping-key"]);
        self.run(&decrypt);
        let key = hexadecimal(&self.read("wrapping-key"));
        let options = ["-K", &key, "-in", "wrapped-material", "-out", material];
        self.run(&[&["enc", "-d"], KWP, &options[..]].concat());
    }

    /// Signs `message` by `key.pem`, as `signature`.
    pub(crate) fn sign(&self, hash: Option<&str>, options: &[&str]) {
        match hash {
            Some(hash) => {
                let to = ["-sign", "key.pem", "-out", "signature", "message"];
                self.run(&[&["dgst", hash], options, &to].concat());
            }
            None => {
                self.run(&["pkeyutl", "-sign", "-rawin", "-inkey", "key.pem", "-in", "message", "-out", "signature"]);
            }
        }
    }

    /// Verifies `signature` of `message` by `public.der`.
    pub(crate) fn verify(&self, hash: Option<&str>, options: &[&str]) {
        let public_key = ["-keyform", "DER"];
        match hash {
            Some(hash) => {
                let by = ["-verify", "public.der", "-signature", "signature", "message"];
                self.run(&[&["dgst", hash], &public_key, options, &by].concat());
            }
            None => {
                let by = ["-pubin", "-inkey", "public.der", "-in", "message", "-sigfile", "signature"];
                self.run(&[&["pkeyutl", "-verify", "-rawin"], &public_key[..], &by].concat());
            }
        }
    }
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const OAEP: &[&str] = &["rsa_padding_mode:oaep", "rsa_oaep_md:sha256", "rsa_mgf1_md:sha256"];
const KWP: &[&str] = &["-id-aes256-wrap-pad", "-iv", "A65959A6"];
