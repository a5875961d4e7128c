//! The configuration file of a client: where the two ports are, whom to believe, and who the client is.
//!
//! Either section may be missing: who only uses keys has no certificate of an administrator.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use claviger_client::{ClientConfig, Identity, ServerCa, Transport};
use claviger_control::{ControlClient, Credentials};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::Deserialize;
use zeroize::Zeroizing;

/// A configuration file that has been read.
pub(crate) struct Config {
    path: PathBuf,
    sections: Sections,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sections {
    data: Option<Data>,
    control: Option<Control>,
}

/// Section `[data]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    /// HOST:PORT of the data port.
    address: String,
    /// PEM file of the authority that the server's certificate comes from.
    server_ca: PathBuf,
    /// PEM file of the client's certificate. With `key`; without both, the client shows none.
    certificate: Option<PathBuf>,
    /// PEM file of its private key.
    key: Option<PathBuf>,
    /// The hardware address that the client says it has; none unless given.
    hardware_address: Option<String>,
    /// `tcp` unless given.
    #[serde(default)]
    transport: TransportName,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TransportName {
    #[default]
    Tcp,
    Quic,
}

/// Section `[control]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Control {
    /// HOST:PORT of the control port.
    address: String,
    /// PEM file of the authority that the server's certificate comes from.
    server_ca: PathBuf,
    /// PEM file of the administrator's certificate.
    certificate: PathBuf,
    /// PEM file of its private key.
    key: PathBuf,
}

impl Config {
    /// Reads the file at `path`, or else the one that the environment names.
    pub(crate) fn find(path: Option<PathBuf>) -> anyhow::Result<Self> {
        let path = path.or_else(|| std::env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from));
        let path = path.with_context(|| {
            format!("no configuration file: name one by --config FILE or {VARIABLE} (`clavigerd dev` makes claviger-dev/client.toml)")
        })?;
        let text = read(&path).with_context(|| format!("configuration file {}", path.display()))?;
        let sections = toml::from_str(&text).with_context(|| format!("configuration file {}", path.display()))?;
        Ok(Self { path, sections })
    }

    /// How the data port is reached.
    pub(crate) fn data(&self) -> anyhow::Result<ClientConfig> {
        let data = self.sections.data.as_ref().with_context(|| self.missing("data"))?;
        let server_ca =
            ServerCa::from_pem(self.read(&data.server_ca)?.as_bytes()).with_context(|| self.at(&data.server_ca))?;
        let identity = match (&data.certificate, &data.key) {
            (Some(certificate), Some(key)) => {
                let (chain, private) = (self.read(certificate)?, self.read_private(key)?);
                Some(Identity::from_pem(chain.as_bytes(), private.as_bytes()).with_context(|| self.at(certificate))?)
            }
            (None, None) => None,
            _ => bail!("{}: [data] needs certificate and key, or neither", self.path.display()),
        };
        let mut config = ClientConfig::new(&*data.address, server_ca, identity);
        let declared = data.hardware_address.as_deref().map(str::parse).transpose();
        config.hardware_address =
            declared.with_context(|| format!("{}: [data] hardware_address", self.path.display()))?;
        config.transport = match data.transport {
            TransportName::Tcp => Transport::Tcp,
            TransportName::Quic => Transport::Quic,
        };
        Ok(config)
    }

    /// A client of the control port.
    pub(crate) fn control(&self) -> anyhow::Result<ControlClient> {
        let control = self.sections.control.as_ref().with_context(|| self.missing("control"))?;
        let private_key = PrivateKeyDer::from_pem_slice(self.read_private(&control.key)?.as_bytes());
        // The cause is left out: it could quote the key.
        let private_key =
            private_key.ok().with_context(|| format!("{}: no private key in it", self.at(&control.key)))?;
        let credentials = Credentials {
            server_authorities: self.certificates(&control.server_ca)?,
            certificate_chain: self.certificates(&control.certificate)?,
            private_key,
        };
        Ok(ControlClient::new(&control.address, credentials)?)
    }

    fn certificates(&self, path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
        let text = self.read(path)?;
        let certificates = CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<Vec<_>, _>>();
        let certificates = certificates.with_context(|| self.at(path))?;
        ensure!(!certificates.is_empty(), "{}: no certificate in it", self.at(path));
        Ok(certificates)
    }

    fn read(&self, path: &Path) -> anyhow::Result<Zeroizing<String>> {
        read(&self.beside(path)).with_context(|| self.at(path))
    }

    fn read_private(&self, path: &Path) -> anyhow::Result<Zeroizing<String>> {
        let mode = fs::metadata(self.beside(path)).with_context(|| self.at(path))?.permissions().mode();
        ensure!(mode & OTHERS == 0, "{}: others can read this private key: run `chmod 600` on it", self.at(path));
        self.read(path)
    }

    /// Relative paths start at the folder of the configuration file.
    fn beside(&self, path: &Path) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }

    fn at(&self, path: &Path) -> String {
        format!("file {}, named in {}", self.beside(path).display(), self.path.display())
    }

    fn missing(&self, section: &str) -> String {
        format!(
            "{} has no section [{section}], which this command needs: it says address, server_ca, certificate and key",
            self.path.display()
        )
    }
}

