//! The vectors under `tests/vectors` as their README describes them.

pub(crate) mod fields;

use std::fs;
use std::path::{Path, PathBuf};

/// One case.
pub(crate) struct Vector {
    /// The file it stands in.
    pub(crate) path: PathBuf,
    /// What must come of the bytes; nothing if they are well-formed.
    pub(crate) expected_error: Option<String>,
    /// All fields, ranges of items written out, byte strings in plain hex.
    pub(crate) fields: Vec<(String, String)>,
    /// What is to be decoded.
    pub(crate) bytes: Vec<u8>,
    lines: Vec<(String, String)>,
}

impl Vector {
    /// Reads one file. Panics on anything that the README does not describe.
    pub(crate) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (head, body) = text.split_once("\n\n").unwrap_or_else(|| panic!("{}: no empty line", path.display()));
        let lines: Vec<_> = head.lines().map(|line| header_line(path, line)).collect();
        let expected_error = match lines.first() {
            Some((name, value)) if name == "expect" && value == "ok" => None,
            Some((name, value)) if name == "expect" => Some(
                value.strip_prefix("error ").unwrap_or_else(|| panic!("{}: expect what?", path.display())).to_owned(),
            ),
            _ => panic!("{}: the first line says what to expect", path.display()),
        };
        let fields =
            lines.iter().filter(|(name, _)| name == "field").flat_map(|(_, field)| written_out(field)).collect();
        Self {
            path: path.to_owned(),
            expected_error,
            fields,
            bytes: body.lines().flat_map(line_bytes).collect(),
            lines,
        }
    }

    /// The value of a header line that comes at most once.
    pub(crate) fn line(&self, name: &str) -> Option<&str> {
        self.lines.iter().find(|(line, _)| line == name).map(|(_, value)| value.as_str())
    }
}

impl std::fmt::Display for Vector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.path.display())
    }
}

/// Every vector, by its path. Panics on a file that is no vector, so that none is passed over.
pub(crate) fn all(root: &Path) -> Vec<Vector> {
    let entries = |folder: &Path| {
        let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        entries.map(|entry| entry.expect("a readable folder").path()).collect::<Vec<_>>()
    };
    let (folders, files): (Vec<_>, Vec<_>) = entries(root).into_iter().partition(|path| path.is_dir());
    assert_eq!(files, [root.join("README.md")], "vectors stand in the folder of their area");
    let mut paths: Vec<_> = folders.iter().flat_map(|folder| entries(folder)).collect();
    paths.sort();
    for path in &paths {
        assert!(path.extension().is_some_and(|extension| extension == "txt"), "{} is no vector", path.display());
    }
    paths.iter().map(|path| Vector::read(path)).collect()
}

/// `name: value`, of the names that the README lists.
fn header_line(path: &Path, line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("{}: {line}", path.display()));
    let known = ["expect", "message", "direction", "section", "state", "where", "ends", "answer", "what", "field"];
    assert!(known.contains(&name), "{}: {line}", path.display());
    (name.to_owned(), value.trim().to_owned())
}

/// `item[0..2].status = Ok` is three fields.
fn written_out(field: &str) -> Vec<(String, String)> {
    let (name, value) = field.split_once('=').unwrap_or_else(|| panic!("no field: {field}"));
    let (name, value) = (name.trim(), plain_hex(value.trim()));
    let Some((before, rest)) = name.split_once('[') else { return vec![(name.to_owned(), value)] };
    let (span, after) = rest.split_once(']').unwrap_or_else(|| panic!("no field: {field}"));
    let (first, last) = span.split_once("..").unwrap_or((span, span));
    let [first, last]: [usize; 2] =
        [first, last].map(|index| index.parse().unwrap_or_else(|_| panic!("no field: {field}")));
    (first..=last).map(|index| (format!("{before}[{index}]{after}"), value.clone())).collect()
}

fn plain_hex(value: &str) -> String {
    if value.starts_with("repeat ") { hex(&line_bytes(value)) } else { value.to_owned() }
}

/// The bytes of one line: hex digits, or `repeat COUNT HEX`, and a comment.
fn line_bytes(line: &str) -> Vec<u8> {
    let text = line.split('#').next().unwrap_or_default().trim();
    match text.strip_prefix("repeat ").and_then(|repeat| repeat.split_once(' ')) {
        Some((count, unit)) => from_hex(unit).repeat(count.parse().unwrap_or_else(|_| panic!("no count: {line}"))),
        None => from_hex(text),
    }
}

/// Hex digits of bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes of hex digits.
pub(crate) fn from_hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2) && text.is_ascii(), "no bytes: {text}");
    let pairs = (0..text.len()).step_by(2).map(|at| &text[at..at + 2]);
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap_or_else(|_| panic!("no bytes: {text}"))).collect()
}
