//! Signing, verifying, and message authentication codes.

use claviger_algorithm::{Algorithm, Operation};
use claviger_engine::limits::MESSAGE_SIZE_MAX;
use claviger_engine::operation::SignForm;
use claviger_engine::{Error, ItemError};

use crate::support::algorithms::{forms, macs, signing};
use crate::support::{Client, calls, only};

on_every_storage! {
    // R-K4
    fn signatures_verify_and_nothing_else_does(installation) {
        for algorithm in signing() {
            let id = installation.create(algorithm.row().name, algorithm);
            let mut client = Client::new(&installation.engine);
            let long = vec![b'm'; MESSAGE_SIZE_MAX];
            let too_long = vec![b'm'; MESSAGE_SIZE_MAX + 1];
            client.with(id, |key| {
                let signed = calls::sign(key, SignForm::Message, &[b"", b"message", &too_long, &long]).unwrap();
                assert_eq!(signed[2], Err(ItemError::MessageTooLarge), "{algorithm}");
                let signature = |at: usize| calls::split_version(signed[at].as_ref().unwrap()).1;
                let mut altered = signature(1).to_vec();
                altered[10] ^= 1;
                let items = [
                    (&b""[..], signature(0)),
                    (b"message", signature(0)),
                    (b"message", signature(1)),
                    (b"message", &altered),
                    (b"message", b""),
                    (&long, signature(3)),
                    (&too_long, signature(3)),
                ];
                let (valid, failed) = (Ok(1_u32.to_be_bytes().to_vec()), Err(ItemError::VerificationFailed));
                let verified = calls::verify(key, None, SignForm::Message, &items).unwrap();
                let expected = [
                    valid.clone(),
                    failed.clone(),
                    valid.clone(),
                    failed.clone(),
                    failed,
                    valid,
                    Err(ItemError::MessageTooLarge),
                ];
                assert_eq!(verified, expected, "{algorithm}");
            });
        }
    }

    // R-K4
    fn digest_made_by_the_caller_stands_for_its_message(installation) {
        for algorithm in signing().filter(|algorithm| algorithm.row().digest_size.is_some()) {
            let id = installation.create(algorithm.row().name, algorithm);
            let (form, digest) = forms(algorithm, b"message").pop().unwrap();
            Client::new(&installation.engine).with(id, |key| {
                let by_message = only(calls::sign(key, SignForm::Message, &[b"message"]).unwrap()).unwrap();
                let by_digest = only(calls::sign(key, form, &[&digest]).unwrap()).unwrap();
                let (_, by_message) = calls::split_version(&by_message);
                let (_, by_digest) = calls::split_version(&by_digest);
                assert!(only(calls::verify(key, None, form, &[(&digest, by_message)]).unwrap()).is_ok());
                assert!(only(calls::verify(key, None, SignForm::Message, &[(b"message", by_digest)]).unwrap()).is_ok());
                // The digest is not the message.
                let as_message = calls::verify(key, None, SignForm::Message, &[(&digest, by_digest)]).unwrap();
                assert_eq!(as_message, [Err(ItemError::VerificationFailed)], "{algorithm}");
            });
        }
    }

    // R-K4
    fn digest_of_another_size_is_refused(installation) {
        for algorithm in signing() {
            let Some(right) = algorithm.row().digest_size else { continue };
            let id = installation.create(algorithm.row().name, algorithm);
            Client::new(&installation.engine).with(id, |key| {
                for size in [0, 20, 31, 32, 33, 48, 64, 65] {
                    let digest = vec![1; size];
                    let signed = only(calls::sign(key, SignForm::Digest, &[&digest]).unwrap());
                    let verified = only(calls::verify(key, None, SignForm::Digest, &[(&digest, b"signature")]).unwrap());
                    if size == right {
                        assert_eq!((signed.err(), verified), (None, Err(ItemError::VerificationFailed)));
                    } else {
                        let wrong = ItemError::DigestSizeWrong;
                        assert_eq!((signed, verified), (Err(wrong), Err(wrong)), "{algorithm}, {size} bytes");
                    }
                }
            });
        }
    }

    // R-K4
    fn algorithms_without_digests_take_whole_messages_only(installation) {
        let mut refused = Vec::new();
        for algorithm in signing().filter(|algorithm| algorithm.row().digest_size.is_none()) {
            let id = installation.create(algorithm.row().name, algorithm);
            Client::new(&installation.engine).with(id, |key| {
                for digest in [[1; 32].as_slice(), &[1; 64]] {
                    let signed = calls::sign(key, SignForm::Digest, &[digest]);
                    assert!(matches!(signed, Err(Error::OperationNotAllowed { operation: Operation::Sign, .. })));
                    let verified = calls::verify(key, None, SignForm::Digest, &[(digest, b"")]);
                    assert!(matches!(verified, Err(Error::OperationNotAllowed { operation: Operation::Verify, .. })));
                }
            });
            refused.push(algorithm);
        }
        assert_eq!(refused, [Algorithm::Ed25519, Algorithm::MlDsa44, Algorithm::MlDsa65, Algorithm::MlDsa87]);
    }

    // R-K4
    fn signature_of_one_key_does_not_verify_under_another(installation) {
        for algorithm in signing() {
            let [one, other] = ["a", "b"].map(|text| installation.create(&format!("{algorithm}-{text}"), algorithm));
            Client::new(&installation.engine).with_both(one, other, |one, other| {
                let signed = only(calls::sign(one, SignForm::Message, &[b"message"]).unwrap()).unwrap();
                let item = (&b"message"[..], calls::split_version(&signed).1);
                assert!(only(calls::verify(one, None, SignForm::Message, &[item]).unwrap()).is_ok());
                let verified = only(calls::verify(other, None, SignForm::Message, &[item]).unwrap());
                assert_eq!(verified, Err(ItemError::VerificationFailed), "{algorithm}");
            });
        }
    }

    // R-K5
    fn macs_verify_and_nothing_else_does(installation) {
        let too_long = vec![b'm'; MESSAGE_SIZE_MAX + 1];
        for algorithm in macs() {
            let [id, other] = ["a", "b"].map(|text| installation.create(&format!("{algorithm}-{text}"), algorithm));
            Client::new(&installation.engine).with_both(id, other, |key, other| {
                let made = calls::make_mac(key, &[b"message", &too_long, b""]).unwrap();
                assert_eq!(made[1], Err(ItemError::MessageTooLarge));
                let mac = calls::split_version(made[0].as_ref().unwrap()).1;
                assert_eq!(mac.len(), algorithm.row().output_size.max(0), "{algorithm}");
                let cut = &mac[..mac.len() - 1];
                let longer = [mac, &[0]].concat();
                let mut items =
                    vec![(&b"message"[..], mac), (b"messagf", mac), (b"message", cut), (b"message", &longer), (b"message", b"")];
                let altered: Vec<_> = (0..mac.len() * 8).map(|bit| {
                    let mut altered = mac.to_vec();
                    altered[bit / 8] ^= 1 << (bit % 8);
                    altered
                }).collect();
                items.extend(altered.iter().map(|mac| (&b"message"[..], &mac[..])));
                let verified = calls::verify_mac(key, None, &items).unwrap();
                assert_eq!(verified[0], Ok(1_u32.to_be_bytes().to_vec()));
                assert!(verified[1..].iter().all(|item| *item == Err(ItemError::VerificationFailed)));
                let by_other = only(calls::verify_mac(other, None, &[(b"message", mac)]).unwrap());
                assert_eq!(by_other, Err(ItemError::VerificationFailed));
                let long = only(calls::verify_mac(key, None, &[(&too_long, mac)]).unwrap());
                assert_eq!(long, Err(ItemError::MessageTooLarge));
            });
        }
    }
}
