//! `claviger whoami` and `claviger ping`.

use super::encoding::hexadecimal;
use super::limits::PINGS_MAX;
use super::{ConnectionArguments, Session, words};
use crate::show;
use anyhow::anyhow;
use claviger_client::Transport;
use serde_json::json;
use std::time::{Duration, Instant};

/// What `whoami` is told.
#[derive(clap::Args)]
pub(crate) struct WhoamiArguments {
    #[command(flatten)]
    connection: ConnectionArguments,
}

/// What `ping` is told.
#[derive(clap::Args)]
pub(crate) struct PingArguments {
    #[command(flatten)]
    connection: ConnectionArguments,
    /// How often
    #[arg(long, value_name = "NUMBER", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=i64::from(PINGS_MAX)))]
    count: u32,
}

/// Shows what the server sees of this client.
///
/// # Errors
/// With the thing and the remedy.
pub(super) async fn whoami(arguments: WhoamiArguments, session: &Session) -> anyhow::Result<()> {
    let client = session.connect(&arguments.connection).await?;
    let who = client.whoami().await.map_err(|error| anyhow!("{}: {error}", session.config.address))?;
    let digest = |digest: Option<[u8; 32]>| digest.map(|digest| hexadecimal(&digest));
    let address = who.address.map(|address| address.to_string());
    let transport = who.transport.map(transport_name);
    let seen = who.hardware_address.map(|address| address.to_string());
    let declared = who.declared_hardware_address.map(|address| address.to_string());
    if session.json {
        let result = json!({
            "address": address,
            "port": who.port,
            "transport": transport,
            "hardware_address": seen,
            "declared_hardware_address": declared,
            "certificate_subject": who.certificate_subject,
            "certificate_end": who.certificate_end.map(words::rfc_3339),
            "certificate_sha256": digest(who.certificate_digest),
            "public_key_sha256": digest(who.public_key_digest),
        });
        return show::json(&result);
    }
    let unknown = || "not told".to_owned();
    let mut facts = vec![
        ("address", address.unwrap_or_else(unknown)),
        ("port", who.port.map_or_else(unknown, |port| port.to_string())),
        ("transport", transport.map_or_else(unknown, str::to_owned)),
    ];
    let not_seen = || "not seen: there is a router between, or the server has not asked yet".to_owned();
    facts.push(("hardware address", seen.unwrap_or_else(not_seen)));
    if let Some(declared) = declared {
        facts.push(("... as declared", format!("{declared}, which counts only where a key store says so")));
    }
    match who.certificate_subject {
        Some(subject) => {
            facts.push(("certificate", subject));
            facts.push(("valid until", who.certificate_end.map_or_else(unknown, words::time)));
            facts.push(("certificate, SHA-256", digest(who.certificate_digest).unwrap_or_else(unknown)));
            facts.push(("public key, SHA-256", digest(who.public_key_digest).unwrap_or_else(unknown)));
        }
        None => facts.push(("certificate", "none: key stores that ask for one do not admit you".to_owned())),
    }
    show::facts(facts)
}

/// Measures the way to the server and back.
///
/// # Errors
/// With the thing and the remedy.
pub(super) async fn ping(arguments: PingArguments, session: &Session) -> anyhow::Result<()> {
    let client = session.connect(&arguments.connection).await?;
    let config = client.config();
    let (address, transport) = (config.address.clone(), transport_name(config.transport));
    let mut times = Vec::new();
    for number in 1..=arguments.count {
        let started = Instant::now();
        client.ping(&number.to_be_bytes()).await.map_err(|error| anyhow!("{address}: {error}"))?;
        let time = started.elapsed();
        if !session.json {
            show::line(&format!("{address} over {transport}: answer {number} in {:.3} ms", milliseconds(time)))?;
        }
        times.push(time);
    }
    if session.json {
        let times: Vec<_> = times.into_iter().map(milliseconds).collect();
        return show::json(&json!({ "address": address, "transport": transport, "milliseconds": times }));
    }
    Ok(())
}

const fn transport_name(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "TLS/TCP",
        Transport::Quic => "QUIC",
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
