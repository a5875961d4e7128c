//! XAES-256-GCM (C2SP XAES-256-GCM): AES-256-GCM with a key of its own for every first half of the nonce.
//!
//! The derived key is two blocks of CMAC-AES-256, a key derivation in counter mode (NIST SP 800-108r1 section 4.1).
//! CMAC and not raw AES, because the library's AES-ECB key leaves copies of the key on the stack.

use aws_lc_rs::cmac;
use aws_lc_rs::error::Unspecified;

use crate::crypto::gcm::{POSITION_SIZE, Position};
use crate::key::material::SECRET_KEY_SIZE;

/// First half of the nonce, which selects the derived key.
pub(crate) type Prefix = [u8; PREFIX_SIZE];

pub(crate) const PREFIX_SIZE: usize = 12;

/// Size of a nonce: a prefix, and the nonce of AES-256-GCM.
pub(crate) const NONCE_SIZE: usize = PREFIX_SIZE + POSITION_SIZE;

/// A key, prepared to derive from. The library wipes it on drop.
pub(crate) struct Deriver(cmac::Key);

impl Deriver {
    /// Prepares `material`: as much work as one derivation.
    ///
    /// # Errors
    /// Only if the library has no memory.
    pub(crate) fn new(material: &[u8; SECRET_KEY_SIZE]) -> Result<Self, Unspecified> {
        cmac::Key::new(cmac::AES_256, material).map(Self)
    }

    /// Writes the key for `prefix` into `derived`, where it stays, so that no copy is left on the stack.
    ///
    /// # Errors
    /// Only if the library has no memory.
    pub(crate) fn derive(&self, prefix: &Prefix, derived: &mut [u8; SECRET_KEY_SIZE]) -> Result<(), Unspecified> {
        let (first, second) = derived.split_at_mut(SECRET_KEY_SIZE / 2);
        cmac::sign_to_buffer(&self.0, &derivation_input(1, prefix), first)?;
        cmac::sign_to_buffer(&self.0, &derivation_input(2, prefix), second)?;
        Ok(())
    }
}

/// M1 and M2 of the specification: counter u16 | "X" | 0 | prefix.
fn derivation_input(counter: u8, prefix: &Prefix) -> [u8; 16] {
    let mut input = [0; 16];
    input[1] = counter;
    input[2] = b'X';
    input[4..].copy_from_slice(prefix);
    input
}

