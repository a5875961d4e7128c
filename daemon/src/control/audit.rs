//! The audit log: what is in it, and whether it is as it was written.

use axum::extract::Query;
use claviger_control::message::{AuditFinding, AuditLog, AuditRecord, AuditRecordList, AuditReport, AuditUse};
use claviger_engine::audit::{self, AuditFilter, AuditPage, AuditStatus, Event, EventKind, Report};
use claviger_engine::key::id::StoreId;
use jiff::Timestamp;
use serde::Deserialize;

use super::ControlState;
use super::answer::Answer;
use super::call::{Call, limit, store_named};
use super::describe::time;
use super::permission::{AUDIT_STORE, READ_INSTALLATION};
use super::problem::{Kind, Problem};
use super::route::{Route, form, read};
use crate::limits::SCAN_TIME;

/// The audit log.
pub(super) static ROUTES: &[Route] = &[
    read(
        "/v1/audit",
        "read_audit_log",
        "How the audit log is, and by which key it is verified",
        form::<AuditLog>(),
        log,
    )
    .needs(&READ_INSTALLATION),
    read(
        "/v1/audit/records",
        "list_audit_records",
        "Records of the audit log, in the order in which they were written",
        form::<AuditRecordList>(),
        records,
    )
    .needs(&READ_INSTALLATION)
    .asking(RECORDS_QUERY),
    read(
        "/v1/stores/{store}/audit/records",
        "list_store_audit_records",
        "Records of the audit log that are of a key store, in the order in which they were written",
        form::<AuditRecordList>(),
        records_of_store,
    )
    .needs(&AUDIT_STORE)
    .asking(RECORDS_QUERY),
    read(
        "/v1/audit/verify",
        "verify_audit_log",
        "Whether all of the audit log is as it was written",
        form::<AuditReport>(),
        verify,
    )
    .needs(&READ_INSTALLATION)
    .asking(&[("from_file", "number of the file to begin with; those before it are in an archive, or were lost")])
    .within(0, SCAN_TIME),
];

const RECORDS_QUERY: &[(&str, &str)] = &[
    ("after", "only records after this number"),
    ("limit", "most of them in the reply"),
    ("store", "only records of this key store, by name or id"),
    ("key", "only records of the key of this id"),
    ("actor", "only records whose actor, or one of whose clients, has this in its name"),
    ("kind", "only records of this kind"),
    ("since", "only records of this moment (RFC 3339) or later"),
];

/// What a list of records can be asked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordsQuery {
    after: Option<u64>,
    limit: Option<usize>,
    store: Option<String>,
    key: Option<String>,
    actor: Option<String>,
    kind: Option<String>,
    since: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerifyQuery {
    from_file: Option<u64>,
}

fn log(state: &ControlState, _: &Call) -> Result<Answer, Problem> {
    let AuditStatus { public_key, last, file, failure, lost, dropped_requests } =
        state.installation.engine.audit_status().ok_or_else(no_log)?;
    Answer::ok(&AuditLog { public_key: public_key.to_string(), last, file, failure, lost, dropped_requests })
}

fn records(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    records_of(state, call, None)
}

fn records_of_store(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    records_of(state, call, Some(call.store(&state.installation.engine)?))
}

/// Records as the query wants them; those of one store, if it is given, whatever the query says.
fn records_of(state: &ControlState, call: &Call, store: Option<StoreId>) -> Result<Answer, Problem> {
    let engine = &state.installation.engine;
    let Query(query) = Query::<RecordsQuery>::try_from_uri(&call.uri).map_err(|_| {
        let detail = "the query may say `after=NUMBER`, `limit=NUMBER`, `store`, `key`, `actor`, `kind` and `since`, each once, and nothing else";
        Problem::new(Kind::Malformed, detail)
    })?;
    let key = query.key.as_deref().map(str::parse).transpose();
    let since = query.since.as_deref().map(str::parse::<Timestamp>).transpose();
    let kinds = || invalid(&format!("kind: give one of: {}", EventKind::ALL.map(EventKind::name).join(", ")));
    let kind = |text: &str| EventKind::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(kinds);
    let asked = query.store.as_deref().filter(|_| store.is_none()).map(|store| store_named(engine, store));
    let filter = AuditFilter {
        store: store.or(asked.transpose()?),
        key: key.map_err(|error| invalid(&format!("key: {error}")))?,
        actor: query.actor,
        kind: query.kind.as_deref().map(kind).transpose()?,
        since_ms: since
            .map_err(|_| invalid("since: give a moment like 2030-01-31T12:00:00Z"))?
            .map(|since| u64::try_from(since.as_millisecond()).unwrap_or_default()),
    };
    let page = engine.audit_page(&filter, query.after.unwrap_or_default(), limit(query.limit)?)?;
    let AuditPage { records, next } = page.ok_or_else(no_log)?;
    Answer::ok(&AuditRecordList { records: records.into_iter().map(record).collect(), next })
}

fn verify(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    let Query(query) = Query::<VerifyQuery>::try_from_uri(&call.uri)
        .map_err(|_| Problem::new(Kind::Malformed, "the query may say `from_file=NUMBER`, once, and nothing else"))?;
    let report = state.installation.engine.verify_audit(query.from_file.unwrap_or(1))?.ok_or_else(no_log)?;
    let intact = report.is_intact();
    let Report { files, records, last, signed_until, authenticated, findings, more_findings, .. } = report;
    let finding = |audit::Finding { path, offset, what }: audit::Finding| AuditFinding {
        path: path.display().to_string(),
        offset,
        what,
    };
    let findings = findings.into_iter().map(finding).collect();
    Answer::ok(&AuditReport { intact, files, records, last, signed_until, authenticated, findings, more_findings })
}

fn record(audit::AuditRecord { seq, event }: audit::AuditRecord) -> AuditRecord {
    let Event { time_ms, kind, actor, operation, shown, reason, store, keys, trace_id, address, .. } = event;
    let Event { count, failures, bytes, uses, .. } = event;
    AuditRecord {
        seq,
        time: time(time_ms),
        kind: kind.to_string(),
        actor,
        operation,
        shown,
        reason,
        store: store.map(|store| store.to_string()),
        keys: keys.iter().map(ToString::to_string).collect(),
        trace_id,
        address,
        count,
        failures,
        bytes,
        uses: uses.into_iter().map(|used| AuditUse { client: used.client, items: used.items }).collect(),
    }
}

fn no_log() -> Problem {
    Problem::new(Kind::AuditUnavailable, "this daemon has no audit log")
}

fn invalid(detail: &str) -> Problem {
    Problem::new(Kind::InvalidValue, detail)
}
