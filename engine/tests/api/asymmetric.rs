//! Asymmetric decrypt: what others encrypt to a public key that they have read here.

use claviger_algorithm::{Algorithm, Operation};
use claviger_engine::key::state::KeyState;
use claviger_engine::key::version::KeyVersion;
use claviger_engine::limits::CONTEXT_SIZE_MAX;
use claviger_engine::{Error, ItemError, KeyEntry};

use crate::support::{Client, calls, oaep, only};

/// The smallest size stands for all: larger keys take seconds to make.
const ALGORITHM: Algorithm = Algorithm::Rsa2048OaepSha256;

/// What one who has read the public key of a version sends to it.
fn encrypt(key: &KeyEntry, version: Option<KeyVersion>, label: &[u8], plaintext: &[u8]) -> Vec<u8> {
    oaep::encrypt(&key.public_key(version).unwrap().der, label, plaintext)
}

fn decrypt(key: &KeyEntry, version: Option<KeyVersion>, ciphertext: &[u8]) -> Result<Vec<u8>, ItemError> {
    only(calls::asymmetric_decrypt(key, version, &[(b"label", ciphertext)]).unwrap())
}

/// A result of this version.
fn result(version: u32, plaintext: &[u8]) -> Result<Vec<u8>, ItemError> {
    Ok([&version.to_be_bytes(), plaintext].concat())
}

on_every_storage! {
    // R-K4
    fn plaintexts_come_back_and_whatever_is_wrong_is_one_failure_of_its_item(installation) {
        let [id, other] = ["a", "b"].map(|text| installation.create(text, ALGORITHM));
        Client::new(&installation.engine).with_both(id, other, |key, other| {
            let (longest, long_label) = (vec![b'p'; 190], vec![b'l'; CONTEXT_SIZE_MAX]);
            let too_long = [&long_label[..], b"l"].concat();
            let (empty, full) = (encrypt(key, None, b"", b""), encrypt(key, None, &long_label, &longest));
            let over_the_limit = encrypt(key, None, &too_long, b"plaintext");
            let foreign = encrypt(other, None, b"", b"plaintext");
            let mut altered = empty.clone();
            altered[100] ^= 1;
            let items = [
                (&b""[..], &empty[..]),
                (b"label", &empty),
                (b"", &altered),
                (b"", &empty[1..]),
                (b"", b""),
                (b"", &foreign),
                (&too_long, &over_the_limit),
                (&long_label, &full),
            ];
            let decrypted = calls::asymmetric_decrypt(key, None, &items).unwrap();
            let failed = || Err(ItemError::DecryptionFailed);
            let expected =
                [result(1, b""), failed(), failed(), failed(), failed(), failed(), failed(), result(1, &longest)];
            assert_eq!(decrypted, expected);
        });
    }

    // R-K4, R-K15
    fn ciphertexts_for_old_versions_decrypt_with_and_without_their_number(installation) {
        let id = installation.create("key", ALGORITHM);
        let mut client = Client::new(&installation.engine);
        let mut ciphertexts = Vec::new();
        for version in 1..=3 {
            ciphertexts.push(client.with(id, |key| encrypt(key, None, b"label", &[version])));
            if version < 3 {
                installation.engine.rotate(id).unwrap();
            }
        }
        client.with(id, |key| {
            for (plaintext, ciphertext) in (1..=3_u8).zip(&ciphertexts) {
                let version = u32::from(plaintext);
                assert_eq!(decrypt(key, None, ciphertext), result(version, &[plaintext]));
                for named in 1..=3 {
                    let expected =
                        if named == version { result(version, &[plaintext]) } else { Err(ItemError::DecryptionFailed) };
                    assert_eq!(decrypt(key, KeyVersion::new(named), ciphertext), expected, "{version} by {named}");
                }
                // The public key of an old version is still read, and still encrypted to.
                let again = encrypt(key, KeyVersion::new(version), b"label", b"again");
                assert_eq!(decrypt(key, None, &again), result(version, b"again"));
            }
            let missing = calls::asymmetric_decrypt(key, KeyVersion::new(4), &[(b"label", &ciphertexts[0])]);
            assert!(matches!(missing, Err(Error::KeyVersionNotFound { version, .. }) if version.get() == 4));
        });
    }

    // R-K9
    fn disabled_key_decrypts_nothing_and_its_public_key_is_still_read(installation) {
        let id = installation.create("key", ALGORITHM);
        let mut client = Client::new(&installation.engine);
        let ciphertext = client.with(id, |key| encrypt(key, None, b"label", b"plaintext"));
        installation.engine.set_state(id, KeyState::Disabled).unwrap();
        client.with(id, |key| {
            let refused = calls::asymmetric_decrypt(key, None, &[(b"label", &ciphertext)]);
            assert!(matches!(refused, Err(Error::KeyNotUsable { state: KeyState::Disabled, .. })));
            assert!(key.public_key(None).is_ok());
        });
        installation.engine.set_state(id, KeyState::Available).unwrap();
        client.with(id, |key| assert_eq!(decrypt(key, None, &ciphertext), result(1, b"plaintext")));
    }
}

// R-K4
#[test]
fn what_may_be_tried_with_every_version_counts_so_often() {
    let installation = crate::support::Installation::in_memory();
    let id = installation.create("key", ALGORITHM);
    installation.engine.rotate(id).unwrap();
    Client::new(&installation.engine).with(id, |key| {
        let cost = |version| key.cost(Operation::AsymmetricDecrypt, version, 3, 300);
        assert_eq!(cost(None), cost(KeyVersion::new(1)) * 2);
    });
}
