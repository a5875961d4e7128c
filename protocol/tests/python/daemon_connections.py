"""Connections, frames and identity: SPEC.md sections 1 to 3, 5.3 to 5.5 and 8, against a real daemon."""

import hashlib
import re
import socket
import ssl
from pathlib import Path

import claviger_wire as wire
import vectors
from claviger_client import ConnectionEnded, Form, StatusError
from claviger_codes import Fact, Kind, KeyState, KeyVersionState, Opcode, Status
from daemon_case import KEYS, SLOWEST, DaemonTest, connect, environment, openssl
from specification import rows


class Connections(DaemonTest):
    """Sections 1 to 3, 8."""

    def test_greeting_announces_every_limit_with_its_default(self):  # R-P2
        self.assertEqual(self.greeting.version, 1)
        self.assertEqual(
            {limit.name: value for limit, value in self.greeting.limits},
            {row[1]: int(row[2]) for row in rows("### 11.4")},
        )

    def test_hello_may_be_sent_again_with_options_and_later_versions(self):
        self.assertEqual(self.client.hello(1, 9, [(0x7777, b"unknown")]).version, 1)

    def test_requests_may_follow_hello_without_waiting(self):
        with connect() as client:
            client.send(Opcode.Hello, wire.hello(1, 1, []))
            client.send(Opcode.Ping, b"at once")
            replies = {reply.opcode: reply for reply in (client.receive(), client.receive())}
        self.assertEqual(replies[Opcode.Ping].body, b"at once")

    def test_frames_may_arrive_byte_by_byte_and_many_at_once(self):
        frame = wire.encode_request(Opcode.Ping, 9, b"slowly")
        for each in frame:
            self.client.send_bytes(bytes([each]))
        self.assertEqual(self.client.receive().body, b"slowly")
        self.client.send_bytes(b"".join(wire.encode_request(Opcode.Ping, number, b"x") for number in range(100)))
        self.assertEqual({self.client.receive().request_id for _ in range(100)}, set(range(100)))

    def test_reply_carries_trace_id_and_request_id(self):  # R-P2
        trace_id = bytes(range(16))
        self.client.send_bytes(wire.encode_request(Opcode.Ping, 2**64 - 1, b"", 0, trace_id))
        reply = self.client.receive()
        self.assertEqual((reply.request_id, reply.trace_id), (2**64 - 1, trace_id))

    def test_server_answers_what_it_has_read_before_it_closes(self):
        request_id = self.client.send(Opcode.Sign, wire.sign(self.id[SLOWEST], Form.MESSAGE, [b"last words"] * 64))
        self.client.finish()
        self.assertEqual(self.client.receive().request_id, request_id)
        with self.assertRaisesRegex(ConnectionEnded, "between frames"):
            self.client.receive()

    def test_another_protocol_by_alpn_gets_nothing(self):  # R-P5
        self.assert_no_service(lambda context: context.set_alpn_protocols(["h2"]))

    def test_no_alpn_gets_nothing(self):  # R-P5
        self.assert_no_service(lambda context: None)

    def test_tls_1_2_gets_nothing(self):  # R-P5
        def only_tls_1_2(context):
            context.set_alpn_protocols(["claviger/1"])
            context.maximum_version = ssl.TLSVersion.TLSv1_2

        self.assert_no_service(only_tls_1_2)

    def assert_no_service(self, configure):
        context = ssl.create_default_context(cafile=environment("CLAVIGER_SERVER_CA"))
        configure(context)
        host, _, port = environment("CLAVIGER_ADDRESS").rpartition(":")
        plain = self.enterContext(socket.create_connection((host.strip("[]"), int(port)), timeout=60))
        try:
            with context.wrap_socket(plain, server_hostname=host.strip("[]")) as secured:
                secured.sendall(wire.encode_request(Opcode.Hello, 1, wire.hello(1, 1, [])))
                self.assertEqual(secured.recv(1), b"")
        except (ssl.SSLError, ConnectionError):
            pass  # The handshake was refused, or the connection closed: either is no service.

    def test_every_structural_fault_of_the_vectors_gets_its_answer(self):  # R-P3
        before_permission = {
            "Malformed",
            "TooManyItems",
            "ReservedNotZero",
            "UnknownOpcode",
            "UnsupportedVersion",
            "FrameTooLarge",
            "HelloRequired",
        }
        met = set()
        for vector in vectors.all_vectors():
            if vector.header.get("where") != "frame" or vector.expected_error not in before_permission:
                continue
            with self.subTest(vector.path.stem):
                met.add(vector.expected_error)
                if vector.header["ends"] == "yes" or "state" in vector.header:
                    with connect() as client:
                        if "state" not in vector.header:
                            client.hello()
                        self.check_answer(client, vector)
                else:
                    self.check_answer(self.client, vector)
        self.assertEqual(met, before_permission)

    def check_answer(self, client, vector):
        client.send_bytes(vector.data)
        reply = client.receive()
        self.assertEqual(reply.status, Status[vector.expected_error])
        identity = (reply.opcode, reply.request_id, reply.trace_id)
        if vector.header["answer"] == "zero":
            self.assertEqual(identity, (0, 0, bytes(16)))
        else:
            self.assertEqual(identity, (vector.data[5], int.from_bytes(vector.data[8:16], "big"), vector.data[16:32]))
        if vector.header["ends"] == "yes":
            with self.assertRaisesRegex(ConnectionEnded, "between frames"):
                client.receive()

    def test_a_byte_stream_that_ends_inside_a_frame_is_closed_without_reply(self):  # R-P3
        for vector in vectors.all_vectors():
            if vector.expected_error == "Incomplete" and vector.header["direction"] == "request":
                with self.subTest(vector.path.stem), connect() as client:
                    client.hello()
                    client.send_bytes(vector.data)
                    client.finish()
                    with self.assertRaisesRegex(ConnectionEnded, "between frames"):
                        client.receive()


