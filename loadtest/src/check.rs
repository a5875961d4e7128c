//! Whether answers are right. A daemon that is fast and wrong has measured nothing.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, bail, ensure};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    VerificationAlgorithm,
};
use claviger_protocol::message::{
    Decrypt, DecryptItem, MessageForm, ReadPublicKey, ResultValue, Results, Verified, Verify, VerifyItem, VerifyMac,
    VerifyMacItem, Versioned,
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
    let mut checker = Checker { workload, daemon, public_keys: HashMap::new(), seen: HashSet::new() };
    let checked = checker.replies(samples).await;
    checked.with_context(|| format!("WRONG ANSWER to {}", workload.task.operation.opcode()))
}

struct Checker<'c> {
    workload: &'c Workload,
    daemon: &'c mut Conversation,
    /// By version; each is read when a signature names it.
    public_keys: HashMap<u32, ParsedPublicKey>,
    /// Nonces or random values that have come.
    seen: HashSet<Vec<u8>>,
}

impl Checker<'_> {
    async fn replies(&mut self, samples: &[Vec<u8>]) -> anyhow::Result<Checked> {
        for body in samples {
            self.reply(body).await?;
        }
        if self.workload.task.operation == Operation::Verify {
            self.refuses_a_wrong_signature().await?;
        }
        Ok(Checked { replies: samples.len(), items: samples.len() * self.workload.task.batch })
    }

    async fn reply(&mut self, body: &[u8]) -> anyhow::Result<()> {
        let operation = self.workload.task.operation;
        match (operation, decode(operation.opcode(), body)?) {
            (Operation::Encrypt, Reply::Bytes(results)) => self.ciphertexts(&self.values(results)?).await,
            (Operation::Decrypt, Reply::Bytes(results)) => self.plaintexts(&self.values(results)?),
            (Operation::Sign, Reply::Versioned(results)) => self.signatures(&self.values(results)?).await,
            (Operation::Verify, Reply::Verified(results)) => self.verified(&self.values(results)?),
            (Operation::Mac, Reply::Versioned(results)) => self.codes(&self.values(results)?).await,
            (Operation::Random, Reply::Bytes(results)) => self.random(&self.values(results)?),
            (Operation::Ping, Reply::Ping(ping)) => self.plaintexts(&[ping.payload]),
            _ => bail!(UNEXPECTED),
        }
    }

    /// One value for each item of a request.
    fn values<'a, R: ResultValue<'a>>(&self, results: Results<'a, R>) -> anyhow::Result<Vec<R>> {
        let values = all_done(results)?;
        ensure!(
            values.len() == self.workload.task.batch,
            "{} results for {} items",
            values.len(),
            self.workload.task.batch
        );
        Ok(values)
    }

    async fn ciphertexts(&mut self, ciphertexts: &[&[u8]]) -> anyhow::Result<()> {
        for (index, ciphertext) in ciphertexts.iter().enumerate() {
            let nonce = ciphertext.get(NONCE).with_context(|| format!("item {index}: a ciphertext without a nonce"))?;
            ensure!(self.seen.insert(nonce.to_vec()), "item {index}: a nonce that came before");
        }
        let items = ciphertexts.iter().map(|ciphertext| DecryptItem { context: CONTEXT, ciphertext });
        let reply = self.daemon.ask(Decrypt { key_id: self.workload.key.key_id, items }).await?;
        let Reply::Bytes(results) = reply.decode()? else { bail!(UNEXPECTED) };
        let plaintexts = self.values(results).context("what was encrypted does not decrypt")?;
        self.plaintexts(&plaintexts)
    }

    fn plaintexts(&self, plaintexts: &[&[u8]]) -> anyhow::Result<()> {
        for (index, (input, plaintext)) in self.workload.inputs.iter().zip(plaintexts).enumerate() {
            ensure!(input == plaintext, "item {index}: other bytes than those that went in");
        }
        Ok(())
    }

    async fn signatures(&mut self, signatures: &[Versioned<'_>]) -> anyhow::Result<()> {
        for (index, (message, signature)) in self.workload.inputs.iter().zip(signatures).enumerate() {
            let public_key = self.public_key(signature.key_version).await?;
            let verified = public_key.verify_sig(message, signature.value);
            ensure!(verified.is_ok(), "item {index}: a signature that its public key does not verify");
        }
        Ok(())
    }

    async fn public_key(&mut self, key_version: u32) -> anyhow::Result<&ParsedPublicKey> {
        if !self.public_keys.contains_key(&key_version) {
            let reply = self.daemon.ask(ReadPublicKey { key_id: self.workload.key.key_id, key_version }).await;
            let reply = reply.with_context(|| format!("the public key of version {key_version}"))?;
            let Reply::ReadPublicKey(key) = reply.decode()? else { bail!(UNEXPECTED) };
            ensure!(key.key_version == key_version, "the public key of another version than {key_version}");
            self.public_keys.insert(key_version, parse(self.workload.task.algorithm, key.public_key)?);
        }
        self.public_keys.get(&key_version).context("no public key")
    }

    fn verified(&self, verified: &[Verified]) -> anyhow::Result<()> {
        let versions = verified.iter().map(|verified| verified.key_version);
        ensure!(
            versions.eq(self.workload.signed_by.iter().copied()),
            "another version of the key than the one that signed"
        );
        Ok(())
    }

    async fn codes(&mut self, codes: &[Versioned<'_>]) -> anyhow::Result<()> {
        let items = self.workload.inputs.iter().zip(codes);
        let items = items.map(|(message, code)| VerifyMacItem { message, mac: code.value });
        let reply = self.daemon.ask(VerifyMac { key_id: self.workload.key.key_id, key_version: 0, items }).await?;
        let Reply::Verified(results) = reply.decode()? else { bail!(UNEXPECTED) };
        let verified = self.values(results).context("a code that was made does not verify")?;
        let same = codes.iter().map(|code| code.key_version).eq(verified.iter().map(|verified| verified.key_version));
        ensure!(same, "another version of the key than the one that made the code");
        Ok(())
    }

    fn random(&mut self, values: &[&[u8]]) -> anyhow::Result<()> {
        for (index, value) in values.iter().enumerate() {
            let (size, asked) = (value.len(), self.workload.task.size);
            ensure!(size == asked, "item {index}: {size} random bytes, and {asked} were asked for");
            // Shorter ones may repeat by chance.
            let repeats = size >= RANDOM_SIZE_UNIQUE && !self.seen.insert(value.to_vec());
            ensure!(!repeats, "item {index}: random bytes that came before");
        }
        Ok(())
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
        _ => bail!("signatures by {algorithm} are not checked"),
    };
    ParsedPublicKey::new(verification, der).ok().with_context(|| format!("the public key is none of {algorithm}"))
}

/// Where the nonce stands in a ciphertext: `SPEC.md` section 9.
const NONCE: std::ops::Range<usize> = 22..46;

/// Bytes from which on equal random values are no chance (2^-128).
const RANDOM_SIZE_UNIQUE: usize = 16;
