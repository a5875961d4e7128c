"""The Python client against the vectors: its requests are those of the vectors, and it reads or refuses every reply.

Needs no daemon: `python3 -m unittest test_vectors` in this folder.
"""

import hmac
import unittest
from enum import IntEnum

import claviger_wire as wire
import vectors
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
    retry_advice,
)
from claviger_wire import Incomplete, ProtocolError
from specification import rows


class Tables(unittest.TestCase):
    """R-P1: the tables of the client are those of the specification."""

    def test_codes_are_those_of_the_specification(self):
        for section, names in {
            "### 11.1": Opcode,
            "## 6.": Status,
            "### 11.2": Kind,
            "### 11.3": Algorithm,
            "### 11.4": Limit,
            "### 11.5": Fact,
            "### 11.6": KeyState,
            "### 11.7": KeyVersionState,
        }.items():
            with self.subTest(section):
                self.assertEqual(
                    {row[1]: int(row[0], 0) for row in rows(section)}, {name.name: name.value for name in names}
                )

    def test_retry_advice_is_that_of_the_specification(self):
        advice = {row[1]: row[3] for row in rows("## 6.") if row[1] != "Ok"}
        self.assertEqual(advice, {status.name: retry_advice(status) for status in Status if status != Status.Ok})

    def test_statuses_stand_where_the_specification_puts_them(self):
        where = {row[1]: set(row[2].split(", ")) for row in rows("## 6.")}
        self.assertEqual(
            {name for name, places in where.items() if "item" in places}, {status.name for status in ITEM_STATUSES}
        )
        self.assertEqual(
            {name for name, places in where.items() if "frame" in places}, {status.name for status in FRAME_STATUSES}
        )


class Requests(unittest.TestCase):
    """R-P1: what a client encodes from the fields is the vector, byte for byte."""

    def test_every_good_request_is_encoded_as_in_its_vector(self):
        seen = set()
        for vector in select("request"):
            if vector.expected_error is not None:
                continue
            with self.subTest(vector.path.stem):
                fields = vector.fields
                body = REQUEST_BODIES[fields["opcode"]](fields)
                frame = wire.encode_request(
                    Opcode[fields["opcode"]],
                    int(fields["request_id"]),
                    body,
                    int(fields["deadline_ms"]),
                    bytes.fromhex(fields["trace_id"]),
                )
                self.assertEqual(frame, vector.data)
                seen.add(fields["opcode"])
        self.assertEqual(seen, {opcode.name for opcode in Opcode})


