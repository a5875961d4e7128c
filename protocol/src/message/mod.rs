//! Requests and replies of every operation. `SPEC.md` sections 3 to 5.
//!
//! A message is the same type on both sides: decoded, its items are [`Items`] that borrow from the body; to be encoded,
//! they are whatever iterates over items.

pub mod asymmetric;
pub mod batch;
pub mod data_key;
pub mod describe;
pub mod encrypt;
pub mod hello;
pub mod mac;
pub mod ping;
pub mod public_key;
pub mod random;
pub mod resolve;
pub mod secret;
pub mod sign;
pub mod whoami;

pub use asymmetric::{AsymmetricDecrypt, AsymmetricDecryptItem, Decrypted};
pub use batch::{Item, ItemResult, Items, ResultValue, Results};
pub use data_key::{
    DataKeyForm, GenerateDataKey, GenerateDataKeyItem, GeneratedDataKey, UnwrapDataKey, UnwrapDataKeyItem, WrapDataKey,
    WrapDataKeyItem,
};
pub use describe::{DescribeKey, KeyDescription, KeyVersionDescription};
pub use encrypt::{Decrypt, DecryptItem, Encrypt, EncryptItem, Reencrypt, ReencryptItem};
pub use hello::{Hello, HelloOption, HelloReply, LimitValue};
pub use mac::{MakeMac, MakeMacItem, VerifyMac, VerifyMacItem};
pub use ping::Ping;
pub use public_key::{PublicKey, ReadPublicKey};
pub use random::{RandomBytes, RandomBytesItem};
pub use resolve::{Resolve, ResolveItem, Resolved, name_text};
pub use secret::{ReadSecret, SecretValue, WaitForSecret};
pub use sign::{MessageForm, Sign, SignItem, Verified, Verify, VerifyItem, Versioned};
pub use whoami::{FactValue, Whoami, WhoamiReply};

use crate::codec::Reader;
use crate::deframer::Frame;
use crate::error::DecodeError;
use crate::header::ReplyHeader;
use crate::opcode::Opcode;
use crate::output::FrameWriter;
use crate::status::Status;

/// A request that can be encoded.
pub trait Message {
    /// Its operation.
    const OPCODE: Opcode;

