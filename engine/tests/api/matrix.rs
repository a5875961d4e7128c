//! Every algorithm with every operation: it works or it is not allowed, by the table of algorithms.

use claviger_algorithm::{Algorithm, Operation};
use claviger_engine::operation::SignForm;
use claviger_engine::{Error, KeyEntry};

use crate::support::installation::VALUE;
use crate::support::{Client, Installation, calls, oaep, only};

// R-K1, R-K3, R-K4, R-K5
#[test]
fn every_algorithm_does_its_operations_and_no_other() {
    let installation = Installation::in_memory();
    let mut client = Client::new(&installation.engine);
    for algorithm in Algorithm::ALL.iter().copied() {
        let id = installation.create(algorithm.row().name, algorithm);
        client.with(id, |key| {
            for operation in Operation::ALL {
                let allowed = algorithm.row().operations.contains(operation);
                match attempt(key, operation) {
                    Ok(()) => assert!(allowed, "{algorithm} does {operation}"),
                    Err(Error::OperationNotAllowed { algorithm: of, operation: what }) => {
                        assert!(!allowed, "{algorithm} does not {operation}");
                        assert_eq!((of, what), (algorithm, operation));
                    }
                    Err(other) => panic!("{algorithm}, {operation}: {other}"),
                }
            }
        });
    }
}

/// Does `operation`, and where there is one its counterpart, and checks what comes out.
fn attempt(key: &KeyEntry, operation: Operation) -> Result<(), Error> {
    match operation {
        Operation::Encrypt => only(calls::encrypt(key, &[(b"", b"plaintext")])?).map(drop).unwrap(),
        Operation::Decrypt => {
            let sealed = calls::encrypt(key, &[(b"", b"plaintext")]).map_or_else(|_| b"x".to_vec(), one);
            assert_eq!(only(calls::decrypt(key, &[(b"", &sealed)])?).unwrap(), b"plaintext");
        }
        Operation::WrapDataKey => only(calls::wrap(key, &[(b"", b"data key")])?).map(drop).unwrap(),
        Operation::UnwrapDataKey => {
            let wrapped = calls::wrap(key, &[(b"", b"data key")]).map_or_else(|_| b"x".to_vec(), one);
            assert_eq!(only(calls::unwrap(key, &[(b"", &wrapped)])?).unwrap(), b"data key");
        }
        Operation::Sign => only(calls::sign(key, SignForm::Message, &[b"message"])?).map(drop).unwrap(),
        Operation::Verify => {
            let signed = calls::sign(key, SignForm::Message, &[b"message"]).map_or_else(|_| vec![0; 5], one);
            let item = (&b"message"[..], calls::split_version(&signed).1);
            assert_eq!(only(calls::verify(key, None, SignForm::Message, &[item])?).unwrap(), [0, 0, 0, 1]);
        }
        Operation::AsymmetricDecrypt => {
            let ciphertext = if key.algorithm().row().does(operation) {
                oaep::encrypt(&key.public_key(None)?.der, b"label", b"plaintext")
            } else {
                b"x".to_vec()
            };
            let decrypted = only(calls::asymmetric_decrypt(key, None, &[(b"label", &ciphertext)])?).unwrap();
            assert_eq!(calls::split_version(&decrypted), (1, &b"plaintext"[..]));
        }
        Operation::MakeMac => only(calls::make_mac(key, &[b"message"])?).map(drop).unwrap(),
        Operation::VerifyMac => {
            let made = calls::make_mac(key, &[b"message"]).map_or_else(|_| vec![0; 5], one);
            let item = (&b"message"[..], calls::split_version(&made).1);
            assert_eq!(only(calls::verify_mac(key, None, &[item])?).unwrap(), [0, 0, 0, 1]);
        }
        Operation::ReadSecret => assert_eq!(key.secret(&mut calls::uncounted(), None)?.value, VALUE),
        Operation::ReadPublicKey => assert!(!key.public_key(None)?.der.is_empty()),
    }
    Ok(())
}

fn one(items: calls::Items) -> Vec<u8> {
    only(items).unwrap()
}
