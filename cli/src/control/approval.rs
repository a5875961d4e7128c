//! `claviger approval`.

use std::fs;
use std::io::Read;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use claviger_control::ControlClient;
use claviger_control::message::{Approval, ApprovalChange, ApprovalList, AskForApproval, Decider, SetApprovalPolicy};
use serde_json::Value;

use crate::show;

/// Operations on approvals: changes that somebody asks for and others let happen.
#[derive(Subcommand)]
pub(crate) enum ApprovalCommand {
    /// List what can be decided
    #[command(after_help = "Examples:\n  claviger approval list\n  claviger approval list --all --json")]
    List {
        /// Those too that are decided, withdrawn or over: of the last 365 days
        #[arg(long)]
        all: bool,
    },
    /// Show a request: who asks, the changes, what they change before and after
    #[command(after_help = "Example:\n  claviger approval show 0000019ab3c1d2e4f5a6b7c8d9e0f102")]
    Show(RequestId),
    /// Approve what somebody else asks for; with the last approval it is done as it was shown, or not at all
    #[command(after_help = "Example:\n  claviger approval approve 0000019ab3c1d2e4f5a6b7c8d9e0f102")]
    Approve(RequestId),
    /// Refuse what somebody else asks for
    #[command(
        after_help = "Example:\n  claviger approval reject 0000019ab3c1d2e4f5a6b7c8d9e0f102 --reason 'not before the release'"
    )]
    Reject {
        #[command(flatten)]
        request: RequestId,
        /// Why, for who asked
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Take back what you have asked for
    #[command(after_help = "Example:\n  claviger approval withdraw 0000019ab3c1d2e4f5a6b7c8d9e0f102")]
    Withdraw(RequestId),
    /// Print what the changes of your approved request have answered, a certificate for instance; kept for a day
    #[command(after_help = "Example:\n  claviger approval answers 0000019ab3c1d2e4f5a6b7c8d9e0f102 > answers.json")]
    Answers(RequestId),
    /// Ask for several changes of one key store, all or none
    #[command(after_help = "\
A change that needs an approval is asked for by itself when it is ordered. This asks for several at once, whether they need one or not. FILE has them as JSON, each as the
control port takes it (GET /v1/openapi.json): operation, parameters of its path, body.

Example:
  echo '[{\"operation\": \"rotate_key\", \"parameters\": {\"key\": \"records\"}},
         {\"operation\": \"set_lowest_version\", \"parameters\": {\"key\": \"old\"}, \"body\": {\"version\": 3}}]' > changes.json
  claviger approval ask --store payments --reason 'yearly rotation' changes.json")]
    Ask {
        /// Name or id of the key store
        #[arg(long)]
        store: String,
        /// Why, for those who decide
        #[arg(long, default_value = "")]
        reason: String,
        /// For how many hours it can be decided: 1 to 720
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=720), default_value_t = 168)]
        hours: u32,
        /// File with the changes; `-` for standard input
        file: PathBuf,
    },
    /// Show which changes need an approval, in a key store or of the installation
    #[command(after_help = "Examples:\n  claviger approval policy --store payments\n  claviger approval policy")]
    Policy(Place),
    /// Set which changes need an approval, in a key store or of the installation
    #[command(after_help = "\
Classes in a key store: create, modify, delete, access-control, custody (export). Of the installation: custody (system keys, root key), installation (persons, roles, key stores,
backups). Without any class nothing needs an approval. As long as something does, changing this needs one itself.

Examples:
  claviger approval set-policy --store payments --class delete --class access-control --quorum 2
  claviger approval set-policy --class custody
  claviger approval set-policy --store payments

  Only if nobody has changed it since you have looked:
  claviger approval set-policy --store payments --class delete --revision 5fd1c2a4e07b9366")]
    SetPolicy {
        #[command(flatten)]
        place: Place,
        /// A class of changes that needs an approval; may be given several times
        #[arg(long = "class", value_name = "CLASS")]
        classes: Vec<String>,
        /// How many have to approve, beside the one who asks: 1 to 10
        #[arg(long, value_parser = clap::value_parser!(u8).range(1..=10), default_value_t = 1)]
        quorum: u8,
        /// Only if it still is as `claviger approval policy` has shown it, with this revision
        #[arg(long)]
        revision: Option<String>,
    },
}

