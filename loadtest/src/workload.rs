//! The one request that is sent again and again, made before anything is measured.

use std::sync::Arc;

use anyhow::{Context, anyhow, bail, ensure};
use aws_lc_rs::rsa::PublicEncryptingKey;
use claviger_algorithm::OutputSize;
use claviger_protocol::limits::{FRAME_SIZE_MAX, HEADER_SIZE, RESULT_PREFIX_SIZE};
use claviger_protocol::message::{
    AsymmetricDecrypt, AsymmetricDecryptItem, DataKeyForm, Decrypt, DecryptItem, Decrypted, Encrypt, EncryptItem,
    GenerateDataKey, GenerateDataKeyItem, MakeMac, MakeMacItem, Message, MessageForm, Ping, RandomBytes,
    RandomBytesItem, ReadPublicKey, ReadSecret, Reencrypt, ReencryptItem, Resolved, Sign, SignItem, UnwrapDataKey,
    UnwrapDataKeyItem, Verify, VerifyItem, VerifyMac, VerifyMacItem, Versioned, WrapDataKey, WrapDataKeyItem,
};
use claviger_protocol::{KeyId, OutputBuffer, Reply, RequestHeader};

use crate::conversation::{Conversation, UNEXPECTED, all_done};
use crate::library;
use crate::limits::BURST_FRAMES;
use crate::task::{Operation, Task};

/// A task as bytes.
#[derive(Clone)]
pub(crate) struct Workload {
    pub(crate) task: Task,
    /// The key that is used, and its store.
    pub(crate) key: Resolved,
    /// Plaintext, message or data key of each item; the payload of a ping; the value of a secret; a public key.
    pub(crate) inputs: Vec<Vec<u8>>,
    /// Where the answer names a version that is known before: which one, of each item.
    pub(crate) versions: Vec<u32>,
    /// Whole requests, with request id 0, that are sent in turn; all as long as the first. One of them, unless no two in a row may be the same.
    pub(crate) frames: Vec<Vec<u8>>,
    /// Keys of which each frame uses one, chosen anew, all as often; none: the key that the frame names.
    pub(crate) key_ids: Arc<[KeyId]>,
    /// Bytes of the reply's body if every item is done; `None` if they do not tell that.
    pub(crate) reply_size: Option<usize>,
    /// Whether replies have the bodies of their requests, as those of an echo.
    pub(crate) is_echoed: bool,
}

impl Workload {
    /// Makes the request. What is to be decrypted, unwrapped or verified, the daemon first encrypts, wraps or signs.
    ///
    /// # Errors
    /// If request or reply do not fit a frame, or the daemon refuses.
    pub(crate) async fn prepare(task: Task, key: Resolved, daemon: &mut Conversation) -> anyhow::Result<Self> {
        let reply_size = reply_size(&task);
        if let Some(size) = reply_size {
            ensure!(HEADER_SIZE + size <= FRAME_SIZE_MAX, too_large(&task));
        }
        let inputs = (0..task.batch).map(|index| input(index, task.size)).collect();
        let mut workload = Self {
            task,
            key,
            inputs,
            versions: Vec::new(),
            frames: Vec::new(),
            key_ids: Arc::default(),
            reply_size,
            is_echoed: false,
        };
        let count = if task.operation == Operation::DecryptBursts { BURST_FRAMES } else { 1 };
        for _ in 0..count {
            let frame = workload.request(daemon).await?;
            workload.frames.push(frame);
        }
        Ok(workload)
    }

    /// The same requests for an echo.
    pub(crate) fn echoed(self) -> Self {
        let reply_size = Some(self.frame_size().saturating_sub(HEADER_SIZE));
        Self { reply_size, is_echoed: true, ..self }
    }

    /// Bytes of a request.
    pub(crate) fn frame_size(&self) -> usize {
        self.frames.first().map_or(0, Vec::len)
    }

