//! Keys of OpenSSL's making: wrapped by its program, imported on the control port, used on the data port, and judged by OpenSSL again.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may be blunt"
)]

#[allow(dead_code, reason = "shared with the tests of the control port")]
#[path = "control/support.rs"]
mod support;

#[path = "openssl/mod.rs"]
mod openssl;

use aws_lc_rs::encoding::AsRawBytes;
use aws_lc_rs::signature::{KeyPair as _, ML_DSA_65, ML_DSA_65_SIGNING, PqdsaKeyPair, UnparsedPublicKey};
use claviger_client::{Client, ClientConfig, Context, Identity, ServerCa};
use claviger_control::message::{
    Access, BeginImport, CompleteImport, CreateKeys, CreateStore, ExportKey, IssueCertificate, Key, NewKey,
};
use claviger_control::secret::SecretText;
use claviger_control::{ControlClient, ControlError};
use openssl::{Folder, hexadecimal};
use support::Running;

/// A daemon with a key store, an administrator, and a client whom the store admits.
struct World {
    running: Running,
    administrator: ControlClient,
    client: Client,
}

impl World {
    async fn start() -> Self {
        let running = Running::start().await;
        let administrator = running.administrator();
        let access = Access { client_certificate: true, ..Access::default() };
        administrator.create_store(&CreateStore { name: STORE.into(), access }).await.unwrap();
        let request = IssueCertificate { common_name: "billing".into(), ..IssueCertificate::default() };
        let issued = administrator.issue_certificate(STORE, &request).await.unwrap();
        let key = issued.private_key.unwrap();
        let identity = Identity::from_pem(issued.certificate.as_bytes(), key.expose().as_bytes()).unwrap();
        let server_ca = ServerCa::from_der(running.server.certificate().to_vec());
        let config = ClientConfig::new(running.daemon.data_address().to_string(), server_ca, Some(identity));
        let client = Client::connect(config).await.unwrap();
        Self { running, administrator, client }
    }

    async fn end(self) {
        drop(self.client);
        self.running.daemon.stop().await;
    }

    /// Imports the file `material` of `folder`, wrapped by OpenSSL.
    async fn import(&self, folder: &Folder, name: &str, algorithm: &str) -> Result<Key, ControlError> {
        let (name, algorithm) = (Some(name.to_owned()), Some(algorithm.to_owned()));
        let begin = BeginImport { name, algorithm, ..BeginImport::default() };
        let import = self.administrator.begin_import(STORE, &begin).await.unwrap();
        folder.write("transport.pem", import.public_key.as_bytes());
        folder.wrap("transport.pem", "material", "wrapped");
        let wrapped = SecretText::base64_of(&folder.read("wrapped"));
        self.administrator.complete_import(STORE, &import.id, &CompleteImport { wrapped }).await
    }
}

