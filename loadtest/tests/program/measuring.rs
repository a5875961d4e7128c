//! A daemon that the load test starts itself: loops, transports, and what is reported. R-O5.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{self, clavigerd, lines_drawn, read_json, run, run_briefly};

/// The load test with these options. It starts the daemon that stands beside it.
fn loadtest(options: &str) -> Command {
    clavigerd();
    support::loadtest(options)
}

/// Runs with these options, and returns what was measured, how many lines were drawn, and what was said.
fn report(options: &str) -> (Value, usize, String) {
    let folder = tempfile::tempdir().unwrap();
    let (json, plot) = (folder.path().join("run.json"), folder.path().join("run.svg"));
    let ended = run_briefly(|seconds| {
        let mut command = loadtest(options);
        run(command.args(["--seconds", seconds, "--json"]).arg(&json).arg("--plot").arg(&plot))
    });
    (read_json(&json), lines_drawn(&plot), ended.passed().output)
}

/// Runs once with these options, and returns what was measured.
fn measure(options: &str) -> Value {
    let (document, lines, _) = report(options);
    assert_eq!(lines, 5, "one for each percentile");
    assert_eq!(document["program"], "claviger-loadtest");
    assert!(document["machine"]["cores"].as_u64().unwrap() > 0);
    let [run] = document["runs"].as_array().unwrap().as_slice() else { panic!("one run: {document}") };
    holds_together(run);
    run.clone()
}

/// What is true of every run in which nothing failed.
fn holds_together(run: &Value) {
    let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("{value} is no number: {run}"));
    let (total, batch) = (&run["total"], number(&run["batch"]));
    assert_eq!(number(&total["items"]), number(&total["frames"]) * batch);
    assert_eq!((number(&total["failed"]), run["failures"].as_array().unwrap().len()), (0, 0));
    assert_eq!(number(&run["checked"]["items"]), number(&run["checked"]["replies"]) * batch);
    assert!(number(&run["checked"]["replies"]) > 0, "nothing was checked: {run}");
    assert!(run["in_process_ns"].as_f64().unwrap() > 0.0);
    assert!(run["ratio"].as_f64().unwrap() >= 0.0);
    let rows = run["rows"].as_array().unwrap();
    assert!(rows.iter().map(|row| number(&row["items"])).sum::<u64>() <= number(&total["items"]));
    for row in rows.iter().chain([total]) {
        let latency = ["p50_ns", "p90_ns", "p99_ns", "p99_9_ns", "max_ns"].map(|name| number(&row[name]));
        assert!(latency.is_sorted(), "{row}");
    }
}

// R-O5
#[test]
fn a_closed_loop_over_tcp_is_measured_and_checked() {
    let run = measure("--warm-up 0.1");
    for (field, value) in [("operation", "encrypt"), ("algorithm", "XAES-256-GCM"), ("transport", "tcp")] {
        assert_eq!(run[field], value);
    }
    for (field, value) in [("size", 1_024), ("batch", 16), ("connections", 1), ("byte_streams", 1)] {
        assert_eq!(run[field], value, "{field}");
    }
    assert_eq!((&run["rate_asked"], run["warm_up_seconds"].as_f64()), (&Value::Null, Some(0.1)));
    assert!(!run["rows"].as_array().unwrap().is_empty(), "a second has begun");
    let (items, rate) = (run["total"]["items"].as_f64().unwrap(), run["items_per_second"].as_f64().unwrap());
    assert!(items > 0.0 && (rate * run["total"]["seconds"].as_f64().unwrap() - items).abs() < 0.5);
    assert!(run["processor_ns_per_item"].is_number(), "the daemon is ours");
}

// R-O5
#[test]
fn an_open_loop_sends_no_more_than_it_is_told_to() {
    let run = measure("--rate 400 --batch 4 --connections 2 --warm-up 0");
    assert_eq!(run["rate_asked"], 400);
    // The first frame of each connection goes at once.
    let (items, seconds) = (run["total"]["items"].as_f64().unwrap(), run["total"]["seconds"].as_f64().unwrap());
    assert!((1.0..=400.0 * seconds + 2.0 * 4.0).contains(&items), "{items}");
}

// R-O5
#[test]
fn several_byte_streams_of_several_quic_connections_are_loaded() {
    let options =
        "--transport quic --connections 2 --streams 2 --operation sign --algorithm ecdsa-p256-sha256 --batch 8";
    let run = measure(&format!("{options} --warm-up 0"));
    assert_eq!((&run["transport"], &run["algorithm"]), (&"quic".into(), &"ECDSA-P256-SHA256".into()));
    assert_eq!((&run["connections"], &run["byte_streams"]), (&2.into(), &4.into()));
}

// R-O5
#[test]
fn keys_of_any_algorithm_are_made_and_measured() {
    for (operation, algorithm, size) in [
        ("encrypt", "AES-256-GCM", 1_024),
        ("generate-data-key", "AES-256-GCM", 32),
        ("verify", "ML-DSA-87", 64),
        ("mac", "HMAC-SHA-512", 1_024),
        ("asymmetric-decrypt", "RSA-2048-OAEP-SHA256", 32),
    ] {
        let options = format!("--operation {operation} --algorithm {algorithm} --warm-up 0");
        let run = measure(&options);
        assert_eq!((&run["operation"], &run["algorithm"]), (&operation.into(), &algorithm.into()));
        assert_eq!(run["size"], size);
    }
}

// R-O5
#[test]
fn each_side_can_have_its_processors() {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    let first = allowed.trim().split([',', '-']).next().unwrap();
    measure(&format!("--pin-daemon {first} --pin-load {first} --warm-up 0"));
}

