//! Rotation, and what old versions still do.

use claviger_algorithm::{Algorithm, Generation, Operation};
use claviger_engine::key::id::KeyId;
use claviger_engine::key::state::VersionState;
use claviger_engine::key::version::KeyVersion;
use claviger_engine::limits::VERSIONS_MAX;
use claviger_engine::operation::SignForm;
use claviger_engine::{Error, ItemError};

use crate::support::algorithms::{forms, macs, signing};
use crate::support::{Client, calls, only};

on_every_storage! {
    // R-K12, R-K15
    fn rotation_makes_a_new_version_the_current_one(installation) {
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        let created = installation.engine.describe_key(id).unwrap();
        let rotated = installation.engine.rotate(id).unwrap();
        assert_eq!(installation.engine.describe_key(id).unwrap(), rotated);
        let versions: Vec<_> = rotated.versions.iter().map(|summary| (summary.version.get(), summary.state)).collect();
        assert_eq!(versions, [(1, VersionState::Active), (2, VersionState::Current)]);
        assert_eq!(rotated.versions[0].created_ms, created.created_ms);
        assert!(rotated.changed_ms > created.changed_ms);
        assert_eq!(rotated.current(), KeyVersion::new(2));
    }

    // R-K15
    fn ciphertexts_of_old_versions_decrypt(installation) {
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::new(&installation.engine);
        let mut ciphertexts = Vec::new();
        for version in 1..=5_u32 {
            let ciphertext = client.encrypt_one(id, b"context", &version.to_be_bytes());
            assert_eq!(calls::version_of(&ciphertext), version);
            ciphertexts.push(ciphertext);
            installation.engine.rotate(id).unwrap();
        }
        let items: Vec<_> = ciphertexts.iter().map(|ciphertext| (&b"context"[..], &ciphertext[..])).collect();
        let opened = client.decrypt(id, &items).unwrap();
        assert_eq!(opened, (1..=5_u32).map(|version| Ok(version.to_be_bytes().to_vec())).collect::<Vec<_>>());
    }

    // R-K15
    fn ciphertext_does_not_decrypt_as_another_version(installation) {
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::new(&installation.engine);
        let mut ciphertext = client.encrypt_one(id, b"", b"plaintext");
        installation.engine.rotate(id).unwrap();
        for version in [0, 2, 3, u32::MAX] {
            ciphertext[2..6].copy_from_slice(&version.to_be_bytes());
            let opened = only(client.decrypt(id, &[(b"", &ciphertext)]).unwrap());
            assert_eq!(opened, Err(ItemError::DecryptionFailed), "version {version}");
        }
    }

    // R-K15
    fn signatures_of_old_versions_verify_with_and_without_their_number(installation) {
        for algorithm in signing() {
            let id = installation.create(algorithm.row().name, algorithm);
            let mut client = Client::new(&installation.engine);
            for version in 1..=3_u32 {
                let signed: Vec<_> = forms(algorithm, b"message").into_iter().map(|(form, message)| {
                    let signed = only(client.with(id, |key| calls::sign(key, form, &[&message])).unwrap()).unwrap();
                    (form, message, signed)
                }).collect();
                installation.engine.rotate(id).unwrap();
                for (form, message, signed) in signed {
                    let (made_by, signature) = calls::split_version(&signed);
                    assert_eq!(made_by, version);
                    let verified = |client: &mut Client, named| {
                        client.with(id, |key| calls::verify(key, named, form, &[(&message, signature)])).map(only)
                    };
                    for named in [None, KeyVersion::new(version)] {
                        assert_eq!(verified(&mut client, named).unwrap(), Ok(version.to_be_bytes().to_vec()), "{algorithm}");
                    }
                    let other = verified(&mut client, KeyVersion::new(version + 1));
                    assert_eq!(other.unwrap(), Err(ItemError::VerificationFailed), "{algorithm}");
                    not_found(id, version + 2, verified(&mut client, KeyVersion::new(version + 2)));
                }
            }
        }
    }

    // R-K15
    fn signatures_of_no_version_are_refused_after_all_were_tried(installation) {
        for algorithm in signing().filter(|algorithm| algorithm.row().generation == Generation::Fast) {
            let [id, other] = ["a", "b"].map(|text| installation.create(&format!("{algorithm}-{text}"), algorithm));
            for _ in 0..3 {
                installation.engine.rotate(id).unwrap();
            }
            Client::new(&installation.engine).with_both(id, other, |key, other| {
                let signed = only(calls::sign(other, SignForm::Message, &[b"message"]).unwrap()).unwrap();
                let foreign = calls::split_version(&signed).1;
                for signature in [foreign, &foreign[1..], b"", &[0; 5_000]] {
                    let verified = calls::verify(key, None, SignForm::Message, &[(b"message", signature)]).unwrap();
                    assert_eq!(only(verified), Err(ItemError::VerificationFailed), "{algorithm}");
                }
                // Four versions may be tried, which counts four times; signing takes the current one.
                let cost = |operation, version| key.cost(operation, version, 3, 1_000);
                assert_eq!(cost(Operation::Verify, None), cost(Operation::Verify, KeyVersion::new(2)) * 4, "{algorithm}");
                assert_eq!(cost(Operation::Sign, None), other.cost(Operation::Sign, None, 3, 1_000), "{algorithm}");
            });
        }
    }

    // R-K15
    fn macs_of_old_versions_verify_with_and_without_their_number(installation) {
        for algorithm in macs() {
            let id = installation.create(algorithm.row().name, algorithm);
            let mut client = Client::new(&installation.engine);
            let mut made = Vec::new();
            for _ in 0..3 {
                made.push(only(client.with(id, |key| calls::make_mac(key, &[b"message"])).unwrap()).unwrap());
                installation.engine.rotate(id).unwrap();
            }
            let items: Vec<_> = made.iter().map(|made| (&b"message"[..], calls::split_version(made).1)).collect();
            client.with(id, |key| {
                let found = calls::verify_mac(key, None, &items).unwrap();
                let expected = (1..=3_u32).map(|version| Ok(version.to_be_bytes().to_vec())).collect::<Vec<_>>();
                assert_eq!(found, expected, "{algorithm}");
                let named = calls::verify_mac(key, KeyVersion::new(2), &items).unwrap();
                let failed = Err(ItemError::VerificationFailed);
                assert_eq!(named, [failed.clone(), Ok(2_u32.to_be_bytes().to_vec()), failed]);
                not_found(id, 5, calls::verify_mac(key, KeyVersion::new(5), &items));
            });
        }
    }

    // R-K6
    fn public_key_of_each_version_can_be_read(installation) {
        for algorithm in signing() {
            let id = installation.create(algorithm.row().name, algorithm);
            installation.engine.rotate(id).unwrap();
            Client::new(&installation.engine).with(id, |key| {
                let read = |version| key.public_key(version).unwrap();
                let (first, second) = (read(KeyVersion::new(1)), read(KeyVersion::new(2)));
                assert_eq!((first.version.get(), second.version.get()), (1, 2));
                assert_ne!(first.der, second.der, "{algorithm}");
                assert_eq!(read(None).der, second.der, "{algorithm}");
                not_found(id, 3, key.public_key(KeyVersion::new(3)));
            });
        }
    }

    // R-K14
    fn hundred_versions_are_the_most_and_all_of_them_work(installation) {
        let id = installation.create("key", Algorithm::HmacSha256);
        let mut client = Client::new(&installation.engine);
        let oldest = only(client.with(id, |key| calls::make_mac(key, &[b"message"])).unwrap()).unwrap();
        for count in 2..=VERSIONS_MAX {
            assert_eq!(installation.engine.rotate(id).unwrap().versions.len(), count);
        }
        let refused = installation.engine.rotate(id).unwrap_err();
        assert!(matches!(refused, Error::TooManyVersions(of) if of == id));
        assert!(refused.to_string().contains("create a new key"), "{refused}");
        assert_eq!(installation.engine.describe_key(id).unwrap().versions.len(), VERSIONS_MAX);
        client.with(id, |key| {
            let item = (&b"message"[..], calls::split_version(&oldest).1);
            assert_eq!(only(calls::verify_mac(key, None, &[item]).unwrap()).unwrap(), 1_u32.to_be_bytes());
            let made = only(calls::make_mac(key, &[b"message"]).unwrap()).unwrap();
            assert_eq!(calls::split_version(&made).0, 100);
            // What may be tried a hundred times counts a hundred times, so that it does not hold up a worker.
            let cost = |operation, version| key.cost(operation, version, 2, 100);
            let once = cost(Operation::VerifyMac, KeyVersion::new(1));
            assert_eq!(cost(Operation::VerifyMac, None), once * 100);
            assert_eq!(cost(Operation::MakeMac, None), once);
        });
    }

    // R-K2
    fn secret_is_not_rotated_because_its_value_is_given(installation) {
        let id = installation.create("secret", Algorithm::Opaque);
        assert!(matches!(installation.engine.rotate(id), Err(Error::ValueMismatch)));
        assert_eq!(installation.engine.describe_key(id).unwrap().versions.len(), 1);
    }
}

#[track_caller]
fn not_found<T>(key: KeyId, asked_for: u32, result: Result<T, Error>) {
    match result {
        Err(Error::KeyVersionNotFound { id, version }) => assert_eq!((id, version.get()), (key, asked_for)),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("version {asked_for} is not there"),
    }
}
