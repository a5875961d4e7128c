//! The ciphertext that callers keep: a layout that says which key sealed it, and the data bound to it.
//!
//! ```text
//! format u8 | algorithm u8 | key version u32 | key id [16] | nonce [24] | commitment [32] | body | tag [16]
//! ```
//!
//! Integers are big-endian. The body is as long as the plaintext. The additional authenticated data of an item are
//!
//! ```text
//! "claviger/aead/1" | purpose u8 | format u8 | algorithm u8 | key version u32 | key id [16] | context
//! ```
//!
//! with the only field of variable length last, so that no two different contexts give the same bytes.
//! A header is compared with the key that opens, never obeyed.

use claviger_algorithm::{Algorithm, Operation};

use crate::key::id::{ID_SIZE, KeyId};
use crate::key::version::KeyVersion;
use crate::limits::PLAINTEXT_SIZE_MAX;

/// How many bytes a ciphertext has more than its plaintext.
pub const SEAL_OVERHEAD: usize = HEADER_SIZE + TAG_SIZE;

/// Size of the header, in bytes.
pub const HEADER_SIZE: usize = 1 + 1 + 4 + ID_SIZE + NONCE_SIZE + COMMITMENT_SIZE;

/// Size of the nonce of XAES-256-GCM, in bytes.
pub const NONCE_SIZE: usize = 24;

/// Size of a commitment (HMAC-SHA-256), in bytes.
pub const COMMITMENT_SIZE: usize = 32;

/// Size of the authentication tag of AES-GCM, in bytes.
pub const TAG_SIZE: usize = 16;

/// The one format there is. Another layout takes another number.
pub const FORMAT: u8 = 1;

const _: () = assert!(Algorithm::Xaes256Gcm.row().output_size.max(0) == SEAL_OVERHEAD);

/// What a ciphertext is for. The operation fixes it, so that neither kind can be passed off as the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// The caller's data.
    Data = 1,
    /// A data key for the caller's own use.
    DataKey = 2,
}

/// A ciphertext, cut into its parts. Nothing in it has been authenticated yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ciphertext<'a> {
    /// Which key and nonce the sealer says it used.
    pub header: Header<'a>,
    /// The encrypted plaintext, 0..=[`PLAINTEXT_SIZE_MAX`] bytes.
    pub body: &'a [u8],
    /// The authentication tag over body and additional authenticated data.
    pub tag: &'a [u8; TAG_SIZE],
}

/// The fixed part at the beginning of every ciphertext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Layout of everything after it; always [`FORMAT`] so far.
    pub format: u8,
    /// Algorithm that sealed.
    pub algorithm: Algorithm,
    /// Version of the key that sealed.
    pub version: KeyVersion,
    /// Key that sealed.
    pub key_id: KeyId,
    /// Nonce: 12 bytes that the sealing key was derived with, then the 12-byte nonce of AES-256-GCM.
    pub nonce: &'a [u8; NONCE_SIZE],
    /// Proof that no second key opens this ciphertext.
    pub commitment: &'a [u8; COMMITMENT_SIZE],
}

/// Bytes that are no ciphertext of a format and algorithm known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a ciphertext of a known format")]
pub struct MalformedCiphertext;

/// Scratch for additional authenticated data of one key version: the fixed part stays, purpose and context change.
pub(crate) struct AadBuffer(Vec<u8>);

impl Purpose {
    /// The byte in the additional authenticated data.
    pub const fn id(self) -> u8 {
        self as u8
    }
}

impl<'a> Ciphertext<'a> {
    /// Cuts `bytes` into their parts.
    ///
    /// # Errors
    /// [`MalformedCiphertext`] if they are too short, too long, or of an unknown format or algorithm.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, MalformedCiphertext> {
        let (header, rest) = bytes.split_first_chunk().ok_or(MalformedCiphertext)?;
        let (body, tag) = rest.split_last_chunk().ok_or(MalformedCiphertext)?;
        if body.len() > PLAINTEXT_SIZE_MAX {
            return Err(MalformedCiphertext);
        }
        Ok(Self { header: Header::parse(header)?, body, tag })
    }
}

impl<'a> Header<'a> {
    /// Reads a header.
    ///
    /// # Errors
    /// [`MalformedCiphertext`] if format or algorithm are unknown, or the version is zero.
    pub fn parse(bytes: &'a [u8; HEADER_SIZE]) -> Result<Self, MalformedCiphertext> {
        Self::read(bytes).ok_or(MalformedCiphertext)
    }

    fn read(bytes: &'a [u8; HEADER_SIZE]) -> Option<Self> {
        let (&[format], rest) = bytes.split_first_chunk()?;
        let (&[algorithm], rest) = rest.split_first_chunk()?;
        let (version, rest) = rest.split_first_chunk()?;
        let (key_id, rest) = rest.split_first_chunk()?;
        let (nonce, rest) = rest.split_first_chunk()?;
        let commitment = rest.try_into().ok()?;
        if format != FORMAT {
            return None;
        }
        let algorithm = Algorithm::from_id(algorithm)?;
        if !algorithm.row().operations.contains(Operation::Decrypt) {
            return None;
        }
        let version = KeyVersion::new(u32::from_be_bytes(*version))?;
        Some(Self { format, algorithm, version, key_id: KeyId(*key_id), nonce, commitment })
    }

