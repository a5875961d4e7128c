//! The log: lines on standard error, for people or for programs.

use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::config::{Log, LogFormat, LogLevel};

/// Sets the log of this process up. Only the first call counts.
pub fn start(log: &Log) {
    let level = match log.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    // Libraries below us are only heard when something is wrong: at finer levels they write what went over the wire.
    let own = ["claviger_daemon", "claviger_engine", "claviger_control", "clavigerd"];
    let filter = Targets::new().with_default(level.min(LevelFilter::WARN)).with_targets(own.map(|name| (name, level)));
    let lines = fmt::layer().with_writer(io::stderr);
    let lines = match log.format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_ansi(false).boxed(),
    };
    // An error means that a log is there already.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
}
