//! Authentication data and stops under approval: what is added together, and what is enabled though it was stopped in memory alone.

use std::sync::Arc;

use claviger_engine::access::NewAccess;
use claviger_engine::approval::Decided;
use claviger_engine::limits::ACCESS_ROWS_MAX;
use claviger_engine::storage::{Call, FailingStorage, MemoryStorage};
use claviger_engine::{AccessData, Engine, Error, StoreState};

use crate::access::{issued, network, new};
use crate::approvals::{BOB, Change, approve, ask};
use crate::support::Installation;

fn add(installation: &Installation, data: AccessData) -> impl Fn(&Engine) -> Result<(), Error> {
    let store = installation.store;
    move |engine| engine.add_access(store, new(data.clone())).map(drop)
}

fn rows(installation: &Installation) -> usize {
    installation.engine.list_access(installation.store, |_| true, None, 1_000).unwrap().rows.len()
}

on_every_storage! {
    // R-A9, R-A6
    fn what_excludes_each_other_is_not_added_by_one_request(installation) {
        let one = network("192.0.2.1");
        let pinned = AccessData::PinnedKey([1; 32]);
        for (one, other) in [(one.clone(), one), (issued(1, 1), pinned), (issued(7, 1), issued(7, 2))] {
            let (one, other) = (add(installation, one), add(installation, other));
            let changes: [Change<'_>; 2] = [&one, &other];
            assert!(matches!(ask(installation, &changes), Err(Error::ChangesOverlap)));
        }
        let (one, other) = (add(installation, network("192.0.2.1")), add(installation, network("192.0.2.2")));
        let changes: [Change<'_>; 2] = [&one, &other];
        let asked = ask(installation, &changes).unwrap();
        assert_eq!(rows(installation), 0);
        assert!(matches!(approve(&installation.engine, asked.id, BOB, &changes), Ok(Decided::Applied(_))));
        assert_eq!(rows(installation), 2);
    }

    // R-A9, R-A6
    fn what_has_come_meanwhile_excludes_what_was_asked_for(installation) {
        let (one, other) = (add(installation, network("192.0.2.1")), add(installation, network("192.0.2.2")));
        let changes: [Change<'_>; 2] = [&one, &other];
        let asked = ask(installation, &changes).unwrap();
        other(&installation.engine).unwrap();
        let refused = approve(&installation.engine, asked.id, BOB, &changes);
        assert!(matches!(refused, Err(Error::AccessRowExists { .. })), "{refused:?}");
        assert_eq!(rows(installation), 1, "none of both");
    }
}

// R-A9, R-A6
#[test]
fn a_request_adds_no_more_than_a_store_may_have() {
    let installation = Installation::in_memory();
    for number in 0..ACCESS_ROWS_MAX - 1 {
        let NewAccess { data, .. } = new(network(&format!("10.0.{}.{}", number / 256, number % 256)));
        add(&installation, data)(&installation.engine).unwrap();
    }
    let (one, other) = (add(&installation, network("192.0.2.1")), add(&installation, network("192.0.2.2")));
    let changes: [Change<'_>; 2] = [&one, &other];
    assert!(matches!(ask(&installation, &changes), Err(Error::TooManyAccessRows)));
    assert!(ask(&installation, &changes[..1]).is_ok());
}

// R-A9, R-A13
#[test]
fn what_was_stopped_in_memory_alone_is_written_before_its_end_is_asked_for() {
    let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
    let installation = Installation::on(Arc::<FailingStorage<MemoryStorage>>::clone(&storage));
    let (engine, store) = (&installation.engine, installation.store);
    let row = engine.add_access(store, new(network("192.0.2.1"))).unwrap().id;
    let enable_store = |engine: &Engine| engine.enable_store(store).map(drop);
    let enable_row = |engine: &Engine| engine.enable_access(store, row).map(drop);
    let unlock = |engine: &Engine| engine.unlock();
    for (number, enable) in [&enable_store as Change<'_>, &enable_row, &unlock].into_iter().enumerate() {
        storage.fail(Call::Transact, 1);
        let not_durable = match number {
            0 => engine.stop_store(store).unwrap().not_durable,
            1 => engine.stop_access(store, row).unwrap().not_durable,
            _ => engine.lock("").unwrap().stopped.not_durable,
        };
        assert!(not_durable.is_some());
        // As long as it cannot be written, nothing can be asked for, and that says why.
        storage.fail(Call::Transact, 1);
        assert!(matches!(ask(&installation, &[enable]), Err(Error::Storage(_))), "{number}");
        assert_eq!(engine.unwritten_stops().len(), 1);
        let asked = ask(&installation, &[enable]).unwrap();
        assert_eq!(engine.unwritten_stops(), [], "{number}");
        assert!(number != 0 || engine.describe_store(store).unwrap().state == StoreState::Disabled);
        let decided = approve(engine, asked.id, BOB, &[enable]).unwrap();
        assert!(matches!(decided, Decided::Applied(_)), "{number}");
    }
    assert_eq!(engine.store_by_id(store).unwrap().policy().state, StoreState::Available);
    assert!(!engine.is_locked());
}
