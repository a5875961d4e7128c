//! The encryption context: a map of pairs as the bytes that are bound to a ciphertext. `SPEC.md` section 5.
//!
//! Pairs sorted by the bytes of their names, each as `name bytes32 | value bytes32`.

use claviger_protocol::limits::CONTEXT_SIZE_MAX;
use std::collections::BTreeMap;

/// An encryption context. The same context must be given to decrypt; it is not stored in the ciphertext and is no
/// secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Context(Vec<u8>);

/// Why pairs do not make an encryption context.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContextError {
    /// A name stands twice, so that its value would be ambiguous.
    #[error("the encryption context has the name {name:?} twice: give each name one value")]
    NameTwice {
        /// The name, as text.
        name: String,
    },
    /// The encoded context is larger than a server takes by default.
    #[error("the encryption context takes {size} bytes, at most {CONTEXT_SIZE_MAX} are allowed: use shorter values")]
    TooLarge {
        /// Bytes of all names and values with their size fields.
        size: usize,
    },
}

impl Context {
    /// The empty context: nothing is bound.
    pub const EMPTY: Self = Self(Vec::new());

    /// The context of these pairs, whatever their order. Names and values are any bytes, text among them.
    ///
    /// # Errors
    /// [`ContextError::NameTwice`], [`ContextError::TooLarge`].
    pub fn from_pairs<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, ContextError> {
        let mut sorted: BTreeMap<Vec<u8>, V> = BTreeMap::new();
        let mut size = 0_usize;
        for (name, value) in pairs {
            let name = name.as_ref().to_vec();
            size = size.saturating_add(2 * SIZE_FIELD_SIZE + name.len()).saturating_add(value.as_ref().len());
            // Checked as it grows, so that an endless iterator ends here.
            if size > CONTEXT_SIZE_MAX {
                return Err(ContextError::TooLarge { size });
            }
            if sorted.contains_key(&name) {
                return Err(ContextError::NameTwice { name: String::from_utf8_lossy(&name).into_owned() });
            }
            sorted.insert(name, value);
        }
        let mut bytes = Vec::with_capacity(size);
        for (name, value) in &sorted {
            append(&mut bytes, name);
            append(&mut bytes, value.as_ref());
        }
        Ok(Self(bytes))
    }

    /// A context of bytes that the caller has made canonical in a way of its own.
    #[must_use]
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes that are bound.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Appends a `u32` size and the bytes.
fn append(bytes: &mut Vec<u8>, field: &[u8]) {
    #[expect(clippy::cast_possible_truncation, reason = "at most 4,096 bytes in all")]
    bytes.extend_from_slice(&(field.len() as u32).to_be_bytes());
    bytes.extend_from_slice(field);
}

/// Bytes of the size before each name and each value.
const SIZE_FIELD_SIZE: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    // R-K19
    #[test]
    fn pairs_are_sorted_by_the_bytes_of_their_names() {
        let context = Context::from_pairs([("tenant", "7"), ("a", ""), ("B", "x")]).unwrap();
        let expected = b"\0\0\0\x01B\0\0\0\x01x\0\0\0\x01a\0\0\0\0\0\0\0\x06tenant\0\0\0\x017";
        assert_eq!(context.as_bytes(), expected);
        assert_eq!(Context::from_pairs([("B", "x"), ("a", ""), ("tenant", "7")]), Ok(context));
    }

    #[test]
    fn no_pairs_are_the_empty_context() {
        assert_eq!(Context::from_pairs::<&str, &str>([]), Ok(Context::EMPTY));
    }

    // R-K19
    #[test]
    fn fields_cannot_slide_into_each_other() {
        assert_ne!(Context::from_pairs([("ab", "c")]), Context::from_pairs([("a", "bc")]));
    }

    #[test]
    fn refuses_a_name_that_comes_twice() {
        let error = Context::from_pairs([("a", "1"), ("b", "2"), ("a", "1")]).unwrap_err();
        assert_eq!(error, ContextError::NameTwice { name: "a".to_owned() });
    }

    #[test]
    fn refuses_what_no_server_takes_even_if_it_never_ends() {
        assert!(Context::from_pairs([("n", "v".repeat(4_087))]).is_ok());
        assert!(matches!(Context::from_pairs([("n", "v".repeat(4_088))]), Err(ContextError::TooLarge { size: 4_097 })));
        let endless = (0_u64..).map(|number| (number.to_be_bytes(), "value"));
        assert!(matches!(Context::from_pairs(endless), Err(ContextError::TooLarge { .. })));
    }
}
