//! The life of keys through both ports: what an administrator has done on the control port is in force on the data port, on connections that were there before.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may be blunt"
)]

#[allow(dead_code, reason = "shared with the tests of the control port")]
#[path = "control/support.rs"]
mod support;

use claviger_client::{
    Client, ClientConfig, Context, DataKeySize, Error, Identity, Key, KeyId, KeyState, KeyVersionState, ServerCa,
    Status, Transport,
};
use claviger_control::message::{self, Access, CreateKeys, CreateStore, IssueCertificate, NewKey, RequestDeletion};
use claviger_control::secret::SecretText;
use claviger_control::{ControlClient, ControlError};
use support::Running;

// R-K7, R-K9, R-K10
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_state_of_a_key_is_in_force_once_it_is_acknowledged() {
    let world = World::start(&[("records", "XAES-256-GCM"), ("receipts", "Ed25519"), ("password", "OPAQUE")]).await;
    let before = world.used().await;
    let wait = RequestDeletion::default();
    world.expect(KeyState::Available, None, &before).await;
    for name in NAMES {
        world.administrator.disable_key(STORE, name).await.unwrap();
    }
    world.expect(KeyState::Disabled, Some(Status::KeyDisabled), &before).await;
    for name in NAMES {
        world.administrator.enable_key(STORE, name).await.unwrap();
    }
    world.expect(KeyState::Available, None, &before).await;
    for name in NAMES {
        world.administrator.request_deletion(STORE, name, &wait).await.unwrap();
    }
    world.expect(KeyState::DeletionRequested, Some(Status::KeyDeletionRequested), &before).await;
    for name in NAMES {
        world.administrator.cancel_deletion(STORE, name).await.unwrap();
    }
    world.expect(KeyState::Disabled, Some(Status::KeyDisabled), &before).await;
    for name in NAMES {
        world.administrator.request_deletion(STORE, name, &wait).await.unwrap();
        world.administrator.delete_now(STORE, name, true).await.unwrap();
    }
    world.expect(KeyState::Deleted, Some(Status::KeyDeleted), &before).await;
    world.end().await;
}

// R-K7, R-K11
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_name_of_a_deleted_key_leads_to_no_key_until_it_is_that_of_another() {
    let world = World::start(&[("records", "XAES-256-GCM")]).await;
    let mut ciphertexts = Vec::new();
    for client in &world.clients {
        ciphertexts.push(client.key(STORE, "records").await.unwrap().encrypt(&Context::EMPTY, b"x").await.unwrap());
    }
    world.administrator.request_deletion(STORE, "records", &RequestDeletion::default()).await.unwrap();
    for client in &world.clients {
        assert_eq!(client.key(STORE, "records").await.unwrap().describe().await.unwrap().name, "records");
    }
    world.administrator.delete_now(STORE, "records", true).await.unwrap();
    for client in &world.clients {
        // The client remembers the name, until it is told that the key is gone.
        let gone = client.key(STORE, "records").await.unwrap().encrypt(&Context::EMPTY, b"x").await;
        assert_eq!(refusal(&gone), Some(Status::KeyDeleted));
        assert_eq!(refusal(&client.key(STORE, "records").await), Some(Status::KeyNotFound));
    }
    create_keys(&world.administrator, &[("records", "XAES-256-GCM")]).await;
    for (client, ciphertext) in world.clients.iter().zip(&ciphertexts) {
        let key = client.key(STORE, "records").await.unwrap();
        assert_eq!(refusal(&key.decrypt(&Context::EMPTY, ciphertext).await), Some(Status::DecryptionFailed));
        key.encrypt(&Context::EMPTY, b"x").await.unwrap();
    }
    world.end().await;
}

