//! Certificates and settings that are read anew while connections go on.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use claviger_client::{Client, Context, Key, ServerCa, Transport};
use claviger_daemon::authority::{Authority, Issued, Purpose, Subject};
use claviger_daemon::config::Config;
use claviger_daemon::pem;
use claviger_engine::crypto::random::SystemRandom;
use rustls::pki_types::ServerName;
use tokio::io::AsyncReadExt;

use crate::support::{authority, credential, issue, names, write, write_pem};
use crate::world::{RECORDS, STORE, World};

const TRANSPORTS: [Transport; 2] = [Transport::Tcp, Transport::Quic];

/// The settings of the start, and what `change` sets.
fn settings(world: &World, change: impl FnOnce(&mut Config)) -> Config {
    let mut config = world.running.config.clone();
    change(&mut config);
    config
}

/// A new certificate for both ports, from another authority, in the files that are in force.
fn renew(world: &World) -> Authority {
    let authority = authority("Next server authority");
    write_pem(&world.running.folder, "tls/server", &issue(&authority, "server", &Purpose::Server(&names())));
    authority
}

/// A client on a connection of its own, which it makes once, and a key.
async fn connected(world: &World, transport: Transport, server: &Authority) -> Option<(Client, Key)> {
    let mut config = world.config(transport).await;
    config.server_ca = ServerCa::from_der(server.certificate().to_vec());
    config.connections = 1;
    config.reconnect.attempts_max = 1;
    let client = Client::connect(config).await.ok()?;
    let key = client.key(STORE, RECORDS).await.ok()?;
    Some((client, key))
}

async fn works(key: &Key) {
    key.encrypt(&Context::EMPTY, b"plaintext").await.unwrap();
}

/// Handshakes that have succeeded, on both transports.
async fn handshakes(world: &World) -> f64 {
    let mut all = 0.0;
    for transport in ["tcp", "quic"] {
        let series = format!("claviger_connections_accepted_total{{transport=\"{transport}\"}}");
        all += world.metric(&series).await.unwrap();
    }
    all
}

// R-O4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_connections_see_the_new_certificate_and_those_that_are_there_go_on() {
    let world = World::start().await;
    let mut before = Vec::new();
    for transport in TRANSPORTS {
        before.push(connected(&world, transport, &world.running.server).await.unwrap());
    }
    let made = handshakes(&world).await;
    let next = renew(&world);
    let reloaded = world.running.daemon.reload(settings(&world, |_| {})).unwrap();
    assert_eq!(reloaded.changed, ["the certificate of the data port", "the certificate of the control port"]);
    assert_eq!(reloaded.need_restart, Vec::<&str>::new());
    for (_, key) in &before {
        works(key).await;
    }
    assert_eq!(handshakes(&world).await, made, "nobody had to connect anew");
    let with_next =
        world.running.client_believing(&next, &issue(&world.running.administrators, "Ada", &Purpose::Client));
    with_next.health().await.unwrap();
    world.administrator.health().await.unwrap_err();
    let world = World { administrator: with_next, ..world };
    for transport in TRANSPORTS {
        assert!(connected(&world, transport, &world.running.server).await.is_none(), "the certificate before is gone");
        works(&connected(&world, transport, &next).await.unwrap().1).await;
    }
    // And what was there before goes on still.
    for (_, key) in &before {
        works(key).await;
    }
    // Once more, nothing has changed.
    assert_eq!(world.running.daemon.reload(settings(&world, |_| {})).unwrap().changed, Vec::<&str>::new());
    drop(before);
    world.running.daemon.stop().await;
}

// R-O4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_file_is_told_and_what_was_in_force_stays() {
    let world = World::start().await;
    let running = &world.running;
    let [certificate, key] = ["tls/server.pem", "tls/server-key.pem"].map(|name| running.folder.path().join(name));
    let [good_certificate, good_key] = [&certificate, &key].map(|path| std::fs::read_to_string(path).unwrap());
    let others = issue(&authority("Other"), "server", &Purpose::Server(&names()));
    let ended = ended(&running.server);
    let administrators = std::fs::read_to_string(running.folder.path().join("tls/administrators-ca.pem")).unwrap();
    let pem_of = |issued: &Issued| pem::encode("CERTIFICATE", &issued.certificate).to_string();
    let key_of = |issued: &Issued| issued.private_key.as_ref().unwrap().to_string();
    for (certificate, key, authorities, said) in [
        (&good_certificate[..40], &*good_key, &*administrators, "server.pem"),
        ("", &good_key, &administrators, "holds no certificate"),
        (&good_certificate, "", &administrators, "holds no private key"),
        (&good_certificate, &key_of(&others), &administrators, "do not belong together"),
        (&pem_of(&others), &good_key, &administrators, "do not belong together"),
        (&pem_of(&ended), &key_of(&ended), &administrators, "[tls] certificate has ended"),
        (&pem_of(&others), &key_of(&others), "", "[control] administrators"),
        (
            &pem_of(&others),
            &key_of(&others),
            "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
            "no authority",
        ),
    ] {
        write(&running.folder, "tls/server.pem", certificate);
        write(&running.folder, "tls/server-key.pem", key);
        write(&running.folder, "tls/administrators-ca.pem", authorities);
        let change = |config: &mut Config| config.data.connections_max = 1;
        let error = format!("{:#}", running.daemon.reload(settings(&world, change)).unwrap_err());
        assert!(error.contains(said), "{said:?} is missing: {error}");
        let health = world.administrator.health().await.unwrap();
        assert!(health.warnings.iter().any(|warning| warning.contains(&error)), "{:?}", health.warnings);
        assert_eq!(world.metric("claviger_reload_failed").await, Some(1.0));
        // Not even a part of it is in force.
        assert_ne!(world.metric("claviger_connections_max").await, Some(1.0));
        for transport in TRANSPORTS {
            works(&connected(&world, transport, &running.server).await.unwrap().1).await;
        }
    }
    write(&running.folder, "tls/server.pem", &good_certificate);
    write(&running.folder, "tls/server-key.pem", &good_key);
    write(&running.folder, "tls/administrators-ca.pem", &administrators);
    running.daemon.reload(settings(&world, |_| {})).unwrap();
    assert_eq!(world.metric("claviger_reload_failed").await, Some(0.0));
    // The file itself may be what is wrong.
    write(&running.folder, "clavigerd.toml", "[data]\nconnections_max = 0");
    let error = format!("{:#}", running.daemon.reload_file(&running.folder.path().join("clavigerd.toml")).unwrap_err());
    assert!(error.contains("clavigerd.toml") && error.contains("connections_max is 0"), "{error}");
    assert_eq!(world.metric("claviger_reload_failed").await, Some(1.0));
    world.running.daemon.stop().await;
}

