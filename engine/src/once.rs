//! Requests that are made once, however often they are sent: whoever got no answer sends the same again, with the same key, and is told what came of the first.
//!
//! That one was begun is durable before it is made; what was answered is noted after it. So a crash between the two makes nothing twice: then nobody knows, and that is said.

use zeroize::Zeroizing;

use crate::crypto::checksum::sha256;
use crate::engine::Engine;
use crate::error::Error;
use crate::key::material::SecretBytes;
use crate::ledger::Ledger;
use crate::limits::{ONCE_ANSWER_SIZE_MAX, ONCE_KEPT, ONCE_PER_CALLER_MAX, SCAN_PAGE_RECORDS};
use crate::record::address;
use crate::record::key::milliseconds;
use crate::record::once::{OnceRecord, OnceState};
use crate::storage::{Address, Compare, Versioned, Write};

/// What has become of a request that is made once.
pub enum Once {
    /// It was not asked for in the last 24 hours: it is to be made, and what came of it to be noted.
    First(FirstTime),
    /// It was made: the answer. It may hold what only who asked should see.
    Answered(SecretBytes),
}

/// A request that is made for the first time.
pub struct FirstTime {
    place: Address,
    request: [u8; 32],
    begun_ms: u64,
}

/// Why a request is not made, nor answered as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OnceError {
    /// The key was used for something else.
    #[error(
        "this idempotency key was used for another request in the last 24 hours: use a new key for each thing that is to be made"
    )]
    OtherRequest,
    /// It is being made now, or it was never told what has become of it.
    #[error(
        "this request was sent before, and is being made, or it is not known what has become of it: look whether it was made before sending it with a new key"
    )]
    Unknown,
    /// It was made, and cannot be answered again.
    #[error(
        "this request was made before; its answer was too large to be kept, or held a secret that is shown once: look at what was made"
    )]
    AnsweredOnce,
    /// The caller has used as many keys as he may in 24 hours.
    #[error(
        "{ONCE_PER_CALLER_MAX} idempotency keys were used in the last 24 hours, which is the most: send requests without one, or wait"
    )]
    TooMany,
}

impl Engine {
    /// Begins a request that is made once: of a caller, who is told apart by these bytes, with a key of his choice. `request` is the SHA-256 of what is asked for.
    ///
    /// # Errors
    /// [`Error::Once`]; [`Error::Damaged`], [`Error::Entropy`], [`Error::Storage`]: it must not be made then.
    pub fn begin_once(&self, caller: [u8; 32], key: &str, request: [u8; 32]) -> Result<Once, Error> {
        let (ledger, now_ms) = (&self.ledger, self.ledger.clock.now_ms());
        let (all, place) = (address::onces_of(&caller), address::once(&caller, &sha256(&[key.as_bytes()])));
        let (mut live, mut writes) = (0, Vec::new());
        let mut expected = Compare::absent(place.clone());
        for (address, Versioned { value, revision }) in ledger.vault().storage().scan(&all, None, SCAN_PAGE_RECORDS)? {
            let record: OnceRecord = ledger.vault().open(&address, &value)?;
            let is_over = now_ms.saturating_sub(record.begun_ms) > milliseconds(ONCE_KEPT);
            if address == place && !is_over {
                return ledger.answer_again(&address, &record, request);
            }
            if address == place {
                expected = Compare::unchanged(address, revision);
            } else if is_over {
                writes.push(Write::Delete { address });
            } else {
                live += 1;
            }
        }
        if live >= ONCE_PER_CALLER_MAX {
            return Err(OnceError::TooMany.into());
        }
        let first = FirstTime { place, request, begun_ms: now_ms };
        writes.push(ledger.once_as(&first, OnceState::Begun, &[])?);
        match ledger.vault().transact(&[expected], &writes) {
            Ok(_) => Ok(Once::First(first)),
            // Begun by another connection at the same moment.
            Err(Error::Conflict) => Err(OnceError::Unknown.into()),
            Err(error) => Err(error),
        }
    }

    /// Notes what a request was answered, to be answered again for 24 hours; `None` if that is not to be kept. What is larger than 64 KiB is not kept either.
    ///
    /// # Errors
    /// [`Error::Entropy`], [`Error::Storage`]: who sends it again is told that nobody knows what has become of it.
    pub fn note_answer(&self, first: &FirstTime, answer: Option<&[u8]>) -> Result<(), Error> {
        let write = match answer.filter(|answer| answer.len() <= ONCE_ANSWER_SIZE_MAX) {
            Some(answer) => self.ledger.once_as(first, OnceState::Answered, answer)?,
            None => self.ledger.once_as(first, OnceState::AnsweredOnce, &[])?,
        };
        self.vault().transact(&[], &[write]).map(drop)
    }

    /// Forgets a request of which it is certain that nothing has come: it can be sent again.
    ///
    /// # Errors
    /// [`Error::Storage`]: as [`Engine::note_answer`].
    pub fn forget_once(&self, first: FirstTime) -> Result<(), Error> {
        self.vault().transact(&[], &[Write::Delete { address: first.place }]).map(drop)
    }
}

impl Ledger {
    /// Forgets requests that were begun more than 24 hours ago, some at each look: those of callers who do not come any more, too. One that cannot be read is over.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub(crate) fn forget_old_answers(&self) -> Result<(), Error> {
        let now_ms = self.clock.now_ms();
        let mut after = self.looked_at_once.lock();
        let page = self.vault().storage().scan(&address::onces(), after.as_ref(), SCAN_PAGE_RECORDS)?;
        *after = page.last().map(|(address, _)| address.clone());
        for (address, Versioned { value, revision }) in page {
            let begun_ms = self.vault().open::<OnceRecord>(&address, &value).map_or(0, |record| record.begun_ms);
            if now_ms.saturating_sub(begun_ms) > milliseconds(ONCE_KEPT) {
                let moved = self
                    .vault()
                    .transact(&[Compare::unchanged(address.clone(), revision)], &[Write::Delete { address }]);
                match moved {
                    Ok(_) | Err(Error::Conflict) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    fn answer_again(&self, place: &Address, record: &OnceRecord, request: [u8; 32]) -> Result<Once, Error> {
        let kept = self.vault().unwrap::<OnceRecord>(place, None, &record.wrapped)?;
        let (asked, answer) = kept.expose().split_first_chunk().ok_or_else(|| Error::Damaged(place.to_string()))?;
        if *asked != request {
            return Err(OnceError::OtherRequest.into());
        }
        match record.state {
            OnceState::Begun => Err(OnceError::Unknown.into()),
            OnceState::AnsweredOnce => Err(OnceError::AnsweredOnce.into()),
            OnceState::Answered => Ok(Once::Answered(SecretBytes::from(answer.to_vec()))),
        }
    }

    fn once_as(&self, first: &FirstTime, state: OnceState, answer: &[u8]) -> Result<Write, Error> {
        let FirstTime { place, request, begun_ms } = first;
        let kept = Zeroizing::new([&request[..], answer].concat());
        let wrapped = self.vault().wrap::<OnceRecord>(place, None, &kept)?;
        let record = OnceRecord { begun_ms: *begun_ms, state, wrapped };
        Ok(self.vault().put(place.clone(), &record))
    }
}
