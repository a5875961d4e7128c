//! Many connections to one daemon.

use std::time::Duration;

use anyhow::Context;
use claviger_client::{ClientConfig, Transport};
use serde::Serialize;
use tokio::task::JoinSet;

use crate::conversation::Conversation;
use crate::limits::CONNECTS_AT_ONCE;

/// Connections that use a key while something is changed.
#[derive(Clone, Serialize)]
pub(crate) struct CrowdPlan {
    #[serde(skip)]
    pub(crate) transport: Transport,
    /// How many.
    pub(crate) connections: usize,
    /// How long each rests between two items.
    #[serde(skip)]
    pub(crate) pause: Duration,
}

/// Makes so many connections, some at once: a daemon takes handshakes one after the other on each core.
///
/// # Errors
/// Those of the first that cannot be made.
pub(crate) async fn crowd(config: &ClientConfig, count: usize) -> anyhow::Result<Vec<Conversation>> {
    let mut crowd = Vec::with_capacity(count);
    while crowd.len() < count {
        let mut connecting = JoinSet::new();
        for _ in 0..(count - crowd.len()).min(CONNECTS_AT_ONCE) {
            let config = config.clone();
            connecting.spawn(async move { Conversation::begin(&config).await });
        }
        while let Some(connected) = connecting.join_next().await {
            let number = crowd.len() + 1;
            crowd.push(connected?.with_context(|| format!("connection {number} of {count}"))?);
        }
    }
    Ok(crowd)
}
