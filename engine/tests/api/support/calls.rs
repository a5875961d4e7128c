//! The operations of a key, as a client calls them: items in, one result for each of them out.

use std::sync::LazyLock;

use claviger_engine::crypto::random::SystemRandom;
use claviger_engine::key::version::KeyVersion;
use claviger_engine::operation::{
    DataKeyForm, DecryptItem, EncryptItem, MacItem, ReencryptItem, SignForm, SignItem, VerifyItem, VerifyMacItem,
    WrapItem,
};
use claviger_engine::{Error, ItemError, ItemSink, KeyEntry, ReadScope};

/// Results of a batch, in order.
pub(crate) type Items = Vec<Result<Vec<u8>, ItemError>>;

/// Pairs of context and content, or of message and signature.
pub(crate) type Pairs<'a> = &'a [(&'a [u8], &'a [u8])];

/// The one result of a batch of one item.
pub(crate) fn only(items: Items) -> Result<Vec<u8>, ItemError> {
    let [item] = <[_; 1]>::try_from(items).unwrap();
    item
}

pub(crate) fn encrypt(key: &KeyEntry, items: Pairs<'_>) -> Result<Items, Error> {
    alone(|scope| encrypt_in(scope, key, items))
}

pub(crate) fn encrypt_in(scope: &mut ReadScope<'_>, key: &KeyEntry, items: Pairs<'_>) -> Result<Items, Error> {
    let items = items.iter().map(|&(context, plaintext)| EncryptItem { context, plaintext });
    collect(|sink| key.encrypt(scope, items, sink))
}

pub(crate) fn decrypt(key: &KeyEntry, items: Pairs<'_>) -> Result<Items, Error> {
    alone(|scope| decrypt_in(scope, key, items))
}

pub(crate) fn decrypt_in(scope: &mut ReadScope<'_>, key: &KeyEntry, items: Pairs<'_>) -> Result<Items, Error> {
    collect(|sink| key.decrypt(scope, to_decrypt(items), sink))
}

/// Each item is source context, target context, ciphertext.
pub(crate) fn reencrypt(source: &KeyEntry, target: &KeyEntry, items: &[[&[u8]; 3]]) -> Result<Items, Error> {
    let items = items.iter().map(|&[source_context, target_context, ciphertext]| ReencryptItem {
        source_context,
        target_context,
        ciphertext,
    });
    alone(|scope| collect(|sink| source.reencrypt(target, scope, items, sink)))
}

pub(crate) fn generate_data_keys(
    key: &KeyEntry,
    form: DataKeyForm,
    size: usize,
    contexts: &[&[u8]],
) -> Result<Items, Error> {
    let contexts = contexts.iter().copied();
    alone(|scope| collect(|sink| key.generate_data_keys(scope, form, size, contexts, sink)))
}

pub(crate) fn wrap(key: &KeyEntry, items: Pairs<'_>) -> Result<Items, Error> {
    let items = items.iter().map(|&(context, data_key)| WrapItem { context, data_key });
    alone(|scope| collect(|sink| key.wrap_data_keys(scope, items, sink)))
}

pub(crate) fn unwrap(key: &KeyEntry, items: Pairs<'_>) -> Result<Items, Error> {
    alone(|scope| collect(|sink| key.unwrap_data_keys(scope, to_decrypt(items), sink)))
}

/// Signatures, each with the version before it.
pub(crate) fn sign(key: &KeyEntry, form: SignForm, items: &[&[u8]]) -> Result<Items, Error> {
    alone(|scope| collect(|sink| key.sign(scope, form, items.iter().map(|message| SignItem(message)), sink)))
}

pub(crate) fn verify(
    key: &KeyEntry,
    version: Option<KeyVersion>,
    form: SignForm,
    items: Pairs<'_>,
) -> Result<Items, Error> {
    let items = items.iter().map(|&(message, signature)| VerifyItem { message, signature });
    alone(|scope| collect(|sink| key.verify(scope, version, form, items, sink)))
}

/// Plaintexts, each with the version before it.
pub(crate) fn asymmetric_decrypt(
    key: &KeyEntry,
    version: Option<KeyVersion>,
    items: Pairs<'_>,
) -> Result<Items, Error> {
    alone(|scope| collect(|sink| key.asymmetric_decrypt(scope, version, to_decrypt(items), sink)))
}

/// MACs, each with the version before it.
pub(crate) fn make_mac(key: &KeyEntry, items: &[&[u8]]) -> Result<Items, Error> {
    alone(|scope| collect(|sink| key.make_mac(scope, items.iter().map(|message| MacItem(message)), sink)))
}

pub(crate) fn verify_mac(key: &KeyEntry, version: Option<KeyVersion>, items: Pairs<'_>) -> Result<Items, Error> {
    let items = items.iter().map(|&(message, mac)| VerifyMacItem { message, mac });
    alone(|scope| collect(|sink| key.verify_mac(scope, version, items, sink)))
}

/// The version that stands before a signature, MAC or plaintext, and what follows it.
pub(crate) fn split_version(result: &[u8]) -> (u32, &[u8]) {
    let (version, rest) = result.split_first_chunk().unwrap();
    (u32::from_be_bytes(*version), rest)
}

/// The version that a ciphertext says it was made under.
pub(crate) fn version_of(ciphertext: &[u8]) -> u32 {
    u32::from_be_bytes(ciphertext[2..6].try_into().unwrap())
}

fn to_decrypt<'a>(items: Pairs<'a>) -> impl Iterator<Item = DecryptItem<'a>> {
    items.iter().map(|&(context, ciphertext)| DecryptItem { context, ciphertext })
}

/// A read in which nothing is counted.
pub(crate) fn uncounted() -> ReadScope<'static> {
    static RANDOM: LazyLock<SystemRandom> = LazyLock::new(SystemRandom::new);
    ReadScope::new(&*RANDOM)
}

/// In a read of its own.
fn alone(call: impl FnOnce(&mut ReadScope<'_>) -> Result<Items, Error>) -> Result<Items, Error> {
    call(&mut uncounted())
}

pub(crate) fn collect(call: impl FnOnce(&mut VecSink) -> Result<(), Error>) -> Result<Items, Error> {
    let mut sink = VecSink::default();
    call(&mut sink)?;
    Ok(sink.0)
}

/// Keeps each result as it comes.
#[derive(Default)]
pub(crate) struct VecSink(pub(crate) Items);

impl ItemSink for VecSink {
    fn item(&mut self, size_max: usize, fill: impl FnOnce(&mut [u8]) -> Result<usize, ItemError>) {
        // Not zero: whoever counts on what was there before is found out.
        let mut out = vec![0xa5; size_max];
        self.0.push(fill(&mut out).map(|size| {
            out.truncate(size);
            out
        }));
    }
}
