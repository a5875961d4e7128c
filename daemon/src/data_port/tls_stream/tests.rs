use std::io::ErrorKind;
use std::pin::pin;
use std::task::Waker;

use rcgen::{CertificateParams, KeyPair};
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls_pki_types::{PrivateKeyDer, ServerName};
use tokio::io::{DuplexStream, duplex};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream as TlsClient;

use super::*;
use crate::data_port::tls::provider;

type Server = TlsStream<DuplexStream>;
type Client = TlsClient<DuplexStream>;

/// Both sides' configurations.
fn configs() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["server".to_owned()]).unwrap().self_signed(&key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let private_key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let server = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let client = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    (
        Arc::new(server.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], private_key).unwrap()),
        Arc::new(client.with_root_certificates(roots).with_no_client_auth()),
    )
}

/// Two that have shaken hands over a transport that holds `size` bytes in each direction.
async fn connected(size: usize) -> (Server, Client) {
    let (near, far) = duplex(size);
    let (server, client) = configs();
    let connector = TlsConnector::from(client);
    let (server, client) = tokio::join!(
        TlsStream::accept(near, server, Scratch::default()),
        connector.connect(ServerName::try_from("server").unwrap(), far),
    );
    (server.unwrap(), client.unwrap())
}

fn text(size: usize) -> Vec<u8> {
    (0_u8..=250).cycle().take(size).collect()
}

// R-P3
#[tokio::test]
async fn everything_arrives_in_order_whatever_the_sizes_of_reads_writes_and_transport() {
    for (transport, read, write) in
        [(1_000_000, 300_000, 300_000), (4_000, 7, 100_000), (70_000, 1, 3), (2_000, 5_000, 5_000)]
    {
        let (mut server, mut client) = connected(transport).await;
        let sent = text(if read < 10 { 40_000 } else { 700_000 });
        let saying = async {
            for part in sent.chunks(write) {
                client.write_all(part).await.unwrap();
            }
            client.flush().await.unwrap();
            let mut echo = vec![0; sent.len()];
            client.read_exact(&mut echo).await.unwrap();
            assert!(echo == sent, "{transport} {read} {write}");
        };
        let answering = async {
            let (mut received, mut part) = (Vec::new(), vec![0; read]);
            while received.len() < sent.len() {
                let size = server.read(&mut part).await.unwrap();
                assert!(size > 0);
                received.extend_from_slice(&part[..size]);
            }
            assert!(received == sent, "{transport} {read} {write}");
            for part in received.chunks(write) {
                server.write_all(part).await.unwrap();
            }
            server.flush().await.unwrap();
        };
        tokio::join!(saying, answering);
    }
}

// R-P3
#[tokio::test]
async fn what_comes_with_the_end_of_the_handshake_is_not_lost() {
    let (near, far) = duplex(1_000_000);
    let (server, client) = configs();
    let connector = TlsConnector::from(client);
    let saying = async {
        let mut client = connector.connect(ServerName::try_from("server").unwrap(), far).await.unwrap();
        // The server has not been polled since: it finds this behind the last message of the handshake.
        client.write_all(&text(50_000)).await.unwrap();
        client.flush().await.unwrap();
        client
    };
    let accepting = TlsStream::accept(near, server, Scratch::default());
    let (_client, server) = tokio::join!(saying, accepting);
    let mut received = vec![0; 50_000];
    server.unwrap().read_exact(&mut received).await.unwrap();
    assert!(received == text(50_000));
}

// R-P5
#[tokio::test]
async fn new_keys_are_taken_up_and_answered_while_both_sides_speak() {
    let (mut server, mut client) = connected(1_000_000).await;
    for round in 0..20 {
        client.get_mut().1.refresh_traffic_keys().unwrap();
        let sent = text(1_000 + round);
        client.write_all(&sent).await.unwrap();
        client.flush().await.unwrap();
        let mut received = vec![0; sent.len()];
        server.read_exact(&mut received).await.unwrap();
        assert!(received == sent);
        server.write_all(&received).await.unwrap();
        server.flush().await.unwrap();
        let mut echo = vec![0; sent.len()];
        client.read_exact(&mut echo).await.unwrap();
        assert!(echo == sent);
    }
}

