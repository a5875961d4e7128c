//! Very many keys: what creating, keeping, listing and finding them costs a daemon.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use claviger_algorithm::Algorithm;
use claviger_client::Transport;
use claviger_control::ControlClient;
use claviger_control::message::{CreateKeys, NewKey};
use claviger_protocol::message::{Encrypt, EncryptItem, Resolve, ResolveItem};
use claviger_protocol::{KeyId, Reply};
use serde::Serialize;

use crate::conversation::{Conversation, UNEXPECTED, all_done};
use crate::daemon::Memory;
use crate::format::{grouped, measured, microseconds};
use crate::installation::STORE;
use crate::limits::CREATED_AT_ONCE;
use crate::progress::progress;
use crate::stats::{Percentiles, Statistics};
use crate::target::Target;

/// How many keys.
pub(crate) struct PopulationPlan {
    pub(crate) keys: usize,
    /// Keys that are used after the restart, spread over all of them.
    pub(crate) used: usize,
}

/// What was measured.
#[derive(Serialize)]
pub(crate) struct Population {
    pub(crate) keys: usize,
    pub(crate) used: usize,
    pub(crate) created_seconds: f64,
    /// Bytes of the data folder.
    pub(crate) data_size: u64,
    pub(crate) memory_after_creation: Memory,
    /// From the start of the process to the line that says that it serves.
    pub(crate) start_seconds: f64,
    pub(crate) memory_after_start: Memory,
    /// One page of the list of keys, 100 of them, over all pages.
    pub(crate) page: Percentiles,
    pub(crate) first_page_ns: u64,
    pub(crate) last_page_ns: u64,
    pub(crate) listed_seconds: f64,
    pub(crate) memory_after_list: Memory,
    /// From the request to the reply, for keys that are not in memory.
    pub(crate) first_use: Percentiles,
    /// The same keys again.
    pub(crate) second_use: Percentiles,
    pub(crate) memory_after_use: Memory,
}

/// Creates the keys, starts the daemon anew, lists them all and uses some.
///
/// # Errors
/// If the daemon refuses anything, or has other keys than those that were made.
pub(crate) async fn measure_population(plan: &PopulationPlan, target: &mut Target) -> anyhow::Result<Population> {
    let began = Instant::now();
    create(plan.keys, ALGORITHM, target.ours()?.1).await?;
    let created_seconds = began.elapsed().as_secs_f64();
    let memory_after_creation = target.memory()?;
    let data_size = size_of(target.ours()?.0)?;

    let start_seconds = target.restart()?.as_secs_f64();
    let memory_after_start = target.memory()?;

    let began = Instant::now();
    let Pages { times, first_ns, last_ns } = list(plan.keys, target.ours()?.1).await?;
    let listed_seconds = began.elapsed().as_secs_f64();
    let memory_after_list = target.memory()?;

    let mut conversation = Conversation::begin(&target.client_config(Transport::Tcp)).await?;
    let ids = resolve(plan.keys, plan.used, &mut conversation).await?;
    let first_use = use_all(&ids, &mut conversation).await?;
    let second_use = use_all(&ids, &mut conversation).await?;
    Ok(Population {
        keys: plan.keys,
        used: ids.len(),
        created_seconds,
        data_size,
        memory_after_creation,
        start_seconds,
        memory_after_start,
        page: times,
        first_page_ns: first_ns,
        last_page_ns: last_ns,
        listed_seconds,
        memory_after_list,
        first_use,
        second_use,
        memory_after_use: target.memory()?,
    })
}

/// Prints what was measured.
pub(crate) fn print_population(population: &Population) {
    let Population { keys, used, created_seconds, start_seconds, page, first_use, second_use, .. } = population;
    #[expect(clippy::cast_precision_loss, reason = "nobody makes 2^53 keys")]
    let rate = *keys as f64 / created_seconds;
    let fact = |name: &str, value: String| println!("{name:<34} {value}");
    let memory = |memory: &Memory| {
        format!("{} MiB of its own, {} MiB of files", grouped(memory.own >> 20), grouped(memory.files >> 20))
    };
    fact("keys", grouped(*keys as u64));
    fact("created in", format!("{} s ({} keys/s)", measured(*created_seconds), measured(rate)));
    fact("data folder", format!("{} MiB", grouped(population.data_size >> 20)));
    fact("memory after creation", memory(&population.memory_after_creation));
    fact("start to serving", format!("{} s", measured(*start_seconds)));
    fact("memory after start", memory(&population.memory_after_start));
    let percentiles = |times: &Percentiles| {
        let [p50, p99, max] = [times.p50_ns, times.p99_ns, times.max_ns].map(microseconds);
        format!("p50 {p50} us, p99 {p99} us, max {max} us")
    };
    fact("list of all, 100 a page", format!("{} s", measured(population.listed_seconds)));
    fact("  one page", percentiles(page));
    let ends = [population.first_page_ns, population.last_page_ns].map(microseconds);
    fact("  first and last page", format!("{} us, {} us", ends[0], ends[1]));
    fact("memory after the list", memory(&population.memory_after_list));
    fact(&format!("first use of {} keys", grouped(*used as u64)), percentiles(first_use));
    fact("second use of them", percentiles(second_use));
    fact("memory after use", memory(&population.memory_after_use));
    println!("\nA page comes over a connection of its own to the control port: TCP, TLS, client certificate.");
}

