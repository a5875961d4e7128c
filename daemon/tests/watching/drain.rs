//! An end of the daemon under load, and its next start: whoever calls by the client library notices nothing but time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use claviger_client::{Client, Context, Transport};
use claviger_daemon::run::{Daemon, Listeners};
use tokio::task::JoinSet;

use crate::world::{PASSWORD, RECEIPTS, RECORDS, SECRET, STORE, World};

/// Clients of each transport, each with a connection of its own.
const CLIENTS: usize = 3;

/// Calls of each client that are under way at once.
const CALLS: usize = 8;

/// What callers have seen.
#[derive(Default)]
struct Load {
    done: AtomicU64,
    stop: AtomicBool,
}

impl Load {
    /// Calls until it is told to stop. Every call has to succeed, and to give what is right.
    async fn run(&self, client: Client, number: usize) {
        let [records, receipts, password] = [RECORDS, RECEIPTS, PASSWORD].map(|name| client.key(STORE, name));
        let (records, receipts, password) = (records.await.unwrap(), receipts.await.unwrap(), password.await.unwrap());
        while !self.stop.load(Ordering::Relaxed) {
            let plaintext = self.done.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            match number % 3 {
                0 => {
                    let ciphertext = records.encrypt(&Context::EMPTY, &plaintext).await.unwrap();
                    let opened = records.decrypt(&Context::EMPTY, &ciphertext).await.unwrap();
                    assert_eq!(opened.expose(), plaintext);
                }
                // Slow: by way of the compute pool.
                1 => {
                    let signature = receipts.sign(&plaintext).await.unwrap();
                    receipts.verify(&plaintext, &signature.bytes, None).await.unwrap();
                }
                _ => assert_eq!(password.read_secret(None).await.unwrap().value.expose(), SECRET),
            }
        }
    }

    /// Waits until so much more has been done.
    async fn more(&self, calls: u64) {
        let (goal, began) = (self.done.load(Ordering::Relaxed) + calls, Instant::now());
        while self.done.load(Ordering::Relaxed) < goal {
            assert!(began.elapsed() < Duration::from_secs(60), "nothing is done any more");
            tokio::task::yield_now().await;
        }
    }
}

// R-O4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_of_a_pipelining_client_fails_over_a_restart_on_either_transport() {
    let world = World::start().await;
    let load = Arc::<Load>::default();
    let mut calls = JoinSet::new();
    for transport in [Transport::Tcp, Transport::Quic] {
        for _ in 0..CLIENTS {
            let client = world.client(transport).await;
            for number in 0..CALLS {
                let (load, client) = (Arc::clone(&load), client.clone());
                calls.spawn(async move { load.run(client, number).await });
            }
        }
    }
    let mut config = world.running.config.clone();
    let World { running, .. } = world;
    let mut daemon = running.daemon;
    (config.data.address, config.control.address) = (daemon.data_address(), daemon.control_address());
    for _ in 0..2 {
        load.more(500).await;
        daemon.stop().await;
        daemon = Daemon::start(&config, Listeners::bind(&config).unwrap()).await.unwrap();
    }
    load.more(500).await;
    load.stop.store(true, Ordering::Relaxed);
    while let Some(ended) = calls.join_next().await {
        // A call that failed has panicked.
        ended.unwrap();
    }
    daemon.stop().await;
}

// R-O4, R-O1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_daemon_ends_it_says_so_and_lets_nobody_in() {
    let world = World::start_with(|config| config.data.drain = Duration::from_secs(30)).await;
    // In the middle of its handshake, it holds up the end until it goes.
    let holding_up = tokio::net::TcpStream::connect(world.running.daemon.data_address()).await.unwrap();
    while world.metric(r#"claviger_connections{transport="tcp"}"#).await != Some(1.0) {
        tokio::task::yield_now().await;
    }
    let metrics = world.running.daemon.metrics_address().unwrap();
    let mut quic = world.config(Transport::Quic).await;
    quic.reconnect.attempts_max = 1;
    let stop = tokio::spawn(world.running.daemon.stop());
    let mut said = String::new();
    while !said.starts_with("HTTP/1.1 503") {
        let mut stream = tokio::net::TcpStream::connect(metrics).await.unwrap();
        said.clear();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET /health/ready HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut said).await.unwrap();
    }
    assert!(said.ends_with("not ready: ending; `claviger health` says more\n"), "{said}");
    let began = Instant::now();
    Client::connect(quic).await.err().unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "whoever comes is refused at once, and does not wait for an answer"
    );
    drop(holding_up);
    stop.await.unwrap();
    tokio::net::TcpStream::connect(metrics).await.unwrap_err();
}
