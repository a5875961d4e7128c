//! The table itself.

use std::fmt;

use crate::cost::Cost;
use crate::operation::Operation;
use crate::primitive::{Curve, Hash, MlDsaParameters, Primitive, RsaPadding, RsaSize};
use crate::row::AlgorithmRow;

/// Makes the enum, its list and its rows from one text, so that none of them can miss an algorithm.
macro_rules! algorithms {
    ($($variant:ident = $id:literal, $name:literal, $primitive:expr, $cost:expr;)*) => {
        /// The algorithm of a key, with the padding where there is a choice; fixed when the key is created.
        ///
        /// The number of a variant is its id on the wire, in records and in ciphertexts. It is never given to
        /// another algorithm.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Algorithm {
            $(#[doc = $name] $variant = $id,)*
        }

        impl Algorithm {
            /// Every algorithm, by id.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// What is known about this algorithm.
            #[must_use]
            pub const fn row(self) -> &'static AlgorithmRow {
                match self {
                    $(Self::$variant => const { &AlgorithmRow::new(Self::$variant, $name, $primitive, $cost) },)*
                }
            }
        }
    };
}

// id on the wire, name, primitive, and cost in nanoseconds: to make, to check, for each KiB. AES-256-GCM, MACs and
// signatures were measured by `cargo bench --package claviger-benches --bench cost` on a shared virtual machine, an Intel
// Xeon with AVX-512 and SHA extensions: the lowest of several medians. What a KiB adds to a slow signature is not seen
// beside it: it is what its hash takes.
algorithms! {
    Opaque = 1, "OPAQUE", Primitive::Value, Cost::new(50, 0, 30);
    // Opening: as if each item came from another burst, with a derivation and a commitment of its own.
    Xaes256Gcm = 16, "XAES-256-GCM", Primitive::Xaes256Gcm, Cost::new(110, 600, 55);
    Aes256Gcm = 17, "AES-256-GCM", Primitive::Aes256Gcm, Cost::new(400, 450, 70);
    HmacSha256 = 32, "HMAC-SHA-256", Primitive::Hmac(Hash::Sha256), Cost::new(250, 250, 730);
    HmacSha384 = 33, "HMAC-SHA-384", Primitive::Hmac(Hash::Sha384), Cost::new(650, 650, 1_800);
    HmacSha512 = 34, "HMAC-SHA-512", Primitive::Hmac(Hash::Sha512), Cost::new(640, 640, 1_800);
    Ed25519 = 48, "Ed25519", Primitive::Ed25519, Cost::new(9_400, 40_000, 3_500);
    EcdsaP256Sha256 = 49, "ECDSA-P256-SHA256", Primitive::Ecdsa(Curve::P256), Cost::new(20_000, 68_000, 730);
    EcdsaP384Sha384 = 50, "ECDSA-P384-SHA384", Primitive::Ecdsa(Curve::P384), Cost::new(90_000, 220_000, 1_800);
    EcdsaP521Sha512 = 51, "ECDSA-P521-SHA512", Primitive::Ecdsa(Curve::P521), Cost::new(170_000, 360_000, 1_800);
    MlDsa44 = 56, "ML-DSA-44", Primitive::MlDsa(MlDsaParameters::MlDsa44), Cost::new(120_000, 32_000, 2_500);
    MlDsa65 = 57, "ML-DSA-65", Primitive::MlDsa(MlDsaParameters::MlDsa65), Cost::new(180_000, 53_000, 2_500);
    MlDsa87 = 58, "ML-DSA-87", Primitive::MlDsa(MlDsaParameters::MlDsa87), Cost::new(230_000, 82_000, 2_500);
    Rsa2048Pkcs1Sha256 = 64, "RSA-2048-PKCS1-SHA256", signature(RsaSize::Bits2048, RsaPadding::Pkcs1), RSA_2048;
    Rsa2048PssSha256 = 65, "RSA-2048-PSS-SHA256", signature(RsaSize::Bits2048, RsaPadding::Pss), RSA_2048;
    Rsa3072Pkcs1Sha256 = 66, "RSA-3072-PKCS1-SHA256", signature(RsaSize::Bits3072, RsaPadding::Pkcs1), RSA_3072;
    Rsa3072PssSha256 = 67, "RSA-3072-PSS-SHA256", signature(RsaSize::Bits3072, RsaPadding::Pss), RSA_3072;
    Rsa4096Pkcs1Sha256 = 68, "RSA-4096-PKCS1-SHA256", signature(RsaSize::Bits4096, RsaPadding::Pkcs1), RSA_4096;
    Rsa4096PssSha256 = 69, "RSA-4096-PSS-SHA256", signature(RsaSize::Bits4096, RsaPadding::Pss), RSA_4096;
    Rsa2048OaepSha256 = 80, "RSA-2048-OAEP-SHA256", Primitive::RsaOaep(RsaSize::Bits2048), decryption(RSA_2048);
    Rsa3072OaepSha256 = 81, "RSA-3072-OAEP-SHA256", Primitive::RsaOaep(RsaSize::Bits3072), decryption(RSA_3072);
    Rsa4096OaepSha256 = 82, "RSA-4096-OAEP-SHA256", Primitive::RsaOaep(RsaSize::Bits4096), decryption(RSA_4096);
}

