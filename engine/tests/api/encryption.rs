//! Encrypting and decrypting.

use std::collections::BTreeSet;

use claviger_algorithm::Algorithm;
use claviger_engine::ItemError;
use claviger_engine::ReadScope;
use claviger_engine::ciphertext::SEAL_OVERHEAD_MAX;
use claviger_engine::crypto::random::SystemRandom;
use claviger_engine::limits::{BURSTS_PER_READ_MAX, CONTEXT_SIZE_MAX, PLAINTEXT_SIZE_MAX};

use crate::support::{Client, Installation, calls, only};

on_every_storage! {
    // R-K3
    fn decrypts_what_it_encrypted_at_every_bound(installation) {
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::new(&installation.engine);
        let plaintexts = [0, 1, 1_000, PLAINTEXT_SIZE_MAX].map(|size| vec![b'p'; size]);
        let contexts = [0, 1, 500, CONTEXT_SIZE_MAX].map(|size| vec![b'c'; size]);
        let items: Vec<_> = plaintexts.iter().zip(contexts.iter().rev()).map(|(p, c)| (&c[..], &p[..])).collect();
        let sealed: Vec<_> = client.encrypt(id, &items).unwrap().into_iter().map(Result::unwrap).collect();
        for (ciphertext, (_, plaintext)) in sealed.iter().zip(&items) {
            assert_eq!(ciphertext.len(), plaintext.len() + SEAL_OVERHEAD_MAX);
            assert_eq!(ciphertext[6..22], id.0);
        }
        let to_open: Vec<_> = sealed.iter().zip(&items).map(|(ciphertext, (context, _))| (*context, &ciphertext[..])).collect();
        let opened = client.decrypt(id, &to_open).unwrap();
        assert_eq!(opened, items.iter().map(|(_, plaintext)| Ok(plaintext.to_vec())).collect::<Vec<_>>());
    }

    // R-K19
    fn neither_another_context_nor_another_key_decrypts(installation) {
        let [id, other] = ["a", "b"].map(|text| installation.create(text, Algorithm::Xaes256Gcm));
        let mut client = Client::new(&installation.engine);
        let ciphertext = client.encrypt_one(id, b"context", b"plaintext");
        let long = vec![b'c'; CONTEXT_SIZE_MAX + 1];
        let contexts = [&b""[..], b"contex", b"context\0", b"Context", &long];
        let items: Vec<_> = contexts.iter().map(|context| (*context, &ciphertext[..])).collect();
        assert_eq!(client.decrypt(id, &items).unwrap(), vec![Err(ItemError::DecryptionFailed); items.len()]);

        let mut renamed = ciphertext.clone();
        renamed[6..22].copy_from_slice(&other.0);
        for forged in [&ciphertext, &renamed] {
            let opened = only(client.decrypt(other, &[(b"context", forged)]).unwrap());
            assert_eq!(opened, Err(ItemError::DecryptionFailed));
        }
        let opened = only(client.decrypt(id, &[(b"context", &renamed)]).unwrap());
        assert_eq!(opened, Err(ItemError::DecryptionFailed));
    }

    fn altered_ciphertext_does_not_decrypt(installation) {
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::new(&installation.engine);
        let good = client.encrypt_one(id, b"context", b"plaintext");
        let mut bad: Vec<Vec<u8>> = Vec::new();
        for bit in 0..good.len() * 8 {
            let mut altered = good.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            bad.push(altered);
        }
        bad.extend((0..good.len()).map(|size| good[..size].to_vec()));
        bad.push([&good[..], &[0]].concat());
        bad.push(vec![1; SEAL_OVERHEAD_MAX + PLAINTEXT_SIZE_MAX + 1]);
        let items: Vec<_> = bad.iter().map(|ciphertext| (&b"context"[..], &ciphertext[..])).collect();
        for (at, opened) in client.decrypt(id, &items).unwrap().into_iter().enumerate() {
            assert_eq!(opened, Err(ItemError::DecryptionFailed), "case {at}");
        }
        assert_eq!(only(client.decrypt(id, &[(b"context", &good)]).unwrap()).unwrap(), b"plaintext");
    }

    fn bad_item_fails_alone_and_results_keep_their_order(installation) {
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::new(&installation.engine);
        let (long_plaintext, long_context) = (vec![1; PLAINTEXT_SIZE_MAX + 1], vec![1; CONTEXT_SIZE_MAX + 1]);
        let items: [(&[u8], &[u8]); 5] =
            [(b"", b"first"), (b"", &long_plaintext), (b"", b"third"), (&long_context, b"fourth"), (b"", b"fifth")];
        let sealed = client.encrypt(id, &items).unwrap();
        assert_eq!(sealed[1], Err(ItemError::PlaintextTooLarge));
        assert_eq!(sealed[3], Err(ItemError::ContextTooLarge));

        let good = |at: usize| &sealed[at].as_ref().unwrap()[..];
        let to_open: [(&[u8], &[u8]); 4] = [(b"", good(4)), (b"", b"garbage"), (b"", good(0)), (b"", good(2))];
        let opened = client.decrypt(id, &to_open).unwrap();
        let expected = [Ok(b"fifth".to_vec()), Err(ItemError::DecryptionFailed), Ok(b"first".to_vec()), Ok(b"third".to_vec())];
        assert_eq!(opened, expected);
    }
}

