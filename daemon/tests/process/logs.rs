//! What the log says of requests, and what it never does.

use std::net::SocketAddr;

use claviger_client::{
    AsymmetricDecryptItem, Client, ClientConfig, Context, DataKeySize, Identity, MessageForm, ServerCa, TraceId,
    Transport,
};
use claviger_control::message::{Access, CreateKeys, CreateStore, IssueCertificate, NewKey, UpdateSecret};
use claviger_control::secret::SecretText;
use rustix::process::Signal;

use crate::run::Place;
use crate::support::Ended;

const STORE: &str = "payments";

/// Recognised in the log however it may be written.
const PLAINTEXT: &[u8] = b"hunter2 is not to be read anywhere";

// R-K6, R-P2, R-O1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_line_of_a_whole_run_of_operations_holds_what_is_secret_and_every_line_of_a_request_says_which_it_was() {
    let place = Place::new();
    place.init();
    let (process, control, mut log) = place.start();
    let started: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    let data: SocketAddr = started["data"].as_str().unwrap().parse().unwrap();
    let administrator = place.administrator(control);
    let access = Access { client_certificate: true, ..Access::default() };
    administrator.create_store(&CreateStore { name: STORE.into(), access }).await.unwrap();
    let value = |bytes| Some(SecretText::base64_of(bytes));
    let keys = vec![
        NewKey::new("records", "XAES-256-GCM"),
        NewKey::new("counted", "AES-256-GCM"),
        NewKey::new("receipts", "Ed25519"),
        NewKey::new("webhooks", "HMAC-SHA-256"),
        NewKey::new("mail", "RSA-2048-OAEP-SHA256"),
        NewKey { value: value(PLAINTEXT), ..NewKey::new("password", "OPAQUE") },
    ];
    administrator.create_keys(STORE, &CreateKeys { keys }).await.unwrap();
    let mut secrets = vec![PLAINTEXT.to_vec()];
    let trace_id = TraceId(*b"0123456789abcdef");
    for transport in [Transport::Tcp, Transport::Quic] {
        let request = IssueCertificate { common_name: "billing".into(), ..IssueCertificate::default() };
        let issued = administrator.issue_certificate(STORE, &request).await.unwrap();
        let key = issued.private_key.unwrap();
        let identity = Identity::from_pem(issued.certificate.as_bytes(), key.expose().as_bytes()).unwrap();
        let server = ServerCa::from_der(place.server.certificate().to_vec());
        let mut config = ClientConfig::new(data.to_string(), server, Some(identity));
        config.transport = transport;
        let client = Client::connect(config).await.unwrap().with_trace_id(trace_id);
        use_everything(&client, &mut secrets).await;
    }
    let update = UpdateSecret { value: SecretText::base64_of(PLAINTEXT), expected_version: None };
    administrator.update_secret(STORE, "password", &update).await.unwrap();
    let Ended { success, output, errors } = process.end(Signal::TERM);
    assert!(success && output.is_empty());
    log.push_str(&errors);
    for secret in &secrets {
        for (form, text) in written(secret) {
            assert!(!log.contains(&text), "{form} of a secret is in the log");
        }
    }
    let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut refused = 0;
    for line in lines {
        let of_request = ["trace_id", "operation", "status"].map(|field| line.get(field).is_some());
        assert!(of_request == [true; 3] || of_request == [false; 3], "{line}");
        if line["trace_id"] == "30313233343536373839616263646566" {
            let expected = ["Encrypt", "OperationNotAllowed"];
            assert_eq!([&line["operation"], &line["status"]], expected, "{line}");
            refused += 1;
        }
    }
    assert_eq!(refused, 2, "one on each transport");
}

/// Every operation of the data port once; what is secret of it goes to `secrets`.
async fn use_everything(client: &Client, secrets: &mut Vec<Vec<u8>>) {
    let context = Context::EMPTY;
    let names = ["records", "counted", "receipts", "webhooks", "mail", "password"];
    let keys: Vec<_> = client.keys(STORE, &names).await.unwrap().into_iter().map(Result::unwrap).collect();
    let [records, counted, receipts, webhooks, mail, password] = &keys[..] else { panic!("six keys") };
    for key in [records, counted] {
        let ciphertext = key.encrypt(&context, PLAINTEXT).await.unwrap();
        key.decrypt(&context, &ciphertext).await.unwrap();
        let mut broken = ciphertext.clone();
        broken[40] ^= 1;
        key.decrypt(&context, &broken).await.err().unwrap();
        let moved = key.reencrypt(&context, &ciphertext, records, &context).await.unwrap();
        secrets.extend([ciphertext, moved]);
        let data_key = key.generate_data_key(DataKeySize::Bits256, &context).await.unwrap();
        key.unwrap_data_key(&context, &data_key.wrapped).await.unwrap();
        secrets.push(data_key.plain.expose().to_vec());
        key.wrap_data_key(&context, PLAINTEXT).await.unwrap();
    }
    let signature = receipts.sign(PLAINTEXT).await.unwrap();
    receipts.verify(PLAINTEXT, &signature.bytes, None).await.unwrap();
    receipts.verify(b"another", &signature.bytes, None).await.unwrap_err();
    receipts.sign_batch(MessageForm::Message, &[]).await.unwrap();
    let mac = webhooks.make_mac(PLAINTEXT).await.unwrap();
    webhooks.verify_mac(PLAINTEXT, &mac.bytes, None).await.unwrap();
    secrets.extend([signature.bytes, mac.bytes]);
    let nothing = AsymmetricDecryptItem { context: b"", ciphertext: PLAINTEXT };
    mail.asymmetric_decrypt_batch(None, &[nothing]).await.unwrap();
    mail.read_public_key(None).await.unwrap();
    password.read_secret(None).await.unwrap();
    password.wait_for_newer_secret(0, std::time::Duration::ZERO).await.unwrap();
    password.describe().await.unwrap();
    secrets.push(client.random_bytes(records.store_id(), 64).await.unwrap().expose().to_vec());
    client.ping(b"hunter2 pings").await.unwrap();
    client.whoami().await.unwrap();
    // And one that is refused as a whole.
    password.encrypt(&context, PLAINTEXT).await.unwrap_err();
}

/// How bytes may come to stand in a log: as they are, in hexadecimal digits, in base64 at each of its three phases, and as a list of numbers.
fn written(secret: &[u8]) -> Vec<(&'static str, String)> {
    let part = &secret[..secret.len().min(24)];
    let numbers = |separator: &str| part.iter().map(u8::to_string).collect::<Vec<_>>().join(separator);
    let mut forms = vec![
        ("hexadecimal digits", part.iter().map(|byte| format!("{byte:02x}")).collect()),
        ("hexadecimal digits", part.iter().map(|byte| format!("{byte:02X}")).collect()),
        ("numbers", numbers(", ")),
        ("numbers", numbers(",")),
    ];
    for phase in 0..3 {
        let text = SecretText::base64_of(&part[phase..]);
        // The last digits depend on what follows.
        forms.push(("base64", text.expose()[..16].to_owned()));
    }
    if let Ok(text) = std::str::from_utf8(part) {
        forms.push(("text", text[..7].to_owned()));
    }
    forms
}
