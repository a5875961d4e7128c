//! Rotation under way: how long it takes until a new version is in force, while many connections use the key.
//!
//! Every connection encrypts one item after the other and looks at the version that each ciphertext names. A version that is lower than what had been acknowledged when the
//! item was sent fails the run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use claviger_algorithm::Algorithm;
use claviger_client::ClientConfig;
use claviger_control::ControlClient;
use claviger_protocol::message::{Encrypt, EncryptItem};
use claviger_protocol::{KeyId, Reply};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::conversation::{Conversation, UNEXPECTED, all_done};
use crate::crowd::{CrowdPlan, crowd};
use crate::format::{grouped, microseconds};
use crate::installation::STORE;
use crate::stats::{Percentiles, Statistics};
use crate::target::Target;
use crate::task::{Operation, Task};

/// How rotations are measured.
#[derive(Clone, Serialize)]
pub(crate) struct RotationPlan {
    #[serde(flatten)]
    pub(crate) crowd: CrowdPlan,
    /// How often the key is rotated without connections, and again with them.
    pub(crate) rotations: usize,
}

/// What was measured.
#[derive(Serialize)]
pub(crate) struct Rotated {
    pub(crate) plan: RotationPlan,
    /// From the order on the control port to its answer, before the connections were made.
    pub(crate) alone: Percentiles,
    /// The same while all connections use the key.
    pub(crate) beside: Percentiles,
    /// Items that were encrypted meanwhile, each under a version that was in force.
    pub(crate) items: u64,
}

/// What all connections share.
struct Shared {
    /// The version that was acknowledged last.
    acknowledged: AtomicU32,
    items: AtomicU64,
    ended: AtomicBool,
}

/// Rotates the key, alone and beside the connections.
///
/// # Errors
/// If the daemon refuses anything, or encrypts under a version that is no longer in force.
pub(crate) async fn measure_rotation(plan: &RotationPlan, target: &mut Target) -> anyhow::Result<Rotated> {
    let task = Task { operation: Operation::Encrypt, algorithm: Algorithm::Xaes256Gcm, size: ITEM_SIZE, batch: 1 };
    let key = target.key_name(&task).await?;
    let config = target.client_config(plan.crowd.transport);
    let key_id = Conversation::begin(&config).await?.key(STORE, &key, task.algorithm).await?.key_id;
    let administrator = target.ours()?.1;
    let shared =
        Arc::new(Shared { acknowledged: AtomicU32::new(1), items: AtomicU64::new(0), ended: AtomicBool::new(false) });
    let alone = rotate(plan.rotations, administrator, &key, &shared).await?;
    let mut users = connect(plan, &config, key_id, &shared).await?;
    let beside = tokio::select! {
        beside = rotate(plan.rotations, administrator, &key, &shared) => beside?,
        Some(ended) = users.join_next() => {
            ended??;
            bail!("a connection ended before the rotations did")
        }
    };
    shared.ended.store(true, Ordering::Relaxed);
    while let Some(ended) = users.join_next().await {
        ended??;
    }
    Ok(Rotated { plan: plan.clone(), alone, beside, items: shared.items.load(Ordering::Relaxed) })
}

/// Prints what was measured.
pub(crate) fn print_rotation(rotated: &Rotated) {
    let Rotated { plan, alone, beside, items } = rotated;
    println!(
        "Time in us from the order of a rotation to its answer, which says that it is in force, by {} rotations each.\n",
        plan.rotations
    );
    println!("{:<40} {:>10} {:>10} {:>10} {:>10}", "", "p50", "p90", "p99", "max");
    for (what, times) in [
        ("no connection".to_owned(), alone),
        (format!("{} connections use the key", grouped(plan.crowd.connections as u64)), beside),
    ] {
        let [p50, p90, p99, max] = [times.p50_ns, times.p90_ns, times.p99_ns, times.max_ns].map(microseconds);
        println!("{what:<40} {p50:>10} {p90:>10} {p99:>10} {max:>10}");
    }
    println!(
        "\n{} items were encrypted meanwhile, none under a version below the one that was acknowledged.",
        grouped(*items)
    );
    println!("The time includes a connection to the control port of its own: TCP, TLS, client certificate.");
}

async fn rotate(
    rotations: usize,
    administrator: &ControlClient,
    key: &str,
    shared: &Shared,
) -> anyhow::Result<Percentiles> {
    let mut times = Statistics::new();
    for _ in 0..rotations {
        let began = Instant::now();
        let rotated = administrator.rotate_key(STORE, key).await?;
        times.latency(began.elapsed());
        let version = rotated.current_version.context("the rotated key has no current version")?;
        shared.acknowledged.store(version, Ordering::SeqCst);
        sleep(BETWEEN_ROTATIONS).await;
    }
    Ok(times.percentiles())
}

/// Makes all connections; each has encrypted an item when this returns.
async fn connect(
    plan: &RotationPlan,
    config: &ClientConfig,
    key_id: KeyId,
    shared: &Arc<Shared>,
) -> anyhow::Result<JoinSet<anyhow::Result<()>>> {
    let mut users = JoinSet::new();
    for mut conversation in crowd(config, plan.crowd.connections).await? {
        encrypt(&mut conversation, key_id, shared).await?;
        users.spawn(use_key(conversation, key_id, plan.crowd.pause, Arc::clone(shared)));
    }
    Ok(users)
}

async fn use_key(
    mut conversation: Conversation,
    key_id: KeyId,
    pause: Duration,
    shared: Arc<Shared>,
) -> anyhow::Result<()> {
    while !shared.ended.load(Ordering::Relaxed) {
        encrypt(&mut conversation, key_id, &shared).await?;
        sleep(pause).await;
    }
    Ok(())
}

async fn encrypt(conversation: &mut Conversation, key_id: KeyId, shared: &Shared) -> anyhow::Result<()> {
    let acknowledged = shared.acknowledged.load(Ordering::SeqCst);
    let items = [EncryptItem { context: &[], plaintext: &[0x5a; ITEM_SIZE] }];
    let reply = conversation.ask(Encrypt { key_id, items }).await?;
    let Reply::Bytes(results) = reply.decode()? else { bail!(UNEXPECTED) };
    for ciphertext in all_done(results)? {
        let version = version_of(ciphertext).context("a ciphertext is too short to name its version")?;
        ensure!(
            version >= acknowledged,
            "version {version} encrypted after the rotation to version {acknowledged} had been acknowledged"
        );
        shared.items.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// The version of its key that a ciphertext names: 4 bytes after format and algorithm.
fn version_of(ciphertext: &[u8]) -> Option<u32> {
    ciphertext.get(2..)?.first_chunk().map(|version| u32::from_be_bytes(*version))
}

/// Bytes of each plaintext.
const ITEM_SIZE: usize = 64;

/// Between two rotations, so that all connections are at work under the new version before the next.
const BETWEEN_ROTATIONS: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ciphertext_names_its_version_behind_format_and_algorithm() {
        assert_eq!(version_of(&[1, 16, 0, 0, 1, 2, 9]), Some(258));
        for short in [&[][..], &[1], &[1, 16, 0, 0, 1]] {
            assert_eq!(version_of(short), None);
        }
    }
}
