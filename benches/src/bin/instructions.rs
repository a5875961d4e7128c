//! Does a workload so many times: what `cargo xtask instructions` runs under valgrind. Without arguments it lists the workloads: name, frames and items of one time.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use claviger_benches::session::{SessionWork, Workload};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => {
            for workload in &Workload::ALL {
                println!("{} {} {}", workload.name, workload.frames, workload.items());
            }
            ExitCode::SUCCESS
        }
        [name, times] => {
            let workload = Workload::ALL.iter().find(|workload| workload.name == *name);
            let (Some(workload), Ok(times)) = (workload, times.parse()) else {
                eprintln!("error: no such workload, or not a number: {name} {times}");
                return ExitCode::FAILURE;
            };
            counted(&mut SessionWork::new(workload), times);
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: instructions [WORKLOAD TIMES]");
            ExitCode::FAILURE
        }
    }
}

/// What is counted: valgrind knows this function by its name, and counts from where it begins to where it ends, on this thread only.
#[inline(never)]
fn counted(work: &mut SessionWork, times: u32) {
    for _ in 0..times {
        work.once();
    }
}
