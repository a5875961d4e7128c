//! The daemon against in process and an echo. R-O5.

use serde_json::Value;

use crate::support::{clavigerd, lines_drawn, loadtest, read_json, run};

/// What a smoke with these options measured, how many lines were drawn, and what was said.
fn compare(options: &str) -> (Value, usize, String) {
    clavigerd();
    let folder = tempfile::tempdir().unwrap();
    let (json, plot) = (folder.path().join("run.json"), folder.path().join("run.svg"));
    let mut command = loadtest(&format!("compare --quick {options}"));
    let ended = run(command.arg("--json").arg(&json).arg("--plot").arg(&plot));
    let document = read_json(&json);
    // A machine with much else to do may answer nothing in a moment, which is all that is waited for.
    for row in document["runs"].as_array().unwrap() {
        assert!(row["failed"].is_null() || is_too_busy(row), "{row}");
    }
    assert_eq!(ended.success, document["runs"].as_array().unwrap().iter().all(|row| row["failed"].is_null()));
    (document, lines_drawn(&plot), ended.output)
}

fn is_too_busy(row: &Value) -> bool {
    row["failed"].as_str().is_some_and(|failed| failed.contains("nothing was answered"))
}

// R-O5
#[test]
fn every_row_is_measured_and_shown_with_its_goals() {
    let (document, lines, output) = compare("");
    let rows = document["runs"].as_array().unwrap();
    let list = run(&mut loadtest("compare --list")).passed().output;
    let names: Vec<_> = list.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(rows.iter().map(|row| row["name"].as_str().unwrap()).collect::<Vec<_>>(), names);
    for row in rows {
        let name = row["name"].as_str().unwrap();
        assert!(output.contains(&format!("\n{name}: {}", row["what"].as_str().unwrap())), "{output}");
        match name {
            _ if is_too_busy(row) => {}
            "curves" => assert_eq!((points(row, "batches"), points(row, "loads")), (5, 6)),
            "redis" if row["figures"].is_null() => assert!(row["left_out"].as_str().unwrap().contains("install")),
            _ => figures_hold_together(row),
        }
    }
    assert_eq!(lines, 3 + 4, "in process, echo and daemon; two percentiles of both");
}

fn points(row: &Value, curve: &str) -> usize {
    row["curves"][curve].as_array().unwrap().len()
}

fn figures_hold_together(row: &Value) {
    let figures = row["figures"].as_array().unwrap();
    assert!(figures.iter().any(|figure| figure["value"].as_f64().is_some_and(|value| value > 0.0)), "{row}");
    let has_goal = figures.iter().any(|figure| figure["verdict"].is_string());
    assert!(has_goal || ["redis", "latency-busy-poll"].contains(&row["name"].as_str().unwrap()), "{row}");
    for figure in figures {
        let rounds = figure["rounds"].as_array().unwrap();
        assert!(rounds.iter().any(|round| *round == figure["value"]), "one round is the median: {figure}");
        let goals = ["at_least", "at_most"].map(|goal| figure[goal].is_number());
        assert_eq!(goals[0] != goals[1], figure["verdict"].is_string(), "{figure}");
    }
}

// R-O5
#[test]
fn rows_are_chosen_and_repeated() {
    clavigerd();
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("run.json");
    // Rows that wait for answers instead of counting those of a moment.
    let options = "compare --only start,memory-connections --rounds 3 --keys 100 --connections 8";
    run(loadtest(options).arg("--json").arg(&json)).passed();
    let document = read_json(&json);
    let names: Vec<_> = document["runs"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["start", "memory-connections"]);
    assert_eq!(document["runs"][0]["figures"][0]["rounds"].as_array().unwrap().len(), 3);
}

// R-O5
#[test]
fn what_cannot_be_measured_is_named_with_its_remedy_and_the_rest_is_measured() {
    clavigerd();
    let ended = run(&mut loadtest("compare --quick --only encrypt-16,start --echo /nowhere/claviger-echo"));
    assert!(ended.output.contains("FAILED: /nowhere/claviger-echo: build it with `cargo build"), "{}", ended.output);
    assert!(ended.output.contains("\nstart: "), "{}", ended.output);
    assert!(
        !ended.success && ended.errors.ends_with("claviger-loadtest: not measured: encrypt-16\n"),
        "{}",
        ended.errors
    );

    let ended = run(loadtest("compare --quick --only redis").env("PATH", "/nowhere")).passed();
    assert!(ended.output.contains("left out: redis-server is not on the path: install"), "{}", ended.output);
}

#[test]
fn rows_that_there_are_not_and_plots_without_curves_are_refused() {
    run(&mut loadtest("compare --only encrypt")).refused("there is no such row; there are encrypt-16,");
    run(&mut loadtest("compare --only encrypt-16 --plot x.svg")).refused("--plot draws the row curves");
}
