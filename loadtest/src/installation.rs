//! A throwaway installation for a daemon that is measured: configuration, authorities, and after its start a key store with one client.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use claviger_algorithm::KeyKind;
use claviger_client::{Identity, ServerCa};
use claviger_control::message::{Access, CreateKeys, CreateStore, IssueCertificate, NewKey};
use claviger_control::secret::SecretText;
use claviger_control::{ControlClient, Credentials};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::client_file::ClientFile;
use crate::limits::CERTIFICATE_DAYS;
use crate::task::Task;
use crate::workload::input;

/// Files of an installation, and who may administer it.
pub(crate) struct Installation {
    /// The configuration file.
    pub(crate) config: PathBuf,
    /// Another one, by which the daemon loads keys before they are used.
    pub(crate) filling_config: PathBuf,
    /// Another one, by which the daemon's workers look for more before they sleep.
    pub(crate) polling_config: PathBuf,
    /// The data folder, which the daemon makes.
    pub(crate) data: PathBuf,
    /// Issues the server's certificate.
    server_authority: CertifiedIssuer<'static, KeyPair>,
    /// Issues the administrator's.
    administrators: CertifiedIssuer<'static, KeyPair>,
}

impl Installation {
    /// Writes all files but those that `clavigerd init` makes.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(crate) fn write(folder: &Path) -> anyhow::Result<Self> {
        let server_authority = authority("load test: servers")?;
        let administrators = authority("load test: administrators")?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()])?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &server_authority)?;

        let config = folder.join("clavigerd.toml");
        write_private(&config, CONFIG)?;
        let filling_config = folder.join("clavigerd-filling.toml");
        write_private(&filling_config, &[CONFIG, FILLING].concat())?;
        let polling_config = folder.join("clavigerd-polling.toml");
        write_private(&polling_config, &[CONFIG, POLLING].concat())?;
        write_private(&folder.join("server.pem"), &certificate.pem())?;
        write_private(&folder.join("server-key.pem"), &key.serialize_pem())?;
        write_private(&folder.join("administrators.pem"), &administrators.pem())?;
        Ok(Self { config, filling_config, polling_config, data: folder.join("data"), server_authority, administrators })
    }

    /// A client of the control port with a fresh certificate of an administrator.
    ///
    /// # Errors
    /// If the control port cannot be asked.
    pub(crate) fn administrator(&self, address: &str) -> anyhow::Result<ControlClient> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "load test");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.administrators)?;
        let private_key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let credentials = Credentials {
            server_authorities: vec![self.server_authority.der().clone()],
            certificate_chain: vec![certificate.der().clone()],
            private_key,
        };
        Ok(ControlClient::new(address, credentials)?)
    }

    /// Creates a key store, and a client of it for the data port at `address`.
    ///
    /// # Errors
    /// Those of the control port.
    pub(crate) async fn create_store(
        &self,
        administrator: &ControlClient,
        store: &str,
        address: String,
    ) -> anyhow::Result<ClientFile> {
        let access = Access { client_certificate: true, ..Access::default() };
        administrator.create_store(&CreateStore { name: store.to_owned(), access }).await?;
        let order = IssueCertificate {
            common_name: "load test".to_owned(),
            lifetime_days: Some(CERTIFICATE_DAYS),
            signing_request: None,
            ..IssueCertificate::default()
        };
        let issued = administrator.issue_certificate(store, &order).await?;
        let private_key =
            issued.private_key.context("the control port issued a certificate without its private key")?;
        let identity = Identity::from_pem(issued.certificate.as_bytes(), private_key.expose().as_bytes())?;
        let server_ca = ServerCa::from_der(self.server_authority.der().to_vec());
        Ok(ClientFile { address, server_ca, identity: Some(identity) })
    }
}

/// Creates a key for `task` and names it after its algorithm. A secret has a value of the size of the task.
///
/// # Errors
/// Those of the control port.
pub(crate) async fn create_key(administrator: &ControlClient, store: &str, task: &Task) -> anyhow::Result<String> {
    let name = task.algorithm.name().to_ascii_lowercase();
    let is_secret = task.algorithm.row().kind == KeyKind::Secret;
    let value = is_secret.then(|| SecretText::base64_of(&input(0, task.size)));
    let key = NewKey { value, ..NewKey::new(name.clone(), task.algorithm.name()) };
    administrator.create_keys(store, &CreateKeys { keys: vec![key] }).await?;
    Ok(name)
}

fn authority(name: &str) -> anyhow::Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).with_context(|| path.display().to_string())
}

/// The key store of the load.
pub(crate) const STORE: &str = "load-test";

/// Ports that are free, an end without much patience, a log for programs, and a disk that may be nearly full.
const CONFIG: &str = r#"
[control]
address = "127.0.0.1:0"
certificate = "server.pem"
key = "server-key.pem"
administrators = "administrators.pem"
[tls]
certificate = "server.pem"
key = "server-key.pem"
[storage]
free_space_floor_mib = 16
[log]
format = "json"
[data]
address = "127.0.0.1:0"
drain_seconds = 1
"#;

const FILLING: &str = "[cache]\nfill = true\n";

/// Of section `[data]`, with which the others end: longer than a client on this machine takes from a reply to its next request.
const POLLING: &str = "busy_poll_microseconds = 100\n";
