//! The ciphertext that callers keep: a layout that says which key sealed it, and the data bound to it.
//!
//! ```text
//! format u8 | algorithm u8 | key version u32 | key id [16] | nonce [24 or 12] | commitment [32] | body | tag [16]
//! ```
//!
//! The nonce has 24 bytes with XAES-256-GCM and 12 with AES-256-GCM. Integers are big-endian. The body is as long as the plaintext. The additional authenticated data of an item are
//!
//! ```text
//! "claviger/aead/1" | purpose u8 | format u8 | algorithm u8 | key version u32 | key id [16] | context
//! ```
//!
//! with the only field of variable length last, so that no two different contexts give the same bytes.
//! A header is compared with the key that opens, never obeyed.

use claviger_algorithm::{Algorithm, OutputSize};

use crate::crypto::gcm::{POSITION_SIZE, Position};
use crate::key::id::{ID_SIZE, KeyId};
use crate::key::version::KeyVersion;
use crate::limits::PLAINTEXT_SIZE_MAX;

/// How many bytes a ciphertext of `algorithm` has more than its plaintext; zero for an algorithm that does not seal.
#[must_use]
pub const fn seal_overhead(algorithm: Algorithm) -> usize {
    match algorithm.row().output_size {
        OutputSize::PlaintextPlus(overhead) => overhead,
        OutputSize::Fixed(_) | OutputSize::AtMost(_) => 0,
    }
}

/// The largest of them, in bytes.
pub const SEAL_OVERHEAD_MAX: usize = FIXED_SIZE + NONCE_SIZE_MAX + COMMITMENT_SIZE + TAG_SIZE;

/// Size of the longest nonce, that of XAES-256-GCM, in bytes.
pub const NONCE_SIZE_MAX: usize = 24;

/// Size of a commitment (HMAC-SHA-256), in bytes.
pub const COMMITMENT_SIZE: usize = 32;

/// Size of the authentication tag of AES-GCM, in bytes.
pub const TAG_SIZE: usize = 16;

/// The one format there is. Another layout takes another number.
pub const FORMAT: u8 = 1;

const _: () = assert!(seal_overhead(Algorithm::Xaes256Gcm) == SEAL_OVERHEAD_MAX);

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
    /// Nonce. Of XAES-256-GCM: 12 bytes that the sealing key was derived with, then the 12-byte nonce of AES-256-GCM. Of AES-256-GCM: that one alone.
    pub nonce: &'a [u8],
    /// Proof that no second key opens this ciphertext.
    pub commitment: &'a [u8; COMMITMENT_SIZE],
}

/// The header of what one burst of XAES-256-GCM seals: all of its items have the same but for the last 12 bytes of the nonce.
pub(crate) struct BurstHeader([u8; BURST_HEADER_SIZE]);

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
        let (header, rest) = Header::parse(bytes).ok_or(MalformedCiphertext)?;
        let (body, tag) = rest.split_last_chunk().ok_or(MalformedCiphertext)?;
        if body.len() > PLAINTEXT_SIZE_MAX {
            return Err(MalformedCiphertext);
        }
        Ok(Self { header, body, tag })
    }
}

