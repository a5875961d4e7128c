//! Changes of access under way: how long until they are in force on every one of many connections, and whether anybody is served after that.
//!
//! All connections show the same certificate and encrypt one item after the other. Changes on the control port refuse them and let them in again, in turn. A second key store lets the
//! client in all the time, so that the daemon does not close whoever is refused; at the end it lets go too, and it is measured how long resting connections stay.
//!
//! `changes` what is ordered · `connection` what each connection does and sees

mod changes;
mod connection;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use claviger_algorithm::Algorithm;
use serde::Serialize;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::changes::{Change, Client};
use self::connection::{ITEM_SIZE, Seen, Shared, use_key};
use crate::crowd::{CrowdPlan, crowd};
use crate::format::{grouped, microseconds};
use crate::installation::STORE;
use crate::limits::{CLOSED_TIME, SILENCE_MAX};
use crate::stats::{Percentiles, Statistics};
use crate::target::Target;
use crate::task::{Operation, Task};

/// How changes of access are measured.
#[derive(Clone, Serialize)]
pub(crate) struct AccessPlan {
    #[serde(flatten)]
    pub(crate) crowd: CrowdPlan,
    /// How often each change is made.
    pub(crate) rounds: usize,
}

/// What was measured.
#[derive(Serialize)]
pub(crate) struct AccessChanged {
    pub(crate) plan: AccessPlan,
    pub(crate) changes: Vec<ChangeTimes>,
    /// Items that were done meanwhile.
    pub(crate) served: u64,
    /// Requests that were refused meanwhile.
    pub(crate) refused: u64,
    /// Requests that were served though they had been sent after the answer to a change that refuses them. There must be none.
    pub(crate) served_after_answer: u64,
    /// Requests that were refused though they had been sent after the answer to a change that lets them in. There must be none.
    pub(crate) refused_after_answer: u64,
    /// From the last answer until each resting connection was closed, when no key store lets it in any more.
    pub(crate) closed: Percentiles,
}

/// How long one kind of change took.
#[derive(Serialize)]
pub(crate) struct ChangeTimes {
    pub(crate) change: &'static str,
    /// Whether it lets in.
    pub(crate) admits: bool,
    /// From the order to its answer, which says that it is in force.
    pub(crate) answer: Percentiles,
    /// From the order until a connection is first answered so, over all connections.
    pub(crate) seen: Percentiles,
    /// The same of the last connection of each round.
    pub(crate) seen_by_all: Percentiles,
}

/// Makes each change in turn, beside the connections.
///
/// # Errors
/// If the daemon refuses an order, or a connection ends or is silent.
pub(crate) async fn measure_access(plan: &AccessPlan, target: &mut Target) -> anyhow::Result<AccessChanged> {
    let task = Task { operation: Operation::Encrypt, algorithm: Algorithm::Xaes256Gcm, size: ITEM_SIZE, batch: 1 };
    let key = target.key_name(&task).await?;
    let config = target.client_config(plan.crowd.transport);
    let administrator = target.ours()?.1;
    let mut client = Client::begin(administrator).await?;
    let mut connections = crowd(&config, plan.crowd.connections).await?;
    let first = connections.first_mut().context("no connection")?;
    let key_id = first.key(STORE, &key, task.algorithm).await?.key_id;

    let shared = Arc::new(Shared::new());
    let (sender, mut seen) = unbounded_channel();
    let mut users = JoinSet::new();
    for connection in connections {
        users.spawn(use_key(connection, key_id, plan.crowd.pause, Arc::clone(&shared), sender.clone()));
    }
    // Each has been served before the first change.
    seen_by_all(plan.crowd.connections, &mut seen, &mut users).await?;
    let mut changes = Vec::new();
    for change in Change::ALL {
        changes.push((change, [(); 3].map(|()| Statistics::new())));
    }
    for round in 0..plan.rounds {
        for (change, [answer, each, last]) in &mut changes {
            let began = shared.order(change.admits());
            client.order(*change, round).await.with_context(|| format!("order to {change}"))?;
            answer.latency(began.elapsed());
            shared.acknowledge();
            let times = seen_by_all(plan.crowd.connections, &mut seen, &mut users).await;
            let times = times.with_context(|| format!("after the order to {change}"))?;
            times.iter().for_each(|time| each.latency(*time));
            last.latency(times.into_iter().max().unwrap_or_default());
            client.settle(*change).await?;
        }
    }
    shared.rest();
    seen_by_all(plan.crowd.connections, &mut seen, &mut users).await.context("on their way to rest")?;
    client.let_go().await?;
    let answered = Instant::now();
    let mut closed = Statistics::new();
    let all_closed = async {
        while let Some(ended) = users.join_next().await {
            let at: Instant = ended??;
            closed.latency(at.saturating_duration_since(answered));
        }
        anyhow::Ok(())
    };
    let too_long = || format!("some connections were not closed within {} s", CLOSED_TIME.as_secs());
    timeout(CLOSED_TIME, all_closed).await.with_context(too_long)??;
    let times = |(change, [answer, each, last]): (Change, [Statistics; 3])| ChangeTimes {
        change: change.name(),
        admits: change.admits(),
        answer: answer.percentiles(),
        seen: each.percentiles(),
        seen_by_all: last.percentiles(),
    };
    let [served, refused, served_after_answer, refused_after_answer] = shared.counts();
    let changes = changes.into_iter().map(times).collect();
    let closed = closed.percentiles();
    Ok(AccessChanged {
        plan: plan.clone(),
        changes,
        served,
        refused,
        served_after_answer,
        refused_after_answer,
        closed,
    })
}

