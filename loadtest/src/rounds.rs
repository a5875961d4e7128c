//! Several measurements in turn, each as often: what a table and a comparison have in common.

use std::time::Duration;

use claviger_client::Transport;

use crate::cpus::Cpus;
use crate::run::Plan;
use crate::task::Task;

/// How each of them is measured.
#[derive(Clone)]
pub(crate) struct Rounds {
    pub(crate) duration: Duration,
    pub(crate) warm_up: Duration,
    /// Everything is measured so often, in turn; what is shown are medians.
    pub(crate) count: usize,
    pub(crate) load_cpus: Option<Cpus>,
    pub(crate) in_process_cpus: Option<Cpus>,
}

impl Rounds {
    /// One measurement of throughput: a closed loop over one byte stream, with the same in process meanwhile.
    pub(crate) fn throughput(&self, task: Task, transport: Transport) -> Plan {
        Plan { in_process_meanwhile: true, ..self.plan(task, transport) }
    }

    /// One measurement: a closed loop over one byte stream.
    pub(crate) fn plan(&self, task: Task, transport: Transport) -> Plan {
        Plan {
            task,
            transport,
            connections: 1,
            streams: 1,
            in_flight: None,
            rate: None,
            warm_up: self.warm_up,
            duration: self.duration,
            load_cpus: self.load_cpus.clone(),
            load_sleeps: false,
            in_process_cpus: self.in_process_cpus.clone(),
            in_process_meanwhile: false,
        }
    }
}
