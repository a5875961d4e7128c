//! Requests of key stores that want each of them recorded: a bounded queue for each worker, which tells what it has done and never waits. The thread of the log takes what stands there; what finds no
//! place is counted.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use data_encoding::HEXLOWER;
use parking_lot::Mutex;

use super::event::{Event, EventKind};
use crate::key::id::{KeyId, StoreId};
use crate::limits::AUDIT_REQUESTS_WAITING_MAX;
use crate::usage::Client;

/// One request of a client, as it was answered. Nothing of what it was about.
#[derive(Clone)]
pub struct RequestRecord {
    /// When, in milliseconds since 1970.
    pub time_ms: u64,
    /// The key store that let it in.
    pub store: StoreId,
    /// The keys that it was about: none, one, or two for re-encryption.
    pub keys: [Option<KeyId>; 2],
    /// Whose it was.
    pub client: Client,
    /// What it asked for, by the name of the operation.
    pub operation: &'static str,
    /// Items that were answered one by one, the failed ones included; `None` if it was refused as a whole.
    pub items: Option<u32>,
    /// Those of them that failed.
    pub failures: u32,
    /// Bytes of its body.
    pub bytes: u32,
    /// The status with which it was refused as a whole; empty if it was not.
    pub refused: &'static str,
    /// Names the request; zeros if the client has named none.
    pub trace_id: [u8; 16],
}

/// Where one worker tells of requests. It takes no memory before the first one.
pub struct RequestQueue {
    requests: Arc<Requests>,
    sender: OnceLock<Sender<RequestRecord>>,
}

/// The queues of all workers.
#[derive(Default)]
pub(crate) struct Requests {
    queues: Mutex<Vec<Receiver<RequestRecord>>>,
    /// Those that found no place since it was told last.
    lost: AtomicU64,
    /// Those that found no place since the start.
    dropped: AtomicU64,
    /// The thread was called, and has not come yet.
    is_called: AtomicBool,
    /// Calls the thread; nothing if there is none.
    call: Mutex<Option<Call>>,
}

/// Has the thread of the log come before its time.
type Call = Box<dyn Fn() + Send>;

impl Requests {
    /// A queue for one worker.
    pub(crate) fn queue(self: &Arc<Self>) -> RequestQueue {
        RequestQueue { requests: Arc::clone(self), sender: OnceLock::new() }
    }

    /// From now on the thread of the log is called so; or by nobody, when it is to end.
    pub(super) fn call_by(&self, call: Option<Call>) {
        *self.call.lock() = call;
    }

    /// Takes `limit` records at most, from all queues alike. Tells, too, whether there are more.
    pub(super) fn take(&self, limit: usize) -> (Vec<Event>, bool) {
        self.is_called.store(false, Ordering::Relaxed);
        let (mut taken, mut has_more) = (Vec::new(), false);
        let mut queues = self.queues.lock();
        let share = (limit / queues.len().max(1)).max(1);
        queues.retain(|queue| {
            for _ in 0..share {
                match queue.try_recv() {
                    Ok(record) => taken.push(record.event()),
                    Err(TryRecvError::Empty) => return true,
                    Err(TryRecvError::Disconnected) => return false,
                }
            }
            has_more |= !queue.is_empty();
            true
        });
        (taken, has_more)
    }

    /// Counts records that were not written.
    pub(super) fn lose(&self, records: u64) {
        self.lost.fetch_add(records, Ordering::Relaxed);
        self.dropped.fetch_add(records, Ordering::Relaxed);
    }

    /// How many were not written since this was asked last.
    pub(super) fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }

    /// How many were not written since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    #[cold]
    fn begin(&self) -> Sender<RequestRecord> {
        let (sender, receiver) = bounded(AUDIT_REQUESTS_WAITING_MAX);
        self.queues.lock().push(receiver);
        sender
    }
}

impl RequestQueue {
    /// Tells of a request. It never waits: without a place it is counted as dropped.
    pub fn tell(&self, record: RequestRecord) {
        let Self { requests, sender } = self;
        let sender = sender.get_or_init(|| requests.begin());
        if sender.try_send(record).is_err() {
            requests.lose(1);
        }
        // Else it comes by itself within a second.
        if sender.len() >= AUDIT_REQUESTS_WAITING_MAX / 2
            && !requests.is_called.swap(true, Ordering::Relaxed)
            && let Some(call) = requests.call.lock().as_ref()
        {
            call();
        }
    }
}

