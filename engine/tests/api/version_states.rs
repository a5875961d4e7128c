//! States of single versions, and the lowest version that decrypts.

use claviger_algorithm::Algorithm;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::state::{KeyState, VersionState};
use claviger_engine::key::version::KeyVersion;
use claviger_engine::limits::{DELETION_WAIT_DEFAULT, VERSIONS_MAX};
use claviger_engine::operation::SignForm;
use claviger_engine::{Engine, Error, ItemError};

use crate::support::client::load;
use crate::support::oaep;
use crate::support::tamper::{all_records, version_address};
use crate::support::{Client, Installation, calls, only};

on_every_storage! {
    // R-K8
    fn disabled_version_does_nothing_and_comes_back_as_it_was(installation) {
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::new(&installation.engine);
        let [first, second, third] = ciphertexts(installation, &mut client, id);
        let item = (&b"context"[..], &first[..]);
        let record = installation.engine.set_version_state(id, number(1), VersionState::Disabled).unwrap();
        assert_eq!(states(&record), [VersionState::Disabled, VersionState::Active, VersionState::Current]);
        let opened = client.decrypt(id, &[item, (b"context", &second), (b"context", &third)]).unwrap();
        assert_eq!(opened, [Err(ItemError::DecryptionFailed), Ok(vec![2]), Ok(vec![3])]);
        client.with(id, |key| {
            assert_eq!(only(calls::unwrap(key, &[item]).unwrap()), Err(ItemError::DecryptionFailed));
            assert_eq!(only(calls::reencrypt(key, key, &[[item.0, b"", item.1]]).unwrap()), Err(ItemError::DecryptionFailed));
        });
        installation.engine.set_version_state(id, number(1), VersionState::Active).unwrap();
        assert_eq!(only(client.decrypt(id, &[item]).unwrap()), Ok(vec![1]));
    }

    // R-K8
    fn states_of_versions_come_back_unchanged_when_the_key_is_enabled(installation) {
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::new(&installation.engine);
        let made = ciphertexts(installation, &mut client, id);
        installation.engine.set_version_state(id, number(1), VersionState::Disabled).unwrap();
        installation.engine.destroy_version(id, number(2)).unwrap();
        let expected = [VersionState::Disabled, VersionState::Destroyed, VersionState::Current];
        let engine = &installation.engine;
        let there_and_back: [fn(&Engine, KeyId); 2] = [
            |engine, id| drop(engine.set_state(id, KeyState::Disabled).unwrap()),
            |engine, id| {
                engine.request_deletion(id, DELETION_WAIT_DEFAULT).unwrap();
                engine.cancel_deletion(id).unwrap();
            },
        ];
        for leave in there_and_back {
            leave(engine, id);
            assert_eq!(states(&engine.describe_key(id).unwrap()), expected);
            assert_eq!(states(&engine.set_state(id, KeyState::Available).unwrap()), expected);
            let items = made.each_ref().map(|made| (&b"context"[..], &made[..]));
            let opened = client.decrypt(id, &items).unwrap();
            assert_eq!(opened, [Err(ItemError::DecryptionFailed), Err(ItemError::DecryptionFailed), Ok(vec![3])]);
        }
    }

    // R-K8
    fn version_changes_its_state_while_its_key_is_disabled(installation) {
        let id = installation.create("key", Algorithm::HmacSha256);
        let mut client = Client::new(&installation.engine);
        let made = only(client.with(id, |key| calls::make_mac(key, &[b"message"])).unwrap()).unwrap();
        installation.engine.rotate(id).unwrap();
        installation.engine.set_state(id, KeyState::Disabled).unwrap();
        installation.engine.set_version_state(id, number(1), VersionState::Disabled).unwrap();
        installation.engine.set_state(id, KeyState::Available).unwrap();
        let verified = client.with(id, |key| calls::verify_mac(key, None, &[(b"message", calls::split_version(&made).1)]));
        assert_eq!(only(verified.unwrap()), Err(ItemError::VerificationFailed));
    }

    // R-K8
    fn disabled_and_destroyed_versions_are_skipped_and_cannot_be_named(installation) {
        for algorithm in [Algorithm::Ed25519, Algorithm::HmacSha256] {
            let leave: [fn(&Engine, KeyId); 2] = [
                |engine, id| drop(engine.set_version_state(id, number(1), VersionState::Disabled).unwrap()),
                |engine, id| drop(engine.destroy_version(id, number(1)).unwrap()),
            ];
            for (at, leave) in leave.into_iter().enumerate() {
                let id = installation.create(&format!("{algorithm}-{at}"), algorithm);
                let mut client = Client::new(&installation.engine);
                let make = |client: &mut Client| client.with(id, |key| match algorithm {
                    Algorithm::Ed25519 => calls::sign(key, SignForm::Message, &[b"message"]),
                    _ => calls::make_mac(key, &[b"message"]),
                });
                let check = |client: &mut Client, version, made: &[u8]| client.with(id, |key| match algorithm {
                    Algorithm::Ed25519 => calls::verify(key, version, SignForm::Message, &[(b"message", made)]),
                    _ => calls::verify_mac(key, version, &[(b"message", made)]),
                });
                let old = only(make(&mut client).unwrap()).unwrap();
                let old = calls::split_version(&old).1;
                installation.engine.rotate(id).unwrap();
                let new = only(make(&mut client).unwrap()).unwrap();
                let new = calls::split_version(&new).1;
                leave(&installation.engine, id);
                assert_eq!(only(check(&mut client, None, old).unwrap()), Err(ItemError::VerificationFailed));
                assert!(matches!(check(&mut client, KeyVersion::new(1), old), Err(Error::KeyVersionNotFound { .. })));
                assert_eq!(only(check(&mut client, None, new).unwrap()), Ok(2_u32.to_be_bytes().to_vec()));
                if algorithm == Algorithm::Ed25519 {
                    let public_key = client.with(id, |key| key.public_key(KeyVersion::new(1)).map(drop));
                    assert!(matches!(public_key, Err(Error::KeyVersionNotFound { .. })));
                }
            }
        }
    }

    // R-K8, R-K14
    fn destroyed_version_is_gone_for_good_and_its_number_stays_taken(installation) {
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::new(&installation.engine);
        let [first, _, third] = ciphertexts(installation, &mut client, id);
        for before in [VersionState::Active, VersionState::Disabled] {
            let version = if before == VersionState::Active { number(1) } else { number(2) };
            installation.engine.set_version_state(id, version, before).unwrap();
            installation.engine.destroy_version(id, version).unwrap();
            let place = version_address(id, version.get());
            assert!(all_records(&*installation.storage).iter().all(|(address, _)| *address != place));
            for state in [VersionState::Active, VersionState::Disabled] {
                let refused = installation.engine.set_version_state(id, version, state).unwrap_err();
                assert!(matches!(refused, Error::KeyVersionStateWrong { state: VersionState::Destroyed, .. }));
                assert!(refused.to_string().ends_with("is destroyed: it does not come back"), "{refused}");
            }
        }
        let opened = client.decrypt(id, &[(b"context", &first), (b"context", &third)]).unwrap();
        assert_eq!(opened, [Err(ItemError::DecryptionFailed), Ok(vec![3])]);
        let record = installation.engine.rotate(id).unwrap();
        assert_eq!(states(&record), [VersionState::Destroyed, VersionState::Destroyed, VersionState::Active, VersionState::Current]);
        assert_eq!(record.current(), KeyVersion::new(4));
    }

    // R-K8
    fn the_current_version_is_neither_disabled_nor_destroyed(installation) {
        let id = installation.create("key", Algorithm::HmacSha256);
        installation.engine.rotate(id).unwrap();
        let before = installation.engine.describe_key(id).unwrap();
        for refused in [
            installation.engine.set_version_state(id, number(2), VersionState::Disabled),
            installation.engine.set_version_state(id, number(2), VersionState::Active),
            installation.engine.destroy_version(id, number(2)),
        ] {
            let refused = refused.unwrap_err();
            assert!(matches!(refused, Error::KeyVersionStateWrong { state: VersionState::Current, .. }));
            assert!(refused.to_string().ends_with("rotate the key first, so that another version is current"), "{refused}");
        }
        for state in [VersionState::Current, VersionState::Destroyed] {
            let refused = installation.engine.set_version_state(id, number(1), state);
            assert!(matches!(refused, Err(Error::KeyVersionStateWrong { state: VersionState::Active, .. })), "{state}");
        }
        for missing in [3, 100, u32::MAX] {
            let changes = [
                installation.engine.set_version_state(id, number(missing), VersionState::Disabled),
                installation.engine.destroy_version(id, number(missing)),
            ];
            assert!(changes.iter().all(|change| matches!(change, Err(Error::KeyVersionNotFound { .. }))));
        }
        assert_eq!(installation.engine.describe_key(id).unwrap(), before);
    }

    // R-K15
    fn what_versions_below_the_lowest_have_encrypted_is_refused(installation) {
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::new(&installation.engine);
        let made = ciphertexts(installation, &mut client, id);
        let items = made.each_ref().map(|made| (&b"context"[..], &made[..]));
        for lowest in [2, 3, 1] {
            let record = installation.engine.set_lowest_version(id, number(lowest)).unwrap();
            assert_eq!(record.lowest_version, number(lowest));
            let expected: Vec<_> = (1..=3_u8)
                .map(|version| if u32::from(version) < lowest { Err(ItemError::DecryptionFailed) } else { Ok(vec![version]) })
                .collect();
            assert_eq!(client.decrypt(id, &items).unwrap(), expected);
            client.with(id, |key| {
                let reencrypted = calls::reencrypt(key, key, &items.map(|(context, made)| [context, b"", made])).unwrap();
                assert!(reencrypted.iter().zip(&expected).all(|(result, expected)| result.is_ok() == expected.is_ok()));
            });
        }
        installation.engine.set_lowest_version(id, number(2)).unwrap();
        client.with(id, |key| {
            let wrapped = only(calls::wrap(key, &[(b"", b"data key")]).unwrap()).unwrap();
            assert!(only(calls::unwrap(key, &[(b"", &wrapped)]).unwrap()).is_ok());
        });
        for refused in [4, 100] {
            let refused = installation.engine.set_lowest_version(id, number(refused));
            assert!(matches!(refused, Err(Error::KeyVersionNotFound { .. })));
        }
    }

    // R-K15
    fn key_that_does_not_decrypt_has_no_lowest_version_to_set(installation) {
        for algorithm in [Algorithm::Ed25519, Algorithm::HmacSha256, Algorithm::Opaque] {
            let id = installation.create(algorithm.name(), algorithm);
            let refused = installation.engine.set_lowest_version(id, KeyVersion::FIRST);
            assert!(matches!(refused, Err(Error::OperationNotAllowed { .. })), "{algorithm}");
        }
    }
}

