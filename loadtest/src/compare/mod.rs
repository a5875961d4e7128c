//! A daemon against what it cannot exceed: the same operations in process, and an echo on the same transport, in turn and in one run.
//!
//! `rows` the table of what is compared · `figure` a number, its goal, and what became of it · `stage` the processes that are measured · `side` what is read off one of them · `even_rounds` which rounds count ·
//! `throughput`, `single_items`, `all_cores`, `latency`, `flood` with `spinner`, `many_keys` with `warm`, `connections`, `redis`, `curves` how each is measured · `show` the table

mod all_cores;
mod connections;
mod curves;
mod even_rounds;
mod figure;
mod flood;
mod latency;
mod many_keys;
mod redis;
mod rows;
mod show;
mod side;
mod single_items;
mod spinner;
mod stage;
mod throughput;
mod warm;

use serde::Serialize;

pub(crate) use self::curves::{BatchPoint, Curves, LoadPoint};
use self::figure::Figure;
use self::rows::Measured;
pub(crate) use self::rows::{CURVES, ROWS, Row};
pub(crate) use self::spinner::{SPIN, spin};
pub(crate) use self::stage::ComparePlan;
use self::stage::Stage;
use crate::progress::progress;

/// What came of a row.
#[derive(Serialize)]
pub(crate) struct Compared {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// Or why it could not be measured.
    #[serde(flatten, serialize_with = "measured_or_error")]
    pub(crate) measured: Result<Measured, String>,
}

/// Measures rows one after the other, and prints each as soon as it is there. One that fails does not keep the others from being measured.
pub(crate) async fn compare(rows: &[&'static Row], plan: ComparePlan) -> Vec<Compared> {
    let mut stage = Stage::new(plan);
    let mut compared = Vec::with_capacity(rows.len());
    for (row, number) in rows.iter().zip(1..) {
        eprintln!("{number:>3} of {}   {}", rows.len(), row.name);
        let measured = row.measure(&mut stage).await.map_err(|error| format!("{error:#}"));
        progress("");
        let row = Compared { name: row.name, what: row.what, measured };
        show::print_row(&row);
        compared.push(row);
    }
    compared
}

/// Prints the figures that have a goal.
pub(crate) fn print_goals(rows: &[Compared]) {
    show::print_goals(rows);
}

impl Compared {
    fn figures(&self) -> &[Figure] {
        match &self.measured {
            Ok(Measured::Figures { figures }) => figures,
            Ok(Measured::Curves { .. } | Measured::LeftOut { .. }) | Err(_) => &[],
        }
    }

    /// The curves, if this is their row.
    pub(crate) fn curves(&self) -> Option<&Curves> {
        match &self.measured {
            Ok(Measured::Curves { curves }) => Some(curves),
            Ok(Measured::Figures { .. } | Measured::LeftOut { .. }) | Err(_) => None,
        }
    }
}

fn measured_or_error<S: serde::Serializer>(
    measured: &Result<Measured, String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Failed<'e> {
        failed: &'e str,
    }
    match measured {
        Ok(measured) => measured.serialize(serializer),
        Err(failed) => Failed { failed }.serialize(serializer),
    }
}
