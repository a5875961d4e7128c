//! Names of key stores and keys.

use std::fmt;
use std::str::FromStr;

use crate::limits::NAME_SIZE_MAX;

/// Name of a key store (unique in the installation) or of a key (unique in its store): 1..=100 bytes of `A-Za-z0-9._-`. Not confidential.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<str>);

impl Name {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name that these bytes spell.
    ///
    /// # Errors
    /// [`InvalidName`] if they are not 1..=100 bytes of `A-Za-z0-9._-`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidName> {
        std::str::from_utf8(bytes).map_err(|_| InvalidName)?.parse()
    }
}

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if (1..=NAME_SIZE_MAX).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName)
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name is 1 to 100 characters of A-Z, a-z, 0-9, dot, underscore and hyphen")]
pub struct InvalidName;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_names_of_the_allowed_characters() {
        for text in ["a", "A-Z.0_9", &"x".repeat(100)] {
            assert_eq!(text.parse::<Name>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn rejects_other_texts() {
        for text in ["", " ", "a b", "a/b", "ä", "a\0", &"x".repeat(101)] {
            assert_eq!(text.parse::<Name>(), Err(InvalidName), "{text:?}");
        }
        assert_eq!(Name::from_bytes(&[0xff]), Err(InvalidName));
    }
}