    async fn request(&mut self, daemon: &mut Conversation) -> anyhow::Result<Vec<u8>> {
        let (task, key_id) = (self.task, self.key.key_id);
        match task.operation {
            Operation::Encrypt => encode(&task, encrypt(&self.key, &self.inputs)),
            Operation::Decrypt | Operation::Reencrypt => {
                let reply = daemon.ask(encrypt(&self.key, &self.inputs)).await.with_context(|| too_large(&task))?;
                let Reply::Bytes(results) = reply.decode()? else { bail!(UNEXPECTED) };
                let ciphertexts = all_done(results)?.into_iter();
                if task.operation == Operation::Decrypt {
                    let items = ciphertexts.map(|ciphertext| DecryptItem { context: CONTEXT, ciphertext });
                    return encode(&task, Decrypt { key_id, items });
                }
                let (source_context, target_context) = (CONTEXT, CONTEXT);
                let items = ciphertexts.map(|ciphertext| ReencryptItem { source_context, target_context, ciphertext });
                encode(&task, Reencrypt { source_key_id: key_id, target_key_id: key_id, items })
            }
            Operation::DecryptBursts => {
                let mut ciphertexts = Vec::with_capacity(task.batch);
                // What is asked for alone is encrypted in a burst of its own.
                for plaintext in &self.inputs {
                    let items = [EncryptItem { context: CONTEXT, plaintext }];
                    let reply = daemon.ask(Encrypt { key_id, items }).await?;
                    let Reply::Bytes(results) = reply.decode()? else { bail!(UNEXPECTED) };
                    ciphertexts.extend(all_done(results)?.into_iter().map(<[u8]>::to_vec));
                }
                let items = ciphertexts.iter().map(|ciphertext| DecryptItem { context: CONTEXT, ciphertext });
                encode(&task, Decrypt { key_id, items })
            }
            Operation::GenerateDataKey => {
                let (form, data_key_size) = (DataKeyForm::PlainAndWrapped, u16::try_from(task.size)?);
                let items = std::iter::repeat_n(GenerateDataKeyItem { context: CONTEXT }, task.batch);
                encode(&task, GenerateDataKey { key_id, form, data_key_size, items })
            }
            Operation::WrapDataKey => encode(&task, wrap(&self.key, &self.inputs)),
            Operation::UnwrapDataKey => {
                let reply = daemon.ask(wrap(&self.key, &self.inputs)).await.with_context(|| too_large(&task))?;
                let Reply::Bytes(results) = reply.decode()? else { bail!(UNEXPECTED) };
                let items = all_done(results)?.into_iter();
                let items = items.map(|wrapped| UnwrapDataKeyItem { context: CONTEXT, wrapped });
                encode(&task, UnwrapDataKey { key_id, items })
            }
            Operation::Sign => encode(&task, sign(&self.key, &self.inputs)),
            Operation::Verify => {
                let reply = daemon.ask(sign(&self.key, &self.inputs)).await.with_context(|| too_large(&task))?;
                let Reply::Versioned(results) = reply.decode()? else { bail!(UNEXPECTED) };
                let signatures = all_done(results)?;
                self.versions = signatures.iter().map(|signature| signature.key_version).collect();
                let items = self.inputs.iter().zip(&signatures);
                let items = items.map(|(message, signature)| VerifyItem { message, signature: signature.value });
                encode(&task, Verify { key_id, key_version: 0, form: MessageForm::Message, items })
            }
            Operation::AsymmetricDecrypt => {
                let reply = daemon.ask(ReadPublicKey { key_id, key_version: 0 }).await?;
                let Reply::ReadPublicKey(public_key) = reply.decode()? else { bail!(UNEXPECTED) };
                self.versions = vec![public_key.key_version; task.batch];
                let ciphertexts = self.inputs.iter().map(|plaintext| encrypt_to(public_key.public_key, plaintext));
                let ciphertexts = ciphertexts.collect::<anyhow::Result<Vec<_>>>()?;
                let items = ciphertexts.iter().map(|ciphertext| AsymmetricDecryptItem { context: CONTEXT, ciphertext });
                encode(&task, AsymmetricDecrypt { key_id, key_version: 0, items })
            }
            Operation::Mac => encode(&task, make_mac(&self.key, &self.inputs)),
            Operation::VerifyMac => {
                let reply = daemon.ask(make_mac(&self.key, &self.inputs)).await.with_context(|| too_large(&task))?;
                let Reply::Versioned(results) = reply.decode()? else { bail!(UNEXPECTED) };
                let macs = all_done(results)?;
                self.versions = macs.iter().map(|mac| mac.key_version).collect();
                let items = self.inputs.iter().zip(&macs);
                let items = items.map(|(message, mac)| VerifyMacItem { message, mac: mac.value });
                encode(&task, VerifyMac { key_id, key_version: 0, items })
            }
            Operation::ReadSecret => {
                let message = ReadSecret { key_id, key_version: 0 };
                let reply = daemon.ask(message).await?;
                let Reply::ReadSecret(secret) = reply.decode()? else { bail!(UNEXPECTED) };
                let size = secret.value.len();
                ensure!(size == task.size, "the secret has {size} bytes: say so with --size {size}");
                (self.inputs, self.versions) = (vec![secret.value.to_vec()], vec![secret.key_version]);
                encode(&task, message)
            }
            Operation::ReadPublicKey => {
                let message = ReadPublicKey { key_id, key_version: 0 };
                let reply = daemon.ask(message).await?;
                let Reply::ReadPublicKey(key) = reply.decode()? else { bail!(UNEXPECTED) };
                (self.inputs, self.versions) = (vec![key.public_key.to_vec()], vec![key.key_version]);
                encode(&task, message)
            }
            Operation::Random => {
                let size = u32::try_from(task.size)?;
                let items = std::iter::repeat_n(RandomBytesItem { size }, task.batch);
                encode(&task, RandomBytes { store_id: self.key.store_id, items })
            }
            Operation::Ping => encode(&task, Ping { payload: self.inputs.first().map_or(&[], Vec::as_slice) }),
        }
    }
}

