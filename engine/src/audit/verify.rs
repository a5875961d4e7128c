//! Whether all of the log is as it was written. Needs the folder alone, and the public key that was told when the installation was made; with the system keys each line is proven by
//! itself, and with what is remembered apart its end is.

use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;

use super::event::{Event, EventKind};
use super::folder;
use super::head;
use super::line::{Line, Link};
use super::log::End;
use super::reader::{Lines, Read};
use super::{AuditError, InstallationPublicKey};
use crate::hierarchy::SystemKeys;
use crate::limits::AUDIT_FINDINGS_MAX;

/// What is verified, and by what.
pub struct Verification<'a> {
    folder: &'a Path,
    public_key: InstallationPublicKey,
    keys: Option<&'a SystemKeys>,
    head: Option<&'a Path>,
    end: Option<End>,
    first_file: u64,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Files that were read.
    pub files: u64,
    /// Lines in them.
    pub records: u64,
    /// Number of the last one.
    pub last: u64,
    /// When that was written, in milliseconds since 1970.
    pub last_time_ms: u64,
    /// The last one that a signature proves: by itself, or because it is before a checkpoint. 0 if none is.
    pub signed_until: u64,
    /// Lines whose MAC was checked. Others are of system keys that are not there any more, or no keys were given.
    pub authenticated: u64,
    /// Whether it was compared with what is remembered apart, so that a cut end is found.
    pub end_is_known: bool,
    /// Whether the last line is not finished, as a crash leaves it: nobody was answered for it, and the next start takes it away.
    pub is_unfinished: bool,
    /// What is not as it was written: 0..=100.
    pub findings: Vec<Finding>,
    /// Findings beyond these.
    pub more_findings: u64,
}

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub path: PathBuf,
    /// Where in it, in bytes from the front.
    pub offset: u64,
    /// What is wrong.
    pub what: String,
}

impl Report {
    /// Whether nothing was found.
    #[must_use]
    pub const fn is_intact(&self) -> bool {
        self.findings.is_empty()
    }
}

impl<'a> Verification<'a> {
    /// Of the log in `folder` of the installation with this public key, by that key alone.
    #[must_use]
    pub const fn new(folder: &'a Path, public_key: InstallationPublicKey) -> Self {
        Self { folder, public_key, keys: None, head: None, end: None, first_file: 1 }
    }

    /// By the system keys, too.
    #[must_use]
    pub const fn by_keys(mut self, keys: &'a SystemKeys) -> Self {
        self.keys = Some(keys);
        self
    }

    /// With the file at this path, which remembers where the log ends.
    #[must_use]
    pub const fn with_head(mut self, path: &'a Path) -> Self {
        self.head = Some(path);
        self
    }

    /// Up to the end that a daemon knows, which is writing to it.
    pub(super) const fn up_to(mut self, end: End) -> Self {
        self.end = Some(end);
        self
    }

    /// From the file of this number on: those before it are in an archive, or were lost.
    #[must_use]
    pub const fn from_file(mut self, number: u64) -> Self {
        self.first_file = number;
        self
    }

    /// Reads the log and tells what is not as it was written.
    ///
    /// # Errors
    /// [`AuditError::File`]: it cannot be read. What is damaged is no error, but a finding.
    pub fn run(&self) -> Result<Report, AuditError> {
        let mut reading = Reading { of: self, report: Report::default(), last: None, remembered: None, seen: false };
        reading.find_remembered()?;
        let numbers = folder::list(self.folder)?;
        let is_wanted = |number: &u64| *number >= self.first_file && self.end.is_none_or(|end| *number <= end.file);
        let numbers: Vec<_> = numbers.into_iter().filter(is_wanted).collect();
        let mut expected = self.first_file;
        for (index, number) in numbers.iter().enumerate() {
            if *number != expected {
                let path = folder::path(self.folder, expected);
                reading.find(path, 0, format!("the file is missing, and so are all up to {number}"));
                reading.last = None;
            }
            expected = number.saturating_add(1);
            reading.file(*number, index + 1 == numbers.len())?;
        }
        Ok(reading.end())
    }
}

/// A verification under way.
struct Reading<'a> {
    of: &'a Verification<'a>,
    report: Report,
    /// The line before; `None` where nothing can be known of it.
    last: Option<Link>,
    /// The last line that must be there.
    remembered: Option<Link>,
    /// Whether it was.
    seen: bool,
}

