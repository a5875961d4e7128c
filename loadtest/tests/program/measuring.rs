//! A daemon that the load test starts itself: loops, transports, and what is reported. R-O5.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{self, clavigerd, read_json, run};

/// The load test with these options. It starts the daemon that stands beside it.
fn loadtest(options: &str) -> Command {
    clavigerd();
    support::loadtest(options)
}

/// Runs with these options, and returns the only run that the JSON tells of.
fn measure(options: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let (json, plot) = (folder.path().join("run.json"), folder.path().join("run.svg"));
    run(loadtest(options).arg("--json").arg(&json).arg("--plot").arg(&plot)).passed();
    assert_eq!(lines_drawn(&plot), 5, "one for each percentile");
    let document = read_json(&json);
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
    assert!(number(&total["frames"]) == 0 || number(&run["checked"]["replies"]) > 0, "nothing was checked: {run}");
    assert!(run["in_process_ns"].as_f64().unwrap() > 0.0);
    assert!(run["ratio"].as_f64().unwrap() >= 0.0);
    let rows = run["rows"].as_array().unwrap();
    assert!(rows.iter().map(|row| number(&row["items"])).sum::<u64>() <= number(&total["items"]));
    for row in rows.iter().chain([total]) {
        let latency = ["p50_ns", "p90_ns", "p99_ns", "p99_9_ns", "max_ns"].map(|name| number(&row[name]));
        assert!(latency.is_sorted(), "{row}");
    }
}

/// A file that an XML parser takes for an SVG; how many lines of measured points it has.
fn lines_drawn(path: &Path) -> usize {
    let script = "import sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
space = '{http://www.w3.org/2000/svg}'
assert root.tag == space + 'svg', root.tag
print(sum(line.get('points') != '' for line in root.iter(space + 'polyline')))";
    let parsed = Command::new("python3").args(["-c", script]).arg(path).output();
    let parsed = parsed.expect("python3 must be installed: see `cargo xtask test --install`");
    assert!(parsed.status.success(), "{}", String::from_utf8_lossy(&parsed.stderr));
    String::from_utf8(parsed.stdout).unwrap().trim().parse().unwrap()
}

// R-O5
#[test]
fn a_closed_loop_over_tcp_is_measured_and_checked() {
    let run = measure("--seconds 0.2 --warm-up 0.1");
    for (field, value) in [("operation", "encrypt"), ("algorithm", "XAES-256-GCM"), ("transport", "tcp")] {
        assert_eq!(run[field], value);
    }
    for (field, value) in [("size", 1_024), ("batch", 16), ("connections", 1), ("byte_streams", 1)] {
        assert_eq!(run[field], value, "{field}");
    }
    assert_eq!((&run["rate_asked"], run["warm_up_seconds"].as_f64()), (&Value::Null, Some(0.1)));
    assert_eq!(run["rows"].as_array().unwrap().len(), 1, "a second has begun");
    let (items, rate) = (run["total"]["items"].as_f64().unwrap(), run["items_per_second"].as_f64().unwrap());
    assert!(items > 0.0 && (rate * 0.2 - items).abs() < 0.5);
    assert!(run["processor_ns_per_item"].is_number(), "the daemon is ours");
}

// R-O5
#[test]
fn an_open_loop_sends_no_more_than_it_is_told_to() {
    let run = measure("--rate 400 --batch 4 --connections 2 --seconds 0.5 --warm-up 0");
    assert_eq!(run["rate_asked"], 400);
    // The first frame of each connection goes at once.
    let items = run["total"]["items"].as_u64().unwrap();
    assert!((1..=200 + 2 * 4).contains(&items), "{items}");
}

// R-O5
#[test]
fn several_byte_streams_of_several_quic_connections_are_loaded() {
    let options =
        "--transport quic --connections 2 --streams 2 --operation sign --algorithm ecdsa-p256-sha256 --batch 8";
    let run = measure(&format!("{options} --seconds 0.2 --warm-up 0"));
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
        let options = format!("--operation {operation} --algorithm {algorithm} --seconds 0.3 --warm-up 0");
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
    measure(&format!("--pin-daemon {first} --pin-load {first} --seconds 0.2 --warm-up 0"));
}

// R-O5
#[test]
fn a_table_of_both_transports_is_written_and_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let (json, plot) = (folder.path().join("table.json"), folder.path().join("table.svg"));
    let mut command = loadtest("table --seconds 0.1 --warm-up 0");
    let ended = run(command.arg("--json").arg(&json).arg("--plot").arg(&plot)).passed();
    let document = read_json(&json);
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
    let shown = ended.output.lines().filter(|line| line.starts_with("encrypt ") || line.starts_with("sign "));
    assert_eq!(shown.count(), expected.len(), "{}", ended.output);
    assert_eq!(lines_drawn(&plot), 3, "in process and two transports");
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
