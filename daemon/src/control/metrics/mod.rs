//! Metrics: what there is to watch, as Prometheus reads it.
//!
//! [`table`] every metric, as data · `gather` their values · `text` the format · [`listen`] a listener of their own, without TLS, for scrapers and orchestration.
//!
//! What is counted on the way of a frame is counted by each worker alone (`data_port/tally.rs`), and added up here.

mod gather;
pub mod listen;
pub mod table;
mod text;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;
use parking_lot::Mutex;
use zeroize::Zeroizing;

use super::ControlState;
use super::answer::Answer;
use super::call::Call;
use super::permission::READ_INSTALLATION;
use super::problem::Problem;
use super::route::{Route, read};

pub(super) use gather::gather;

/// The metrics, for administrators.
pub(super) static ROUTES: &[Route] =
    &[read("/metrics", "read_metrics", "What there is to watch, as Prometheus reads it", None, show)
        .needs(&READ_INSTALLATION)
        .answers_in(MEDIA_TYPE)];

/// The media type of the text.
pub(super) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the control port has done. It is slow enough for a lock.
#[derive(Default)]
pub(super) struct ControlCounts {
    requests: Mutex<BTreeMap<(&'static str, bool, u16), u64>>,
    refused: AtomicU64,
}

impl ControlCounts {
    /// A request of this route was answered.
    pub(super) fn answered(&self, route: &Route, status: StatusCode) {
        *self.requests.lock().entry((route.operation, route.changes(), status.as_u16())).or_default() += 1;
    }

    /// A connection was not let in.
    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }
}

fn show(state: &ControlState, _: &Call) -> Result<Answer, Problem> {
    let body = Zeroizing::new(gather(state)?.into_bytes());
    Ok(Answer { status: StatusCode::OK, location: None, body })
}
