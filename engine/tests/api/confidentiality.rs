//! No plain key byte reaches storage.

use std::sync::Arc;
use std::{fs, str};

use claviger_algorithm::Algorithm;
use claviger_engine::change::NewKeyStore;
use claviger_engine::key::material::SecretBytes;
use claviger_engine::storage::MemoryStorage;
use claviger_engine::{AccessMethods, Engine};

use crate::support::installation::{new_key, new_secret};
use crate::support::random::RecordingRandom;
use crate::support::tamper::all_records;
use crate::support::{Client, Places, name, start};

// R-K6, R-H1
#[test]
fn values_in_storage_hold_no_key_and_no_secret() {
    let (storage, random, places) = (Arc::new(MemoryStorage::new()), RecordingRandom::default(), Places::new());
    let engine = start(storage.clone(), &places, 100, Arc::new(random.clone())).unwrap();
    fill(&engine);
    let stored: Vec<u8> = all_records(&*storage).into_iter().flat_map(|(_, versioned)| versioned.value).collect();
    assert_holds_nothing_plain(&stored, &random);
}

// R-K6, R-H1
#[test]
fn files_of_the_data_folder_hold_no_key_and_no_secret() {
    let (places, random) = (Places::new(), RecordingRandom::default());
    let engine = start(places.open(), &places, 100, Arc::new(random.clone())).unwrap();
    fill(&engine);
    drop(engine);
    let files = fs::read_dir(places.data()).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
    let files: Vec<_> = files.flatten().collect();
    assert!(contains(&files, KEY_NAME.as_bytes()), "names are stored as they are: this is the right folder");
    assert_holds_nothing_plain(&files, &random);
}

/// A store, a secret, and keys of each kind, used and rotated.
fn fill(engine: &Arc<Engine>) {
    let store = engine.create_store(NewKeyStore {
        name: name("store"),
        methods: AccessMethods::CLIENT_CERTIFICATE,
        authority_certificate: b"certificate".to_vec(),
        authority_private_key: SecretBytes::from(PRIVATE_KEY.to_vec()),
    });
    let new = vec![
        new_secret("secret", SECRET.to_vec()),
        new_key(KEY_NAME, Algorithm::Xaes256Gcm),
        new_key("hmac-256", Algorithm::HmacSha256),
        new_key("hmac-384", Algorithm::HmacSha384),
        new_key("hmac-512", Algorithm::HmacSha512),
        new_key("ed25519", Algorithm::Ed25519),
        new_key("p256", Algorithm::EcdsaP256Sha256),
        new_key("p521", Algorithm::EcdsaP521Sha512),
        new_key("ml-dsa-65", Algorithm::MlDsa65),
    ];
    let mut client = Client::new(engine);
    for record in engine.create_keys(store.unwrap().id, new).unwrap() {
        client.with(record.id, |_| ());
        if record.algorithm != Algorithm::Opaque {
            engine.rotate(record.id).unwrap();
        }
    }
}

fn assert_holds_nothing_plain(stored: &[u8], random: &RecordingRandom) {
    for plain in [SECRET, PRIVATE_KEY] {
        assert!(!contains(stored, plain), "{:?} is stored in plain", str::from_utf8(plain));
    }
    // Symmetric and MAC keys and the seeds of Ed25519 and ML-DSA are drawn as random bytes, two versions of each; and a shred secret for each of the nine.
    let keys = random.keys();
    assert_eq!(keys.len(), 12 + 9);
    for key in keys {
        for part in key.chunks(16) {
            assert!(!contains(stored, part), "a key is stored in plain");
        }
    }
    // What private keys in PKCS#8 (RFC 5958) begin with: the object identifiers of Ed25519, of keys on curves, and of ML-DSA.
    for identifier in [
        &[0x06, 0x03, 0x2b, 0x65, 0x70][..],
        &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01],
        &[0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03],
    ] {
        assert!(!contains(stored, identifier), "a private key is stored in plain");
    }
}

fn contains(stored: &[u8], wanted: &[u8]) -> bool {
    stored.windows(wanted.len()).any(|window| window == wanted)
}

const SECRET: &[u8] = b"the recognisable value of a secret";
const PRIVATE_KEY: &[u8] = b"the recognisable private key of an authority";
const KEY_NAME: &str = "a-recognisable-name";