/// The request that encrypts `inputs`.
fn encrypt<'a>(key: &Resolved, inputs: &'a [Vec<u8>]) -> Encrypt<impl Iterator<Item = EncryptItem<'a>> + use<'a>> {
    let items = inputs.iter().map(|plaintext| EncryptItem { context: CONTEXT, plaintext });
    Encrypt { key_id: key.key_id, items }
}

fn wrap<'a>(key: &Resolved, inputs: &'a [Vec<u8>]) -> WrapDataKey<impl Iterator<Item = WrapDataKeyItem<'a>> + use<'a>> {
    let items = inputs.iter().map(|data_key| WrapDataKeyItem { context: CONTEXT, data_key });
    WrapDataKey { key_id: key.key_id, items }
}

fn sign<'a>(key: &Resolved, inputs: &'a [Vec<u8>]) -> Sign<impl Iterator<Item = SignItem<'a>> + use<'a>> {
    let items = inputs.iter().map(|message| SignItem { message });
    Sign { key_id: key.key_id, form: MessageForm::Message, items }
}

fn make_mac<'a>(key: &Resolved, inputs: &'a [Vec<u8>]) -> MakeMac<impl Iterator<Item = MakeMacItem<'a>> + use<'a>> {
    MakeMac { key_id: key.key_id, items: inputs.iter().map(|message| MakeMacItem { message }) }
}

/// What whoever has the public key sends.
fn encrypt_to(public_key: &[u8], plaintext: &[u8]) -> anyhow::Result<Vec<u8>> {
    let key = PublicEncryptingKey::from_der(public_key).map_err(|_| anyhow!("the public key is none of RSA"))?;
    library::encrypt_to(key, CONTEXT, plaintext).map_err(|_| anyhow!("nothing can be encrypted to the public key"))
}

fn encode(task: &Task, message: impl Message) -> anyhow::Result<Vec<u8>> {
    let mut output = OutputBuffer::new();
    output.request(RequestHeader::new(0), message).with_context(|| too_large(task))?;
    Ok(output.as_bytes().to_vec())
}