class Replies(unittest.TestCase):
    """R-P3: a client reads every good reply and refuses every other one."""

    def test_every_good_reply_is_read(self):
        seen = set()
        for vector in select("reply"):
            if vector.expected_error is not None:
                continue
            with self.subTest(vector.path.stem):
                reply = wire.decode_reply(vector.data)
                found = {
                    "opcode": text(reply.opcode),
                    "request_id": str(reply.request_id),
                    "trace_id": reply.trace_id.hex(),
                    "retry_ms": str(reply.retry_ms),
                    "status": text(reply.status),
                }
                if reply.status == Status.Ok:
                    found |= flattened(decode_body(reply), reply.opcode)
                    seen.add(reply.opcode.name)
                self.assertEqual(found, {name: in_plain_hex(value) for name, value in vector.fields.items()})
        self.assertEqual(seen, {opcode.name for opcode in Opcode})

    def test_every_bad_reply_is_refused(self):
        count = 0
        for vector in select("reply"):
            if vector.expected_error == "Refused":
                count += 1
                with self.subTest(vector.path.stem), self.assertRaises(ProtocolError):
                    decode_body(wire.decode_reply(vector.data))
            elif vector.expected_error == "Incomplete":
                count += 1
                with self.subTest(vector.path.stem):
                    self.assertEqual(wire.decode_reply(vector.data), Incomplete())
            else:
                self.assertIsNone(vector.expected_error, vector.path)
        self.assertGreater(count, len(select("reply")) // 2)


class Ciphertexts(unittest.TestCase):
    """SPEC section 9, as far as the standard library goes: it has HMAC, but no AES."""

    def test_the_commitment_of_every_good_ciphertext_is_that_of_its_key(self):
        count = 0
        for vector in vectors.all_vectors():
            if vector.header["message"] != "Ciphertext" or vector.expected_error is not None:
                continue
            with self.subTest(vector.path.stem):
                algorithm = Algorithm[vector.fields.get("algorithm", "XAES-256-GCM")]
                header = (
                    bytes([1, algorithm])
                    + int(vector.fields["key_version"]).to_bytes(4, "big")
                    + bytes.fromhex(vector.fields["key_id"])
                )
                nonce = bytes.fromhex(vector.fields["nonce"])
                commitment_key = hmac.digest(bytes.fromhex(vector.fields["key"]), b"claviger/commit-key/1", "sha256")
                commitment = hmac.digest(commitment_key, b"claviger/commit/1" + header + nonce[:12], "sha256")
                self.assertEqual(vector.data[: 54 + len(nonce)], header + nonce + commitment)
                self.assertEqual(len(vector.data), 70 + len(nonce) + len(vectors.bytes_of(vector.fields["plaintext"])))
                count += 1
        self.assertGreater(count, 0)


class Contexts(unittest.TestCase):
    """SPEC section 5: one encryption context from one map, whatever the order."""

    def test_pairs_are_sorted_and_sized(self):
        self.assertEqual(
            wire.context_from_pairs([(b"b", b""), (b"a", b"1")]),
            bytes.fromhex("00000001 61 00000001 31 00000001 62 00000000"),
        )

    def test_a_name_that_comes_twice_is_refused(self):
        with self.assertRaises(ValueError):
            wire.context_from_pairs([(b"a", b"1"), (b"a", b"1")])


def select(direction: str) -> list[vectors.Vector]:
    found = [vector for vector in vectors.all_vectors() if vector.header.get("direction") == direction]
    assert found, "no vectors: is protocol/tests/vectors there?"
    return found


def items(fields: dict[str, str], *names: str) -> list:
    """The named byte strings of every item: a list of tuples, or of byte strings if there is one name."""
    tuples = [
        tuple(vectors.bytes_of(fields[f"item[{index}].{name}"]) for name in names)
        for index in range(int(fields["item_count"]))
    ]
    return tuples if len(names) > 1 else [single for single, in tuples]


def fixed(fields: dict[str, str], name: str) -> bytes:
    return bytes.fromhex(fields[name])


REQUEST_BODIES = {
    "Hello": lambda f: wire.hello(
        int(f["version_min"]),
        int(f["version_max"]),
        [
            (int(f[f"option[{index}].option"], 0), vectors.bytes_of(f[f"option[{index}].value"]))
            for index in range(int(f["option_count"]))
        ],
    ),
    "Ping": lambda f: vectors.bytes_of(f["payload"]),
    "Whoami": lambda f: b"",
    "Resolve": lambda f: wire.resolve(vectors.bytes_of(f["store_name"]), items(f, "key_name")),
    "DescribeKey": lambda f: fixed(f, "key_id"),
    "Encrypt": lambda f: wire.with_contexts(fixed(f, "key_id"), items(f, "context", "plaintext")),
    "Decrypt": lambda f: wire.with_contexts(fixed(f, "key_id"), items(f, "context", "ciphertext")),
    "Reencrypt": lambda f: wire.reencrypt(
        fixed(f, "source_key_id"), fixed(f, "target_key_id"), items(f, "source_context", "target_context", "ciphertext")
    ),
    "GenerateDataKey": lambda f: wire.generate_data_key(
        fixed(f, "key_id"), int(f["form"]), int(f["data_key_size"]), items(f, "context")
    ),
    "WrapDataKey": lambda f: wire.with_contexts(fixed(f, "key_id"), items(f, "context", "data_key")),
    "UnwrapDataKey": lambda f: wire.with_contexts(fixed(f, "key_id"), items(f, "context", "wrapped")),
    "Sign": lambda f: wire.sign(fixed(f, "key_id"), int(f["form"]), items(f, "message")),
    "Verify": lambda f: wire.verify(
        fixed(f, "key_id"), int(f["key_version"]), int(f["form"]), items(f, "message", "signature")
    ),
    "AsymmetricDecrypt": lambda f: wire.asymmetric_decrypt(
        fixed(f, "key_id"), int(f["key_version"]), items(f, "context", "ciphertext")
    ),
    "MakeMac": lambda f: wire.make_mac(fixed(f, "key_id"), items(f, "message")),
    "VerifyMac": lambda f: wire.verify_mac(fixed(f, "key_id"), int(f["key_version"]), items(f, "message", "mac")),
    "ReadSecret": lambda f: wire.key_and_version(fixed(f, "key_id"), int(f["key_version"])),
    "ReadPublicKey": lambda f: wire.key_and_version(fixed(f, "key_id"), int(f["key_version"])),
    "WaitForSecret": lambda f: wire.wait_for_secret(fixed(f, "key_id"), int(f["known_version"]), int(f["wait"])),
    "RandomBytes": lambda f: wire.random_bytes(
        fixed(f, "store_id"), [int(f[f"item[{index}].size"]) for index in range(int(f["item_count"]))]
    ),
}

REPLY_BODIES = {
    "Hello": wire.decode_greeting,
    "Ping": wire.decode_ping,
    "Whoami": wire.decode_whoami,
    "DescribeKey": wire.decode_description,
    "ReadSecret": wire.decode_secret,
    "WaitForSecret": wire.decode_secret,
    "ReadPublicKey": wire.decode_public_key,
}

RESULTS = {
    "Resolve": wire.decode_resolved,
    "GenerateDataKey": wire.decode_data_key,
    "Sign": wire.decode_signature,
    "Verify": wire.decode_verified,
    "AsymmetricDecrypt": wire.decode_decrypted,
    "MakeMac": wire.decode_mac,
    "VerifyMac": wire.decode_verified,
}


def decode_body(reply: wire.Frame) -> object:
    decode = REPLY_BODIES.get(reply.opcode.name)
    return decode(reply.body) if decode else wire.decode_batch(reply.body, RESULTS.get(reply.opcode.name, wire.whole))


def flattened(body: object, opcode: Opcode) -> dict[str, str]:
    """A decoded body as the `field:` lines of its vector."""
    name = opcode.name
    if name == "Ping":
        return {"payload": text(body)}
    if name == "Whoami":
        return counted("fact", [{"fact": fact, "value": value} for fact, value in body])
    if name == "Hello":
        return {"version": text(body.version)} | counted(
            "limit", [{"limit": limit, "value": value} for limit, value in body.limits]
        )
    if isinstance(body, list):
        return counted("item", [{"status": item.status} | result_fields(item.value) for item in body])
    fields = body._asdict()
    versions = [version._asdict() for version in fields.pop("versions", [])]
    return {field: text(value) for field, value in fields.items()} | (
        counted("version", versions) if name == "DescribeKey" else {}
    )


def result_fields(value: object) -> dict[str, object]:
    if value is None:
        return {}
    return value._asdict() if hasattr(value, "_asdict") else {"result": value}


def counted(name: str, elements: list[dict[str, object]]) -> dict[str, str]:
    fields = {f"{name}_count": text(len(elements))}
    for index, element in enumerate(elements):
        fields |= {f"{name}[{index}].{field}": text(value) for field, value in element.items()}
    return fields


def text(value: object) -> str:
    if isinstance(value, IntEnum):
        return value.name
    return value.hex() if isinstance(value, bytes) else str(value)


def in_plain_hex(value: str) -> str:
    """Codes that no table names are written in hex in the vectors; `repeat` is written out."""
    if value.startswith("0x"):
        return str(int(value, 0))
    return vectors.bytes_of(value).hex() if value.startswith("repeat ") else value


if __name__ == "__main__":
    unittest.main()
