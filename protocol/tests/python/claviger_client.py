"""A small client of Claviger's data protocol, written from protocol/SPEC.md alone with Python's standard library.

It shows what a client in another language needs: tables (claviger_codes), a codec (claviger_wire), and a TLS connection
with one method per operation (here). It is synchronous and meant to be read; sections are those of SPEC.md.

    with Client(("localhost", 7700), "server-ca.pem", "client.pem", "client.key") as client:
        client.hello()
        [found] = client.resolve("payments", ["cards"])
        [sealed] = client.encrypt(found.value.key_id, [(b"invoice=42", b"4111 1111 1111 1111")])
        [opened] = client.decrypt(found.value.key_id, [(b"invoice=42", sealed.value)])
"""

import socket
import ssl
from enum import IntEnum
from typing import Callable, Iterable

import claviger_wire as wire
from claviger_codes import HELLO_OPTION_HARDWARE_ADDRESS, Opcode, Status, retry_advice
from claviger_wire import BatchItem, Frame, Incomplete, ProtocolError, decode_reply, encode_request

Context = bytes
KeyId = bytes


class StatusError(Exception):
    """The server refused a whole frame, or an item whose value was asked for."""

    def __init__(self, status: int, retry_ms: int = 0):
        self.status, self.retry_ms = status, retry_ms
        super().__init__(f"{getattr(status, 'name', hex(status))}; retry: {retry_advice(status)}")


class ConnectionEnded(Exception):
    """The server has closed the byte stream."""


class Form(IntEnum):
    """What an item of Sign and Verify is (5.12)."""

    MESSAGE = 1
    DIGEST = 2


