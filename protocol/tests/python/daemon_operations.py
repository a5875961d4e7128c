"""Operations with keys: SPEC.md sections 5.6 to 5.20 and 10, against a real daemon."""

import hashlib
import hmac
import os

from claviger_client import Form
from claviger_codes import Status
from daemon_case import (
    KEYS,
    SIGNING_KEYS,
    DaemonTest,
    digest,
    keys_that,
    openssl_encrypts,
    openssl_knows,
    openssl_verifies,
    output_size,
)


class Encryption(DaemonTest):
    """5.6 to 5.11."""

    def test_what_is_encrypted_is_decrypted(self):  # R-K3, R-K19
        items = [(b"invoice=42", b"4111 1111 1111 1111"), (b"", b""), (b"\0" * 4096, os.urandom(32768))]
        sealed = self.values(self.client.encrypt(self.id["symmetric"], items))
        self.assertEqual(
            [len(ciphertext) - len(plaintext) for ciphertext, (_, plaintext) in zip(sealed, items)], [94] * 3
        )
        for ciphertext in sealed:
            self.assertEqual((ciphertext[:2], ciphertext[6:22]), (b"\x01\x10", self.id["symmetric"]))
        opened = self.values(
            self.client.decrypt(
                self.id["symmetric"], [(context, ciphertext) for (context, _), ciphertext in zip(items, sealed)]
            )
        )
        self.assertEqual(opened, [plaintext for _, plaintext in items])

    def test_each_symmetric_key_decrypts_what_it_has_encrypted_and_nothing_else(self):  # R-K3
        items = [(b"ctx", b"plaintext"), (b"", b"")]
        for name in keys_that("Encrypt"):
            sealed = self.values(self.client.encrypt(self.id[name], items))
            overheads = [len(ciphertext) - len(plaintext) for ciphertext, (_, plaintext) in zip(sealed, items)]
            self.assertEqual(overheads, [output_size(name)] * 2)
            self.assertEqual({ciphertext[:2] for ciphertext in sealed}, {bytes([1, KEYS[name]])})
            again = [(context, ciphertext) for (context, _), ciphertext in zip(items, sealed)]
            self.assertEqual(self.values(self.client.decrypt(self.id[name], again)), [b"plaintext", b""])
            for other in set(keys_that("Encrypt")) - {name}:
                self.assertEqual(
                    set(self.statuses(self.client.decrypt(self.id[other], again))), {Status.DecryptionFailed}
                )

    def test_items_of_one_batch_do_not_share_a_nonce(self):
        sealed = self.values(self.client.encrypt(self.id["symmetric"], [(b"", b"same")] * 1024))
        self.assertEqual(len({ciphertext[22:46] for ciphertext in sealed}), 1024)

    def test_whatever_is_wrong_with_a_ciphertext_is_one_status(self):
        [sealed] = self.values(self.client.encrypt(self.id["symmetric"], [(b"ctx", b"x")]))
        flipped = [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(len(sealed))]
        broken = [(b"ctx", each) for each in [*flipped, b"", sealed[:93], sealed[:-1], sealed + b"\0"]] + [
            (b"", sealed),
            (b"ctx ", sealed),
        ]
        items = self.client.decrypt(self.id["symmetric"], broken + [(b"ctx", sealed)])
        self.assertEqual(self.statuses(items), [Status.DecryptionFailed] * len(broken) + [Status.Ok])
        broken_in_reencrypt = [(context, b"", ciphertext) for context, ciphertext in broken]
        self.assertEqual(
            set(self.statuses(self.client.reencrypt(self.id["symmetric"], self.id["symmetric"], broken_in_reencrypt))),
            {Status.DecryptionFailed},
        )

    def test_sizes_above_the_limits_fail_their_items_alone(self):
        items = self.client.encrypt(
            self.id["symmetric"], [(b"", b"ok"), (b"", b"p" * 32769), (b"c" * 4097, b""), (b"", b"ok")]
        )
        self.assertEqual(self.statuses(items), [Status.Ok, Status.PlaintextTooLarge, Status.ContextTooLarge, Status.Ok])
        items = self.client.decrypt(self.id["symmetric"], [(b"c" * 4097, items[0].value), (b"", items[0].value)])
        self.assertEqual(self.statuses(items), [Status.DecryptionFailed, Status.Ok])
        items = self.client.generate_data_key(self.id["symmetric"], 32, [b"c" * 4097, b""])
        self.assertEqual(self.statuses(items), [Status.ContextTooLarge, Status.Ok])

    def test_items_without_room_in_the_reply_are_sent_again(self):
        # They fill the frame of the request to its last byte; each result is 94 bytes longer.
        items = [(b"", b"p" * 32768)] * 31 + [(b"", b"p" * 32446), (b"", b"")]
        results = self.client.encrypt(self.id["symmetric"], items)
        self.assertEqual(self.statuses(results), [Status.Ok] * 31 + [Status.ReplyFull, Status.Ok])
        self.assertEqual(self.statuses(self.client.encrypt(self.id["symmetric"], [items[31]])), [Status.Ok])

    def test_reencrypted_data_open_under_the_new_context_only(self):  # R-K16
        [sealed] = self.values(self.client.encrypt(self.id["symmetric"], [(b"old", b"data")]))
        [anew] = self.values(
            self.client.reencrypt(self.id["symmetric"], self.id["symmetric"], [(b"old", b"new", sealed)])
        )
        items = self.client.decrypt(self.id["symmetric"], [(b"new", anew), (b"old", anew), (b"old", sealed)])
        self.assertEqual(self.statuses(items), [Status.Ok, Status.DecryptionFailed, Status.Ok])
        self.assertEqual(items[0].value, b"data")

    def test_data_keys_of_each_size_are_unwrapped_to_what_was_given_out(self):  # R-K17
        for size in (16, 32, 64):
            made = self.values(self.client.generate_data_key(self.id["symmetric"], size, [b"volume", b""], plain=True))
            self.assertEqual([len(data_key.plain) for data_key in made], [size] * 2)
            opened = self.values(
                self.client.unwrap_data_key(
                    self.id["symmetric"], list(zip([b"volume", b""], [data_key.wrapped for data_key in made]))
                )
            )
            self.assertEqual(opened, [data_key.plain for data_key in made])
        [wrapped_only] = self.values(self.client.generate_data_key(self.id["symmetric"], 32, [b""]))
        self.assertEqual((wrapped_only.plain, len(wrapped_only.wrapped)), (b"", 94 + 32))
        self.refuses(Status.SizeNotAllowed, self.client.generate_data_key, self.id["symmetric"], 24, [b""])

    def test_own_data_keys_are_wrapped_and_purposes_do_not_mix(self):  # R-K17
        wrapped = self.client.wrap_data_key(
            self.id["symmetric"], [(b"c", b"k" * 8192), (b"c", b""), (b"c", b"k" * 8193)]
        )
        self.assertEqual(self.statuses(wrapped), [Status.Ok, Status.SizeNotAllowed, Status.SizeNotAllowed])
        [sealed] = self.values(self.client.encrypt(self.id["symmetric"], [(b"c", b"k")]))
        unwrapped = self.client.unwrap_data_key(
            self.id["symmetric"], [(b"c", wrapped[0].value), (b"", wrapped[0].value), (b"c", sealed)]
        )
        self.assertEqual(self.statuses(unwrapped), [Status.Ok, Status.DecryptionFailed, Status.DecryptionFailed])
        self.assertEqual(unwrapped[0].value, b"k" * 8192)
        self.assertEqual(
            self.statuses(self.client.decrypt(self.id["symmetric"], [(b"c", wrapped[0].value)])),
            [Status.DecryptionFailed],
        )


