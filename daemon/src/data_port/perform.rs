//! The work of each batch operation: from a request's items to calls of the engine. One arm for each operation.

use std::iter::{self, Skip, Take};
use std::ops::Range;
use std::time::Duration;

use claviger_algorithm::{Operation, OutputSize};
use claviger_engine::key::version::KeyVersion;
use claviger_engine::operation::{
    self, DataKeyForm, DecryptItem, EncryptItem, MacItem, ReencryptItem, SignForm, SignItem, VerifyItem, VerifyMacItem,
    WrapItem,
};
use claviger_engine::{Error, ItemError, ItemSink, KeyEntry, ReadScope};
use claviger_protocol::limits::{BODY_SIZE_MAX, RANDOM_SIZE_MAX, RESULT_PREFIX_SIZE};
use claviger_protocol::message::{self, Item, Items, MessageForm};
use claviger_protocol::{BatchWriter, KeyId, Request, RequestHeader, Status};

use super::convert;
use crate::limits::{RANDOM_ITEM_COST, RANDOM_KIBIBYTE_COST};

/// A request that is a batch, as far as it must be known before its work begins.
pub(super) struct Batch {
    /// The keys it names, in the order in which they are judged. Random bytes need none.
    pub(super) keys: KeyIds,
    /// What it does with the first of them.
    operation: Operation,
    /// The version of that key that it names; verification and asymmetric decryption without one may try all of them.
    version: Option<KeyVersion>,
    /// Whether each item draws random bytes besides.
    draws: bool,
    /// How many items it has.
    pub(super) items: usize,
    /// How many bytes its results may have beyond those of its body, whatever the key.
    added_size: usize,
    /// Whether each result has besides what the algorithm of the key gives: a signature, a tag, a plaintext.
    has_output: bool,
}

/// None, one, or for re-encryption two keys.
#[derive(Clone, Copy)]
pub(super) enum KeyIds {
    None,
    One(KeyId),
    SourceAndTarget(KeyId, KeyId),
}

/// The keys themselves, as a frame or a job sees them.
#[derive(Clone, Copy)]
pub(super) enum Keys<'k> {
    None,
    One(&'k KeyEntry),
    SourceAndTarget(&'k KeyEntry, &'k KeyEntry),
}

impl Batch {
    /// What `request` is as a batch; `None` if it is none.
    pub(super) fn of(request: &Request<'_>) -> Option<Self> {
        let batch = |keys, operation, items, result_size: usize| Self {
            keys,
            operation,
            version: None,
            draws: false,
            items,
            added_size: items * result_size,
            has_output: false,
        };
        let one = |key, operation, items, result_size| batch(KeyIds::One(key), operation, items, result_size);
        let with_output = |batch| Self { has_output: true, ..batch };
        let of_version = |version, batch| Self { version: convert::named_version(version), ..batch };
        Some(match request {
            Request::Encrypt(r) => with_output(one(r.key_id, Operation::Encrypt, r.items.len(), 0)),
            Request::Decrypt(r) => one(r.key_id, Operation::Decrypt, r.items.len(), 0),
            Request::Reencrypt(r) => {
                let keys = KeyIds::SourceAndTarget(r.source_key_id, r.target_key_id);
                with_output(batch(keys, Operation::Decrypt, r.items.len(), 0))
            }
            Request::GenerateDataKey(r) => {
                Self { draws: true, ..one(r.key_id, Operation::WrapDataKey, r.items.len(), r.result_size_max()) }
            }
            Request::WrapDataKey(r) => with_output(one(r.key_id, Operation::WrapDataKey, r.items.len(), 0)),
            Request::UnwrapDataKey(r) => one(r.key_id, Operation::UnwrapDataKey, r.items.len(), 0),
            Request::Sign(r) => with_output(one(r.key_id, Operation::Sign, r.items.len(), VERSION_SIZE)),
            Request::Verify(r) => {
                of_version(r.key_version, one(r.key_id, Operation::Verify, r.items.len(), VERSION_SIZE))
            }
            Request::AsymmetricDecrypt(r) => {
                let batch = one(r.key_id, Operation::AsymmetricDecrypt, r.items.len(), VERSION_SIZE);
                of_version(r.key_version, with_output(batch))
            }
            Request::MakeMac(r) => with_output(one(r.key_id, Operation::MakeMac, r.items.len(), VERSION_SIZE)),
            Request::VerifyMac(r) => {
                of_version(r.key_version, one(r.key_id, Operation::VerifyMac, r.items.len(), VERSION_SIZE))
            }
            Request::RandomBytes(r) => {
                let added_size = fitting_sizes(&r.items).flatten().map(allowed_size).sum();
                Self { draws: true, added_size, ..batch(KeyIds::None, Operation::ReadSecret, r.items.len(), 0) }
            }
            Request::Hello(_)
            | Request::Ping(_)
            | Request::Whoami
            | Request::Resolve(_)
            | Request::DescribeKey(_)
            | Request::ReadSecret(_)
            | Request::ReadPublicKey(_)
            | Request::WaitForSecret(_) => return None,
        })
    }