#[tokio::test]
async fn an_end_that_was_said_is_an_end_and_one_that_was_not_is_a_fault() {
    let (mut server, mut client) = connected(1_000_000).await;
    client.write_all(b"last").await.unwrap();
    client.shutdown().await.unwrap();
    let mut received = Vec::new();
    assert_eq!(server.read_to_end(&mut received).await.unwrap(), 4);
    // The other direction is still open.
    server.write_all(b"answer").await.unwrap();
    server.shutdown().await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"answer");

    let (mut server, mut client) = connected(1_000_000).await;
    client.write_all(b"cut").await.unwrap();
    client.flush().await.unwrap();
    drop(client);
    let mut received = Vec::new();
    assert_eq!(server.read_to_end(&mut received).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert_eq!(received, b"cut");
}

// R-P3
#[tokio::test]
async fn whoever_does_not_speak_tls_is_told_so() {
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 5], &[22, 3, 1, 0, 4, 1, 0, 0, 0], &[0xff; 100_000]] {
        let (near, mut far) = duplex(1_000_000);
        let (server, _) = configs();
        far.write_all(garbage).await.unwrap();
        let refused = TlsStream::accept(near, server, Scratch::default()).await.err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::InvalidData, "{refused}");
        let mut alert = Vec::new();
        far.read_to_end(&mut alert).await.unwrap();
        assert_eq!(alert.first(), Some(&21), "no alert: {alert:?}");
    }
    let (near, far) = duplex(1_000_000);
    let (server, _) = configs();
    drop(far);
    let gone = TlsStream::accept(near, server, Scratch::default()).await.err().unwrap();
    assert_eq!(gone.kind(), ErrorKind::UnexpectedEof);
}

// R-P3
#[tokio::test]
async fn a_record_that_was_altered_gives_nothing_and_is_told() {
    let (mut server, mut client) = connected(1_000_000).await;
    client.write_all(b"before").await.unwrap();
    client.flush().await.unwrap();
    let mut received = [0; 6];
    server.read_exact(&mut received).await.unwrap();
    // Straight into the transport: a record of 32 bytes that nobody has sealed.
    client.get_mut().0.write_all(&[&[23, 3, 3, 0, 32][..], &[7; 32]].concat()).await.unwrap();
    assert_eq!(server.read(&mut received).await.unwrap_err().kind(), ErrorKind::InvalidData);
    drop(server);
    let told = client.read(&mut received).await.unwrap_err().to_string();
    assert!(told.contains("BadRecordMac"), "{told}");
}

// R-P4
#[tokio::test]
async fn a_client_that_takes_nothing_is_not_written_to_without_bound() {
    let (mut server, _client) = connected(1_000).await;
    let mut taken = 0;
    let mut context = Context::from_waker(Waker::noop());
    while let Poll::Ready(size) = Pin::new(&mut server).poll_write(&mut context, &text(1_000_000)) {
        taken += size.unwrap();
        assert!(taken <= WRITE_SIZE, "{taken} bytes were taken");
    }
    assert!(server.unsent.len() <= 2 * WRITE_SIZE);
    assert!(pin!(server.flush()).poll(&mut context).is_pending());
}

#[tokio::test]
async fn a_stream_that_rests_holds_no_buffer() {
    let (mut server, mut client) = connected(1_000_000).await;
    client.write_all(&text(500_000)).await.unwrap();
    let mut received = vec![0; 500_000];
    server.read_exact(&mut received).await.unwrap();
    server.write_all(&received).await.unwrap();
    server.flush().await.unwrap();
    assert_eq!((server.unsent.capacity(), server.records.held()), (0, 0));
}
