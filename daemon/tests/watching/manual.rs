//! What the manual says of metrics is what the program has.

use claviger_daemon::control::metrics::table::METRICS;

const MANUAL: &str = include_str!("../../../docs/OPERATIONS.md");

// R-O1
#[test]
fn the_manual_has_the_table_of_metrics() {
    let rows = METRICS.iter().map(|metric| {
        let labels = metric.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        format!("| `{}` | {} | {labels} | {} | {} |\n", metric.name, metric.kind, metric.help, metric.alert)
    });
    let table: String = std::iter::once(
        "| metric | type | labels | what it says | tell somebody when |\n|---|---|---|---|---|\n".to_owned(),
    )
    .chain(rows)
    .collect();
    assert!(MANUAL.contains(&table), "docs/OPERATIONS.md should have this table:\n{table}");
}

// R-O1
#[test]
fn names_of_metrics_say_what_they_are() {
    let mut names: Vec<_> = METRICS.iter().map(|metric| metric.name).collect();
    for metric in METRICS {
        assert!(metric.name.starts_with("claviger_"), "{}", metric.name);
        let counts = metric.kind.to_string() == "counter";
        assert_eq!(metric.name.ends_with("_total"), counts, "{}", metric.name);
        assert!(!metric.help.is_empty() && !metric.help.ends_with('.') && !metric.help.contains(['\n', '|', '\\']));
        // Never keys, clients or addresses: they have no bound.
        let known = [
            "version",
            "protocol",
            "operation",
            "status",
            "kind",
            "transport",
            "reason",
            "budget",
            "result",
            "lane",
            "place",
            "state",
            "limit",
            "of",
            "store",
        ];
        assert!(metric.labels.iter().all(|label| known.contains(label)), "{}", metric.name);
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), METRICS.len());
}