    /// Most bytes of its results, if the body of the request has `body_size`. They are put together before the reply leaves out what does not fit.
    pub(super) fn results_size_max(&self, keys: Keys<'_>, body_size: usize) -> usize {
        let output_size = match keys {
            Keys::One(key) | Keys::SourceAndTarget(_, key) if self.has_output => {
                key.algorithm().row().output_size.max(0)
            }
            _ => 0,
        };
        self.items * (RESULT_PREFIX_SIZE + output_size) + self.added_size + body_size
    }

    /// How many of its items have room in a reply, from the first, where all results have one size and that can be known beforehand. The others are not done.
    pub(super) fn fitting_items(&self, keys: Keys<'_>) -> usize {
        let (Keys::One(key), true) = (keys, self.has_output) else { return self.items };
        let OutputSize::Fixed(size) = key.algorithm().row().output_size else { return self.items };
        // A status is kept for each item, whatever becomes of it.
        let room = BODY_SIZE_MAX.saturating_sub(COUNT_SIZE + self.items * RESULT_PREFIX_SIZE);
        self.items.min((room / (VERSION_SIZE + size)).max(1))
    }

    /// What the batch costs on one core, with its first key and with its second, by the table of algorithms; `body_size` stands for the bytes of its items.
    pub(super) fn cost(&self, keys: Keys<'_>, body_size: usize) -> [Duration; 2] {
        let of = |key: &KeyEntry, operation| key.cost(operation, self.version, self.items, body_size);
        let random = |items: usize, bytes: usize| {
            let items = RANDOM_ITEM_COST.saturating_mul(u32::try_from(items).unwrap_or(u32::MAX));
            items + RANDOM_KIBIBYTE_COST.saturating_mul(u32::try_from(bytes / 1_024).unwrap_or(u32::MAX))
        };
        match keys {
            Keys::None => [random(self.items, self.added_size), Duration::ZERO],
            Keys::One(key) if self.draws => [of(key, self.operation) + random(self.items, 0), Duration::ZERO],
            Keys::One(key) => [of(key, self.operation), Duration::ZERO],
            Keys::SourceAndTarget(source, target) => [of(source, Operation::Decrypt), of(target, Operation::Encrypt)],
        }
    }
}

/// Does the items `part` of `request` and writes one result for each of them.
///
/// # Errors
/// The status of the request as a whole: no item was done.
pub(super) fn perform(
    request: &Request<'_>,
    part: &Range<usize>,
    keys: Keys<'_>,
    scope: &mut ReadScope<'_>,
    sink: &mut impl ItemSink,
    header: &RequestHeader,
) -> Result<(), Status> {
    let done = match (request, keys) {
        (Request::Encrypt(r), Keys::One(key)) => key.encrypt(scope, of(part, &r.items).map(encrypt_item), sink),
        (Request::Decrypt(r), Keys::One(key)) => key.decrypt(scope, of(part, &r.items).map(decrypt_item), sink),
        (Request::Reencrypt(r), Keys::SourceAndTarget(source, target)) => {
            source.reencrypt(target, scope, of(part, &r.items).map(reencrypt_item), sink)
        }
        (Request::GenerateDataKey(r), Keys::One(key)) => {
            let (form, size) = (data_key_form(r.form), usize::from(r.data_key_size));
            key.generate_data_keys(scope, form, size, of(part, &r.items).map(|item| item.context), sink)
        }
        (Request::WrapDataKey(r), Keys::One(key)) => key.wrap_data_keys(scope, of(part, &r.items).map(wrap_item), sink),
        (Request::UnwrapDataKey(r), Keys::One(key)) => {
            key.unwrap_data_keys(scope, of(part, &r.items).map(unwrap_item), sink)
        }
        (Request::Sign(r), Keys::One(key)) => {
            key.sign(scope, sign_form(r.form), of(part, &r.items).map(|item| SignItem(item.message)), sink)
        }
        (Request::Verify(r), Keys::One(key)) => {
            let version = convert::named_version(r.key_version);
            key.verify(scope, version, sign_form(r.form), of(part, &r.items).map(verify_item), sink)
        }
        (Request::AsymmetricDecrypt(r), Keys::One(key)) => {
            let version = convert::named_version(r.key_version);
            key.asymmetric_decrypt(scope, version, of(part, &r.items).map(asymmetric_decrypt_item), sink)
        }
        (Request::MakeMac(r), Keys::One(key)) => {
            key.make_mac(scope, of(part, &r.items).map(|item| MacItem(item.message)), sink)
        }
        (Request::VerifyMac(r), Keys::One(key)) => {
            key.verify_mac(scope, convert::named_version(r.key_version), of(part, &r.items).map(verify_mac_item), sink)
        }
        (Request::RandomBytes(r), Keys::None) => {
            for size in fitting_sizes(&r.items).skip(part.start).take(part.len()) {
                match size {
                    Some(size) => operation::random_bytes(scope.random(), iter::once(size), sink),
                    None => sink.reject(ItemError::ReplyFull),
                }
            }
            Ok(())
        }
        // `Batch::of` gives each operation the keys that it needs.
        _ => return Err(Status::InternalError),
    };
    done.map_err(|error: Error| convert::status(&error, header))
}

