//! The one request that is sent again and again, made before anything is measured.

use anyhow::{Context, bail, ensure};
use claviger_protocol::limits::{CIPHERTEXT_OVERHEAD, FRAME_SIZE_MAX, HEADER_SIZE, RESULT_PREFIX_SIZE};
use claviger_protocol::message::{
    Decrypt, DecryptItem, Encrypt, EncryptItem, MakeMac, MakeMacItem, Message, MessageForm, Ping, RandomBytes,
    RandomBytesItem, Resolved, Sign, SignItem, Verify, VerifyItem, Versioned,
};
use claviger_protocol::{Algorithm, OutputBuffer, Reply, RequestHeader};

use crate::conversation::{Conversation, UNEXPECTED, all_done};
use crate::task::{Operation, Task};

/// A task as bytes.
pub(crate) struct Workload {
    pub(crate) task: Task,
    /// The key that is used, and its store.
    pub(crate) key: Resolved,
    /// Plaintext or message of each item; the payload of a ping.
    pub(crate) inputs: Vec<Vec<u8>>,
    /// To verify: which version of the key made each signature.
    pub(crate) signed_by: Vec<u32>,
    /// The whole request, with request id 0.
    pub(crate) frame: Vec<u8>,
    /// Bytes of the reply's body if every item is done; `None` if they do not tell that.
    pub(crate) reply_size: Option<usize>,
}

impl Workload {
    /// Makes the request. For decryption and verification, the daemon first encrypts and signs what they need.
    ///
    /// # Errors
    /// If request or reply do not fit a frame, or the daemon refuses.
    pub(crate) async fn prepare(task: Task, key: Resolved, daemon: &mut Conversation) -> anyhow::Result<Self> {
        let inputs: Vec<_> = (0..task.batch).map(|index| input(index, task.size)).collect();
        let reply_size = reply_size(&task);
        if let Some(size) = reply_size {
            ensure!(HEADER_SIZE + size <= FRAME_SIZE_MAX, too_large(&task));
        }
        let key_id = key.key_id;
        let mut signed_by = Vec::new();
        let frame = match task.operation {
            Operation::Encrypt => encode(&task, encrypt(&key, &inputs)),
            Operation::Decrypt => {
                let reply = daemon.ask(encrypt(&key, &inputs)).await.with_context(|| too_large(&task))?;
                let Reply::Bytes(results) = reply.decode()? else { bail!(UNEXPECTED) };
                let ciphertexts = all_done(results)?;
                let items = ciphertexts.iter().map(|&ciphertext| DecryptItem { context: CONTEXT, ciphertext });
                encode(&task, Decrypt { key_id, items })
            }
            Operation::Sign => encode(&task, sign(&key, &inputs)),
            Operation::Verify => {
                let reply = daemon.ask(sign(&key, &inputs)).await.with_context(|| too_large(&task))?;
                let Reply::Versioned(results) = reply.decode()? else { bail!(UNEXPECTED) };
                let signatures = all_done(results)?;
                signed_by.extend(signatures.iter().map(|signature| signature.key_version));
                let items = inputs.iter().zip(&signatures);
                let items = items.map(|(message, signature)| VerifyItem { message, signature: signature.value });
                encode(&task, Verify { key_id, key_version: 0, form: MessageForm::Message, items })
            }
            Operation::Mac => {
                encode(&task, MakeMac { key_id, items: inputs.iter().map(|message| MakeMacItem { message }) })
            }
            Operation::Random => {
                let size = u32::try_from(task.size)?;
                let items = std::iter::repeat_n(RandomBytesItem { size }, task.batch);
                encode(&task, RandomBytes { store_id: key.store_id, items })
            }
            Operation::Ping => encode(&task, Ping { payload: inputs.first().map_or(&[], Vec::as_slice) }),
        }?;
        Ok(Self { task, key, inputs, signed_by, frame, reply_size })
    }
}

/// The request that encrypts `inputs`.
pub(crate) fn encrypt<'a>(
    key: &Resolved,
    inputs: &'a [Vec<u8>],
) -> Encrypt<impl Iterator<Item = EncryptItem<'a>> + use<'a>> {
    let items = inputs.iter().map(|plaintext| EncryptItem { context: CONTEXT, plaintext });
    Encrypt { key_id: key.key_id, items }
}

fn sign<'a>(key: &Resolved, inputs: &'a [Vec<u8>]) -> Sign<impl Iterator<Item = SignItem<'a>> + use<'a>> {
    let items = inputs.iter().map(|message| SignItem { message });
    Sign { key_id: key.key_id, form: MessageForm::Message, items }
}

