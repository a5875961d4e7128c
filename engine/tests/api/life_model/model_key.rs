//! What the rules say of one key.

use claviger_engine::KeyRecord;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::state::{KeyState, VersionState};

use super::{Change, Done};
use crate::support::clock::{DAY, HOUR, milliseconds};

/// What the rules say of a key.
pub(super) struct ModelKey {
    pub(super) id: KeyId,
    pub(super) state: KeyState,
    /// Deadline by the wall clock; running time at which the wait is over.
    pub(super) deletion: Option<(u64, u64)>,
    /// When, by the wall clock and by running time.
    pub(super) deleted: Option<(u64, u64)>,
    /// Period and next rotation.
    pub(super) rotation: Option<(u64, u64)>,
    pub(super) rotation_by_use: Option<u64>,
    /// Items of each version that were made or opened.
    pub(super) used: Vec<u64>,
    /// The latest moment of the wall clock at which it was used.
    pub(super) last_use_ms: Option<u64>,
    pub(super) versions: Vec<VersionState>,
    pub(super) lowest: u32,
    /// Version and ciphertext.
    pub(super) made: Vec<(u32, Vec<u8>)>,
    pub(super) is_purged: bool,
}

/// What a change does to a key.
type Act = Box<dyn FnOnce(&mut ModelKey)>;

impl ModelKey {
    pub(super) fn new(id: KeyId) -> Self {
        Self {
            id,
            state: KeyState::Available,
            deletion: None,
            deleted: None,
            rotation: None,
            rotation_by_use: None,
            used: vec![0],
            last_use_ms: None,
            versions: vec![VersionState::Current],
            lowest: 1,
            made: Vec::new(),
            is_purged: false,
        }
    }

    /// Versions that were used, and how often. Nothing is known any more of a key that is purged.
    pub(super) fn uses(&self) -> Vec<(u32, u64)> {
        let uses = (1..).zip(self.used.iter().copied()).filter(|(_, items)| *items > 0 && !self.is_purged);
        uses.collect()
    }

    /// Rotates the key if its current version was used enough; whether it did.
    pub(super) fn look_at_uses(&mut self, wall_ms: u64) -> bool {
        let is_used = self.rotation_by_use.is_some_and(|items| self.used.last().is_some_and(|used| *used >= items));
        let is_due = is_used && !self.is_past_deadline(wall_ms);
        if is_due {
            self.rotate();
        }
        is_due
    }

    pub(super) fn is_past_deadline(&self, wall_ms: u64) -> bool {
        self.deletion.is_some_and(|(deadline, _)| wall_ms >= deadline)
    }

    pub(super) fn state_of(&self, version: u32) -> Option<VersionState> {
        self.versions.get(version as usize - 1).copied()
    }

    /// Makes the change, if it is allowed.
    pub(super) fn change(&mut self, change: Change, wall_ms: u64, running_ms: u64) -> bool {
        let is_usual = matches!(self.state, KeyState::Available | KeyState::Disabled);
        let lives = self.state != KeyState::Deleted;
        let waits = self.state == KeyState::DeletionRequested;
        let (is_allowed, change): (bool, Act) = match change {
            Change::SetState(state) => (is_usual, Box::new(move |key| key.state = state)),
            Change::RequestDeletion { hours } => {
                let wait = milliseconds(HOUR * hours);
                let request = move |key: &mut Self| {
                    key.state = KeyState::DeletionRequested;
                    key.deletion = Some((wall_ms + wait, running_ms + wait));
                };
                (is_usual && hours >= 24, Box::new(request))
            }
            Change::CancelDeletion => {
                let cancel = |key: &mut Self| {
                    key.state = KeyState::Disabled;
                    key.deletion = None;
                };
                (waits, Box::new(cancel))
            }
            Change::DeleteNow { force } => {
                let is_unused = self.last_use_ms.is_none_or(|last| wall_ms >= last + milliseconds(DAY));
                (waits && (force || is_unused), Box::new(move |key| key.delete(wall_ms, running_ms)))
            }
            Change::Rotate => (lives, Box::new(Self::rotate)),
            Change::SetRotation(Some(days)) => {
                let period = milliseconds(DAY * u32::from(days));
                let begin = move |key: &mut Self| {
                    // Said again, it does not begin anew.
                    if key.rotation.is_none_or(|(before, _)| before != period) {
                        key.rotation = Some((period, wall_ms + period));
                    }
                };
                (lives && days > 0, Box::new(begin))
            }
            Change::SetRotationByUse(items) => {
                (lives && items != Some(0), Box::new(move |key| key.rotation_by_use = items))
            }
            Change::SetRotation(None) => (lives, Box::new(|key| key.rotation = None)),
            Change::SetVersionState(version, state) => {
                let usual = matches!(self.state_of(version), Some(VersionState::Active | VersionState::Disabled));
                (lives && usual, Box::new(move |key| key.versions[version as usize - 1] = state))
            }
            Change::DestroyVersion(version) => {
                let is_not_current = self.state_of(version).is_some_and(|state| state != VersionState::Current);
                let destroy = move |key: &mut Self| key.versions[version as usize - 1] = VersionState::Destroyed;
                (lives && is_not_current, Box::new(destroy))
            }
            Change::SetLowestVersion(version) => {
                (lives && self.state_of(version).is_some(), Box::new(move |key| key.lowest = version))
            }
        };
        if is_allowed {
            change(self);
        }
        is_allowed
    }