    /// Appends the body. What does not fit comes out of [`FrameWriter::finish`].
    fn write(self, body: &mut FrameWriter<'_>);
}

/// The body of a reply that is not a batch of results (those: [`crate::BatchWriter`]).
pub trait ReplyMessage {
    /// Appends the body. What does not fit comes out of [`FrameWriter::finish`].
    fn write(self, body: &mut FrameWriter<'_>);
}

/// A request as a server reads it. No `Debug`, on purpose: it borrows plaintext.
#[expect(missing_docs, reason = "each variant is named after its message")]
#[derive(Clone)]
pub enum Request<'a> {
    Hello(Hello<Items<'a, HelloOption<'a>>>),
    Ping(Ping<'a>),
    Whoami,
    Resolve(Resolve<'a, Items<'a, ResolveItem<'a>>>),
    DescribeKey(DescribeKey),
    Encrypt(Encrypt<Items<'a, EncryptItem<'a>>>),
    Decrypt(Decrypt<Items<'a, DecryptItem<'a>>>),
    Reencrypt(Reencrypt<Items<'a, ReencryptItem<'a>>>),
    GenerateDataKey(GenerateDataKey<Items<'a, GenerateDataKeyItem<'a>>>),
    WrapDataKey(WrapDataKey<Items<'a, WrapDataKeyItem<'a>>>),
    UnwrapDataKey(UnwrapDataKey<Items<'a, UnwrapDataKeyItem<'a>>>),
    Sign(Sign<Items<'a, SignItem<'a>>>),
    Verify(Verify<Items<'a, VerifyItem<'a>>>),
    AsymmetricDecrypt(AsymmetricDecrypt<Items<'a, AsymmetricDecryptItem<'a>>>),
    MakeMac(MakeMac<Items<'a, MakeMacItem<'a>>>),
    VerifyMac(VerifyMac<Items<'a, VerifyMacItem<'a>>>),
    ReadSecret(ReadSecret),
    ReadPublicKey(ReadPublicKey),
    WaitForSecret(WaitForSecret),
    RandomBytes(RandomBytes<Items<'a, RandomBytesItem>>),
}

impl<'a> Request<'a> {
    /// Decodes a whole body. Its structure is checked once, here; limits of single fields are not: whoever does the work
    /// answers the item that exceeds one. Allocates nothing.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`] and [`DecodeError::TooManyItems`]; answer with [`DecodeError::status`].
    pub fn decode(opcode: Opcode, body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut unread = Reader::new(body);
        let reader = &mut unread;
        let request = match opcode {
            Opcode::Hello => Self::Hello(Hello::read(reader)?),
            Opcode::Ping => Self::Ping(Ping::read(reader)?),
            Opcode::Whoami => Self::Whoami,
            Opcode::Resolve => Self::Resolve(Resolve::read(reader)?),
            Opcode::DescribeKey => Self::DescribeKey(DescribeKey::read(reader)?),
            Opcode::Encrypt => Self::Encrypt(Encrypt::read(reader)?),
            Opcode::Decrypt => Self::Decrypt(Decrypt::read(reader)?),
            Opcode::Reencrypt => Self::Reencrypt(Reencrypt::read(reader)?),
            Opcode::GenerateDataKey => Self::GenerateDataKey(GenerateDataKey::read(reader)?),
            Opcode::WrapDataKey => Self::WrapDataKey(WrapDataKey::read(reader)?),
            Opcode::UnwrapDataKey => Self::UnwrapDataKey(UnwrapDataKey::read(reader)?),
            Opcode::Sign => Self::Sign(Sign::read(reader)?),
            Opcode::Verify => Self::Verify(Verify::read(reader)?),
            Opcode::AsymmetricDecrypt => Self::AsymmetricDecrypt(AsymmetricDecrypt::read(reader)?),
            Opcode::MakeMac => Self::MakeMac(MakeMac::read(reader)?),
            Opcode::VerifyMac => Self::VerifyMac(VerifyMac::read(reader)?),
            Opcode::ReadSecret => Self::ReadSecret(ReadSecret::read(reader)?),
            Opcode::ReadPublicKey => Self::ReadPublicKey(ReadPublicKey::read(reader)?),
            Opcode::WaitForSecret => Self::WaitForSecret(WaitForSecret::read(reader)?),
            Opcode::RandomBytes => Self::RandomBytes(RandomBytes::read(reader)?),
        };
        unread.finish()?;
        Ok(request)
    }

    /// Appends the body.
    pub fn write(self, body: &mut FrameWriter<'_>) {
        match self {
            Self::Hello(message) => message.write(body),
            Self::Ping(message) => Message::write(message, body),
            Self::Whoami => Whoami.write(body),
            Self::Resolve(message) => message.write(body),
            Self::DescribeKey(message) => message.write(body),
            Self::Encrypt(message) => message.write(body),
            Self::Decrypt(message) => message.write(body),
            Self::Reencrypt(message) => message.write(body),
            Self::GenerateDataKey(message) => message.write(body),
            Self::WrapDataKey(message) => message.write(body),
            Self::UnwrapDataKey(message) => message.write(body),
            Self::Sign(message) => message.write(body),
            Self::Verify(message) => message.write(body),
            Self::AsymmetricDecrypt(message) => message.write(body),
            Self::MakeMac(message) => message.write(body),
            Self::VerifyMac(message) => message.write(body),
            Self::ReadSecret(message) => message.write(body),
            Self::ReadPublicKey(message) => message.write(body),
            Self::WaitForSecret(message) => message.write(body),
            Self::RandomBytes(message) => message.write(body),
        }
    }
}

/// The body of a reply of status Ok as a client reads it. No `Debug`, on purpose: it borrows secrets.
#[derive(Clone)]
pub enum Reply<'a> {
    /// To Hello.
    Hello(HelloReply<Items<'a, LimitValue>>),
    /// To Ping.
    Ping(Ping<'a>),
    /// To Whoami.
    Whoami(WhoamiReply<Items<'a, FactValue<'a>>>),
    /// To Describe key.
    DescribeKey(KeyDescription<'a, Items<'a, KeyVersionDescription>>),
    /// To Read secret and Wait for secret.
    ReadSecret(SecretValue<'a>),
    /// To Read public key.
    ReadPublicKey(PublicKey<'a>),
    /// To Resolve.
    Resolve(Results<'a, Resolved>),
    /// To Generate data key.
    GenerateDataKey(Results<'a, GeneratedDataKey<'a>>),
    /// To Sign and Make MAC.
    Versioned(Results<'a, Versioned<'a>>),
    /// To Verify and Verify MAC.
    Verified(Results<'a, Verified>),
    /// To Asymmetric decrypt.
    Decrypted(Results<'a, Decrypted<'a>>),
    /// To Encrypt, Decrypt, Re-encrypt, Wrap and Unwrap data key, and Random bytes.
    Bytes(Results<'a, &'a [u8]>),
}

impl<'a> Reply<'a> {
    /// Decodes a whole body of a reply whose status is Ok. Allocates nothing.
    ///
    /// # Errors
    /// [`DecodeError`] if the server sent what is no reply to this operation. That a batch answers as many items as
    /// were asked is for the caller to check.
    pub fn decode(opcode: Opcode, body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut unread = Reader::new(body);
        let reader = &mut unread;
        let reply = match opcode {
            Opcode::Hello => Self::Hello(HelloReply::read(reader)?),
            Opcode::Ping => Self::Ping(Ping::read(reader)?),
            Opcode::Whoami => Self::Whoami(WhoamiReply::read(reader)?),
            Opcode::DescribeKey => Self::DescribeKey(KeyDescription::read(reader)?),
            Opcode::ReadSecret | Opcode::WaitForSecret => Self::ReadSecret(SecretValue::read(reader)?),
            Opcode::ReadPublicKey => Self::ReadPublicKey(PublicKey::read(reader)?),
            Opcode::Resolve => Self::Resolve(Items::read_batch(reader)?),
            Opcode::GenerateDataKey => Self::GenerateDataKey(Items::read_batch(reader)?),
            Opcode::Sign | Opcode::MakeMac => Self::Versioned(Items::read_batch(reader)?),
            Opcode::Verify | Opcode::VerifyMac => Self::Verified(Items::read_batch(reader)?),
            Opcode::AsymmetricDecrypt => Self::Decrypted(Items::read_batch(reader)?),
            Opcode::Encrypt
            | Opcode::Decrypt
            | Opcode::Reencrypt
            | Opcode::WrapDataKey
            | Opcode::UnwrapDataKey
            | Opcode::RandomBytes => Self::Bytes(Items::read_batch(reader)?),
        };
        unread.finish()?;
        Ok(reply)
    }
}

impl<'a> Frame<'a, ReplyHeader> {
    /// What a reply says: its decoded body, or the status that stands instead of one.
    ///
    /// # Errors
    /// [`DecodeError`] if the server sent what is no reply: a body beside a failure, a status that only items have, an
    /// operation that there is not, or a body that does not fit its operation.
    pub fn decode(&self) -> Result<Result<Reply<'a>, Status>, DecodeError> {
        match self.header.status {
            Status::Ok => {
                let opcode = Opcode::from_code(self.header.opcode).ok_or(DecodeError::Malformed)?;
                Reply::decode(opcode, self.body).map(Ok)
            }
            status if status.speaks_of_frames() && self.body.is_empty() => Ok(Err(status)),
            _ => Err(DecodeError::Malformed),
        }
    }
}

impl ReplyMessage for Reply<'_> {
    fn write(self, body: &mut FrameWriter<'_>) {
        match self {
            Self::Hello(reply) => reply.write(body),
            Self::Ping(reply) => ReplyMessage::write(reply, body),
            Self::Whoami(reply) => reply.write(body),
            Self::DescribeKey(reply) => reply.write(body),
            Self::ReadSecret(reply) => reply.write(body),
            Self::ReadPublicKey(reply) => reply.write(body),
            Self::Resolve(results) => results.write(body),
            Self::GenerateDataKey(results) => results.write(body),
            Self::Versioned(results) => results.write(body),
            Self::Verified(results) => results.write(body),
            Self::Decrypted(results) => results.write(body),
            Self::Bytes(results) => results.write(body),
        }
    }
}

impl<'a, R: ResultValue<'a>> ReplyMessage for Results<'a, R> {
    fn write(self, body: &mut FrameWriter<'_>) {
        body.list(self, batch::BATCH_BOUNDS, |body, result| result.write(body));
    }
}

#[cfg(test)]
mod tests;
