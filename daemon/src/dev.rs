//! `clavigerd dev`: a whole installation in one folder, started, tried out through both ports, and left running for a newcomer.
//!
//! UNSAFE by design: the root key is a file beside everything else.

mod demonstration;
mod folder;
mod screen;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::anyhow;
use claviger_engine::crypto::random::SystemRandom;

use crate::dev::demonstration::Demonstration;
use crate::dev::folder::Folder;
use crate::dev::screen::Screen;
use crate::logging;
use crate::run::{Daemon, Listeners};

/// What `clavigerd dev` is told.
pub struct Options {
    /// The folder of the installation.
    pub folder: PathBuf,
    /// Where the data port listens; else as the folder's configuration says.
    pub data: Option<SocketAddr>,
    /// Where the control port listens; else as the folder's configuration says.
    pub control: Option<SocketAddr>,
}

/// Makes the folder if it is not there, starts both ports, does something with each kind of key, and serves until `shutdown` is ready.
///
/// # Errors
/// With the remedy: a port is taken, the folder is half made or not ours, or the daemon does not start.
pub async fn run(options: Options, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
    let folder = Folder::at(options.folder);
    let made_before = folder.is_made()?;
    let mut config = folder.config(options.data, options.control)?;
    logging::start(&config.log);
    // Before anything is made, so that a port that is taken leaves no folder behind.
    let listeners = Listeners::bind(&config)?;
    if !made_before {
        let (data, control) = (config.data.address, config.control.address);
        // The cause first: it has to be mended before the folder is made anew.
        let made = folder.make(&config, &SystemRandom::new());
        made.map_err(|error| anyhow!("{error:#}\nthen: {}", folder.half_made()))?;
        config = folder.config(Some(data), Some(control))?;
    }
    let daemon = Daemon::start(&config, listeners).await?;
    let served = serve(&folder, &daemon, made_before, shutdown).await;
    daemon.stop().await;
    served
}

async fn serve(
    folder: &Folder,
    daemon: &Daemon,
    made_before: bool,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let (data, control) = (reachable(daemon.data_address()), reachable(daemon.control_address()));
    folder.write_client_configuration(data, control)?;
    let screen = Screen::new();
    screen.title("Claviger for development", "UNSAFE: the root key is a file; never for real keys");
    let state = if made_before { "made before" } else { "made now; delete it to begin anew" };
    screen.fact("folder", &folder.path().display(), state);
    screen.fact("data port", &daemon.data_address(), "TLS/TCP and QUIC");
    screen.fact("control port", &daemon.control_address(), "HTTPS, for administrators");
    Demonstration { folder, data, control, screen: &screen }.run().await?;
    screen.heading("Try next, in another terminal");
    for command in folder.commands() {
        screen.command(&command);
    }
    screen.end("Serving until Ctrl-C");
    shutdown.await;
    Ok(())
}

/// The address by which a client on this machine reaches a port that listens there.
fn reachable(address: SocketAddr) -> SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}
