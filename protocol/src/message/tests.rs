//! Whole messages, there and back.

use super::*;
use crate::deframer::{self, Step};
use crate::header::RequestHeader;
use crate::id::{KeyId, StoreId, TraceId};
use crate::limits::{BATCH_ITEMS_MAX, BODY_SIZE_MAX};
use crate::output::OutputBuffer;
use crate::{EncodeError, fuzzing};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// The body of a request of this operation that carries the given fields; all sizes may be over their limits.
fn encode(opcode: Opcode, id: [u8; 16], number: u32, items: &[(Vec<u8>, Vec<u8>)]) -> Result<Vec<u8>, EncodeError> {
    let key_id = KeyId(id);
    let form = if number.is_multiple_of(2) { MessageForm::Message } else { MessageForm::Digest };
    let pairs = || items.iter().map(|(first, second)| (first.as_slice(), second.as_slice()));
    let mut output = OutputBuffer::new();
    let header = RequestHeader { opcode: 0, request_id: 7, trace_id: TraceId(id), deadline_ms: number };
    match opcode {
        Opcode::Hello => {
            let options = pairs().map(|(value, _)| HelloOption { option: 3, value });
            output.request(header, Hello { version_min: 1, version_max: 2, options })
        }
        Opcode::Ping => output.request(header, Ping { payload: &id }),
        Opcode::Whoami => output.request(header, Whoami),
        Opcode::Resolve => {
            let items = pairs().map(|(key_name, _)| ResolveItem { key_name });
            output.request(header, Resolve { store_name: &id, items })
        }
        Opcode::DescribeKey => output.request(header, DescribeKey { key_id }),
        Opcode::Encrypt => {
            let items = pairs().map(|(context, plaintext)| EncryptItem { context, plaintext });
            output.request(header, Encrypt { key_id, items })
        }
        Opcode::Decrypt => {
            let items = pairs().map(|(context, ciphertext)| DecryptItem { context, ciphertext });
            output.request(header, Decrypt { key_id, items })
        }
        Opcode::Reencrypt => {
            let items = pairs().map(|(context, ciphertext)| ReencryptItem {
                source_context: context,
                target_context: ciphertext,
                ciphertext,
            });
            output.request(header, Reencrypt { source_key_id: key_id, target_key_id: KeyId([9; 16]), items })
        }
        Opcode::GenerateDataKey => {
            let items = pairs().map(|(context, _)| GenerateDataKeyItem { context });
            let form = DataKeyForm::PlainAndWrapped;
            output.request(header, GenerateDataKey { key_id, form, data_key_size: 32, items })
        }
        Opcode::WrapDataKey => {
            let items = pairs().map(|(context, data_key)| WrapDataKeyItem { context, data_key });
            output.request(header, WrapDataKey { key_id, items })
        }
        Opcode::UnwrapDataKey => {
            let items = pairs().map(|(context, wrapped)| UnwrapDataKeyItem { context, wrapped });
            output.request(header, UnwrapDataKey { key_id, items })
        }
        Opcode::Sign => {
            let items = pairs().map(|(message, _)| SignItem { message });
            output.request(header, Sign { key_id, form, items })
        }
        Opcode::Verify => {
            let items = pairs().map(|(message, signature)| VerifyItem { message, signature });
            output.request(header, Verify { key_id, key_version: number, form, items })
        }
        Opcode::AsymmetricDecrypt => {
            let items = pairs().map(|(context, ciphertext)| AsymmetricDecryptItem { context, ciphertext });
            output.request(header, AsymmetricDecrypt { key_id, key_version: number, items })
        }
        Opcode::MakeMac => {
            let items = pairs().map(|(message, _)| MakeMacItem { message });
            output.request(header, MakeMac { key_id, items })
        }
        Opcode::VerifyMac => {
            let items = pairs().map(|(message, mac)| VerifyMacItem { message, mac });
            output.request(header, VerifyMac { key_id, key_version: number, items })
        }
        Opcode::ReadSecret => output.request(header, ReadSecret { key_id, key_version: number }),
        Opcode::ReadPublicKey => output.request(header, ReadPublicKey { key_id, key_version: number }),
        Opcode::WaitForSecret => {
            output.request(header, WaitForSecret { key_id, known_version: number, wait_ms: !number })
        }
        Opcode::RandomBytes => {
            let items = items.iter().map(|_| RandomBytesItem { size: number });
            output.request(header, RandomBytes { store_id: StoreId(id), items })
        }
    }?;
    let Step::Frame(frame) = deframer::request(output.as_bytes()) else { panic!("{opcode}: no frame") };
    assert_eq!(frame.header, RequestHeader { opcode: opcode.code(), ..header });
    assert_eq!(frame.size, output.len());
    Ok(frame.body.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, rng_seed: RngSeed::Fixed(0x00C1_A716), ..ProptestConfig::default() })]

    // R-P1
    #[test]
    fn what_was_encoded_decodes_and_encodes_to_the_same_bytes(
        id in any::<[u8; 16]>(),
        number in any::<u32>(),
        items in vec((vec(any::<u8>(), 0..40), vec(any::<u8>(), 0..200)), 1..16),
    ) {
        for opcode in Opcode::ALL {
            let body = encode(opcode, id, number, &items).unwrap();
            prop_assert!(Request::decode(opcode, &body).is_ok(), "{opcode}");
            fuzzing::request(&[&[opcode.code()][..], &body].concat());
        }
    }

    // R-P3
    #[test]
    fn a_body_cut_short_or_too_long_is_malformed(
        id in any::<[u8; 16]>(),
        items in vec((vec(any::<u8>(), 0..8), vec(any::<u8>(), 0..8)), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        for opcode in Opcode::ALL {
            let mut body = encode(opcode, id, 1, &items).unwrap();
            // The bytes of a ping have no structure.
            if opcode == Opcode::Ping {
                continue;
            }
            body.push(0);
            prop_assert_eq!(Request::decode(opcode, &body).err(), Some(DecodeError::Malformed), "{}", opcode);
            body.pop();
            body.truncate(cut.index(body.len().max(1)));
            let cut_short = opcode != Opcode::Whoami;
            prop_assert_eq!(Request::decode(opcode, &body).is_err(), cut_short, "{}", opcode);
        }
    }

    // R-P3
    #[test]
    fn no_bytes_at_all_make_decoding_panic(data in vec(any::<u8>(), 0..300)) {
        fuzzing::frame(&data);
        for opcode in Opcode::ALL {
            let data = [&[opcode.code()][..], &data].concat();
            fuzzing::request(&data);
            fuzzing::response(&data);
        }
    }
}

