//! Names that never change: of a key, of a key store, of an import, of a row of authentication data.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;

use crate::crypto::random::{EntropyError, Random};

/// Id of a key: 16 random bytes, fixed for the key's life. Not confidential.
///
/// Text form: 32 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub [u8; ID_SIZE]);

/// Id of a key store: 16 random bytes, fixed for the store's life. Not confidential.
///
/// Text form: 32 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreId(pub [u8; ID_SIZE]);

/// Id of an import: 16 random bytes. Not confidential.
///
/// Text form: 32 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImportId(pub [u8; ID_SIZE]);

/// Id of a row of the authentication data of a key store: 16 random bytes. Not confidential.
///
/// Text form: 32 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccessRowId(pub [u8; ID_SIZE]);

/// Size of an id, in bytes.
pub const ID_SIZE: usize = 16;

/// A text that is not an id: it must be exactly 32 lowercase hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id must be exactly 32 lowercase hexadecimal digits")]
pub struct ParseIdError;

impl KeyId {
    /// A new id, different from every other one: 128 random bits.
    ///
    /// # Errors
    /// [`EntropyError`] if the system gives no random bytes.
    pub fn generate(random: &dyn Random) -> Result<Self, EntropyError> {
        random_bytes(random).map(Self)
    }
}

impl StoreId {
    /// A new id, different from every other one: 128 random bits.
    ///
    /// # Errors
    /// [`EntropyError`] if the system gives no random bytes.
    pub fn generate(random: &dyn Random) -> Result<Self, EntropyError> {
        random_bytes(random).map(Self)
    }
}

impl ImportId {
    /// A new id, different from every other one: 128 random bits.
    ///
    /// # Errors
    /// [`EntropyError`] if the system gives no random bytes.
    pub fn generate(random: &dyn Random) -> Result<Self, EntropyError> {
        random_bytes(random).map(Self)
    }
}

impl AccessRowId {
    /// A new id, different from every other one: 128 random bits.
    ///
    /// # Errors
    /// [`EntropyError`] if the system gives no random bytes.
    pub fn generate(random: &dyn Random) -> Result<Self, EntropyError> {
        random_bytes(random).map(Self)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        HEXLOWER.encode_display(&self.0).fmt(f)
    }
}

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        HEXLOWER.encode_display(&self.0).fmt(f)
    }
}

impl fmt::Display for ImportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        HEXLOWER.encode_display(&self.0).fmt(f)
    }
}

impl fmt::Display for AccessRowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        HEXLOWER.encode_display(&self.0).fmt(f)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl fmt::Debug for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreId({self})")
    }
}

impl fmt::Debug for ImportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImportId({self})")
    }
}

impl fmt::Debug for AccessRowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessRowId({self})")
    }
}

impl FromStr for ImportId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        parse_hex(text).map(Self)
    }
}

impl FromStr for AccessRowId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        parse_hex(text).map(Self)
    }
}

impl FromStr for KeyId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        parse_hex(text).map(Self)
    }
}

impl FromStr for StoreId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        parse_hex(text).map(Self)
    }
}

pub(crate) fn random_bytes(random: &dyn Random) -> Result<[u8; ID_SIZE], EntropyError> {
    let mut bytes = [0; ID_SIZE];
    random.fill(&mut bytes)?;
    Ok(bytes)
}

/// One text for one id: upper case, blanks and signs are refused, so that ids can be compared as texts too.
pub(crate) fn parse_hex(text: &str) -> Result<[u8; ID_SIZE], ParseIdError> {
    let digits: &[u8; 2 * ID_SIZE] = text.as_bytes().try_into().map_err(|_| ParseIdError)?;
    let mut bytes = [0; ID_SIZE];
    HEXLOWER.decode_mut(digits, &mut bytes).map_err(|_| ParseIdError)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::random::SystemRandom;

    #[test]
    fn text_form_returns_to_the_same_id() {
        let id = KeyId([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0xa, 0xb, 0xc, 0xd, 0xe, 0xff]);
        assert_eq!(id.to_string(), "000102030405060708090a0b0c0d0eff");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(format!("{id:?}"), "KeyId(000102030405060708090a0b0c0d0eff)");
        assert_eq!(StoreId(id.0).to_string().parse(), Ok(StoreId(id.0)));
        assert_eq!(ImportId(id.0).to_string().parse(), Ok(ImportId(id.0)));
        assert_eq!(format!("{:?}", ImportId(id.0)), format!("ImportId({id})"));
        assert_eq!(AccessRowId(id.0).to_string().parse(), Ok(AccessRowId(id.0)));
        assert_eq!(format!("{:?}", AccessRowId(id.0)), format!("AccessRowId({id})"));
    }

    #[test]
    fn rejects_every_other_text() {
        let good = "000102030405060708090a0b0c0d0eff";
        for bad in
            ["", "00", "000102030405060708090A0B0C0D0EFF", "+00102030405060708090a0b0c0d0eff", "g".repeat(32).as_str()]
        {
            assert_eq!(bad.parse::<KeyId>(), Err(ParseIdError), "{bad}");
        }
        assert_eq!(format!("{good}0").parse::<KeyId>(), Err(ParseIdError));
        assert_eq!(format!("{good}00").parse::<StoreId>(), Err(ParseIdError));
        assert_eq!(good.get(1..).unwrap().parse::<KeyId>(), Err(ParseIdError));
        assert_eq!("é".repeat(16).parse::<KeyId>(), Err(ParseIdError));
    }

    #[test]
    fn generated_ids_differ() {
        let random = SystemRandom::new();
        assert_ne!(KeyId::generate(&random).unwrap(), KeyId::generate(&random).unwrap());
        assert_ne!(ImportId::generate(&random).unwrap(), ImportId::generate(&random).unwrap());
        assert_ne!(StoreId::generate(&random).unwrap(), StoreId::generate(&random).unwrap());
    }
}