impl<'a> Header<'a> {
    /// Reads a header and gives what stands behind it; `None` if format or algorithm are unknown, the version is zero, or it is cut.
    fn parse(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&[format, algorithm], rest) = bytes.split_first_chunk()?;
        let (version, rest) = rest.split_first_chunk()?;
        let (key_id, rest) = rest.split_first_chunk()?;
        if format != FORMAT {
            return None;
        }
        let algorithm = Algorithm::from_id(algorithm)?;
        let nonce_size = nonce_size(algorithm)?;
        let (nonce, rest) = rest.split_at_checked(nonce_size)?;
        let (commitment, rest) = rest.split_first_chunk()?;
        let version = KeyVersion::new(u32::from_be_bytes(*version))?;
        Some((Self { format, algorithm, version, key_id: KeyId(*key_id), nonce, commitment }, rest))
    }

    /// Writes the header to the beginning of `out` and gives what is behind it; `None` if there is no room.
    pub(crate) fn write<'o>(&self, out: &'o mut [u8]) -> Option<&'o mut [u8]> {
        let (fixed, rest) = out.split_first_chunk_mut::<FIXED_SIZE>()?;
        fixed[0] = self.format;
        fixed[1] = self.algorithm.id();
        fixed[2..6].copy_from_slice(&self.version.get().to_be_bytes());
        fixed[6..].copy_from_slice(&self.key_id.0);
        let (nonce, rest) = rest.split_at_mut_checked(self.nonce.len())?;
        nonce.copy_from_slice(self.nonce);
        let (commitment, rest) = rest.split_first_chunk_mut()?;
        *commitment = *self.commitment;
        Some(rest)
    }
}

impl BurstHeader {
    /// The header of the item that has the whole of `nonce`.
    pub(crate) fn new(
        algorithm: Algorithm,
        version: KeyVersion,
        key_id: KeyId,
        nonce: &[u8; NONCE_SIZE_MAX],
        commitment: &[u8; COMMITMENT_SIZE],
    ) -> Self {
        let mut bytes = [0; BURST_HEADER_SIZE];
        // There is room for exactly that.
        let _nothing_behind =
            Header { format: FORMAT, algorithm, version, key_id, nonce, commitment }.write(&mut bytes);
        Self(bytes)
    }

    /// Writes it with `position` as the last 12 bytes of the nonce, to the beginning of `out`, and gives what is behind it; `None` if there is no room.
    #[inline]
    pub(crate) fn write<'o>(&self, position: Position, out: &'o mut [u8]) -> Option<&'o mut [u8]> {
        let (header, rest) = out.split_first_chunk_mut::<BURST_HEADER_SIZE>()?;
        *header = self.0;
        header[POSITION_AT..POSITION_AT + POSITION_SIZE].copy_from_slice(&position);
        Some(rest)
    }
}

/// Size of the nonce of `algorithm`, in bytes; `None` if it does not seal.
fn nonce_size(algorithm: Algorithm) -> Option<usize> {
    seal_overhead(algorithm).checked_sub(FIXED_SIZE + COMMITMENT_SIZE + TAG_SIZE)
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
    #[inline]
    pub(crate) fn fill(&mut self, purpose: Purpose, context: &[u8]) -> &[u8] {
        self.0.truncate(AAD_FIXED_SIZE);
        if let Some(byte) = self.0.get_mut(AAD_LABEL.len()) {
            *byte = purpose.id();
        }
        self.0.extend_from_slice(context);
        &self.0
    }
}

/// Size of everything before the nonce, in bytes.
const FIXED_SIZE: usize = 1 + 1 + 4 + ID_SIZE;

/// Size of the header with the longest nonce, in bytes.
const BURST_HEADER_SIZE: usize = FIXED_SIZE + NONCE_SIZE_MAX + COMMITMENT_SIZE;

/// Where the last 12 bytes of the longest nonce stand.
const POSITION_AT: usize = FIXED_SIZE + NONCE_SIZE_MAX - POSITION_SIZE;

const AAD_LABEL: &[u8] = b"claviger/aead/1";

/// Size of everything before the context, in bytes.
const AAD_FIXED_SIZE: usize = AAD_LABEL.len() + 1 + 1 + 1 + 4 + ID_SIZE;

/// Room for the context that is made beforehand, in bytes.
const CONTEXT_SIZE_USUAL: usize = 218;

#[cfg(test)]
mod tests {
    use super::*;

    const SEALING: [(Algorithm, usize); 2] = [(Algorithm::Xaes256Gcm, 24), (Algorithm::Aes256Gcm, 12)];

