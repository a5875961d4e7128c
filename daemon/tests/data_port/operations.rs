//! Every operation, with keys of every kind.

use claviger_engine::key::algorithm::Algorithm;
use claviger_protocol::message::{Decrypt, DecryptItem, Encrypt, EncryptItem, Ping};

use crate::support::{Client, Server};

on_both_transports! {
    // R-P1
    async fn hello_ping_encrypt_and_decrypt(transport) {
        let server = Server::start();
        let key_id = server.create("records", Algorithm::Xaes256Gcm);
        let mut client = Client::greeted(&server, transport).await;
        assert_eq!(client.call(Ping { payload: b"hello" }).await.body, b"hello");
        let (context, plaintext) = (&b"tenant 7"[..], &b"card number"[..]);
        let items = [EncryptItem { context, plaintext }];
        let ciphertext = client.call(Encrypt { key_id, items }).await.only();
        let items = [DecryptItem { context, ciphertext: &ciphertext }];
        assert_eq!(client.call(Decrypt { key_id, items }).await.only(), plaintext);
    }
}
