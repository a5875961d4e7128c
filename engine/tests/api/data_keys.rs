//! Data keys and random bytes (R-K17).

use std::collections::BTreeSet;
use std::sync::Mutex;

use claviger_algorithm::Algorithm;
use claviger_engine::ciphertext::SEAL_OVERHEAD_MAX;
use claviger_engine::crypto::random::{EntropyError, Random, SystemRandom};
use claviger_engine::limits::{CONTEXT_SIZE_MAX, DATA_KEY_SIZE_MAX, RANDOM_SIZE_MAX};
use claviger_engine::operation::{DataKeyForm, random_bytes};
use claviger_engine::{Error, ItemError, ReadScope};

use crate::support::calls::VecSink;
use crate::support::{Client, Installation, calls, only};

on_every_storage! {
    // R-K17
    fn generated_data_keys_unwrap_to_what_was_given_out(installation) {
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::new(&installation.engine);
        let mut seen = BTreeSet::new();
        for size in [16, 32, 64] {
            let contexts = [&b"a"[..], b"b", b"b"];
            let made = client.with(id, |key| calls::generate_data_keys(key, DataKeyForm::PlainAndWrapped, size, &contexts));
            for (made, context) in made.unwrap().into_iter().zip(contexts) {
                let (wrapped, plain) = split(&made.unwrap());
                assert_eq!((wrapped.len(), plain.len()), (size + SEAL_OVERHEAD_MAX, size));
                let unwrapped = client.with(id, |key| calls::unwrap(key, &[(context, &wrapped), (b"c", &wrapped)]));
                assert_eq!(unwrapped.unwrap(), [Ok(plain.clone()), Err(ItemError::DecryptionFailed)]);
                assert!(seen.insert(plain));
            }
        }
    }

    // R-K17
    fn wrapped_only_gives_no_plain_byte(installation) {
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::new(&installation.engine);
        for size in [16, 32, 64] {
            let made = client.with(id, |key| calls::generate_data_keys(key, DataKeyForm::Wrapped, size, &[b"context"]));
            let (wrapped, plain) = split(&only(made.unwrap()).unwrap());
            assert_eq!((wrapped.len(), plain.len()), (size + SEAL_OVERHEAD_MAX, 0));
            let unwrapped = only(client.with(id, |key| calls::unwrap(key, &[(b"context", &wrapped)])).unwrap()).unwrap();
            assert_eq!(unwrapped.len(), size);
            assert!(!wrapped.windows(16).any(|window| window == &unwrapped[..16]));
        }
    }

    // R-K17
    fn refuses_other_sizes_of_data_keys_as_a_whole(installation) {
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::new(&installation.engine);
        for size in [0, 1, 15, 17, 24, 33, 48, 65, usize::MAX] {
            let refused = client.with(id, |key| calls::generate_data_keys(key, DataKeyForm::Wrapped, size, &[b""]));
            assert!(matches!(refused, Err(Error::SizeNotAllowed)), "{size}");
        }
    }

    // R-K17
    fn wraps_and_unwraps_the_callers_own_data_keys(installation) {
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::new(&installation.engine);
        let data_keys = [0, 1, 32, DATA_KEY_SIZE_MAX, DATA_KEY_SIZE_MAX + 1].map(|size| vec![b'k'; size]);
        let long_context = vec![1; CONTEXT_SIZE_MAX + 1];
        let mut items: Vec<_> = data_keys.iter().map(|data_key| (&b"context"[..], &data_key[..])).collect();
        items.push((&long_context, b"key"));
        let wrapped = client.with(id, |key| calls::wrap(key, &items)).unwrap();
        let errors: Vec<_> = wrapped.iter().map(|item| item.clone().err()).collect();
        let size = Some(ItemError::SizeNotAllowed);
        assert_eq!(errors, [size, None, None, None, size, Some(ItemError::ContextTooLarge)]);
        for (wrapped, data_key) in wrapped.iter().zip(&data_keys) {
            let Ok(wrapped) = wrapped else { continue };
            let unwrapped = client.with(id, |key| calls::unwrap(key, &[(b"context", wrapped), (b"", wrapped)])).unwrap();
            assert_eq!(unwrapped, [Ok(data_key.clone()), Err(ItemError::DecryptionFailed)]);
        }
    }

    // R-K17, R-K19
    fn data_and_data_keys_cannot_be_taken_for_each_other(installation) {
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::new(&installation.engine);
        let data = client.encrypt_one(id, b"", b"0123456789abcdef");
        let wrapped = only(client.with(id, |key| calls::wrap(key, &[(b"", b"0123456789abcdef")])).unwrap()).unwrap();
        client.with(id, |key| {
            assert_eq!(calls::unwrap(key, &[(b"", &data)]).unwrap(), [Err(ItemError::DecryptionFailed)]);
            assert_eq!(calls::decrypt(key, &[(b"", &wrapped)]).unwrap(), [Err(ItemError::DecryptionFailed)]);
        });
    }

    // R-K15, R-K17
    fn data_keys_wrapped_before_a_rotation_unwrap(installation) {
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::new(&installation.engine);
        let wrapped = only(client.with(id, |key| calls::wrap(key, &[(b"", b"data key")])).unwrap()).unwrap();
        installation.engine.rotate(id).unwrap();
        let unwrapped = only(client.with(id, |key| calls::unwrap(key, &[(b"", &wrapped)])).unwrap());
        assert_eq!(unwrapped.unwrap(), b"data key");
    }
}

