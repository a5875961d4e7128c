//! Bytes that must not be shown.

use zeroize::Zeroizing;

/// Secret bytes: a plaintext, a data key, the value of a secret. Wiped when dropped.
///
/// No `Debug`, `Clone`, `PartialEq` or `Serialize`, on purpose; reading them is a call that can be searched for.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Copies the bytes once, to where they stay.
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// Lends the bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static_assertions::assert_not_impl_any!(Secret: std::fmt::Debug, Clone, PartialEq);

    #[test]
    fn secret_lends_what_it_was_made_of() {
        let secret = Secret::new(b"value");
        assert_eq!((secret.expose(), secret.len(), secret.is_empty()), (&b"value"[..], 5, false));
    }
}
