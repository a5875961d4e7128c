//! Requests of key stores that want each of them recorded: told to the queue of the worker when they are answered. Others pay for it with a look at what admission holds.

use claviger_engine::audit::RequestRecord;
use claviger_protocol::{RequestHeader, Status};

use super::super::convert;
use super::Session;

/// How a request was answered.
pub(super) enum Answered {
    /// Item by item.
    Items {
        /// All of them.
        items: usize,
        /// Those that failed.
        failures: usize,
    },
    /// With a status alone.
    Refused(Status),
}

impl Session {
    /// Records the request at hand, if a key store has let it in that wants that.
    pub(super) fn record(&mut self, header: &RequestHeader, answered: Answered) {
        if self.admissions.is_recorded() {
            self.tell_request(header, &answered);
        }
    }

    #[cold]
    fn tell_request(&mut self, header: &RequestHeader, answered: &Answered) {
        let Some(requests) = &self.requests else { return };
        let count = |items: usize| u32::try_from(items).unwrap_or(u32::MAX);
        let (items, failures, refused) = match answered {
            Answered::Items { items, failures } => (Some(count(*items)), count(*failures), ""),
            Answered::Refused(status) => (None, 0, status.name()),
        };
        for recorded in self.admissions.take_recorded() {
            requests.tell(RequestRecord {
                time_ms: self.engine.now_ms(),
                store: recorded.store,
                keys: recorded.keys,
                client: self.client.clone(),
                operation: convert::operation_name(header),
                items,
                failures,
                bytes: count(self.body_size),
                refused,
                trace_id: header.trace_id.0,
            });
        }
    }
}
