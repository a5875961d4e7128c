//! Reading a secret, reading a public key: one key, one value, from the cache.

use std::time::Duration;

use claviger_algorithm::Operation;
use claviger_engine::{Error, KeyEntry, ReadScope};
use claviger_protocol::message::{PublicKey, ReadPublicKey, ReadSecret, ReplyMessage, SecretValue};
use claviger_protocol::{FrameWriter, KeyId, Status};

use super::super::convert;
use super::super::quota::Price;
use super::super::request::{Body, Incoming};
use super::{Session, Turn};

impl Session {
    pub(super) fn read_secret(&mut self, turn: &mut Turn<'_>, request: Incoming, body: &Body<'_>, read: &ReadSecret) {
        let version = convert::named_version(read.key_version);
        self.read(turn, request, body, read.key_id, false, |scope, key, reply| {
            let secret = key.secret(scope, version)?;
            SecretValue { key_version: secret.version.get(), value: secret.value }.write(reply);
            Ok(())
        });
    }

    pub(super) fn read_public_key(
        &mut self,
        turn: &mut Turn<'_>,
        request: Incoming,
        body: &Body<'_>,
        read: &ReadPublicKey,
    ) {
        let version = convert::named_version(read.key_version);
        self.read(turn, request, body, read.key_id, true, |_, key, reply| {
            let public = key.public_key(version)?;
            let (key_version, algorithm) = (public.version.get(), key.algorithm().id());
            PublicKey { key_version, algorithm, public_key: &public.der }.write(reply);
            Ok(())
        });
    }

    /// Whether the client may read of a key: of what is public, everybody may if its key store says so. A key without public half answers as one that is not there.
    fn may_read(&mut self, key: &KeyEntry, is_public: bool, now_ms: u64) -> bool {
        let has_public_half = key.algorithm().row().does(Operation::ReadPublicKey);
        let operation = if is_public { Operation::ReadPublicKey } else { Operation::ReadSecret };
        let policy = key.store().policy();
        if !(is_public && has_public_half && policy.open_public_keys) {
            return self.admissions.allows(operation, key, now_ms);
        }
        if policy.records_requests {
            self.admissions.note(key.store().id(), key.id());
        }
        true
    }

    fn read(
        &mut self,
        turn: &mut Turn<'_>,
        mut request: Incoming,
        body: &Body<'_>,
        id: KeyId,
        is_public: bool,
        write: impl FnOnce(&mut ReadScope<'_>, &KeyEntry, &mut FrameWriter<'_>) -> Result<(), Error>,
    ) {
        let frame = turn.worker.enter();
        if frame.is_locked() {
            return self.refuse(&request.header, Status::Locked);
        }
        let status = match frame.key(convert::key_id(id)).entry() {
            Some(key) if !self.may_read(key, is_public, turn.now_ms) => Some(Status::NotPermitted),
            // A public key says nothing new when it is asked for again: it is not counted, whoever may read it.
            Some(key) if !is_public && !self.pay_once(&mut request, Price::of(key.store().id(), Duration::ZERO)) => {
                return;
            }
            Some(key) => {
                let header = &request.header;
                let mut reply = self.output.reply(header);
                match write(&mut turn.scope, key, &mut reply) {
                    Ok(()) => {
                        let written = reply.finish();
                        return self.finish(header, written);
                    }
                    Err(error) => Some(convert::status(&error, header)),
                }
            }
            None => None,
        };
        drop(frame);
        match status {
            Some(status) => self.refuse_paid(&mut request, status),
            None => self.load(request, body, id),
        }
    }
}
