//! The log: lines on standard error, for people or for programs.

use std::io::{self, IsTerminal};
use std::sync::OnceLock;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

use crate::config::{Log, LogFormat, LogLevel};

/// Sets the log of this process up. Only the first call counts.
pub fn start(log: &Log) {
    let (filter, handle) = reload::Layer::new(filter(log.level));
    let lines = fmt::layer().with_writer(io::stderr);
    let lines = match log.format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_ansi(false).boxed(),
    };
    // An error means that a log is there already.
    if tracing_subscriber::registry().with(lines.with_filter(filter)).try_init().is_ok() {
        let _ = HANDLE.set(handle);
    }
}

/// From now on lines are written from this level on. Does nothing if [`start`] was not called.
pub fn set_level(level: LogLevel) {
    if let Some(handle) = HANDLE.get() {
        // Fails only when there is no log any more.
        let _ = handle.reload(filter(level));
    }
}

/// Changes the level of the log of this process.
static HANDLE: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

fn filter(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    // Libraries below us are only heard when something is wrong: at finer levels they write what went over the wire.
    let own = ["claviger_daemon", "claviger_engine", "claviger_control", "clavigerd"];
    Targets::new().with_default(level.min(LevelFilter::WARN)).with_targets(own.map(|name| (name, level)))
}
