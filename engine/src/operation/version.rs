//! Operations that name a version, or else try one after the other.

use crate::cache::EntryVersion;
use crate::error::ItemError;
use crate::key::version::KeyVersion;

/// The version stands before a result as a `u32`, where the result itself does not tell it.
pub(super) const VERSION_SIZE: usize = 4;

/// The first of `versions` for which `attempt` succeeds, and what it gives. A fault of the item itself is told as such:
/// it does not depend on the version.
pub(super) fn find_version<T>(
    versions: &[EntryVersion],
    mut attempt: impl FnMut(&EntryVersion) -> Result<T, ItemError>,
) -> Result<(KeyVersion, T), ItemError> {
    let mut failed = ItemError::VerificationFailed;
    for entry in versions {
        match attempt(entry) {
            Ok(found) => return Ok((entry.version, found)),
            Err(error @ (ItemError::VerificationFailed | ItemError::DecryptionFailed)) => failed = error,
            Err(error) => return Err(error),
        }
    }
    Err(failed)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use claviger_algorithm::Algorithm;

    use super::*;
    use crate::cache::{PreparedKey, Uses};
    use crate::change::NewKey;
    use crate::key::material::SecretBytes;
    use crate::storage::MemoryStorage;
    use crate::{Engine, EngineParts};

    /// Versions of these numbers, in this order.
    fn versions<const N: usize>(numbers: [u32; N]) -> [EntryVersion; N] {
        let key = || PreparedKey::Opaque(Box::new(SecretBytes::from(Vec::new())));
        numbers.map(|number| EntryVersion {
            version: KeyVersion::new(number).unwrap(),
            key: key(),
            uses: Uses::Unlimited,
        })
    }

    /// Looks for a version, each of which gives what `outcome` says; and which ones were tried.
    fn find(outcome: impl Fn(u32) -> Result<(), ItemError>) -> (Result<u32, ItemError>, Vec<u32>) {
        let mut tried = Vec::new();
        let found = find_version(&versions([4, 3, 2, 1]), |entry| {
            tried.push(entry.version.get());
            outcome(entry.version.get())
        });
        (found.map(|(version, ())| version.get()), tried)
    }

    // R-K15
    #[test]
    fn versions_are_tried_in_their_order_up_to_the_one_that_fits() {
        for fitting in 1..=4 {
            let only = |number| if number == fitting { Ok(()) } else { Err(ItemError::VerificationFailed) };
            assert_eq!(find(only), (Ok(fitting), (fitting..=4).rev().collect()));
        }
        assert_eq!(find(|_| Ok(())), (Ok(4), vec![4]), "the newest of several");
    }

    // R-K15
    #[test]
    fn where_no_version_fits_each_was_tried_once_and_the_failure_is_that_of_the_operation() {
        for failure in [ItemError::VerificationFailed, ItemError::DecryptionFailed] {
            assert_eq!(find(|_| Err(failure)), (Err(failure), vec![4, 3, 2, 1]));
        }
    }

    #[test]
    fn a_fault_of_the_item_itself_ends_the_search() {
        for fault in [ItemError::MessageTooLarge, ItemError::DigestSizeWrong, ItemError::Library] {
            assert_eq!(find(|_| Err(fault)), (Err(fault), vec![4]));
        }
    }

    // R-K15
    #[test]
    fn a_loaded_key_has_its_versions_newest_first() {
        let engine = Engine::start(EngineParts::for_tests(Arc::new(MemoryStorage::new()))).unwrap();
        let store = engine.store_for_tests();
        for algorithm in [Algorithm::EcdsaP384Sha384, Algorithm::MlDsa44, Algorithm::HmacSha512] {
            let new = NewKey::new(algorithm.name().parse().unwrap(), algorithm);
            let id = engine.create_keys(store, vec![new]).unwrap()[0].id;
            for _ in 0..11 {
                engine.rotate(id).unwrap();
            }
            let (done, is_done) = mpsc::channel();
            engine.load(id, move |result| done.send(result).unwrap());
            is_done.recv().unwrap().unwrap();
            let mut worker = engine.worker();
            let frame = worker.enter();
            let versions: Vec<_> =
                frame.key(id).entry().unwrap().versions.iter().map(|entry| entry.version.get()).collect();
            assert_eq!(versions, (1..=12).rev().collect::<Vec<_>>(), "{algorithm}");
        }
    }
}
