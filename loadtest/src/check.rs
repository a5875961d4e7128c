//! Whether answers are right. A daemon that is fast and wrong has measured nothing.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, bail, ensure};
use aws_lc_rs::signature::ParsedPublicKey;
use claviger_algorithm::Algorithm;
use claviger_protocol::limits::HEADER_SIZE;
use claviger_protocol::message::{
    AsymmetricDecrypt, AsymmetricDecryptItem, Decrypt, DecryptItem, Decrypted, GeneratedDataKey, MessageForm,
    ReadPublicKey, ResultValue, Results, UnwrapDataKey, UnwrapDataKeyItem, Verified, Verify, VerifyItem, VerifyMac,
    VerifyMacItem, Versioned,
};
use claviger_protocol::{KeyId, Reply, Status};
use serde::Serialize;

use crate::conversation::{Conversation, UNEXPECTED, all_done, decode};
use crate::library;
use crate::task::Operation;
use crate::workload::{CONTEXT, Workload};

/// What was looked at; all of it was right.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Checked {
    pub(crate) replies: usize,
    pub(crate) items: usize,
}

/// Checks bodies of replies item by item: what was encrypted or wrapped is decrypted again, signatures are verified by the public key,
/// codes by the daemon, what was decrypted or read is compared with what went in, and random bytes and nonces must all differ. Where an
/// answer says no more than yes, something wrong is asked besides.
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

