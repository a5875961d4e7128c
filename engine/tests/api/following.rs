//! How the cache follows storage when it falls behind, and when it cannot follow any more.

use std::sync::Arc;

use claviger_algorithm::Algorithm;
use claviger_engine::key::state::KeyState;
use claviger_engine::storage::{Call, FailingStorage, MemoryStorage, Storage};
use claviger_engine::{Error, KeyEntry};

use crate::support::installation::create_store;
use crate::support::{Client, Installation, name};

/// Storage that retains no change for its watches: whoever follows it has always fallen behind.
fn forgetful() -> Arc<FailingStorage<MemoryStorage>> {
    Arc::new(FailingStorage::new(MemoryStorage::with_watch_log_size(0)))
}

// R-K9
#[test]
fn changes_come_into_force_even_if_the_cache_falls_behind() {
    let installation = Installation::on(forgetful());
    let [id, other] = ["a", "b"].map(|text| installation.create(text, Algorithm::HmacSha256));
    let mut client = Client::new(&installation.engine);
    for state in [KeyState::Disabled, KeyState::Available].into_iter().cycle().take(20) {
        for id in [id, other] {
            client.with(id, |_| ());
        }
        installation.engine.set_state(id, state).unwrap();
        assert_eq!(client.with(id, KeyEntry::state), state);
        assert_eq!(client.with(other, KeyEntry::state), KeyState::Available);
    }
    let store = create_store(&installation.engine, "another").unwrap();
    assert_eq!(installation.engine.store_by_name(&name("another")).unwrap().id(), store);
}

// R-K9
#[test]
fn nothing_is_changed_when_storage_can_be_followed_no_more() {
    let storage = forgetful();
    let installation = Installation::on(storage.clone());
    let [id, other] = ["a", "b"].map(|text| installation.create(text, Algorithm::HmacSha256));
    let mut client = Client::new(&installation.engine);
    for id in [id, other] {
        client.with(id, |_| ());
    }
    // The cache reads the key stores again, and fails.
    storage.fail(Call::Scan, 1);
    let not_acknowledged = installation.engine.set_state(id, KeyState::Disabled);
    assert!(matches!(not_acknowledged, Err(Error::Closed)), "{not_acknowledged:?}");

    let revision = storage.revision();
    assert!(matches!(installation.engine.set_state(other, KeyState::Disabled), Err(Error::Closed)));
    assert!(matches!(installation.engine.rotate(other), Err(Error::Closed)));
    assert!(matches!(installation.try_create("c", Algorithm::HmacSha256), Err(Error::Closed)));
    assert!(matches!(create_store(&installation.engine, "another"), Err(Error::Closed)));
    assert_eq!(storage.revision(), revision);
    // What is served is what storage holds, not what was there before the change that was missed.
    assert_eq!(client.with(id, KeyEntry::state), KeyState::Disabled);
    assert_eq!(client.with(other, KeyEntry::state), KeyState::Available);
}