#[test]
fn items_are_decoded_field_by_field() {
    let mut output = OutputBuffer::new();
    let items =
        [(&b"a"[..], &b"bc"[..]), (&b""[..], &b"d"[..])].map(|(context, plaintext)| EncryptItem { context, plaintext });
    output.request(RequestHeader::new(1), Encrypt { key_id: KeyId([4; 16]), items }).unwrap();
    let Step::Frame(frame) = deframer::request(output.as_bytes()) else { panic!("no frame") };
    let Ok(Request::Encrypt(request)) = Request::decode(Opcode::Encrypt, frame.body) else { panic!("no request") };
    assert_eq!(request.key_id, KeyId([4; 16]));
    assert_eq!(request.items.len(), 2);
    let fields: Vec<_> = request.items.map(|item| (item.context, item.plaintext)).collect();
    assert_eq!(fields, [(&b"a"[..], &b"bc"[..]), (&b""[..], &b"d"[..])]);
}

// R-P3
#[test]
fn encoding_refuses_batches_without_items_with_too_many_or_too_large_for_a_frame() {
    let mut output = OutputBuffer::new();
    let mut encrypt = |count: usize, plaintext: &[u8]| {
        let items = std::iter::repeat_n(EncryptItem { context: &[], plaintext }, count);
        output.clear();
        let result = output.request(RequestHeader::new(1), Encrypt { key_id: KeyId([0; 16]), items });
        assert_eq!(output.is_empty(), result.is_err(), "nothing is left of what failed");
        result
    };
    assert_eq!(encrypt(0, &[]), Err(EncodeError::ItemCount));
    assert_eq!(encrypt(BATCH_ITEMS_MAX, &[]), Ok(()));
    assert_eq!(encrypt(BATCH_ITEMS_MAX + 1, &[]), Err(EncodeError::ItemCount));
    let largest = vec![0; BODY_SIZE_MAX - 16 - 2 - 8];
    assert_eq!(encrypt(1, &largest), Ok(()));
    assert_eq!(encrypt(2, &largest), Err(EncodeError::FrameTooLarge));
    assert_eq!(encrypt(usize::MAX, &largest), Err(EncodeError::FrameTooLarge), "without going through them all");
}

#[test]
fn encoding_refuses_fields_longer_than_their_size_can_say() {
    let mut output = OutputBuffer::new();
    let name = vec![b'n'; 65_536];
    let items = [ResolveItem { key_name: &name }];
    let result = output.request(RequestHeader::new(1), Resolve { store_name: b"store", items });
    assert_eq!(result, Err(EncodeError::FieldTooLarge));
    assert!(output.is_empty());
}

// R-P3
#[test]
fn a_reply_that_no_server_may_send_is_refused() {
    let reply = |opcode, status, body: &'static [u8]| {
        let header = RequestHeader { opcode, ..RequestHeader::new(1) }.reply(status, 0);
        Frame { header, body, size: 0 }.decode().map(|reply| reply.err())
    };
    assert_eq!(reply(0x10, Status::Overloaded, b""), Ok(Some(Status::Overloaded)));
    assert_eq!(reply(0x00, Status::FrameTooLarge, b""), Ok(Some(Status::FrameTooLarge)));
    assert_eq!(reply(0x10, Status::Unknown(0x77), b""), Ok(Some(Status::Unknown(0x77))));
    assert_eq!(reply(0x10, Status::Overloaded, b"x"), Err(DecodeError::Malformed));
    assert_eq!(reply(0x10, Status::DecryptionFailed, b""), Err(DecodeError::Malformed));
    assert_eq!(reply(0x00, Status::Ok, b""), Err(DecodeError::Malformed));
    assert_eq!(reply(0x10, Status::Ok, b""), Err(DecodeError::Malformed));
}