// R-O5
#[test]
fn a_table_of_both_transports_is_written_and_drawn() {
    let (document, lines, output) = report("table --warm-up 0 --rounds 1");
    let runs = document["runs"].as_array().unwrap();
    runs.iter().for_each(holds_together);
    let told = runs.iter().map(|run| {
        let text = |field: &str| run[field].as_str().unwrap();
        format!("{} {} {}", text("algorithm"), text("transport"), run["batch"])
    });
    let mut expected = Vec::new();
    for transport in ["tcp", "quic"] {
        expected.extend([1, 16, 64, 256].map(|batch| format!("XAES-256-GCM {transport} {batch}")));
    }
    for transport in ["tcp", "quic"] {
        let algorithms = ["Ed25519", "ECDSA-P256-SHA256", "RSA-2048-PKCS1-SHA256"];
        expected.extend(algorithms.map(|algorithm| format!("{algorithm} {transport} 64")));
    }
    assert_eq!(told.collect::<Vec<_>>(), expected);
    let shown = output.lines().filter(|line| line.starts_with("encrypt ") || line.starts_with("sign "));
    assert_eq!(shown.count(), expected.len(), "{output}");
    assert_eq!(lines, 3, "in process and two transports");
}

// R-O5
#[test]
fn a_fast_operation_is_measured_alone_and_beside_slow_ones() {
    let options = "--algorithm ECDSA-P384-SHA384,rsa-2048-oaep-sha256 --rounds 2 --warm-up 0";
    let (document, lines, output) = report(&format!("beside {options}"));
    let [sign, decrypt] = document["runs"].as_array().unwrap().as_slice() else { panic!("two pairs: {document}") };
    for (pair, operation, algorithm) in
        [(sign, "sign", "ECDSA-P384-SHA384"), (decrypt, "asymmetric-decrypt", "RSA-2048-OAEP-SHA256")]
    {
        let rounds = pair["rounds"].as_array().unwrap();
        assert_eq!(rounds.len(), 2);
        for round in rounds {
            for run in ["alone", "beside", "slow"] {
                holds_together(&round[run]);
            }
            for fast in [&round["alone"], &round["beside"]] {
                assert_eq!((&fast["operation"], &fast["algorithm"]), (&"encrypt".into(), &"XAES-256-GCM".into()));
                assert_eq!((&fast["size"], &fast["frames_in_flight"]), (&1_024.into(), &1.into()));
            }
            let slow = &round["slow"];
            assert_eq!((&slow["operation"], &slow["algorithm"]), (&operation.into(), &algorithm.into()));
            assert_eq!(slow["frames_in_flight"], 16, "as much as keeps the daemon busy");
            assert!(round["beside"]["processor_ns_per_item"].is_null(), "which load it was for is not known");
        }
        let shown = output.lines().filter(|line| line.starts_with(&format!("{operation} {algorithm}, ")));
        assert_eq!(shown.count(), 1, "{output}");
    }
    assert_eq!(lines, 4, "two percentiles, alone and beside");
}

// R-A11, R-O5
#[test]
fn the_slow_operations_can_be_those_of_another_key_store() {
    let options =
        "--algorithm RSA-2048-PKCS1-SHA256 --flood-store --flood-connections 2 --batch 1 --rounds 1 --warm-up 0";
    let (document, _, output) = report(&format!("beside {options}"));
    let round = &document["runs"][0]["rounds"][0];
    for (run, connections, batch) in [("alone", 1, 1), ("beside", 1, 1), ("slow", 2, 16)] {
        holds_together(&round[run]);
        assert_eq!((&round[run]["connections"], &round[run]["batch"]), (&connections.into(), &batch.into()), "{run}");
    }
    assert!(output.contains("beside a slow operation of another key store on 2 connections"), "{output}");
}

// R-O5
#[test]
fn the_fast_operation_can_keep_a_rate_over_quic() {
    let options = "--algorithm ML-DSA-44 --rate 1600 --transport quic --rounds 1 --warm-up 0";
    let (document, ..) = report(&format!("beside {options}"));
    let round = &document["runs"][0]["rounds"][0];
    for (run, rate) in [("alone", Value::from(1_600)), ("beside", Value::from(1_600)), ("slow", Value::Null)] {
        holds_together(&round[run]);
        assert_eq!((&round[run]["rate_asked"], &round[run]["transport"]), (&rate, &"quic".into()));
    }
}

// R-O5
#[test]
fn a_run_in_which_nothing_was_answered_fails() {
    // The first frame goes before anything is measured, and the second would go after it.
    let mut command = loadtest("--operation ping --rate 1 --warm-up 0.3 --seconds 0.1");
    run(&mut command).refused("ping 64 B: nothing was answered in the 0.1 seconds that were measured");
}

// R-O5
#[test]
fn progress_is_shown_while_it_runs_and_giving_up_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = loadtest("--seconds 600 --warm-up 0")
        .env("TMPDIR", folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let daemon = lines.find_map(|line| line.strip_prefix("clavigerd, process ").map(str::to_owned));
    let daemon = daemon.and_then(|line| line.split(',').next().map(str::to_owned)).expect("the daemon is named");
    assert!(Path::new("/proc").join(&daemon).exists() && fs::read_dir(&folder).unwrap().count() == 1);
    assert!(lines.any(|line| line.trim_start().starts_with("1.00 ")), "no row for the first second");

    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert!(lines.all(|line| !line.starts_with("checked")), "it went on");
    let ended = child.wait_with_output().unwrap();
    assert!(!ended.status.success());
    assert!(String::from_utf8(ended.stderr).unwrap().ends_with("given up\n"));
    assert!(!Path::new("/proc").join(&daemon).exists(), "the daemon still runs");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "its folder is still there");
}
