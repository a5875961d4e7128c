//! Every wrong answer fails the run, and is named. R-O5.

use std::sync::atomic::{AtomicBool, Ordering};

use claviger_protocol::{Algorithm, Opcode, Status};

use crate::server::{Answer, Body, Lie, Server};

/// Each operation: how it is asked for, and with which key.
const OPERATIONS: [(Opcode, &str, Algorithm); 15] = [
    (Opcode::Encrypt, "encrypt", Algorithm::Xaes256Gcm),
    (Opcode::Decrypt, "decrypt", Algorithm::Xaes256Gcm),
    (Opcode::Reencrypt, "reencrypt", Algorithm::Xaes256Gcm),
    (Opcode::GenerateDataKey, "generate-data-key", Algorithm::Xaes256Gcm),
    (Opcode::WrapDataKey, "wrap-data-key", Algorithm::Xaes256Gcm),
    (Opcode::UnwrapDataKey, "unwrap-data-key", Algorithm::Xaes256Gcm),
    (Opcode::Sign, "sign", Algorithm::Ed25519),
    (Opcode::Verify, "verify", Algorithm::Ed25519),
    (Opcode::AsymmetricDecrypt, "asymmetric-decrypt", Algorithm::Rsa2048OaepSha256),
    (Opcode::MakeMac, "mac", Algorithm::HmacSha256),
    (Opcode::VerifyMac, "verify-mac", Algorithm::HmacSha256),
    (Opcode::ReadSecret, "read-secret", Algorithm::Opaque),
    (Opcode::ReadPublicKey, "read-public-key", Algorithm::Ed25519),
    (Opcode::RandomBytes, "random", Algorithm::Xaes256Gcm),
    (Opcode::Ping, "ping", Algorithm::Xaes256Gcm),
];

// R-O5
#[test]
fn right_answers_pass_whatever_the_version_of_the_key() {
    for (opcode, name, key) in OPERATIONS {
        let ended = Server::start(opcode, |_| {}).load(&format!("--operation {name}"), key).passed();
        assert!(
            ended.output.contains("all right") && !ended.output.contains("checked             0"),
            "{}",
            ended.output
        );
        assert!(!ended.output.contains("\nfailed"), "{}", ended.output);
    }
}

/// Measures `opcode` at a server that lies: this is a wrong answer, and is said to be this one.
fn is_wrong(opcode: Opcode, lie: Lie, words: &str) {
    fails(opcode, lie, &format!("WRONG ANSWER to {opcode}: {words}"));
}

/// Measures `opcode` at a server that lies.
fn fails(opcode: Opcode, lie: Lie, words: &str) {
    let (_, name, key) = OPERATIONS.into_iter().find(|(code, ..)| *code == opcode).unwrap();
    Server::start(opcode, lie).load(&format!("--operation {name}"), key).refused(words);
}

/// What flips one bit of a result.
fn flip_bit(answer: &mut Answer, index: usize) {
    *answer.result(index).last_mut().unwrap() ^= 1;
}

fn swap_two(answer: &mut Answer) {
    answer.results().swap(0, 1);
}

fn repeat_the_first(answer: &mut Answer) {
    answer.results()[1] = answer.results()[0].clone();
}

/// In results that begin with the version of a key.
fn name_another_version(answer: &mut Answer) {
    for result in answer.results() {
        result.as_mut().unwrap()[3] ^= 1;
    }
}

// R-O5
#[test]
fn a_ciphertext_with_a_flipped_bit_fails_the_run() {
    let words = "what was encrypted does not decrypt: item 3 was answered with DecryptionFailed";
    is_wrong(Opcode::Encrypt, |answer| flip_bit(answer, 3), words);
}

// R-O5
#[test]
fn the_ciphertext_of_another_item_fails_the_run() {
    is_wrong(Opcode::Encrypt, swap_two, "item 0: other bytes than those that went in");
}

// R-O5
#[test]
fn a_ciphertext_that_came_before_fails_the_run() {
    is_wrong(Opcode::Encrypt, repeat_the_first, "item 1: a nonce that came before");
}

// R-O5
#[test]
fn no_ciphertext_fails_the_run() {
    is_wrong(Opcode::Encrypt, |answer| answer.result(2).clear(), "item 2: a ciphertext without a nonce");
}

// R-O5
#[test]
fn one_result_too_few_fails_the_run() {
    is_wrong(Opcode::Encrypt, |answer| drop(answer.results().pop()), "15 results for 16 items");
}

// R-O5
#[test]
fn one_result_too_many_fails_the_run() {
    is_wrong(Opcode::Sign, |answer| answer.results().extend_from_within(..1), "17 results for 16 items");
}

// R-O5
#[test]
fn an_item_that_was_not_done_fails_the_run() {
    let lie: Lie = |answer| answer.results()[5] = Err(Status::InternalError);
    is_wrong(Opcode::Encrypt, lie, "item 5 was answered with InternalError");
}

// R-O5
#[test]
fn a_plaintext_with_a_flipped_bit_fails_the_run() {
    is_wrong(Opcode::Decrypt, |answer| flip_bit(answer, 4), "item 4: other bytes than those that went in");
}

// R-O5
#[test]
fn a_signature_of_another_message_fails_the_run() {
    is_wrong(Opcode::Sign, swap_two, "item 0: a signature that its public key does not verify");
}

// R-O5
#[test]
fn a_signature_of_another_version_fails_the_run() {
    is_wrong(Opcode::Sign, name_another_version, "the public key of version 6");
}

// R-O5
#[test]
fn a_wrong_signature_that_verifies_fails_the_run() {
    let lie: Lie = |answer| answer.results().fill(Ok(vec![0, 0, 0, 7]));
    is_wrong(Opcode::Verify, lie, "a signature was verified that is none");
}

