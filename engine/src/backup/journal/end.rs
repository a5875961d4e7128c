//! Where a journal ends when a storage begins with it, and whether the two fit.

use std::fs::File;
use std::io::BufReader;

use super::segment::{Identity, Segment};
use super::segments::Segments;
use super::{Journal, State};
use crate::backup::chain::{ChainReader, Next};
use crate::backup::changes::Group;
use crate::backup::error::BackupError;
use crate::backup::header::Kind;
use crate::storage::Revision;

impl Journal {
    /// Finds out where the journal ends, and that it fits a storage whose last change is `revision`, and the last one written ahead `ahead`.
    pub(super) fn find_end(&self, state: &mut State, revision: Revision, ahead: Revision) -> Result<(), BackupError> {
        let folder = self.folder();
        let segments = Segments::list(folder)?;
        let Some((number, path)) = segments.last() else {
            let is_new = revision == Revision::default();
            if !is_new && !self.options.begin_anew {
                return Err(BackupError::NoJournal(folder.to_owned()));
            }
            state.lacks_changes = !is_new;
            return Ok(());
        };
        state.gap = segments.last_gap(&state.sealing);
        let input = BufReader::new(File::open(path).map_err(BackupError::file(path, "read"))?);
        let mut reader = ChainReader::open(input, Kind::Segment, path, &state.sealing)?;
        if reader.header.number != number {
            return Err(BackupError::NotInOrder(path.to_owned()));
        }
        let (mut made, mut written) = (reader.header.made, reader.header.revision);
        loop {
            match reader.next()? {
                Next::Record(content) => {
                    let group = Group::decode(content.expose());
                    let group = group.ok_or_else(|| reader.damaged("a record of it cannot be read"))?;
                    made = group.before;
                    written = group.newest().max(written);
                }
                Next::End => break,
                Next::Torn => {
                    if ahead <= written {
                        tracing::warn!(path = %path.display(), offset = reader.offset(), "the last record of the journal was cut off by a crash: nobody was told of its changes, and it is dropped");
                    }
                    break;
                }
            }
        }
        if made > revision {
            return Err(BackupError::DataFolderOlder { folder: folder.to_owned(), found: revision, known: made });
        }
        if ahead > written {
            tracing::error!(folder = %folder.display(), ends = written.0, known = ahead.0, "the journal lacks changes at its end, which are in the data folder: make a full backup now, older ones do not go with it any more");
            state.lacks_changes = true;
        }
        let (link, end) = (reader.link(), reader.offset());
        let identity = Identity::at(path)?;
        state.last = Some(Segment { number, path: path.to_owned(), link, end, identity, open: None });
        Ok(())
    }
}