/// The two halves of a nonce.
pub(crate) fn split_nonce(nonce: &[u8; NONCE_SIZE]) -> (Prefix, Position) {
    let mut prefix = [0; PREFIX_SIZE];
    let mut position = [0; POSITION_SIZE];
    prefix.copy_from_slice(&nonce[..PREFIX_SIZE]);
    position.copy_from_slice(&nonce[PREFIX_SIZE..]);
    (prefix, position)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use sha3::Shake128;
    use sha3::digest::{ExtendableOutput, Update, XofReader};

    use super::*;
    use crate::ciphertext::TAG_SIZE;
    use crate::crypto::gcm::GcmKey;

    /// The vectors of the specification (C2SP XAES-256-GCM, "Test vectors"); the file names its source.
    fn vectors() -> Value {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/xaes-256-gcm.json");
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    fn hex(value: &Value) -> Vec<u8> {
        let digits = value.as_str().unwrap();
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
    }

    fn ascii(value: &Value) -> &[u8] {
        value.as_str().unwrap().as_bytes()
    }

    fn key_of(material: &[u8; 32], prefix: &Prefix) -> ([u8; 32], GcmKey) {
        let mut derived = [0; 32];
        Deriver::new(material).unwrap().derive(prefix, &mut derived).unwrap();
        (derived, GcmKey::new(&derived).unwrap())
    }

    fn seal(material: &[u8; 32], nonce: &[u8; 24], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let (prefix, position) = split_nonce(nonce);
        let mut sealed = vec![0; plaintext.len() + TAG_SIZE];
        let (body, tag) = sealed.split_last_chunk_mut().unwrap();
        key_of(material, &prefix).1.seal(position, aad, plaintext, body, tag).unwrap();
        sealed
    }

    // R-K3
    #[test]
    fn derives_and_seals_as_the_specification_does() {
        let vectors = vectors();
        let vectors = vectors["vectors"].as_array().unwrap();
        for vector in vectors {
            let material = hex(&vector["key"]).try_into().unwrap();
            let nonce = ascii(&vector["nonce_ascii"]).try_into().unwrap();
            let (prefix, position) = split_nonce(nonce);
            assert_eq!(derivation_input(1, &prefix).to_vec(), hex(&vector["m1"]));
            assert_eq!(derivation_input(2, &prefix).to_vec(), hex(&vector["m2"]));
            assert_eq!(key_of(&material, &prefix).0.to_vec(), hex(&vector["derived_key"]));
            assert_eq!(position.to_vec(), hex(&vector["derived_nonce"]));
            let (aad, plaintext) = (ascii(&vector["aad_ascii"]), ascii(&vector["plaintext_ascii"]));
            assert_eq!(seal(&material, nonce, aad, plaintext), hex(&vector["ciphertext_and_tag"]));
        }
        assert_eq!(vectors.len(), 2);
    }

    /// SHAKE-128 of nothing, an endless source of bytes. Squeezed in large pieces: without optimisation that is what
    /// takes the time.
    struct Source {
        shake: <Shake128 as ExtendableOutput>::Reader,
        piece: Vec<u8>,
        used: usize,
    }

    impl Source {
        fn new() -> Self {
            Self { shake: Shake128::default().finalize_xof(), piece: vec![0; 168 * 1_000], used: 168 * 1_000 }
        }

        fn read(&mut self, out: &mut [u8]) {
            if out.len() > self.piece.len() - self.used {
                let rest = self.piece.len() - self.used;
                self.piece.copy_within(self.used.., 0);
                self.shake.read(&mut self.piece[rest..]);
                self.used = 0;
            }
            out.copy_from_slice(&self.piece[self.used..self.used + out.len()]);
            self.used += out.len();
        }

        /// One byte with the size, then so many bytes, at the beginning of `out`.
        fn read_sized<'a>(&mut self, out: &'a mut [u8; 255]) -> &'a [u8] {
            let mut size = [0];
            self.read(&mut size);
            let out = &mut out[..usize::from(size[0])];
            self.read(out);
            out
        }
    }

    /// The accumulated vectors: one SHAKE-128 gives the inputs of each round, another one hashes the outputs.
    fn accumulated(rounds: usize) -> Vec<u8> {
        let mut source = Source::new();
        let mut outputs = Shake128::default();
        let mut sealed = Vec::new();
        let (mut material, mut nonce) = ([0; 32], [0; 24]);
        let (mut plaintext, mut aad, mut body, mut opened) = ([0; 255], [0; 255], [0; 255], [0; 255]);
        for _ in 0..rounds {
            source.read(&mut material);
            source.read(&mut nonce);
            let plaintext = source.read_sized(&mut plaintext);
            let aad = source.read_sized(&mut aad);

            let (prefix, position) = split_nonce(&nonce);
            let key = key_of(&material, &prefix).1;
            let (body, opened) = (&mut body[..plaintext.len()], &mut opened[..plaintext.len()]);
            let mut tag = [0; TAG_SIZE];
            key.seal(position, aad, plaintext, body, &mut tag).unwrap();
            sealed.extend_from_slice(body);
            sealed.extend_from_slice(&tag);
            if sealed.len() > 100_000 {
                outputs.update(&sealed);
                sealed.clear();
            }
            key.open(position, aad, body, &tag, opened).unwrap();
            assert_eq!(opened, plaintext);
        }
        outputs.update(&sealed);
        let mut hash = vec![0; 32];
        outputs.finalize_xof().read(&mut hash);
        hash
    }

    // R-K3
    #[test]
    fn ten_thousand_rounds_give_the_accumulated_hash() {
        assert_eq!(accumulated(10_000), hex(&vectors()["accumulated"]["rounds_10000"]));
    }

    // R-K3
    #[test]
    fn a_million_rounds_give_the_accumulated_hash() {
        assert_eq!(accumulated(1_000_000), hex(&vectors()["accumulated"]["rounds_1000000"]));
    }
}
