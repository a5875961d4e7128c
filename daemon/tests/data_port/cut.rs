//! Connections that rest: they are closed when nobody lets their client in any more, and only then.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use claviger_algorithm::Algorithm;
use claviger_engine::AccessData;
use claviger_engine::access::{NewAccess, NewPermit};
use claviger_protocol::message::Ping;
use claviger_protocol::{KeyId, Status};

use crate::support::certificates::{add, client_of, client_params, let_in, public_key_sha256, self_signed};
use crate::support::messages::encrypt;
use crate::support::server::HandClock;
use crate::support::{Client, Options, Server, Transport, if_ready, within};

/// A server that looks at resting byte streams each second.
fn server() -> Server {
    Server::start_with(options())
}

fn options() -> Options {
    let mut options = Options::default();
    options.times.frame = Duration::from_secs(1);
    options
}

async fn status(client: &mut Client, key: KeyId) -> Status {
    client.call(encrypt(key, &[(b"", b"plain")])).await.status()
}

async fn is_closed(client: &mut Client) {
    client.receiver.ended_regularly().await;
    if let Some(quic) = &client.quic {
        let closed = within(quic.connection.closed()).await;
        assert!(matches!(closed, quinn::ConnectionError::ApplicationClosed(close) if close.error_code == 0_u32.into()));
    }
}

/// Waits for the end of one, while the others stay and are answered.
async fn is_closed_while_others_stay(client: &mut Client, others: &mut [Client]) {
    let mut closed = pin!(is_closed(client));
    while if_ready(closed.as_mut()).is_none() {
        for other in &mut *others {
            assert_eq!(other.call(Ping { payload: b"" }).await.status(), Status::Ok);
        }
    }
}

