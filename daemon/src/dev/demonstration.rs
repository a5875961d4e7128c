//! What `clavigerd dev` does as a client of its own two ports, so that a newcomer sees them work.

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, ensure};
use claviger_client::{Client, ClientConfig, Context, DecryptItem, EncryptItem, Identity, ServerCa, Transport};
use claviger_control::message::{Access, CreateKeys, CreateStore, IssueCertificate, NewKey};
use claviger_control::secret::SecretText;
use claviger_control::{ControlClient, ControlError, Credentials};
use claviger_engine::crypto::random::{Random, SystemRandom};

use super::folder::{CLIENT_NAME, Folder, SERVER_CA};
use super::screen::Screen;
use crate::pem::{self, Credential};

/// A demonstration of both ports of one development installation.
pub(super) struct Demonstration<'a> {
    pub(super) folder: &'a Folder,
    pub(super) data: SocketAddr,
    pub(super) control: SocketAddr,
    pub(super) screen: &'a Screen,
}

impl Demonstration<'_> {
    /// Makes what is missing through the control port, then uses it through the data port.
    pub(super) async fn run(&self) -> anyhow::Result<()> {
        self.screen.columns("Through the control port", &["HTTPS"]);
        self.manage().await.context("control port")?;
        self.screen.columns("Through the data port", &["TLS/TCP", "QUIC"]);
        let mut columns = Vec::new();
        for transport in [Transport::Tcp, Transport::Quic] {
            match self.use_keys(transport).await {
                Ok(steps) => columns.push(steps),
                // What was made before may have been changed since: a key disabled, say. The daemon is still worth having.
                Err(error) => self.screen.failed(&format!("{transport:?}"), &format!("{error:#}")),
            }
        }
        let Some(first) = columns.first() else { return Ok(()) };
        for (index, (what, _)) in first.iter().enumerate() {
            let times: Vec<Duration> = columns.iter().filter_map(|steps| Some(steps.get(index)?.1)).collect();
            self.screen.done(what, &times);
        }
        Ok(())
    }

    async fn manage(&self) -> anyhow::Result<()> {
        let client = self.administrator()?;
        let began = Instant::now();
        match client.store(STORE).await {
            Ok(_) => self.screen.done(&format!("found key store {STORE}"), &[began.elapsed()]),
            Err(ControlError::Refused(problem)) if problem.status == 404 => {
                let access = Access { client_certificate: true, ..Access::default() };
                client.create_store(&CreateStore { name: STORE.to_owned(), access }).await?;
                self.screen.done(&format!("created key store {STORE}"), &[began.elapsed()]);
            }
            Err(error) => return Err(error.into()),
        }
        self.create_keys(&client).await?;
        if !self.has_client_certificate() {
            let began = Instant::now();
            let name = "demo-client";
            let request = IssueCertificate { common_name: name.to_owned(), ..IssueCertificate::default() };
            let issued = client.issue_certificate(STORE, &request).await?;
            let key = issued.private_key.context("the certificate came without its key")?;
            self.folder.write(&format!("{CLIENT_NAME}-key.pem"), key.expose())?;
            self.folder.write(&format!("{CLIENT_NAME}.pem"), &issued.certificate)?;
            self.screen.done(&format!("issued client certificate {name}"), &[began.elapsed()]);
        }
        Ok(())
    }

    async fn create_keys(&self, client: &ControlClient) -> anyhow::Result<()> {
        let began = Instant::now();
        let mut missing = Vec::new();
        for (name, algorithm) in KEYS {
            match client.key(STORE, name).await {
                Ok(_) => {}
                Err(ControlError::Refused(problem)) if problem.status == 404 => missing.push((name, algorithm)),
                Err(error) => return Err(error.into()),
            }
        }
        if missing.is_empty() {
            self.screen.done(&format!("found its {} keys", KEYS.len()), &[began.elapsed()]);
            return Ok(());
        }
        for (name, algorithm) in missing {
            let began = Instant::now();
            let value = (algorithm == "OPAQUE").then(password).transpose()?;
            let key = NewKey { value, ..NewKey::new(name, algorithm) };
            client.create_keys(STORE, &CreateKeys { keys: vec![key] }).await?;
            self.screen.done(&format!("created {name} ({algorithm})"), &[began.elapsed()]);
        }
        Ok(())
    }

    /// Each step, and how long it took.
    async fn use_keys(&self, transport: Transport) -> anyhow::Result<Vec<(String, Duration)>> {
        let mut steps = Steps::default();
        let client = Client::connect(self.client_config(transport)?).await?;
        steps.done("connected");
        let names = KEYS.map(|(name, _)| name);
        let keys = client.keys(STORE, &names).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
        let [password, records, webhooks, signing @ ..] = keys.as_slice() else { return Ok(steps.list) };
        steps.done("asked for the ids of all keys");

        let context = Context::from_pairs([("table", "customers")])?;
        let plaintexts: Vec<Vec<u8>> = (0..RECORD_COUNT).map(|number| vec![number; RECORD_SIZE]).collect();
        let items: Vec<_> =
            plaintexts.iter().map(|plaintext| EncryptItem { context: context.as_bytes(), plaintext }).collect();
        let ciphertexts = records.encrypt_batch(&items).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
        steps.done(&format!("encrypted {RECORD_COUNT} records of {RECORD_SIZE} bytes with {}", names[1]));
        let items: Vec<_> =
            ciphertexts.iter().map(|ciphertext| DecryptItem { context: context.as_bytes(), ciphertext }).collect();
        let decrypted = records.decrypt_batch(&items).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
        let same = decrypted.iter().map(|plaintext| plaintext.expose()).eq(plaintexts.iter().map(Vec::as_slice));
        ensure!(same, "what was decrypted is not what was encrypted: this is a fault of the program");
        steps.done("decrypted them again: all the same");

        let mac = webhooks.make_mac(MESSAGE).await?;
        webhooks.verify_mac(MESSAGE, &mac.bytes, Some(mac.key_version)).await?;
        steps.done(&format!("made and verified a MAC with {}", names[2]));
        for (key, (name, _)) in signing.iter().zip(&KEYS[3..]) {
            let signature = key.sign(MESSAGE).await?;
            key.verify(MESSAGE, &signature.bytes, Some(signature.key_version)).await?;
            steps.done(&format!("signed and verified with {name}"));
        }
        password.read_secret(None).await?;
        steps.done(&format!("read the secret {}", names[0]));
        Ok(steps.list)
    }

    fn administrator(&self) -> anyhow::Result<ControlClient> {
        let own = Credential::read(
            &self.folder.file("tls/administrator.pem"),
            &self.folder.file("tls/administrator-key.pem"),
        )?;
        let credentials = Credentials {
            server_authorities: pem::certificates(&self.folder.file(SERVER_CA))?,
            certificate_chain: own.certificate_chain,
            private_key: own.private_key,
        };
        Ok(ControlClient::new(&self.control.to_string(), credentials)?)
    }

    fn client_config(&self, transport: Transport) -> anyhow::Result<ClientConfig> {
        let read = |name: &str| fs::read(self.folder.file(name)).with_context(|| name.to_owned());
        let server_ca = ServerCa::from_pem(&read(SERVER_CA)?)?;
        let key = zeroize::Zeroizing::new(read(&format!("{CLIENT_NAME}-key.pem"))?);
        let identity = Identity::from_pem(&read(&format!("{CLIENT_NAME}.pem"))?, &key)?;
        let mut config = ClientConfig::new(self.data.to_string(), server_ca, Some(identity));
        config.transport = transport;
        Ok(config)
    }

    /// Whether the client's certificate is there, and valid for a while.
    fn has_client_certificate(&self) -> bool {
        let chain = pem::certificates(&self.folder.file(&format!("{CLIENT_NAME}.pem")));
        let end = chain.ok().and_then(|chain| pem::not_after(chain.first()?));
        let soon = SystemTime::now() + Duration::from_secs(24 * 60 * 60);
        end.is_some_and(|end| end > soon) && self.folder.file(&format!("{CLIENT_NAME}-key.pem")).exists()
    }
}

