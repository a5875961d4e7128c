//! Text that is secret: the value of a secret, a private key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// Secret text, wiped on drop. No `Debug`, `Clone` or `PartialEq`, on purpose.
///
/// It can be serialized because it has to travel: into the body of a request or of a reply, and nowhere else.
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// `bytes` in base64.
    #[must_use]
    pub fn base64_of(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(STANDARD.encode(bytes)))
    }

    /// The bytes that the text says in base64, or `None` if it says none. Padding is required, line ends are refused.
    #[must_use]
    pub fn decode_base64(&self) -> Option<Zeroizing<Vec<u8>>> {
        // Filled in place: a vector that grows leaves copies behind.
        let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(self.0.len())]);
        let size = STANDARD.decode_slice(self.0.as_bytes(), &mut bytes).ok()?;
        bytes.truncate(size);
        Some(bytes)
    }

    /// Lends the text. Each call is a place to review.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<Zeroizing<String>> for SecretText {
    fn from(text: Zeroizing<String>) -> Self {
        Self(text)
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> SecretText {
        SecretText::from(Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn bytes_of_every_size_come_back() {
        for size in 0..100 {
            let bytes = vec![0xa5; size];
            assert_eq!(*SecretText::base64_of(&bytes).decode_base64().unwrap(), bytes);
        }
    }

    #[test]
    fn refuses_what_is_not_base64_with_padding() {
        for bad in ["a", "aa", "aaa", "aaaa\n", " aaaa", "aa=a", "aab=", "aaaa=", "!!!!", "-_-_"] {
            assert!(text(bad).decode_base64().is_none(), "{bad:?}");
        }
    }
}
