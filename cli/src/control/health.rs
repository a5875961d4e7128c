//! `claviger health`.

use std::process::ExitCode;

use claviger_control::ControlClient;
use claviger_control::message::{Health, Readiness, ShredTable};
use serde::Serialize;

use crate::show;

/// Both answers in one.
#[derive(Serialize)]
struct State {
    #[serde(flatten)]
    readiness: Readiness,
    #[serde(flatten)]
    health: Health,
}

pub(super) async fn show(client: &ControlClient, json: bool) -> anyhow::Result<ExitCode> {
    let (readiness, health) = (client.ready().await?, client.health().await?);
    let code = if readiness.ready { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if json {
        show::json(&State { readiness, health })?;
        return Ok(code);
    }
    let yes_or_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    show::facts([
        ("ready", yes_or_no(readiness.ready)),
        ("locked", health.locked.as_ref().map_or_else(|| "no".to_owned(), super::emergency::in_words)),
        ("version", format!("{}, protocol {}", health.version, health.protocol_version)),
        ("started", show::time(health.started)),
        ("root key", health.root_key),
        ("separated", yes_or_no(health.separated)),
        ("journal apart", yes_or_no(health.journal_separated)),
        ("shred table", shred_table(&health.shred_table)),
        ("core dumps", if health.core_dumps_excluded { "excluded" } else { "possible" }.to_owned()),
        ("memory locked", yes_or_no(health.memory_locked)),
        (
            "random generator",
            if health.hardware_random_generator { "of the processor" } else { "of the kernel" }.to_owned(),
        ),
        ("storage revision", health.storage_revision.to_string()),
        ("free disk space", health.storage_free_bytes.map_or_else(|| "unknown".to_owned(), gibibytes)),
        ("keys in memory", health.cached_keys.to_string()),
        ("data connections", health.data_connections.to_string()),
        ("system key", super::system_key::in_words(health.system_key_version, health.system_key_renewal.as_ref())),
    ])?;
    for reason in readiness.reasons {
        show::line(&format!("not ready: {reason}"))?;
    }
    for warning in health.warnings {
        show::line(&format!("warning: {warning}"))?;
    }
    Ok(code)
}

/// How many mirrors take part, and what they hold.
fn shred_table(table: &ShredTable) -> String {
    let ShredTable { class, mirrors, secrets, .. } = table;
    let good = mirrors.iter().filter(|mirror| mirror.fault.is_none()).count();
    format!("{class}, {good} of {} mirrors, {secrets} secrets", mirrors.len())
}

fn gibibytes(bytes: u64) -> String {
    let tenths = bytes / (1024 * 1024 * 1024 / 10);
    format!("{}.{} GiB", tenths / 10, tenths % 10)
}
