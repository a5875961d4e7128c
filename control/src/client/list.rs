//! Lists of keys: which ones, page by page.

use super::{ControlClient, path, push_encoded};
use crate::error::ControlError;
use crate::message::KeyList;

/// Which keys are listed: those that are all that is said. Nothing is said by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFilter {
    /// `secret`, `symmetric`, `mac` or `asymmetric`.
    pub kind: Option<String>,
    /// As the key shows it; `deleted` lists the keys that were deleted in the last 365 days, in the order of their ids, which other lists leave out.
    pub state: Option<String>,
    /// How their names begin.
    pub prefix: Option<String>,
    /// What their names have in them.
    pub name: Option<String>,
    /// A label that they have: `NAME`, or `NAME=VALUE`.
    pub label: Option<String>,
}

impl ControlClient {
    /// One page of up to `limit` keys, 1,000 at most, of a store that match `filter`, after what the page before gave as `next`. It may be empty, and have a `next` all the same.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn find_keys(
        &self,
        store: &str,
        filter: &KeyFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<KeyList, ControlError> {
        let KeyFilter { kind, state, prefix, name, label } = filter;
        let said = [("kind", kind), ("state", state), ("prefix", prefix), ("name", name), ("label", label)];
        let said = said.into_iter().filter_map(|(what, value)| Some((what, value.as_deref()?)));
        let mut path = path(&["stores", store, "keys"]);
        path.push_str(&format!("?limit={limit}"));
        for (what, value) in said.chain(after.map(|after| ("after", after))) {
            path.push('&');
            path.push_str(what);
            path.push('=');
            push_encoded(&mut path, value);
        }
        self.get(&path).await
    }
}
