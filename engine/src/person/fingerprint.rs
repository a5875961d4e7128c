//! What tells a public key apart.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;

/// SHA-256 of a public key: of its SubjectPublicKeyInfo in DER (RFC 5280 section 4.1), so that it stays the same when its certificate is renewed.
///
/// Text form: 64 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKeyHash(pub [u8; SHA256_SIZE]);

/// A text that is no hash of a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the SHA-256 of a public key is exactly 64 lowercase hexadecimal digits")]
pub struct ParsePublicKeyHashError;

impl fmt::Display for PublicKeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        HEXLOWER.encode_display(&self.0).fmt(f)
    }
}

impl fmt::Debug for PublicKeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKeyHash({self})")
    }
}

impl FromStr for PublicKeyHash {
    type Err = ParsePublicKeyHashError;

    fn from_str(text: &str) -> Result<Self, ParsePublicKeyHashError> {
        let digits: &[u8; 2 * SHA256_SIZE] = text.as_bytes().try_into().map_err(|_| ParsePublicKeyHashError)?;
        let mut bytes = [0; SHA256_SIZE];
        HEXLOWER.decode_mut(digits, &mut bytes).map_err(|_| ParsePublicKeyHashError)?;
        Ok(Self(bytes))
    }
}

const SHA256_SIZE: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_returns_to_the_same_hash_and_other_texts_are_refused() {
        let hash = PublicKeyHash([0xab; 32]);
        let text = hash.to_string();
        assert_eq!(text.parse(), Ok(hash));
        for bad in ["", "ab", &text.to_uppercase(), &format!("{text}0"), &text[1..], &"é".repeat(32)] {
            assert_eq!(bad.parse::<PublicKeyHash>(), Err(ParsePublicKeyHashError), "{bad}");
        }
    }
}