impl RequestRecord {
    fn event(self) -> Event {
        let mut event = Event::new(EventKind::Request, self.time_ms);
        event.actor = self.client.name().to_string();
        event.operation = self.operation.to_owned();
        event.reason = self.refused.to_owned();
        event.store = Some(self.store);
        event.keys = self.keys.into_iter().flatten().collect();
        event.count = self.items.map(u64::from);
        event.failures = Some(self.failures.into()).filter(|failures| *failures > 0);
        event.bytes = Some(self.bytes.into());
        if self.trace_id != [0; 16] {
            event.trace_id = HEXLOWER.encode(&self.trace_id);
        }
        event.bounded()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::client::ClientName;

    fn record(store: u8) -> RequestRecord {
        RequestRecord {
            time_ms: 1,
            store: StoreId([store; 16]),
            keys: [None, Some(KeyId([2; 16]))],
            client: Client::for_tests(ClientName::address([192, 0, 2, 1].into())),
            operation: "Encrypt",
            items: Some(3),
            failures: 0,
            bytes: 9,
            refused: "",
            trace_id: [0; 16],
        }
    }

    fn stores(events: &[Event]) -> Vec<u8> {
        events.iter().map(|event| event.store.unwrap().0[0]).collect()
    }

    // R-O3
    #[test]
    fn a_full_queue_drops_and_counts_and_calls_once() {
        let requests = Arc::<Requests>::default();
        let calls = Arc::new(AtomicU64::new(0));
        let called = Arc::clone(&calls);
        requests.call_by(Some(Box::new(move || {
            called.fetch_add(1, Ordering::Relaxed);
        })));
        let queue = requests.queue();
        let record = record(1);
        (0..AUDIT_REQUESTS_WAITING_MAX / 2 - 1).for_each(|_| queue.tell(record.clone()));
        assert_eq!(calls.load(Ordering::Relaxed), 0);
        (0..AUDIT_REQUESTS_WAITING_MAX).for_each(|_| queue.tell(record.clone()));
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        let lost = AUDIT_REQUESTS_WAITING_MAX as u64 / 2 - 1;
        assert_eq!((requests.take_lost(), requests.take_lost(), requests.dropped()), (lost, 0, lost));
        let (taken, has_more) = requests.take(10);
        assert!(taken.len() == 10 && has_more);
        queue.tell(record);
        assert_eq!(calls.load(Ordering::Relaxed), 2, "whoever has come is called again");
    }

    // R-O3
    #[test]
    fn all_workers_are_taken_alike_and_those_that_have_ended_are_forgotten() {
        let requests = Arc::<Requests>::default();
        let [one, other, silent] = [(); 3].map(|()| requests.queue());
        (0..5).for_each(|_| one.tell(record(1)));
        (0..2).for_each(|_| other.tell(record(2)));
        let (taken, has_more) = requests.take(4);
        assert_eq!((stores(&taken), has_more), (vec![1, 1, 2, 2], true));
        drop((one, silent));
        let (taken, has_more) = requests.take(100);
        assert_eq!((stores(&taken), has_more), (vec![1, 1, 1], false));
        assert_eq!(requests.queues.lock().len(), 1);
    }

    // R-O3
    #[test]
    fn a_request_is_told_without_what_does_not_apply() {
        let json = record(1).event().json();
        let store = "01".repeat(16);
        let key = "02".repeat(16);
        let actor = record(1).client.name().to_string();
        assert_eq!(
            json,
            format!(
                "{{\"time_ms\":1,\"kind\":\"request\",\"actor\":\"{actor}\",\"operation\":\"Encrypt\",\"store\":\"{store}\",\"keys\":[\"{key}\"],\"count\":3,\"bytes\":9}}"
            )
        );
        let refused = RequestRecord { items: None, refused: "DeadlineExceeded", trace_id: [7; 16], ..record(1) };
        let event = refused.event();
        assert_eq!((event.count, event.reason.as_str(), event.trace_id.len()), (None, "DeadlineExceeded", 32));
    }
}
