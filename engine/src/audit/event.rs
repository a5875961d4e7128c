//! What one record of the audit log tells.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::key::id::{KeyId, StoreId};
use crate::limits::{
    AUDIT_CLIENT_SIZE_MAX, AUDIT_SHOWN_SIZE_MAX, AUDIT_USES_MAX, AUDIT_WORD_SIZE_MAX, CREATE_KEYS_MAX,
};

/// What one record of the audit log tells. What does not apply is empty, and is not written. Holds no secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// When, in milliseconds since 1970-01-01 00:00 UTC.
    pub time_ms: u64,
    /// Of which kind it is.
    pub kind: EventKind,
    /// Who did it, or wanted to.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub actor: String,
    /// By which route, command or operation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub operation: String,
    /// What was done, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub shown: String,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The key store.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "write_one",
        deserialize_with = "read_one"
    )]
    pub store: Option<StoreId>,
    /// The keys: 0..=1,000.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        serialize_with = "write_all",
        deserialize_with = "read_all"
    )]
    pub keys: Vec<KeyId>,
    /// Names the request in the log of the daemon and in its answer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trace_id: String,
    /// Where the request came from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// How many there were, of what is counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// How many of these failed, of a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<u64>,
    /// Bytes of the body of a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// How a key was used in a minute: 0..=100 clients.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<Use>,
    /// Number of the change in the data folder; in the first line of a file, the highest one before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<u64>,
    /// Number of the file that begins here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<u64>,
    /// Id of the installation, 32 hexadecimal digits: in the first line of a file and in checkpoints.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub installation: String,
    /// The installation's public key, 64 hexadecimal digits: in the first line of a file.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub public_key: String,
}

/// Kinds of records. Their names are part of the format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// Something was changed.
    #[default]
    Change,
    /// Something was done that changes no record: an export, a certificate, a backup.
    Act,
    /// Something was refused.
    Refusal,
    /// More of the same refusals in a minute: a count.
    Refusals,
    /// How a key was used in a minute.
    Uses,
    /// One request of a client, of a store that wants each recorded.
    Request,
    /// Records of refusals, uses or requests that were not written, because there were too many: a count.
    Lost,
    /// A file of the log begins.
    Opened,
    /// A signature over everything before it.
    Checkpoint,
    /// The data folder was restored from a backup or the journal.
    Restored,
    /// The log was begun anew, because what was before was lost.
    BegunAnew,
    /// Where the log ends was remembered only in part after a crash.
    HeadMended,
}

/// How one client used a key in a minute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Use {
    /// The client; empty for clients that are counted together.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub client: String,
    /// Items that were worked on.
    pub items: u64,
}

impl Event {
    /// An event of this kind, of which nothing else is told yet.
    #[must_use]
    pub fn new(kind: EventKind, time_ms: u64) -> Self {
        Self { kind, time_ms, ..Self::default() }
    }

    /// The same within the limits of a line: what is too long is cut, and ends in three dots.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        cut(&mut self.shown, AUDIT_SHOWN_SIZE_MAX);
        for word in [&mut self.actor, &mut self.operation, &mut self.reason, &mut self.trace_id, &mut self.address] {
            cut(word, AUDIT_WORD_SIZE_MAX);
        }
        self.keys.truncate(CREATE_KEYS_MAX);
        self.uses.truncate(AUDIT_USES_MAX);
        for one in &mut self.uses {
            cut(&mut one.client, AUDIT_CLIENT_SIZE_MAX);
        }
        self
    }

    /// As JSON, in one line, in the one order of its members.
    pub(crate) fn json(&self) -> String {
        // Nothing of it can fail: there are no maps with other keys than text, and no values that refuse.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What [`Event::json`] wrote; `None` if it is something else.
    pub(crate) fn parse(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }
}