#[derive(Args)]
pub(crate) struct RequestId {
    /// Id of the request
    id: String,
}

#[derive(Args)]
pub(crate) struct Place {
    /// Name or id of the key store; without it, the installation
    #[arg(long)]
    store: Option<String>,
}

pub(super) async fn run(command: ApprovalCommand, client: &ControlClient, json: bool) -> anyhow::Result<()> {
    let approval = match command {
        ApprovalCommand::List { all } => return list(client, all, json).await,
        ApprovalCommand::Policy(Place { store }) => {
            let policy = client.approval_policy(store.as_deref()).await?;
            return show_policy(&policy, json);
        }
        ApprovalCommand::SetPolicy { place, classes, quorum, revision } => {
            let policy = SetApprovalPolicy { classes, quorum: Some(quorum) };
            let client = revision.map_or_else(|| client.clone(), |revision| client.expecting(&revision));
            let policy = client.set_approval_policy(place.store.as_deref(), &policy).await?;
            return show_policy(&policy, json);
        }
        ApprovalCommand::Answers(RequestId { id }) => return show::json(&client.approval_answers(&id).await?),
        ApprovalCommand::Show(RequestId { id }) => client.approval(&id).await?,
        ApprovalCommand::Approve(RequestId { id }) => client.approve(&id).await?,
        ApprovalCommand::Reject { request, reason } => client.reject(&request.id, reason).await?,
        ApprovalCommand::Withdraw(RequestId { id }) => client.withdraw(&id).await?,
        ApprovalCommand::Ask { store, reason, hours, file } => {
            let changes = serde_json::from_str(&read(&file)?)
                .with_context(|| format!("{} has to be a JSON list of changes", file.display()))?;
            client.ask_for_approval(&store, &AskForApproval { reason, hours: Some(hours), changes }).await?
        }
    };
    if json { show::json(&approval) } else { show_approval(&approval) }
}

async fn list(client: &ControlClient, all: bool, json: bool) -> anyhow::Result<()> {
    let mut list = client.approvals(all, None).await?;
    while let Some(after) = list.next.take() {
        let ApprovalList { approvals, next } = client.approvals(all, Some(&after)).await?;
        list.approvals.extend(approvals);
        list.next = next;
    }
    if json {
        return show::json(&list);
    }
    let row = |approval: Approval| {
        let what = approval.changes.iter().map(|change| change.change.as_str()).collect::<Vec<_>>().join("; ");
        let given = format!("{} of {}", approval.approvals.len(), approval.quorum);
        [
            approval.id,
            place(approval.store),
            name(&approval.requester),
            approval.state,
            given,
            show::time(approval.ends),
            what,
        ]
    };
    let heading = ["id", "place", "asked by", "state", "approved", "ends", "changes"];
    show::table(heading, list.approvals.into_iter().map(row))
}

/// A request as those read it who decide.
pub(super) fn show_approval(approval: &Approval) -> anyhow::Result<()> {
    let mut facts = vec![
        ("request", approval.id.clone()),
        ("place", place(approval.store.clone())),
        ("asked by", name(&approval.requester)),
        ("asked", show::time(approval.created)),
        ("state", approval.state.clone()),
        ("approved", format!("{} of {}", approval.approvals.len(), approval.quorum)),
    ];
    let given = approval.approvals.iter().map(|given| format!("{} at {}", name(&given.by), show::time(given.at)));
    facts.extend(given.map(|given| ("approved by", given)));
    match approval.ended {
        None => facts.push(("ends", show::time(approval.ends))),
        Some(ended) => facts.push(("ended", show::time(ended))),
    }
    if !approval.reason.is_empty() {
        facts.push(("reason", approval.reason.clone()));
    }
    if let Some(rejection) = &approval.rejection {
        facts.push(("rejected by", name(&rejection.by)));
        facts.push(("because", rejection.reason.clone()));
    }
    facts.extend(approval.failure.iter().map(|failure| ("has failed", failure.clone())));
    facts.extend(approval.moved.iter().map(|moved| ("had changed", moved.clone())));
    show::facts(facts)?;
    approval.changes.iter().try_for_each(show_change)
}