    /// Writes the header into `out`.
    pub fn write(&self, out: &mut [u8; HEADER_SIZE]) {
        out[0] = self.format;
        out[1] = self.algorithm.id();
        out[2..6].copy_from_slice(&self.version.get().to_be_bytes());
        out[6..22].copy_from_slice(&self.key_id.0);
        out[22..46].copy_from_slice(self.nonce);
        out[46..78].copy_from_slice(self.commitment);
    }
}

impl AadBuffer {
    /// Scratch for items of one key version.
    pub(crate) fn new(algorithm: Algorithm, version: KeyVersion, key_id: KeyId) -> Self {
        let mut bytes = Vec::with_capacity(AAD_FIXED_SIZE + CONTEXT_SIZE_USUAL);
        bytes.extend_from_slice(AAD_LABEL);
        bytes.extend_from_slice(&[0, FORMAT, algorithm.id()]);
        bytes.extend_from_slice(&version.get().to_be_bytes());
        bytes.extend_from_slice(&key_id.0);
        Self(bytes)
    }

    /// Additional authenticated data of one item. Allocates only for a context longer than all before it.
    pub(crate) fn fill(&mut self, purpose: Purpose, context: &[u8]) -> &[u8] {
        self.0.truncate(AAD_FIXED_SIZE);
        if let Some(byte) = self.0.get_mut(AAD_LABEL.len()) {
            *byte = purpose.id();
        }
        self.0.extend_from_slice(context);
        &self.0
    }
}

const AAD_LABEL: &[u8] = b"claviger/aead/1";

/// Size of everything before the context, in bytes.
const AAD_FIXED_SIZE: usize = AAD_LABEL.len() + 1 + 1 + 1 + 4 + ID_SIZE;

/// Room for the context that is made beforehand, in bytes.
const CONTEXT_SIZE_USUAL: usize = 218;

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut bytes = vec![FORMAT, Algorithm::Xaes256Gcm.id(), 0, 0, 0, 7];
        bytes.extend([0x11; ID_SIZE]);
        bytes.extend([0x22; NONCE_SIZE]);
        bytes.extend([0x33; COMMITMENT_SIZE]);
        bytes.extend(b"body");
        bytes.extend([0x44; TAG_SIZE]);
        bytes
    }

    #[test]
    fn parses_the_parts_of_the_layout() {
        let bytes = sample();
        let ciphertext = Ciphertext::parse(&bytes).unwrap();
        let header = ciphertext.header;
        assert_eq!((header.format, header.algorithm), (1, Algorithm::Xaes256Gcm));
        assert_eq!((header.version.get(), header.key_id), (7, KeyId([0x11; 16])));
        assert_eq!((header.nonce, header.commitment), (&[0x22; 24], &[0x33; 32]));
        assert_eq!((ciphertext.body, ciphertext.tag), (&b"body"[..], &[0x44; 16]));
    }

    #[test]
    fn written_header_is_the_parsed_one() {
        let bytes = sample();
        let mut written = [0; HEADER_SIZE];
        Ciphertext::parse(&bytes).unwrap().header.write(&mut written);
        assert_eq!(written, bytes[..HEADER_SIZE]);
    }

    #[test]
    fn rejects_truncated_ciphertext() {
        let bytes = sample();
        for size in 0..SEAL_OVERHEAD {
            assert_eq!(Ciphertext::parse(&bytes[..size]), Err(MalformedCiphertext), "{size} bytes");
        }
        assert!(Ciphertext::parse(&bytes[..SEAL_OVERHEAD]).is_ok(), "an empty body is a body");
    }

    #[test]
    fn rejects_body_over_the_limit() {
        let mut bytes = sample();
        bytes.resize(SEAL_OVERHEAD + PLAINTEXT_SIZE_MAX, 0);
        assert!(Ciphertext::parse(&bytes).is_ok());
        bytes.push(0);
        assert_eq!(Ciphertext::parse(&bytes), Err(MalformedCiphertext));
    }

    #[test]
    fn rejects_unknown_format() {
        for format in [0, 2, 255] {
            let mut bytes = sample();
            bytes[0] = format;
            assert_eq!(Ciphertext::parse(&bytes), Err(MalformedCiphertext), "format {format}");
        }
    }

    #[test]
    fn rejects_every_algorithm_that_does_not_seal() {
        for id in 0..=255 {
            let mut bytes = sample();
            bytes[1] = id;
            assert_eq!(Ciphertext::parse(&bytes).is_ok(), id == Algorithm::Xaes256Gcm.id(), "algorithm {id}");
        }
    }

    #[test]
    fn rejects_version_zero() {
        let mut bytes = sample();
        bytes[5] = 0;
        assert_eq!(Ciphertext::parse(&bytes), Err(MalformedCiphertext));
    }

    #[test]
    fn additional_authenticated_data_has_the_documented_bytes() {
        let mut aad = AadBuffer::new(Algorithm::Xaes256Gcm, KeyVersion::new(7).unwrap(), KeyId([0x11; 16]));
        let mut expected = b"claviger/aead/1\x02\x01\x10\x00\x00\x00\x07".to_vec();
        expected.extend([0x11; 16]);
        expected.extend(b"context");
        assert_eq!(aad.fill(Purpose::Data, &[9; 1_000]).len(), expected.len() - 7 + 1_000);
        assert_eq!(aad.fill(Purpose::DataKey, b"context"), expected);
    }
}
