//! Group commit: one thread makes all changes, and what is waiting when it starts shares one sync of the disk.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::activity::{CommitCounts, Outcome};
use super::{Compare, Revision, StorageActivity, StorageError, TransactError, Write};
use crate::limits::{GROUP_COUNT_MAX, GROUP_OPERATIONS, GROUP_SIZE};

/// Where groups of transactions go.
pub(super) trait GroupCommit: Send + Sync + 'static {
    /// Makes the group durable as one step. Each transaction sees those before it in the group, and keeps a result of
    /// its own: its revision, or its conflict. An error means that nothing of the group was answered for.
    fn commit(&self, group: &[Transaction]) -> Result<Vec<Result<Revision, TransactError>>, StorageError>;
}

/// A transaction that has been checked.
pub(super) struct Transaction {
    pub(super) compares: Vec<Compare>,
    pub(super) writes: Vec<Write>,
    /// Sum of its keys and values, in bytes.
    pub(super) size: usize,
}

/// The writer thread and the queue in front of it. Dropping it ends the thread after what is queued.
pub(super) struct GroupWriter {
    /// Present until dropped.
    queue: Option<Sender<Waiting>>,
    thread: Option<JoinHandle<()>>,
    counts: Arc<CommitCounts>,
}

/// A transaction in the queue, and where its caller waits.
struct Waiting {
    transaction: Transaction,
    answer: Sender<Result<Revision, TransactError>>,
}

impl GroupWriter {
    /// Starts the writer thread.
    pub(super) fn start(target: Arc<impl GroupCommit>) -> io::Result<Self> {
        // Each caller waits for its answer, so there are never more entries than threads. A bounded channel would keep
        // what is queued when the writer thread dies, and its callers would wait for ever; this kind drops it.
        let (queue, waiting) = unbounded();
        let counts = Arc::<CommitCounts>::default();
        let write = {
            let counts = Arc::clone(&counts);
            move || write(&*target, &waiting, &counts)
        };
        let thread = thread::Builder::new().name("storage-writer".into()).spawn(write)?;
        Ok(Self { queue: Some(queue), thread: Some(thread), counts })
    }

    /// What it has done.
    pub(super) fn activity(&self) -> StorageActivity {
        self.counts.read()
    }

    /// Queues the transaction and waits for the result; `None` if the writer thread is gone.
    pub(super) fn transact(&self, transaction: Transaction) -> Option<Result<Revision, TransactError>> {
        let (answer, result) = bounded(1);
        self.queue.as_ref()?.send(Waiting { transaction, answer }).ok()?;
        result.recv().ok()
    }
}

impl Drop for GroupWriter {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // Nobody waits for an answer any more, so there is nobody to tell of a panic either.
            let _ended = thread.join();
        }
    }
}

fn write(target: &impl GroupCommit, queue: &Receiver<Waiting>, counts: &CommitCounts) {
    while let Ok(first) = queue.recv() {
        let (transactions, answers) = collect(first, queue);
        let began = Instant::now();
        let results = match target.commit(&transactions) {
            Ok(results) => results,
            Err(error) => answers.iter().map(|_| Err(error.clone().into())).collect(),
        };
        counts.commits.add(began.elapsed());
        for (answer, result) in answers.into_iter().zip(results) {
            counts.count(match &result {
                Ok(_) => Outcome::Made,
                Err(TransactError::Conflict { .. }) => Outcome::Conflict,
                Err(TransactError::Storage(_)) => Outcome::Failed,
            });
            // The caller waits for it; should its thread have died, the change stands all the same.
            let _caller_gone = answer.send(result);
        }
    }
}

type Group = (Vec<Transaction>, Vec<Sender<Result<Revision, TransactError>>>);

