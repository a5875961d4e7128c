//! Which algorithms a test goes through.

use claviger_algorithm::{Algorithm, Generation, KeyKind, Operation, OutputSize};
use claviger_engine::operation::SignForm;
use sha2::{Digest, Sha256, Sha384, Sha512};

/// Every algorithm that signs, but RSA at its smallest size only: larger keys take seconds to make.
pub(crate) fn signing() -> impl Iterator<Item = Algorithm> {
    let smallest_rsa = OutputSize::Fixed(256);
    let signing = Algorithm::ALL.iter().copied().filter(|algorithm| algorithm.row().does(Operation::Sign));
    signing.filter(move |algorithm| {
        algorithm.row().generation == Generation::Fast || algorithm.row().output_size == smallest_rsa
    })
}

/// Every algorithm of message authentication codes.
pub(crate) fn macs() -> impl Iterator<Item = Algorithm> {
    Algorithm::ALL.iter().copied().filter(|algorithm| algorithm.row().kind == KeyKind::Mac)
}

/// The forms in which an algorithm takes a message, with the message in that form.
pub(crate) fn forms(algorithm: Algorithm, message: &[u8]) -> Vec<(SignForm, Vec<u8>)> {
    let digest = match algorithm.row().digest_size {
        None => None,
        Some(32) => Some(Sha256::digest(message).to_vec()),
        Some(48) => Some(Sha384::digest(message).to_vec()),
        Some(64) => Some(Sha512::digest(message).to_vec()),
        Some(other) => panic!("{algorithm}: no hash has {other} bytes"),
    };
    let digest = digest.map(|digest| (SignForm::Digest, digest));
    [(SignForm::Message, message.to_vec())].into_iter().chain(digest).collect()
}
