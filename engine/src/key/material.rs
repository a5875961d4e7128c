//! Secret bytes. Nothing here can be printed, cloned, compared with `==` or written out by accident.

use claviger_algorithm::{Algorithm, KeyKind, Primitive};
use zeroize::Zeroizing;

use crate::crypto::oaep;
use crate::crypto::random::{EntropyError, Random};
use crate::crypto::scheme::{self, KeyPair};
use crate::limits::{PKCS8_SIZE_MAX, SECRET_SIZE_MAX};

/// Material of one key version: the secret bytes and the algorithm that they are for.
///
/// PKCS#8 DER (RFC 5958) of an asymmetric key, 32 bytes of a symmetric key, as many bytes of a MAC key as its hash has,
/// the value of a secret. ML-DSA keys are in the seed form (RFC 9881 section 6).
pub struct KeyMaterial {
    algorithm: Algorithm,
    bytes: SecretBytes,
}

/// Any number of secret bytes on the heap, wiped on drop. No `Debug`, `Clone`, `PartialEq` or `Serialize`, on purpose.
// A `Vec`, not a boxed slice: giving back spare capacity could move the bytes and leave a copy behind.
pub struct SecretBytes(Zeroizing<Vec<u8>>);

/// 32 secret bytes on the heap, where moving their owner leaves no copy; wiped on drop.
pub(crate) struct SecretKey(Box<Zeroizing<[u8; SECRET_KEY_SIZE]>>);

/// Size of a symmetric key and every key of the key tree, in bytes.
pub(crate) const SECRET_KEY_SIZE: usize = 32;

/// Bytes that are no key material of the algorithm. Tells nothing of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MaterialError {
    /// The size is wrong.
    #[error("{0} key material has a wrong size")]
    Size(Algorithm),
    /// Not an unencrypted PKCS#8 private key, not of this algorithm, or not consistent in itself.
    #[error("{0} key material must be an unencrypted PKCS#8 private key of this algorithm and size")]
    Malformed(Algorithm),
    /// Bytes that nobody has drawn by chance.
    #[error("{0} key material must not be one byte over and over")]
    Weak(Algorithm),
    /// Good material, but of an algorithm that this operation does not know.
    #[error("{0} key material cannot be used for this operation")]
    OtherAlgorithm(Algorithm),
}

/// Why no key material was generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenerateError {
    /// The value of a secret comes from the person who registers it.
    #[error("the value of a secret is given, never generated")]
    Opaque,
    /// No random bytes; nothing was generated.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl KeyMaterial {
    /// New material for `algorithm`. RSA takes from 50 ms to 2 s, everything else less than 1 ms.
    ///
    /// Bytes come from `random`, except for ECDSA and RSA, whose generation (FIPS 186-5 appendix A) is the
    /// cryptographic library's own and draws from the library's generator.
    ///
    /// # Errors
    /// [`GenerateError::Opaque`] for a secret, [`GenerateError::Entropy`] if there are no random bytes.
    pub fn generate(algorithm: Algorithm, random: &dyn Random) -> Result<Self, GenerateError> {
        let row = algorithm.row();
        let bytes = match (row.key_size, row.primitive) {
            (Some(size), _) => {
                let mut bytes = SecretBytes::zeroed(size);
                random.fill(&mut bytes.0)?;
                bytes
            }
            (None, Primitive::Value) => return Err(GenerateError::Opaque),
            (None, Primitive::RsaOaep(size)) => oaep::generate(size)?,
            (None, _) => scheme::generate(algorithm, random)?,
        };
        Ok(Self { algorithm, bytes })
    }

    /// `bytes` as material of `algorithm`, after checking that they are: for values from a store or a person.
    ///
    /// RSA keys are checked for consistency and for the modulus size that the algorithm names, curve points for being
    /// on their curve.
    ///
    /// # Errors
    /// [`MaterialError::Size`] or [`MaterialError::Malformed`].
    pub fn import(algorithm: Algorithm, bytes: SecretBytes) -> Result<Self, MaterialError> {
        let row = algorithm.row();
        let size_is_right = match row.key_size {
            Some(size) => bytes.len() == size,
            None if row.kind == KeyKind::Secret => bytes.len() <= SECRET_SIZE_MAX,
            None => bytes.len() <= PKCS8_SIZE_MAX,
        };
        if !size_is_right {
            return Err(MaterialError::Size(algorithm));
        }
        if row.kind == KeyKind::Asymmetric {
            check_private_key(algorithm, bytes.expose())?;
        }
        Ok(Self { algorithm, bytes })
    }

    /// The algorithm that the bytes are for.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Lends the bytes. Each call is a place to review.
    pub(crate) fn expose(&self) -> &[u8] {
        self.bytes.expose()
    }

    /// The bytes themselves.
    pub(crate) fn into_bytes(self) -> SecretBytes {
        self.bytes
    }
}