/// Takes what is waiting, without waiting for more: a lone caller pays one sync, a crowd shares one.
fn collect(first: Waiting, queue: &Receiver<Waiting>) -> Group {
    let (mut transactions, mut answers) = (Vec::new(), Vec::new());
    let (mut size, mut operations) = (0, 0);
    let mut next = Some(first);
    while let Some(Waiting { transaction, answer }) = next {
        size += transaction.size;
        operations += transaction.compares.len() + transaction.writes.len();
        transactions.push(transaction);
        answers.push(answer);
        let full = transactions.len() >= GROUP_COUNT_MAX || size >= GROUP_SIZE || operations >= GROUP_OPERATIONS;
        next = if full { None } else { queue.try_recv().ok() };
    }
    (transactions, answers)
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::storage::{Address, Database};

    /// Shows each group to the test, and answers when the test says so.
    struct Stage {
        entered: Sender<Vec<u64>>,
        answer: Receiver<Result<(), StorageError>>,
    }

    impl GroupCommit for Stage {
        fn commit(&self, group: &[Transaction]) -> Result<Vec<Result<Revision, TransactError>>, StorageError> {
            let names: Vec<_> = group.iter().map(name).collect();
            self.entered.send(names.clone()).unwrap();
            self.answer.recv().unwrap()?;
            Ok(names
                .into_iter()
                .map(|name| if name == CONFLICT { Err(conflict()) } else { Ok(Revision(name)) })
                .collect())
        }
    }

    /// The transaction that finds a conflict.
    const CONFLICT: u64 = 3;

    fn conflict() -> TransactError {
        TransactError::Conflict { address: address(CONFLICT) }
    }

    fn address(name: u64) -> Address {
        Address::new(Database::Keys, name.to_be_bytes())
    }

    fn name(transaction: &Transaction) -> u64 {
        u64::from_be_bytes(transaction.compares[0].address.key[..].try_into().unwrap())
    }

    fn transaction(name: u64, size: usize, operations: usize) -> Transaction {
        Transaction { compares: vec![Compare::absent(address(name)); operations], writes: Vec::new(), size }
    }

    /// Each transaction by name, with its result.
    type Results = Vec<(u64, Result<Revision, TransactError>)>;

    struct Scene {
        writer: GroupWriter,
        entered: Receiver<Vec<u64>>,
        answer: Sender<Result<(), StorageError>>,
    }

    fn scene() -> Scene {
        let ((entered, shown), (answer, answers)) = (bounded(0), bounded(GROUP_COUNT_MAX));
        let writer = GroupWriter::start(Arc::new(Stage { entered, answer: answers })).unwrap();
        Scene { writer, entered: shown, answer }
    }

    impl Scene {
        /// Sends transaction 0, and the others while 0 is being written; returns the further groups and all results.
        fn play(&self, others: Vec<Transaction>, second_answer: Result<(), StorageError>) -> (Vec<Vec<u64>>, Results) {
            let results = Mutex::new(Vec::new());
            let mut groups = Vec::new();
            thread::scope(|scope| {
                let send = |transaction: Transaction| {
                    scope.spawn(|| {
                        let name = name(&transaction);
                        let result = self.writer.transact(transaction).unwrap();
                        results.lock().push((name, result));
                    });
                };
                send(transaction(0, 0, 1));
                assert_eq!(self.entered.recv().unwrap(), [0], "a lone transaction does not wait for others");
                let mut waiting = others.len();
                let queue = self.writer.queue.as_ref().unwrap();
                for (position, transaction) in others.into_iter().enumerate() {
                    send(transaction);
                    while queue.len() <= position {
                        thread::yield_now();
                    }
                }
                self.answer.send(Ok(())).unwrap();
                while waiting > 0 {
                    let group = self.entered.recv().unwrap();
                    waiting -= group.len();
                    groups.push(group);
                    self.answer.send(second_answer.clone()).unwrap();
                }
            });
            let mut results = results.into_inner();
            results.sort_by_key(|(name, _)| *name);
            (groups, results)
        }
    }

    #[test]
    fn what_waits_shares_one_commit_and_each_keeps_its_result() {
        let (groups, results) = scene().play((1..8).map(|name| transaction(name, 1, 1)).collect(), Ok(()));
        assert_eq!(groups, [(1..8).collect::<Vec<_>>()]);
        for (name, result) in results {
            match result {
                Ok(revision) => assert_eq!(revision, Revision(name)),
                Err(TransactError::Conflict { address: found }) => assert_eq!((name, found), (CONFLICT, address(name))),
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn failed_commit_is_answered_to_every_caller_of_the_group_only() {
        let failed = StorageError::SizeLimit { path: "data".into(), limit: 1 };
        let (_, results) = scene().play((1..8).map(|name| transaction(name, 1, 1)).collect(), Err(failed));
        for (name, result) in results {
            match result {
                Ok(_) => assert_eq!(name, 0),
                Err(TransactError::Storage(StorageError::SizeLimit { .. })) => assert!(name > 0),
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn group_ends_at_its_bounds() {
        let by_size = (1..4).map(|name| transaction(name, GROUP_SIZE / 2, 1)).collect();
        assert_eq!(scene().play(by_size, Ok(())).0, [vec![1, 2], vec![3]]);
        let by_operations = (1..4).map(|name| transaction(name, 1, GROUP_OPERATIONS / 2)).collect();
        assert_eq!(scene().play(by_operations, Ok(())).0, [vec![1, 2], vec![3]]);
    }

    #[test]
    fn dead_writer_thread_is_noticed() {
        let Scene { writer, entered, answer } = scene();
        // The stage panics when the test is no longer there to watch it.
        drop((entered, answer));
        assert!(writer.transact(transaction(1, 1, 1)).is_none());
        assert!(writer.transact(transaction(2, 1, 1)).is_none());
    }
}
