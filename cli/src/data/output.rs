//! Where results go: a file that appears complete or not at all, or standard output.

use anyhow::{Context, bail, ensure};
use std::fs::{self, File, Permissions};
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile};

/// What is written, which decides who may read it and whether a terminal may show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Printable text.
    Text,
    /// Binary data that are no secret.
    Binary,
    /// Binary data that a command also writes as text.
    Encodable,
    /// What was encrypted: a new file is readable by its owner only.
    Decrypted,
    /// The value of a secret, or what may become one: a new file is readable by its owner only.
    Secret,
}

/// Where a result goes, before anything is written.
pub(super) struct Target {
    /// Nothing: standard output.
    path: Option<PathBuf>,
    replace: bool,
    content: Content,
}

/// An opened output. Dropped before [`Output::finish`], it leaves nothing behind.
pub(super) struct Output {
    target: Target,
    temporary: Option<NamedTempFile>,
}

/// Where the bytes of an output go. Failures name it.
pub(super) struct Stream {
    name: String,
    file: File,
}

impl Target {
    /// Standard output if `path` is missing or `-`; `replace` allows a file that exists to be replaced.
    ///
    /// # Errors
    /// The file exists, or is something that cannot be replaced; standard output is a terminal, which is not shown what is
    /// binary, nor what is confidential unless the path says so.
    pub(super) fn new(path: Option<&Path>, replace: bool, content: Content) -> anyhow::Result<Self> {
        let explicit = path.is_some();
        let path = path.filter(|path| path.as_os_str() != "-");
        let target = Self { path: path.map(Path::to_owned), replace, content };
        match path {
            Some(path) => target.check_file(path)?,
            None => check_terminal(content, explicit, io::stdout().is_terminal())?,
        }
        Ok(target)
    }

    /// How messages call it.
    pub(super) fn name(&self) -> String {
        self.path.as_ref().map_or_else(|| "standard output".to_owned(), |path| path.display().to_string())
    }

    /// Whether standard output is taken by the result.
    pub(super) const fn is_stdout(&self) -> bool {
        self.path.is_none()
    }

    /// # Errors
    /// The folder takes no file.
    pub(super) fn open(self) -> anyhow::Result<Output> {
        let temporary = match &self.path {
            None => None,
            Some(path) => Some(self.temporary(path).with_context(|| format!("cannot write {}", self.name()))?),
        };
        Ok(Output { target: self, temporary })
    }

    /// Opens, writes, finishes.
    ///
    /// # Errors
    /// As those.
    pub(super) fn write(self, bytes: &[u8]) -> anyhow::Result<()> {
        let output = self.open()?;
        let mut stream = output.stream()?;
        stream.write_all(bytes)?;
        stream.flush()?;
        output.finish()
    }

    fn check_file(&self, path: &Path) -> anyhow::Result<()> {
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error).with_context(|| format!("cannot write {}", self.name())),
            Ok(metadata) if !metadata.is_file() => {
                bail!("{} is no ordinary file: write to - and redirect standard output", self.name())
            }
            Ok(_) => {
                ensure!(self.replace, "{} exists: choose another name, or replace it with --force", self.name());
                Ok(())
            }
        }
    }

    /// A file beside the target, hidden, with a name that no other program uses.
    fn temporary(&self, path: &Path) -> io::Result<NamedTempFile> {
        let folder = folder_of(path);
        let mut prefix = std::ffi::OsString::from(".");
        prefix.push(path.file_name().unwrap_or_default());
        prefix.push(".");
        let private = matches!(self.content, Content::Decrypted | Content::Secret);
        let mode = if private { 0o600 } else { 0o666 };
        let mut builder = Builder::new();
        builder.prefix(&prefix).suffix(".part").permissions(Permissions::from_mode(mode));
        let temporary = builder.tempfile_in(folder)?;
        // Who could not read the file that is replaced cannot read the new one.
        if let Ok(replaced) = fs::metadata(path) {
            temporary.as_file().set_permissions(replaced.permissions())?;
        }
        Ok(temporary)
    }
}

impl Output {
    /// A handle to write with; [`Output::finish`] comes after the last write.
    ///
    /// # Errors
    /// The system has no more handles.
    pub(super) fn stream(&self) -> anyhow::Result<Stream> {
        let name = self.target.name();
        let file = match &self.temporary {
            Some(temporary) => temporary.as_file().try_clone(),
            // Not through the library's buffer, which looks for line ends.
            None => io::stdout().as_fd().try_clone_to_owned().map(File::from),
        };
        Ok(Stream { file: file.with_context(|| format!("cannot write {name}"))?, name })
    }

