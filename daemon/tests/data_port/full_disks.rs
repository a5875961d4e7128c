//! Stops on live connections while disks are full or gone: in force at once, told as not durable, and written by themselves afterwards.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use claviger_algorithm::Algorithm;
use claviger_engine::audit::AuditFilter;
use claviger_engine::emergency::{Stopped, UnwrittenStop};
use claviger_engine::storage::{LmdbOptions, LmdbStorage};
use claviger_engine::{Act, Engine, Error};
use claviger_protocol::KeyId;
use tokio::task::{JoinSet, spawn_blocking};

use crate::disk::Disk;
use crate::lock::Seen;
use crate::support::certificates::client_of;
use crate::support::server::engine_id;
use crate::support::{Client, Options, Server, Transport, within};

/// What is wrong with the disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// That of the data folder is full.
    DataFull,
    /// That of the audit log is full.
    AuditFull,
    /// The folder of the audit log is not there.
    AuditGone,
}

on_both_transports! {
    // R-A13
    async fn a_full_disk_of_the_data_folder_keeps_nobody_in(transport) {
        stops_are_in_force(transport, Fault::DataFull).await;
    }

    // R-A13, R-O3
    async fn a_full_disk_of_the_audit_log_keeps_nobody_in(transport) {
        stops_are_in_force(transport, Fault::AuditFull).await;
    }

    // R-A13, R-O3
    async fn an_audit_folder_that_is_gone_keeps_nobody_in(transport) {
        stops_are_in_force(transport, Fault::AuditGone).await;
    }
}

async fn stops_are_in_force(transport: Transport, fault: Fault) {
    let (Some(data), Some(audit)) = (Disk::mount(), Disk::mount()) else { return };
    let server = Arc::new(start(data.path(), audit.path()));
    let (client, row) = client_of(&server);
    let keys = [server.create("aes", Algorithm::Xaes256Gcm), server.create("ed25519", Algorithm::Ed25519)];
    let seen = Arc::<Seen>::default();
    let mut clients = JoinSet::new();
    for key in keys.into_iter().cycle().take(4) {
        let client = Client::greeted_as(&server, transport, &client).await;
        clients.spawn(Arc::clone(&seen).run(client, key, key == keys[0]));
    }
    seen.wait_for_more(&seen.succeeded).await;
    let stops = [UnwrittenStop::Row(server.store, row), UnwrittenStop::Store(server.store), UnwrittenStop::Lock];
    for (number, stop) in stops.into_iter().enumerate() {
        begin(fault, &data, &audit);
        blocking(&server, move |engine| changes_are_refused(engine, keys[0], fault)).await;
        // Crypto goes on.
        seen.wait_for_more(&seen.succeeded).await;
        let stopped = blocking(&server, move |engine| order(&ada(engine), stop)).await;
        seen.turn.fetch_add(1, Ordering::SeqCst);
        let why = stopped.not_durable.unwrap_or_else(|| panic!("{fault:?}: {stop:?} is durable"));
        assert_eq!(matches!(*why, Error::Storage(_)), fault == Fault::DataFull, "{why}");
        assert!(fault == Fault::DataFull || matches!(*why, Error::Audit(_)), "{why}");
        seen.wait_for_more(&seen.refused).await;
        let left = blocking(&server, move |engine| engine.write_stops()).await;
        assert_eq!(left, [stop], "{fault:?}");
        mend(fault, &data, &audit);
        let by_itself = number == 0;
        let engine = Arc::clone(&server.engine);
        within(async move {
            while engine.is_stop_unwritten(stop) {
                if by_itself {
                    tokio::task::yield_now().await;
                } else {
                    let engine = Arc::clone(&engine);
                    spawn_blocking(move || engine.write_stops()).await.unwrap();
                }
            }
        })
        .await;
        // It is no less in force.
        seen.wait_for_more(&seen.refused).await;
        seen.turn.fetch_add(1, Ordering::SeqCst);
        blocking(&server, move |engine| end(engine, stop)).await;
        seen.wait_for_more(&seen.succeeded).await;
    }
    seen.is_over.store(true, Ordering::SeqCst);
    while let Some(ended) = within(clients.join_next()).await {
        ended.unwrap();
    }
    let page = server.engine.audit_page(&AuditFilter::default(), 0, 1_000).unwrap().unwrap();
    let told = page.records.iter().filter(|record| record.event.operation == "stop");
    assert!(told.clone().all(|record| record.event.actor == "ada"), "{page:?}");
    assert_eq!(told.count(), 3, "each once: {page:?}");
    assert!(server.engine.verify_audit(1).unwrap().unwrap().is_intact());
}

/// With floors, so that writes are refused before they fail: then they go on by themselves when there is room.
fn start(data: &Path, audit: &Path) -> Server {
    let options = LmdbOptions { map_size: 0, free_space_floor: FLOOR, ..LmdbOptions::default() };
    let storage = Arc::new(LmdbStorage::open(&data.join("data"), &options).unwrap());
    let audit_disk = Some((audit.join("audit"), FLOOR));
    Server::start_with(Options { storage, is_audited: true, audit_disk, ..Options::default() })
}

fn begin(fault: Fault, data: &Disk, audit: &Disk) {
    match fault {
        Fault::DataFull => data.fill(),
        Fault::AuditFull => audit.fill(),
        Fault::AuditGone => fs::rename(audit.path().join("audit"), audit.path().join("away")).unwrap(),
    }
}

fn mend(fault: Fault, data: &Disk, audit: &Disk) {
    match fault {
        Fault::DataFull => data.drop_filler(),
        Fault::AuditFull => audit.drop_filler(),
        Fault::AuditGone => fs::rename(audit.path().join("away"), audit.path().join("audit")).unwrap(),
    }
}

fn changes_are_refused(engine: &Engine, key: KeyId, fault: Fault) {
    let versions = || engine.describe_key(engine_id(key)).unwrap().versions.len();
    let before = versions();
    let error = engine.rotate(engine_id(key)).unwrap_err().to_string();
    let what = if fault == Fault::DataFull { "data" } else { "audit log" };
    assert!(error.contains(what), "{fault:?}: {error}");
    assert_eq!(versions(), before);
}

fn ada(engine: &Engine) -> Engine {
    engine.on_behalf_of(Act::new("ada".to_owned(), "stop"))
}

fn order(engine: &Engine, stop: UnwrittenStop) -> Stopped {
    match stop {
        UnwrittenStop::Lock => engine.lock("").unwrap().stopped,
        UnwrittenStop::Store(store) => engine.stop_store(store).unwrap(),
        UnwrittenStop::Row(store, row) => engine.stop_access(store, row).unwrap(),
    }
}

fn end(engine: &Engine, stop: UnwrittenStop) {
    match stop {
        UnwrittenStop::Lock => engine.unlock().unwrap(),
        UnwrittenStop::Store(store) => drop(engine.enable_store(store).unwrap()),
        UnwrittenStop::Row(store, row) => drop(engine.enable_access(store, row).unwrap()),
    }
}

async fn blocking<T: Send + 'static>(server: &Server, act: impl FnOnce(&Engine) -> T + Send + 'static) -> T {
    let engine = Arc::clone(&server.engine);
    spawn_blocking(move || act(&engine)).await.unwrap()
}

/// Bytes that have to be free on both disks.
const FLOOR: u64 = 512 * 1024;