class SignaturesAndOthers(DaemonTest):
    """5.12 to 5.19, section 10."""

    def test_signatures_of_messages_and_digests_are_verified_here_and_by_openssl(self):  # R-K4
        message = b"pay 100 to the bearer"
        for name in SIGNING_KEYS:
            with self.subTest(name):
                verifies = openssl_verifies if openssl_knows(name) else None
                key_id = self.id[name]
                public_key = self.client.read_public_key(key_id)
                self.assertEqual(public_key.algorithm, KEYS[name])
                signed = self.values(self.client.sign(key_id, [message, b""]))
                self.assertLessEqual(len(signed[0].signature), output_size(name))
                if digest(name):
                    hashed = hashlib.new(digest(name), message).digest()
                    by_digest = self.values(self.client.sign(key_id, [hashed], Form.DIGEST))
                    self.assertTrue(verifies(name, public_key.public_key, message, by_digest[0].signature))
                    self.assertEqual(
                        self.values(self.client.verify(key_id, [(hashed, signed[0].signature)], Form.DIGEST)),
                        [(public_key.key_version,)],
                    )
                if verifies:
                    self.assertTrue(verifies(name, public_key.public_key, message, signed[0].signature))
                    self.assertFalse(verifies(name, public_key.public_key, b"pay 900", signed[0].signature))
                self.assertEqual(self.statuses(self.client.verify(key_id, [(b"", signed[1].signature)])), [Status.Ok])
                good, altered = signed[0].signature, signed[0].signature[:-1] + bytes([signed[0].signature[-1] ^ 1])
                items = self.client.verify(
                    key_id,
                    [
                        (message, good),
                        (b"pay 900", good),
                        (message, altered),
                        (message, b""),
                        (message, good[:-1]),
                        (message, good + b"\0"),
                    ],
                )
                self.assertEqual(self.statuses(items), [Status.Ok] + [Status.VerificationFailed] * 5)
                self.assertEqual(items[0].value.key_version, public_key.key_version)
                self.assertEqual(
                    self.statuses(self.client.verify(key_id, [(message, good)], key_version=public_key.key_version)),
                    [Status.Ok],
                )

    def test_digests_of_another_size_and_unhashed_input_are_refused(self):  # R-K4
        for name in SIGNING_KEYS:
            key_id = self.id[name]
            if not digest(name):
                self.refuses(Status.OperationNotAllowed, self.client.sign, key_id, [b"d" * 32], Form.DIGEST)
                self.refuses(Status.OperationNotAllowed, self.client.verify, key_id, [(b"d" * 32, b"s")], Form.DIGEST)
                continue
            right = hashlib.new(digest(name)).digest_size
            sizes = [size for size in (0, 20, 31, 32, 33, 48, 64, 65) if size != right]
            signed = self.client.sign(key_id, [b"d" * size for size in sizes], Form.DIGEST)
            self.assertEqual(set(self.statuses(signed)), {Status.DigestSizeWrong})
            self.assertEqual(
                self.statuses(self.client.verify(key_id, [(b"d" * 20, b"s")], Form.DIGEST)), [Status.DigestSizeWrong]
            )

    def test_what_openssl_encrypts_is_decrypted_with_its_label_only(self):  # R-K4
        for name in keys_that("AsymmetricDecrypt"):
            with self.subTest(name):
                public_key = self.client.read_public_key(self.id[name])
                self.assertEqual(public_key.algorithm, KEYS[name])
                longest = b"p" * output_size(name)
                plain = openssl_encrypts(public_key.public_key, b"", longest)
                labelled = openssl_encrypts(public_key.public_key, b"label", b"session key")
                wrong = openssl_encrypts(public_key.public_key, b"", b"session key", "pkcs1")
                altered = plain[:-1] + bytes([plain[-1] ^ 1])
                items = [(b"", plain), (b"label", labelled)]
                expected = [(public_key.key_version, longest), (public_key.key_version, b"session key")]
                for key_version in (0, public_key.key_version):
                    decrypted = self.client.asymmetric_decrypt(self.id[name], items, key_version)
                    self.assertEqual(self.values(decrypted), expected)
                broken = [
                    (b"label", plain),
                    (b"", labelled),
                    (b"labe", labelled),
                    (b"", wrong),
                    (b"", altered),
                    (b"", plain[:-1]),
                    (b"", plain + b"\0"),
                    (b"", b"\0" + plain),
                    (b"", b""),
                    (b"c" * 4097, plain),
                ]
                items = self.client.asymmetric_decrypt(self.id[name], [*broken, (b"", plain)])
                self.assertEqual(self.statuses(items), [Status.DecryptionFailed] * len(broken) + [Status.Ok])
        [one, other] = [self.id[name] for name in ("rsa-2048-oaep", "rsa-3072-oaep")]
        sealed = openssl_encrypts(self.client.read_public_key(one).public_key, b"", b"x")
        self.assertEqual(
            self.statuses(self.client.asymmetric_decrypt(other, [(b"", sealed)])), [Status.DecryptionFailed]
        )

    def test_messages_above_the_limit_fail_their_items_alone(self):
        self.assertEqual(
            self.statuses(self.client.sign(self.id["ed25519"], [b"m" * 32768, b"m" * 32769])),
            [Status.Ok, Status.MessageTooLarge],
        )
        self.assertEqual(
            self.statuses(self.client.verify(self.id["ed25519"], [(b"m" * 32769, b"s")])), [Status.MessageTooLarge]
        )
        self.assertEqual(
            self.statuses(self.client.make_mac(self.id["mac"], [b"m" * 32769, b"m" * 32768])),
            [Status.MessageTooLarge, Status.Ok],
        )

    def test_versions_that_do_not_exist_are_told_apart(self):
        self.refuses(Status.KeyVersionNotFound, self.client.verify, self.id["ed25519"], [(b"", b"")], key_version=99)
        self.refuses(
            Status.KeyVersionNotFound, self.client.verify_mac, self.id["mac"], [(b"", b"")], key_version=2**32 - 1
        )
        self.refuses(
            Status.KeyVersionNotFound, self.client.asymmetric_decrypt, self.id["rsa-2048-oaep"], [(b"", b"")], 99
        )
        self.refuses(Status.KeyVersionNotFound, self.client.read_secret, self.id["secret"], 99)
        self.refuses(Status.KeyVersionNotFound, self.client.read_public_key, self.id["p256"], 99)

    def test_macs_are_repeatable_and_never_accepted_shortened(self):  # R-K5
        for name in keys_that("MakeMac"):
            messages = [b"message", b"message", b"massage"]
            first, again, other = self.values(self.client.make_mac(self.id[name], messages))
            self.assertEqual(first, again)
            self.assertEqual(len(first.mac), output_size(name))
            self.assertFalse(hmac.compare_digest(first.mac, other.mac))
            items = self.client.verify_mac(
                self.id[name],
                [
                    (b"message", first.mac),
                    (b"massage", first.mac),
                    (b"message", first.mac[:-1]),
                    (b"message", b""),
                    (b"message", first.mac + b"\0"),
                ],
            )
            self.assertEqual(self.statuses(items), [Status.Ok] + [Status.VerificationFailed] * 4)

    def test_secret_is_read_by_current_and_by_named_version(self):  # R-K2
        current = self.client.read_secret(self.id["secret"])
        self.assertGreater(len(current.value), 0)
        self.assertEqual(self.client.read_secret(self.id["secret"], current.key_version), current)

    def test_a_newer_version_of_a_secret_is_waited_for(self):  # R-K2
        key_id = self.id["secret"]
        current = self.client.read_secret(key_id)
        # Whatever the number, what is known is older or it is not.
        self.assertEqual(self.client.wait_for_secret(key_id, 0, 60_000), current)
        for known in (current.key_version, current.key_version + 1, 2**32 - 1):
            self.refuses(Status.NoNewerVersion, self.client.wait_for_secret, key_id, known, 0)
        self.refuses(Status.NoNewerVersion, self.client.wait_for_secret, key_id, current.key_version, 50)
        self.refuses(Status.DeadlineExceeded, self.client.wait_for_secret, key_id, current.key_version, 60_000, 50)
        self.refuses(Status.OperationNotAllowed, self.client.wait_for_secret, self.id["symmetric"], 0, 0)
        self.refuses(Status.NotPermitted, self.client.wait_for_secret, bytes(16), 0, 60_000)

    def test_random_bytes_have_the_sizes_asked_for(self):
        store_id = self.resolved["symmetric"].store_id
        items = self.client.random_bytes(store_id, [1, 16, 32768, 0, 32769, 2**32 - 1])
        self.assertEqual([len(item.value) for item in items[:3]], [1, 16, 32768])
        self.assertEqual(self.statuses(items[3:]), [Status.SizeNotAllowed] * 3)
        items = self.client.random_bytes(store_id, [32768] * 33 + [16])
        self.assertEqual(self.statuses(items), [Status.Ok] * 31 + [Status.ReplyFull] * 2 + [Status.Ok])
        self.assertEqual(len({item.value for item in items[:31]}), 31)
