//! Group commit: one thread makes all changes, and what is waiting when it starts shares one sync of the disk.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::{Compare, Revision, StorageError, TransactError, Write};
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
}

/// A transaction in the queue, and where its caller waits.
struct Waiting {
    transaction: Transaction,
    answer: Sender<Result<Revision, TransactError>>,
}

impl GroupWriter {
    /// Starts the writer thread.
    pub(super) fn start(target: Arc<impl GroupCommit>) -> io::Result<Self> {
        let (queue, waiting) = bounded(GROUP_COUNT_MAX);
        let thread = thread::Builder::new().name("storage-writer".into()).spawn(move || write(&*target, &waiting))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Waits for a place in the queue and for the result; `None` if the writer thread is gone.
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

fn write(target: &impl GroupCommit, queue: &Receiver<Waiting>) {
    while let Ok(first) = queue.recv() {
        let (transactions, answers) = collect(first, queue);
        let results = match target.commit(&transactions) {
            Ok(results) => results,
            Err(error) => answers.iter().map(|_| Err(error.clone().into())).collect(),
        };
        for (answer, result) in answers.into_iter().zip(results) {
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