on_both_transports! {
    // R-A5, R-A6
    async fn a_resting_connection_is_closed_when_its_certificate_is_revoked(transport) {
        let server = server();
        let key = server.create("key", Algorithm::Xaes256Gcm);
        let (credential, row) = client_of(&server);
        let mut resting = Client::greeted_as(&server, transport, &credential).await;
        assert_eq!(status(&mut resting, key).await, Status::Ok);
        let mut other = Client::greeted(&server, transport).await;
        assert_eq!(status(&mut other, key).await, Status::Ok);
        let mut stranger = Client::connect(&server, transport, None).await.unwrap();
        stranger.say_hello().await;
        server.engine.stop_access(server.store, row).unwrap();
        let mut others = [other, stranger];
        is_closed_while_others_stay(&mut resting, &mut others).await;
        assert_eq!(status(&mut others[0], key).await, Status::Ok);
        assert_eq!(status(&mut others[1], key).await, Status::NotPermitted, "and no store ever let it in");
        // It may come again, and is nobody.
        let mut again = Client::greeted_as(&server, transport, &credential).await;
        assert_eq!(status(&mut again, key).await, Status::NotPermitted);
    }

    // R-A13
    async fn a_disabled_store_closes_the_connections_of_its_clients(transport) {
        let server = server();
        let key = server.create("key", Algorithm::Xaes256Gcm);
        let (_, authority) = server.create_store("other");
        let mut resting = Client::greeted(&server, transport).await;
        assert_eq!(status(&mut resting, key).await, Status::Ok);
        let neighbour = Client::greeted_as(&server, transport, &authority.client("client")).await;
        server.engine.stop_store(server.store).unwrap();
        is_closed_while_others_stay(&mut resting, &mut [neighbour]).await;
    }

    // R-A5, R-A6
    async fn whoever_keeps_on_asking_is_closed_too_and_gets_its_answers_before(transport) {
        let server = server();
        let key = server.create("key", Algorithm::Xaes256Gcm);
        let (credential, row) = client_of(&server);
        let mut client = Client::greeted_as(&server, transport, &credential).await;
        assert_eq!(status(&mut client, key).await, Status::Ok);
        server.engine.stop_access(server.store, row).unwrap();
        within(async {
            while client.sender.try_send(&crate::support::request(7, Ping { payload: b"" })).await.is_ok() {
                match client.receiver.next().await {
                    Ok(Some(reply)) => assert_eq!(reply.status(), Status::Ok),
                    _ => break,
                }
            }
        })
        .await;
    }

    // R-A5
    async fn the_end_of_a_lifetime_closes_resting_connections(transport) {
        let clock = HandClock::new();
        let server = Server::start_with(Options { clock: Arc::clone(&clock) as _, ..options() });
        let key = server.create("key", Algorithm::Xaes256Gcm);
        let hour_ms = 3_600_000;
        // One whose row ends, one whose certificate does, and one that goes on.
        let by_row = self_signed(&client_params("row"));
        let permit = NewPermit::default();
        let data = AccessData::PinnedKey(public_key_sha256(&by_row));
        let ends_ms = server.engine.now_ms() + hour_ms;
        server.engine.add_access(server.store, NewAccess { data, description: String::new(), ends_ms: Some(ends_ms), permit }).unwrap();
        let mut params = client_params("certificate");
        // By the clock of the server, which stands still.
        params.not_after = (UNIX_EPOCH + Duration::from_millis(ends_ms)).into();
        let by_certificate = server.authority.issue_without_row(&params);
        let_in(&server.engine, server.store, &by_certificate);
        let mut ending = [
            Client::greeted_as(&server, transport, &by_row).await,
            Client::greeted_as(&server, transport, &by_certificate).await,
        ];
        let mut lasting = Client::greeted(&server, transport).await;
        for client in ending.iter_mut().chain([&mut lasting]) {
            assert_eq!(status(client, key).await, Status::Ok);
        }
        clock.pass(Duration::from_millis(hour_ms));
        for client in &mut ending {
            is_closed(client).await;
        }
        assert_eq!(status(&mut lasting, key).await, Status::Ok);
    }

    // R-A6
    async fn a_client_of_two_stores_stays_until_both_have_let_go(transport) {
        let server = server();
        let key = server.create("key", Algorithm::Xaes256Gcm);
        let (credential, row) = client_of(&server);
        let mut client = Client::greeted_as(&server, transport, &credential).await;
        assert_eq!(status(&mut client, key).await, Status::Ok);
        // More stores than a connection remembers decisions about, of which the last one by its name lets it in, too, and has never been asked.
        for number in 0..70 {
            server.create_store_for(&format!("a{number}"), &server.authority);
        }
        let last = server.create_store_for("z", &server.authority);
        let other = add(&server.engine, last, AccessData::PinnedKey(public_key_sha256(&credential)));
        server.engine.stop_access(server.store, row).unwrap();
        // One that comes now is closed after a whole period, in which the other has been looked at.
        let (marked, mark) = client_of(&server);
        let mut marker = Client::greeted_as(&server, transport, &marked).await;
        assert_eq!(status(&mut marker, key).await, Status::Ok);
        server.engine.stop_access(server.store, mark).unwrap();
        is_closed(&mut marker).await;
        assert_eq!(client.call(Ping { payload: b"" }).await.status(), Status::Ok);
        server.engine.stop_access(last, other.id).unwrap();
        is_closed(&mut client).await;
    }
}

// R-A5
#[tokio::test]
async fn streams_of_a_revoked_client_are_all_ended_those_too_that_it_has_never_used() {
    let server = server();
    let key = server.create("key", Algorithm::Xaes256Gcm);
    let (credential, row) = client_of(&server);
    let mut used = Client::greeted_as(&server, Transport::Quic, &credential).await;
    assert_eq!(status(&mut used, key).await, Status::Ok);
    let mut unused = used.quic.clone().unwrap().stream().await.unwrap();
    unused.say_hello().await;
    // It is looked at once before.
    let (marked, mark) = client_of(&server);
    let mut marker = Client::greeted_as(&server, Transport::Quic, &marked).await;
    assert_eq!(status(&mut marker, key).await, Status::Ok);
    server.engine.stop_access(server.store, mark).unwrap();
    is_closed(&mut marker).await;
    server.engine.stop_access(server.store, row).unwrap();
    unused.receiver.ended_regularly().await;
    is_closed(&mut used).await;
}