/// The system's random bytes, and of which sizes they were asked for.
#[derive(Default)]
struct Recorded(Mutex<Vec<usize>>);

impl Random for Recorded {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        self.0.lock().unwrap().push(out.len());
        SystemRandom::new().fill(out)
    }
}

// R-K3, R-K17
#[test]
fn no_nonce_is_older_than_the_data_keys_that_it_seals() {
    let installation = Installation::in_memory();
    let ids = ["a", "b", "c"].map(|name| installation.create(name, Algorithm::Xaes256Gcm));
    let mut client = Client::new(&installation.engine);
    let random = Recorded::default();
    let mut scope = ReadScope::new(&random);
    // Bursts of three keys, the second of which draws for others, too.
    for id in ids {
        client.with(id, |key| calls::encrypt_in(&mut scope, key, &[(b"", b"plaintext")]).unwrap());
    }
    random.0.lock().unwrap().clear();
    for id in ids {
        let mut sink = VecSink::default();
        let contexts = [&b""[..]; 3].into_iter();
        let form = DataKeyForm::PlainAndWrapped;
        client.with(id, |key| key.generate_data_keys(&mut scope, form, 32, contexts, &mut sink).unwrap());
        let asked = std::mem::take(&mut *random.0.lock().unwrap());
        assert_eq!(asked, [3 * 32, 24], "the keys, then their nonce");
        let made: Vec<_> = sink.0.into_iter().map(|made| split(&made.unwrap())).collect();
        assert_eq!(made.iter().map(|(_, plain)| plain).collect::<BTreeSet<_>>().len(), 3);
        for (wrapped, plain) in made {
            assert_eq!(client.with(id, |key| calls::unwrap(key, &[(b"", &wrapped)])).unwrap(), [Ok(plain)]);
        }
    }
}

// R-K17
#[test]
fn random_bytes_have_the_size_that_was_asked_for() {
    let mut sink = VecSink::default();
    random_bytes(&SystemRandom::new(), [1, 32, 0, RANDOM_SIZE_MAX, RANDOM_SIZE_MAX + 1, 32].into_iter(), &mut sink);
    let sizes: Vec<_> = sink.0.iter().map(|item| item.as_ref().map(Vec::len)).collect();
    let not_allowed = Err(&ItemError::SizeNotAllowed);
    assert_eq!(sizes, [Ok(1), Ok(32), not_allowed, Ok(RANDOM_SIZE_MAX), not_allowed, Ok(32)]);
    assert_ne!(sink.0[1], sink.0[5]);
}

/// The wrapped and the plain part of a result.
fn split(made: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (size, rest) = made.split_first_chunk().unwrap();
    let (wrapped, plain) = rest.split_at(u32::from_be_bytes(*size).try_into().unwrap());
    (wrapped.to_vec(), plain.to_vec())
}