// R-K15
#[test]
fn asymmetric_decryption_knows_the_lowest_version_too() {
    let installation = Installation::in_memory();
    let id = installation.create("key", Algorithm::Rsa2048OaepSha256);
    let mut client = Client::new(&installation.engine);
    let old_public = client.with(id, |key| key.public_key(None)).unwrap().der;
    installation.engine.rotate(id).unwrap();
    let new_public = client.with(id, |key| key.public_key(None)).unwrap().der;
    let (old, new) = (oaep::encrypt(&old_public, b"label", b"old"), oaep::encrypt(&new_public, b"label", b"new"));
    let open = |client: &mut Client, version, ciphertext: &[u8]| {
        client.with(id, |key| calls::asymmetric_decrypt(key, version, &[(b"label", ciphertext)])).map(only)
    };
    assert!(open(&mut client, None, &old).unwrap().is_ok());
    installation.engine.set_lowest_version(id, number(2)).unwrap();
    assert_eq!(open(&mut client, None, &old).unwrap(), Err(ItemError::DecryptionFailed));
    assert!(matches!(open(&mut client, KeyVersion::new(1), &old), Err(Error::KeyVersionNotFound { .. })));
    assert!(open(&mut client, None, &new).unwrap().is_ok());
    assert!(open(&mut client, KeyVersion::new(2), &new).unwrap().is_ok());
    assert!(client.with(id, |key| key.public_key(KeyVersion::new(1))).is_ok());
}

