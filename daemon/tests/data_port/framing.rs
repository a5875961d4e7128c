//! Frames on a byte stream: whole, cut, joined, too long, too short, and none at all.

use claviger_algorithm::Algorithm;
use claviger_protocol::Status;
use claviger_protocol::limits::{FRAME_SIZE_MAX, HEADER_SIZE};
use claviger_protocol::message::{Ping, Whoami};

use crate::support::messages::encrypt;
use crate::support::{CALL, Client, Server, client, request};

on_both_transports! {
    // R-P2
    async fn five_hundred_frames_in_one_write_are_all_answered(transport) {
        let server = Server::start();
        let key = server.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::connect(&server, transport, Some(&server.authority.client("client"))).await.unwrap();
        let mut bytes = client::hello();
        for id in 0..500_u64 {
            let payload = id.to_be_bytes();
            match id % 3 {
                0 => bytes.extend(request(id, encrypt(key, &[(&payload, &[0; 1_000])]))),
                1 => bytes.extend(request(id, Ping { payload: &payload })),
                _ => bytes.extend(request(id, Whoami)),
            }
        }
        client.send(&bytes).await;
        assert_eq!(client.reply().await.header.request_id, CALL);
        let mut seen = vec![false; 500];
        for _ in 0..500 {
            let reply = client.reply().await;
            let id = reply.header.request_id;
            match id % 3 {
                0 => assert_eq!(reply.only().len(), 1_094),
                1 => assert_eq!(reply.body, id.to_be_bytes()),
                _ => assert_eq!(reply.status(), Status::Ok),
            }
            assert!(!std::mem::replace(&mut seen[usize::try_from(id).unwrap()], true), "a second reply to {id}");
        }
    }

    // R-P3
    async fn a_frame_may_come_in_any_two_parts(transport) {
        let server = Server::start();
        let mut client = Client::greeted(&server, transport).await;
        let frame = request(7, Ping { payload: b"in two parts" });
        for end in 1..frame.len() {
            // Flushed, so that the parts travel apart.
            client.send(&frame[..end]).await;
            client.send(&frame[end..]).await;
            assert_eq!(client.reply().await.body, b"in two parts", "cut at {end}");
        }
    }

    // R-P3
    async fn a_frame_may_come_byte_by_byte(transport) {
        let server = Server::start();
        let mut client = Client::connect(&server, transport, None).await.unwrap();
        for byte in client::hello().iter().chain(&request(7, Ping { payload: b"slow" })) {
            client.send(&[*byte]).await;
        }
        assert_eq!(client.reply().await.status(), Status::Ok);
        assert_eq!(client.reply().await.body, b"slow");
    }

    // R-P3
    async fn the_largest_frame_is_taken_and_one_byte_more_ends_the_stream(transport) {
        let server = Server::start();
        let mut client = Client::greeted(&server, transport).await;
        let mut frame = request(9, Ping { payload: b"" });
        frame.resize(FRAME_SIZE_MAX, 0);
        frame[..4].copy_from_slice(&1_048_572_u32.to_be_bytes());
        client.send(&frame).await;
        let reply = client.reply().await.header;
        assert_eq!((reply.status, reply.request_id), (Status::Malformed, 9));
        frame[..4].copy_from_slice(&1_048_573_u32.to_be_bytes());
        client.send(&frame).await;
        let reply = client.reply().await.header;
        assert_eq!((reply.status, reply.request_id), (Status::FrameTooLarge, 0));
        client.receiver.ended_regularly().await;
    }

    // R-P3
    async fn a_length_of_four_gib_is_answered_at_once_and_ends_the_stream(transport) {
        let server = Server::start();
        let mut client = Client::greeted(&server, transport).await;
        client.send(&u32::MAX.to_be_bytes()).await;
        let reply = client.reply().await.header;
        assert_eq!((reply.status, reply.opcode, reply.request_id), (Status::FrameTooLarge, 0, 0));
        client.receiver.ended_regularly().await;
    }

    // R-P3
    async fn another_version_is_answered_without_waiting_for_the_body(transport) {
        let server = Server::start();
        let mut client = Client::greeted(&server, transport).await;
        let mut frame = request(9, Ping { payload: b"never sent" });
        frame[4] = 2;
        client.send(&frame[..HEADER_SIZE]).await;
        let reply = client.reply().await.header;
        assert_eq!((reply.status, reply.request_id), (Status::UnsupportedVersion, 9));
        client.receiver.ended_regularly().await;
    }

    // R-P3
    async fn the_last_replies_arrive_though_the_client_sends_on(transport) {
        let server = Server::start();
        let mut client = Client::greeted(&server, transport).await;
        let mut bytes = request(1, Ping { payload: b"before" });
        bytes.extend(u32::MAX.to_be_bytes());
        // More than any buffer on the way takes unread.
        bytes.extend(vec![0; 1 << 20]);
        let sent = client.sender.try_send(&bytes);
        let received = async {
            assert_eq!(client.receiver.reply().await.body, b"before");
            assert_eq!(client.receiver.reply().await.status(), Status::FrameTooLarge);
            client.receiver.ended().await;
        };
        // The rest may or may not be taken.
        let (_, ()) = tokio::join!(sent, received);
    }

    // R-P3
    async fn a_cut_frame_is_not_done_and_not_answered(transport) {
        let server = Server::start();
        let frame = request(7, Ping { payload: b"cut" });
        for end in [1, 4, 5, HEADER_SIZE - 1, HEADER_SIZE, frame.len() - 1] {
            let mut client = Client::greeted(&server, transport).await;
            client.send(&request(6, Ping { payload: b"whole" })).await;
            client.send(&frame[..end]).await;
            client.sender.close().await;
            assert_eq!(client.reply().await.body, b"whole", "cut at {end}");
            client.receiver.ended_regularly().await;
        }
    }

    // R-P3
    async fn hello_comes_first(transport) {
        let server = Server::start();
        let mut client = Client::connect(&server, transport, None).await.unwrap();
        let bytes = [request(3, Ping { payload: b"" }), client::hello()].concat();
        client.send(&bytes).await;
        let reply = client.reply().await.header;
        assert_eq!((reply.status, reply.request_id), (Status::HelloRequired, 3));
        client.receiver.ended_regularly().await;
    }

    // R-P2
    async fn what_was_sent_before_the_end_is_answered(transport) {
        let server = Server::start();
        let key = server.create("key", Algorithm::Rsa2048Pkcs1Sha256);
        let mut client = Client::greeted(&server, transport).await;
        let form = claviger_protocol::message::MessageForm::Message;
        for id in 0..8 {
            client.send(&request(id, crate::support::messages::sign(key, form, &[b"message"]))).await;
        }
        client.sender.close().await;
        for _ in 0..8 {
            assert_eq!(client.reply().await.only().len(), 4 + 256);
        }
        client.receiver.ended_regularly().await;
    }
}
