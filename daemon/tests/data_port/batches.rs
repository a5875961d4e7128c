//! Batches: one result per item, in order; what one item does wrong is its own affair.

use claviger_algorithm::Algorithm;
use claviger_protocol::Status;
use claviger_protocol::limits::{BATCH_ITEMS_MAX, BODY_SIZE_MAX, CONTEXT_SIZE_MAX, FRAME_SIZE_MAX, PLAINTEXT_SIZE_MAX};
use claviger_protocol::message::{DataKeyForm, MessageForm};

use crate::support::messages::{
    Pairs, decrypt, encrypt, generate, make_mac, random, reencrypt, resolve, sign, unwrap, verify, verify_mac, wrap,
};
use crate::support::{Client, Reply, Server};

on_both_transports! {
    // R-P2
    async fn one_bad_item_does_not_fail_the_others(transport) {
        let server = Server::start();
        let key = server.create("symmetric", Algorithm::Xaes256Gcm);
        let mac = server.create("mac", Algorithm::HmacSha256);
        let signing = server.create("signing", Algorithm::EcdsaP256Sha256);
        let mut client = Client::greeted(&server, transport).await;
        let (long_context, long, longer) = (vec![0; CONTEXT_SIZE_MAX + 1], vec![0; PLAINTEXT_SIZE_MAX + 1], vec![0; 8_193]);
        use Status::{
            ContextTooLarge, DecryptionFailed, DigestSizeWrong, KeyNotFound, MessageTooLarge, Ok, PlaintextTooLarge,
            SizeNotAllowed, VerificationFailed,
        };

        let reply = client.call(encrypt(key, &[(b"", b"a"), (b"", &long), (&long_context, b"b"), (b"", b"c")])).await;
        assert_eq!(statuses(&reply), [Ok, PlaintextTooLarge, ContextTooLarge, Ok]);
        let (first, last) = (reply.items()[0].1.clone(), reply.items()[3].1.clone());

        let reply = client.call(decrypt(key, &[(b"", &first), (b"other", &first), (b"", b""), (b"", &last)])).await;
        assert_eq!(statuses(&reply), [Ok, DecryptionFailed, DecryptionFailed, Ok]);
        assert_eq!((&*reply.items()[0].1, &*reply.items()[3].1), (&b"a"[..], &b"c"[..]));

        let items: [[&[u8]; 3]; 4] = [[b"", b"x", &first], [b"other", b"", &first], [b"", &long_context, &first], [b"", b"", &last]];
        let reply = client.call(reencrypt(key, key, &items)).await;
        assert_eq!(statuses(&reply), [Ok, DecryptionFailed, ContextTooLarge, Ok]);

        let reply = client.call(generate(key, DataKeyForm::Wrapped, 32, &[b"", &long_context, b""])).await;
        assert_eq!(statuses(&reply), [Ok, ContextTooLarge, Ok]);

        let items: Pairs<'_> = &[(b"", b"k"), (b"", b""), (b"", &longer), (&long_context, b"k"), (b"", b"k")];
        let reply = client.call(wrap(key, items)).await;
        assert_eq!(statuses(&reply), [Ok, SizeNotAllowed, SizeNotAllowed, ContextTooLarge, Ok]);
        let wrapped = reply.items()[4].1.clone();
        let reply = client.call(unwrap(key, &[(b"", &wrapped), (b"", &first), (b"", &wrapped)])).await;
        assert_eq!(statuses(&reply), [Ok, DecryptionFailed, Ok]);

        let reply = client.call(sign(signing, MessageForm::Message, &[b"a", &long, b"b"])).await;
        assert_eq!(statuses(&reply), [Ok, MessageTooLarge, Ok]);
        let signature = reply.items()[0].1[4..].to_vec();
        let reply = client.call(sign(signing, MessageForm::Digest, &[&[0; 32], &[0; 31], &[0; 33], &[1; 32]])).await;
        assert_eq!(statuses(&reply), [Ok, DigestSizeWrong, DigestSizeWrong, Ok]);
        let items: Pairs<'_> = &[(b"a", &signature), (b"b", &signature), (&long, b""), (b"a", b""), (b"a", &signature)];
        let reply = client.call(verify(signing, 0, MessageForm::Message, items)).await;
        assert_eq!(statuses(&reply), [Ok, VerificationFailed, MessageTooLarge, VerificationFailed, Ok]);

        let reply = client.call(make_mac(mac, &[b"a", &long, b"b"])).await;
        assert_eq!(statuses(&reply), [Ok, MessageTooLarge, Ok]);
        let made = reply.items()[0].1[4..].to_vec();
        let reply = client.call(verify_mac(mac, 0, &[(b"a", &made), (&long, &made), (b"b", &made), (b"a", &made)])).await;
        assert_eq!(statuses(&reply), [Ok, MessageTooLarge, VerificationFailed, Ok]);

        let reply = client.call(resolve("store", &[b"mac", b"nothing", b"", b"a b", &[b'n'; 101], b"signing"])).await;
        assert_eq!(statuses(&reply), [Ok, KeyNotFound, KeyNotFound, KeyNotFound, KeyNotFound, Ok]);
    }

    // SPEC section 4
    async fn of_two_limits_that_an_item_breaks_the_first_of_the_table_is_told(transport) {
        let server = Server::start();
        let key = server.create("symmetric", Algorithm::Xaes256Gcm);
        let mut client = Client::greeted(&server, transport).await;
        let (context, plaintext) = (vec![0; CONTEXT_SIZE_MAX + 1], vec![0; PLAINTEXT_SIZE_MAX + 1]);
        let reply = client.call(encrypt(key, &[(&context, &plaintext)])).await;
        assert_eq!(statuses(&reply), [Status::PlaintextTooLarge]);
        let reply = client.call(wrap(key, &[(&context, b""), (&context, &plaintext)])).await;
        assert_eq!(statuses(&reply), [Status::ContextTooLarge, Status::ContextTooLarge]);
        let (short, long) = (vec![0; 93], vec![0; PLAINTEXT_SIZE_MAX + 95]);
        let items: [[&[u8]; 3]; 3] = [[b"", &context, &short], [b"", &context, &long], [&context, &context, &[0; 94]]];
        let reply = client.call(reencrypt(key, key, &items)).await;
        assert_eq!(statuses(&reply), [Status::DecryptionFailed; 3]);
        // Sizes are judged before anything is tried.
        let reply = client.call(reencrypt(key, key, &[[b"", &context, &[0; 94]]])).await;
        assert_eq!(statuses(&reply), [Status::ContextTooLarge]);
    }

    // R-P2
    async fn the_largest_batch_is_answered_in_order(transport) {
        let server = Server::start();
        let key = server.create("symmetric", Algorithm::Xaes256Gcm);
        let mut client = Client::greeted(&server, transport).await;
        let plaintexts: Vec<_> = (0..BATCH_ITEMS_MAX).map(|index| index.to_be_bytes()).collect();
        let items: Vec<_> = plaintexts.iter().map(|plaintext| (&b"context"[..], &plaintext[..])).collect();
        let ciphertexts = client.call(encrypt(key, &items)).await.results();
        let items: Vec<_> = ciphertexts.iter().map(|ciphertext| (&b"context"[..], &ciphertext[..])).collect();
        assert_eq!(client.call(decrypt(key, &items)).await.results(), plaintexts);
    }

    // SPEC section 4
    async fn items_without_room_in_the_reply_are_told_so(transport) {
        let server = Server::start();
        let key = server.create("symmetric", Algorithm::Xaes256Gcm);
        let mut client = Client::greeted(&server, transport).await;
        // A request that fills its frame, so that 94 bytes more for each item do not fit the reply.
        let size = (BODY_SIZE_MAX - 18) / BATCH_ITEMS_MAX - 8;
        let plaintext = vec![5; size];
        let mut items = vec![(&b""[..], &plaintext[..]); BATCH_ITEMS_MAX];
        // A small one at the end still fits.
        items[BATCH_ITEMS_MAX - 1].1 = b"";
        let reply = client.call(encrypt(key, &items)).await;
        let results = reply.items();
        assert_eq!(results.len(), BATCH_ITEMS_MAX);
        let first_full = results.iter().position(|(status, _)| *status == Status::ReplyFull).unwrap();
        assert!(results[..first_full].iter().all(|(status, _)| *status == Status::Ok));
        let (last, full) = results[first_full..].split_last().unwrap();
        assert!(full.iter().all(|(status, result)| *status == Status::ReplyFull && result.is_empty()));
        assert_eq!((last.0, last.1.len()), (Status::Ok, 94));
        let room = FRAME_SIZE_MAX - reply.body.len() - 40;
        assert!(room < size + 94, "{room} bytes of room were left");
    }

    // R-K4, R-P4
    async fn signatures_without_room_in_the_reply_are_not_made(transport) {
        let server = Server::start();
        let key = server.create("signing", Algorithm::MlDsa87);
        let mut client = Client::greeted(&server, transport).await;
        let reply = client.call(sign(key, MessageForm::Message, &[&b"m"[..]; BATCH_ITEMS_MAX])).await;
        let done = statuses(&reply).iter().filter(|status| **status == Status::Ok).count();
        assert_eq!(done, (BODY_SIZE_MAX - 2 - 5 * BATCH_ITEMS_MAX) / (4 + 4_627));
        assert_eq!(statuses(&reply).len(), BATCH_ITEMS_MAX);
        assert!(statuses(&reply)[done..].iter().all(|status| *status == Status::ReplyFull));
    }

    // R-P4
    async fn random_bytes_fill_a_reply_and_no_more(transport) {
        let server = Server::start();
        let mut client = Client::greeted(&server, transport).await;
        let store = claviger_protocol::StoreId(server.store.0);
        let reply = client.call(random(store, &[32_768; BATCH_ITEMS_MAX])).await;
        let done = statuses(&reply).iter().filter(|status| **status == Status::Ok).count();
        assert_eq!(done, (BODY_SIZE_MAX - 2 - 5 * BATCH_ITEMS_MAX) / 32_768);
        assert!(statuses(&reply)[done..].iter().all(|status| *status == Status::ReplyFull));
    }
}

fn statuses(reply: &Reply) -> Vec<Status> {
    reply.items().into_iter().map(|(status, _)| status).collect()
}