/// A certificate for servers that ended yesterday.
fn ended(authority: &Authority) -> Issued {
    let day = Duration::from_secs(24 * 60 * 60);
    let before = SystemTime::now() - 2 * day;
    let (purpose, random) = (names(), SystemRandom::new());
    authority.issue("server", &Purpose::Server(&purpose), &Subject::Generated, day, before, &random).unwrap()
}

// R-O4, R-O1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn administrators_of_an_authority_that_is_gone_are_let_go_and_no_others() {
    let world = World::start().await;
    let running = &world.running;
    let next = authority("Next administrators");
    let both =
        [&running.administrators, &next].map(|one| pem::encode("CERTIFICATE", one.certificate()).to_string()).concat();
    let first = issue(&running.administrators, "Ada", &Purpose::Client);
    let second = issue(&next, "Bea", &Purpose::Client);
    running.client(&second).health().await.unwrap_err();

    let mut resting = rest(&world, &first).await;
    write(&running.folder, "tls/administrators-ca.pem", &both);
    assert_eq!(running.daemon.reload(settings(&world, |_| {})).unwrap().changed, ["the authorities of administrators"]);
    running.client(&first).health().await.unwrap();
    running.client(&second).health().await.unwrap();
    assert!(!has_ended(&mut resting).await, "an authority more is no reason to connect anew");

    write(&running.folder, "tls/administrators-ca.pem", &pem::encode("CERTIFICATE", next.certificate()));
    running.daemon.reload(settings(&world, |_| {})).unwrap();
    // Whoever was connected has to show again who he is, and cannot.
    let mut nothing = Vec::new();
    resting.read_to_end(&mut nothing).await.ok();
    running.client(&first).health().await.unwrap_err();
    running.client(&second).health().await.unwrap();
    world.running.daemon.stop().await;
}

type Resting = tokio_rustls::client::TlsStream<tokio::net::TcpStream>;

/// A connection of the control port on which nothing happens.
async fn rest(world: &World, administrator: &Issued) -> Resting {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(world.running.server.certificate().clone()).unwrap();
    let own = credential(administrator);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(own.certificate_chain, own.private_key)
        .unwrap();
    let stream = tokio::net::TcpStream::connect(world.running.daemon.control_address()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    // Only with an answer it is known that the server has let it in.
    let request = b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut stream, request).await.unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    stream
}

/// Whether the server has closed a connection whose answer was not read to its end.
async fn has_ended(stream: &mut Resting) -> bool {
    tokio::io::AsyncWriteExt::write_all(stream, b"GET /v1/ready HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut all = Vec::new();
    while !String::from_utf8_lossy(&all).contains("\"ready\"") {
        let mut part = [0; 4_096];
        match stream.read(&mut part).await {
            Ok(size @ 1..) => all.extend_from_slice(&part[..size]),
            _ => return true,
        }
    }
    false
}

// R-O4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_are_live_are_in_force_at_once_and_the_others_are_named() {
    let world = World::start().await;
    let there = connected(&world, Transport::Tcp, &world.running.server).await.unwrap();
    let reloaded = world.running.daemon.reload(settings(&world, |config| {
        config.data.connections_max = 1;
        config.data.drain = Duration::from_secs(7);
        config.data.workers = 99;
        config.cache.keys_max = 7;
    }));
    let reloaded = reloaded.unwrap();
    assert_eq!(reloaded.changed, ["[data] connections_max", "[data] drain_seconds"]);
    assert_eq!(reloaded.need_restart, ["[data]", "[cache]"]);
    assert_eq!(
        reloaded.to_string(),
        "changed: [data] connections_max, [data] drain_seconds; needs a restart: [data], [cache]"
    );
    assert_eq!(world.metric("claviger_connections_max").await, Some(1.0));
    // Whoever is there stays, and nobody else comes in.
    works(&there.1).await;
    assert!(connected(&world, Transport::Tcp, &world.running.server).await.is_none());
    works(&there.1).await;
    // A file without the setting means its default again.
    world.running.daemon.reload(settings(&world, |_| {})).unwrap();
    works(&connected(&world, Transport::Tcp, &world.running.server).await.unwrap().1).await;
    drop(there);
    world.running.daemon.stop().await;
}