/// Creates so many keys.
///
/// # Errors
/// Those of the control port.
pub(crate) async fn create(count: usize, algorithm: Algorithm, administrator: &ControlClient) -> anyhow::Result<()> {
    let mut made = 0;
    while made < count {
        let next = count.min(made + CREATED_AT_ONCE);
        let key = |number| NewKey::new(name(number), algorithm.name());
        administrator.create_keys(STORE, &CreateKeys { keys: (made..next).map(key).collect() }).await?;
        made = next;
        progress(&format!("created {} of {} keys", grouped(made as u64), grouped(count as u64)));
    }
    progress("");
    Ok(())
}

struct Pages {
    times: Percentiles,
    first_ns: u64,
    last_ns: u64,
}

async fn list(count: usize, administrator: &ControlClient) -> anyhow::Result<Pages> {
    let (mut times, mut first, mut listed, mut after) = (Statistics::new(), None, 0, None);
    loop {
        let began = Instant::now();
        let page = administrator.keys(STORE, after.as_deref()).await?;
        let time = began.elapsed();
        times.latency(time);
        for key in &page.keys {
            ensure!(key.name == name(listed), "key {:?} is listed where {:?} should be", key.name, name(listed));
            listed += 1;
        }
        let first = *first.get_or_insert(time);
        after = page.next;
        if after.is_none() {
            ensure!(listed == count, "{listed} keys are listed of {count} that were made");
            let [first_ns, last_ns] = [first, time].map(nanoseconds);
            return Ok(Pages { times: times.percentiles(), first_ns, last_ns });
        }
    }
}

/// So many of the keys that were created, spread over all.
///
/// # Errors
/// If one of them is not there.
pub(crate) async fn resolve(
    created: usize,
    wanted: usize,
    conversation: &mut Conversation,
) -> anyhow::Result<Vec<KeyId>> {
    let wanted = wanted.min(created);
    let mut ids = Vec::with_capacity(wanted);
    while ids.len() < wanted {
        let numbers = ids.len()..wanted.min(ids.len() + NAMES_AT_ONCE);
        let names: Vec<_> = numbers.map(|number| name(number * created / wanted)).collect();
        let items: Vec<_> = names.iter().map(|name| ResolveItem { key_name: name.as_bytes() }).collect();
        let reply = conversation.ask(Resolve { store_name: STORE.as_bytes(), items }).await?;
        let Reply::Resolve(keys) = reply.decode()? else { bail!(UNEXPECTED) };
        ids.extend(all_done(keys)?.iter().map(|key| key.key_id));
        progress(&format!("resolved {} of {} keys", grouped(ids.len() as u64), grouped(wanted as u64)));
    }
    progress("");
    Ok(ids)
}

async fn use_all(ids: &[KeyId], conversation: &mut Conversation) -> anyhow::Result<Percentiles> {
    let mut times = Statistics::new();
    for key_id in ids {
        let began = Instant::now();
        let items = [EncryptItem { context: &[], plaintext: &[0x5a; ITEM_SIZE] }];
        let reply = conversation.ask(Encrypt { key_id: *key_id, items }).await?;
        times.latency(began.elapsed());
        let Reply::Bytes(results) = reply.decode()? else { bail!(UNEXPECTED) };
        all_done(results)?;
    }
    Ok(times.percentiles())
}

/// Names that are listed in the order of their numbers.
fn name(number: usize) -> String {
    format!("key-{number:08}")
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Bytes that the files of a folder take on the disk.
fn size_of(folder: &Path) -> anyhow::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let size =
        || -> io::Result<u64> { std::fs::read_dir(folder)?.map(|entry| Ok(entry?.metadata()?.blocks() * 512)).sum() };
    size().with_context(|| folder.display().to_string())
}

const ALGORITHM: Algorithm = Algorithm::Xaes256Gcm;
/// Bytes of each plaintext.
const ITEM_SIZE: usize = 64;
/// Names of one request to resolve.
const NAMES_AT_ONCE: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_the_order_of_their_numbers() {
        let names: Vec<_> = [0, 9, 10, 99, 100, 99_999_999].map(name).to_vec();
        assert!(names.is_sorted());
    }
}
