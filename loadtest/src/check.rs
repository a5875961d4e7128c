//! Whether answers are right. A daemon that is fast and wrong has measured nothing.

use std::collections::HashSet;

use anyhow::{Context, bail, ensure};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    VerificationAlgorithm,
};
use claviger_protocol::message::{
    Decrypt, DecryptItem, MessageForm, ReadPublicKey, Verify, VerifyItem, VerifyMac, VerifyMacItem, Versioned,
};
use claviger_protocol::{Algorithm, Reply, Status};
use serde::Serialize;

use crate::conversation::{Conversation, UNEXPECTED, all_done, decode};
use crate::task::Operation;
use crate::workload::{CONTEXT, Workload};

/// What was looked at; all of it was right.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Checked {
    pub(crate) replies: usize,
    pub(crate) items: usize,
}

/// Checks bodies of replies item by item: what was encrypted is decrypted again, signatures are verified by the public key, codes by
/// the daemon, and random bytes and nonces must all differ.
///
/// # Errors
/// With the first answer that is wrong.
pub(crate) async fn check(
    samples: &[Vec<u8>],
    workload: &Workload,
    daemon: &mut Conversation,
) -> anyhow::Result<Checked> {
    let mut checker = Checker::new(workload, daemon).await?;
    let mut checked = Checked::default();
    for body in samples {
        checked.items += checker.reply(body).await.context("WRONG ANSWER")?;
        checked.replies += 1;
    }
    if workload.task.operation == Operation::Verify {
        checker.refuses_a_wrong_signature().await.context("WRONG ANSWER")?;
    }
    Ok(checked)
}

struct Checker<'c> {
    workload: &'c Workload,
    daemon: &'c mut Conversation,
    public_key: Option<ParsedPublicKey>,
    /// Nonces or random values that have come.
    seen: HashSet<Vec<u8>>,
}

impl<'c> Checker<'c> {
    async fn new(workload: &'c Workload, daemon: &'c mut Conversation) -> anyhow::Result<Self> {
        let key_id = workload.key.key_id;
        let public_key = match workload.task.operation {
            Operation::Sign => {
                let reply = daemon.ask(ReadPublicKey { key_id, key_version: 0 }).await?;
                let Reply::ReadPublicKey(key) = reply.decode()? else { bail!(UNEXPECTED) };
                Some(parse(workload.task.algorithm, key.public_key)?)
            }
            _ => None,
        };
        Ok(Self { workload, daemon, public_key, seen: HashSet::new() })
    }

    /// Checks one reply; how many items it has.
    async fn reply(&mut self, body: &[u8]) -> anyhow::Result<usize> {
        let task = &self.workload.task;
        let reply = decode(task.operation.opcode(), body)?;
        let count = match (task.operation, reply) {
            (Operation::Encrypt, Reply::Bytes(results)) => self.ciphertexts(&all_done(results)?).await?,
            (Operation::Decrypt, Reply::Bytes(results)) => self.plaintexts(&all_done(results)?)?,
            (Operation::Sign, Reply::Versioned(results)) => self.signatures(&all_done(results)?)?,
            (Operation::Verify, Reply::Verified(results)) => {
                let versions = all_done(results)?;
                ensure!(
                    versions.iter().all(|verified| verified.key_version == 1),
                    "a version of the key that there is not"
                );
                versions.len()
            }
            (Operation::Mac, Reply::Versioned(results)) => self.codes(&all_done(results)?).await?,
            (Operation::Random, Reply::Bytes(results)) => self.random(&all_done(results)?)?,
            (Operation::Ping, Reply::Ping(ping)) => self.plaintexts(&[ping.payload])?,
            _ => bail!(UNEXPECTED),
        };
        ensure!(count == task.batch, "{count} results for {} items", task.batch);
        Ok(count)
    }