/// One change: in words, and then each field that will be another one.
fn show_change(change: &ApprovalChange) -> anyhow::Result<()> {
    show::line(&format!("\n{}: {}", change.operation, change.change))?;
    if let Some(request) = &change.request {
        show::line(&format!("  as asked for: {request}"))?;
    }
    let (Some(before), Some(after)) = (&change.before, &change.after) else { return Ok(()) };
    let mut lines = Vec::new();
    differences("", before, after, &mut lines);
    lines.iter().try_for_each(|line| show::line(line))
}

/// The fields in which two values differ, `-` before and `+` after.
fn differences(path: &str, before: &Value, after: &Value, lines: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(one), Value::Object(other)) => {
            let names: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
            for name in names {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let of = |object: &serde_json::Map<String, Value>| object.get(name).cloned().unwrap_or(Value::Null);
                differences(&path, &of(one), &of(other), lines);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.iter().chain(other).any(Value::is_object) => {
            for index in 0..one.len().max(other.len()) {
                let of = |list: &[Value]| list.get(index).cloned().unwrap_or(Value::Null);
                differences(&format!("{path}[{index}]"), &of(one), &of(other), lines);
            }
        }
        (before, after) if before != after => {
            for (mark, value) in [('-', before), ('+', after)] {
                if !value.is_null() {
                    lines.push(format!("  {mark} {path}: {value}"));
                }
            }
        }
        _ => {}
    }
}

fn show_policy(policy: &claviger_control::message::ApprovalPolicy, json: bool) -> anyhow::Result<()> {
    if json {
        return show::json(policy);
    }
    let what = if policy.classes.is_empty() {
        "nothing needs an approval".to_owned()
    } else {
        format!("{} need the approval of {}", policy.classes.join(", "), policy.quorum)
    };
    show::line(&format!("{what} (revision {})", policy.revision))
}

fn place(store: Option<String>) -> String {
    store.map_or_else(|| "installation".to_owned(), |store| format!("key store {store}"))
}

fn name(decider: &Decider) -> String {
    decider.name.clone().unwrap_or_else(|| format!("{} (removed)", decider.id))
}

fn read(file: &PathBuf) -> anyhow::Result<String> {
    if file.as_os_str() != "-" {
        return fs::read_to_string(file).with_context(|| file.display().to_string());
    }
    let mut text = String::new();
    std::io::stdin().lock().take(INPUT_SIZE_MAX).read_to_string(&mut text).context("standard input")?;
    Ok(text)
}

/// Most bytes of changes that are read from standard input: more than the control port takes.
const INPUT_SIZE_MAX: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    // R-A9
    #[test]
    fn what_will_be_different_is_shown_field_by_field() {
        let before = json!({"state": "available", "same": 1, "labels": {"a": "1"}, "versions": [{"version": 1, "state": "current"}]});
        let after = json!({"state": "disabled", "same": 1, "labels": {}, "versions": [{"version": 1, "state": "active"}, {"version": 2}]});
        let mut lines = Vec::new();
        differences("", &before, &after, &mut lines);
        assert_eq!(
            lines,
            [
                "  - labels.a: \"1\"",
                "  - state: \"available\"",
                "  + state: \"disabled\"",
                "  - versions[0].state: \"current\"",
                "  + versions[0].state: \"active\"",
                "  + versions[1]: {\"version\":2}",
            ]
        );
        let mut none = Vec::new();
        differences("", &before, &before, &mut none);
        assert!(none.is_empty());
    }
}