// R-K8
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disabled_or_destroyed_version_does_nothing_and_the_others_go_on() {
    let world = World::start(&[("records", "XAES-256-GCM"), ("receipts", "Ed25519")]).await;
    let mut before = Vec::new();
    for client in &world.clients {
        let (records, receipts) = (world.key(client, "records").await, world.key(client, "receipts").await);
        let ciphertext = records.encrypt(&Context::EMPTY, b"first").await.unwrap();
        let signature = receipts.sign(b"first").await.unwrap();
        before.push((records, receipts, ciphertext, signature.bytes));
    }
    for name in ["records", "receipts"] {
        world.administrator.rotate_key(STORE, name).await.unwrap();
    }
    // What the administrator does to version 1, its state then, whether it still works.
    for (step, state, works) in [
        ("nothing", KeyVersionState::Active, true),
        ("disable version", KeyVersionState::Disabled, false),
        ("disable key", KeyVersionState::Disabled, false),
        ("enable key", KeyVersionState::Disabled, false),
        ("enable version", KeyVersionState::Active, true),
        ("disable version", KeyVersionState::Disabled, false),
        ("destroy version", KeyVersionState::Destroyed, false),
        ("disable key", KeyVersionState::Destroyed, false),
        ("enable key", KeyVersionState::Destroyed, false),
    ] {
        for name in ["records", "receipts"] {
            let administrator = &world.administrator;
            match step {
                "disable version" => administrator.disable_version(STORE, name, 1).await.map(drop),
                "enable version" => administrator.enable_version(STORE, name, 1).await.map(drop),
                "destroy version" => administrator.destroy_version(STORE, name, 1).await.map(drop),
                "disable key" => administrator.disable_key(STORE, name).await.map(drop),
                "enable key" => administrator.enable_key(STORE, name).await.map(drop),
                _ => Ok(()),
            }
            .unwrap();
        }
        for (records, receipts, ciphertext, signature) in &before {
            for key in [records, receipts] {
                let versions: Vec<_> =
                    key.describe().await.unwrap().versions.iter().map(|version| version.state.unwrap()).collect();
                assert_eq!(versions, [state, KeyVersionState::Current], "{step}");
            }
            if step == "disable key" {
                let refused = records.decrypt(&Context::EMPTY, ciphertext).await;
                assert_eq!(refusal(&refused), Some(Status::KeyDisabled));
                continue;
            }
            let unless_it_works = |status| if works { None } else { Some(status) };
            let decrypted = records.decrypt(&Context::EMPTY, ciphertext).await;
            assert_eq!(refusal(&decrypted), unless_it_works(Status::DecryptionFailed), "{step}");
            let moved = records.reencrypt(&Context::EMPTY, ciphertext, records, &Context::EMPTY).await;
            assert_eq!(refusal(&moved), unless_it_works(Status::DecryptionFailed), "{step}");
            let verified = receipts.verify(b"first", signature, None).await;
            assert_eq!(refusal(&verified), unless_it_works(Status::VerificationFailed), "{step}");
            let verified = receipts.verify(b"first", signature, Some(1)).await;
            assert_eq!(refusal(&verified), unless_it_works(Status::KeyVersionNotFound), "{step}");
            let public_key = receipts.read_public_key(Some(1)).await;
            assert_eq!(refusal(&public_key), unless_it_works(Status::KeyVersionNotFound), "{step}");
            let newer = records.encrypt(&Context::EMPTY, b"second").await.unwrap();
            assert_eq!(records.decrypt(&Context::EMPTY, &newer).await.unwrap().expose(), b"second");
            let newer = receipts.sign(b"second").await.unwrap();
            assert_eq!(receipts.verify(b"second", &newer.bytes, None).await.unwrap(), 2);
        }
    }
    world.end().await;
}

// R-K15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ciphertexts_below_the_lowest_version_are_refused_until_it_is_lowered() {
    let world = World::start(&[("records", "XAES-256-GCM")]).await;
    let mut before = Vec::new();
    for client in &world.clients {
        let key = world.key(client, "records").await;
        let ciphertext = key.encrypt(&Context::EMPTY, b"first").await.unwrap();
        let wrapped = key.generate_wrapped_data_key(DataKeySize::Bits256, &Context::EMPTY).await.unwrap();
        before.push((key, ciphertext, wrapped));
    }
    for _ in 0..2 {
        world.administrator.rotate_key(STORE, "records").await.unwrap();
    }
    for (lowest, expected) in [(2, Some(Status::DecryptionFailed)), (3, Some(Status::DecryptionFailed)), (1, None)] {
        world.administrator.set_lowest_version(STORE, "records", lowest).await.unwrap();
        for (key, ciphertext, wrapped) in &before {
            assert_eq!(refusal(&key.decrypt(&Context::EMPTY, ciphertext).await), expected, "lowest is {lowest}");
            let moved = key.reencrypt(&Context::EMPTY, ciphertext, key, &Context::EMPTY).await;
            assert_eq!(refusal(&moved), expected, "lowest is {lowest}");
            assert_eq!(refusal(&key.unwrap_data_key(&Context::EMPTY, wrapped).await), expected, "lowest is {lowest}");
            let newest = key.encrypt(&Context::EMPTY, b"newest").await.unwrap();
            assert_eq!(key.decrypt(&Context::EMPTY, &newest).await.unwrap().expose(), b"newest");
        }
    }
    world.end().await;
}

// R-K10
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_is_refused_changes_nothing_for_clients() {
    let world = World::start(&[("records", "XAES-256-GCM"), ("receipts", "Ed25519"), ("password", "OPAQUE")]).await;
    let before = world.used().await;
    let too_short = RequestDeletion { wait_hours: Some(23) };
    let administrator = &world.administrator;
    for (result, status) in [
        (administrator.delete_now(STORE, "records", true).await, 409),
        (administrator.cancel_deletion(STORE, "records").await, 409),
        (administrator.request_deletion(STORE, "records", &too_short).await, 422),
        (administrator.disable_version(STORE, "records", 1).await, 409),
        (administrator.destroy_version(STORE, "records", 1).await, 409),
        (administrator.destroy_version(STORE, "records", 2).await, 404),
        (administrator.set_lowest_version(STORE, "records", 2).await, 404),
    ] {
        let Err(ControlError::Refused(problem)) = result else { panic!("not refused: {result:?}") };
        assert_eq!(problem.status, status, "{problem:?}");
    }
    world.expect(KeyState::Available, None, &before).await;
    world.end().await;
}

