//! Throughput of a daemon against the same operation in process, and against what the transport by itself leaves of it.

use claviger_algorithm::Algorithm;
use claviger_client::Transport;

use super::even_rounds::EvenRounds;
use super::figure::{Figure, Goal, Unit, bound_ns};
use super::side::{busy, nanoseconds, sound};
use super::stage::Stage;
use crate::run::{Plan, measure, measure_echo};
use crate::task::{Operation, Task};

/// What is measured, and what it is to reach.
pub(super) struct Throughput {
    pub(super) operation: Operation,
    pub(super) algorithm: Algorithm,
    /// Bytes of an item.
    pub(super) size: usize,
    pub(super) batch: usize,
    /// Frames in flight; none for as many as suit the task.
    pub(super) in_flight: Option<usize>,
    pub(super) transport: Transport,
    /// Of the bound; without it, no echo is measured.
    pub(super) of_bound: Option<Goal>,
    pub(super) of_in_process: Option<Goal>,
    /// What the echo is to reach, or the bound is worth nothing.
    pub(super) echo_of_in_process: Option<Goal>,
}

/// What the rounds gave, in nanoseconds of an item.
#[derive(Default)]
struct Times {
    in_process: Vec<f64>,
    daemon: Vec<f64>,
    /// Of processor time.
    daemon_processor: Vec<f64>,
    daemon_busy: Vec<f64>,
    echo: Vec<f64>,
    echo_busy: Vec<f64>,
}

impl Throughput {
    pub(super) const fn task(&self) -> Task {
        let Self { operation, algorithm, size, batch, .. } = *self;
        Task { operation, algorithm, size, batch }
    }

    pub(super) async fn measure(&self, stage: &mut Stage) -> anyhow::Result<Vec<Figure>> {
        let plan = Plan { in_flight: self.in_flight, ..stage.plan.rounds.throughput(self.task(), self.transport) };
        let mut times = Times::default();
        let mut rounds = EvenRounds::new(stage.plan.rounds.count);
        while rounds.begin() {
            let echo = match self.of_bound {
                Some(_) => {
                    let (target, echo) = stage.sides().await?;
                    Some(sound(measure_echo(&plan, target, echo).await?)?)
                }
                None => None,
            };
            let daemon = sound(measure(&plan, stage.daemon().await?, &mut |_| {}).await?)?;
            if !rounds.keep([echo.as_ref().unwrap_or(&daemon), &daemon]) {
                continue;
            }
            if let Some(echo) = echo {
                times.echo.push(nanoseconds(&echo));
                times.echo_busy.push(busy(&echo));
            }
            times.in_process.push(daemon.in_process_ns.unwrap_or(f64::NAN));
            times.daemon.push(nanoseconds(&daemon));
            times.daemon_processor.push(daemon.processor_ns().unwrap_or(f64::NAN));
            times.daemon_busy.push(busy(&daemon));
        }
        let mut figures = self.figures(times);
        figures.push(rounds.figure());
        Ok(figures)
    }

    fn figures(&self, times: Times) -> Vec<Figure> {
        let bound: Vec<_> = times.in_process.iter().zip(&times.echo).map(|(work, way)| bound_ns(*work, *way)).collect();
        let ratio = |name: &str, limit: &[f64], of: &[f64], goal: Option<Goal>| {
            // Of each round by itself: what is divided was measured right after one another.
            let rounds = limit.iter().zip(of).map(|(limit, of)| limit / of).collect();
            Figure { goal, ..Figure::new(name, Unit::Ratio, rounds) }
        };
        let mut figures = Vec::new();
        if self.of_bound.is_some() {
            figures.push(ratio("daemon, of the bound", &bound, &times.daemon, self.of_bound));
        }
        figures.push(ratio("daemon, of in process", &times.in_process, &times.daemon, self.of_in_process));
        if self.of_bound.is_some() {
            figures.push(ratio("echo, of in process", &times.in_process, &times.echo, self.echo_of_in_process));
        }
        let mut time = |name: &str, unit, rounds: Vec<f64>| {
            if !rounds.is_empty() {
                figures.push(Figure::new(name, unit, rounds));
            }
        };
        time("in process", Unit::Nanoseconds, times.in_process);
        time("echo", Unit::Nanoseconds, times.echo);
        time("bound", Unit::Nanoseconds, bound);
        time("daemon", Unit::Nanoseconds, times.daemon);
        time("daemon, processor time", Unit::Nanoseconds, times.daemon_processor);
        time("daemon, busy", Unit::Ratio, times.daemon_busy);
        time("echo, busy", Unit::Ratio, times.echo_busy);
        figures
    }
}

#[cfg(test)]
mod tests {
    use super::super::figure::Verdict;
    use super::*;

    fn throughput(of_bound: Option<Goal>) -> Throughput {
        Throughput {
            operation: Operation::Encrypt,
            algorithm: Algorithm::Xaes256Gcm,
            size: 1_024,
            batch: 16,
            in_flight: None,
            transport: Transport::Tcp,
            of_bound,
            of_in_process: Some(Goal::at_least(0.24, 0.30)),
            echo_of_in_process: Some(Goal::AtLeast { required: 0.36, aim: None }),
        }
    }

    fn times() -> Times {
        Times {
            in_process: vec![160.0, 150.0, 400.0],
            daemon: vec![800.0, 500.0, 2_000.0],
            daemon_processor: vec![790.0, 490.0, 1_900.0],
            daemon_busy: vec![1.0; 3],
            echo: vec![400.0, 250.0, 1_000.0],
            echo_busy: vec![1.0; 3],
        }
    }

    // R-O5
    #[test]
    fn ratios_are_those_of_each_round_and_the_one_in_the_middle_counts() {
        let figures = throughput(Some(Goal::at_least(0.85, 0.95))).figures(times());
        let find = |name: &str| figures.iter().find(|figure| figure.name == name).unwrap();
        // (160 + 400) / 800, (150 + 250) / 500, (400 + 1,000) / 2,000: a round in which all were slow says the same.
        assert_eq!(find("daemon, of the bound").rounds, [0.7, 0.8, 0.7]);
        assert_eq!(find("daemon, of the bound").verdict(), Some(Verdict::NotReached));
        assert_eq!(find("daemon, of in process").rounds, [0.2, 0.3, 0.2]);
        assert_eq!(find("echo, of in process").verdict(), Some(Verdict::Reached));
        assert_eq!(find("bound").value(), 560.0);
    }

    #[test]
    fn without_a_bound_nothing_is_said_of_an_echo() {
        let times = Times { echo: Vec::new(), echo_busy: Vec::new(), ..times() };
        let figures = throughput(None).figures(times);
        assert!(figures.iter().all(|figure| !figure.name.contains("echo") && !figure.name.contains("bound")));
    }
}
