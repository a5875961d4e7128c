//! An engine whose key is used up.

use claviger_algorithm::Algorithm;

use super::*;
use crate::cache::KeyEntry;
use crate::change::NewKey;
use crate::error::ItemError;
use crate::operation::{DataKeyForm, DecryptItem, EncryptItem, ReencryptItem, WrapItem};
use crate::{Engine, EngineParts, ItemSink, ReadScope};

// R-K3
#[test]
fn a_key_that_is_used_up_seals_nothing_opens_everything_and_is_mended_by_a_rotation() {
    let place = Place::new();
    let parts = EngineParts::for_tests(Arc::<FailingStorage<MemoryStorage>>::clone(&place.0));
    let engine = Engine::start(EngineParts { clock: place.clock(), ..parts }).unwrap();
    let store = engine.store_for_tests();
    let new = NewKey::new("key".parse().unwrap(), Algorithm::Aes256Gcm);
    let id = engine.create_keys(store, vec![new]).unwrap()[0].id;
    // Three uses are left.
    let vault = place.vault();
    let count = UseCountRecord { used: LIMIT - 3, unclean_stops: 0 };
    vault.transact(&[], &[vault.put(address::use_count(id, FIRST), &count)]).unwrap();

    let mut worker = engine.worker();
    let mut with = |act: &mut dyn FnMut(&KeyEntry, &mut Results) -> Result<(), Error>| loop {
        if let Some(entry) = worker.enter().key(id).entry() {
            let mut results = Results::default();
            return act(entry, &mut results).map(|()| results.0);
        }
        let (done, is_done) = std::sync::mpsc::channel();
        engine.load(id, move |result| done.send(result).unwrap());
        is_done.recv().unwrap().unwrap();
    };
    let random = SystemRandom::new();
    let item = EncryptItem { context: b"", plaintext: b"plaintext" };
    let mut encrypt = |items: usize| {
        with(&mut |key, results| key.encrypt(&mut ReadScope::new(&random), vec![item; items].into_iter(), results))
    };
    assert!(matches!(encrypt(4), Err(Error::UseLimitReached { .. })), "a batch that does not fit");
    let sealed = encrypt(2).unwrap().remove(0);
    assert!(encrypt(1).is_ok());
    assert!(matches!(encrypt(1), Err(Error::UseLimitReached { .. })));
    let exhausted = |result| assert!(matches!(result, Err(Error::UseLimitReached { .. })));
    exhausted(with(&mut |key, results| {
        let contexts = vec![&b""[..]].into_iter();
        key.generate_data_keys(&mut ReadScope::new(&random), DataKeyForm::Wrapped, 32, contexts, results)
    }));
    exhausted(with(&mut |key, results| {
        let items = vec![WrapItem { context: b"", data_key: b"k" }].into_iter();
        key.wrap_data_keys(&mut ReadScope::new(&random), items, results)
    }));
    exhausted(with(&mut |key, results| {
        let items = vec![ReencryptItem { source_context: b"", target_context: b"", ciphertext: &sealed }].into_iter();
        key.reencrypt(key, &mut ReadScope::new(&random), items, results)
    }));
    let mut decrypt = || {
        with(&mut |key, results| {
            key.decrypt(
                &mut ReadScope::new(&random),
                [DecryptItem { context: b"", ciphertext: &sealed }].into_iter(),
                results,
            )
        })
    };
    assert_eq!(decrypt().unwrap(), [b"plaintext"]);
    engine.rotate(id).unwrap();
    assert_eq!(decrypt().unwrap(), [b"plaintext"]);
    assert!(with(&mut |key, results| key.encrypt(&mut ReadScope::new(&random), [item].into_iter(), results)).is_ok());
}

/// Keeps results that are all good.
#[derive(Default)]
struct Results(Vec<Vec<u8>>);

impl ItemSink for Results {
    fn item(&mut self, size_max: usize, fill: impl FnOnce(&mut [u8]) -> Result<usize, ItemError>) {
        let mut result = vec![0; size_max];
        let size = fill(&mut result).unwrap();
        result.truncate(size);
        self.0.push(result);
    }
}