/// Lets the engine write results straight into the reply.
pub(super) struct WireSink<'w, 'o> {
    pub(super) reply: &'w mut BatchWriter<'o>,
    pub(super) failures: &'w mut Failures,
}

impl ItemSink for WireSink<'_, '_> {
    #[inline]
    fn item(&mut self, size_max: usize, fill: impl FnOnce(&mut [u8]) -> Result<usize, ItemError>) {
        let status = self.reply.item(size_max, |out| fill(out).map_err(convert::item_status));
        if status != Status::Ok {
            self.failures.add(status);
        }
    }

    fn reject(&mut self, error: ItemError) {
        self.failures.add(self.reply.status(convert::item_status(error)));
    }
}

/// Items of a batch that failed, by status. One that fails costs a little; one that does not, nothing.
#[derive(Default)]
pub(super) struct Failures(Vec<(Status, usize)>);

impl Failures {
    /// One more.
    #[cold]
    pub(super) fn add(&mut self, status: Status) {
        self.add_many(status, 1);
    }

    /// So many more.
    pub(super) fn add_many(&mut self, status: Status, items: usize) {
        match self.0.iter_mut().find(|(known, _)| *known == status) {
            Some((_, failed)) => *failed += items,
            None => self.0.push((status, items)),
        }
    }

    /// Those of a part of the batch.
    pub(super) fn add_all(&mut self, part: &Self) {
        part.0.iter().for_each(|(status, items)| self.add_many(*status, *items));
    }

    /// Forgets them.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Each status once.
    pub(super) fn as_slice(&self) -> &[(Status, usize)] {
        &self.0
    }
}

fn of<'a, T: Item<'a>>(part: &Range<usize>, items: &Items<'a, T>) -> Take<Skip<Items<'a, T>>> {
    items.clone().skip(part.start).take(part.len())
}

const fn encrypt_item(item: message::EncryptItem<'_>) -> EncryptItem<'_> {
    EncryptItem { context: item.context, plaintext: item.plaintext }
}

const fn decrypt_item(item: message::DecryptItem<'_>) -> DecryptItem<'_> {
    DecryptItem { context: item.context, ciphertext: item.ciphertext }
}

const fn reencrypt_item(item: message::ReencryptItem<'_>) -> ReencryptItem<'_> {
    ReencryptItem {
        source_context: item.source_context,
        target_context: item.target_context,
        ciphertext: item.ciphertext,
    }
}

const fn wrap_item(item: message::WrapDataKeyItem<'_>) -> WrapItem<'_> {
    WrapItem { context: item.context, data_key: item.data_key }
}

const fn unwrap_item(item: message::UnwrapDataKeyItem<'_>) -> DecryptItem<'_> {
    DecryptItem { context: item.context, ciphertext: item.wrapped }
}

const fn verify_item(item: message::VerifyItem<'_>) -> VerifyItem<'_> {
    VerifyItem { message: item.message, signature: item.signature }
}

const fn asymmetric_decrypt_item(item: message::AsymmetricDecryptItem<'_>) -> DecryptItem<'_> {
    DecryptItem { context: item.context, ciphertext: item.ciphertext }
}

const fn verify_mac_item(item: message::VerifyMacItem<'_>) -> VerifyMacItem<'_> {
    VerifyMacItem { message: item.message, mac: item.mac }
}

/// The sizes that a request for random bytes asks for; `None` where the reply has no room left. What does not fit is not made: else a request of 4 KiB would have
/// 32 MiB made.
fn fitting_sizes<'a>(items: &Items<'a, message::RandomBytesItem>) -> impl Iterator<Item = Option<usize>> {
    let mut room = BODY_SIZE_MAX.saturating_sub(COUNT_SIZE + items.len() * RESULT_PREFIX_SIZE);
    items.clone().map(move |item| {
        // What no machine can address is no size either.
        let size = usize::try_from(item.size).unwrap_or(usize::MAX);
        room = room.checked_sub(allowed_size(size))?;
        Some(size)
    })
}

/// What a size adds to the reply.
const fn allowed_size(size: usize) -> usize {
    if size <= RANDOM_SIZE_MAX { size } else { 0 }
}

const fn sign_form(form: MessageForm) -> SignForm {
    match form {
        MessageForm::Message => SignForm::Message,
        MessageForm::Digest => SignForm::Digest,
    }
}

const fn data_key_form(form: message::DataKeyForm) -> DataKeyForm {
    match form {
        message::DataKeyForm::Wrapped => DataKeyForm::Wrapped,
        message::DataKeyForm::PlainAndWrapped => DataKeyForm::PlainAndWrapped,
    }
}

/// Bytes of the version before a signature, MAC or plaintext.
const VERSION_SIZE: usize = message::Versioned::PREFIX_SIZE;

/// Bytes of the number of items before the results.
const COUNT_SIZE: usize = 2;
