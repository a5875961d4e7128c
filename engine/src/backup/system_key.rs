//! What journal and backups have to do with the rotation of the system key: they are sealed by it, and hold records that are protected by it.

use super::BackupError;
use super::chain::ChainReader;
use super::header::Kind;
use super::journal::Segments;
use super::restore::read;
use super::work::Backups;
use crate::storage::Revision;

impl Backups {
    /// Why a restore needs a version of the system key, with what is to be done; `None` if the newest verified backup can be restored without it. Since the change `since`, no record
    /// in storage needs it.
    ///
    /// # Errors
    /// [`BackupError::File`], or what is wrong with a segment of the journal.
    pub(crate) fn need_system_key(&self, version: u32, since: Revision) -> Result<Option<String>, BackupError> {
        let remedy = "make a backup and verify it (`claviger backup create`, then `claviger backup verify`)";
        let newest = self.list()?.into_iter().rfind(|backup| backup.verified.is_some());
        let Some(newest) = newest else {
            return Ok(Some(format!("no backup is verified, and what the journal holds needs it: {remedy}")));
        };
        // Records in it are protected by the keys of its time.
        if newest.revision < since {
            let name = &newest.name;
            return Ok(Some(format!("{name}, the newest verified backup, may need it: {remedy}")));
        }
        let segments = Segments::list(self.journal().folder())?;
        let segments = segments.iter().filter(|(number, _)| *number >= newest.first_segment);
        let mut files: Vec<_> = segments.map(|(_, path)| (Kind::Segment, path.to_owned())).collect();
        files.push((Kind::Backup, self.path(&newest.name)));
        for (kind, path) in files {
            let open = |sealing: &_| ChainReader::open(read(&path)?, kind, &path, sealing);
            if self.journal().with_sealing(open)?.header.system_version == version {
                return Ok(Some(format!("{} is sealed by it: {remedy}", path.display())));
            }
        }
        Ok(None)
    }
}
