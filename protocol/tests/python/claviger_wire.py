"""Bytes of Claviger's data protocol: requests to bytes, bytes to replies. No sockets.

Every decoder raises ProtocolError for bytes that break protocol/SPEC.md, and leaves none unread. Sections are its.
"""

import struct
from typing import Callable, NamedTuple, Union

from claviger_codes import (
    ITEM_STATUSES,
    FRAME_STATUSES,
    Algorithm,
    Fact,
    KeyState,
    KeyVersionState,
    Kind,
    Limit,
    Opcode,
    Status,
    named,
)

HEADER = struct.Struct(">IBBHQ16sIB3s")  # Section 2: the 40 bytes before every body.
LENGTH_MIN = HEADER.size - 4
LENGTH_MAX = 1_048_576 - 4
ITEM_COUNT_MAX = 1_024
PING_SIZE_MAX = 64
REPLY_FLAG = 0x8000


class ProtocolError(Exception):
    """The server sent what the specification does not allow. The byte stream is of no more use."""


class Incomplete(NamedTuple):
    """The bytes received are the beginning of a frame."""


class Frame(NamedTuple):
    """A reply. `status` is a Status or, if this client does not know it, a plain number; likewise `opcode`."""

    opcode: int
    request_id: int
    trace_id: bytes
    retry_ms: int
    status: int
    body: bytes
    size: int


class BatchItem(NamedTuple):
    """The outcome of one item; `value` is None if `status` is not Ok."""

    status: int
    value: object


class Greeting(NamedTuple):
    version: int
    limits: list[tuple[int, int]]


class ResolvedKey(NamedTuple):
    key_id: bytes
    store_id: bytes
    kind: int
    algorithm: int


class KeyVersion(NamedTuple):
    version: int
    state: int
    created: int


class KeyDescription(NamedTuple):
    key_id: bytes
    store_id: bytes
    kind: int
    algorithm: int
    state: int
    current_version: int
    created: int
    name: bytes
    versions: list[KeyVersion]


class DataKey(NamedTuple):
    wrapped: bytes
    plain: bytes


class Signature(NamedTuple):
    key_version: int
    signature: bytes


class Mac(NamedTuple):
    key_version: int
    mac: bytes


class Verified(NamedTuple):
    key_version: int


class Decrypted(NamedTuple):
    key_version: int
    plaintext: bytes


class Secret(NamedTuple):
    key_version: int
    value: bytes


class PublicKey(NamedTuple):
    key_version: int
    algorithm: int
    public_key: bytes


# Frames (section 2).


def encode_request(
    opcode: int, request_id: int, body: bytes, deadline_ms: int = 0, trace_id: bytes = bytes(16)
) -> bytes:
    return HEADER.pack(LENGTH_MIN + len(body), 1, opcode, 0, request_id, trace_id, deadline_ms, 0, bytes(3)) + body


def decode_reply(received: Union[bytes, bytearray]) -> Union[Frame, Incomplete]:
    """The first frame of what has been received. The length is checked before anything is awaited."""
    if len(received) < 4:
        return Incomplete()
    length = int.from_bytes(received[:4], "big")
    if not LENGTH_MIN <= length <= LENGTH_MAX:
        raise ProtocolError("a reply of a length that no frame has")
    if len(received) < 4 + length:
        return Incomplete()
    _, version, opcode, flags, request_id, trace_id, retry_ms, status, reserved = HEADER.unpack_from(received)
    if version != 1 or flags != REPLY_FLAG or reserved != bytes(3):
        raise ProtocolError("a header that is not that of a reply of version 1")
    body = bytes(received[HEADER.size : 4 + length])
    if status in ITEM_STATUSES - FRAME_STATUSES or (status != Status.Ok and body):
        raise ProtocolError("a status that no frame has, or a body beside a status that is not Ok")
    if status == Status.Ok and named(Opcode, opcode) not in set(Opcode):
        raise ProtocolError("an operation done that there is not")
    return Frame(named(Opcode, opcode), request_id, trace_id, retry_ms, named(Status, status), body, 4 + length)


