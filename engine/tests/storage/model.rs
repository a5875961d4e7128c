//! Random operations on a storage and on a plain map must give the same answers.

use std::collections::BTreeMap;

use claviger_engine::storage::{
    Address, Change, Compare, Database, LmdbStorage, MemoryStorage, Revision, Storage, TransactError, Versioned, Write,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::support::{DataFolder, options};

const SEED: [u8; 32] = *b"storage against a plain map, 1st";

#[test]
fn memory_behaves_like_a_plain_map() {
    runner(256)
        .run(&vec(operation(), 1..60), |operations| {
            let storage = MemoryStorage::new();
            let mut model = Model::default();
            operations.iter().for_each(|operation| model.check(&storage, operation));
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn lmdb_behaves_like_a_plain_map_across_reopening() {
    runner(24)
        .run(&vec(operation(), 1..60), |operations| {
            let folder = DataFolder::new();
            let mut model = Model::default();
            for session in operations.chunks(20) {
                let storage = LmdbStorage::open(&folder.path(), &options()).unwrap();
                assert_eq!(storage.revision(), model.revision);
                session.iter().for_each(|operation| model.check(&storage, operation));
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

fn runner(cases: u32) -> TestRunner {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &SEED))
}

#[derive(Clone, Debug)]
enum Operation {
    Get(Address),
    Scan { prefix: Address, after: Option<Address>, limit: usize },
    Transact { compares: Vec<(Address, Expectation)>, writes: BTreeMap<Address, Option<Vec<u8>>> },
}

/// A compare relative to what the model holds when it is reached.
#[derive(Clone, Copy, Debug)]
enum Expectation {
    AsItIs,
    Absent,
    Last,
}

#[derive(Default)]
struct Model {
    values: BTreeMap<Address, Versioned>,
    revision: Revision,
}

impl Model {
    fn check(&mut self, storage: &dyn Storage, operation: &Operation) {
        match operation {
            Operation::Get(address) => assert_eq!(storage.get(address).unwrap().as_ref(), self.values.get(address)),
            Operation::Scan { prefix, after, limit } => {
                let expected: Vec<_> = self
                    .values
                    .iter()
                    .filter(|(address, _)| address.database == prefix.database && address.key.starts_with(&prefix.key))
                    .filter(|(address, _)| after.as_ref().is_none_or(|after| *address > after))
                    .map(|(address, versioned)| (address.clone(), versioned.clone()))
                    .take(*limit)
                    .collect();
                assert_eq!(storage.scan(prefix, after.as_ref(), *limit).unwrap(), expected);
            }
            Operation::Transact { compares, writes } => self.check_transact(storage, compares, writes),
        }
    }

    fn check_transact(
        &mut self,
        storage: &dyn Storage,
        compares: &[(Address, Expectation)],
        writes: &BTreeMap<Address, Option<Vec<u8>>>,
    ) {
        let current = |address: &Address| self.values.get(address).map(|versioned| versioned.revision);
        let compares: Vec<_> = compares
            .iter()
            .map(|(address, expectation)| Compare {
                address: address.clone(),
                expected: match expectation {
                    Expectation::AsItIs => current(address),
                    Expectation::Absent => None,
                    Expectation::Last => Some(self.revision),
                },
            })
            .collect();
        let conflict = compares.iter().find(|compare| current(&compare.address) != compare.expected);
        let writes: Vec<_> = writes
            .iter()
            .map(|(address, value)| match value {
                Some(value) => Write::Put { address: address.clone(), value: value.clone() },
                None => Write::Delete { address: address.clone() },
            })
            .collect();
        let mut watch = storage.watch(self.revision).unwrap();
        match (storage.transact(&compares, &writes), conflict) {
            (Err(TransactError::Conflict { address }), Some(conflict)) => assert_eq!(address, conflict.address),
            (Ok(revision), None) if writes.is_empty() => assert_eq!(revision, self.revision),
            (Ok(revision), None) => {
                assert!(revision > self.revision);
                let addresses = writes.iter().map(|write| write.address().clone()).collect();
                assert_eq!(watch.next().unwrap(), Change { revision, addresses });
                self.apply(revision, writes);
            }
            (result, conflict) => panic!("{result:?}, where the plain map has the conflict {conflict:?}"),
        }
        assert_eq!(storage.revision(), self.revision);
    }

    fn apply(&mut self, revision: Revision, writes: Vec<Write>) {
        self.revision = revision;
        for write in writes {
            match write {
                Write::Put { address, value } => drop(self.values.insert(address, Versioned { value, revision })),
                Write::Delete { address } => drop(self.values.remove(&address)),
            }
        }
    }
}

fn operation() -> impl Strategy<Value = Operation> {
    let scan = (any_address(0), proptest::option::of(any_address(1)), 0..8_usize);
    prop_oneof![
        1 => any_address(1).prop_map(Operation::Get),
        1 => scan.prop_map(|(prefix, after, limit)| Operation::Scan { prefix, after, limit }),
        3 => transact(),
    ]
}

fn transact() -> impl Strategy<Value = Operation> {
    let expectation =
        prop_oneof![4 => Just(Expectation::AsItIs), 1 => Just(Expectation::Absent), 1 => Just(Expectation::Last)];
    let value =
        proptest::option::weighted(0.7, prop_oneof![4 => vec(any::<u8>(), 0..20), 1 => vec(any::<u8>(), 9_000)]);
    (vec((any_address(1), expectation), 0..3), proptest::collection::btree_map(any_address(1), value, 0..5))
        .prop_map(|(compares, writes)| Operation::Transact { compares, writes })
}

/// Few and short keys, so that operations meet; bytes at both ends of the order.
fn any_address(size_min: usize) -> impl Strategy<Value = Address> {
    let byte = prop::sample::select(vec![0_u8, 1, b'a', 0xff]);
    (prop::sample::select(Database::ALL.to_vec()), vec(byte, size_min..4))
        .prop_map(|(database, key)| Address { database, key })
}
