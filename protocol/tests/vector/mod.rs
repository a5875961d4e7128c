//! The vectors under `tests/vectors` as their README describes them. Read by the tests of the codec, the engine and the
//! daemon, and by `cargo xtask fuzz`, which starts from them.

use std::fmt;
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
    /// Reads the text of the file at `path`.
    ///
    /// # Errors
    /// What in it is not as the README describes.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, String> {
        let (head, body) = text.split_once("\n\n").ok_or("no empty line")?;
        let lines = head.lines().map(header_line).collect::<Result<Vec<_>, _>>()?;
        let expected_error = match lines.first() {
            Some((name, value)) if name == "expect" && value == "ok" => None,
            Some((name, value)) if name == "expect" => {
                Some(value.strip_prefix("error ").ok_or("expect what?")?.to_owned())
            }
            _ => return Err("the first line says what to expect".to_owned()),
        };
        let mut fields = Vec::new();
        for (_, field) in lines.iter().filter(|(name, _)| name == "field") {
            fields.extend(written_out(field).ok_or_else(|| format!("no field: {field}"))?);
        }
        let mut bytes = Vec::new();
        for line in body.lines() {
            bytes.extend(line_bytes(line).ok_or_else(|| format!("no bytes: {line}"))?);
        }
        Ok(Self { path: path.to_owned(), expected_error, fields, bytes, lines })
    }

    /// The value of a header line that comes at most once.
    pub(crate) fn line(&self, name: &str) -> Option<&str> {
        self.lines.iter().find(|(line, _)| line == name).map(|(_, value)| value.as_str())
    }

    /// The folder it stands in: `frame`, `ciphertext`, or an operation.
    pub(crate) fn area(&self) -> String {
        self.path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned()
    }
}

impl fmt::Display for Vector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.path.display())
    }
}

/// Every vector, by its path.
///
/// # Errors
/// Names the file that is no vector, so that none is passed over.
pub(crate) fn all(root: &Path) -> Result<Vec<Vector>, String> {
    let (folders, files): (Vec<_>, Vec<_>) = entries(root)?.into_iter().partition(|path| path.is_dir());
    if files != [root.join("README.md")] {
        return Err(format!("{}: vectors stand in the folder of their area", root.display()));
    }
    let mut vectors = Vec::new();
    for folder in folders {
        for path in entries(&folder)? {
            let at = |fault: &dyn fmt::Display| format!("{}: {fault}", path.display());
            if path.extension().is_none_or(|extension| extension != "txt") {
                return Err(at(&"no vector"));
            }
            let text = fs::read_to_string(&path).map_err(|error| at(&error))?;
            vectors.push(Vector::parse(&path, &text).map_err(|fault| at(&fault))?);
        }
    }
    Ok(vectors)
}

/// What stands in a folder, by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut paths: Vec<_> = entries.map_err(|error| format!("{}: {error}", folder.display()))?;
    paths.sort();
    Ok(paths)
}

/// `name: value`, of the names that the README lists.
fn header_line(line: &str) -> Result<(String, String), String> {
    let known = ["expect", "message", "direction", "section", "state", "where", "ends", "answer", "what", "field"];
    match line.split_once(':') {
        Some((name, value)) if known.contains(&name) => Ok((name.to_owned(), value.trim().to_owned())),
        _ => Err(format!("no header line: {line}")),
    }
}

/// `item[0..2].status = Ok` is three fields.
fn written_out(field: &str) -> Option<Vec<(String, String)>> {
    let (name, value) = field.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let value = if value.starts_with("repeat ") { hex(&line_bytes(value)?) } else { value.to_owned() };
    let Some((before, rest)) = name.split_once('[') else { return Some(vec![(name.to_owned(), value)]) };
    let (span, after) = rest.split_once(']')?;
    let (first, last) = span.split_once("..").unwrap_or((span, span));
    let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
    Some((first..=last).map(|index| (format!("{before}[{index}]{after}"), value.clone())).collect())
}

/// The bytes of one line: hex digits, or `repeat COUNT HEX`, and a comment.
fn line_bytes(line: &str) -> Option<Vec<u8>> {
    let text = line.split('#').next()?.trim();
    match text.strip_prefix("repeat ") {
        Some(repeat) => {
            let (count, unit) = repeat.split_once(' ')?;
            let (count, unit): (usize, _) = (count.parse().ok()?, from_hex(unit)?);
            (count.checked_mul(unit.len())? <= SIZE_MAX).then(|| unit.repeat(count))
        }
        None => from_hex(text),
    }
}

/// Hex digits of bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes of hex digits.
pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |&[high, low]: &[u8; 2]| u8::try_from(digit(high)? << 4 | digit(low)?).ok();
    rest.is_empty().then(|| pairs.iter().map(byte).collect())?
}

/// Bytes of one `repeat`: twice the largest frame.
const SIZE_MAX: usize = 2 << 20;
