//! Metrics: what is done is counted, and nothing else is told.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use claviger_client::{Context, DecryptItem, EncryptItem, Status, Transport};
use claviger_daemon::control::metrics::table::METRICS;

use crate::world::{CLIENT, PASSWORD, RECEIPTS, RECORDS, STORE, World, value};

/// The name of a transport among the labels.
fn name(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "tcp",
        Transport::Quic => "quic",
    }
}

// R-O1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_is_done_is_counted_once_on_both_transports() {
    for transport in [Transport::Tcp, Transport::Quic] {
        let world = World::start().await;
        let client = world.client(transport).await;
        let key = client.key(STORE, RECORDS).await.unwrap();
        let items = [EncryptItem { context: b"", plaintext: b"12345" }; 7];
        let ciphertexts: Vec<_> = key.encrypt_batch(&items).await.unwrap().into_iter().map(Result::unwrap).collect();
        let good = DecryptItem { context: b"", ciphertext: &ciphertexts[0] };
        let bad = DecryptItem { context: b"another", ..good };
        for _ in 0..3 {
            key.decrypt_batch(&[good, bad, good, bad]).await.unwrap();
        }
        let receipts = client.key(STORE, RECEIPTS).await.unwrap();
        let signature = receipts.sign(b"message").await.unwrap();
        receipts.verify(b"another", &signature.bytes, None).await.unwrap_err();
        let refused = client.key(STORE, PASSWORD).await.unwrap().encrypt(&Context::EMPTY, b"x").await;
        assert_eq!(refused.unwrap_err().status(), Some(Status::OperationNotAllowed));
        client.key(STORE, "absent").await.unwrap_err();

        let text = world.plain("/metrics").await.1;
        let count = |series: &str| value(&text, series).unwrap_or_else(|| panic!("{series} is missing in {text}"));
        for (series, expected) in [
            (r#"claviger_requests_total{operation="Encrypt",status="Ok"}"#, 1.0),
            (r#"claviger_requests_total{operation="Encrypt",status="OperationNotAllowed"}"#, 1.0),
            (r#"claviger_requests_total{operation="Decrypt",status="Ok"}"#, 3.0),
            (r#"claviger_requests_total{operation="Sign",status="Ok"}"#, 1.0),
            (r#"claviger_requests_total{operation="Verify",status="Ok"}"#, 1.0),
            (r#"claviger_requests_total{operation="Reencrypt",status="Ok"}"#, 0.0),
            (r#"claviger_items_total{operation="Encrypt",status="Ok"}"#, 7.0),
            (r#"claviger_items_total{operation="Decrypt",status="Ok"}"#, 6.0),
            (r#"claviger_items_total{operation="Decrypt",status="DecryptionFailed"}"#, 6.0),
            (r#"claviger_items_total{operation="Verify",status="VerificationFailed"}"#, 1.0),
            (r#"claviger_items_total{operation="Verify",status="Ok"}"#, 0.0),
            (r#"claviger_items_total{operation="Resolve",status="KeyNotFound"}"#, 1.0),
            (r#"claviger_request_duration_seconds_count{operation="Encrypt"}"#, 2.0),
            (r#"claviger_request_duration_seconds_count{operation="Sign"}"#, 1.0),
            (r#"claviger_request_duration_seconds_bucket{operation="Decrypt",le="+Inf"}"#, 3.0),
            // A batch of four, each: id and count, then context and ciphertext with their sizes.
            (
                r#"claviger_received_bytes_total{operation="Decrypt"}"#,
                (3 * (40 + 16 + 2 + 4 * (4 + 4 + ciphertexts[0].len()) + 2 * "another".len())) as f64,
            ),
            (r#"claviger_cache_keys"#, 3.0),
            (r#"claviger_cache_evictions_total"#, 0.0),
            (r#"claviger_ready"#, 1.0),
        ] {
            assert_eq!(count(series), expected, "{series}\n{text}");
        }
        assert!(count(r#"claviger_sent_bytes_total{operation="Encrypt"}"#) >= (40 + 7 * ciphertexts[0].len()) as f64);
        assert!(count(r#"claviger_lane_wait_seconds_count{lane="compute"}"#) >= 2.0, "signing is slow");
        assert!(count(r#"claviger_cache_loads_total{result="ok"}"#) >= 3.0);
        assert!(count("claviger_storage_commit_seconds_count") >= 2.0);
        assert!(count(r#"claviger_storage_transactions_total{result="made"}"#) >= 2.0);
        assert!(count("claviger_storage_map_bytes") >= count("claviger_storage_used_bytes"));
        let connections = format!("claviger_connections{{transport=\"{}\"}}", name(transport));
        assert!(count(&connections) >= 1.0, "{connections}");
        drop((client, key, receipts));
        world.running.daemon.stop().await;
    }
}

// R-O1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_is_there_is_in_the_table_and_reads_the_same_on_both_ports() {
    let world = World::start().await;
    let client = world.client(Transport::Tcp).await;
    client.ping(b"").await.unwrap();
    let (plain, control) = (world.plain("/metrics").await.1, world.administrator.metrics().await.unwrap());
    for text in [&plain, &control] {
        let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let expected = METRICS.iter().map(|metric| format!("{} {}", metric.name, metric.kind));
        assert_eq!(families.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    }
    // Nothing that is a client or a key, whatever has been used.
    for secret in [CLIENT.to_owned(), format!("\"{RECORDS}\""), "127.0.0.1".to_owned()] {
        assert!(!plain.contains(&secret), "{secret}: {plain}");
    }
    world.running.daemon.stop().await;
}

// R-O1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parser_that_others_have_written_takes_the_text() {
    let world = World::start().await;
    world.client(Transport::Quic).await.ping(b"").await.unwrap();
    let text = world.plain("/metrics").await.1;
    let Some(families) = parsed_elsewhere(&text) else { return };
    // The parser leaves `_total` away from the names of counters.
    let expected: BTreeMap<_, _> = METRICS
        .iter()
        .map(|metric| (metric.name.trim_end_matches("_total").to_owned(), metric.kind.to_string()))
        .collect();
    assert_eq!(families, expected);
    world.running.daemon.stop().await;
}

/// Families and their types as the Prometheus client library for Python reads them; `None` where it is not installed, unless it has to be.
fn parsed_elsewhere(text: &str) -> Option<BTreeMap<String, String>> {
    const PROGRAM: &str = "import sys\nfrom prometheus_client.parser import text_string_to_metric_families as parse\n\
                           for family in parse(sys.stdin.read()): print(family.name, family.type)";
    let has_parser = |python: &&str| {
        let probe = Command::new(python).args(["-c", "import prometheus_client"]).output();
        probe.is_ok_and(|output| output.status.success())
    };
    // Modules from packages are those of the system's own Python, before which another one may stand on the path.
    let Some(python) = ["python3", "/usr/bin/python3"].into_iter().find(has_parser) else {
        assert!(std::env::var_os("CI").is_none(), "install prometheus-client for Python: `cargo xtask test --install`");
        eprintln!("skipped: python3 has no module prometheus_client");
        return None;
    };
    let mut parser =
        Command::new(python).args(["-c", PROGRAM]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    parser.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = parser.wait_with_output().unwrap();
    assert!(output.status.success());
    let output = String::from_utf8(output.stdout).unwrap();
    Some(output.lines().map(|line| line.split_once(' ').unwrap()).map(|(a, b)| (a.to_owned(), b.to_owned())).collect())
}

// R-O1, R-O4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn liveness_and_readiness_are_told_without_a_certificate_and_say_what_is_wrong() {
    let world = World::start().await;
    assert_eq!(world.plain("/health/live").await, (200, "live\n".to_owned()));
    assert_eq!(world.plain("/health/ready").await, (200, "ready\n".to_owned()));
    // The disk of the journal is away.
    let journal = world.running.folder.path().join("journal");
    std::fs::rename(&journal, world.running.folder.path().join("away")).unwrap();
    std::fs::create_dir(&journal).unwrap();
    world.administrator.disable_key(STORE, RECORDS).await.unwrap_err();
    let (status, said) = world.plain("/health/ready").await;
    assert_eq!((status, said.as_str()), (503, "not ready: journal; `claviger health` says more\n"));
    assert_eq!(
        (world.metric("claviger_ready").await, world.metric("claviger_journal_failing").await),
        (Some(0.0), Some(1.0))
    );
    assert!(world.metric(r#"claviger_storage_transactions_total{result="failed"}"#).await.unwrap() >= 1.0);
    assert_eq!(world.plain("/health/live").await.0, 200);
    world.running.daemon.stop().await;
}

// R-O1, R-A10
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_listener_for_metrics_tells_nothing_else_and_changes_nothing() {
    let world = World::start().await;
    for path in ["/", "/v1/health", "/v1/stores", "/metrics/", "/health", "//metrics", "/metrics/../v1/stores"] {
        assert_eq!(world.plain(path).await.0, 404, "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let request = format!("{method} /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(world.plain_bytes(&request).await.0, 405, "{method}");
    }
    // It is not TLS, and none of HTTP/2 either.
    assert_eq!(world.plain_bytes("nonsense\r\n\r\n").await.0, 400);
    world.running.daemon.stop().await;
}

// R-O1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_the_control_port_are_counted_by_route_and_outcome() {
    let world = World::start().await;
    world.administrator.disable_key(STORE, RECORDS).await.unwrap();
    world.administrator.disable_key(STORE, "absent").await.unwrap_err();
    let metric = async |status: u16| {
        let series =
            format!("claviger_control_requests_total{{operation=\"disable_key\",kind=\"change\",status=\"{status}\"}}");
        world.metric(&series).await
    };
    assert_eq!((metric(200).await, metric(404).await, metric(500).await), (Some(1.0), Some(1.0), None));
    assert_eq!(world.metric("claviger_control_connections_refused_total").await, Some(0.0));
    // A stranger's handshake is refused.
    let stranger =
        crate::support::issue(&crate::support::authority("x"), "Eve", &claviger_daemon::authority::Purpose::Client);
    world.running.client(&stranger).health().await.unwrap_err();
    while world.metric("claviger_control_connections_refused_total").await != Some(1.0) {
        tokio::task::yield_now().await;
    }
    world.running.daemon.stop().await;
}

// R-O1, R-P5
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_not_let_in_are_counted_with_the_reason() {
    let world = World::start_with(|config| config.data.connections_max = 1).await;
    let address = world.running.daemon.data_address();
    let garbage = tokio::net::TcpStream::connect(address).await.unwrap();
    let refused = |transport: &str, reason: &str| {
        format!("claviger_connections_refused_total{{transport=\"{transport}\",reason=\"{reason}\"}}")
    };
    // The garbage has the only place.
    while world.metric(r#"claviger_connections{transport="tcp"}"#).await != Some(1.0) {
        tokio::task::yield_now().await;
    }
    let mut config = world.config(Transport::Quic).await;
    config.reconnect.attempts_max = 1;
    claviger_client::Client::connect(config).await.err();
    assert!(world.metric(&refused("quic", "full")).await.unwrap() >= 1.0);
    tokio::io::AsyncWriteExt::write_all(&mut { garbage }, b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    while world.metric(&refused("tcp", "handshake")).await != Some(1.0) {
        tokio::task::yield_now().await;
    }
    while world.metric(r#"claviger_connections{transport="tcp"}"#).await != Some(0.0) {
        tokio::task::yield_now().await;
    }
    world.running.daemon.stop().await;
}

// R-O1, R-A5
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_each_certificate_is_watched_and_told_before() {
    use crate::support::{issue_for, names, write_pem};
    let world = World::start().await;
    let left = async |of: &str, store: &str| {
        let series = format!("claviger_certificate_left_seconds{{of=\"{of}\",store=\"{store}\"}}");
        world.metric(&series).await
    };
    const DAY: f64 = 24.0 * 3_600.0;
    for of in ["data", "control"] {
        assert!((DAY - 600.0..=DAY).contains(&left(of, "").await.unwrap()), "{of}");
    }
    assert!(left("administrators", "").await.unwrap() > 3_000.0 * DAY);
    assert!(left("store", STORE).await.unwrap() > 3_000.0 * DAY);
    let warned = async || {
        let warnings = world.administrator.health().await.unwrap().warnings;
        warnings.into_iter().filter(|warning| warning.contains("certificate of the")).collect::<Vec<_>>()
    };
    let warnings = warned().await;
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("data port ends in 0 days: put a new one at [tls]"), "{warnings:?}");
    assert!(warnings[1].contains("control port ends in 0 days"), "{warnings:?}");
    let year = std::time::Duration::from_secs(365 * 24 * 60 * 60);
    let purpose = names();
    let renewed =
        issue_for(&world.running.server, "server", &claviger_daemon::authority::Purpose::Server(&purpose), year);
    write_pem(&world.running.folder, "tls/server", &renewed);
    world.running.daemon.reload(world.running.config.clone()).unwrap();
    assert_eq!(warned().await, Vec::<String>::new());
    assert!(left("data", "").await.unwrap() > 364.0 * DAY);
    world.running.daemon.stop().await;
}

// R-O1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_key_stores_have_lines_of_their_own_and_the_rest_has_one() {
    use claviger_control::message::{Access, CreateStore};
    let world = World::start().await;
    for number in 0..101 {
        let access = Access { client_certificate: true, ..Access::default() };
        world.administrator.create_store(&CreateStore { name: format!("{number:03}"), access }).await.unwrap();
    }
    let text = world.plain("/metrics").await.1;
    let lines = text.lines().filter(|line| line.starts_with("claviger_certificate_left_seconds{of=\"store\""));
    let stores: Vec<_> = lines.map(|line| line.split('"').nth(3).unwrap().to_owned()).collect();
    let expected = (0..100).map(|number| format!("{number:03}")).chain(["other".to_owned()]);
    assert_eq!(stores, expected.collect::<Vec<_>>());
    world.running.daemon.stop().await;
}

// R-A11
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_by_quota_are_counted_by_store_and_no_client_is_named() {
    use claviger_control::message::{Quota, SetStoreSettings};
    let world = World::start().await;
    let client = world.client(Transport::Tcp).await;
    let receipts = client.key(STORE, RECEIPTS).await.unwrap();
    let series = |of: &str| format!("claviger_quota_refused_total{{store=\"{STORE}\",of=\"{of}\"}}");
    assert_eq!(world.metric(&series("client")).await, None, "no quota is set");
    let quota = Some(Some(Quota { units_per_second: 1, burst: 1 }));
    let set = async |settings| drop(world.administrator.set_store_settings(STORE, &settings).await.unwrap());
    set(SetStoreSettings { client_quota: quota, ..SetStoreSettings::default() }).await;
    receipts.sign(b"message").await.unwrap();
    for refused in 1..=3 {
        // It would have to wait for longer than anybody does.
        assert_eq!(receipts.sign(b"message").await.unwrap_err().status(), Some(Status::Overloaded));
        assert_eq!(world.metric(&series("client")).await, Some(f64::from(refused)));
    }
    set(SetStoreSettings { quota, client_quota: Some(None), ..SetStoreSettings::default() }).await;
    receipts.sign(b"message").await.unwrap();
    receipts.sign(b"message").await.unwrap_err();
    assert_eq!(world.metric(&series("store")).await, Some(1.0));
    assert_eq!(world.metric(&series("client")).await, Some(3.0));
    world.running.daemon.stop().await;
}