const fn signature(size: RsaSize, padding: RsaPadding) -> Primitive {
    Primitive::RsaSignature(size, padding)
}

// Verification with the public exponent 65537 grows with the square of the modulus size: the figures for 3,072 and
// 4,096 bits are scaled from the one measured at 2,048. Padding is not seen beside them.
const RSA_2048: Cost = Cost::new(360_000, 18_000, 730);
const RSA_3072: Cost = Cost::new(1_000_000, 41_000, 730);
const RSA_4096: Cost = Cost::new(2_200_000, 72_000, 730);

/// Of decryption, which uses the private key as a signature does: others encrypt, with the public key.
const fn decryption(signature: Cost) -> Cost {
    Cost::new(0, signature.make_nanoseconds, signature.kibibyte_nanoseconds)
}

impl Algorithm {
    /// The id on the wire, in records and in ciphertexts.
    #[must_use]
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// The algorithm with this id, or `None`.
    #[must_use]
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.id() == id)
    }

    /// The name that people and files use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The algorithm with exactly this name, or `None`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.name() == name)
    }

    /// Most bytes that an item has, beyond its plaintext, which any algorithm that does `operation` seals, signs, gives
    /// a MAC, decrypts by a private key, or reads.
    #[must_use]
    pub const fn output_size_max(operation: Operation) -> usize {
        let (mut most, mut rest) = (0, Self::ALL);
        while let [algorithm, others @ ..] = rest {
            let size = algorithm.row().output_size.max(0);
            if algorithm.row().does(operation) && size > most {
                most = size;
            }
            rest = others;
        }
        most
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::KeyKind;

    #[test]
    fn ids_and_names_lead_back_to_one_algorithm() {
        for algorithm in Algorithm::ALL.iter().copied() {
            assert_eq!(algorithm.row().algorithm, algorithm);
            assert_eq!(Algorithm::from_id(algorithm.id()), Some(algorithm));
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
        }
        assert!(Algorithm::ALL.is_sorted_by(|one, next| one.id() < next.id()));
    }

    #[test]
    fn unknown_ids_and_names_lead_nowhere() {
        for id in [0, 2, 15, 18, 35, 52, 59, 70, 83, 255] {
            assert_eq!(Algorithm::from_id(id), None);
        }
        for name in ["", "xaes-256-gcm", "XAES-256-GCM ", "AES-128-GCM"] {
            assert_eq!(Algorithm::from_name(name), None);
        }
    }

    // R-K1
    #[test]
    fn a_key_has_one_purpose() {
        for one in Algorithm::ALL.iter().map(|algorithm| algorithm.row()) {
            let purposes = [
                (Operation::Encrypt, Operation::Decrypt),
                (Operation::Sign, Operation::Verify),
                (Operation::AsymmetricDecrypt, Operation::AsymmetricDecrypt),
                (Operation::MakeMac, Operation::VerifyMac),
                (Operation::ReadSecret, Operation::ReadSecret),
            ];
            let of_the_key: Vec<_> = purposes.iter().filter(|(make, _)| one.does(*make)).collect();
            assert_eq!(of_the_key.len(), 1, "{}", one.name);
            assert!(purposes.iter().all(|(make, check)| one.does(*make) == one.does(*check)), "{}", one.name);
            assert_eq!(one.does(Operation::ReadPublicKey), one.kind == KeyKind::Asymmetric, "{}", one.name);
            assert_eq!(one.does(Operation::WrapDataKey), one.does(Operation::Encrypt), "{}", one.name);
            assert_eq!(one.does(Operation::UnwrapDataKey), one.does(Operation::Encrypt), "{}", one.name);
        }
    }

    #[test]
    fn the_largest_output_is_that_of_an_algorithm_that_does_the_operation() {
        for operation in Operation::ALL {
            let sizes = Algorithm::ALL.iter().map(|algorithm| algorithm.row()).filter(|row| row.does(operation));
            let largest = sizes.map(|row| row.output_size.max(0)).max();
            assert_eq!(Some(Algorithm::output_size_max(operation)), largest, "{operation}");
        }
    }

    #[test]
    fn every_operation_is_of_some_algorithm_and_costs_something() {
        for operation in Operation::ALL {
            assert!(Algorithm::ALL.iter().any(|algorithm| algorithm.row().does(operation)), "{operation}");
        }
        for row in Algorithm::ALL.iter().map(|algorithm| algorithm.row()) {
            assert!(row.cost.make_nanoseconds.max(row.cost.check_nanoseconds) > 0, "{}", row.name);
        }
    }
}
