//! The load on Redis: SET of values of one size, in its own protocol (RESP), as many at once as wanted.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use anyhow::{Context, ensure};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::{JoinSet, LocalSet};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::server::Redis;
use crate::daemon::processor_time_of;
use crate::load_thread::{Schedule, stay_awake};
use crate::rounds::Rounds;
use crate::stats::{Percentiles, Statistics};
use crate::workload::input;

/// How it is loaded: as long as it answers in time, with `connections * pipelined` commands in flight.
#[derive(Clone, Copy)]
pub(super) struct RedisLoad {
    connections: usize,
    /// Commands that leave together on each connection, once those before are answered.
    pipelined: usize,
}

/// What it did.
pub(super) struct RedisLoaded {
    pub(super) items_per_second: f64,
    /// Of commands that left together.
    pub(super) latency: Percentiles,
    /// The part of the time in which it was at work.
    pub(super) busy: f64,
}

impl RedisLoad {
    /// As many bytes in flight as are on a connection of the daemon.
    pub(super) const PIPELINED: Self = Self { connections: 4, pipelined: 64 };
    pub(super) const SINGLE: Self = Self { connections: 1, pipelined: 1 };
}

/// Loads it from a thread of its own, where the daemon is loaded from.
///
/// # Errors
/// If it cannot be reached, or answers anything else than OK.
pub(super) async fn run(redis: &Redis, load: RedisLoad, rounds: &Rounds) -> anyhow::Result<RedisLoaded> {
    let (address, certificate, rounds, process_id) =
        (redis.address, redis.certificate.clone(), rounds.clone(), redis.process_id());
    let (done, loaded) = oneshot::channel();
    let work = move || -> anyhow::Result<RedisLoaded> {
        let cpus = rounds.load_cpus.as_ref().and_then(|cpus| cpus.each().next());
        cpus.as_ref().map_or(Ok(()), crate::cpus::Cpus::pin)?;
        let runtime = Builder::new_current_thread().enable_all().build().context("no runtime for the load")?;
        LocalSet::new().block_on(&runtime, async {
            let tls = TlsConnector::from(Arc::new(tls_config(certificate)?));
            let mut streams = Vec::new();
            for _ in 0..load.connections {
                streams.push(connect(&tls, address).await.context("redis-server cannot be reached")?);
            }
            let work = set(streams, load.pipelined, &rounds, process_id);
            tokio::select! {
                loaded = work => loaded,
                never = stay_awake(), if cpus.is_some() => match never {},
            }
        })
    };
    let run = move || {
        // Whoever listened has gone: then the run has failed elsewhere.
        let _ = done.send(work());
    };
    thread::Builder::new().name("redis load".to_owned()).spawn(run).context("the system gives no thread")?;
    loaded.await.context("the load of Redis panicked; this is a fault of the program")?
}

async fn set(
    streams: Vec<RedisStream>,
    pipelined: usize,
    rounds: &Rounds,
    process_id: u32,
) -> anyhow::Result<RedisLoaded> {
    let commands = Rc::new(commands(pipelined));
    let schedule = Schedule::soon(rounds.warm_up, rounds.duration);
    let statistics = Rc::new(RefCell::new(Statistics::new()));
    let mut connections = JoinSet::new();
    for stream in streams {
        let (commands, schedule, statistics) = (Rc::clone(&commands), schedule.clone(), Rc::clone(&statistics));
        connections.spawn_local(async move { repeat(stream, &commands, pipelined, &schedule, &statistics).await });
    }
    tokio::time::sleep_until(schedule.window.start.into()).await;
    let before = processor_time_of(process_id)?;
    tokio::time::sleep_until(schedule.window.end.into()).await;
    let used = processor_time_of(process_id)?.saturating_sub(before);
    while let Some(ended) = connections.join_next().await {
        ended.context("a connection to Redis panicked; this is a fault of the program")??;
    }
    let (statistics, seconds) = (statistics.borrow(), rounds.duration.as_secs_f64());
    #[expect(clippy::cast_precision_loss, reason = "53 bits of items are ten years of a million a second")]
    let items_per_second = statistics.items as f64 / seconds;
    Ok(RedisLoaded { items_per_second, latency: statistics.percentiles(), busy: used.as_secs_f64() / seconds })
}

type RedisStream = TlsStream<BufReader<TcpStream>>;

async fn repeat(
    mut stream: RedisStream,
    commands: &[u8],
    pipelined: usize,
    schedule: &Schedule,
    statistics: &RefCell<Statistics>,
) -> anyhow::Result<()> {
    let expected = OK.repeat(pipelined);
    let mut replies = vec![0; expected.len()];
    loop {
        let began = Instant::now();
        if began >= schedule.window.end {
            return Ok(());
        }
        stream.write_all(commands).await?;
        stream.flush().await?;
        stream.read_exact(&mut replies).await.context("redis-server ended the connection")?;
        ensure!(replies == expected, "redis-server does not set: {}", String::from_utf8_lossy(&replies));
        let now = Instant::now();
        if schedule.window.contains(&began) && schedule.window.contains(&now) {
            let mut statistics = statistics.borrow_mut();
            statistics.latency(now - began);
            statistics.items += pipelined as u64;
        }
    }
}

/// So many commands one after the other, each with a key of its own.
fn commands(count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 0..count {
        let (key, value) = (format!("key:{number:012}"), input(number, VALUE_SIZE));
        bytes.extend_from_slice(format!("*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n${VALUE_SIZE}\r\n", key.len()).as_bytes());
        bytes.extend_from_slice(&value);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

fn tls_config(certificate: CertificateDer<'static>) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13])?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// As the client library connects to the daemon.
async fn connect(tls: &TlsConnector, address: std::net::SocketAddr) -> anyhow::Result<RedisStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let stream = BufReader::with_capacity(RECEIVE_SIZE, stream);
    let mut stream = tls.connect(ServerName::try_from("localhost")?, stream).await?;
    stream.get_mut().1.set_buffer_limit(None);
    Ok(stream)
}

/// Bytes of a value.
pub(super) const VALUE_SIZE: usize = 1_024;

/// The answer to SET.
const OK: &[u8] = b"+OK\r\n";

/// Bytes read from the socket at once.
const RECEIVE_SIZE: usize = 128 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_arrays_of_three_strings_with_their_sizes() {
        let bytes = commands(2);
        assert!(bytes.starts_with(b"*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000000\r\n$1024\r\n"));
        assert!(bytes.ends_with(b"\r\n"));
        assert_eq!(bytes.len() % 2, 0);
        let second = &bytes[bytes.len() / 2..];
        assert!(second.starts_with(b"*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000001\r\n"));
    }
}
