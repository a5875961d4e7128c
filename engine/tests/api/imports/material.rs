//! What is imported: what it is good for, and what is refused.

use super::*;

// R-K18
#[test]
fn material_and_transport_key_stand_nowhere_in_plain() {
    let installation = Installation::in_memory();
    installation.import_key("webhooks", Algorithm::HmacSha256, &MATERIAL);
    let import = installation.begin_key("records", Algorithm::Xaes256Gcm);
    for (address, versioned) in all_records(&*installation.storage) {
        assert!(!versioned.value.windows(MATERIAL.len()).any(|window| window == MATERIAL), "{address}");
        // The version and the algorithm of PKCS#8, as in every RSA key.
        let rsa = [2, 1, 0, 0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0, 4, 0x82];
        assert!(!versioned.value.windows(rsa.len()).any(|window| window == rsa), "{address}");
    }
    assert!(!import.public_key.is_empty());
}

// R-K3, R-K18
#[test]
fn what_imported_keys_encrypt_another_implementation_opens_with_the_material() {
    let installation = Installation::in_memory();
    let mut client = Client::new(&installation.engine);
    for algorithm in [Algorithm::Xaes256Gcm, Algorithm::Aes256Gcm] {
        let id = installation.import_key(algorithm.name(), algorithm, &MATERIAL).id;
        let sealing = Sealing {
            algorithm: algorithm.id(),
            key: MATERIAL,
            key_id: id.0,
            version: 1,
            purpose: 1,
            context: b"context".to_vec(),
        };
        let ciphertext = client.encrypt_one(id, b"context", b"plaintext");
        assert_eq!(sealing.open(&ciphertext).as_deref(), Ok(&b"plaintext"[..]), "{algorithm}");
        let theirs = sealing.seal(&vec![7; sealing.nonce_size()], b"theirs");
        assert_eq!(only(client.decrypt(id, &[(b"context", &theirs)]).unwrap()).unwrap(), b"theirs", "{algorithm}");
    }
}

// R-K18
#[test]
fn a_new_version_is_imported_into_a_key_and_ends_its_schedule() {
    let installation = Installation::in_memory();
    let id = installation.create("webhooks", Algorithm::HmacSha256);
    installation.engine.set_rotation(id, Some(90)).unwrap();
    let mut client = Client::new(&installation.engine);
    let (_, before) = made(&mut client, id, b"message");
    let import = installation.begin(NewImport::Version { key: id }).unwrap();
    assert_eq!((import.name.as_str(), import.algorithm), ("webhooks", Algorithm::HmacSha256));
    assert_eq!(import.target, ImportTarget::NewVersion { key: id });
    let record = installation.complete(&import, &MATERIAL).unwrap();
    let versions: Vec<_> = record.versions.iter().map(|version| (version.state, version.origin)).collect();
    assert_eq!(versions, [(VersionState::Active, Origin::Generated), (VersionState::Current, Origin::Imported)]);
    assert_eq!(record.rotation, None, "what it would make is not imported");
    assert_eq!(made(&mut client, id, b"message"), (2, mac(&MATERIAL, b"message")));
    let verified = client.with(id, |key| calls::verify_mac(key, None, &[(b"message", &before)])).unwrap();
    assert!(only(verified).is_ok(), "the version before still verifies");

    // By order of its owner it is rotated all the same.
    let rotated = installation.engine.set_rotation(id, Some(1)).unwrap();
    assert!(rotated.rotation.is_some());
    let rotated = installation.engine.rotate(id).unwrap();
    assert_eq!(rotated.versions.last().unwrap().origin, Origin::Generated);
}

// R-K2, R-K18
#[test]
fn secrets_are_imported_and_keep_their_newest_ten_versions() {
    let installation = Installation::in_memory();
    let record = installation.import_key("password", Algorithm::Opaque, b"hunter2");
    let mut client = Client::new(&installation.engine);
    let read = |client: &mut Client| {
        client.with(record.id, |key| key.secret(&mut calls::uncounted(), None).unwrap().value.to_vec())
    };
    assert_eq!(read(&mut client), b"hunter2");
    for number in 2..=10_u8 {
        installation.engine.update_secret(record.id, vec![number].into(), None).unwrap();
    }
    let import = installation.begin(NewImport::Version { key: record.id }).unwrap();
    let updated = installation.complete(&import, b"hunter3").unwrap();
    assert_eq!((updated.versions.len(), updated.current().unwrap().get()), (10, 11));
    assert_eq!(read(&mut client), b"hunter3");
}

// R-K18
#[test]
fn material_that_is_not_good_for_its_algorithm_is_the_one_failure() {
    let installation = Installation::in_memory();
    for (algorithm, bad) in [
        (Algorithm::Xaes256Gcm, &[0; 32][..]),
        (Algorithm::Aes256Gcm, &MATERIAL[..16]),
        (Algorithm::HmacSha512, &MATERIAL),
        (Algorithm::Ed25519, &MATERIAL),
        (Algorithm::Rsa4096PssSha256, b"-----BEGIN PRIVATE KEY-----"),
    ] {
        let import = installation.begin_key("key", algorithm);
        let said = installation.complete(&import, bad).unwrap_err();
        assert!(matches!(said, Error::ImportFailed), "{algorithm}");
        assert_eq!(said.to_string(), Error::ImportFailed.to_string());
        not_open(installation.complete(&import, bad), &import);
    }
    assert_eq!(installation.engine.list_keys(installation.store, &KeyFilter::default(), None, 10).unwrap().keys, []);
}

// R-K9, R-K18
#[test]
fn a_disabled_key_takes_a_new_version_and_stays_disabled() {
    let installation = Installation::in_memory();
    let id = installation.create("webhooks", Algorithm::HmacSha256);
    installation.engine.set_state(id, KeyState::Disabled).unwrap();
    let import = installation.begin(NewImport::Version { key: id }).unwrap();
    let record = installation.complete(&import, &MATERIAL).unwrap();
    assert_eq!((record.state, record.current().unwrap().get()), (KeyState::Disabled, 2));
}