/// A daemon with a key store, its administrator, and a client on each transport.
struct World {
    running: Running,
    administrator: ControlClient,
    clients: Vec<Client>,
}

/// Keys as one client has them, and what it made with them.
struct Used {
    records: Key,
    receipts: Key,
    password: Key,
    ciphertext: Vec<u8>,
    signature: Vec<u8>,
}

impl World {
    async fn start(keys: &[(&str, &str)]) -> Self {
        let running = Running::start().await;
        let administrator = running.administrator();
        let access = Access { client_certificate: true, ..Access::default() };
        administrator.create_store(&CreateStore { name: STORE.to_owned(), access }).await.unwrap();
        create_keys(&administrator, keys).await;
        let mut clients = Vec::new();
        for transport in [Transport::Tcp, Transport::Quic] {
            clients.push(connect(&running, &administrator, transport).await);
        }
        Self { running, administrator, clients }
    }

    /// A key of this name, held by its id.
    async fn key(&self, client: &Client, name: &str) -> Key {
        let id: KeyId = client.key(STORE, name).await.unwrap().id();
        client.key_by_id(id).await.unwrap()
    }

    /// The keys as each client has them, used once.
    async fn used(&self) -> Vec<Used> {
        let mut all = Vec::new();
        for client in &self.clients {
            let (records, receipts) = (self.key(client, "records").await, self.key(client, "receipts").await);
            let ciphertext = records.encrypt(&Context::EMPTY, b"plain").await.unwrap();
            let signature = receipts.sign(b"message").await.unwrap().bytes;
            all.push(Used { records, receipts, password: self.key(client, "password").await, ciphertext, signature });
        }
        all
    }

    /// Everything is refused with `status`, but what is answered in every state.
    async fn expect(&self, state: KeyState, status: Option<Status>, all: &[Used]) {
        for Used { records, receipts, password, ciphertext, signature } in all {
            assert_eq!(refusal(&records.encrypt(&Context::EMPTY, b"x").await), status, "{state:?}");
            assert_eq!(refusal(&records.decrypt(&Context::EMPTY, ciphertext).await), status, "{state:?}");
            let moved = records.reencrypt(&Context::EMPTY, ciphertext, records, &Context::EMPTY).await;
            assert_eq!(refusal(&moved), status, "{state:?}");
            let data_key = records.generate_data_key(DataKeySize::Bits128, &Context::EMPTY).await;
            assert_eq!(refusal(&data_key), status, "{state:?}");
            assert_eq!(refusal(&receipts.sign(b"message").await), status, "{state:?}");
            assert_eq!(refusal(&receipts.verify(b"message", signature, None).await), status, "{state:?}");
            assert_eq!(refusal(&receipts.verify(b"message", signature, Some(1)).await), status, "{state:?}");
            assert_eq!(refusal(&password.read_secret(None).await), status, "{state:?}");
            let public_key = refusal(&receipts.read_public_key(None).await);
            assert_eq!(public_key, status.filter(|_| state == KeyState::Deleted), "{state:?}");
            for key in [records, receipts, password] {
                let described = key.describe().await.unwrap();
                assert_eq!(described.state, Ok(state));
                let is_deleted = state == KeyState::Deleted;
                assert_eq!(described.current_version, u32::from(!is_deleted));
                let version = if is_deleted { KeyVersionState::Destroyed } else { KeyVersionState::Current };
                assert_eq!(described.versions[0].state, Ok(version));
            }
        }
    }

    async fn end(self) {
        drop(self.clients);
        self.running.daemon.stop().await;
    }
}

/// A client whom the store admits by a certificate that the control port has issued.
async fn connect(running: &Running, administrator: &ControlClient, transport: Transport) -> Client {
    let request = IssueCertificate { common_name: "billing".into(), ..IssueCertificate::default() };
    let issued: message::IssuedCertificate = administrator.issue_certificate(STORE, &request).await.unwrap();
    let key = issued.private_key.unwrap();
    let identity = Identity::from_pem(issued.certificate.as_bytes(), key.expose().as_bytes()).unwrap();
    let server_ca = ServerCa::from_der(running.server.certificate().to_vec());
    let mut config = ClientConfig::new(running.daemon.data_address().to_string(), server_ca, Some(identity));
    config.transport = transport;
    Client::connect(config).await.unwrap()
}

async fn create_keys(administrator: &ControlClient, keys: &[(&str, &str)]) {
    let new = |&(name, algorithm): &(&str, &str)| NewKey {
        value: (algorithm == "OPAQUE").then(|| SecretText::base64_of(b"correct horse battery staple")),
        ..NewKey::new(name, algorithm)
    };
    administrator.create_keys(STORE, &CreateKeys { keys: keys.iter().map(new).collect() }).await.unwrap();
}

/// With which status a call was refused, if it was.
fn refusal<T>(result: &Result<T, Error>) -> Option<Status> {
    result.as_ref().err().map(|error| error.status().unwrap_or_else(|| panic!("{error}")))
}

const STORE: &str = "payments";

const NAMES: [&str; 3] = ["records", "receipts", "password"];
