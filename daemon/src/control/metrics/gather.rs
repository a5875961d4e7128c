//! The values of all metrics at one moment.

use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use claviger_engine::lane::Pool;
use claviger_engine::{Engine, Error};
use claviger_protocol::Status;

use super::super::certificate_ends::{self, CertificateEnd};
use super::super::{ControlState, health};
use super::ControlCounts;
use super::table;
use super::text::Text;
use crate::data_port::DataPort;
use crate::data_port::identity::Transport;
use crate::data_port::quota::QuotaRefusals;
use crate::data_port::tally::OperationCounts;
use crate::limits::STORES_WATCHED;

/// The text of one scrape. Blocks: it looks at disks and storage.
///
/// # Errors
/// If storage cannot be read.
pub(in super::super) fn gather(state: &ControlState) -> Result<String, Error> {
    let mut text = Text::default();
    daemon(&mut text, state);
    // Its counts are gone with it when the daemon ends.
    if let Some(data) = state.data.lock().as_ref() {
        data_port(&mut text, data, &state.installation.engine);
    }
    engine(&mut text, &state.installation.engine);
    storage(&mut text, state);
    shred_table(&mut text, &state.installation.engine)?;
    keys(&mut text, state);
    certificates(&mut text, state);
    control_port(&mut text, &state.counts);
    Ok(text.finish())
}

fn daemon(text: &mut Text, state: &ControlState) {
    let protocol = claviger_protocol::header::VERSION.to_string();
    text.family(&table::BUILD).value(&[env!("CARGO_PKG_VERSION"), &protocol], 1);
    text.single(&table::STARTED, state.started.as_second());
    text.single(&table::RELOAD_FAILED, u8::from(state.reload_failure.lock().is_some()));
    text.single(&table::READY, u8::from(health::reasons(state).is_empty()));
    text.single(&table::LOCKED, u8::from(state.installation.engine.is_locked()));
    text.single(&table::STOPS_UNWRITTEN, state.installation.engine.unwritten_stops().len());
}

fn data_port(text: &mut Text, data: &DataPort, engine: &Engine) {
    let operations: Vec<_> = data.operation_counts().collect();
    let mut by_status = |metric, counts: fn(&OperationCounts) -> &[u64]| {
        let mut family = text.family(metric);
        for (operation, of) in &operations {
            for (status, count) in Status::ALL.iter().zip(counts(of)) {
                // What has not happened yet is left out, or there would be a thousand lines; that something went well is always told.
                if *count > 0 || *status == Status::Ok {
                    family.value(&[operation, status.name()], count);
                }
            }
        }
    };
    by_status(&table::REQUESTS, |counts| &counts.replies);
    by_status(&table::ITEMS, |counts| &counts.items);
    let mut bytes = |metric, counts: fn(&OperationCounts) -> u64| {
        let mut family = text.family(metric);
        for (operation, of) in &operations {
            family.value(&[operation], counts(of));
        }
    };
    bytes(&table::RECEIVED, |counts| counts.received);
    bytes(&table::SENT, |counts| counts.sent);
    let mut durations = text.family(&table::DURATION);
    for (operation, of) in operations.iter().filter(|(_, of)| of.took.count() > 0) {
        durations.histogram(&[operation], &of.took);
    }
    connections(text, data);
    quotas(text, data, engine);
}

fn quotas(text: &mut Text, data: &DataPort, engine: &Engine) {
    let name = |(store, refusals)| Some((engine.store_by_id(store)?.policy().name.to_string(), refusals));
    let mut stores: Vec<_> = data.quota_refusals().into_iter().filter_map(name).collect();
    // The same stores each time, in the order of their names; those beyond are one value.
    stores.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    let others = stores.split_off(stores.len().min(STORES_WATCHED));
    let together = others.into_iter().map(|(_, refusals)| refusals).reduce(|sum, more| QuotaRefusals {
        by_store: sum.by_store + more.by_store,
        by_client: sum.by_client + more.by_client,
    });
    let mut family = text.family(&table::QUOTA_REFUSED);
    for (store, refusals) in stores.into_iter().chain(together.map(|sum| ("other".to_owned(), sum))) {
        family.value(&[&store, "store"], refusals.by_store).value(&[&store, "client"], refusals.by_client);
    }
}

fn connections(text: &mut Text, data: &DataPort) {
    let counts = data.connection_counts();
    let mut open = text.family(&table::CONNECTIONS);
    for transport in Transport::ALL {
        open.value(&[transport.name()], counts.open(transport));
    }
    text.single(&table::CONNECTIONS_MAX, data.connections_max());
    let mut accepted = text.family(&table::CONNECTIONS_ACCEPTED);
    for transport in Transport::ALL {
        accepted.value(&[transport.name()], counts.all_accepted(transport));
    }
    let mut refused = text.family(&table::CONNECTIONS_REFUSED);
    for transport in Transport::ALL {
        for (reason, count) in counts.all_refused(transport) {
            refused.value(&[transport.name(), reason.name()], count);
        }
    }
    let budgets = data.budgets();
    let mut taken = text.family(&table::BUDGET_TAKEN);
    for (budget, taken_of, _) in budgets {
        taken.value(&[budget], taken_of);
    }
    let mut size = text.family(&table::BUDGET_SIZE);
    for (budget, _, size_of) in budgets {
        size.value(&[budget], size_of);
    }
}

