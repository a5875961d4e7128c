//! `cargo xtask requirements`: keeps `docs/REQUIREMENTS.md` and the tests in step.
//!
//! A test that proves a requirement names it in its source, so the column of tests is generated; titles and states are
//! written by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::process;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Writes the column of tests instead of comparing it
    #[arg(long)]
    write: bool,
}

impl Arguments {
    pub(crate) fn checking() -> Self {
        Self { write: false }
    }
}

/// Compares the table with the tests, or brings its column of tests up to date; returns a summary.
///
/// # Errors
/// If a state is none, if a requirement that is done has no test, if a test names a requirement that does not exist, or
/// if the column of tests is not up to date.
pub(crate) fn run(arguments: &Arguments) -> Result<String> {
    let text = fs::read_to_string(TABLE).with_context(|| format!("cannot read {TABLE}"))?;
    let tests = tests_by_requirement()?;
    let (updated, rows) = update(&text, &tests)?;
    if arguments.write {
        fs::write(TABLE, &updated).with_context(|| format!("cannot write {TABLE}"))?;
    }
    let mut faults = faults(&rows, &tests);
    if !arguments.write && updated != text {
        faults.push(format!("the tests named in {TABLE} are not up to date: run `cargo xtask requirements --write`"));
    }
    if !faults.is_empty() {
        bail!("{}", faults.join("\n  "));
    }
    let count = |state| rows.iter().filter(|row| row.state.starts_with(state)).count();
    Ok(format!("{} rows: {} done, {} in part, {} not yet", rows.len(), count(DONE), count(PART), count(NOT_YET)))
}

/// Paths of test files by the requirement that they name.
type Tests = BTreeMap<String, BTreeSet<String>>;

struct Row {
    id: String,
    state: String,
}

/// What is wrong with the table, however up to date it is.
fn faults(rows: &[Row], tests: &Tests) -> Vec<String> {
    let mut faults = Vec::new();
    let mut ids = BTreeSet::new();
    for Row { id, state } in rows {
        if !ids.insert(id) {
            faults.push(format!("{id} stands twice in {TABLE}"));
        }
        if state != DONE && state != NOT_YET && state.strip_prefix(PART).is_none_or(str::is_empty) {
            faults
                .push(format!("the state of {id} is none of `{DONE}`, `{PART}what is missing`, `{NOT_YET}`: {state}"));
        }
        if state == DONE && !tests.contains_key(id) {
            faults.push(format!("{id} is `{DONE}`, but no test names it"));
        }
    }
    for (id, files) in tests {
        if !ids.contains(id) {
            let files: Vec<_> = files.iter().map(String::as_str).collect();
            faults.push(format!("{id} is not in {TABLE}, but named in {}", files.join(", ")));
        }
    }
    faults
}

/// The text of the table with its column of tests filled from `tests`, and its rows.
fn update(text: &str, tests: &Tests) -> Result<(String, Vec<Row>)> {
    let mut rows = Vec::new();
    let mut updated = String::new();
    for line in text.lines() {
        if line.starts_with("| R-") {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let &[id, title, _, state] = cells.as_slice() else {
                bail!("a row of {TABLE} has id, requirement, tests and state: {line}");
            };
            ensure!(ids(id) == [id], "a row of {TABLE} begins with one id: {line}");
            let files = tests.get(id).into_iter().flatten().map(|file| format!("`{file}`")).collect::<Vec<_>>();
            updated += &format!("| {id} | {title} | {} | {state} |\n", files.join(", "));
            rows.push(Row { id: id.to_owned(), state: state.to_owned() });
        } else {
            updated += line;
            updated.push('\n');
        }
    }
    ensure!(!rows.is_empty(), "{TABLE} has no row that begins with `| R-`");
    Ok((updated, rows))
}

/// Looks through every test that is, or could be, committed.
fn tests_by_requirement() -> Result<Tests> {
    // This program's own tests name requirements as data.
    let files = ["ls-files", "--cached", "--others", "--exclude-standard", "--", "*.rs", "*.py", ":!xtask"];
    let files =
        process::output(Command::new("git").args(files)).context("`git ls-files` failed: is this a git work tree?")?;
    let mut tests = Tests::new();
    for file in files.lines() {
        // A file that was just moved or deleted may still be in the index.
        let Ok(text) = fs::read_to_string(file) else { continue };
        for id in ids(tests_within(file, &text)) {
            tests.entry(id.to_owned()).or_default().insert(file.to_owned());
        }
    }
    Ok(tests)
}

/// The part of a source file that is tests: all of it under `tests/` and in `tests.rs`, else from `#[cfg(test)]` with a
/// module's body on.
fn tests_within<'a>(file: &str, text: &'a str) -> &'a str {
    if file.ends_with(".py") || file.split('/').any(|part| part == "tests" || part == "tests.rs") {
        return text;
    }
    let is_module = |rest: &str| {
        let line = rest.lines().skip(1).map(str::trim).find(|line| !line.starts_with("#["));
        line.is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
    };
    let start = text.match_indices("#[cfg(test)]").map(|(start, _)| start);
    let body = start.filter_map(|start| text.get(start..)).find(|rest| is_module(rest));
    body.unwrap_or_default()
}

