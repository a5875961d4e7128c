use claviger_algorithm::Algorithm;
use static_assertions::assert_not_impl_any;

use super::*;
use crate::ciphertext::{TAG_SIZE, seal_overhead};
use crate::crypto::burst::SealBurst;
use crate::crypto::random::SystemRandom;
use crate::key::material::{KeyMaterial, SecretBytes};
use crate::limits::OPEN_CACHE_SLOTS;

assert_not_impl_any!(Opener<'static>: std::fmt::Debug, Clone);

const ALGORITHMS: [Algorithm; 2] = [Algorithm::Xaes256Gcm, Algorithm::Aes256Gcm];
const ID: KeyId = KeyId([0x11; 16]);
const VERSION: KeyVersion = KeyVersion::FIRST;
const CONTEXT: &[u8] = b"invoice=42";
const PLAINTEXT: &[u8] = b"4111 1111";

fn key_of(algorithm: Algorithm, byte: u8) -> SymmetricKey {
    SymmetricKey::new(&KeyMaterial::import(algorithm, SecretBytes::copy_of(&[byte; 32])).unwrap()).unwrap()
}

fn seal_items(key: &SymmetricKey, count: usize) -> Vec<Vec<u8>> {
    let mut burst = SealBurst::begin(key, ID, VERSION, &SystemRandom::new()).unwrap();
    let seal = |_| {
        let mut out = vec![0; PLAINTEXT.len() + seal_overhead(key.algorithm())];
        burst.seal(Purpose::Data, CONTEXT, PLAINTEXT, &mut out).unwrap();
        out
    };
    (0..count).map(seal).collect()
}

fn seal(key: &SymmetricKey) -> Vec<u8> {
    seal_items(key, 1).remove(0)
}

fn open(key: &SymmetricKey, ciphertext: &[u8]) -> Result<Vec<u8>, OpenFailed> {
    let mut out = vec![0xff; ciphertext.len().saturating_sub(seal_overhead(key.algorithm()))];
    let opened = key.open(ID, VERSION, Purpose::Data, CONTEXT, ciphertext, &mut out);
    assert!(opened.is_ok() || out.iter().all(|byte| *byte == 0), "a failure leaves nothing behind");
    opened.map(|size| {
        assert_eq!(size, out.len());
        out
    })
}

fn remembered(key: &SymmetricKey) -> usize {
    key.remembered()
}

// R-K3, R-K19
#[test]
fn opens_what_it_sealed() {
    for algorithm in ALGORITHMS {
        let key = key_of(algorithm, 7);
        let sealed = seal_items(&key, 3);
        let mut opener = key.opener(ID, VERSION);
        for ciphertext in &sealed {
            let mut out = [0; PLAINTEXT.len()];
            assert_eq!(opener.open(Purpose::Data, CONTEXT, ciphertext, &mut out), Ok(PLAINTEXT.len()));
            assert_eq!(out, PLAINTEXT);
        }
    }
}

// R-K3, R-K19
#[test]
fn every_flipped_bit_is_the_one_failure() {
    for algorithm in ALGORITHMS {
        let key = key_of(algorithm, 7);
        let good = seal(&key);
        for warm in [false, true] {
            if warm {
                open(&key, &good).unwrap();
            }
            for bit in 0..good.len() * 8 {
                let mut bad = good.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(open(&key, &bad), Err(OpenFailed), "bit {bit}, derived key remembered: {warm}");
            }
        }
    }
}

#[test]
fn every_cut_and_every_added_byte_is_the_one_failure() {
    for algorithm in ALGORITHMS {
        let key = key_of(algorithm, 7);
        let good = seal(&key);
        for size in 0..good.len() {
            assert_eq!(open(&key, &good[..size]), Err(OpenFailed), "cut at {size}");
        }
        assert_eq!(open(&key, &[&good[..], &[0]].concat()), Err(OpenFailed));
        assert_eq!(open(&key, &[&[0], &good[..]].concat()), Err(OpenFailed));
    }
}

// R-K19
#[test]
fn moved_ciphertexts_do_not_open() {
    for algorithm in ALGORITHMS {
        let key = key_of(algorithm, 7);
        let good = seal(&key);
        let mut out = [0; PLAINTEXT.len()];
        let (other_id, other_version) = (KeyId([0x12; 16]), KeyVersion::new(2).unwrap());
        let mut open = |id, version, purpose, context| key.open(id, version, purpose, context, &good, &mut out);
        assert_eq!(open(other_id, VERSION, Purpose::Data, CONTEXT), Err(OpenFailed));
        assert_eq!(open(ID, other_version, Purpose::Data, CONTEXT), Err(OpenFailed));
        assert_eq!(open(ID, VERSION, Purpose::DataKey, CONTEXT), Err(OpenFailed));
        for context in [&b""[..], b"invoice=4", b"invoice=43", b"invoice=42\0", &[0; CONTEXT_SIZE_MAX + 1]] {
            assert_eq!(open(ID, VERSION, Purpose::Data, context), Err(OpenFailed));
        }
        assert_eq!(open(ID, VERSION, Purpose::Data, CONTEXT), Ok(PLAINTEXT.len()));
    }
}

#[test]
fn headers_rewritten_for_another_key_do_not_open_there() {
    for algorithm in ALGORITHMS {
        let key = key_of(algorithm, 7);
        let good = seal(&key);
        let (other_id, other_version) = (KeyId([0x12; 16]), KeyVersion::new(2).unwrap());
        let mut out = [0; PLAINTEXT.len()];
        let mut bad = good.clone();
        bad[6..22].copy_from_slice(&other_id.0);
        assert_eq!(key.open(other_id, VERSION, Purpose::Data, CONTEXT, &bad, &mut out), Err(OpenFailed));
        let mut bad = good.clone();
        bad[2..6].copy_from_slice(&2_u32.to_be_bytes());
        assert_eq!(key.open(ID, other_version, Purpose::Data, CONTEXT, &bad, &mut out), Err(OpenFailed));
    }
}

#[test]
fn another_key_with_the_same_id_does_not_open_it() {
    for algorithm in ALGORITHMS {
        assert_eq!(open(&key_of(algorithm, 8), &seal(&key_of(algorithm, 7))), Err(OpenFailed));
    }
}

#[test]
fn a_room_of_another_size_is_the_one_failure() {
    for algorithm in ALGORITHMS {
        let key = key_of(algorithm, 7);
        let good = seal(&key);
        for size in [0, PLAINTEXT.len() - 1, PLAINTEXT.len() + 1] {
            let mut out = vec![0; size];
            assert_eq!(key.open(ID, VERSION, Purpose::Data, CONTEXT, &good, &mut out), Err(OpenFailed));
        }
    }
}

#[test]
fn an_opener_that_has_failed_goes_on_with_the_next_item() {
    for algorithm in ALGORITHMS {
        let key = key_of(algorithm, 7);
        let (one, other) = (seal_items(&key, 2), seal(&key));
        let mut opener = key.opener(ID, VERSION);
        let mut out = [0; PLAINTEXT.len()];
        let mut bad_body = one[0].clone();
        bad_body[seal_overhead(algorithm) - TAG_SIZE] ^= 1;
        let mut bad_commitment = other.clone();
        bad_commitment[50] ^= 1;
        let items = [(&bad_body, false), (&one[0], true), (&bad_commitment, false), (&other, true), (&one[1], true)];
        for (item, opens) in items {
            assert_eq!(opener.open(Purpose::Data, CONTEXT, item, &mut out).is_ok(), opens);
        }
    }
}

#[test]
fn only_a_successful_opening_is_remembered() {
    let key = key_of(Algorithm::Xaes256Gcm, 7);
    let good = seal(&key);
    let mut bad = good.clone();
    bad[seal_overhead(Algorithm::Xaes256Gcm) - TAG_SIZE] ^= 1;
    assert_eq!(open(&key, &bad), Err(OpenFailed));
    assert_eq!(remembered(&key), 0);
    open(&key, &good).unwrap();
    assert_eq!(remembered(&key), 1);
    open(&key, &good).unwrap();
    assert_eq!(remembered(&key), 1);
}

#[test]
fn of_items_from_many_bursts_in_one_read_the_last_and_the_repeated_are_remembered() {
    let key = key_of(Algorithm::Xaes256Gcm, 7);
    let bursts: Vec<_> = (0..3).map(|_| seal_items(&key, 2)).collect();
    let open_all = |opener: &mut Opener<'_>, items: &[&Vec<u8>]| {
        let mut out = [0; PLAINTEXT.len()];
        for item in items {
            assert_eq!(opener.open(Purpose::Data, CONTEXT, item, &mut out), Ok(PLAINTEXT.len()));
        }
    };
    let prefix = |burst: usize| -> Prefix {
        Ciphertext::parse(&bursts[burst][0]).unwrap().header.nonce[..12].try_into().unwrap()
    };
    let mut opener = key.opener(ID, VERSION);
    open_all(&mut opener, &[&bursts[0][0], &bursts[1][0]]);
    assert_eq!(remembered(&key), 0, "each has opened one item");
    drop(opener);
    assert!(key.recall(&prefix(0)).is_none() && key.recall(&prefix(1)).is_some(), "the last of a read");
    let mut opener = key.opener(ID, VERSION);
    open_all(&mut opener, &[&bursts[2][0], &bursts[2][1]]);
    assert!(key.recall(&prefix(2)).is_some(), "two items needed it");
}

#[test]
fn what_is_remembered_is_bounded_and_never_wrong() {
    let key = key_of(Algorithm::Xaes256Gcm, 7);
    let sealed: Vec<_> = (0..64).map(|_| seal(&key)).collect();
    for ciphertext in sealed.iter().chain(sealed.iter().rev()) {
        assert_eq!(open(&key, ciphertext).unwrap(), PLAINTEXT);
        assert!(remembered(&key) <= OPEN_CACHE_SLOTS);
    }
}

// R-K1, R-K3
#[test]
fn one_algorithm_does_not_open_what_the_other_sealed_with_the_same_bytes() {
    let [xaes, gcm] = ALGORITHMS.map(|algorithm| key_of(algorithm, 7));
    for (sealer, opener) in [(&xaes, &gcm), (&gcm, &xaes)] {
        let sealed = seal(sealer);
        assert_eq!(open(opener, &sealed), Err(OpenFailed));
        let mut renamed = sealed.clone();
        renamed[1] = opener.algorithm().id();
        assert_eq!(open(opener, &renamed), Err(OpenFailed));
    }
}