#[test]
fn batch_without_items_has_no_results() {
    let installation = Installation::in_memory();
    let id = installation.create("key", Algorithm::Xaes256Gcm);
    let mut client = Client::new(&installation.engine);
    assert_eq!(client.encrypt(id, &[]).unwrap(), []);
    assert_eq!(client.decrypt(id, &[]).unwrap(), []);
}

#[test]
fn items_of_one_read_share_a_nonce_prefix_and_those_of_two_reads_do_not() {
    let installation = Installation::in_memory();
    let id = installation.create("key", Algorithm::Xaes256Gcm);
    let mut client = Client::new(&installation.engine);
    let random = SystemRandom::new();
    let mut read = || {
        let mut scope = ReadScope::new(&random);
        let frame = |scope: &mut ReadScope<'_>, client: &mut Client| {
            client.with(id, |key| calls::encrypt_in(scope, key, &[(b"", b"a"), (b"", b"b")]).unwrap())
        };
        let mut items = frame(&mut scope, &mut client);
        items.extend(frame(&mut scope, &mut client));
        items.into_iter().map(|item| nonce_of(&item.unwrap())).collect::<Vec<_>>()
    };
    let (first, second) = (read(), read());
    for nonces in [&first, &second] {
        let positions: Vec<_> = nonces.iter().map(|(_, position)| *position).collect();
        let counted: Vec<_> = (0..4).map(|n| positions[0].wrapping_add(n) & POSITION_MASK).collect();
        assert_eq!(positions, counted, "positions are counted up, over the frames of a read");
        assert!(nonces.iter().all(|(prefix, _)| *prefix == nonces[0].0));
    }
    assert_ne!(first[0].0, second[0].0);
    assert_ne!(first[0].1, second[0].1);
}

#[test]
fn rotation_within_a_read_begins_another_burst() {
    let installation = Installation::in_memory();
    let id = installation.create("key", Algorithm::Xaes256Gcm);
    let mut client = Client::new(&installation.engine);
    let random = SystemRandom::new();
    let mut scope = ReadScope::new(&random);
    let before = client.with(id, |key| only(calls::encrypt_in(&mut scope, key, &[(b"", b"a")]).unwrap())).unwrap();
    installation.engine.rotate(id).unwrap();
    let after = client.with(id, |key| only(calls::encrypt_in(&mut scope, key, &[(b"", b"b")]).unwrap())).unwrap();
    assert_eq!((calls::version_of(&before), calls::version_of(&after)), (1, 2));
    assert_ne!(nonce_of(&before).0, nonce_of(&after).0);
    let opened = client.decrypt(id, &[(b"", &before), (b"", &after)]).unwrap();
    assert_eq!(opened, [Ok(b"a".to_vec()), Ok(b"b".to_vec())]);
}

#[test]
fn no_nonce_comes_twice_when_a_read_brings_more_keys_than_it_keeps_bursts() {
    let installation = Installation::in_memory();
    let ids: Vec<_> =
        (0..BURSTS_PER_READ_MAX + 4).map(|n| installation.create(&n.to_string(), Algorithm::Xaes256Gcm)).collect();
    let mut client = Client::new(&installation.engine);
    let random = SystemRandom::new();
    let mut scope = ReadScope::new(&random);
    let mut nonces = BTreeSet::new();
    for round in 0..3_u8 {
        for id in &ids {
            let sealed = client.with(*id, |key| only(calls::encrypt_in(&mut scope, key, &[(b"", &[round])]).unwrap()));
            let sealed = sealed.unwrap();
            assert!(nonces.insert(nonce_of(&sealed)));
            assert_eq!(only(client.decrypt(*id, &[(b"", &sealed)]).unwrap()).unwrap(), [round]);
        }
    }
}

/// Prefix and position, each 96 bits.
fn nonce_of(ciphertext: &[u8]) -> (u128, u128) {
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u128::from(*byte));
    (number(&ciphertext[22..34]), number(&ciphertext[34..46]))
}

const POSITION_MASK: u128 = (1 << 96) - 1;
