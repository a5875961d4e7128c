//! Requests, from slices of items.

use claviger_protocol::message::{
    AsymmetricDecrypt, AsymmetricDecryptItem, DataKeyForm, Decrypt, DecryptItem, Encrypt, EncryptItem, GenerateDataKey,
    GenerateDataKeyItem, MakeMac, MakeMacItem, Message, MessageForm, RandomBytes, RandomBytesItem, Reencrypt,
    ReencryptItem, Resolve, ResolveItem, Sign, SignItem, UnwrapDataKey, UnwrapDataKeyItem, Verify, VerifyItem,
    VerifyMac, VerifyMacItem, WrapDataKey, WrapDataKeyItem,
};
use claviger_protocol::{KeyId, StoreId};

/// Pairs of context and content, or of message and signature.
pub(crate) type Pairs<'a> = &'a [(&'a [u8], &'a [u8])];

pub(crate) fn resolve<'a>(store: &'a str, keys: &'a [&'a [u8]]) -> impl Message + 'a {
    Resolve { store_name: store.as_bytes(), items: keys.iter().map(|key_name| ResolveItem { key_name }) }
}

pub(crate) fn encrypt<'a>(key_id: KeyId, items: Pairs<'a>) -> impl Message + 'a {
    Encrypt { key_id, items: items.iter().map(|&(context, plaintext)| EncryptItem { context, plaintext }) }
}

pub(crate) fn decrypt<'a>(key_id: KeyId, items: Pairs<'a>) -> impl Message + 'a {
    Decrypt { key_id, items: items.iter().map(|&(context, ciphertext)| DecryptItem { context, ciphertext }) }
}

/// Each item is source context, target context, ciphertext.
pub(crate) fn reencrypt<'a>(source: KeyId, target: KeyId, items: &'a [[&'a [u8]; 3]]) -> impl Message + 'a {
    let item = |&[source_context, target_context, ciphertext]: &[&'a [u8]; 3]| ReencryptItem {
        source_context,
        target_context,
        ciphertext,
    };
    Reencrypt { source_key_id: source, target_key_id: target, items: items.iter().map(item) }
}

pub(crate) fn generate<'a>(
    key_id: KeyId,
    form: DataKeyForm,
    data_key_size: u16,
    contexts: &'a [&'a [u8]],
) -> impl Message + 'a {
    let items = contexts.iter().map(|context| GenerateDataKeyItem { context });
    GenerateDataKey { key_id, form, data_key_size, items }
}

pub(crate) fn wrap<'a>(key_id: KeyId, items: Pairs<'a>) -> impl Message + 'a {
    WrapDataKey { key_id, items: items.iter().map(|&(context, data_key)| WrapDataKeyItem { context, data_key }) }
}

pub(crate) fn unwrap<'a>(key_id: KeyId, items: Pairs<'a>) -> impl Message + 'a {
    UnwrapDataKey { key_id, items: items.iter().map(|&(context, wrapped)| UnwrapDataKeyItem { context, wrapped }) }
}

pub(crate) fn sign<'a>(key_id: KeyId, form: MessageForm, messages: &'a [&'a [u8]]) -> impl Message + 'a {
    Sign { key_id, form, items: messages.iter().map(|message| SignItem { message }) }
}

pub(crate) fn verify<'a>(key_id: KeyId, key_version: u32, form: MessageForm, items: Pairs<'a>) -> impl Message + 'a {
    let items = items.iter().map(|&(message, signature)| VerifyItem { message, signature });
    Verify { key_id, key_version, form, items }
}

pub(crate) fn make_mac<'a>(key_id: KeyId, messages: &'a [&'a [u8]]) -> impl Message + 'a {
    MakeMac { key_id, items: messages.iter().map(|message| MakeMacItem { message }) }
}

pub(crate) fn asymmetric_decrypt<'a>(key_id: KeyId, key_version: u32, items: Pairs<'a>) -> impl Message + 'a {
    let items = items.iter().map(|&(context, ciphertext)| AsymmetricDecryptItem { context, ciphertext });
    AsymmetricDecrypt { key_id, key_version, items }
}

pub(crate) fn verify_mac<'a>(key_id: KeyId, key_version: u32, items: Pairs<'a>) -> impl Message + 'a {
    let items = items.iter().map(|&(message, mac)| VerifyMacItem { message, mac });
    VerifyMac { key_id, key_version, items }
}

pub(crate) fn random(store_id: StoreId, sizes: &[u32]) -> impl Message {
    RandomBytes { store_id, items: sizes.iter().map(|&size| RandomBytesItem { size }) }
}