// R-O5
#[test]
fn a_signature_that_another_version_verifies_fails_the_run() {
    is_wrong(Opcode::Verify, name_another_version, "another version of the key than before");
}

// R-O5
#[test]
fn what_is_encrypted_anew_with_a_flipped_bit_fails_the_run() {
    let words = "what was encrypted does not decrypt: item 3 was answered with DecryptionFailed";
    is_wrong(Opcode::Reencrypt, |answer| flip_bit(answer, 3), words);
}

// R-O5
#[test]
fn a_data_key_that_is_not_the_wrapped_one_fails_the_run() {
    is_wrong(Opcode::GenerateDataKey, |answer| flip_bit(answer, 2), "item 2: other bytes than those that went in");
}

// R-O5
#[test]
fn a_data_key_that_came_before_fails_the_run() {
    is_wrong(Opcode::GenerateDataKey, repeat_the_first, "item 1: random bytes that came before");
}

// R-O5
#[test]
fn the_wrapped_key_of_another_item_fails_the_run() {
    is_wrong(Opcode::WrapDataKey, swap_two, "item 0: other bytes than those that went in");
}

// R-O5
#[test]
fn an_unwrapped_key_with_a_flipped_bit_fails_the_run() {
    is_wrong(Opcode::UnwrapDataKey, |answer| flip_bit(answer, 5), "item 5: other bytes than those that went in");
}

// R-O5
#[test]
fn an_asymmetric_plaintext_with_a_flipped_bit_fails_the_run() {
    is_wrong(Opcode::AsymmetricDecrypt, |answer| flip_bit(answer, 4), "item 4: other bytes than those that went in");
}

// R-O5
#[test]
fn an_asymmetric_plaintext_of_another_version_fails_the_run() {
    is_wrong(Opcode::AsymmetricDecrypt, name_another_version, "another version of the key than before");
}

// R-O5
#[test]
fn garbage_that_decrypts_fails_the_run() {
    let lie: Lie = |answer| {
        for result in answer.results().iter_mut().filter(|result| result.is_err()) {
            *result = Ok(vec![0, 0, 0, 7]);
        }
    };
    is_wrong(Opcode::AsymmetricDecrypt, lie, "something was decrypted that is no ciphertext");
}

// R-O5
#[test]
fn a_wrong_code_that_verifies_fails_the_run() {
    let lie: Lie = |answer| answer.results().fill(Ok(vec![0, 0, 0, 7]));
    is_wrong(Opcode::VerifyMac, lie, "a code was verified that is none");
}

// R-O5
#[test]
fn another_public_key_than_before_fails_the_run() {
    // The first answer is what the others are compared with.
    static ANSWERED: AtomicBool = AtomicBool::new(false);
    let lie: Lie = |answer| {
        if ANSWERED.swap(true, Ordering::Relaxed) {
            let Body::Message(bytes) = &mut answer.body else { panic!("no message") };
            *bytes.last_mut().unwrap() ^= 1;
        }
    };
    is_wrong(Opcode::ReadPublicKey, lie, "item 0: other bytes than those that went in");
}

// R-O5
#[test]
fn a_code_of_another_message_fails_the_run() {
    let words = "a code that was made does not verify: item 0 was answered with VerificationFailed";
    is_wrong(Opcode::MakeMac, swap_two, words);
}

// R-O5
#[test]
fn a_code_of_another_version_fails_the_run() {
    is_wrong(Opcode::MakeMac, name_another_version, "another version of the key than the one that made the code");
}

// R-O5
#[test]
fn random_bytes_that_came_before_fails_the_run() {
    is_wrong(Opcode::RandomBytes, repeat_the_first, "item 1: random bytes that came before");
}

// R-O5
#[test]
fn too_few_random_bytes_fails_the_run() {
    is_wrong(
        Opcode::RandomBytes,
        |answer| answer.result(0).truncate(31),
        "item 0: 31 random bytes, and 32 were asked for",
    );
}

// R-O5
#[test]
fn a_ping_with_other_bytes_fails_the_run() {
    let lie: Lie = |answer| answer.body = Body::Message(vec![9; 64]);
    is_wrong(Opcode::Ping, lie, "item 0: other bytes than those that went in");
}

// R-O5
#[test]
fn a_reply_that_is_none_fails_the_run() {
    let lie: Lie = |answer| answer.body = Body::Message(vec![1, 2, 3]);
    fails(Opcode::Encrypt, lie, "the reply to Encrypt is none");
}

// R-O5
#[test]
fn a_reply_to_another_operation_fails_the_run() {
    fails(
        Opcode::Encrypt,
        |answer| answer.header.opcode = Opcode::Decrypt.code(),
        "the reply is that of another operation",
    );
}

// R-O5
#[test]
fn a_reply_to_nothing_that_was_asked_fails_the_run() {
    fails(Opcode::Encrypt, |answer| answer.header.request_id += 1 << 32, "a reply came to a request that was not sent");
}

// R-O5
#[test]
fn a_run_of_refusals_fails_and_counts_them() {
    let server = Server::start(Opcode::Encrypt, |answer| answer.body = Body::Refused(Status::Overloaded));
    let ended = server.load("--operation encrypt", Algorithm::Xaes256Gcm);
    assert!(!ended.success && ended.errors.contains("nothing was done"), "{}", ended.errors);
    let counted = ended.output.lines().find(|line| line.starts_with("failed"));
    assert!(counted.is_some_and(|line| line.ends_with("frames Overloaded")), "{}", ended.output);
}
