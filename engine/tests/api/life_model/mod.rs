//! Random lives of keys, with clocks that pass, stop, and are put forward and back, compared with a plain model of the rules.

mod model_key;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use claviger_algorithm::Algorithm;
use claviger_engine::key::state::{KeyState, VersionState};
use claviger_engine::key::version::KeyVersion;
use claviger_engine::{Error, ItemError, RotationByUse};
use model_key::ModelKey;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::support::client::PATIENCE;
use crate::support::clock::{DAY, HOUR, milliseconds};
use crate::support::tamper::all_records;
use crate::support::{Client, Installation, calls, only};

/// One step. Keys are chosen by a number, modulo how many there are.
#[derive(Clone, Debug)]
enum Step {
    Create,
    Change(usize, Change),
    /// Encrypts, and decrypts everything that the key has encrypted so far.
    Use(usize),
    /// Hours pass while the engine is running.
    Pass(u32),
    /// The wall clock is put forward, or back, by days.
    PutForward(u32),
    PutBack(u32),
    /// Another process begins after so many days.
    Restart(u32),
    Look,
}

#[derive(Clone, Copy, Debug)]
enum Change {
    SetState(KeyState),
    RequestDeletion {
        hours: u32,
    },
    CancelDeletion,
    DeleteNow {
        force: bool,
    },
    Rotate,
    SetRotation(Option<u16>),
    /// After so many items.
    SetRotationByUse(Option<u64>),
    SetVersionState(u32, VersionState),
    DestroyVersion(u32),
    SetLowestVersion(u32),
}

fn change() -> impl Strategy<Value = Change> {
    let state = prop::sample::select(vec![KeyState::Available, KeyState::Disabled]);
    let version_state = prop::sample::select(vec![VersionState::Active, VersionState::Disabled]);
    prop_oneof![
        3 => state.prop_map(Change::SetState),
        3 => (20..100_u32).prop_map(|hours| Change::RequestDeletion { hours }),
        1 => Just(Change::CancelDeletion),
        2 => any::<bool>().prop_map(|force| Change::DeleteNow { force }),
        3 => Just(Change::Rotate),
        3 => prop::option::weighted(0.8, 0..10_u16).prop_map(Change::SetRotation),
        3 => prop::option::weighted(0.8, 0..12_u64).prop_map(Change::SetRotationByUse),
        3 => (1..5_u32, version_state).prop_map(|(version, state)| Change::SetVersionState(version, state)),
        2 => (1..5_u32).prop_map(Change::DestroyVersion),
        2 => (1..5_u32).prop_map(Change::SetLowestVersion),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::Create),
        12 => (any::<usize>(), change()).prop_map(|(key, change)| Step::Change(key, change)),
        6 => any::<usize>().prop_map(Step::Use),
        4 => (1..100_u32).prop_map(Step::Pass),
        1 => (1..800_u32).prop_map(Step::PutForward),
        1 => (1..400_u32).prop_map(Step::PutBack),
        1 => (0..10_u32).prop_map(Step::Restart),
        6 => Just(Step::Look),
    ]
}

/// How often each outcome came, to show that the test is one.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    changed: u32,
    refused: u32,
    deleted: u32,
    rotated: u32,
    rotated_by_use: u32,
    purged: u32,
    used: u32,
}

struct Scene {
    installation: Option<Installation>,
    keys: Vec<ModelKey>,
    wall_ms: u64,
    running_ms: u64,
    /// Running time at the first look of this process that found rotations further away than one period, as all looks since have.
    far_since_ms: Option<u64>,
}

// R-K7, R-K8, R-K10, R-K11, R-K12, R-K13, R-K15
#[test]
fn keys_live_like_the_model_in_memory() {
    let done = run(40, Installation::in_memory);
    let all = [done.changed, done.refused, done.deleted, done.rotated, done.rotated_by_use, done.used];
    assert!(all.iter().all(|count| *count > 20) && done.purged > 0, "the steps proved too little: {done:?}");
}

// R-K7, R-K8, R-K10, R-K11, R-K12, R-K13, R-K15
#[test]
fn keys_live_like_the_model_on_lmdb() {
    let done = run(4, Installation::on_lmdb);
    assert!(done.changed > 20 && done.refused > 20, "the steps proved too little: {done:?}");
}