    /// Puts the file in its place, durable, once all is written.
    ///
    /// # Errors
    /// The file, or its folder, cannot be written; or the target came into being meanwhile.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        let name = self.target.name();
        let (Some(temporary), Some(path)) = (self.temporary, self.target.path) else { return Ok(()) };
        temporary.as_file().sync_all().with_context(|| format!("cannot write {name}"))?;
        let placed = if self.target.replace { temporary.persist(&path) } else { temporary.persist_noclobber(&path) };
        placed.map_err(|failed| failed.error).with_context(|| format!("cannot put {name} in its place"))?;
        let synced = File::open(folder_of(&path)).and_then(|folder| folder.sync_all());
        synced.with_context(|| format!("{name} is written, but may not outlast a crash"))
    }
}

impl Stream {
    fn named(&self, error: &io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("cannot write {}: {error}", self.name))
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).map_err(|error| self.named(&error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush().map_err(|error| self.named(&error))
    }
}

/// Refuses what a terminal should not show unasked.
fn check_terminal(content: Content, asked: bool, terminal: bool) -> anyhow::Result<()> {
    let remedy = match content {
        _ if !terminal => return Ok(()),
        Content::Text => return Ok(()),
        Content::Decrypted | Content::Secret if asked => return Ok(()),
        Content::Binary => "binary data are not for a terminal: name an output file, or redirect standard output",
        Content::Encodable => "binary data are not for a terminal: add --hex or --base64, or name an output file",
        Content::Decrypted => {
            "decrypted data are not shown on a terminal unasked: name an output file, or - to show them"
        }
        Content::Secret => "a secret is not shown on a terminal unasked: add --show, or name an output file",
    };
    bail!(remedy)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn refused(path: &Path, replace: bool) -> String {
        Target::new(Some(path), replace, Content::Binary).err().unwrap().to_string()
    }

    #[test]
    fn a_file_appears_when_it_is_finished_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let output = Target::new(Some(&path), false, Content::Binary).unwrap().open().unwrap();
        output.stream().unwrap().write_all(b"whole").unwrap();
        assert!(!path.exists());
        output.finish().unwrap();
        assert_eq!((fs::read(&path).unwrap(), names(folder.path())), (b"whole".to_vec(), vec!["out".to_owned()]));
    }

    #[test]
    fn an_output_that_is_given_up_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let output = Target::new(Some(&path), false, Content::Binary).unwrap().open().unwrap();
        output.stream().unwrap().write_all(b"half").unwrap();
        assert!(names(folder.path())[0].starts_with(".out."));
        drop(output);
        assert_eq!(names(folder.path()), [""; 0]);
    }

    #[test]
    fn an_existing_file_is_replaced_only_by_force_and_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(&path, b"old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(refused(&path, false).ends_with("exists: choose another name, or replace it with --force"));
        Target::new(Some(&path), true, Content::Decrypted).unwrap().write(b"new").unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"new".to_vec(), 0o640));
    }

    #[test]
    fn a_file_that_came_into_being_meanwhile_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let target = Target::new(Some(&path), false, Content::Binary).unwrap();
        fs::write(&path, b"other").unwrap();
        assert!(target.write(b"ours").unwrap_err().to_string().starts_with("cannot put "));
        assert_eq!((fs::read(&path).unwrap(), names(folder.path()).len()), (b"other".to_vec(), 1));
    }

    #[test]
    fn decrypted_files_are_readable_by_their_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        Target::new(Some(&path), false, Content::Decrypted).unwrap().write(b"plain").unwrap();
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn what_is_no_file_is_never_replaced() {
        assert!(refused(Path::new("/dev/null"), true).contains("no ordinary file"));
        assert!(refused(Path::new("/"), true).contains("no ordinary file"));
    }

    #[test]
    fn a_missing_folder_is_named() {
        let path = Path::new("/nonexistent/out");
        let error = Target::new(Some(path), false, Content::Binary).unwrap().write(b"").unwrap_err();
        assert!(format!("{error:#}").starts_with("cannot write /nonexistent/out: "));
    }

    #[test]
    fn a_terminal_shows_text_and_what_is_asked_for_by_name() {
        let shown = |content, explicit| check_terminal(content, explicit, true).is_ok();
        assert!(shown(Content::Text, false) && shown(Content::Decrypted, true));
        assert!(!shown(Content::Decrypted, false) && !shown(Content::Secret, false));
        assert!(!shown(Content::Binary, true) && !shown(Content::Encodable, true));
        assert!(check_terminal(Content::Binary, false, false).is_ok());
    }
}