impl EventKind {
    /// Its name in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Act => "act",
            Self::Refusal => "refusal",
            Self::Refusals => "refusals",
            Self::Uses => "uses",
            Self::Request => "request",
            Self::Lost => "lost",
            Self::Opened => "opened",
            Self::Checkpoint => "checkpoint",
            Self::Restored => "restored",
            Self::BegunAnew => "begun-anew",
            Self::HeadMended => "head-mended",
        }
    }

    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Change,
        Self::Act,
        Self::Refusal,
        Self::Refusals,
        Self::Uses,
        Self::Request,
        Self::Lost,
        Self::Opened,
        Self::Checkpoint,
        Self::Restored,
        Self::BegunAnew,
        Self::HeadMended,
    ];
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

fn cut(text: &mut String, size_max: usize) {
    if text.len() > size_max {
        text.truncate(text.floor_char_boundary(size_max - DOTS.len()));
        text.push_str(DOTS);
    }
}

#[expect(clippy::ref_option, reason = "the signature that serde calls")]
fn write_one<T: fmt::Display, S: Serializer>(id: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match id {
        Some(id) => serializer.collect_str(id),
        None => serializer.serialize_none(),
    }
}

fn read_one<'de, T: FromStr<Err: fmt::Display>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

fn write_all<T: fmt::Display, S: Serializer>(ids: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(ids.iter().map(ToString::to_string))
}

fn read_all<'de, T: FromStr<Err: fmt::Display>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse().map_err(serde::de::Error::custom)).collect()
}

const DOTS: &str = "...";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::AUDIT_LINE_SIZE_MAX;

    fn full() -> Event {
        let word = "\u{1}".repeat(10_000);
        let one = Use { client: word.clone(), items: u64::MAX };
        Event {
            time_ms: u64::MAX,
            kind: EventKind::HeadMended,
            actor: word.clone(),
            operation: word.clone(),
            shown: word.clone(),
            reason: word.clone(),
            store: Some(StoreId([255; 16])),
            keys: vec![KeyId([255; 16]); 2_000],
            trace_id: word.clone(),
            address: word,
            count: Some(u64::MAX),
            failures: Some(u64::MAX),
            bytes: Some(u64::MAX),
            uses: vec![one; 2_000],
            change: Some(u64::MAX),
            file: Some(u64::MAX),
            installation: "f".repeat(32),
            public_key: "f".repeat(64),
        }
    }

    // R-O3
    #[test]
    fn the_largest_event_fits_a_line() {
        // A record of uses names one key, others have no uses.
        for event in [Event { uses: Vec::new(), ..full() }, Event { keys: Vec::new(), shown: String::new(), ..full() }]
        {
            assert!(event.bounded().json().len() + 512 <= AUDIT_LINE_SIZE_MAX);
        }
    }

    // R-O3
    #[test]
    fn an_event_is_read_as_it_was_written_and_nothing_else_is() {
        let json = full().bounded().json();
        assert_eq!(Event::parse(json.as_bytes()).unwrap().json(), json);
        let least = Event::new(EventKind::Change, 1).json();
        assert_eq!(least, r#"{"time_ms":1,"kind":"change"}"#);
        for bad in ["", "{}", r#"{"time_ms":1,"kind":"other"}"#, r#"{"time_ms":1,"kind":"change","more":1}"#] {
            assert_eq!(Event::parse(bad.as_bytes()), None, "{bad}");
        }
        let bad_id = r#"{"time_ms":1,"kind":"change","store":"00"}"#;
        assert_eq!(Event::parse(bad_id.as_bytes()), None);
    }

    #[test]
    fn what_is_cut_ends_in_dots_and_stays_text() {
        let mut text = "é".repeat(200);
        cut(&mut text, 256);
        assert!(text.len() <= 256 && text.ends_with("é..."), "{text}");
        let mut short = "é".repeat(128);
        cut(&mut short, 256);
        assert_eq!(short, "é".repeat(128));
    }

    #[test]
    fn kinds_have_the_names_that_are_written() {
        for kind in EventKind::ALL {
            assert!(Event::new(kind, 0).json().contains(&format!(r#""kind":"{kind}""#)), "{kind}");
        }
    }
}