    fn sample_of(algorithm: Algorithm, nonce_size: usize) -> Vec<u8> {
        let mut bytes = vec![FORMAT, algorithm.id(), 0, 0, 0, 7];
        bytes.extend([0x11; ID_SIZE]);
        bytes.extend(vec![0x22; nonce_size]);
        bytes.extend([0x33; COMMITMENT_SIZE]);
        bytes.extend(b"body");
        bytes.extend([0x44; TAG_SIZE]);
        bytes
    }

    fn sample() -> Vec<u8> {
        sample_of(Algorithm::Xaes256Gcm, NONCE_SIZE_MAX)
    }

    // R-K3
    #[test]
    fn parses_the_parts_of_the_layout() {
        for (algorithm, nonce_size) in SEALING {
            let bytes = sample_of(algorithm, nonce_size);
            let ciphertext = Ciphertext::parse(&bytes).unwrap();
            let header = ciphertext.header;
            assert_eq!((header.format, header.algorithm), (1, algorithm));
            assert_eq!((header.version.get(), header.key_id), (7, KeyId([0x11; 16])));
            assert_eq!((header.nonce, header.commitment), (&vec![0x22; nonce_size][..], &[0x33; 32]));
            assert_eq!((ciphertext.body, ciphertext.tag), (&b"body"[..], &[0x44; 16]));
            assert_eq!(seal_overhead(algorithm), bytes.len() - 4);
        }
    }

    #[test]
    fn written_header_is_the_parsed_one() {
        for (algorithm, nonce_size) in SEALING {
            let bytes = sample_of(algorithm, nonce_size);
            let header = Ciphertext::parse(&bytes).unwrap().header;
            let mut written = vec![0; bytes.len()];
            let rest = header.write(&mut written).unwrap().len();
            assert_eq!(rest, 4 + TAG_SIZE);
            assert_eq!(written[..bytes.len() - rest], bytes[..bytes.len() - rest]);
            for size in 0..bytes.len() - rest {
                assert!(header.write(&mut written[..size]).is_none(), "room of {size} bytes");
            }
        }
    }

    // R-K3
    #[test]
    fn the_header_of_a_burst_is_that_of_an_item_with_its_position() {
        let bytes = sample();
        let Ciphertext { header, body, tag } = Ciphertext::parse(&bytes).unwrap();
        let mut other_position = [0x55; NONCE_SIZE_MAX];
        other_position[..12].copy_from_slice(&header.nonce[..12]);
        let of_burst =
            BurstHeader::new(header.algorithm, header.version, header.key_id, &other_position, header.commitment);
        let mut written = vec![0; bytes.len()];
        let rest = of_burst.write([0x22; 12], &mut written).unwrap();
        rest.copy_from_slice(&[body, tag].concat());
        assert_eq!(written, bytes);
        for size in 0..BURST_HEADER_SIZE {
            assert!(of_burst.write([0x22; 12], &mut written[..size]).is_none(), "room of {size} bytes");
        }
    }

    #[test]
    fn rejects_truncated_ciphertext() {
        for (algorithm, nonce_size) in SEALING {
            let bytes = sample_of(algorithm, nonce_size);
            let overhead = seal_overhead(algorithm);
            for size in 0..overhead {
                assert_eq!(Ciphertext::parse(&bytes[..size]), Err(MalformedCiphertext), "{size} bytes");
            }
            assert!(Ciphertext::parse(&bytes[..overhead]).is_ok(), "an empty body is a body");
        }
    }

    #[test]
    fn rejects_body_over_the_limit() {
        let mut bytes = sample();
        bytes.resize(SEAL_OVERHEAD_MAX + PLAINTEXT_SIZE_MAX, 0);
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
            let seals = SEALING.iter().any(|(algorithm, _)| algorithm.id() == id);
            assert_eq!(Ciphertext::parse(&bytes).is_ok(), seals, "algorithm {id}");
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
