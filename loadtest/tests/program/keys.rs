//! Rotations and changes of access beside connections, and very many keys. R-O5.

use serde_json::Value;

use crate::support::{clavigerd, loadtest, read_json, run};

/// What was measured with these options, and what was said.
fn report(options: &str) -> (Value, String) {
    clavigerd();
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("run.json");
    let ended = run(loadtest(options).arg("--json").arg(&json)).passed();
    let document = read_json(&json);
    let [run] = document["runs"].as_array().unwrap().as_slice() else { panic!("one run: {document}") };
    (run.clone(), ended.output)
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

// R-K9, R-K12
#[test]
fn rotations_are_measured_alone_and_beside_connections_on_both_transports() {
    for transport in ["tcp", "quic"] {
        let options = format!("rotation --connections 30 --rotations 5 --pause 1 --transport {transport}");
        let (run, output) = report(&options);
        for times in ["alone", "beside"] {
            let times = ["p50_ns", "p90_ns", "p99_ns", "max_ns"].map(|name| number(&run[times][name]));
            assert!(times[0] > 0 && times.is_sorted(), "{run}");
        }
        // Each connection has encrypted before the first rotation beside them.
        assert!(number(&run["items"]) >= 30, "{run}");
        assert!(output.contains("30 connections use the key"), "{output}");
    }
}

// R-A6
#[test]
fn nobody_is_served_after_the_answer_to_a_change_of_access_and_resting_connections_are_closed() {
    for transport in ["tcp", "quic"] {
        let (run, output) = report(&format!("access --connections 20 --rounds 2 --pause 1 --transport {transport}"));
        let changes = run["changes"].as_array().unwrap();
        assert_eq!(changes.len(), 10, "{run}");
        for (index, change) in changes.iter().enumerate() {
            assert_eq!(change["admits"], index % 2 == 1, "{change}");
            for times in ["answer", "seen", "seen_by_all"] {
                let times = ["p50_ns", "p90_ns", "max_ns"].map(|name| number(&change[times][name]));
                assert!(times[0] > 0 && times.is_sorted(), "{change}");
            }
        }
        assert_eq!((number(&run["served_after_answer"]), number(&run["refused_after_answer"])), (0, 0), "{run}");
        // Each connection has noticed each change.
        assert!(number(&run["served"]) >= 200 && number(&run["refused"]) >= 200, "{run}");
        assert!(number(&run["closed"]["max_ns"]) < 15_000_000_000, "{run}");
        assert!(output.contains("delete the certificate: refuses") && output.contains("were all closed"), "{output}");
    }
}

// R-K20
#[test]
fn very_many_keys_are_created_listed_and_used() {
    let (run, output) = report("keys --count 1500 --used 100");
    assert_eq!((number(&run["keys"]), number(&run["used"])), (1_500, 100));
    for times in ["page", "first_use", "second_use"] {
        assert!(number(&run[times]["p50_ns"]) > 0, "{run}");
    }
    for memory in ["memory_after_creation", "memory_after_start", "memory_after_list", "memory_after_use"] {
        assert!(number(&run[memory]["own"]) > 0, "{run}");
    }
    assert!(number(&run["data_size"]) > 1_500 * 100, "{run}");
    for line in ["keys                               1,500", "start to serving", "first use of 100 keys"] {
        assert!(output.contains(line), "{line}: {output}");
    }
}
