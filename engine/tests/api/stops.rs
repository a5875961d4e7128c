//! Stops that are ordered while others are written, or ended, on disks that hang: what is said of each is so.

use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use claviger_engine::audit::AuditError;
use claviger_engine::emergency::{Stopped, UnwrittenStop};
use claviger_engine::key::id::StoreId;
use claviger_engine::storage::{Address, Call, Database, FailingStorage, MemoryStorage, Pause, Storage};
use claviger_engine::{Engine, Error, StoreState};

use crate::access::{network, new};
use crate::support::Installation;

type Failing = Arc<FailingStorage<MemoryStorage>>;

/// Something that is stopped, and enabled again.
#[derive(Clone, Copy, Debug)]
enum Stop {
    Lock,
    Store(StoreId),
}

impl Stop {
    fn all(installation: &Installation) -> [Self; 2] {
        [Self::Lock, Self::Store(installation.store)]
    }

    fn place(self) -> Address {
        match self {
            Self::Lock => Address::new(Database::Keys, "L"),
            Self::Store(id) => Address::new(Database::Keys, [b"s", &id.0[..]].concat()),
        }
    }

    fn order(self, engine: &Engine) -> Stopped {
        match self {
            Self::Lock => engine.lock("a theft").unwrap().stopped,
            Self::Store(id) => engine.stop_store(id).unwrap(),
        }
    }

    fn end(self, engine: &Engine) -> Result<(), Error> {
        match self {
            Self::Lock => engine.unlock(),
            Self::Store(id) => engine.enable_store(id).map(drop),
        }
    }

    fn is_in_force(self, engine: &Engine) -> bool {
        match self {
            Self::Lock => engine.is_locked(),
            Self::Store(id) => engine.store_by_id(id).unwrap().policy().state == StoreState::Disabled,
        }
    }
}

fn on_failing_storage() -> (Failing, Installation) {
    let storage: Failing = Arc::new(FailingStorage::new(MemoryStorage::new()));
    let installation = Installation::on(Arc::<FailingStorage<MemoryStorage>>::clone(&storage));
    (storage, installation)
}

fn reached(pause: &Pause) {
    assert!(pause.wait_until_reached(Duration::from_mins(1)));
}

fn wait_until(is_so: impl Fn() -> bool) {
    while !is_so() {
        thread::yield_now();
    }
}

// R-A13
#[test]
fn who_stops_while_somebody_enables_is_not_overruled_whether_or_not_that_can_be_written() {
    let (storage, installation) = on_failing_storage();
    let engine = &installation.engine;
    for (stop, can_be_written) in Stop::all(&installation).into_iter().flat_map(|stop| [(stop, false), (stop, true)]) {
        assert!(stop.order(engine).not_durable.is_none());
        // The first reads what is to be changed, the second what is in force now.
        drop(storage.pause_get(&stop.place()));
        let pause = storage.pause_get(&stop.place());
        thread::scope(|scope| {
            let enabling = scope.spawn(|| stop.end(engine));
            reached(&pause);
            storage.fail(Call::Transact, u64::from(!can_be_written));
            let stopping = scope.spawn(|| stop.order(engine));
            wait_until(|| !engine.unwritten_stops().is_empty());
            pause.release();
            assert!(matches!(enabling.join().unwrap(), Err(Error::Conflict)), "{stop:?}");
            assert_eq!(stopping.join().unwrap().not_durable.is_none(), can_be_written, "{stop:?}");
        });
        assert!(stop.is_in_force(engine), "{stop:?}");
        assert_eq!(engine.write_stops(), []);
        assert!(stop.is_in_force(engine), "{stop:?}");
    }
    let installation = installation.restarted(|_| {});
    assert!(Stop::all(&installation).into_iter().all(|stop| stop.is_in_force(&installation.engine)));
}

