//! Whoever has read a public key, and encrypts to it.

use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};

/// `plaintext`, encrypted to the key whose SubjectPublicKeyInfo is `public_key`.
pub(crate) fn encrypt(public_key: &[u8], label: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let key = OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(public_key).unwrap()).unwrap();
    let mut ciphertext = vec![0; key.ciphertext_size()];
    key.encrypt(&OAEP_SHA256_MGF1SHA256, plaintext, &mut ciphertext, Some(label)).unwrap();
    ciphertext
}
