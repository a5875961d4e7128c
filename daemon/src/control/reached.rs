//! Pages of lists of which a caller reaches a part: of the rest he is told nothing, neither where it stands nor how much of it there is.

use claviger_engine::Error;
use claviger_engine::key::id::KeyId;
use claviger_engine::limits::LIST_PAGE_SIZE_MAX;

use super::permission::Permit;

/// A page of a list, as far as its caller reaches it.
pub(super) struct ReachedPage<T, After> {
    /// What stands there.
    pub(super) entries: Vec<T>,
    /// After what the next page begins: something that he reaches; `None` if this is the last one.
    pub(super) next: Option<After>,
    /// How much was passed over because it cannot be read. Nothing for who does not reach everything: whose it is, is not known.
    pub(super) unreadable: usize,
}

/// Entries of a list, where the next ones begin, and how many could not be read.
pub(super) type Read<T, After> = (Vec<T>, Option<After>, usize);

/// One page of at most `limit`, after `after`. `read` reads so many entries after a place, `of` says of which key one is and where it stands.
///
/// # Errors
/// Those of `read`.
pub(super) fn page<T, After>(
    permit: &Permit,
    after: Option<After>,
    limit: usize,
    read: impl Fn(Option<&After>, usize) -> Result<Read<T, After>, Error>,
    of: impl Fn(&T) -> (KeyId, After),
) -> Result<ReachedPage<T, After>, Error> {
    if permit.reaches_all() {
        let (entries, next, unreadable) = read(after.as_ref(), limit)?;
        return Ok(ReachedPage { entries, next, unreadable });
    }
    let (mut entries, mut after) = (Vec::new(), after);
    loop {
        let (found, next, _) = read(after.as_ref(), LIST_PAGE_SIZE_MAX)?;
        entries.extend(found.into_iter().filter(|entry| permit.reaches(of(entry).0)));
        after = next;
        // One more than is asked for says that there is a next page.
        if after.is_none() || entries.len() > limit {
            break;
        }
    }
    let has_more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| has_more).map(|entry| of(entry).1);
    Ok(ReachedPage { entries, next, unreadable: 0 })
}