impl Reading<'_> {
    fn find_remembered(&mut self) -> Result<(), AuditError> {
        if let Some(end) = self.of.end {
            self.remembered = Some(end.last);
        } else if let Some(path) = self.of.head {
            match head::read(path, &self.of.public_key) {
                Ok(Some(found)) => {
                    self.remembered = Some(found.head.last);
                    if found.is_torn {
                        self.find(
                            path.to_owned(),
                            0,
                            "one of its two places is damaged: what is remembered may be older than the end of the log"
                                .to_owned(),
                        );
                    }
                    if self.of.keys.is_some_and(|keys| keys.installation() != found.head.installation) {
                        self.find(path.to_owned(), 0, "it belongs to another installation".to_owned());
                    }
                }
                Ok(None) => {
                    self.find(path.to_owned(), 0, "it is missing: whether the log was cut cannot be told".to_owned())
                }
                Err(AuditError::NoHead(_)) => {
                    self.find(
                        path.to_owned(),
                        0,
                        "it is damaged, or by another key: whether the log was cut cannot be told".to_owned(),
                    );
                }
                Err(error) => return Err(error),
            }
        }
        self.report.end_is_known = self.remembered.is_some();
        Ok(())
    }

    fn file(&mut self, number: u64, is_last: bool) -> Result<(), AuditError> {
        let path = folder::path(self.of.folder, number);
        let end = self.of.end.filter(|end| end.file == number).map_or(u64::MAX, |end| end.size);
        let mut lines = Lines::open_between(&path, 0, end)?;
        self.report.files += 1;
        let mut last_is_signed = false;
        loop {
            let offset = lines.offset();
            match lines.next()? {
                Read::Line(bytes) => last_is_signed = self.line(&path, number, offset, bytes),
                Read::End => break,
                Read::Unfinished => {
                    let was_answered =
                        self.remembered.is_none_or(|remembered| self.last.is_none_or(|last| last.seq < remembered.seq));
                    if is_last && !was_answered {
                        self.report.is_unfinished = true;
                    } else {
                        self.find(path.clone(), offset, "the line has no end".to_owned());
                    }
                    break;
                }
            }
        }
        if lines.offset() == 0 {
            self.find(path, 0, "there is no line in it".to_owned());
        } else if !is_last && !last_is_signed {
            self.find(path, lines.offset(), "its last line is no checkpoint: lines are missing behind it".to_owned());
        }
        Ok(())
    }

    /// Looks at one line; gives whether its signature is good.
    fn line(&mut self, path: &Path, number: u64, offset: u64, bytes: &[u8]) -> bool {
        self.report.records += 1;
        let mut wrong = Vec::new();
        let is_signed = match Line::parse(bytes).and_then(|line| line.event().map(|event| (line, event))) {
            Some((line, event)) => self.look_at(&line, &event, number, offset == 0, &mut wrong),
            None => {
                self.last = None;
                wrong.push("it is no line of an audit log".to_owned());
                false
            }
        };
        for what in wrong {
            self.find(path.to_owned(), offset, what);
        }
        is_signed
    }

    fn look_at(
        &mut self,
        line: &Line<'_>,
        event: &Event,
        number: u64,
        is_first: bool,
        wrong: &mut Vec<String>,
    ) -> bool {
        let Line { seq, .. } = *line;
        if let Some(key) = self.of.keys.and_then(|keys| keys.version(line.system_key)) {
            if line.is_authentic(&key.audit) {
                self.report.authenticated += 1;
            } else {
                wrong.push(format!("record {seq} is not the one that was written: its MAC is another"));
            }
        }
        let is_very_first = is_first && number == 1 && self.of.first_file == 1;
        match self.last {
            // A log that was begun anew follows nothing, which is told below.
            Some(before) if !(line.follows(before) || is_first && line.previous == Link::default().hash) => {
                wrong.push(format!(
                    "record {seq} does not follow the line before it: lines were altered, removed or moved"
                ));
            }
            None if is_very_first && !line.follows(Link::default()) => {
                wrong.push(format!("record {seq} is the first line, but not the first record"));
            }
            _ => {}
        }
        if is_first != (event.kind == EventKind::Opened) || is_first && event.file != Some(number) {
            wrong.push(format!("record {seq} is not where the first line of a file is"));
        }
        if is_first && line.previous == Link::default().hash && number != self.of.first_file {
            wrong.push(format!("the log was begun anew with record {seq}: what was before it was lost"));
        }
        if is_first && event.public_key != self.of.public_key.to_string() {
            let what = "it names another public key: it is the log of another installation, or was computed anew";
            wrong.push(what.to_owned());
        }
        let must_be_signed = matches!(event.kind, EventKind::Opened | EventKind::Checkpoint | EventKind::BegunAnew);
        let is_signed = line.is_signed_by(&self.of.public_key);
        match is_signed {
            Some(false) => wrong.push(format!(
                "record {seq} is not signed by the installation key: the log was altered, or computed anew"
            )),
            None if must_be_signed => wrong.push(format!("record {seq} has no signature")),
            _ => {}
        }
        self.proceed(line, event, is_signed == Some(true));
        is_signed == Some(true)
    }

    fn proceed(&mut self, line: &Line<'_>, event: &Event, is_signed: bool) {
        let link = line.link();
        self.seen |= self.remembered == Some(link);
        if is_signed {
            self.report.signed_until = line.seq;
        }
        (self.report.last, self.report.last_time_ms, self.last) = (line.seq, event.time_ms, Some(link));
    }

    fn end(mut self) -> Report {
        if let Some(remembered) = self.remembered.filter(|_| !self.seen) {
            let Link { seq, hash } = remembered;
            let what = if self.report.last < seq {
                format!(
                    "the log ends at record {}, and record {seq} was written: its end was cut off",
                    self.report.last
                )
            } else {
                format!("record {seq} is not the one that was written, whose SHA-256 is {}", HEXLOWER.encode(&hash))
            };
            self.find(self.of.folder.to_owned(), 0, what);
        } else if self.report.files == 0 {
            self.find(self.of.folder.to_owned(), 0, "there is no audit log in it".to_owned());
        }
        self.report
    }

    fn find(&mut self, path: PathBuf, offset: u64, what: String) {
        let Report { findings, more_findings, .. } = &mut self.report;
        if findings.len() < AUDIT_FINDINGS_MAX {
            findings.push(Finding { path, offset, what });
        } else {
            *more_findings = more_findings.saturating_add(1);
        }
    }
}
