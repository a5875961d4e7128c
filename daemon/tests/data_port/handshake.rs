//! The handshake: what is refused before anything is said.

use std::sync::Arc;

use claviger_protocol::message::Whoami;
use rustls::{ClientConnection, HandshakeKind, NamedGroup};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::operations::facts;
use crate::support::certificates::{Authority, Credential};
use crate::support::client::{QuicConnection, hello, tls, within};
use crate::support::{Client, Server};

on_both_transports! {
    // R-P5
    async fn a_client_without_our_protocol_gets_no_answer(transport) {
        let server = Server::start();
        for offered in [vec![], vec![b"h2".to_vec()], vec![b"claviger/2".to_vec(), b"claviger/".to_vec()]] {
            let mut config = tls(&server.server_authority, None);
            config.alpn_protocols = offered;
            gets_no_answer(Client::connect_with(server.address, transport, config).await).await;
        }
    }

    async fn our_protocol_is_found_among_others(transport) {
        let server = Server::start();
        let mut config = tls(&server.server_authority, None);
        config.alpn_protocols.insert(0, b"h2".to_vec());
        Client::connect_with(server.address, transport, config).await.unwrap().say_hello().await;
    }

    // R-A5
    async fn a_certificate_without_its_private_key_fails_the_handshake(transport) {
        let server = Server::start();
        let (mine, theirs) = (server.authority.client("me"), server.authority.client("them"));
        let stolen = Credential { chain: theirs.chain, private_key: mine.private_key };
        gets_no_answer(Client::connect(&server, transport, Some(&stolen)).await).await;
    }

    async fn a_client_refuses_a_server_of_another_authority(transport) {
        let server = Server::start();
        let config = tls(&Authority::new("another authority"), None);
        assert!(Client::connect_with(server.address, transport, config).await.is_err());
    }

    // R-P5
    async fn without_the_hybrid_key_exchange_the_handshake_works_as_well(transport) {
        let server = Server::start();
        for group in [NamedGroup::X25519, NamedGroup::secp256r1, NamedGroup::secp384r1] {
            let mut provider = rustls::crypto::aws_lc_rs::default_provider();
            provider.kx_groups.retain(|it| it.name() == group);
            let config = crate::support::client::tls_of(provider, &server.server_authority, None);
            Client::connect_with(server.address, transport, config).await.unwrap().say_hello().await;
        }
    }
}

// R-P5
#[tokio::test]
async fn the_hybrid_key_exchange_is_preferred() {
    let server = Server::start();
    let stream = tls_stream(&server, Arc::new(tls(&server.server_authority, None))).await;
    let group = stream.get_ref().1.negotiated_key_exchange_group().unwrap();
    assert_eq!(group.name(), NamedGroup::X25519MLKEM768);
}

// R-P5
#[tokio::test]
async fn tls_1_2_is_refused() {
    let server = Server::start();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&client_hello_of_tls_1_2()).await.unwrap();
    let mut answer = Vec::new();
    within(stream.read_to_end(&mut answer)).await.unwrap();
    // An alert record: fatal, protocol_version (RFC 8446 section 6).
    assert_eq!((answer[0], &answer[3..]), (21, &[0, 2, 2, 70][..]));
}

// R-P5
#[tokio::test]
async fn plain_text_is_refused() {
    let server = Server::start();
    for bytes in [&hello()[..], b"GET / HTTP/1.1\r\nHost: claviger\r\n\r\n"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let _ = within(stream.read_to_end(&mut answer)).await;
        assert!(answer.is_empty() || answer[0] == 21, "not an alert: {answer:?}");
    }
}

// R-P5, R-A5
#[tokio::test]
async fn a_resumed_session_is_its_original_client_and_takes_no_early_data() {
    let server = Server::start();
    let mut config = tls(&server.server_authority, Some(&server.authority.client("billing")));
    config.enable_early_data = true;
    let config = Arc::new(config);
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let stream = tls_stream(&server, Arc::clone(&config)).await;
        kinds.push(stream.get_ref().1.handshake_kind().unwrap());
        let mut client = Client::over(Box::new(stream), None);
        client.say_hello().await;
        let subject = facts(&client.call(Whoami).await.body).pop();
        assert!(subject.is_some_and(|(fact, _)| fact == claviger_protocol::Fact::CertificateEnd.code()));
        let mut next = ClientConnection::new(Arc::clone(&config), name(&server)).unwrap();
        assert!(next.early_data().is_none(), "the server offered to take early data");
    }
    assert!(matches!(kinds[..], [HandshakeKind::Full, HandshakeKind::Resumed]), "{kinds:?}");
}

// R-P5
#[tokio::test]
async fn quic_takes_no_early_data() {
    let server = Server::start();
    let mut config = tls(&server.server_authority, None);
    config.enable_early_data = true;
    let first = QuicConnection::open(server.address, config).await.unwrap();
    first.stream().await.unwrap().say_hello().await;
    let again = first.endpoint.connect(server.address, "127.0.0.1").unwrap();
    let Err(connecting) = again.into_0rtt() else { panic!("early data") };
    within(connecting).await.unwrap();
}

/// A connection that fails, or ends without a reply: in TLS 1.3 a client may learn late that it was refused.
async fn gets_no_answer(connected: std::io::Result<Client>) {
    if let Ok(mut client) = connected {
        let _ = client.sender.try_send(&hello()).await;
        client.receiver.ended().await;
    }
}

async fn tls_stream(server: &Server, config: Arc<rustls::ClientConfig>) -> tokio_rustls::client::TlsStream<TcpStream> {
    let stream = TcpStream::connect(server.address).await.unwrap();
    TlsConnector::from(config).connect(name(server), stream).await.unwrap()
}

fn name(server: &Server) -> ServerName<'static> {
    ServerName::IpAddress(server.address.ip().into())
}

/// A ClientHello without `supported_versions` (RFC 5246 section 7.4.1.2), in one record.
fn client_hello_of_tls_1_2() -> Vec<u8> {
    let extensions = [
        &[0, 10, 0, 4, 0, 2, 0, 23][..], // supported_groups: secp256r1
        &[0, 13, 0, 4, 0, 2, 4, 3],      // signature_algorithms: ecdsa_secp256r1_sha256
        &[0, 16, 0, 13, 0, 11, 10],      // application_layer_protocol_negotiation
        b"claviger/1",
    ]
    .concat();
    let mut body = vec![3, 3];
    body.extend([7; 32]); // random
    body.push(0); // session id
    body.extend([0, 2, 0xC0, 0x2B]); // TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
    body.extend([1, 0]); // no compression
    body.extend([0, u8::try_from(extensions.len()).unwrap()]);
    body.extend(extensions);
    let mut message = vec![1, 0, 0, u8::try_from(body.len()).unwrap()];
    message.extend(body);
    let mut record = vec![22, 3, 1, 0, u8::try_from(message.len()).unwrap()];
    record.extend(message);
    record
}