/// Whether `pkcs8` is a private key of `algorithm`.
fn check_private_key(algorithm: Algorithm, pkcs8: &[u8]) -> Result<(), MaterialError> {
    match algorithm.row().primitive {
        Primitive::RsaOaep(size) => oaep::parse(size, pkcs8).map(drop).ok_or(MaterialError::Malformed(algorithm)),
        _ => KeyPair::parse(algorithm, pkcs8).map(drop),
    }
}

impl SecretBytes {
    /// `size` zero bytes, to be filled in place.
    pub(crate) fn zeroed(size: usize) -> Self {
        Self(Zeroizing::new(vec![0; size]))
    }

    /// A copy of `bytes`. Whoever owns them wipes them.
    pub(crate) fn copy_of(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// Keeps the first `size` bytes. The others are wiped on drop, like all.
    pub(crate) fn truncate(&mut self, size: usize) {
        self.0.truncate(size);
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Lends the bytes. Each call is a place to review.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Lends the bytes to be filled in place.
    pub(crate) fn expose_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl From<Vec<u8>> for SecretBytes {
    /// Takes the bytes over, without a copy. They are wiped when the result is dropped.
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl SecretKey {
    /// 32 zero bytes, to be filled in place.
    pub(crate) fn zeroed() -> Self {
        Self(Box::new(Zeroizing::new([0; SECRET_KEY_SIZE])))
    }

    /// A copy of `bytes`, or `None` if they are not 32.
    pub(crate) fn copy_of(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; SECRET_KEY_SIZE] = bytes.try_into().ok()?;
        let mut key = Self::zeroed();
        key.expose_mut().copy_from_slice(bytes);
        Some(key)
    }

    /// Lends the bytes. Each call is a place to review.
    pub(crate) fn expose(&self) -> &[u8; SECRET_KEY_SIZE] {
        &self.0
    }

    /// Lends the bytes to be filled in place.
    pub(crate) fn expose_mut(&mut self) -> &mut [u8; SECRET_KEY_SIZE] {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use claviger_algorithm::{Generation, RsaPadding, RsaSize};
    use static_assertions::assert_not_impl_any;

    use super::*;
    use crate::crypto::random::SystemRandom;

    assert_not_impl_any!(SecretBytes: std::fmt::Debug, std::fmt::Display, Clone, PartialEq, AsRef<[u8]>);
    assert_not_impl_any!(SecretKey: std::fmt::Debug, std::fmt::Display, Clone, PartialEq, AsRef<[u8]>);
    assert_not_impl_any!(KeyMaterial: std::fmt::Debug, std::fmt::Display, Clone, PartialEq, AsRef<[u8]>);

    fn import(algorithm: Algorithm, bytes: &[u8]) -> Option<MaterialError> {
        KeyMaterial::import(algorithm, SecretBytes::copy_of(bytes)).err()
    }

    /// Algorithms of asymmetric keys; the smallest RSA key, with one padding, stands for all.
    fn one_of_each_key_type() -> impl Iterator<Item = Algorithm> {
        let fast = fast().filter(|algorithm| algorithm.row().kind == KeyKind::Asymmetric);
        fast.chain([Algorithm::Rsa2048Pkcs1Sha256])
    }

    /// Algorithms whose keys are made at once.
    fn fast() -> impl Iterator<Item = Algorithm> {
        let all = Algorithm::ALL.iter().copied().filter(|algorithm| algorithm.row().kind != KeyKind::Secret);
        all.filter(|algorithm| algorithm.row().generation == Generation::Fast)
    }

    #[test]
    fn generated_material_is_accepted_on_import() {
        // The paddings of one RSA size have the same keys, which are slow to make: one of them stands for all.
        let is_left_out = |primitive| {
            matches!(primitive, Primitive::Value | Primitive::RsaSignature(_, RsaPadding::Pss))
                || matches!(primitive, Primitive::RsaOaep(size) if size != RsaSize::Bits2048)
        };
        let all = Algorithm::ALL.iter().copied();
        let generated = all.filter(|algorithm| !is_left_out(algorithm.row().primitive));
        for algorithm in generated {
            let material = KeyMaterial::generate(algorithm, &SystemRandom::new()).unwrap();
            assert_eq!(material.algorithm(), algorithm);
            assert_eq!(import(algorithm, material.expose()), None, "{algorithm}");
            assert!(algorithm.row().key_size.is_none_or(|size| material.expose().len() == size), "{algorithm}");
        }
    }

    #[test]
    fn two_generated_keys_differ() {
        for algorithm in fast() {
            let random = SystemRandom::new();
            let one = KeyMaterial::generate(algorithm, &random).unwrap();
            let other = KeyMaterial::generate(algorithm, &random).unwrap();
            assert!(one.expose() != other.expose(), "{algorithm}");
        }
    }

    #[test]
    fn secret_values_are_never_generated() {
        let generated = KeyMaterial::generate(Algorithm::Opaque, &SystemRandom::new());
        assert_eq!(generated.err(), Some(GenerateError::Opaque));
    }

    // R-K2
    #[test]
    fn secret_value_may_have_any_size_up_to_the_limit() {
        for size in [0, 1, SECRET_SIZE_MAX] {
            assert_eq!(import(Algorithm::Opaque, &vec![7; size]), None);
        }
        assert_eq!(
            import(Algorithm::Opaque, &vec![7; SECRET_SIZE_MAX + 1]),
            Some(MaterialError::Size(Algorithm::Opaque))
        );
    }

    // R-K5
    #[test]
    fn rejects_random_bytes_of_another_size_than_the_algorithm_has() {
        for algorithm in Algorithm::ALL.iter().copied() {
            let Some(right) = algorithm.row().key_size else { continue };
            for size in [0, 16, 31, 32, 33, 47, 48, 49, 63, 64, 65, 128] {
                let expected = if size == right { None } else { Some(MaterialError::Size(algorithm)) };
                assert_eq!(import(algorithm, &vec![7; size]), expected, "{algorithm}, {size} bytes");
            }
        }
    }

    #[test]
    fn rejects_a_private_key_of_another_algorithm_or_size() {
        let random = SystemRandom::new();
        let of = |algorithm| KeyMaterial::generate(algorithm, &random).unwrap();
        for material in one_of_each_key_type().map(of) {
            for algorithm in Algorithm::ALL.iter().copied().filter(|other| other.row().kind == KeyKind::Asymmetric) {
                let [taken, given] = [algorithm, material.algorithm()].map(rsa_size);
                let is_same_key_type = algorithm == material.algorithm() || taken.is_some() && taken == given;
                let expected = if is_same_key_type { None } else { Some(MaterialError::Malformed(algorithm)) };
                assert_eq!(import(algorithm, material.expose()), expected, "{} as {algorithm}", material.algorithm());
            }
        }
    }

    /// The size of an RSA key: its paddings have the same keys.
    fn rsa_size(algorithm: Algorithm) -> Option<RsaSize> {
        match algorithm.row().primitive {
            Primitive::RsaSignature(size, _) | Primitive::RsaOaep(size) => Some(size),
            _ => None,
        }
    }

    #[test]
    fn rejects_damaged_private_keys_without_panicking() {
        let random = SystemRandom::new();
        for algorithm in one_of_each_key_type() {
            let material = KeyMaterial::generate(algorithm, &random).unwrap();
            let good = material.expose();
            for size in 0..good.len() {
                assert_eq!(
                    import(algorithm, &good[..size]),
                    Some(MaterialError::Malformed(algorithm)),
                    "{algorithm} cut at {size}"
                );
            }
            let longer = [good, &[0]].concat();
            assert_eq!(import(algorithm, &longer), Some(MaterialError::Malformed(algorithm)));
            assert_eq!(import(algorithm, &vec![0x30; PKCS8_SIZE_MAX + 1]), Some(MaterialError::Size(algorithm)));
        }
    }

    #[test]
    fn errors_show_the_algorithm_and_no_byte() {
        let error = import(Algorithm::Ed25519, b"hunter2").unwrap();
        assert_eq!(
            error.to_string(),
            "Ed25519 key material must be an unencrypted PKCS#8 private key of this algorithm and size"
        );
    }
}