// R-K14
#[test]
fn destroyed_versions_count_and_there_is_a_warning_from_90_on() {
    let installation = Installation::in_memory();
    let id = installation.create("key", Algorithm::HmacSha256);
    for count in 2..=VERSIONS_MAX {
        let record = installation.engine.rotate(id).unwrap();
        installation.engine.destroy_version(id, record.versions[count - 2].version).unwrap();
        assert_eq!(record.is_near_version_limit(), count >= 90, "{count}");
        let warned: &[KeyId] = if count >= 90 { &[id] } else { &[] };
        assert_eq!(installation.engine.version_warnings(), warned, "{count}");
    }
    assert!(matches!(installation.engine.rotate(id), Err(Error::TooManyVersions(_))));
    let record = installation.engine.describe_key(id).unwrap();
    assert_eq!(record.versions.iter().filter(|summary| summary.state == VersionState::Destroyed).count(), 99);
    assert_eq!(load(&installation.engine, id), Ok(()));
    installation.engine.request_deletion(id, DELETION_WAIT_DEFAULT).unwrap();
    assert_eq!(installation.engine.version_warnings(), [id]);
    installation.engine.delete_now(id, true).unwrap();
    assert_eq!(installation.engine.version_warnings(), []);
}

/// A ciphertext of each of versions 1 to 3, whose plaintext is the number.
fn ciphertexts(installation: &Installation, client: &mut Client, id: KeyId) -> [Vec<u8>; 3] {
    [1, 2, 3].map(|version| {
        let made = client.encrypt_one(id, b"context", &[version]);
        if version < 3 {
            installation.engine.rotate(id).unwrap();
        }
        made
    })
}

fn states(record: &claviger_engine::KeyRecord) -> Vec<VersionState> {
    record.versions.iter().map(|summary| summary.state).collect()
}

fn number(number: u32) -> KeyVersion {
    KeyVersion::new(number).unwrap()
}
