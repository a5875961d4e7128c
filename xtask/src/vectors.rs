//! The vectors of the data protocol, `protocol/tests/vectors/`, as bytes; their README.md says how they are written.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// One vector: a case that must be accepted or refused.
pub(crate) struct Vector {
    /// `<area>_<case>`.
    pub(crate) name: String,
    /// The folder: `frame`, `ciphertext`, or an operation.
    pub(crate) area: String,
    /// Whether a client reads it.
    pub(crate) is_reply: bool,
    pub(crate) bytes: Vec<u8>,
}

/// All vectors, in the order of their names.
pub(crate) fn read_all() -> Result<Vec<Vector>> {
    let mut vectors = Vec::new();
    for area in entries(Path::new(FOLDER))?.into_iter().filter(|path| path.is_dir()) {
        for file in entries(&area)?.into_iter().filter(|path| path.extension().is_some_and(|name| name == "txt")) {
            let (area, case) = (file_stem(&area), file_stem(&file));
            let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
            vectors.push(Vector {
                name: format!("{area}_{case}"),
                area,
                is_reply: head.lines().any(|line| line == "direction: reply"),
                bytes: bytes(body).with_context(|| format!("in {}", file.display()))?,
            });
        }
    }
    ensure!(!vectors.is_empty(), "there are no vectors in {FOLDER}");
    Ok(vectors)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let context = || format!("cannot read the folder {}", folder.display());
    let entries = fs::read_dir(folder).with_context(context)?.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = entries.collect::<Result<Vec<_>, _>>().with_context(context)?;
    paths.sort();
    Ok(paths)
}

fn file_stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Hex digits up to a `#`; `repeat COUNT HEX` stands for COUNT times the bytes HEX.
fn bytes(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["repeat", count, digits] => {
                let count = count.parse().with_context(|| format!("not a count: {count}"))?;
                let part = hex(digits)?;
                ensure!(part.len().saturating_mul(count) <= SIZE_MAX, "more than {SIZE_MAX} bytes: {line}");
                bytes.extend(part.repeat(count));
            }
            words => bytes.extend(hex(&words.concat())?),
        }
    }
    Ok(bytes)
}

fn hex(digits: &str) -> Result<Vec<u8>> {
    let nibbles: Option<Vec<u32>> = digits.chars().map(|digit| digit.to_digit(16)).collect();
    let nibbles = nibbles.filter(|nibbles| nibbles.len().is_multiple_of(2));
    let nibbles = nibbles.with_context(|| format!("not hex digits, two a byte: {digits}"))?;
    let bytes = nibbles.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, nibble| byte << 4 | nibble));
    Ok(bytes.map(u8::try_from).collect::<Result<_, _>>()?)
}

const FOLDER: &str = "protocol/tests/vectors";

/// Most bytes of one `repeat`: twice the largest frame.
const SIZE_MAX: usize = 2 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_digits_comments_and_repeats() {
        assert_eq!(
            bytes("0102 ff # length: 3\n# nothing\n\nrepeat 3 0a0b\n").unwrap(),
            b"\x01\x02\xff\x0a\x0b\x0a\x0b\x0a\x0b"
        );
        assert_eq!(bytes("").unwrap(), b"");
    }

    #[test]
    fn refuses_what_is_not_written_so() {
        for text in ["0", "0g", "+1", "é", "repeat x 00", "repeat 2", "repeat 2 0", "repeat 99999999999 00"] {
            assert!(bytes(text).is_err(), "accepted {text}");
        }
    }
}