/// Bytes of a reply's body if every item is done, where a reply of that size says so.
fn reply_size(task: &Task) -> Option<usize> {
    let batch = |result_size| COUNT_SIZE + task.batch * (RESULT_PREFIX_SIZE + result_size);
    let output_size = task.algorithm.row().output_size;
    match task.operation {
        Operation::Encrypt | Operation::Reencrypt | Operation::WrapDataKey => Some(batch(output_size.max(task.size))),
        // An empty result looks like none.
        Operation::Decrypt | Operation::DecryptBursts | Operation::UnwrapDataKey => {
            (task.size > 0).then(|| batch(task.size))
        }
        Operation::GenerateDataKey => Some(batch(SIZE_FIELD_SIZE + output_size.max(task.size) + task.size)),
        Operation::Sign | Operation::Mac => match output_size {
            OutputSize::Fixed(size) => Some(batch(Versioned::PREFIX_SIZE + size)),
            // Their sizes vary.
            OutputSize::AtMost(_) | OutputSize::PlaintextPlus(_) => None,
        },
        Operation::Verify | Operation::VerifyMac => Some(batch(Versioned::PREFIX_SIZE)),
        Operation::AsymmetricDecrypt => Some(batch(Decrypted::PREFIX_SIZE + task.size)),
        Operation::ReadSecret | Operation::ReadPublicKey => None,
        Operation::Random => Some(batch(task.size)),
        Operation::Ping => Some(task.size),
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
    let mut state = (index as u64 + 1).wrapping_mul(SPLIT_MIX_STEP);
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state = state.wrapping_add(SPLIT_MIX_STEP);
        bytes.extend_from_slice(&split_mix(state).to_be_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// What SplitMix64 makes of a state, which is counted up by [`SPLIT_MIX_STEP`].
pub(crate) const fn split_mix(state: u64) -> u64 {
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// From one state of SplitMix64 to the next.
pub(crate) const SPLIT_MIX_STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// The encryption context of every item: as long as a tenant's id.
pub(crate) const CONTEXT: &[u8] = b"load-test-tenant";

/// Bytes of the number of items.
const COUNT_SIZE: usize = 2;

/// Bytes of the size before a wrapped data key.
const SIZE_FIELD_SIZE: usize = 4;

#[cfg(test)]
impl Workload {
    /// One that was not prepared by a daemon.
    pub(crate) fn of_frames(task: Task, frames: Vec<Vec<u8>>) -> Self {
        let ids = (KeyId([1; 16]), claviger_protocol::StoreId([2; 16]));
        Self {
            task,
            key: Resolved { key_id: ids.0, store_id: ids.1, kind: 2, algorithm: 16 },
            inputs: Vec::new(),
            versions: Vec::new(),
            frames,
            key_ids: Arc::default(),
            reply_size: None,
            is_echoed: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_algorithm::Algorithm;

    fn task(operation: Operation, size: usize, batch: usize) -> Task {
        Task { operation, algorithm: operation.algorithm_default(), size, batch }
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
        assert_eq!(reply_size(&task(Operation::GenerateDataKey, 32, 2)), Some(2 + 2 * (5 + 4 + 32 + 94 + 32)));
        assert_eq!(reply_size(&task(Operation::Sign, 64, 16)), Some(2 + 16 * (5 + 4 + 64)));
        let p256 = Task { algorithm: Algorithm::EcdsaP256Sha256, ..task(Operation::Sign, 64, 16) };
        assert_eq!(reply_size(&p256), None, "ECDSA signatures vary in length");
        assert_eq!(
            reply_size(&task(Operation::AsymmetricDecrypt, 0, 16)),
            Some(2 + 16 * (5 + 4)),
            "a version is there"
        );
        assert_eq!(reply_size(&task(Operation::Ping, 64, 1)), Some(64));
    }

    #[test]
    fn a_request_that_fits_no_frame_names_the_options() {
        let task = task(Operation::Encrypt, 32_768, 64);
        let inputs: Vec<_> = (0..task.batch).map(|index| input(index, task.size)).collect();
        let key =
            Resolved { key_id: KeyId([1; 16]), store_id: claviger_protocol::StoreId([2; 16]), kind: 2, algorithm: 16 };
        let error = encode(&task, encrypt(&key, &inputs)).unwrap_err();
        assert!(error.to_string().contains("--batch or --size"), "{error}");
    }
}
