//! XAES-256-GCM, AES-256-GCM and the ciphertext layout once more, from their specifications, sharing no code with the engine.
//!
//! The engine derives with the CMAC of its library; here CMAC is spelled out on single AES blocks, as the C2SP
//! specification does ("Overview").

use aes::Aes256;
use aes::cipher::{BlockEncrypt, KeyInit};
use aes_gcm::aead::consts::U12;
use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// What a ciphertext is sealed with.
#[derive(Clone, Debug)]
pub(crate) struct Sealing {
    /// 16 for XAES-256-GCM, 17 for AES-256-GCM.
    pub(crate) algorithm: u8,
    pub(crate) key: [u8; 32],
    pub(crate) key_id: [u8; 16],
    pub(crate) version: u32,
    pub(crate) purpose: u8,
    pub(crate) context: Vec<u8>,
}

impl Sealing {
    /// `nonce`: 24 bytes, or 12 for AES-256-GCM.
    pub(crate) fn seal(&self, nonce: &[u8], plaintext: &[u8]) -> Vec<u8> {
        assert_eq!(nonce.len(), self.nonce_size());
        let payload = Payload { msg: plaintext, aad: &self.aad() };
        let sealed = self.cipher(nonce).encrypt(position(nonce), payload).unwrap();
        [&self.header()[..], nonce, &self.commitment(nonce), &sealed].concat()
    }

    /// The plaintext, or what was wrong.
    pub(crate) fn open(&self, ciphertext: &[u8]) -> Result<Vec<u8>, &'static str> {
        let commitment_at = 22 + self.nonce_size();
        if ciphertext.len() < commitment_at + 32 + 16 {
            return Err("too short");
        }
        if ciphertext[..22] != self.header() {
            return Err("header of another key");
        }
        let (nonce, rest) = ciphertext[22..].split_at(self.nonce_size());
        let (commitment, body_and_tag) = rest.split_at(32);
        if commitment != self.commitment(nonce) {
            return Err("commitment of another key");
        }
        self.open_uncommitted(nonce, body_and_tag).ok_or("not authentic")
    }

    /// Opens body and tag without looking at header or commitment.
    pub(crate) fn open_uncommitted(&self, nonce: &[u8], body_and_tag: &[u8]) -> Option<Vec<u8>> {
        let payload = Payload { msg: body_and_tag, aad: &self.aad() };
        self.cipher(nonce).decrypt(position(nonce), payload).ok()
    }

    pub(crate) fn aad(&self) -> Vec<u8> {
        [b"claviger/aead/1", &[self.purpose][..], &self.header(), &self.context].concat()
    }

    pub(crate) fn nonce_size(&self) -> usize {
        if self.algorithm == 17 { 12 } else { 24 }
    }

    /// The key of AES-256-GCM for this nonce.
    pub(crate) fn derived_key(&self, nonce: &[u8]) -> [u8; 32] {
        if self.algorithm == 17 {
            return self.key;
        }
        let subkey = double(encrypt_block(&self.key, [0; 16]));
        let mut derived = [0; 32];
        for (counter, half) in [1, 2].into_iter().zip(derived.chunks_mut(16)) {
            let mut block = [0, counter, b'X', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            block[4..].copy_from_slice(&nonce[..12]);
            block.iter_mut().zip(subkey).for_each(|(byte, subkey)| *byte ^= subkey);
            half.copy_from_slice(&encrypt_block(&self.key, block));
        }
        derived
    }

    fn cipher(&self, nonce: &[u8]) -> Aes256Gcm {
        Aes256Gcm::new_from_slice(&self.derived_key(nonce)).unwrap()
    }

    fn header(&self) -> [u8; 22] {
        let mut header = [0; 22];
        header[0] = 1;
        header[1] = self.algorithm;
        header[2..6].copy_from_slice(&self.version.to_be_bytes());
        header[6..].copy_from_slice(&self.key_id);
        header
    }

    fn commitment(&self, nonce: &[u8]) -> [u8; 32] {
        let commitment_key = hmac_sha256(&self.key, &[b"claviger/commit-key/1"]);
        hmac_sha256(&commitment_key, &[b"claviger/commit/1", &self.header(), &nonce[..12]])
    }
}

/// The nonce of AES-256-GCM: the last 12 bytes.
fn position(nonce: &[u8]) -> &Nonce<U12> {
    Nonce::from_slice(&nonce[nonce.len() - 12..])
}

pub(crate) fn encrypt_block(key: &[u8; 32], mut block: [u8; 16]) -> [u8; 16] {
    Aes256::new_from_slice(key).unwrap().encrypt_block((&mut block).into());
    block
}

/// Doubling in GF(2^128) as CMAC does it (NIST SP 800-38B section 6.1).
fn double(block: [u8; 16]) -> [u8; 16] {
    let value = u128::from_be_bytes(block);
    let carry = if value >> 127 == 1 { 0x87 } else { 0 };
    (value << 1 ^ carry).to_be_bytes()
}

fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}