    async fn ciphertexts(&mut self, ciphertexts: &[&[u8]]) -> anyhow::Result<usize> {
        for ciphertext in ciphertexts {
            let nonce = ciphertext.get(NONCE).context("a ciphertext without a nonce")?;
            ensure!(self.seen.insert(nonce.to_vec()), "a nonce came twice");
        }
        let items = ciphertexts.iter().map(|ciphertext| DecryptItem { context: CONTEXT, ciphertext });
        let reply = self.daemon.ask(Decrypt { key_id: self.workload.key.key_id, items }).await?;
        let Reply::Bytes(results) = reply.decode()? else { bail!(UNEXPECTED) };
        self.plaintexts(&all_done(results)?)
    }

    fn plaintexts(&self, plaintexts: &[&[u8]]) -> anyhow::Result<usize> {
        ensure!(self.workload.inputs.iter().eq(plaintexts), "other bytes than those that went in");
        Ok(plaintexts.len())
    }

    fn signatures(&self, signatures: &[Versioned<'_>]) -> anyhow::Result<usize> {
        let public_key = self.public_key.as_ref().context("no public key")?;
        for (message, signature) in self.workload.inputs.iter().zip(signatures) {
            let verified = public_key.verify_sig(message, signature.value);
            ensure!(verified.is_ok(), "a signature that its public key does not verify");
        }
        Ok(signatures.len())
    }

    async fn codes(&mut self, codes: &[Versioned<'_>]) -> anyhow::Result<usize> {
        let items = self.workload.inputs.iter().zip(codes);
        let items = items.map(|(message, code)| VerifyMacItem { message, mac: code.value });
        let reply = self.daemon.ask(VerifyMac { key_id: self.workload.key.key_id, key_version: 0, items }).await?;
        let Reply::Verified(results) = reply.decode()? else { bail!(UNEXPECTED) };
        Ok(all_done(results)?.len())
    }

    fn random(&mut self, values: &[&[u8]]) -> anyhow::Result<usize> {
        for value in values {
            ensure!(value.len() == self.workload.task.size, "{} random bytes, and not those asked for", value.len());
            // Shorter ones may repeat by chance.
            let repeats = value.len() >= RANDOM_SIZE_UNIQUE && !self.seen.insert(value.to_vec());
            ensure!(!repeats, "random bytes that came before");
        }
        Ok(values.len())
    }

    async fn refuses_a_wrong_signature(&mut self) -> anyhow::Result<()> {
        let items = [VerifyItem { message: b"not this message", signature: &[0; 64] }];
        let (key_id, form) = (self.workload.key.key_id, MessageForm::Message);
        let reply = self.daemon.ask(Verify { key_id, key_version: 0, form, items }).await?;
        let Reply::Verified(mut results) = reply.decode()? else { bail!(UNEXPECTED) };
        let refused = matches!(results.next(), Some(Err(Status::VerificationFailed)));
        ensure!(refused, "a signature was verified that is none");
        Ok(())
    }
}

/// The public key in `der` (`SubjectPublicKeyInfo`).
fn parse(algorithm: Algorithm, der: &[u8]) -> anyhow::Result<ParsedPublicKey> {
    let verification: &'static dyn VerificationAlgorithm = match algorithm {
        Algorithm::Ed25519 => &ED25519,
        Algorithm::EcdsaP256Sha256 => &ECDSA_P256_SHA256_ASN1,
        Algorithm::Rsa2048Pkcs1Sha256 | Algorithm::Rsa3072Pkcs1Sha256 | Algorithm::Rsa4096Pkcs1Sha256 => {
            &RSA_PKCS1_2048_8192_SHA256
        }
        Algorithm::Rsa2048PssSha256 | Algorithm::Rsa3072PssSha256 | Algorithm::Rsa4096PssSha256 => {
            &RSA_PSS_2048_8192_SHA256
        }
        Algorithm::Opaque | Algorithm::Xaes256Gcm | Algorithm::HmacSha256 => bail!("{algorithm} signs nothing"),
    };
    ParsedPublicKey::new(verification, der).ok().with_context(|| format!("the public key is none of {algorithm}"))
}

/// Where the nonce stands in a ciphertext: `SPEC.md` section 9.
const NONCE: std::ops::Range<usize> = 22..46;

/// Bytes from which on equal random values are no chance (2^-128).
const RANDOM_SIZE_UNIQUE: usize = 16;