fn read(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    // Reserved once: growing would leave copies of a key behind.
    let mut text = Zeroizing::new(String::with_capacity(FILE_SIZE_MAX + 1));
    File::open(path)?.take(FILE_SIZE_MAX as u64 + 1).read_to_string(&mut text)?;
    ensure!(text.len() <= FILE_SIZE_MAX, "larger than the {FILE_SIZE_MAX} bytes that it may have");
    Ok(text)
}

/// Names the configuration file.
const VARIABLE: &str = "CLAVIGER_CONFIG";

/// Most bytes of a configuration or PEM file: a chain of some twenty certificates.
const FILE_SIZE_MAX: usize = 64 * 1024;

/// Permission bits of everyone but the owner.
const OTHERS: u32 = 0o077;

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> (tempfile::TempDir, anyhow::Result<Config>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("client.toml");
        fs::write(&path, text).unwrap();
        let config = Config::find(Some(path));
        (folder, config)
    }

    fn said<T>(result: anyhow::Result<T>) -> String {
        format!("{:#}", result.err().unwrap())
    }

    #[test]
    fn a_missing_section_is_named_only_by_commands_that_need_it() {
        let (_folder, config) = config("[data]\naddress = \"localhost:7700\"\nserver_ca = \"ca.pem\"\n");
        let config = config.unwrap();
        assert!(said(config.control()).contains("no section [control]"));
        assert!(said(config.data()).contains("ca.pem"));
    }

    #[test]
    fn unknown_settings_and_other_files_are_refused_with_their_name() {
        for (text, expected) in [
            ("[data]\nadress = \"a:1\"", "unknown field `adress`"),
            ("[dta]", "unknown field `dta`"),
            ("[data]\naddress = \"a:1\"\nserver_ca = \"a\"\ntransport = \"udp\"", "unknown variant `udp`"),
            ("[control]\naddress = \"a:1\"", "missing field `server_ca`"),
            ("hello", "client.toml"),
        ] {
            let (_folder, config) = config(text);
            assert!(said(config).contains(expected), "{text}");
        }
        let absent = said(Config::find(Some("/nowhere/client.toml".into())));
        assert!(absent.contains("/nowhere/client.toml"), "{absent}");
    }

    #[test]
    fn a_private_key_that_others_can_read_is_refused() {
        let (folder, config) = config(
            "[control]\naddress = \"localhost:1\"\nserver_ca = \"ca.pem\"\ncertificate = \"a.pem\"\nkey = \"a-key.pem\"\n",
        );
        let config = config.unwrap();
        let key = folder.path().join("a-key.pem");
        fs::write(&key, "hunter2").unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(said(config.control()).contains("chmod 600"));
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let error = said(config.control());
        assert!(error.contains("no private key") && !error.contains("hunter2"), "{error}");
    }

    // R-A4
    #[test]
    fn a_hardware_address_that_is_none_is_refused_with_an_example() {
        let text = |address| {
            format!("[data]\naddress = \"localhost:1\"\nserver_ca = \"ca.pem\"\nhardware_address = \"{address}\"\n")
        };
        let authority = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        let (folder, good) = config(&text("02:00:5e:10:00:01"));
        fs::write(folder.path().join("ca.pem"), authority).unwrap();
        let declared = good.unwrap().data().unwrap().hardware_address.unwrap();
        assert_eq!(declared.bytes(), [2, 0, 0x5e, 0x10, 0, 1]);
        for bad in ["", "02:00:5e:10:00", "ff:ff:ff:ff:ff:ff", "till-7"] {
            let (folder, config) = config(&text(bad));
            fs::write(folder.path().join("ca.pem"), authority).unwrap();
            let said = said(config.unwrap().data());
            assert!(said.contains("[data] hardware_address") && said.contains("02:00:5e:10:00:01"), "{said}");
        }
    }

    #[test]
    fn certificate_and_key_come_together_or_not_at_all() {
        let (folder, config) =
            config("[data]\naddress = \"localhost:1\"\nserver_ca = \"ca.pem\"\ncertificate = \"a.pem\"\n");
        let authority = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        fs::write(folder.path().join("ca.pem"), authority).unwrap();
        assert!(said(config.unwrap().data()).contains("certificate and key, or neither"));
    }
}
