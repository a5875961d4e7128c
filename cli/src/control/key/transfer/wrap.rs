//! Wraps key material to a transport key: RSA-OAEP with SHA-256 of an AES-256 key that is used once (RFC 8017 section 7.1), then AES-KWP of the material (RFC 5649).

use anyhow::Context;
use aws_lc_rs::key_wrap::{AES_256, KeyEncryptionKey, KeyWrapPadded};
use aws_lc_rs::rand;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use zeroize::Zeroizing;

/// `material`, 1 byte at least, wrapped to the public key in `pem`.
///
/// # Errors
/// The public key cannot be read; or the library has no random bytes.
pub(super) fn wrap(pem: &str, material: &[u8]) -> anyhow::Result<Vec<u8>> {
    let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).ok().context(NO_KEY)?;
    let public_key = PublicEncryptingKey::from_der(&der).ok().context(NO_KEY)?;
    let public_key = OaepPublicEncryptingKey::new(public_key).ok().context(NO_KEY)?;
    let mut wrapping_key = Zeroizing::new([0; 32]);
    rand::fill(&mut *wrapping_key).ok().context(LIBRARY)?;
    let oaep_size = public_key.ciphertext_size();
    let mut wrapped = vec![0; oaep_size + material.len() + KWP_OVERHEAD_MAX];
    let (oaep, kwp) = wrapped.split_at_mut(oaep_size);
    public_key.encrypt(&OAEP_SHA256_MGF1SHA256, &*wrapping_key, oaep, None).ok().context(LIBRARY)?;
    let key = KeyEncryptionKey::new(&AES_256, &*wrapping_key).ok().context(LIBRARY)?;
    let kwp_size = key.wrap_with_padding(material, kwp).ok().context(LIBRARY)?.len();
    wrapped.truncate(oaep_size + kwp_size);
    Ok(wrapped)
}

/// What AES-KWP adds at most.
const KWP_OVERHEAD_MAX: usize = 15;

const NO_KEY: &str = "the transport key is no RSA public key in PEM";
const LIBRARY: &str = "the cryptographic library could not wrap the key";
