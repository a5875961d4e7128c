"""The Python client against a real daemon: every operation, and every status of SPEC.md section 6.

Needs `openssl` in the path, and these variables:

    CLAVIGER_ADDRESS             host:port of the data port (TLS over TCP; the standard library has no QUIC)
    CLAVIGER_SERVER_CA           PEM file of the server CA
    CLAVIGER_CLIENT_CERTIFICATE  PEM file of a certificate that admits its holder to CLAVIGER_STORE
    CLAVIGER_CLIENT_KEY          PEM file of its private key
    CLAVIGER_STORE               name of a key store with the keys of KEYS below, and the symmetric keys `to-disable`
                                 and `to-delete`
    CLAVIGER_OTHER_STORE         name of a key store that does not admit this client
    CLAVIGER_OTHER_STORE_KEY_ID  id of a symmetric key in that store, 32 hex digits
    CLAVIGER_DAMAGED_KEY_ID      id of a symmetric key in CLAVIGER_STORE whose stored record is damaged, 32 hex digits
    CLAVIGER_CHANGE_COMMAND      shell command that changes the key of CLAVIGER_STORE named in $1, and waits for it;
                                 $2 is disable, request-deletion, delete-now or update; $3, if given, is the body
                                 of the request in JSON
    CLAVIGER_SHUTDOWN_PID        process id of the daemon, which this test ends with SIGTERM

The tests run in the order given below, because the last ones disable and delete keys, and stop the daemon.
"""

import base64
import json
import os
import signal
import ssl
import subprocess
import unittest

import claviger_wire as wire
from claviger_client import ConnectionEnded, Form
from claviger_codes import KeyState, Limit, Opcode, Status
from daemon_case import MET, SLOWEST, DaemonTest, environment
from daemon_connections import Connections, Identity
from daemon_operations import Encryption, SignaturesAndOthers
from specification import rows


def change(key: str, how: str, body: dict | None = None) -> None:
    """Has an administrator change a key; the change is in force when this returns."""
    arguments = [key, how, *([json.dumps(body)] if body else [])]
    subprocess.run(["sh", "-c", environment("CLAVIGER_CHANGE_COMMAND"), "sh", *arguments], check=True, timeout=60)


class Load(DaemonTest):
    """Section 7."""

    def test_slow_and_fast_requests_are_answered_once_each(self):  # R-P2
        slow = self.client.send(Opcode.Sign, wire.sign(self.id[SLOWEST], Form.MESSAGE, [b"m"] * 64))
        fast = [
            self.client.send(Opcode.Encrypt, wire.with_contexts(self.id["symmetric"], [(b"", b"x")])) for _ in range(20)
        ]
        replies = {reply.request_id: reply.status for reply in (self.client.receive() for _ in range(21))}
        self.assertEqual(replies, {request_id: Status.Ok for request_id in [slow, *fast]})

    def test_deadline_that_passes_first_is_answered_so(self):  # R-P2
        messages = [b"m"] * 1024
        self.refuses(Status.DeadlineExceeded, self.client.sign, self.id[SLOWEST], messages, deadline_ms=1)

    def test_frames_beyond_those_in_flight_are_refused_with_advice(self):  # R-P4
        in_flight = dict(self.greeting.limits)[Limit.FramesInFlight]
        body = wire.sign(self.id[SLOWEST], Form.MESSAGE, [b"m"])
        first = 1_000_000
        count = 3 * in_flight
        self.client.send_bytes(
            b"".join(wire.encode_request(Opcode.Sign, first + number, body) for number in range(count))
        )
        replies = [self.client.receive() for _ in range(count)]
        self.assertEqual({reply.request_id for reply in replies}, set(range(first, first + count)))
        self.assertEqual({reply.status for reply in replies}, {Status.Ok, Status.Overloaded})
        self.assertTrue(all(reply.retry_ms > 0 for reply in replies if reply.status == Status.Overloaded))


