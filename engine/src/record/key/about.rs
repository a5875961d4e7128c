//! What people say of a key: a description and labels.

use std::collections::BTreeMap;

use super::super::codec::{Reader, Writer};
use crate::key::name::Name;
use crate::key::text::is_shown;
use crate::limits::{DESCRIPTION_SIZE_MAX, LABEL_VALUE_SIZE_MAX, LABELS_MAX};

/// Description and labels of a key. Not confidential: they are shown wherever the key is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// 0..=1,024 bytes of UTF-8 without control characters but line feeds; each shown as itself ([`is_shown`]) where it comes in.
    pub description: String,
    /// 0..=32 labels, by name; values of 0..=256 bytes of UTF-8 without control characters; each shown as itself where it comes in.
    pub labels: BTreeMap<Name, String>,
}

/// Why a description or labels are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAbout {
    /// The description is too long.
    #[error("a description has at most {DESCRIPTION_SIZE_MAX} bytes of UTF-8, this one has {0}")]
    DescriptionSize(usize),
    /// The description has a character that is not text.
    #[error(
        "a description is text: of control and format characters, which are not seen or reorder others, it may have line feeds only"
    )]
    DescriptionCharacter,
    /// More labels than a key may have.
    #[error("a key has at most {LABELS_MAX} labels, these are {0}: remove others first")]
    LabelCount(usize),
    /// The value of a label is too long.
    #[error("the value of a label has at most {LABEL_VALUE_SIZE_MAX} bytes of UTF-8, that of {0} has more")]
    LabelSize(Name),
    /// The value of a label has a character that is not text.
    #[error(
        "the value of a label is one line of text without control and format characters, which are not seen or reorder others; that of {0} has some"
    )]
    LabelCharacter(Name),
}

impl About {
    /// Whether sizes and characters are within bounds.
    ///
    /// # Errors
    /// The first thing that is not.
    pub fn check(&self) -> Result<(), InvalidAbout> {
        self.check_with(is_shown)
    }

    /// As [`About::check`], with another rule for characters.
    fn check_with(&self, is_allowed: impl Fn(char) -> bool) -> Result<(), InvalidAbout> {
        let is_plain = |text: &str| text.chars().all(&is_allowed);
        if self.description.len() > DESCRIPTION_SIZE_MAX {
            return Err(InvalidAbout::DescriptionSize(self.description.len()));
        }
        if !self.description.split('\n').all(is_plain) {
            return Err(InvalidAbout::DescriptionCharacter);
        }
        if self.labels.len() > LABELS_MAX {
            return Err(InvalidAbout::LabelCount(self.labels.len()));
        }
        for (name, value) in &self.labels {
            if value.len() > LABEL_VALUE_SIZE_MAX {
                return Err(InvalidAbout::LabelSize(name.clone()));
            }
            if !is_plain(value) {
                return Err(InvalidAbout::LabelCharacter(name.clone()));
            }
        }
        Ok(())
    }

    pub(super) fn encode(&self, out: &mut Writer) {
        // At most LABELS_MAX, by `check`.
        out.sized(self.description.as_bytes()).count(self.labels.len());
        for (name, value) in &self.labels {
            out.sized(name.as_str().as_bytes()).sized(value.as_bytes());
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let description = reader.text()?;
        let labels =
            reader.list(LABELS_MAX, |reader| Some((Name::from_bytes(reader.sized()?).ok()?, reader.text()?)))?;
        // In order and each once: one record has one encoding.
        if !labels.is_sorted_by(|(a, _), (b, _)| a < b) {
            return None;
        }
        let about = Self { description, labels: labels.into_iter().collect() };
        // Which characters are seen is asked where they come in, and may be answered otherwise since: what was allowed then is no damage.
        let is_consistent = about.check_with(|character| !character.is_control()).is_ok();
        is_consistent.then_some(about)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn about() -> About {
        let labels =
            [("team", "payments"), ("tier", "")].map(|(name, value)| (name.parse().unwrap(), value.to_owned()));
        About { description: "Card numbers.\nSince 2026".to_owned(), labels: labels.into() }
    }

    fn encoded(about: &About) -> Vec<u8> {
        let mut writer = Writer::default();
        about.encode(&mut writer);
        writer.finish()
    }

    fn decoded(bytes: &[u8]) -> Option<About> {
        let mut reader = Reader::new(bytes);
        let about = About::decode(&mut reader)?;
        reader.finish()?;
        Some(about)
    }

    fn label(number: usize) -> (Name, String) {
        (format!("label-{number:03}").parse().unwrap(), "x".repeat(LABEL_VALUE_SIZE_MAX))
    }

    // R-K21
    #[test]
    fn decodes_what_was_encoded_up_to_the_bounds() {
        let most =
            About { description: "x".repeat(DESCRIPTION_SIZE_MAX), labels: (0..LABELS_MAX).map(label).collect() };
        for about in [About::default(), about(), most] {
            assert_eq!(decoded(&encoded(&about)), Some(about));
        }
    }

    // R-K21
    #[test]
    fn refuses_what_is_out_of_bounds() {
        let described = |description: &str| About { description: description.to_owned(), ..about() };
        let labelled = |value: &str| {
            let mut labelled = about();
            labelled.labels.insert("last".parse().unwrap(), value.to_owned());
            labelled
        };
        let last = || "last".parse().unwrap();
        assert_eq!(labelled("plain").check(), Ok(()));
        for (about, fault) in [
            (described(&"x".repeat(DESCRIPTION_SIZE_MAX + 1)), InvalidAbout::DescriptionSize(DESCRIPTION_SIZE_MAX + 1)),
            (described("a\tb"), InvalidAbout::DescriptionCharacter),
            (described("\u{9b}31m"), InvalidAbout::DescriptionCharacter),
            (labelled("a\nb"), InvalidAbout::LabelCharacter(last())),
            (labelled(&"x".repeat(LABEL_VALUE_SIZE_MAX + 1)), InvalidAbout::LabelSize(last())),
            (
                About { labels: (0..=LABELS_MAX).map(label).collect(), ..about() },
                InvalidAbout::LabelCount(LABELS_MAX + 1),
            ),
        ] {
            assert_eq!(about.check(), Err(fault));
            assert_eq!(decoded(&encoded(&about)), None);
        }
    }

    // R-K21
    #[test]
    fn what_is_not_seen_is_refused_where_it_comes_in_and_read_where_it_stands_already() {
        let hidden = |description: &str, value: &str| About {
            description: description.to_owned(),
            labels: [("last".parse().unwrap(), value.to_owned())].into(),
        };
        for (about, fault) in [
            (hidden("for tests\n\u{202e}noitcudorp", ""), InvalidAbout::DescriptionCharacter),
            (hidden("", "pay\u{200b}ments"), InvalidAbout::LabelCharacter("last".parse().unwrap())),
            (hidden("", "\u{2066}payments"), InvalidAbout::LabelCharacter("last".parse().unwrap())),
        ] {
            assert_eq!(about.check(), Err(fault));
            assert_eq!(decoded(&encoded(&about)), Some(about));
        }
    }

    #[test]
    fn refuses_labels_that_are_not_each_once_and_in_order() {
        for names in [["b", "a"], ["a", "a"]] {
            let mut writer = Writer::default();
            writer.sized(b"").u16(2);
            for name in names {
                writer.sized(name.as_bytes()).sized(b"");
            }
            assert_eq!(decoded(&writer.finish()), None, "{names:?}");
        }
        assert_eq!(decoded(&[0, 0, 0, 1, 0xff, 0, 0]), None, "not UTF-8");
    }
}
