"""What the tests against a real daemon share: the environment, a client that notes statuses, keys, and OpenSSL."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from claviger_client import Client, StatusError
from claviger_codes import Algorithm, Status
from specification import rows

KEYS = {
    "secret": Algorithm.OPAQUE,
    "symmetric": Algorithm["XAES-256-GCM"],
    "aes-gcm": Algorithm["AES-256-GCM"],
    "mac": Algorithm["HMAC-SHA-256"],
    "mac-384": Algorithm["HMAC-SHA-384"],
    "mac-512": Algorithm["HMAC-SHA-512"],
    "ed25519": Algorithm.Ed25519,
    "p256": Algorithm["ECDSA-P256-SHA256"],
    "p384": Algorithm["ECDSA-P384-SHA384"],
    "p521": Algorithm["ECDSA-P521-SHA512"],
    "ml-dsa-44": Algorithm["ML-DSA-44"],
    "ml-dsa-65": Algorithm["ML-DSA-65"],
    "ml-dsa-87": Algorithm["ML-DSA-87"],
    "rsa-2048-pkcs1": Algorithm["RSA-2048-PKCS1-SHA256"],
    "rsa-2048-pss": Algorithm["RSA-2048-PSS-SHA256"],
    "rsa-3072-pkcs1": Algorithm["RSA-3072-PKCS1-SHA256"],
    "rsa-3072-pss": Algorithm["RSA-3072-PSS-SHA256"],
    "rsa-4096-pkcs1": Algorithm["RSA-4096-PKCS1-SHA256"],
    "rsa-4096-pss": Algorithm["RSA-4096-PSS-SHA256"],
    "rsa-2048-oaep": Algorithm["RSA-2048-OAEP-SHA256"],
    "rsa-3072-oaep": Algorithm["RSA-3072-OAEP-SHA256"],
    "rsa-4096-oaep": Algorithm["RSA-4096-OAEP-SHA256"],
}
TABLE = {Algorithm[row[1]]: row for row in rows("### 11.3")}


def keys_that(operation: str) -> list[str]:
    """Names of the keys that do an operation, by the specification."""
    return [name for name, algorithm in KEYS.items() if operation in TABLE[algorithm][3].split(", ")]


def output_size(name: str) -> int:
    """The last number in the column: an exact size, or the largest."""
    return int(TABLE[KEYS[name]][4].split()[-1])


def digest(name: str) -> str | None:
    """The hash of the digests that a key takes, by its size; None if it takes whole messages only."""
    return {"": None, "32": "sha256", "48": "sha384", "64": "sha512"}[TABLE[KEYS[name]][5]]


SIGNING_KEYS = keys_that("Sign")
SLOWEST = "rsa-4096-pkcs1"  # About 1.4 ms a signature: a batch of 1,024 keeps two cores busy for most of a second.
MET: set[int] = set()  # Every status that a frame or an item has had in this run.


def environment(name: str) -> str:
    """A variable of the list above; without it nothing is tested, which is a failure and no reason to skip."""
    if not os.environ.get(name):
        raise unittest.TestCase.failureException(f"set {name}: see the head of {Path(__file__).name}")
    return os.environ[name]


class WatchedClient(Client):
    """Notes every status that the server gives."""

    def receive(self):
        reply = super().receive()
        MET.add(reply.status)
        return reply

    def batch(self, *arguments, **named):
        items = super().batch(*arguments, **named)
        MET.update(item.status for item in items)
        return items


def connect(certificate: bool = True, hardware_address: bytes | None = None) -> WatchedClient:
    host, _, port = environment("CLAVIGER_ADDRESS").rpartition(":")
    files = (
        (environment("CLAVIGER_CLIENT_CERTIFICATE"), environment("CLAVIGER_CLIENT_KEY"))
        if certificate
        else (None, None)
    )
    return WatchedClient(
        (host.strip("[]"), int(port)), environment("CLAVIGER_SERVER_CA"), *files, hardware_address=hardware_address
    )


class DaemonTest(unittest.TestCase):
    """A connection that has said Hello, and the ids of all keys."""

    @classmethod
    def setUpClass(cls):
        with connect() as client:
            client.hello()
            names = list(KEYS)
            cls.resolved = {
                name: item.value for name, item in zip(names, client.resolve(environment("CLAVIGER_STORE"), names))
            }
        cls.id = {name: resolved.key_id for name, resolved in cls.resolved.items()}

    def setUp(self):
        self.client = self.enterContext(connect())
        self.greeting = self.client.hello()

    def refuses(self, status: Status, call, *arguments, **named) -> StatusError:
        """The whole frame is refused, and the byte stream goes on."""
        with self.assertRaises(StatusError) as caught:
            call(*arguments, **named)
        self.assertEqual(caught.exception.status, status)
        self.assertEqual(self.client.ping(b"still here"), b"still here")
        return caught.exception

    def statuses(self, items) -> list[int]:
        return [item.status for item in items]

    def values(self, items) -> list:
        self.assertEqual(set(self.statuses(items)), {Status.Ok})
        return [item.value for item in items]


def openssl(*arguments: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, check=True, timeout=60).stdout


def openssl_knows(name: str) -> bool:
    """Whether this OpenSSL has the algorithm: ML-DSA came with 3.5."""
    return not name.startswith("ml-dsa") or b"ML-DSA" in openssl("list", "-signature-algorithms")


def openssl_encrypts(public_key: bytes, label: bytes, plaintext: bytes, padding: str = "oaep") -> bytes:
    """What OpenSSL encrypts to a public key as Claviger gives it out."""
    options = ["-pkeyopt", f"rsa_padding_mode:{padding}"]
    if padding == "oaep":
        options += ["-pkeyopt", "rsa_oaep_md:sha256", "-pkeyopt", "rsa_mgf1_md:sha256"]
    if label:
        options += ["-pkeyopt", f"rsa_oaep_label:{label.hex()}"]
    with tempfile.NamedTemporaryFile() as file:
        file.write(public_key)
        file.flush()
        return openssl(
            *["pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey", file.name, *options], stdin=plaintext
        )


def openssl_verifies(name: str, public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether OpenSSL accepts the signature, by the public key as Claviger gives it out."""
    options = ["-digest", digest(name)] if digest(name) else []
    if name.endswith("-pss"):
        options += ["-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:32"]
    with tempfile.TemporaryDirectory() as folder:
        files = {"public.der": public_key, "message": message, "signature": signature}
        for file, data in files.items():
            Path(folder, file).write_bytes(data)
        done = subprocess.run(
            [
                "openssl",
                "pkeyutl",
                "-verify",
                "-pubin",
                "-keyform",
                "DER",
                "-inkey",
                "public.der",
                "-rawin",
                "-in",
                "message",
                "-sigfile",
                "signature",
                *options,
            ],
            cwd=folder,
            capture_output=True,
            timeout=60,
        )
    if b"Signature Verified Successfully" in done.stdout:
        return True
    if b"Signature Verification Failure" in done.stdout + done.stderr:
        return False
    raise AssertionError(f"openssl could not verify: {done.stderr.decode()}")
