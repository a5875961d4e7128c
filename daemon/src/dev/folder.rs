//! The folder of a development installation: what is in it, how it is made, how it is known again.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use claviger_engine::crypto::random::Random;

use crate::certificates::Certificates;
use crate::config::Config;
use crate::installation;

/// The folder.
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(super) const fn at(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A file of the folder.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether it was made before. The configuration file is written last, so that what is there without it was not finished.
    pub(super) fn is_made(&self) -> anyhow::Result<bool> {
        if self.file(CONFIG).exists() {
            return Ok(true);
        }
        match fs::read_dir(&self.path).map(|entries| entries.count()) {
            Ok(0) => Ok(false),
            Ok(_) => bail!("there is no {CONFIG} in it: {}", self.half_made()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error).with_context(|| format!("folder {}", self.path.display())),
        }
    }

    /// What to do about a folder that was not finished.
    pub(super) fn half_made(&self) -> String {
        format!(
            "folder {} is half made, or is not one of Claviger: delete it (`rm -r {}`), or name another by --folder",
            self.path.display(),
            quoted(&self.path)
        )
    }

    /// The configuration in it, or the one that it will have, at these addresses.
    pub(super) fn config(&self, data: Option<SocketAddr>, control: Option<SocketAddr>) -> anyhow::Result<Config> {
        let path = self.file(CONFIG);
        let mut config = if path.exists() { Config::read(&path)? } else { Config::parse(CONFIG_HEAD, &self.path)? };
        config.data.address = data.unwrap_or(config.data.address);
        config.control.address = control.unwrap_or(config.control.address);
        Ok(config)
    }

    /// Makes everything in it, for the addresses of `config`.
    pub(super) fn make(&self, config: &Config, random: &dyn Random) -> anyhow::Result<()> {
        Certificates::of(config).make(&server_names(config), random)?;
        installation::init(config)?;
        let (data, control) = (config.data.address, config.control.address);
        self.write(
            CONFIG,
            &format!("{CONFIG_HEAD}\n[data]\naddress = \"{data}\"\n\n[control]\naddress = \"{control}\"\n"),
        )
    }

    /// Writes the file that the command line reads, for a daemon that listens there.
    pub(super) fn write_client_configuration(&self, data: SocketAddr, control: SocketAddr) -> anyhow::Result<()> {
        self.write(CLIENT, &format!(
            "# For `claviger --config FILE`; paths start at the folder of this file. Written by each start of `clavigerd dev`.\n\
             \n[data]\naddress = \"{data}\"\nserver_ca = \"{SERVER_CA}\"\ncertificate = \"{CLIENT_NAME}.pem\"\nkey = \"{CLIENT_NAME}-key.pem\"\n\
             \n[control]\naddress = \"{control}\"\nserver_ca = \"{SERVER_CA}\"\ncertificate = \"tls/administrator.pem\"\nkey = \"tls/administrator-key.pem\"\n"
        ))
    }

    /// Commands that do something with what is there.
    pub(super) fn commands(&self) -> Vec<String> {
        let beside = std::env::current_exe().ok().map(|program| program.with_file_name("claviger"));
        let here = std::env::current_dir().unwrap_or_default();
        let program = beside.filter(|program| program.exists()).map_or_else(
            || "cargo run --quiet --release --bin claviger --".to_owned(),
            |program| quoted(program.strip_prefix(&here).unwrap_or(&program)),
        );
        let some_file = quoted(&self.file(CLIENT));
        let encrypted = quoted(&self.file(&format!("{CLIENT}.enc")));
        let commands = [
            "health".to_owned(),
            "key list --store demo".to_owned(),
            format!("encrypt --store demo --key records {some_file} {encrypted}"),
            format!("decrypt --store demo --key records {encrypted} -"),
            format!("sign --store demo --key signing-ed25519 --hex {some_file}"),
            "key rotate --store demo records".to_owned(),
        ];
        let export = format!("export CLAVIGER_CONFIG={some_file}");
        std::iter::once(export).chain(commands.iter().map(|command| format!("{program} {command}"))).collect()
    }

    /// Writes a file whole or not at all, readable by the owner only.
    pub(super) fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.file(name);
        let temporary = self.file(&format!("{name}.new"));
        let write = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, &path)
        };
        write().with_context(|| format!("file {}", path.display()))
    }
}

/// Names of this machine for itself, and the addresses that were asked for.
fn server_names(config: &Config) -> Vec<String> {
    let mut addresses: Vec<IpAddr> = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    for address in [config.data.address.ip(), config.control.address.ip()] {
        if !address.is_unspecified() && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    std::iter::once("localhost".to_owned()).chain(addresses.iter().map(ToString::to_string)).collect()
}

/// `path` as one word of a POSIX shell.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+,:@%".contains(&byte);
    if !path.is_empty() && path.bytes().all(plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

pub(super) const CLIENT_NAME: &str = "tls/demo-client";
pub(super) const SERVER_CA: &str = "tls/server-ca.pem";
const CONFIG: &str = "config.toml";
const CLIENT: &str = "client.toml";

const CONFIG_HEAD: &str = "\
# Made by `clavigerd dev`. UNSAFE: root key, system keys and data are in one folder.
# All settings are explained in daemon/config.example.toml.

[log]
level = \"warn\"

[shred_table]
class = \"development\"
";

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_reads_quoted_paths_as_they_are() {
        for path in ["/tmp/claviger-dev", "my keys/client.toml", "it's", "$HOME `id` \\ \"x\"; *", "Schlüssel", "~"] {
            let shell = Command::new("sh").args(["-c", &format!("printf %s {}", quoted(Path::new(path)))]).output();
            assert_eq!(String::from_utf8(shell.unwrap().stdout).unwrap(), path);
        }
        assert_eq!(quoted(Path::new("/tmp/claviger-dev")), "/tmp/claviger-dev");
    }
}