fn engine(text: &mut Text, engine: &Engine) {
    let cache = engine.cache_activity();
    text.single(&table::CACHE_KEYS, cache.keys);
    text.single(&table::CACHE_KEYS_MAX, cache.keys_max);
    text.family(&table::CACHE_LOADS).value(&["ok"], cache.loads).value(&["failed"], cache.failed_loads);
    text.single(&table::CACHE_EVICTIONS, cache.evictions);
    text.family(&table::CACHE_FILLED).value(&["ok"], cache.filled).value(&["failed"], cache.unfilled);
    text.single(&table::CACHE_FILLING, u8::from(engine.is_filling()));
    let lanes = [("compute", engine.compute()), ("storage", engine.storage_lane())];
    let mut by_lane = |metric, value: fn(&Pool) -> usize| {
        let mut family = text.family(metric);
        for (lane, pool) in lanes {
            family.value(&[lane], value(pool));
        }
    };
    by_lane(&table::LANE_THREADS, Pool::threads);
    by_lane(&table::LANE_QUEUED, Pool::waiting);
    by_lane(&table::LANE_RUNNING, Pool::running);
    let mut waited = text.family(&table::LANE_WAIT);
    for (lane, pool) in lanes {
        waited.histogram(&[lane], &pool.waited());
    }
}

fn storage(text: &mut Text, state: &ControlState) {
    let storage = &state.installation.storage;
    let activity = storage.activity();
    text.single(&table::REVISION, storage.revision());
    text.family(&table::COMMIT).histogram(&[], &activity.commits);
    text.family(&table::TRANSACTIONS)
        .value(&["made"], activity.made)
        .value(&["conflict"], activity.conflicts)
        .value(&["failed"], activity.failed);
    text.single(&table::MAP_SIZE, activity.map_size);
    text.single(&table::USED_SIZE, activity.used_size);
    let journal = state.installation.backups.journal();
    let mut free = text.family(&table::DISK_FREE);
    for (place, folder) in [("data", state.folder.as_path()), ("journal", journal.folder())] {
        // A disk that is away has no free bytes that could be told.
        if let Some(bytes) = health::free_space(folder) {
            free.value(&[place], bytes);
        }
    }
    text.single(&table::DISK_FLOOR, state.free_space_floor);
    let (segment, size) = journal.position().unwrap_or_default();
    text.single(&table::JOURNAL_SEGMENT, segment);
    text.single(&table::JOURNAL_SEGMENT_SIZE, size);
    text.single(&table::JOURNAL_FAILING, u8::from(journal.failure().is_some()));
    if let Some(audit) = state.installation.engine.audit_status() {
        text.single(&table::AUDIT_RECORDS, audit.last);
        text.single(&table::AUDIT_FAILING, u8::from(audit.failure.is_some()));
        text.single(&table::AUDIT_LOST, audit.lost);
        text.single(&table::AUDIT_DROPPED_REQUESTS, audit.dropped_requests);
    }
}

fn shred_table(text: &mut Text, engine: &Engine) -> Result<(), Error> {
    let mirrors = engine.shred_table().status();
    let away = mirrors.iter().filter(|mirror| mirror.fault.is_some()).count();
    text.family(&table::SHRED_MIRRORS).value(&["good"], mirrors.len() - away).value(&["away"], away);
    let (secrets, damaged) = engine.shred_table().taken();
    text.single(&table::SHRED_SECRETS, secrets);
    text.single(&table::SHRED_DAMAGED, damaged);
    text.single(&table::DESTRUCTIONS_PENDING, engine.pending_destructions()?);
    Ok(())
}

fn keys(text: &mut Text, state: &ControlState) {
    let engine = &state.installation.engine;
    let uses = engine.use_warnings();
    text.family(&table::KEYS_NEAR_LIMIT)
        .value(&["uses"], uses.near_limit.len())
        .value(&["versions"], engine.version_warnings().len());
    text.family(&table::USES_UNWRITTEN)
        .value(&["limited"], u8::from(uses.limited_unwritten))
        .value(&["statistics"], u8::from(uses.statistics_unwritten));
    text.single(&table::SCHEDULE_STALLED, u8::from(engine.schedule_is_stalled()));
    text.single(&table::SYSTEM_KEY_VERSION, engine.system_keys().last().map_or(0, |key| key.version));
    let left = engine.renewal().map_or(0, |renewal| renewal.records.saturating_sub(renewal.renewed));
    text.single(&table::RENEWAL_LEFT, left);
}

fn certificates(text: &mut Text, state: &ControlState) {
    let now = SystemTime::now();
    let mut family = text.family(&table::CERTIFICATE_LEFT);
    for CertificateEnd { of, end } in &state.shown().ends {
        family.value(&[of, ""], seconds_between(now, *end));
    }
    let mut stores = certificate_ends::of_stores(&state.installation.engine);
    // The same stores each time, in the order of their names; those beyond are one value.
    let others = stores.split_off(stores.len().min(STORES_WATCHED));
    let soonest = others.into_iter().map(|(_, end)| end).min().map(|end| ("other".to_owned(), end));
    for (store, end) in stores.into_iter().chain(soonest) {
        family.value(&["store", &store], seconds_between(now, end));
    }
}

fn control_port(text: &mut Text, counts: &ControlCounts) {
    let mut requests = text.family(&table::CONTROL_REQUESTS);
    for (&(operation, changes, status), count) in &*counts.requests.lock() {
        requests.value(&[operation, if changes { "change" } else { "read" }, &status.to_string()], count);
    }
    text.single(&table::CONTROL_REFUSED, counts.refused.load(Ordering::Relaxed));
}

/// Below 0 if `end` was before.
fn seconds_between(now: SystemTime, end: SystemTime) -> i64 {
    let seconds = |time: SystemTime| {
        let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX)
    };
    seconds(end).saturating_sub(seconds(now))
}