// R-A13
#[test]
fn who_enables_while_an_older_stop_is_written_is_not_overruled() {
    let (storage, installation) = on_failing_storage();
    let engine = &installation.engine;
    for stop in Stop::all(&installation) {
        storage.fail(Call::Transact, 1);
        assert!(stop.order(engine).not_durable.is_some());
        let pause = storage.pause_get(&stop.place());
        thread::scope(|scope| {
            let writing = scope.spawn(|| engine.write_stops());
            reached(&pause);
            let enabling = scope.spawn(|| stop.end(engine));
            pause.release();
            enabling.join().unwrap().unwrap();
            assert_eq!(writing.join().unwrap(), []);
        });
        assert!(!stop.is_in_force(engine), "{stop:?}");
        assert_eq!(engine.write_stops(), []);
    }
    let installation = installation.restarted(|_| {});
    assert!(!Stop::all(&installation).into_iter().any(|stop| stop.is_in_force(&installation.engine)));
}

// R-A13
#[test]
fn all_who_order_the_same_stop_wait_for_one_writer() {
    let (storage, installation) = on_failing_storage();
    let engine = &installation.engine;
    let before = storage.revision();
    let pause = storage.pause_get(&Stop::Lock.place());
    thread::scope(|scope| {
        let first = scope.spawn(|| Stop::Lock.order(engine));
        reached(&pause);
        let others = [(); 3].map(|()| scope.spawn(|| Stop::Lock.order(engine)));
        // The one that hangs holds all back, and no disk is asked for the others.
        assert!(matches!(Stop::Lock.order(engine).not_durable.as_deref(), Some(Error::StopPending)));
        pause.release();
        assert!(first.join().unwrap().not_durable.is_none_or(|error| matches!(*error, Error::StopPending)));
        others.into_iter().for_each(|other| drop(other.join().unwrap()));
    });
    wait_until(|| engine.unwritten_stops().is_empty());
    assert_eq!(storage.revision().0, before.0 + 1);
}

// R-A13
#[test]
fn a_stop_does_not_wait_for_a_read_of_its_store_and_what_that_has_read_is_not_put_in_force() {
    let (storage, installation) = on_failing_storage();
    let (engine, store) = (&installation.engine, installation.store);
    let row = engine.add_access(store, new(network("192.0.2.1"))).unwrap().id;
    let admits = || {
        let policy = engine.store_by_id(store).unwrap().policy().clone();
        policy.access.networks("192.0.2.1".parse().unwrap()).next().is_some()
    };
    assert!(admits());
    let pause = storage.pause_get(&Stop::Store(store).place());
    thread::scope(|scope| {
        let adding = scope.spawn(|| engine.add_access(store, new(network("192.0.2.2"))));
        reached(&pause);
        let stopping = scope.spawn(|| engine.stop_access(store, row));
        wait_until(|| !admits());
        pause.release();
        adding.join().unwrap().unwrap();
        assert!(stopping.join().unwrap().unwrap().not_durable.is_none());
    });
    assert!(!admits());
}

// R-A13, R-O3
#[test]
fn what_was_enabled_is_enabled_even_if_that_is_not_in_the_audit_log_yet() {
    let installation = Installation::audited();
    let engine = &installation.engine;
    for (stop, address) in Stop::all(&installation).into_iter().zip(["192.0.2.1", "192.0.2.2"]) {
        let folder = installation.places.audit_folder();
        let hidden = folder.with_file_name("hidden");
        fs::rename(&folder, &hidden).unwrap();
        assert!(stop.order(engine).not_durable.is_some());
        assert_eq!(engine.unwritten_stops().len(), 1);
        fs::rename(&hidden, &folder).unwrap();
        // The log is found again.
        engine.add_access(installation.store, new(network(address))).unwrap();
        let mut files = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
        let file = files.find(|path| path.extension().is_none_or(|extension| extension != "lock")).unwrap();
        let away = folder.with_file_name("away");
        fs::rename(&file, &away).unwrap();
        let told = stop.end(engine).unwrap_err();
        assert!(matches!(told, Error::Audit(AuditError::NotYetLogged(_))), "{told}");
        assert!(!stop.is_in_force(engine), "{stop:?}");
        fs::rename(&away, &file).unwrap();
        assert_eq!(engine.write_stops(), [] as [UnwrittenStop; 0]);
        assert!(!stop.is_in_force(engine), "{stop:?}");
    }
}