/// What was done one after the other, each with the time since the one before.
struct Steps {
    list: Vec<(String, Duration)>,
    since: Instant,
}

impl Default for Steps {
    fn default() -> Self {
        Self { list: Vec::new(), since: Instant::now() }
    }
}

impl Steps {
    fn done(&mut self, what: &str) {
        let now = Instant::now();
        self.list.push((what.to_owned(), now - self.since));
        self.since = now;
    }
}

/// A random value for the secret.
fn password() -> anyhow::Result<SecretText> {
    let mut bytes = zeroize::Zeroizing::new([0; 24]);
    SystemRandom::new().fill(&mut bytes[..])?;
    let text = SecretText::base64_of(&bytes[..]);
    Ok(SecretText::base64_of(text.expose().as_bytes()))
}

const STORE: &str = "demo";

/// One key of each kind: a secret, a symmetric key, a MAC key, and signature keys.
const KEYS: [(&str, &str); 6] = [
    ("database-password", "OPAQUE"),
    ("records", "XAES-256-GCM"),
    ("webhooks", "HMAC-SHA-256"),
    ("signing-ed25519", "Ed25519"),
    ("signing-p256", "ECDSA-P256-SHA256"),
    ("signing-rsa-2048", "RSA-2048-PSS-SHA256"),
];

const RECORD_COUNT: u8 = 64;
const RECORD_SIZE: usize = 1_024;
const MESSAGE: &[u8] = b"An invoice over 12 pounds and 8 pence";
