//! Re-encryption (R-K16).

use claviger_algorithm::{Algorithm, Operation};
use claviger_engine::key::state::KeyState;
use claviger_engine::limits::{CONTEXT_SIZE_MAX, PLAINTEXT_SIZE_MAX};
use claviger_engine::{Error, ItemError};

use crate::support::{Client, calls, only};

on_every_storage! {
    // R-K16
    fn re_encrypts_to_the_newest_version_of_the_same_key(installation) {
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::new(&installation.engine);
        let plaintexts = [0, 1, PLAINTEXT_SIZE_MAX, 5].map(|size| vec![b'p'; size]);
        let old: Vec<_> = plaintexts.iter().map(|plaintext| client.encrypt_one(id, b"old", plaintext)).collect();
        installation.engine.rotate(id).unwrap();
        let items: Vec<[&[u8]; 3]> = old.iter().map(|ciphertext| [&b"old"[..], b"new", ciphertext]).collect();
        let new = client.with(id, |key| calls::reencrypt(key, key, &items)).unwrap();
        for (ciphertext, plaintext) in new.iter().zip(&plaintexts) {
            let ciphertext = ciphertext.as_ref().unwrap();
            assert_eq!(calls::version_of(ciphertext), 2);
            let opened = client.decrypt(id, &[(b"new", ciphertext), (b"old", ciphertext)]).unwrap();
            assert_eq!(opened, [Ok(plaintext.clone()), Err(ItemError::DecryptionFailed)]);
        }
    }

    // R-K16
    fn re_encrypts_to_another_key(installation) {
        let [source, target] = ["a", "b"].map(|text| installation.create(text, Algorithm::Xaes256Gcm));
        let mut client = Client::new(&installation.engine);
        let old = client.encrypt_one(source, b"context", b"plaintext");
        let items = [[&b"context"[..], b"context", &old]];
        let new = client.with_both(source, target, |source, target| calls::reencrypt(source, target, &items));
        let new = only(new.unwrap()).unwrap();
        assert_eq!(only(client.decrypt(target, &[(b"context", &new)]).unwrap()).unwrap(), b"plaintext");
        let back = only(client.decrypt(source, &[(b"context", &new)]).unwrap());
        assert_eq!(back, Err(ItemError::DecryptionFailed));
    }

    // R-K16
    fn item_that_does_not_decrypt_fails_alone(installation) {
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::new(&installation.engine);
        let good = client.encrypt_one(id, b"context", b"plaintext");
        let data_key = only(client.with(id, |key| calls::wrap(key, &[(b"context", b"data key")])).unwrap()).unwrap();
        let mut altered = good.clone();
        *altered.last_mut().unwrap() ^= 1;
        let long = vec![b'c'; CONTEXT_SIZE_MAX + 1];
        let context = &b"context"[..];
        let items = [
            [context, b"", &good],
            [b"other", b"", &good],
            [context, b"", &altered],
            [context, b"", &data_key],
            [context, b"", b"short"],
            [&long, b"", &good],
            [context, &long, &good],
            [context, b"", &good],
        ];
        let results = client.with(id, |key| calls::reencrypt(key, key, &items)).unwrap();
        let failed = Some(ItemError::DecryptionFailed);
        let errors: Vec<_> = results.iter().map(|result| result.clone().err()).collect();
        assert_eq!(errors, [None, failed, failed, failed, failed, failed, Some(ItemError::ContextTooLarge), None]);
        for good in [0, 7] {
            let opened = only(client.decrypt(id, &[(b"", results[good].as_ref().unwrap())]).unwrap());
            assert_eq!(opened.unwrap(), b"plaintext");
        }
    }

    // R-K16
    fn refuses_a_key_that_cannot_source_before_target(installation) {
        let [a, b] = ["a", "b"].map(|text| installation.create(text, Algorithm::Xaes256Gcm));
        let mac_key = installation.create("mac", Algorithm::HmacSha256);
        let mut client = Client::new(&installation.engine);
        let error = client.with_both(mac_key, a, |source, target| calls::reencrypt(source, target, &[])).unwrap_err();
        assert!(matches!(error, Error::OperationNotAllowed { operation: Operation::Decrypt, .. }));
        let error = client.with_both(a, mac_key, |source, target| calls::reencrypt(source, target, &[])).unwrap_err();
        assert!(matches!(error, Error::OperationNotAllowed { operation: Operation::Encrypt, .. }));
        for id in [a, b] {
            installation.engine.set_state(id, KeyState::Disabled).unwrap();
        }
        let error = client.with_both(a, b, |source, target| calls::reencrypt(source, target, &[])).unwrap_err();
        assert!(matches!(error, Error::KeyNotUsable { id, .. } if id == a));
        installation.engine.set_state(a, KeyState::Available).unwrap();
        let error = client.with_both(a, b, |source, target| calls::reencrypt(source, target, &[])).unwrap_err();
        assert!(matches!(error, Error::KeyNotUsable { id, .. } if id == b));
    }
}