fn run(cases: u32, installation: fn() -> Installation) -> Done {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &SEED));
    let done = std::cell::Cell::new(Done::default());
    let result = runner.run(&prop::collection::vec(step(), 1..160), |steps| {
        let installation = installation();
        installation.clock.hold();
        let wall_ms = installation.clock.shows();
        let mut scene =
            Scene { installation: Some(installation), keys: Vec::new(), wall_ms, running_ms: 0, far_since_ms: None };
        let mut so_far = done.get();
        scene.take(&Step::Create, &mut so_far);
        scene.take(&Step::Create, &mut so_far);
        for step in steps {
            scene.take(&step, &mut so_far);
            scene.compare();
        }
        done.set(so_far);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("seed {SEED:?}: {failure}");
    }
    done.get()
}

impl Scene {
    fn installation(&self) -> &Installation {
        self.installation.as_ref().unwrap()
    }

    fn take(&mut self, step: &Step, done: &mut Done) {
        match *step {
            Step::Create => {
                let id = self.installation().create(&format!("key-{}", self.keys.len()), Algorithm::Xaes256Gcm);
                self.keys.push(ModelKey::new(id));
            }
            Step::Change(key, change) => self.change(key, change, done),
            Step::Use(key) => self.use_key(key, done),
            Step::Pass(hours) => {
                self.installation().clock.pass(HOUR * hours);
                self.wall_ms += milliseconds(HOUR * hours);
                self.running_ms += milliseconds(HOUR * hours);
            }
            Step::PutForward(days) => self.put_forward(DAY * days),
            Step::PutBack(days) => {
                self.installation().clock.put_back(DAY * days);
                self.wall_ms -= milliseconds(DAY * days);
            }
            Step::Restart(days) => {
                // Running time passes elsewhere too; it must not count.
                let restarted = self.installation.take().unwrap().restarted(|clock| clock.pass(DAY * days));
                self.installation = Some(restarted);
                self.wall_ms += milliseconds(DAY * days);
                self.far_since_ms = None;
            }
            Step::Look => {
                self.installation().engine.do_due().unwrap();
                let (wall_ms, running_ms) = (self.wall_ms, self.running_ms);
                for key in &mut self.keys {
                    key.look(wall_ms, running_ms, done);
                }
                let is_believed = self.far_since_ms.is_some_and(|since| running_ms - since >= milliseconds(DAY));
                let mut far = false;
                for key in &mut self.keys {
                    far |= key.look_far(wall_ms, is_believed);
                }
                self.far_since_ms = far.then(|| self.far_since_ms.unwrap_or(running_ms));
            }
        }
    }

    fn put_forward(&mut self, time: Duration) {
        self.installation().clock.pass_on_the_wall(time);
        self.wall_ms += milliseconds(time);
    }

    fn change(&mut self, key: usize, change: Change, done: &mut Done) {
        let (wall_ms, running_ms) = (self.wall_ms, self.running_ms);
        let Some(at) = key.checked_rem(self.keys.len()) else { return };
        let id = self.keys[at].id;
        if matches!(change, Change::SetRotationByUse(_)) && self.keys[at].is_past_deadline(wall_ms) {
            // Nothing comes of it, at a moment that the thread of the engine chooses.
            return;
        }
        let engine = &self.installation().engine;
        let result = match change {
            Change::SetState(state) => engine.set_state(id, state),
            Change::RequestDeletion { hours } => engine.request_deletion(id, HOUR * hours),
            Change::CancelDeletion => engine.cancel_deletion(id),
            Change::DeleteNow { force } => engine.delete_now(id, force),
            Change::Rotate => engine.rotate(id),
            Change::SetRotation(period) => engine.set_rotation(id, period),
            Change::SetRotationByUse(items) => {
                let bounds = items.map(|items| RotationByUse { items: Some(items), bytes: None });
                engine.set_rotation_by_use(id, bounds)
            }
            Change::SetVersionState(version, state) => engine.set_version_state(id, number(version), state),
            Change::DestroyVersion(version) => engine.destroy_version(id, number(version)),
            Change::SetLowestVersion(version) => engine.set_lowest_version(id, number(version)),
        };
        let is_allowed = self.keys[at].change(change, wall_ms, running_ms);
        assert_eq!(result.is_ok(), is_allowed, "{change:?}: {:?}", result.err());
        if is_allowed {
            done.changed += 1
        } else {
            done.refused += 1
        }
        if is_allowed && matches!(change, Change::SetRotationByUse(_)) {
            self.look_at_uses(at, done);
        }
    }