/// Checks bodies of replies of an echo: each is the body of a request that was sent.
///
/// # Errors
/// With the first that is not.
pub(crate) fn check_echoes(samples: &[Vec<u8>], workload: &Workload) -> anyhow::Result<Checked> {
    for body in samples {
        let is_sent = workload.frames.iter().any(|frame| frame.get(HEADER_SIZE..) == Some(body));
        ensure!(is_sent, "WRONG ECHO of {}: other bytes than those that went in", workload.task.operation.opcode());
    }
    Ok(Checked { replies: samples.len(), items: samples.len() * workload.task.batch })
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
        match self.workload.task.operation {
            Operation::Verify => self.refuses_a_wrong_signature().await?,
            Operation::VerifyMac => self.refuses_a_wrong_code().await?,
            Operation::AsymmetricDecrypt => self.refuses_a_wrong_ciphertext().await?,
            _ => {}
        }
        Ok(Checked { replies: samples.len(), items: samples.len() * self.workload.task.batch })
    }

    async fn reply(&mut self, body: &[u8]) -> anyhow::Result<()> {
        let operation = self.workload.task.operation;
        match (operation, decode(operation.opcode(), body)?) {
            (Operation::Encrypt | Operation::Reencrypt, Reply::Bytes(results)) => {
                self.ciphertexts(&self.values(results)?).await
            }
            (Operation::Decrypt | Operation::DecryptBursts | Operation::UnwrapDataKey, Reply::Bytes(results)) => {
                self.plaintexts(&self.values(results)?)
            }
            (Operation::GenerateDataKey, Reply::GenerateDataKey(results)) => {
                self.data_keys(&self.values(results)?).await
            }
            (Operation::WrapDataKey, Reply::Bytes(results)) => {
                let wrapped = self.values(results)?;
                let data_keys = self.workload.inputs.iter().map(Vec::as_slice).collect::<Vec<_>>();
                self.wrapped(&wrapped, &data_keys).await
            }
            (Operation::Sign, Reply::Versioned(results)) => self.signatures(&self.values(results)?).await,
            (Operation::Verify | Operation::VerifyMac, Reply::Verified(results)) => {
                let verified = self.values::<Verified>(results)?;
                self.versions(verified.iter().map(|verified| verified.key_version))
            }
            (Operation::AsymmetricDecrypt, Reply::Decrypted(results)) => {
                let decrypted = self.values::<Decrypted<'_>>(results)?;
                self.versions(decrypted.iter().map(|decrypted| decrypted.key_version))?;
                self.plaintexts(&decrypted.iter().map(|decrypted| decrypted.plaintext).collect::<Vec<_>>())
            }
            (Operation::Mac, Reply::Versioned(results)) => self.codes(&self.values(results)?).await,
            (Operation::ReadSecret, Reply::ReadSecret(secret)) => {
                self.versions(std::iter::once(secret.key_version))?;
                self.plaintexts(&[secret.value])
            }
            (Operation::ReadPublicKey, Reply::ReadPublicKey(key)) => {
                self.versions(std::iter::once(key.key_version))?;
                self.plaintexts(&[key.public_key])
            }
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
        self.nonces(ciphertexts)?;
        let key_id = self.key_id(ciphertexts)?;
        let items = ciphertexts.iter().map(|ciphertext| DecryptItem { context: CONTEXT, ciphertext });
        let reply = self.daemon.ask(Decrypt { key_id, items }).await?;
        let Reply::Bytes(results) = reply.decode()? else { bail!(UNEXPECTED) };
        let plaintexts = self.values(results).context("what was encrypted does not decrypt")?;
        self.plaintexts(&plaintexts)
    }

    /// The key of the reply, which the first ciphertext names: the one that is used, or one of those that are chosen from.
    fn key_id(&self, ciphertexts: &[&[u8]]) -> anyhow::Result<KeyId> {
        let key_ids = &self.workload.key_ids;
        if key_ids.is_empty() {
            return Ok(self.workload.key.key_id);
        }
        let named = ciphertexts.first().and_then(|ciphertext| ciphertext.get(KEY_ID_OFFSET..NONCE_OFFSET));
        let named = named.and_then(|bytes| bytes.try_into().ok()).map(KeyId);
        let named = named.context("a ciphertext that names no key")?;
        ensure!(key_ids.contains(&named), "a ciphertext of a key that was not asked for");
        Ok(named)
    }

    async fn data_keys(&mut self, data_keys: &[GeneratedDataKey<'_>]) -> anyhow::Result<()> {
        let (wrapped, plain): (Vec<_>, Vec<_>) = data_keys.iter().map(|key| (key.wrapped, key.plain)).unzip();
        self.random(&plain)?;
        self.wrapped(&wrapped, &plain).await
    }

    /// What was wrapped is these data keys.
    async fn wrapped(&mut self, wrapped: &[&[u8]], data_keys: &[&[u8]]) -> anyhow::Result<()> {
        self.nonces(wrapped)?;
        let items = wrapped.iter().map(|wrapped| UnwrapDataKeyItem { context: CONTEXT, wrapped });
        let reply = self.daemon.ask(UnwrapDataKey { key_id: self.workload.key.key_id, items }).await?;
        let Reply::Bytes(results) = reply.decode()? else { bail!(UNEXPECTED) };
        let unwrapped = self.values(results).context("what was wrapped is not unwrapped")?;
        same(&unwrapped, data_keys)
    }

    /// Ciphertexts do not share a nonce.
    fn nonces(&mut self, ciphertexts: &[&[u8]]) -> anyhow::Result<()> {
        let end = NONCE_OFFSET + nonce_size(self.workload.task.algorithm);
        for (index, ciphertext) in ciphertexts.iter().enumerate() {
            let nonce = ciphertext.get(NONCE_OFFSET..end);
            let nonce = nonce.with_context(|| format!("item {index}: a ciphertext without a nonce"))?;
            ensure!(self.seen.insert(nonce.to_vec()), "item {index}: a nonce that came before");
        }
        Ok(())
    }

    fn plaintexts(&self, plaintexts: &[&[u8]]) -> anyhow::Result<()> {
        same(plaintexts, &self.workload.inputs)
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

    fn versions(&self, versions: impl Iterator<Item = u32>) -> anyhow::Result<()> {
        ensure!(versions.eq(self.workload.versions.iter().copied()), "another version of the key than before");
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

    async fn refuses_a_wrong_code(&mut self) -> anyhow::Result<()> {
        let items = [VerifyMacItem { message: b"not this message", mac: &[0; 32] }];
        let reply = self.daemon.ask(VerifyMac { key_id: self.workload.key.key_id, key_version: 0, items }).await?;
        let Reply::Verified(mut results) = reply.decode()? else { bail!(UNEXPECTED) };
        let refused = matches!(results.next(), Some(Err(Status::VerificationFailed)));
        ensure!(refused, "a code was verified that is none");
        Ok(())
    }

    async fn refuses_a_wrong_ciphertext(&mut self) -> anyhow::Result<()> {
        // As long as the smallest modulus, and below it as a number.
        let items = [AsymmetricDecryptItem { context: CONTEXT, ciphertext: &[0x55; 256] }];
        let key_id = self.workload.key.key_id;
        let reply = self.daemon.ask(AsymmetricDecrypt { key_id, key_version: 0, items }).await?;
        let Reply::Decrypted(mut results) = reply.decode()? else { bail!(UNEXPECTED) };
        let refused = matches!(results.next(), Some(Err(Status::DecryptionFailed)));
        ensure!(refused, "something was decrypted that is no ciphertext");
        Ok(())
    }
}

/// What came is what was expected, item by item.
fn same(came: &[&[u8]], expected: &[impl AsRef<[u8]>]) -> anyhow::Result<()> {
    ensure!(came.len() == expected.len(), "{} values for {} items", came.len(), expected.len());
    for (index, (came, expected)) in came.iter().zip(expected).enumerate() {
        ensure!(*came == expected.as_ref(), "item {index}: other bytes than those that went in");
    }
    Ok(())
}

/// The public key in `der` (`SubjectPublicKeyInfo`).
fn parse(algorithm: Algorithm, der: &[u8]) -> anyhow::Result<ParsedPublicKey> {
    let verification = library::verification(algorithm).with_context(|| format!("{algorithm} signs nothing"))?;
    ParsedPublicKey::new(verification, der).ok().with_context(|| format!("the public key is none of {algorithm}"))
}

/// Bytes of the nonce in a ciphertext: what is left beside the body and the fields of fixed size.
fn nonce_size(algorithm: Algorithm) -> usize {
    algorithm.row().output_size.max(0).saturating_sub(CIPHERTEXT_FIXED_SIZE)
}

// A ciphertext (`SPEC.md` section 9): format, algorithm, version and key id; the nonce; commitment, body and tag.
const KEY_ID_OFFSET: usize = 6;
const NONCE_OFFSET: usize = 22;
const CIPHERTEXT_FIXED_SIZE: usize = NONCE_OFFSET + 32 + 16;

/// Bytes from which on equal random values are no chance (2^-128).
const RANDOM_SIZE_UNIQUE: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Task;

    // R-O5
    #[test]
    fn an_echo_is_the_body_of_a_request_and_nothing_else() {
        let operation = Operation::Encrypt;
        let task = Task { operation, algorithm: operation.algorithm_default(), size: 3, batch: 2 };
        let frames = [b"one", b"two"].map(|body| [&[0; HEADER_SIZE][..], body].concat());
        let workload = Workload::of_frames(task, frames.to_vec());
        let check =
            |bodies: &[&[u8]]| check_echoes(&bodies.iter().map(|body| body.to_vec()).collect::<Vec<_>>(), &workload);
        let checked = check(&[b"two", b"one", b"two"]).unwrap();
        assert_eq!((checked.replies, checked.items), (3, 6));
        for wrong in [&b"onf"[..], b"on", b"onee", b""] {
            assert!(check(&[b"one", wrong]).unwrap_err().to_string().contains("WRONG ECHO of Encrypt"), "{wrong:?}");
        }
    }
}