class Reader:
    """Unread bytes of one body."""

    def __init__(self, data: bytes):
        self.data = data

    def take(self, size: int) -> bytes:
        if size > len(self.data):
            raise ProtocolError("a field ends beyond the body")
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    def integer(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def sized(self, size_of_size: int) -> bytes:
        return self.take(self.integer(size_of_size))

    def finish(self) -> None:
        if self.data:
            raise ProtocolError("bytes are left over")


def sized(size_of_size: int, data: bytes) -> bytes:
    return len(data).to_bytes(size_of_size, "big") + data


# Requests (section 5).


def batch(items: list[bytes]) -> bytes:
    return struct.pack(">H", len(items)) + b"".join(items)


def hello(version_min: int, version_max: int, options: list[tuple[int, bytes]]) -> bytes:
    return bytes([version_min, version_max]) + batch(
        [struct.pack(">H", option) + sized(2, value) for option, value in options]
    )


def resolve(store_name: bytes, key_names: list[bytes]) -> bytes:
    return sized(2, store_name) + batch([sized(2, name) for name in key_names])


def with_contexts(key_id: bytes, items: list[tuple[bytes, bytes]]) -> bytes:
    """Encrypt, Decrypt, WrapDataKey, UnwrapDataKey: items of a context and a byte string."""
    return key_id + batch([sized(4, context) + sized(4, data) for context, data in items])


def reencrypt(source_key_id: bytes, target_key_id: bytes, items: list[tuple[bytes, bytes, bytes]]) -> bytes:
    return source_key_id + target_key_id + batch([b"".join(sized(4, field) for field in item) for item in items])


def generate_data_key(key_id: bytes, form: int, data_key_size: int, contexts: list[bytes]) -> bytes:
    return key_id + struct.pack(">BH", form, data_key_size) + batch([sized(4, context) for context in contexts])


def sign(key_id: bytes, form: int, messages: list[bytes]) -> bytes:
    return key_id + bytes([form]) + batch([sized(4, message) for message in messages])


def verify(key_id: bytes, key_version: int, form: int, items: list[tuple[bytes, bytes]]) -> bytes:
    return (
        key_id
        + struct.pack(">IB", key_version, form)
        + batch([sized(4, message) + sized(4, signature) for message, signature in items])
    )


def asymmetric_decrypt(key_id: bytes, key_version: int, items: list[tuple[bytes, bytes]]) -> bytes:
    return key_and_version(key_id, key_version) + batch(
        [sized(4, context) + sized(4, ciphertext) for context, ciphertext in items]
    )


def make_mac(key_id: bytes, messages: list[bytes]) -> bytes:
    return key_id + batch([sized(4, message) for message in messages])


def verify_mac(key_id: bytes, key_version: int, items: list[tuple[bytes, bytes]]) -> bytes:
    return key_and_version(key_id, key_version) + batch([sized(4, message) + sized(4, mac) for message, mac in items])


def key_and_version(key_id: bytes, key_version: int) -> bytes:
    return key_id + struct.pack(">I", key_version)


def wait_for_secret(key_id: bytes, known_version: int, wait_ms: int) -> bytes:
    return key_id + struct.pack(">II", known_version, wait_ms)


def random_bytes(store_id: bytes, sizes: list[int]) -> bytes:
    return store_id + batch([struct.pack(">I", size) for size in sizes])


def context_from_pairs(pairs: list[tuple[bytes, bytes]]) -> bytes:
    """An encryption context from named values, the same whatever their order (section 5)."""
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise ValueError("a name comes twice in the encryption context")
    return b"".join(sized(4, name) + sized(4, value) for name, value in sorted(pairs))


# Bodies of replies (section 5).


def decode_batch(body: bytes, read_result: Callable[[bytes], object]) -> list[BatchItem]:
    reader = Reader(body)
    item_count = reader.integer(2)
    if not 1 <= item_count <= ITEM_COUNT_MAX:
        raise ProtocolError("an item_count that no request has")
    items = []
    for _ in range(item_count):
        status, result = named(Status, reader.integer(1)), reader.sized(4)
        if status in FRAME_STATUSES - ITEM_STATUSES or (status != Status.Ok and result):
            raise ProtocolError("a status that no item has, or a result beside a status that is not Ok")
        items.append(BatchItem(status, read_result(result) if status == Status.Ok else None))
    reader.finish()
    return items


def whole(result: bytes) -> bytes:
    return result


def decode_greeting(body: bytes) -> Greeting:
    reader = Reader(body)
    version = reader.integer(1)
    limits = [(named(Limit, reader.integer(2)), reader.integer(8)) for _ in range(reader.integer(2))]
    reader.finish()
    if len({limit for limit, _ in limits}) != len(limits):
        raise ProtocolError("a limit comes twice")
    return Greeting(version, limits)


def decode_ping(body: bytes) -> bytes:
    if len(body) > PING_SIZE_MAX:
        raise ProtocolError("more bytes than a Ping can have")
    return body


def decode_whoami(body: bytes) -> list[tuple[int, bytes]]:
    reader = Reader(body)
    facts = [(named(Fact, reader.integer(2)), reader.sized(2)) for _ in range(reader.integer(2))]
    reader.finish()
    if len({fact for fact, _ in facts}) != len(facts):
        raise ProtocolError("a fact comes twice")
    return facts


def decode_resolved(result: bytes) -> ResolvedKey:
    reader = Reader(result)
    resolved = ResolvedKey(
        reader.take(16), reader.take(16), named(Kind, reader.integer(1)), named(Algorithm, reader.integer(1))
    )
    reader.finish()
    return resolved


def decode_description(body: bytes) -> KeyDescription:
    reader = Reader(body)
    fields = (
        reader.take(16),
        reader.take(16),
        named(Kind, reader.integer(1)),
        named(Algorithm, reader.integer(1)),
        named(KeyState, reader.integer(1)),
        reader.integer(4),
        reader.integer(8),
        reader.sized(2),
    )
    versions = [
        KeyVersion(reader.integer(4), named(KeyVersionState, reader.integer(1)), reader.integer(8))
        for _ in range(reader.integer(2))
    ]
    reader.finish()
    return KeyDescription(*fields, versions)


def decode_data_key(result: bytes) -> DataKey:
    reader = Reader(result)
    wrapped = reader.sized(4)
    return DataKey(wrapped, reader.data)


def decode_signature(result: bytes) -> Signature:
    reader = Reader(result)
    return Signature(reader.integer(4), reader.data)


def decode_mac(result: bytes) -> Mac:
    reader = Reader(result)
    return Mac(reader.integer(4), reader.data)


def decode_verified(result: bytes) -> Verified:
    reader = Reader(result)
    verified = Verified(reader.integer(4))
    reader.finish()
    return verified


def decode_decrypted(result: bytes) -> Decrypted:
    reader = Reader(result)
    return Decrypted(reader.integer(4), reader.data)


def decode_secret(body: bytes) -> Secret:
    reader = Reader(body)
    secret = Secret(reader.integer(4), reader.sized(4))
    reader.finish()
    return secret


def decode_public_key(body: bytes) -> PublicKey:
    reader = Reader(body)
    public_key = PublicKey(reader.integer(4), named(Algorithm, reader.integer(1)), reader.sized(4))
    reader.finish()
    return public_key
