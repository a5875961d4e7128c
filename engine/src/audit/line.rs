//! One line of the log: an event between its number and the proofs that it is the one that was written.
//!
//! `{"seq":N,"system_key":V, ...event...,"previous":"SHA-256"[,"signature":"Ed25519"],"mac":"HMAC-SHA-256"}`

use data_encoding::HEXLOWER;

use super::event::Event;
use super::signer::{InstallationKey, SIGNATURE_SIZE, Signature};
use super::{AuditError, InstallationPublicKey};
use crate::crypto::checksum::sha256;
use crate::crypto::record_key::AuditKey;

/// What the next line is bound to: the line before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Link {
    /// Its number; 0 before the first.
    pub(super) seq: u64,
    /// SHA-256 of its bytes, without the end of the line.
    pub(super) hash: [u8; HASH_SIZE],
}

/// A line, cut into its parts. Nothing of it is proven yet.
pub(crate) struct Line<'a> {
    /// Its number.
    pub(super) seq: u64,
    /// The version of the system key that its MAC comes from.
    pub(super) system_key: u32,
    /// SHA-256 of the line before it.
    pub(super) previous: [u8; HASH_SIZE],
    signature: Option<Signature>,
    mac: [u8; HASH_SIZE],
    /// The members of the event, as they stand there.
    members: &'a [u8],
    /// What the signature covers.
    signed: &'a [u8],
    /// What the MAC covers.
    authenticated: &'a [u8],
    whole: &'a [u8],
}

/// The line, with its end, of an event that follows `before`, and what the next one is bound to. A signature is added by `signer`.
///
/// # Errors
/// [`AuditError::Signature`].
pub(super) fn write(
    before: Link,
    event: &Event,
    (system_key, key): (u32, &AuditKey),
    signer: Option<&InstallationKey>,
) -> Result<(Vec<u8>, Link), AuditError> {
    let seq = before.seq.saturating_add(1);
    let json = event.json();
    let members = json.strip_prefix('{').and_then(|json| json.strip_suffix('}')).unwrap_or_default();
    let previous = HEXLOWER.encode(&before.hash);
    let mut line = format!("{{\"seq\":{seq},\"system_key\":{system_key},{members}{PREVIOUS}{previous}\"");
    if let Some(signer) = signer {
        let signature = signer.sign(CHECKPOINT_LABEL, line.as_bytes())?;
        line.push_str(SIGNATURE);
        line.push_str(&HEXLOWER.encode(&signature));
        line.push('"');
    }
    let mac = key.tag(line.as_bytes());
    line.push_str(MAC);
    line.push_str(&HEXLOWER.encode(&mac));
    line.push_str(END);
    let hash = sha256(&[line.as_bytes()]);
    line.push('\n');
    Ok((line.into_bytes(), Link { seq, hash }))
}

impl<'a> Line<'a> {
    /// The parts of a line, which is given without its end; `None` if it is none.
    pub(crate) fn parse(whole: &'a [u8]) -> Option<Self> {
        let (authenticated, mac) = cut_digits::<HASH_SIZE>(whole.strip_suffix(END.as_bytes())?, MAC)?;
        let mut signed = authenticated;
        let mut signature = None;
        let quoted = authenticated.strip_suffix(b"\"")?;
        if let Some((before, found)) = cut_digits::<SIGNATURE_SIZE>(quoted, SIGNATURE) {
            (signed, signature) = (before, Some(found));
        }
        let (rest, previous) = cut_digits::<HASH_SIZE>(signed.strip_suffix(b"\"")?, PREVIOUS)?;
        let (seq, rest) = cut_number(rest.strip_prefix(b"{\"seq\":")?)?;
        let (system_key, members) = cut_number(rest.strip_prefix(b"\"system_key\":")?)?;
        let system_key = u32::try_from(system_key).ok()?;
        Some(Self { seq, system_key, previous, signature, mac, members, signed, authenticated, whole })
    }

    /// The event, if it is one that is written.
    pub(crate) fn event(&self) -> Option<Event> {
        Event::parse(&[b"{", self.members, b"}"].concat())
    }

    /// What the next line is bound to.
    pub(super) fn link(&self) -> Link {
        Link { seq: self.seq, hash: sha256(&[self.whole]) }
    }

    /// It, put together again from its parts: the bytes that it was cut from.
    pub(crate) fn written_again(&self) -> Vec<u8> {
        let Self { seq, system_key, members, .. } = self;
        let mut line = format!("{{\"seq\":{seq},\"system_key\":{system_key},").into_bytes();
        line.extend_from_slice(members);
        line.extend_from_slice(format!("{PREVIOUS}{}\"", HEXLOWER.encode(&self.previous)).as_bytes());
        if let Some(signature) = &self.signature {
            line.extend_from_slice(format!("{SIGNATURE}{}\"", HEXLOWER.encode(signature)).as_bytes());
        }
        line.extend_from_slice(format!("{MAC}{}{END}", HEXLOWER.encode(&self.mac)).as_bytes());
        line
    }

    /// Whether it follows that line.
    pub(super) fn follows(&self, before: Link) -> bool {
        before.seq.checked_add(1) == Some(self.seq) && before.hash == self.previous
    }

    /// Whether its MAC is by this key.
    pub(super) fn is_authentic(&self, key: &AuditKey) -> bool {
        key.verify(self.authenticated, &self.mac).is_ok()
    }

    /// Whether it is signed, and if so whether by this key.
    pub(super) fn is_signed_by(&self, key: &InstallationPublicKey) -> Option<bool> {
        self.signature.map(|signature| key.verifies(CHECKPOINT_LABEL, self.signed, &signature))
    }
}

/// What stands before `name` and the digits at the end, and what these say.
fn cut_digits<'a, const N: usize>(text: &'a [u8], name: &str) -> Option<(&'a [u8], [u8; N])> {
    let (before, digits) = text.split_at_checked(text.len().checked_sub(2 * N)?)?;
    let mut bytes = [0; N];
    HEXLOWER.decode_mut(digits, &mut bytes).ok()?;
    Some((before.strip_suffix(name.as_bytes())?, bytes))
}

/// A number without sign or leading zeros, and what stands behind the comma after it.
fn cut_number(text: &[u8]) -> Option<(u64, &[u8])> {
    let comma = text.iter().take(DIGITS_MAX + 1).position(|byte| *byte == b',')?;
    let (digits, rest) = text.split_at_checked(comma)?;
    let digits = std::str::from_utf8(digits).ok()?;
    let number = digits.parse::<u64>().ok().filter(|number| number.to_string() == digits)?;
    Some((number, rest.strip_prefix(b",")?))
}

pub(super) const HASH_SIZE: usize = 32;
/// Digits of the largest number.
const DIGITS_MAX: usize = 20;
const PREVIOUS: &str = ",\"previous\":\"";
const SIGNATURE: &str = ",\"signature\":\"";
const MAC: &str = ",\"mac\":\"";
const END: &str = "\"}";
/// What a checkpoint's signature begins with.
const CHECKPOINT_LABEL: &[u8] = b"claviger/audit-checkpoint/1\n";
