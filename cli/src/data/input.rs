//! Where data come from: a file, or standard input.

use super::limits::MESSAGE_SIZE_MAX;
use anyhow::{Context, ensure};
use aws_lc_rs::digest::{self, Digest};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// An opened input.
pub(super) struct Input {
    /// How messages call it.
    pub(super) name: String,
    /// Bytes of it, if that is known.
    pub(super) size: Option<u64>,
    stream: Box<dyn Read + Send>,
}

impl Input {
    /// Opens the file, or standard input if the path is `-`.
    ///
    /// # Errors
    /// The file cannot be opened, or is a folder.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        if path.as_os_str() == "-" {
            return Ok(Self { name: "standard input".to_owned(), size: None, stream: Box::new(io::stdin()) });
        }
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
        let metadata = file.metadata().with_context(|| format!("cannot open {name}"))?;
        ensure!(!metadata.is_dir(), "{name} is a folder: name a file");
        let size = metadata.is_file().then_some(metadata.len());
        Ok(Self { name, size, stream: Box::new(file) })
    }

    /// All of it, at most `size_max` bytes.
    ///
    /// # Errors
    /// It cannot be read. More bytes are [`TooLarge`].
    pub(super) fn read_all(self, size_max: usize) -> anyhow::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let limit = u64::try_from(size_max).unwrap_or(u64::MAX).saturating_add(1);
        let read = self.stream.take(limit).read_to_end(&mut bytes);
        read.with_context(|| format!("cannot read {}", self.name))?;
        if bytes.len() > size_max {
            return Err(TooLarge { name: self.name, size_max }.into());
        }
        Ok(bytes)
    }

    /// A message that is sent whole.
    ///
    /// # Errors
    /// As [`Input::read_all`].
    pub(super) fn read_message(self) -> anyhow::Result<Vec<u8>> {
        self.read_all(MESSAGE_SIZE_MAX)
    }

    /// Its digest, whatever its size.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn digest(mut self, hash: &'static digest::Algorithm) -> anyhow::Result<Digest> {
        let mut context = digest::Context::new(hash);
        let mut buffer = vec![0; 65_536];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(context.finish()),
                Ok(size) => context.update(buffer.get(..size).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error).with_context(|| format!("cannot read {}", self.name)),
            }
        }
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

/// An input has more bytes than may be read at once.
#[derive(Debug, thiserror::Error)]
#[error("{name} has more than {size_max} bytes")]
pub(super) struct TooLarge {
    name: String,
    size_max: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(size: usize) -> (tempfile::NamedTempFile, Input) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![b'a'; size]).unwrap();
        let input = Input::open(file.path()).unwrap();
        (file, input)
    }

    #[test]
    fn a_message_of_the_largest_size_is_read_and_a_larger_one_refused() {
        let (_kept, input) = file(32_768);
        assert_eq!(input.size, Some(32_768));
        assert_eq!(input.read_message().unwrap().len(), 32_768);
        let (_kept, input) = file(32_769);
        let error = input.read_message().unwrap_err();
        assert!(error.is::<TooLarge>());
        assert!(error.to_string().ends_with("has more than 32768 bytes"));
    }

    #[test]
    fn digest_is_that_of_all_bytes() {
        let (_kept, input) = file(1_000_000);
        // `python3 -c 'print("a"*1000000, end="")' | sha256sum`, FIPS 180-4's example of a million letters.
        let expected = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
        let digits: String =
            input.digest(&digest::SHA256).unwrap().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digits, expected);
    }

    #[test]
    fn what_is_no_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let said = |path: &Path| Input::open(path).err().unwrap().to_string();
        assert!(said(folder.path()).ends_with("is a folder: name a file"));
        assert!(said(&folder.path().join("absent")).starts_with("cannot open "));
    }
}