fn encode(task: &Task, message: impl Message) -> anyhow::Result<Vec<u8>> {
    let mut output = OutputBuffer::new();
    output.request(RequestHeader::new(0), message).with_context(|| too_large(task))?;
    Ok(output.as_bytes().to_vec())
}

/// Bytes of a reply's body if every item is done, where a reply of that size says so.
fn reply_size(task: &Task) -> Option<usize> {
    let batch = |result_size| COUNT_SIZE + task.batch * (RESULT_PREFIX_SIZE + result_size);
    match task.operation {
        Operation::Encrypt => Some(batch(task.size + CIPHERTEXT_OVERHEAD)),
        // An empty result looks like none.
        Operation::Decrypt => (task.size > 0).then(|| batch(task.size)),
        Operation::Sign => signature_size(task.algorithm).map(|size| batch(Versioned::PREFIX_SIZE + size)),
        Operation::Verify => Some(batch(Versioned::PREFIX_SIZE)),
        Operation::Mac => Some(batch(Versioned::PREFIX_SIZE + MAC_SIZE)),
        Operation::Random => Some(batch(task.size)),
        Operation::Ping => Some(task.size),
    }
}

/// Bytes of a signature; `None` where they vary.
const fn signature_size(algorithm: Algorithm) -> Option<usize> {
    match algorithm {
        Algorithm::Ed25519 => Some(64),
        Algorithm::Rsa2048Pkcs1Sha256 | Algorithm::Rsa2048PssSha256 => Some(256),
        Algorithm::Rsa3072Pkcs1Sha256 | Algorithm::Rsa3072PssSha256 => Some(384),
        Algorithm::Rsa4096Pkcs1Sha256 | Algorithm::Rsa4096PssSha256 => Some(512),
        _ => None,
    }
}

fn too_large(task: &Task) -> String {
    format!(
        "{} items of {} bytes do not fit a frame of {FRAME_SIZE_MAX} bytes in both directions: choose a smaller --batch or --size",
        task.batch, task.size
    )
}

/// Bytes that are the same in every run, and different for each item.
pub(crate) fn input(index: usize, size: usize) -> Vec<u8> {
    // SplitMix64 (Steele, Lea, Flood 2014): not random, but nothing that compresses or repeats.
    let mut state = (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bytes.extend_from_slice(&(mixed ^ (mixed >> 31)).to_be_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// The encryption context of every item: as long as a tenant's id.
pub(crate) const CONTEXT: &[u8] = b"load-test-tenant";

/// Bytes of the number of items.
const COUNT_SIZE: usize = 2;

/// Bytes of an HMAC-SHA-256.
const MAC_SIZE: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::SignatureAlgorithm;

    fn task(operation: Operation, size: usize, batch: usize) -> Task {
        Task { operation, algorithm: operation.algorithm(SignatureAlgorithm::P256), size, batch }
    }

    #[test]
    fn inputs_have_their_size_and_differ() {
        for size in [0, 1, 7, 8, 9, 1_000] {
            assert_eq!(input(0, size).len(), size);
        }
        assert_ne!(input(0, 64), input(1, 64));
        assert_eq!(input(3, 64), input(3, 64));
    }

    #[test]
    fn the_size_of_a_reply_is_known_only_where_it_tells_failures_apart() {
        assert_eq!(reply_size(&task(Operation::Encrypt, 1_024, 16)), Some(2 + 16 * (5 + 1_024 + 94)));
        assert_eq!(reply_size(&task(Operation::Decrypt, 0, 16)), None, "a failed item is as short as an empty one");
        assert_eq!(reply_size(&task(Operation::Sign, 64, 16)), None, "ECDSA signatures vary in length");
        assert_eq!(reply_size(&task(Operation::Ping, 64, 1)), Some(64));
    }

    #[test]
    fn a_request_that_fits_no_frame_names_the_options() {
        let task = task(Operation::Encrypt, 32_768, 64);
        let inputs: Vec<_> = (0..task.batch).map(|index| input(index, task.size)).collect();
        let key = Resolved {
            key_id: claviger_protocol::KeyId([1; 16]),
            store_id: claviger_protocol::StoreId([2; 16]),
            kind: 2,
            algorithm: 16,
        };
        let error = encode(&task, encrypt(&key, &inputs)).unwrap_err();
        assert!(error.to_string().contains("--batch or --size"), "{error}");
    }
}