/// Fails if anybody was answered by what was no longer in force.
///
/// # Errors
/// With the counts.
pub(crate) fn check_access(changed: &AccessChanged) -> anyhow::Result<()> {
    let AccessChanged { served_after_answer: served, refused_after_answer: refused, .. } = changed;
    ensure!(
        (*served, *refused) == (0, 0),
        "{served} requests were served and {refused} were refused by what was no longer in force"
    );
    Ok(())
}

/// Prints what was measured.
pub(crate) fn print_access(changed: &AccessChanged) {
    let AccessChanged { plan, changes, .. } = changed;
    println!(
        "Time in us from the order of a change of access, by {} rounds, beside {} connections that ask each {} ms.\n",
        plan.rounds,
        grouped(plan.crowd.connections as u64),
        plan.crowd.pause.as_millis()
    );
    let head = ["answer p50", "p90", "max", "seen p50", "p90", "max", "by all p50", "max"];
    println!("{:<42}{}", "", head.map(|head| format!(" {head:>10}")).concat());
    for ChangeTimes { change, admits, answer, seen, seen_by_all } in changes {
        let what = format!("{change}: {}", if *admits { "lets in" } else { "refuses" });
        let times = [
            answer.p50_ns,
            answer.p90_ns,
            answer.max_ns,
            seen.p50_ns,
            seen.p90_ns,
            seen.max_ns,
            seen_by_all.p50_ns,
            seen_by_all.max_ns,
        ];
        println!("{what:<42}{}", times.map(|time| format!(" {:>10}", microseconds(time))).concat());
    }
    let AccessChanged { served, refused, served_after_answer, refused_after_answer, closed, .. } = changed;
    println!(
        "\n{} requests were served and {} refused. Of those sent after the answer to a change, {served_after_answer} were served that should not have been, and {refused_after_answer} refused.",
        grouped(*served),
        grouped(*refused)
    );
    let [p50, p90, max] = [closed.p50_ns, closed.p90_ns, closed.max_ns].map(microseconds);
    println!(
        "Resting connections that no key store lets in any more were all closed, in us after the answer: p50 {p50}, p90 {p90}, max {max}."
    );
    println!(
        "The time of an answer includes a connection to the control port of its own: TCP, TLS, client certificate."
    );
}

/// Waits until every connection has been answered as the last order says; how long after the order each was.
async fn seen_by_all(
    connections: usize,
    seen: &mut UnboundedReceiver<Seen>,
    users: &mut JoinSet<anyhow::Result<Instant>>,
) -> anyhow::Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(connections);
    let all = async {
        while times.len() < connections {
            tokio::select! {
                Some(Seen(time)) = seen.recv() => times.push(time),
                Some(ended) = users.join_next() => {
                    ended??;
                    anyhow::bail!("a connection ended before the changes did");
                }
            }
        }
        Ok(())
    };
    timeout(SILENCE_MAX, all).await.context("some connections still have not noticed")??;
    Ok(times)
}
