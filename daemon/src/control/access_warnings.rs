//! What health has to say of who may come in.

use std::time::{Duration, SystemTime};

use claviger_engine::emergency::UnwrittenStop;
use claviger_engine::key::state::KeyState;
use claviger_engine::{AccessMethod, AccessMethods, Engine};

use super::describe;
use crate::limits::ACCESS_END_WARNED_BEFORE;

/// Stores that are weakly protected, what is disabled in memory alone, and authentication data that end soon.
pub(super) fn warnings(engine: &Engine) -> Vec<String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut warnings = Vec::new();
    let (mut ending, mut first) = (0_usize, None);
    for store in engine.stores() {
        let policy = store.policy();
        let asks_for = |method| policy.methods.is_some_and(|methods| methods.contains(method));
        let alone = policy.methods == Some(AccessMethods::of(AccessMethod::HardwareAddress));
        if alone || asks_for(AccessMethod::HardwareAddress) && policy.declared_hardware_address {
            warnings.push(format!("key store {} is {}", policy.name, describe::WEAK));
        }
        for held in policy.access.rows().iter().filter(|held| held.row().state == KeyState::Available) {
            let Some(ends) = held.row().ends_ms.map(Duration::from_millis) else { continue };
            if ends > now && ends - now <= ACCESS_END_WARNED_BEFORE {
                ending += 1;
                if first.as_ref().is_none_or(|(earliest, _)| ends < *earliest) {
                    first = Some((ends, format!("{} of key store {}", held.row().data, policy.name)));
                }
            }
        }
    }
    warnings.extend(first.map(|(ends, what)| {
        let days = (ends - now).as_secs() / (24 * 60 * 60);
        let others = if ending == 1 { String::new() } else { format!(", and {} more soon after", ending - 1) };
        format!("{what} ends in {days} days{others}: renew (`claviger certificate renew`), or let it end")
    }));
    let stops = engine.unwritten_stops();
    let shown = stops.first().map(|stop| match stop {
        UnwrittenStop::Lock => "the lock of the daemon".to_owned(),
        UnwrittenStop::Store(store) => format!("key store {store}"),
        UnwrittenStop::Row(store, row) => format!("authentication data {row} of key store {store}"),
    });
    warnings.extend(shown.map(|first| {
        format!("{} things are stopped in memory alone, {first} first: they are not any more if the daemon ends before they can be written; see `claviger emergency show`", stops.len())
    }));
    warnings
}