class Client:
    """One TLS connection, which is one byte stream (section 1). Requests may be pipelined with `send` and `receive`."""

    def __init__(
        self,
        address: tuple[str, int],
        server_ca: str,
        certificate: str | None = None,
        key: str | None = None,
        timeout_seconds: float = 60.0,
        hardware_address: bytes | None = None,
    ):
        self.hardware_address = hardware_address  # Of 6 bytes: declared in each Hello (section 3).
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # Checks the server's name and chain.
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_verify_locations(server_ca)
        context.set_alpn_protocols(["claviger/1"])
        if certificate is not None:
            context.load_cert_chain(certificate, key)
        plain = socket.create_connection(address, timeout=timeout_seconds)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context.wrap_socket(plain, server_hostname=address[0])
        if self.socket.selected_alpn_protocol() != "claviger/1":
            raise ProtocolError("the server does not speak claviger/1")
        self._received = bytearray()
        self._next_request_id = 1

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    # Frames.

    def send(self, opcode: int, body: bytes, deadline_ms: int = 0, trace_id: bytes = bytes(16)) -> int:
        """Sends a request without waiting; returns the request id that its reply will carry."""
        request_id = self._next_request_id
        self._next_request_id += 1
        self.send_bytes(encode_request(opcode, request_id, body, deadline_ms, trace_id))
        return request_id

    def send_bytes(self, frames: bytes) -> None:
        """Sends bytes as they are: frames made elsewhere, or what is no frame at all."""
        self.socket.sendall(frames)

    def receive(self) -> Frame:
        """The next reply, of whichever request it is (section 7: replies come in any order)."""
        while True:
            reply = decode_reply(self._received)
            if not isinstance(reply, Incomplete):
                del self._received[: reply.size]
                return reply
            try:
                received = self.socket.recv(131072)
            except ssl.SSLZeroReturnError:  # The close_notify of the server, after our own.
                received = b""
            if not received:
                raise ConnectionEnded("inside a frame" if self._received else "between frames")
            self._received += received

    def call(self, opcode: int, body: bytes, deadline_ms: int = 0, trace_id: bytes = bytes(16)) -> bytes:
        """Sends one request, waits for its reply, and returns the body of a reply whose status is Ok."""
        request_id = self.send(opcode, body, deadline_ms, trace_id)
        reply = self.receive()
        if (reply.request_id, reply.trace_id, reply.opcode) != (request_id, trace_id, opcode):
            raise ProtocolError("a reply to no request of this client")
        if reply.status != Status.Ok:
            raise StatusError(reply.status, reply.retry_ms)
        return reply.body

    def batch(
        self, opcode: int, body: bytes, read_result: Callable[[bytes], object], item_count: int, deadline_ms: int = 0
    ) -> list[BatchItem]:
        """One request of a batch (section 4): as many results as items, in their order."""
        items = wire.decode_batch(self.call(opcode, body, deadline_ms), read_result)
        if len(items) != item_count:
            raise ProtocolError("a reply with another item_count than its request")
        return items

    def finish(self) -> None:
        """Closes the sending direction (TLS close_notify). Replies to what has been sent can still be received."""
        timeout = self.socket.gettimeout()
        self.socket.setblocking(False)
        try:
            self.socket.unwrap()
        except ssl.SSLWantReadError:
            pass  # Ours is sent; that of the server comes when it has answered everything.
        self.socket.settimeout(timeout)

    # Operations (section 5).

    def hello(
        self, version_min: int = 1, version_max: int = 1, options: Iterable[tuple[int, bytes]] = ()
    ) -> wire.Greeting:
        declared = [] if self.hardware_address is None else [(HELLO_OPTION_HARDWARE_ADDRESS, self.hardware_address)]
        body = wire.hello(version_min, version_max, declared + list(options))
        return wire.decode_greeting(self.call(Opcode.Hello, body))

    def ping(self, payload: bytes = b"") -> bytes:
        return wire.decode_ping(self.call(Opcode.Ping, payload))

    def whoami(self) -> dict[int, bytes]:
        return dict(wire.decode_whoami(self.call(Opcode.Whoami, b"")))

    def resolve(self, store_name: str, key_names: list[str]) -> list[BatchItem]:
        body = wire.resolve(store_name.encode(), [name.encode() for name in key_names])
        return self.batch(Opcode.Resolve, body, wire.decode_resolved, len(key_names))

    def describe_key(self, key_id: KeyId) -> wire.KeyDescription:
        return wire.decode_description(self.call(Opcode.DescribeKey, key_id))

    def encrypt(self, key_id: KeyId, items: list[tuple[Context, bytes]]) -> list[BatchItem]:
        return self.batch(Opcode.Encrypt, wire.with_contexts(key_id, items), wire.whole, len(items))

    def decrypt(self, key_id: KeyId, items: list[tuple[Context, bytes]]) -> list[BatchItem]:
        return self.batch(Opcode.Decrypt, wire.with_contexts(key_id, items), wire.whole, len(items))

    def reencrypt(
        self, source_key_id: KeyId, target_key_id: KeyId, items: list[tuple[Context, Context, bytes]]
    ) -> list[BatchItem]:
        return self.batch(Opcode.Reencrypt, wire.reencrypt(source_key_id, target_key_id, items), wire.whole, len(items))

    def generate_data_key(
        self, key_id: KeyId, size: int, contexts: list[Context], plain: bool = False
    ) -> list[BatchItem]:
        body = wire.generate_data_key(key_id, 2 if plain else 1, size, contexts)
        return self.batch(Opcode.GenerateDataKey, body, wire.decode_data_key, len(contexts))

    def wrap_data_key(self, key_id: KeyId, items: list[tuple[Context, bytes]]) -> list[BatchItem]:
        return self.batch(Opcode.WrapDataKey, wire.with_contexts(key_id, items), wire.whole, len(items))

    def unwrap_data_key(self, key_id: KeyId, items: list[tuple[Context, bytes]]) -> list[BatchItem]:
        return self.batch(Opcode.UnwrapDataKey, wire.with_contexts(key_id, items), wire.whole, len(items))

    def sign(
        self, key_id: KeyId, messages: list[bytes], form: int = Form.MESSAGE, deadline_ms: int = 0
    ) -> list[BatchItem]:
        body = wire.sign(key_id, form, messages)
        return self.batch(Opcode.Sign, body, wire.decode_signature, len(messages), deadline_ms)

    def verify(
        self, key_id: KeyId, items: list[tuple[bytes, bytes]], form: int = Form.MESSAGE, key_version: int = 0
    ) -> list[BatchItem]:
        return self.batch(
            Opcode.Verify, wire.verify(key_id, key_version, form, items), wire.decode_verified, len(items)
        )

    def asymmetric_decrypt(
        self, key_id: KeyId, items: list[tuple[Context, bytes]], key_version: int = 0
    ) -> list[BatchItem]:
        body = wire.asymmetric_decrypt(key_id, key_version, items)
        return self.batch(Opcode.AsymmetricDecrypt, body, wire.decode_decrypted, len(items))

    def make_mac(self, key_id: KeyId, messages: list[bytes]) -> list[BatchItem]:
        return self.batch(Opcode.MakeMac, wire.make_mac(key_id, messages), wire.decode_mac, len(messages))

    def verify_mac(self, key_id: KeyId, items: list[tuple[bytes, bytes]], key_version: int = 0) -> list[BatchItem]:
        return self.batch(
            Opcode.VerifyMac, wire.verify_mac(key_id, key_version, items), wire.decode_verified, len(items)
        )

    def read_secret(self, key_id: KeyId, key_version: int = 0) -> wire.Secret:
        return wire.decode_secret(self.call(Opcode.ReadSecret, wire.key_and_version(key_id, key_version)))

    def wait_for_secret(self, key_id: KeyId, known_version: int, wait_ms: int, deadline_ms: int = 0) -> wire.Secret:
        body = wire.wait_for_secret(key_id, known_version, wait_ms)
        return wire.decode_secret(self.call(Opcode.WaitForSecret, body, deadline_ms))

    def read_public_key(self, key_id: KeyId, key_version: int = 0) -> wire.PublicKey:
        return wire.decode_public_key(self.call(Opcode.ReadPublicKey, wire.key_and_version(key_id, key_version)))

    def random_bytes(self, store_id: bytes, sizes: list[int]) -> list[BatchItem]:
        return self.batch(Opcode.RandomBytes, wire.random_bytes(store_id, sizes), wire.whole, len(sizes))