const STORE: &str = "payments";
const MESSAGE: &[u8] = b"a message that an imported key signs";
const RSA: &[&str] = &["RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
const PSS: &[&str] = &["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"];
const OAEP: &[&str] = &["rsa_padding_mode:oaep", "rsa_oaep_md:sha256", "rsa_mgf1_md:sha256"];

// R-K4, R-K18
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_keys_of_openssl_sign_what_openssl_verifies() {
    let world = World::start().await;
    for (algorithm, generate, hash, options) in [
        ("RSA-2048-PKCS1-SHA256", RSA, Some("-sha256"), &[][..]),
        ("RSA-2048-PSS-SHA256", RSA, Some("-sha256"), PSS),
        ("ECDSA-P256-SHA256", &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"], Some("-sha256"), &[]),
        ("ECDSA-P384-SHA384", &["EC", "-pkeyopt", "ec_paramgen_curve:P-384"], Some("-sha384"), &[]),
        ("ECDSA-P521-SHA512", &["EC", "-pkeyopt", "ec_paramgen_curve:P-521"], Some("-sha512"), &[]),
        ("Ed25519", &["ED25519"], None, &[]),
    ] {
        let folder = Folder::with_private_key(generate);
        let imported = world.import(&folder, algorithm, algorithm).await.unwrap();
        assert_eq!((imported.state.as_str(), imported.versions[0].origin.as_str()), ("available", "imported"));
        let key = world.client.key(STORE, algorithm).await.unwrap();
        folder.write("message", MESSAGE);
        folder.write("signature", &key.sign(MESSAGE).await.unwrap().bytes);
        folder.verify(hash, options);
        let public_key = key.read_public_key(None).await.unwrap();
        assert_eq!(public_key.der, folder.read("public.der"), "{algorithm}");
        folder.sign(hash, options);
        assert_eq!(key.verify(MESSAGE, &folder.read("signature"), None).await.unwrap(), 1, "{algorithm}");
    }
    world.end().await;
}

// R-K4, R-K18
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ml_dsa_key_is_taken_as_its_seed_alone() {
    let (world, folder) = (World::start().await, Folder::new());
    let seed = [0x2a; 32];
    let theirs = PqdsaKeyPair::from_seed(&ML_DSA_65_SIGNING, &seed).unwrap();
    let pkcs8 = |private_key: &[u8]| {
        let algorithm = [0x30, 11, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 18];
        der(0x30, &[&[2, 1, 0], &algorithm[..], &der(4, private_key)].concat())
    };
    // The seed alone, as OpenSSL 3.5 writes it when it is told to; and with the expanded key beside it, as it does else (RFC 9881 section 6).
    let alone = pkcs8(&der(0x80, &seed));
    let expanded = der(4, theirs.private_key().as_raw_bytes().unwrap().as_ref());
    let both = pkcs8(&der(0x30, &[der(4, &seed), expanded].concat()));

    folder.write("material", &both);
    let refused = world.import(&folder, "receipts", "ML-DSA-65").await;
    let Err(ControlError::Refused(problem)) = refused else { panic!("taken") };
    assert_eq!(problem.kind, "urn:claviger:problem:import-failed");

    folder.write("material", &alone);
    let imported = world.import(&folder, "receipts", "ML-DSA-65").await.unwrap();
    assert_eq!((imported.state.as_str(), imported.versions[0].origin.as_str()), ("available", "imported"));
    let key = world.client.key(STORE, "receipts").await.unwrap();
    let signature = key.sign(MESSAGE).await.unwrap();
    let public_key = UnparsedPublicKey::new(&ML_DSA_65, theirs.public_key().as_ref());
    assert!(public_key.verify(MESSAGE, &signature.bytes).is_ok(), "it is the key of the seed");
    let mut signature = vec![0; ML_DSA_65_SIGNING.signature_len()];
    theirs.sign(MESSAGE, &mut signature).unwrap();
    assert_eq!(key.verify(MESSAGE, &signature, None).await.unwrap(), 1);
    world.end().await;
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let size = u16::try_from(content.len()).unwrap();
    let header = match size {
        0..=0x7f => vec![tag, u8::try_from(size).unwrap()],
        _ => [&[tag, 0x82][..], &size.to_be_bytes()].concat(),
    };
    [&header, content].concat()
}

// R-K4, R-K18
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decryption_key_of_openssl_decrypts_what_openssl_has_encrypted_to_it() {
    let world = World::start().await;
    let folder = Folder::with_private_key(RSA);
    world.import(&folder, "inbox", "RSA-2048-OAEP-SHA256").await.unwrap();
    folder.write("message", MESSAGE);
    let mut arguments = vec!["pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey", "public.der"];
    arguments.extend(OAEP.iter().flat_map(|option| ["-pkeyopt", option]));
    arguments.extend(["-in", "message", "-out", "ciphertext"]);
    folder.run(&arguments);
    let key = world.client.key(STORE, "inbox").await.unwrap();
    let decrypted = key.asymmetric_decrypt(&Context::EMPTY, &folder.read("ciphertext"), None).await.unwrap();
    assert_eq!(decrypted.plaintext.expose(), MESSAGE);
    world.end().await;
}

// R-K2, R-K3, R-K5, R-K18
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_bytes_of_openssl_are_symmetric_keys_mac_keys_and_secrets() {
    let world = World::start().await;
    for (algorithm, hash, size) in
        [("HMAC-SHA-256", "sha256", "32"), ("HMAC-SHA-384", "sha384", "48"), ("HMAC-SHA-512", "sha512", "64")]
    {
        let folder = Folder::new();
        folder.run(&["rand", "-out", "material", size]);
        world.import(&folder, algorithm, algorithm).await.unwrap();
        folder.write("message", MESSAGE);
        let key = format!("hexkey:{}", hexadecimal(&folder.read("material")));
        folder.run(&[
            "dgst",
            "-mac",
            "HMAC",
            "-macopt",
            &key,
            &format!("-{hash}"),
            "-binary",
            "-out",
            "mac",
            "message",
        ]);
        let made = world.client.key(STORE, algorithm).await.unwrap().make_mac(MESSAGE).await.unwrap();
        assert_eq!(made.bytes, folder.read("mac"), "{algorithm}");
    }
    for algorithm in ["XAES-256-GCM", "AES-256-GCM"] {
        let folder = Folder::new();
        folder.run(&["rand", "-out", "material", "32"]);
        world.import(&folder, algorithm, algorithm).await.unwrap();
        let key = world.client.key(STORE, algorithm).await.unwrap();
        let ciphertext = key.encrypt(&Context::EMPTY, MESSAGE).await.unwrap();
        assert_eq!(key.decrypt(&Context::EMPTY, &ciphertext).await.unwrap().expose(), MESSAGE, "{algorithm}");
    }
    let folder = Folder::new();
    folder.write("material", b"hunter2");
    world.import(&folder, "password", "OPAQUE").await.unwrap();
    let secret = world.client.key(STORE, "password").await.unwrap().read_secret(None).await.unwrap();
    assert_eq!(secret.value.expose(), b"hunter2");
    world.end().await;
}

// R-K6
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openssl_unwraps_an_exported_key_and_signs_with_it() {
    let world = World::start().await;
    let new = |name: &str, algorithm| NewKey { exportable: true, ..NewKey::new(name, algorithm) };
    let keys = vec![new("receipts", "ECDSA-P256-SHA256"), new("webhooks", "HMAC-SHA-256")];
    world.administrator.create_keys(STORE, &CreateKeys { keys }).await.unwrap();
    let folder = Folder::new();
    folder.run(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072", "-out", "receiver.pem"]);
    folder.run(&["pkey", "-in", "receiver.pem", "-pubout", "-out", "receiver-public.pem"]);
    let public_key = String::from_utf8(folder.read("receiver-public.pem")).unwrap();
    for name in ["receipts", "webhooks"] {
        let export = ExportKey { version: None, public_key: public_key.clone() };
        let exported = world.administrator.export_key(STORE, name, &export).await.unwrap();
        assert_eq!(exported.version, 1);
        folder.run(&["pkey", "-pubin", "-in", "receiver-public.pem", "-outform", "DER", "-out", "receiver.der"]);
        folder.run(&["dgst", "-sha256", "-binary", "-out", "hash", "receiver.der"]);
        assert_eq!(exported.public_key_sha256, hexadecimal(&folder.read("hash")));
        let wrapped = SecretText::from(zeroize::Zeroizing::new(exported.wrapped)).decode_base64().unwrap();
        folder.write("wrapped", &wrapped);
        folder.unwrap("receiver.pem", "wrapped", "material");
        folder.write("message", MESSAGE);
        let key = world.client.key(STORE, name).await.unwrap();
        if name == "receipts" {
            folder.run(&["pkey", "-inform", "DER", "-in", "material", "-out", "key.pem"]);
            folder.sign(Some("-sha256"), &[]);
            assert_eq!(key.verify(MESSAGE, &folder.read("signature"), None).await.unwrap(), 1);
        } else {
            let hexkey = format!("hexkey:{}", hexadecimal(&folder.read("material")));
            folder.run(&["dgst", "-mac", "HMAC", "-macopt", &hexkey, "-sha256", "-binary", "-out", "mac", "message"]);
            assert_eq!(key.verify_mac(MESSAGE, &folder.read("mac"), None).await.unwrap(), 1);
        }
    }
    world.end().await;
}

// R-K18
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_openssl_has_wrapped_in_another_way_or_what_is_no_good_key_is_one_failure() {
    let world = World::start().await;
    let mut said = Vec::new();
    for (what, prepare) in negative() {
        let begin = BeginImport {
            name: Some("refused".into()),
            algorithm: Some("ECDSA-P256-SHA256".into()),
            ..BeginImport::default()
        };
        let import = world.administrator.begin_import(STORE, &begin).await.unwrap();
        let folder = Folder::with_private_key(&["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
        folder.write("transport.pem", import.public_key.as_bytes());
        prepare(&folder);
        let wrapped = SecretText::base64_of(&folder.read("wrapped"));
        let completed = world.administrator.complete_import(STORE, &import.id, &CompleteImport { wrapped }).await;
        let Err(ControlError::Refused(problem)) = completed else { panic!("{what}: taken") };
        assert_eq!(problem.kind, "urn:claviger:problem:import-failed", "{what}");
        said.push((problem.title, problem.detail, problem.status));
    }
    said.dedup();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(world.administrator.imports(STORE).await.unwrap().imports.is_empty(), "each of them is spent");
    assert!(world.administrator.keys(STORE, None).await.unwrap().keys.is_empty());
    world.end().await;
}

type Prepare = fn(&Folder);

/// What is wrong, and how it comes about.
fn negative() -> Vec<(&'static str, Prepare)> {
    const EC: &[&str] = &["EC", "-pkeyopt", "ec_paramgen_curve:P-384"];
    vec![
        ("SHA-1 in OAEP", |folder| folder.wrap_by("transport.pem", &["rsa_padding_mode:oaep"], KWP)),
        ("SHA-384 in OAEP", |folder| {
            folder.wrap_by("transport.pem", &["rsa_padding_mode:oaep", "rsa_oaep_md:sha384"], KWP);
        }),
        ("a label in OAEP", |folder| {
            folder.wrap_by("transport.pem", &[OAEP, &["rsa_oaep_label:00"]].concat(), KWP);
        }),
        ("PKCS#1 padding", |folder| folder.wrap_by("transport.pem", &["rsa_padding_mode:pkcs1"], KWP)),
        ("key wrap without padding", |folder| {
            // RFC 3394 takes multiples of 8 bytes only.
            let mut material = folder.read("material");
            material.resize(material.len().next_multiple_of(8), 0);
            folder.write("material", &material);
            folder.wrap_by("transport.pem", OAEP, &["-id-aes256-wrap", "-iv", "A6A6A6A6A6A6A6A6"]);
        }),
        ("AES in CBC", |folder| {
            folder.wrap_by("transport.pem", OAEP, &["-aes-256-cbc", "-iv", "00000000000000000000000000000000"]);
            let mut wrapped = folder.read("wrapped");
            wrapped.truncate(wrapped.len() / 8 * 8);
            folder.write("wrapped", &wrapped);
        }),
        ("another transport key", |folder| {
            folder.run(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096", "-out", "other.pem"]);
            folder.run(&["pkey", "-in", "other.pem", "-pubout", "-out", "other-public.pem"]);
            folder.wrap("other-public.pem", "material", "wrapped");
        }),
        ("another curve", |folder| {
            folder.generate(EC);
            folder.wrap("transport.pem", "material", "wrapped");
        }),
        ("a byte behind the key", |folder| {
            folder.write("material", &[&folder.read("material")[..], &[0]].concat());
            folder.wrap("transport.pem", "material", "wrapped");
        }),
        ("a key that is cut", |folder| {
            let material = folder.read("material");
            folder.write("material", &material[..material.len() - 1]);
            folder.wrap("transport.pem", "material", "wrapped");
        }),
        ("PEM", |folder| folder.wrap("transport.pem", "key.pem", "wrapped")),
        ("the public key", |folder| folder.wrap("transport.pem", "public.der", "wrapped")),
        ("random bytes", |folder| folder.run(&["rand", "-out", "wrapped", "656"])),
        ("what is wrapped is cut", |folder| {
            folder.wrap("transport.pem", "material", "wrapped");
            let wrapped = folder.read("wrapped");
            folder.write("wrapped", &wrapped[..wrapped.len() - 8]);
        }),
    ]
}

const KWP: &[&str] = &["-id-aes256-wrap-pad", "-iv", "A65959A6"];