class Identity(DaemonTest):
    """5.3 to 5.5, and who may do what."""

    def test_whoami_tells_address_port_and_certificate(self):  # R-A7
        facts = self.client.whoami()
        host, port = self.client.socket.getsockname()[:2]
        address = (
            socket.inet_pton(socket.AF_INET6, host) if ":" in host else bytes(10) + b"\xff\xff" + socket.inet_aton(host)
        )
        certificate = Path(environment("CLAVIGER_CLIENT_CERTIFICATE")).read_text("ascii")
        first = (
            certificate[
                certificate.index("-----BEGIN CERTIFICATE") : certificate.index("-----END CERTIFICATE-----") + 25
            ]
            + "\n"
        )
        public_key = openssl(
            "pkey", "-pubin", "-outform", "DER", stdin=openssl("x509", "-noout", "-pubkey", stdin=first.encode())
        )
        end = re.search(rb"notAfter=(.+)", openssl("x509", "-noout", "-enddate", stdin=first.encode()))[1].decode()
        subject = (
            openssl("x509", "-noout", "-subject", "-nameopt", "RFC2253", stdin=first.encode())
            .decode()
            .strip()
            .removeprefix("subject=")
        )
        self.assertEqual(
            facts,
            {
                Fact.Address: address,
                Fact.Port: port.to_bytes(2, "big"),
                Fact.Transport: b"\x01",
                Fact.CertificateDigest: hashlib.sha256(ssl.PEM_cert_to_DER_cert(first)).digest(),
                Fact.PublicKeyDigest: hashlib.sha256(public_key).digest(),
                Fact.CertificateSubject: subject.encode(),
                Fact.CertificateEnd: (ssl.cert_time_to_seconds(end) * 1000).to_bytes(8, "big"),
            },
        )

    def test_whoami_repeats_what_the_client_declares_and_nothing_is_let_in_by_it(self):  # R-A4, R-A7
        address = bytes.fromhex("02005e100001")
        with connect(certificate=False, hardware_address=address) as client:
            client.hello()
            self.assertEqual(client.whoami()[Fact.DeclaredHardwareAddress], address)
            with self.assertRaises(StatusError) as refused:
                client.describe_key(self.id["symmetric"])
            self.assertEqual(refused.exception.status, Status.NotPermitted)
        with connect(certificate=False, hardware_address=b"\xff" * 6) as client:
            client.hello()
            self.assertNotIn(Fact.DeclaredHardwareAddress, client.whoami(), "the address of a group is that of nobody")

    def test_client_without_certificate_says_hello_and_is_admitted_nowhere(self):  # R-A2
        with connect(certificate=False) as client:
            client.hello()
            self.assertEqual(client.ping(b"p"), b"p")
            self.assertEqual(set(client.whoami()), {Fact.Address, Fact.Port, Fact.Transport})
            for call, *arguments in [
                (client.resolve, environment("CLAVIGER_STORE"), ["symmetric"]),
                (client.describe_key, self.id["symmetric"]),
                (client.encrypt, self.id["symmetric"], [(b"", b"")]),
                (client.random_bytes, self.resolved["symmetric"].store_id, [16]),
            ]:
                with self.assertRaises(StatusError) as caught:
                    call(*arguments)
                self.assertEqual(caught.exception.status, Status.NotPermitted)

    def test_other_stores_and_unknown_things_are_refused_alike(self):  # R-A2
        others_key = bytes.fromhex(environment("CLAVIGER_OTHER_STORE_KEY_ID"))
        for key_id in (others_key, bytes(16), b"\xff" * 16):
            self.refuses(Status.NotPermitted, self.client.encrypt, key_id, [(b"", b"")])
            self.refuses(Status.NotPermitted, self.client.describe_key, key_id)
            self.refuses(Status.NotPermitted, self.client.reencrypt, self.id["symmetric"], key_id, [(b"", b"", b"")])
            self.refuses(Status.NotPermitted, self.client.reencrypt, key_id, self.id["symmetric"], [(b"", b"", b"")])
            self.refuses(Status.NotPermitted, self.client.random_bytes, key_id, [1])
        for store in (environment("CLAVIGER_OTHER_STORE"), "no-such-store", "", "s" * 101, "a/b"):
            self.refuses(Status.NotPermitted, self.client.resolve, store, ["symmetric"])

    def test_resolve_finds_every_kind_and_fails_items_apart(self):
        for name, resolved in self.resolved.items():
            self.assertEqual(resolved.algorithm, KEYS[name])
        kinds = {name: self.resolved[name].kind for name in ("secret", "symmetric", "mac", "p256")}
        self.assertEqual(
            kinds, {"secret": Kind.Secret, "symmetric": Kind.Symmetric, "mac": Kind.Mac, "p256": Kind.Asymmetric}
        )
        self.assertEqual(len({resolved.store_id for resolved in self.resolved.values()}), 1)
        items = self.client.resolve(
            environment("CLAVIGER_STORE"), ["nobody", "symmetric", "", "k" * 101, "a b", "Symmetric"]
        )
        self.assertEqual(self.statuses(items), [Status.KeyNotFound, Status.Ok] + [Status.KeyNotFound] * 4)

    def test_describe_tells_the_same_as_resolve(self):
        for name, resolved in self.resolved.items():
            described = self.client.describe_key(resolved.key_id)
            self.assertEqual((described.key_id, described.store_id, described.kind, described.algorithm), resolved)
            self.assertEqual((described.name.decode(), described.state), (name, KeyState.Available))
            self.assertEqual(
                [version.version for version in described.versions], list(range(1, described.current_version + 1))
            )
            self.assertEqual(
                [version.state for version in described.versions if version.version == described.current_version],
                [KeyVersionState.Current],
            )

    def test_keys_do_only_what_their_kind_does(self):  # R-K1
        def calls(key_id):
            return {
                Opcode.Encrypt: (self.client.encrypt, key_id, [(b"", b"")]),
                Opcode.Decrypt: (self.client.decrypt, key_id, [(b"", b"")]),
                Opcode.Reencrypt: (self.client.reencrypt, key_id, key_id, [(b"", b"", b"")]),
                Opcode.GenerateDataKey: (self.client.generate_data_key, key_id, 32, [b""]),
                Opcode.WrapDataKey: (self.client.wrap_data_key, key_id, [(b"", b"k")]),
                Opcode.UnwrapDataKey: (self.client.unwrap_data_key, key_id, [(b"", b"")]),
                Opcode.Sign: (self.client.sign, key_id, [b""]),
                Opcode.Verify: (self.client.verify, key_id, [(b"", b"")]),
                Opcode.AsymmetricDecrypt: (self.client.asymmetric_decrypt, key_id, [(b"", b"")]),
                Opcode.MakeMac: (self.client.make_mac, key_id, [b""]),
                Opcode.VerifyMac: (self.client.verify_mac, key_id, [(b"", b"")]),
                Opcode.ReadSecret: (self.client.read_secret, key_id),
                Opcode.ReadPublicKey: (self.client.read_public_key, key_id),
                Opcode.WaitForSecret: (self.client.wait_for_secret, key_id, 0, 60_000),
            }

        allowed = {row[1]: set(row[3].split(", ")) for row in rows("### 11.3")}
        asked = {opcode.name for opcode in calls(b"")}
        self.assertEqual(asked, set().union(*allowed.values()), "an operation of some key is not tried")
        for name in KEYS:
            for opcode, (call, *arguments) in calls(self.id[name]).items():
                if opcode.name not in allowed[self.resolved[name].algorithm.name]:
                    with self.subTest(f"{opcode.name} with {name}"):
                        self.refuses(Status.OperationNotAllowed, call, *arguments)
