//! Ids of persons.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;

use crate::crypto::random::{EntropyError, Random};
use crate::key::id::{ID_SIZE, ParseIdError, parse_hex, random_bytes};

/// Id of a person: 16 random bytes, fixed as long as the person is known. Not confidential.
///
/// Text form: 32 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PersonId(pub [u8; ID_SIZE]);

impl PersonId {
    /// A new id, different from every other one: 128 random bits.
    ///
    /// # Errors
    /// [`EntropyError`] if the system gives no random bytes.
    pub fn generate(random: &dyn Random) -> Result<Self, EntropyError> {
        random_bytes(random).map(Self)
    }
}

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        HEXLOWER.encode_display(&self.0).fmt(f)
    }
}

impl fmt::Debug for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PersonId({self})")
    }
}

impl FromStr for PersonId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        parse_hex(text).map(Self)
    }
}