/// The requirements named in `text`, such as `R-K7`.
fn ids(text: &str) -> Vec<&str> {
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_' || character == '-';
    let words = text.split(|character| !is_word(character));
    words.filter(|word| is_id(word)).collect()
}

/// `R-`, one capital letter, a number without leading zero.
fn is_id(word: &str) -> bool {
    let Some(rest) = word.strip_prefix("R-") else { return false };
    let number = rest.trim_start_matches(|character: char| character.is_ascii_uppercase());
    rest.len() == number.len() + 1
        && number.starts_with(|first: char| ('1'..='9').contains(&first))
        && number.parse::<u16>().is_ok()
}

const TABLE: &str = "docs/REQUIREMENTS.md";

const DONE: &str = "done";
const PART: &str = "part: ";
const NOT_YET: &str = "not yet";

#[cfg(test)]
mod tests {
    use super::*;

    fn tests(entries: &[(&str, &str)]) -> Tests {
        let mut tests = Tests::new();
        for (id, file) in entries {
            tests.entry((*id).to_owned()).or_default().insert((*file).to_owned());
        }
        tests
    }

    fn check(text: &str, entries: &[(&str, &str)], expected: &[&str]) {
        let tests = tests(entries);
        let (_, rows) = update(text, &tests).unwrap();
        let faults = faults(&rows, &tests);
        assert_eq!(faults.len(), expected.len(), "{faults:?}");
        for (fault, part) in faults.iter().zip(expected) {
            assert!(fault.contains(part), "{fault} does not say {part}");
        }
    }

    #[test]
    fn fills_the_column_of_tests_and_keeps_the_rest() {
        let text = "# Title\n\n| id |\n|---|\n| R-K1 | kinds | `gone.rs` | part: secrets |\n| R-K2 | x | | not yet |\n";
        let (updated, _) = update(text, &tests(&[("R-K1", "b.rs"), ("R-K1", "a.rs")])).unwrap();
        assert_eq!(
            updated,
            "# Title\n\n| id |\n|---|\n| R-K1 | kinds | `a.rs`, `b.rs` | part: secrets |\n| R-K2 | x |  | not yet |\n"
        );
    }

    #[test]
    fn accepts_a_table_that_agrees() {
        check("| R-K1 | x | | done |\n| R-K2 | x | | part: y |\n| R-K3 | x | | not yet |\n", &[("R-K1", "a.rs")], &[]);
    }

    #[test]
    fn refuses_done_without_a_test() {
        check("| R-K1 | x | `a.rs` | done |\n", &[], &["R-K1 is `done`"]);
    }

    #[test]
    fn refuses_a_test_of_an_unknown_requirement() {
        check("| R-K1 | x | | not yet |\n", &[("R-K9", "a.rs")], &["R-K9 is not in"]);
    }

    #[test]
    fn refuses_unknown_states_and_double_rows() {
        check("| R-K1 | x | | |\n", &[], &["state of R-K1"]);
        check("| R-K1 | x | | part: |\n", &[], &["state of R-K1"]);
        check("| R-K1 | x | | finished |\n", &[], &["state of R-K1"]);
        check("| R-K1 | x | | not yet |\n| R-K1 | x | | not yet |\n", &[], &["twice"]);
    }

    #[test]
    fn refuses_rows_of_another_shape() {
        for text in
            ["", "| id | x |\n", "| R-K1 | x | done |\n", "| R-K1 | a | b | c | done |\n", "| R-k1 | a | b | done |\n"]
        {
            assert!(update(text, &Tests::new()).is_err(), "accepted {text}");
        }
    }

    #[test]
    fn finds_whole_ids_only() {
        assert_eq!(ids("// R-K7, R-K12: (R-P3) R-H1."), ["R-K7", "R-K12", "R-P3", "R-H1"]);
        assert!(ids("R-K R-7 R-KK7 R-k7 R-K07 XR-K7 R-K7x R-K7-2 R-K99999").is_empty());
    }

    #[test]
    fn only_tests_count_as_tests() {
        let inline =
            "//! R-K1\n#[cfg(test)]\nmod other;\n// R-K2\n#[cfg(test)]\n#[expect(x)]\nmod tests {\n// R-K3\n}\n";
        assert_eq!(ids(tests_within("a/src/b.rs", inline)), ["R-K3"]);
        assert!(ids(tests_within("a/src/b.rs", "// R-K1\n#[cfg(test)]\nmod tests;\n")).is_empty());
        assert_eq!(ids(tests_within("a/tests/b.rs", "// R-K1")), ["R-K1"]);
        assert_eq!(ids(tests_within("a/src/b/tests.rs", "// R-K1")), ["R-K1"]);
    }
}