    /// Waits until the thread of the engine has done what the uses of a key ask for.
    fn look_at_uses(&mut self, at: usize, done: &mut Done) {
        let wall_ms = self.wall_ms;
        let key = &mut self.keys[at];
        if !key.look_at_uses(wall_ms) {
            return;
        }
        done.rotated_by_use += 1;
        let (id, versions) = (key.id, key.versions.len());
        let begin = Instant::now();
        while self.installation().engine.describe_key(id).unwrap().versions.len() < versions {
            assert!(begin.elapsed() < PATIENCE, "it is rotated");
            std::thread::yield_now();
        }
        // A change to what is so already waits until that is in force.
        let engine = &self.installation().engine;
        engine.set_rotation_by_use(id, engine.describe_key(id).unwrap().rotation_by_use).unwrap();
    }

    fn use_key(&mut self, key: usize, done: &mut Done) {
        let Some(at) = key.checked_rem(self.keys.len()) else { return };
        let mut client = Client::new(&self.installation().engine);
        let key = &self.keys[at];
        if key.is_purged {
            assert!(client.try_with(key.id, |_| ()).is_err());
            return;
        }
        let made = client.encrypt(key.id, &[(b"", b"plaintext")]);
        let items: Vec<_> = key.made.iter().map(|(_, made)| (&b""[..], &made[..])).collect();
        let opened = client.decrypt(key.id, &items);
        if key.state != KeyState::Available {
            assert!(matches!(made, Err(Error::KeyNotUsable { state, .. }) if state == key.state));
            assert!(matches!(opened, Err(Error::KeyNotUsable { state, .. }) if state == key.state));
            return;
        }
        let made = only(made.unwrap()).unwrap();
        let version = calls::version_of(&made);
        assert_eq!(version as usize, key.versions.len());
        let decrypts = |version: u32| version >= key.lowest && key.state_of(version).is_some_and(usable);
        let expected: Vec<_> = key
            .made
            .iter()
            .map(
                |(version, _)| {
                    if decrypts(*version) { Ok(b"plaintext".to_vec()) } else { Err(ItemError::DecryptionFailed) }
                },
            )
            .collect();
        assert_eq!(opened.unwrap(), expected);
        let opened = key.made.iter().map(|(version, _)| *version).filter(|version| decrypts(*version));
        let items: Vec<_> = opened.chain([version]).collect();
        let key = &mut self.keys[at];
        items.into_iter().for_each(|version| key.used[version as usize - 1] += 1);
        key.last_use_ms = key.last_use_ms.max(Some(self.wall_ms));
        key.made.push((version, made));
        done.used += 1;
        // Now, while the clock shows what it showed.
        self.installation().engine.write_uses();
        self.look_at_uses(at, done);
    }

    /// What is stored is what the model says, and the schedule has an entry for what is due, and no other.
    fn compare(&self) {
        let Installation { engine, storage, .. } = self.installation();
        let mut due = BTreeSet::new();
        for key in &self.keys {
            match engine.describe_key(key.id) {
                Ok(record) => key.compare(&record),
                Err(Error::KeyNotFound(_)) => assert!(key.is_purged),
                Err(other) => panic!("{other}"),
            }
            let usage = engine.key_usage(key.id).unwrap();
            let uses = usage.versions.iter().map(|usage| (usage.version.get(), usage.items));
            assert_eq!(uses.collect::<Vec<_>>(), key.uses());
            due.extend(key.due_ms().map(|due| [&b"d"[..], &due.to_be_bytes(), &key.id.0].concat()));
        }
        let entries = all_records(&**storage).into_iter().map(|(address, _)| address.key).filter(|key| key[0] == b'd');
        assert_eq!(entries.collect::<BTreeSet<_>>(), due);
    }
}

fn usable(state: VersionState) -> bool {
    matches!(state, VersionState::Current | VersionState::Active)
}

fn number(number: u32) -> KeyVersion {
    KeyVersion::new(number).unwrap()
}

const SEED: [u8; 32] = [0x4c; 32];
