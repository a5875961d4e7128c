//! Rotation, and what old versions still do.

use claviger_algorithm::{Algorithm, Operation};
use claviger_engine::key::id::KeyId;
use claviger_engine::key::state::VersionState;
use claviger_engine::key::version::KeyVersion;
use claviger_engine::limits::VERSIONS_MAX;
use claviger_engine::operation::SignForm;
use claviger_engine::{Error, ItemError};

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
        for algorithm in [Algorithm::Ed25519, Algorithm::EcdsaP256Sha256] {
            let id = installation.create(algorithm.row().name, algorithm);
            let mut client = Client::new(&installation.engine);
            for version in 1..=4_u32 {
                let signed = only(client.with(id, |key| calls::sign(key, SignForm::Message, &[b"message"])).unwrap()).unwrap();
                let (made_by, signature) = calls::split_version(&signed);
                assert_eq!(made_by, version);
                installation.engine.rotate(id).unwrap();
                let verified = |client: &mut Client, named| {
                    client.with(id, |key| calls::verify(key, named, SignForm::Message, &[(b"message", signature)])).map(only)
                };
                for named in [None, KeyVersion::new(version)] {
                    assert_eq!(verified(&mut client, named).unwrap(), Ok(version.to_be_bytes().to_vec()));
                }
                let other = verified(&mut client, KeyVersion::new(version + 1));
                assert_eq!(other.unwrap(), Err(ItemError::VerificationFailed));
                not_found(id, version + 2, verified(&mut client, KeyVersion::new(version + 2)));
            }
        }
    }

    // R-K15
    fn macs_of_old_versions_verify_with_and_without_their_number(installation) {
        let id = installation.create("mac", Algorithm::HmacSha256);
        let mut client = Client::new(&installation.engine);
        let mut macs = Vec::new();
        for _ in 0..3 {
            macs.push(only(client.with(id, |key| calls::make_mac(key, &[b"message"])).unwrap()).unwrap());
            installation.engine.rotate(id).unwrap();
        }
        let items: Vec<_> = macs.iter().map(|made| (&b"message"[..], calls::split_version(made).1)).collect();
        client.with(id, |key| {
            let found = calls::verify_mac(key, None, &items).unwrap();
            assert_eq!(found, (1..=3_u32).map(|version| Ok(version.to_be_bytes().to_vec())).collect::<Vec<_>>());
            let named = calls::verify_mac(key, KeyVersion::new(2), &items).unwrap();
            let failed = Err(ItemError::VerificationFailed);
            assert_eq!(named, [failed.clone(), Ok(2_u32.to_be_bytes().to_vec()), failed]);
            not_found(id, 5, calls::verify_mac(key, KeyVersion::new(5), &items));
        });
    }

    fn public_key_of_each_version_can_be_read(installation) {
        let id = installation.create("key", Algorithm::Ed25519);
        installation.engine.rotate(id).unwrap();
        Client::new(&installation.engine).with(id, |key| {
            let read = |version| key.public_key(version).unwrap();
            let (first, second) = (read(KeyVersion::new(1)), read(KeyVersion::new(2)));
            assert_eq!((first.version.get(), second.version.get()), (1, 2));
            assert_ne!(first.der, second.der);
            assert_eq!(read(None).der, second.der);
            not_found(id, 3, key.public_key(KeyVersion::new(3)));
        });
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