    fn rotate(&mut self) {
        *self.versions.last_mut().unwrap() = VersionState::Active;
        self.versions.push(VersionState::Current);
        self.used.push(0);
    }

    fn delete(&mut self, wall_ms: u64, running_ms: u64) {
        self.state = KeyState::Deleted;
        self.versions.fill(VersionState::Destroyed);
        (self.deletion, self.rotation, self.rotation_by_use) = (None, None, None);
        self.deleted = Some((wall_ms, running_ms));
    }

    pub(super) fn look(&mut self, wall_ms: u64, running_ms: u64, done: &mut Done) {
        if let Some((deleted_ms, deleted_running_ms)) = self.deleted {
            let by_both = wall_ms >= deleted_ms + milliseconds(DAY * 365)
                && running_ms >= deleted_running_ms + milliseconds(DAY * 30);
            if !self.is_purged && by_both {
                self.is_purged = true;
                done.purged += 1;
            }
            return;
        }
        if let Some((_, over)) = self.deletion.filter(|(deadline, _)| wall_ms >= *deadline) {
            if running_ms >= over {
                self.delete(wall_ms, running_ms);
                done.deleted += 1;
            }
        } else if let Some((period, mut next)) = self.rotation.filter(|(_, next)| wall_ms >= *next) {
            self.rotate();
            while next <= wall_ms {
                next += period;
            }
            self.rotation = Some((period, next));
            done.rotated += 1;
        }
    }

    /// Whether the next rotation is further away than one period, which a clock that was put back brings about. If the clock is believed, it is brought closer.
    pub(super) fn look_far(&mut self, wall_ms: u64, is_believed: bool) -> bool {
        let Some((period, next)) = &mut self.rotation else { return false };
        let is_far = *next > wall_ms + *period;
        if is_far && is_believed {
            *next = wall_ms + *period;
        }
        is_far
    }

    pub(super) fn due_ms(&self) -> Option<u64> {
        let purge = self.deleted.filter(|_| !self.is_purged).map(|(deleted, _)| deleted + milliseconds(DAY * 365));
        let (deletion, rotation) = (self.deletion.map(|(deadline, _)| deadline), self.rotation.map(|(_, next)| next));
        [purge, deletion, rotation].into_iter().flatten().min()
    }

    pub(super) fn compare(&self, record: &KeyRecord) {
        assert!(!self.is_purged);
        assert_eq!(record.state, self.state);
        assert_eq!(record.deleted.map(|deleted| (deleted.at_ms, deleted.running_ms)), self.deleted);
        assert_eq!(record.deletion.map(|deletion| deletion.deadline_ms), self.deletion.map(|(deadline, _)| deadline));
        let rotation =
            record.rotation.map(|rotation| (milliseconds(DAY * u32::from(rotation.period_days)), rotation.next_ms));
        assert_eq!(rotation, self.rotation);
        assert_eq!(record.rotation_by_use.and_then(|rotation| rotation.items), self.rotation_by_use);
        assert_eq!(record.lowest_version.get(), self.lowest);
        assert_eq!(record.versions.iter().map(|summary| summary.state).collect::<Vec<_>>(), self.versions);
    }
}
