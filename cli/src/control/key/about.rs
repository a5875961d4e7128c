//! `claviger key describe`, `claviger key label`.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::bail;
use clap::{Args, Subcommand};
use claviger_control::ControlClient;
use claviger_control::message::{Key, SetAbout};

use super::{KeyArguments, changed};

/// What people say of a key.
#[derive(Subcommand)]
pub(crate) enum AboutCommand {
    /// Say in a few words what a key is for
    #[command(after_help = "\
An empty text removes the description. It is not confidential.

Examples:
  claviger key describe --store payments records --description \"Card numbers, since 2026\"
  claviger key describe --store payments records --description \"\"")]
    Describe(DescribeArguments),
    /// Set labels of a key, or remove them
    #[command(after_help = "\
Labels are not confidential. A key has up to 32 of them.

Examples:
  claviger key label --store payments records team=payments tier=
  claviger key label --store payments records tier-        # removes it")]
    Label(LabelArguments),
}

#[derive(Args)]
pub(crate) struct DescribeArguments {
    #[command(flatten)]
    key: KeyArguments,
    /// The description: up to 1,024 bytes
    #[arg(long, value_name = "TEXT")]
    description: String,
}

#[derive(Args)]
pub(crate) struct LabelArguments {
    #[command(flatten)]
    key: KeyArguments,
    /// NAME=VALUE sets a label, NAME- removes it
    #[arg(required = true, value_name = "LABEL", allow_hyphen_values = false)]
    labels: Vec<LabelChange>,
}

pub(super) async fn run(command: AboutCommand, client: &ControlClient, json: bool) -> anyhow::Result<()> {
    let (KeyArguments { store, key }, about) = match command {
        AboutCommand::Describe(DescribeArguments { key, description }) => {
            (key, SetAbout { description: Some(description), ..SetAbout::default() })
        }
        AboutCommand::Label(LabelArguments { key, labels }) => {
            let labels = labels.into_iter().map(|LabelChange(label, value)| (label, value)).collect();
            (key, SetAbout { labels, ..SetAbout::default() })
        }
    };
    let key = client.set_about(&store, &key, &about).await?;
    let what = match about.description {
        Some(_) if key.description.is_empty() => "has no description any more".to_owned(),
        Some(_) => "described".to_owned(),
        None => format!("labels: {}", labels(&key.labels)),
    };
    changed(&key, &what, json)
}

/// What people say of a key, as facts about it.
pub(super) fn facts(key: &mut Key) -> impl Iterator<Item = (&'static str, String)> + use<> {
    let aliases = (!key.aliases.is_empty()).then(|| ("aliases", key.aliases.join(", ")));
    let description = std::mem::take(&mut key.description);
    let description = (!description.is_empty()).then_some(("description", description));
    let labels = (!key.labels.is_empty()).then(|| ("labels", labels(&key.labels)));
    [aliases, description, labels].into_iter().flatten()
}

fn labels(labels: &BTreeMap<String, String>) -> String {
    let labels: Vec<_> = labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
    if labels.is_empty() { "none".to_owned() } else { labels.join(", ") }
}

/// A label and its value; without one it is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LabelChange(String, Option<String>);

impl FromStr for LabelChange {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        if let Some((label, value)) = text.split_once('=') {
            return Ok(Self(label.to_owned(), Some(value.to_owned())));
        }
        match text.strip_suffix('-') {
            Some(label) if !label.is_empty() => Ok(Self(label.to_owned(), None)),
            _ => bail!("give NAME=VALUE to set a label, or NAME- to remove it"),
        }
    }
}

/// A label that a new key is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Label(pub(super) String, pub(super) String);

impl FromStr for Label {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        match text.split_once('=') {
            Some((label, value)) => Ok(Self(label.to_owned(), value.to_owned())),
            None => bail!("give NAME=VALUE"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R-K21
    #[test]
    fn labels_are_set_with_a_value_and_removed_by_a_hyphen() {
        for (text, label, value) in [
            ("team=payments", "team", Some("payments")),
            ("tier=", "tier", Some("")),
            ("url=a=b", "url", Some("a=b")),
            ("tier-=x-", "tier-", Some("x-")),
            ("tier-", "tier", None),
            ("a-b-", "a-b", None),
        ] {
            assert_eq!(text.parse::<LabelChange>().unwrap(), LabelChange(label.to_owned(), value.map(str::to_owned)));
        }
        for bad in ["", "-", "team", "a-b"] {
            assert!(bad.parse::<LabelChange>().is_err(), "{bad:?}");
        }
        assert_eq!("a=b".parse::<Label>().unwrap(), Label("a".to_owned(), "b".to_owned()));
        assert!("a-".parse::<Label>().is_err());
    }
}