class Circumstances(DaemonTest):
    """Statuses that need somebody else to act."""

    def test_damaged_key_is_reported_as_unavailable_storage(self):
        damaged = bytes.fromhex(environment("CLAVIGER_DAMAGED_KEY_ID"))
        self.refuses(Status.StorageUnavailable, self.client.encrypt, damaged, [(b"", b"")])

    def test_locked_server_answers_hello_ping_and_whoami_and_nothing_else(self):  # R-A13
        [sealed] = self.values(self.client.encrypt(self.id["symmetric"], [(b"", b"x")]))
        change("-", "lock", {"reason": "a test"})
        try:
            self.refuses(Status.Locked, self.client.encrypt, self.id["symmetric"], [(b"", b"x")])
            self.refuses(Status.Locked, self.client.decrypt, self.id["symmetric"], [(b"", sealed)])
            self.refuses(Status.Locked, self.client.sign, self.id[SLOWEST], [b"m"])
            self.refuses(Status.Locked, self.client.describe_key, bytes(16))
            self.refuses(Status.Locked, self.client.resolve, environment("CLAVIGER_STORE"), ["symmetric"])
            self.assertEqual(self.client.ping(b"there"), b"there")
            self.client.whoami()
        finally:
            change("-", "unlock")
        self.assertEqual(self.values(self.client.decrypt(self.id["symmetric"], [(b"", sealed)])), [b"x"])

    def test_disabled_key_is_refused_on_connections_that_used_it(self):  # R-K9
        [found] = self.client.resolve(environment("CLAVIGER_STORE"), ["to-disable"])
        key_id = found.value.key_id
        [sealed] = self.values(self.client.encrypt(key_id, [(b"", b"x")]))
        change("to-disable", "disable")
        self.refuses(Status.KeyDisabled, self.client.encrypt, key_id, [(b"", b"x")])
        self.refuses(Status.KeyDisabled, self.client.decrypt, key_id, [(b"", sealed)])
        self.refuses(
            Status.KeyDisabled, self.client.sign, key_id, [b""]
        )  # KeyDisabled comes before OperationNotAllowed.
        self.refuses(Status.KeyDisabled, self.client.reencrypt, key_id, self.id["symmetric"], [(b"", b"", sealed)])
        self.refuses(Status.KeyDisabled, self.client.reencrypt, self.id["symmetric"], key_id, [(b"", b"", sealed)])
        self.assertEqual(self.client.describe_key(key_id).state, KeyState.Disabled)
        self.assertEqual(self.statuses(self.client.resolve(environment("CLAVIGER_STORE"), ["to-disable"])), [Status.Ok])

    def test_deleted_key_is_refused_on_connections_that_used_it(self):  # R-K9, R-K10
        [found] = self.client.resolve(environment("CLAVIGER_STORE"), ["to-delete"])
        key_id = found.value.key_id
        [sealed] = self.values(self.client.encrypt(key_id, [(b"", b"x")]))
        for step, state, status in [
            ("request-deletion", KeyState.DeletionRequested, Status.KeyDeletionRequested),
            ("delete-now", KeyState.Deleted, Status.KeyDeleted),
        ]:
            # It has just been used: without force it would not be deleted at once.
            change("to-delete", step, {"force": True} if step == "delete-now" else None)
            self.refuses(status, self.client.encrypt, key_id, [(b"", b"x")])
            self.refuses(status, self.client.decrypt, key_id, [(b"", sealed)])
            self.refuses(status, self.client.reencrypt, self.id["symmetric"], key_id, [(b"", b"", sealed)])
            self.assertEqual(self.client.describe_key(key_id).state, state)
        self.assertEqual(self.client.describe_key(key_id).current_version, 0)
        names = self.client.resolve(environment("CLAVIGER_STORE"), ["to-delete"])
        self.assertEqual(self.statuses(names), [Status.KeyNotFound])

    def test_a_wait_for_a_secret_holds_up_nothing_and_ends_with_its_update(self):  # R-K2
        key_id = self.id["secret"]
        known = self.client.read_secret(key_id).key_version
        waiting = [
            self.client.send(Opcode.WaitForSecret, wire.wait_for_secret(key_id, version, 60_000))
            for version in [known] * 9 + [known + 1]
        ]
        self.assertEqual(self.client.ping(b"meanwhile"), b"meanwhile")
        change("secret", "update", {"value": base64.b64encode(b"changed").decode()})
        changed = wire.Secret(known + 1, b"changed")
        for _ in waiting[:-1]:
            reply = self.client.receive()
            self.assertIn(reply.request_id, waiting[:-1])
            self.assertEqual((reply.status, wire.decode_secret(reply.body)), (Status.Ok, changed))
        # One knows this version already, and waits on: until no key is there to wait for.
        self.assertEqual(self.client.read_secret(key_id), changed)
        change("secret", "disable")
        reply = self.client.receive()
        self.assertEqual((reply.request_id, reply.status), (waiting[-1], Status.KeyDisabled))
        change("secret", "enable")

    def test_stopping_daemon_ends_its_work_and_takes_no_more(self):  # R-O4
        """The last test but one: the daemon is gone afterwards."""
        slow = self.client.send(Opcode.Sign, wire.sign(self.id[SLOWEST], Form.MESSAGE, [b"m"] * 1024))
        self.client.send(Opcode.Ping, b"")
        first = self.client.receive()  # Frames are read in order: the daemon has begun the slow one.
        statuses = {first.request_id: first.status}
        os.kill(int(environment("CLAVIGER_SHUTDOWN_PID")), signal.SIGTERM)
        while slow not in statuses or Status.ShuttingDown not in statuses.values():
            if Status.ShuttingDown not in statuses.values():
                self.client.send(Opcode.Ping, b"")
            reply = self.client.receive()
            statuses[reply.request_id] = reply.status
        self.assertEqual(statuses[slow], Status.Ok)
        with self.assertRaises((ConnectionEnded, ConnectionError, ssl.SSLError)):
            while True:
                self.client.receive()


class Everything(unittest.TestCase):
    def test_every_status_of_the_specification_was_met(self):
        """Not met: InternalError, a fault of the server, which no request of a client may bring about; and KeyExhausted, after 2^32 uses of a key."""
        named = {row[1] for row in rows("## 6.")}
        self.assertEqual({status.name for status in MET}, named - {"InternalError", "KeyExhausted"})


def load_tests(loader, _tests, _pattern):
    """The order of the tests."""
    order = [Connections, Identity, Encryption, SignaturesAndOthers, Load, Circumstances, Everything]
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in order)


if __name__ == "__main__":
    unittest.main(failfast=True)
