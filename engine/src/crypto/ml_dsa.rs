//! ML-DSA (FIPS 204): parameter sets as the cryptographic library knows them, and the one form of a private key.
//!
//! Signing is hedged (FIPS 204 section 3.4): the library mixes random bytes of its own into every signature. It signs
//! whole messages with an empty context string, and offers neither a context nor the pre-hashed forms of section 5.4.

use aws_lc_rs::signature::{
    ML_DSA_44, ML_DSA_44_SIGNING, ML_DSA_65, ML_DSA_65_SIGNING, ML_DSA_87, ML_DSA_87_SIGNING, PqdsaKeyPair,
    PqdsaSigningAlgorithm, PqdsaVerificationAlgorithm,
};
use claviger_algorithm::MlDsaParameters;
use subtle::ConstantTimeEq;

/// What signs and what verifies with `parameters`.
pub(crate) const fn algorithms(
    parameters: MlDsaParameters,
) -> (&'static PqdsaSigningAlgorithm, &'static PqdsaVerificationAlgorithm) {
    match parameters {
        MlDsaParameters::MlDsa44 => (&ML_DSA_44_SIGNING, &ML_DSA_44),
        MlDsaParameters::MlDsa65 => (&ML_DSA_65_SIGNING, &ML_DSA_65),
        MlDsaParameters::MlDsa87 => (&ML_DSA_87_SIGNING, &ML_DSA_87),
    }
}

/// The private key in `pkcs8`, or `None` unless that is the seed form (RFC 9881 section 6), to the byte.
///
/// The seed is 32 bytes, from which the key is derived anew; the expanded form is up to 4,896 bytes that would have to
/// be checked for consistency. The library takes that one too, both forms in one, and bytes behind the seed.
pub(crate) fn parse(algorithm: &'static PqdsaSigningAlgorithm, pkcs8: &[u8]) -> Option<PqdsaKeyPair> {
    let pair = PqdsaKeyPair::from_pkcs8(algorithm, pkcs8).ok()?;
    let seed_form = pair.to_pkcs8v1().ok()?;
    bool::from(seed_form.as_ref().ct_eq(pkcs8)).then_some(pair)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::AsRawBytes;
    use aws_lc_rs::signature::KeyPair as _;

    use super::*;

    const SEED: [u8; 32] = [0x2a; 32];

    /// Each parameter set, with the last byte of its object identifier (RFC 9881 section 2).
    const ALL: [(MlDsaParameters, u8); 3] =
        [(MlDsaParameters::MlDsa44, 17), (MlDsaParameters::MlDsa65, 18), (MlDsaParameters::MlDsa87, 19)];

    /// PKCS#8 of the parameter set with this identifier around `private_key`, which is DER of whatever form.
    fn pkcs8(identifier: u8, private_key: &[u8]) -> Vec<u8> {
        let algorithm = [&[0x30, 11, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3][..], &[identifier]].concat();
        der(0x30, &[&[2, 1, 0], &algorithm[..], &der(4, private_key)].concat())
    }

    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let size = u16::try_from(content.len()).unwrap();
        let header = match size {
            0..=0x7f => vec![tag, u8::try_from(size).unwrap()],
            0x80..=0xff => vec![tag, 0x81, u8::try_from(size).unwrap()],
            _ => [&[tag, 0x82][..], &size.to_be_bytes()].concat(),
        };
        [&header, content].concat()
    }

    /// The same key in the seed form, the expanded form, and both.
    fn forms(parameters: MlDsaParameters, identifier: u8) -> [Vec<u8>; 3] {
        let pair = PqdsaKeyPair::from_seed(algorithms(parameters).0, &SEED).unwrap();
        let expanded = der(4, pair.private_key().as_raw_bytes().unwrap().as_ref());
        let both = der(0x30, &[&der(4, &SEED)[..], &expanded].concat());
        [der(0x80, &SEED), expanded, both].map(|private_key| pkcs8(identifier, &private_key))
    }

    // R-K4
    #[test]
    fn takes_the_seed_form_and_derives_the_key_from_it() {
        for (parameters, identifier) in ALL {
            let (signing, _) = algorithms(parameters);
            let [seed_form, ..] = forms(parameters, identifier);
            let derived = PqdsaKeyPair::from_seed(signing, &SEED).unwrap();
            let parsed = parse(signing, &seed_form).unwrap();
            assert_eq!(parsed.public_key().as_ref(), derived.public_key().as_ref(), "{parameters:?}");
            assert_eq!(signing.signature_len(), parameters.signature_size(), "{parameters:?}");
        }
    }

    // R-K4
    #[test]
    fn refuses_the_expanded_form_with_and_without_the_seed() {
        for (parameters, identifier) in ALL {
            let (signing, _) = algorithms(parameters);
            let [_, expanded, both] = forms(parameters, identifier);
            for form in [expanded, both] {
                assert!(PqdsaKeyPair::from_pkcs8(signing, &form).is_ok(), "good but for the form");
                assert!(parse(signing, &form).is_none(), "{parameters:?}");
            }
        }
    }

    // R-K4
    #[test]
    fn refuses_seeds_of_another_size_and_bytes_beside_them() {
        for (parameters, identifier) in ALL {
            let (signing, _) = algorithms(parameters);
            for size in [0, 31, 33, 64] {
                assert!(parse(signing, &pkcs8(identifier, &der(0x80, &vec![0x2a; size]))).is_none(), "{size} bytes");
            }
            let seed = der(0x80, &SEED);
            let good = pkcs8(identifier, &seed);
            assert!(parse(signing, &good).is_some());
            assert!(parse(signing, &[&good[..], &[0]].concat()).is_none(), "behind the whole");
            assert!(parse(signing, &pkcs8(identifier, &[&seed[..], &[0]].concat())).is_none(), "behind the seed");
            assert!(parse(signing, &seed).is_none() && parse(signing, &SEED).is_none(), "without PKCS#8");
        }
    }

    // R-K1, R-K4
    #[test]
    fn refuses_keys_of_another_parameter_set() {
        for (parameters, identifier) in ALL {
            let [seed_form, ..] = forms(parameters, identifier);
            for (other, _) in ALL.into_iter().filter(|(other, _)| *other != parameters) {
                assert!(parse(algorithms(other).0, &seed_form).is_none(), "{parameters:?} as {other:?}");
            }
        }
        for identifier in [0, 16, 20, 255] {
            assert!(parse(&ML_DSA_44_SIGNING, &pkcs8(identifier, &der(0x80, &SEED))).is_none(), "{identifier}");
        }
    }
}
