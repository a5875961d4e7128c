#!/usr/bin/env python3
"""Verifies an audit log by docs/AUDIT.md alone: the chain, the checkpoints by the public key, and the end by the head.

Usage: verify_audit.py PUBLIC_KEY FOLDER [HEAD]. Exit code 1: something was found. Needs `openssl` for Ed25519.
"""

import hashlib
import json
import os
import re
import struct
import subprocess
import sys
import tempfile

LINE = re.compile(
    rb'(?P<authenticated>(?P<signed>\{"seq":(?P<seq>[1-9][0-9]*),"system_key":(?P<key>[1-9][0-9]*),(?P<event>.*)'
    rb',"previous":"(?P<previous>[0-9a-f]{64})")(,"signature":"(?P<signature>[0-9a-f]{128})")?),"mac":"[0-9a-f]{64}"\}'
)


def verifies(public_key, message, signature):
    """Whether the signature is one of the message (RFC 8032), by openssl."""
    der = bytes.fromhex("302a300506032b6570032100") + public_key
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in ("key", "message", "signature")]
        for path, content in zip(paths, (der, message, signature)):
            with open(path, "wb") as file:
                file.write(content)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", paths[0], "-rawin"]
        command += ["-in", paths[1], "-sigfile", paths[2]]
        return subprocess.run(command, capture_output=True).returncode == 0


def read_head(path, public_key):
    """The seq and hash that the head remembers."""
    with open(path, "rb") as file:
        content = file.read()
    label = b"claviger/audit-head/1\n"
    slots = []
    for offset in (0, 512):
        slot = content[offset : offset + 512]
        signed, signature, rest = slot[:94], slot[94:158], slot[158:]
        if not signed.startswith(label) or any(rest) or not verifies(public_key, signed, signature):
            raise SystemExit(f"FOUND {path}: the slot at {offset} is damaged")
        counter, _, _, seq = struct.unpack(">Q16sQQ", signed[22:62])
        slots.append((counter, seq, signed[62:94]))
    return max(slots)[1:]


def main():
    """Verifies, and says what was found."""
    public_key, folder = bytes.fromhex(sys.argv[1]), sys.argv[2]
    head = read_head(sys.argv[3], public_key) if len(sys.argv) > 3 else None
    names = sorted(name for name in os.listdir(folder) if re.fullmatch(r"audit-[0-9]{10}\.jsonl", name))
    if names != [f"audit-{number:010}.jsonl" for number in range(1, len(names) + 1)] or not names:
        raise SystemExit("FOUND: files are missing")
    seq, before, seen, signature = 0, bytes(32), head is None, None
    for number, name in enumerate(names, 1):
        with open(os.path.join(folder, name), "rb") as file:
            lines = file.read().split(b"\n")
        if lines.pop() != b"":
            raise SystemExit(f"FOUND {name}: the last line is not finished")
        if number > 1 and signature is None:
            raise SystemExit(f"FOUND {name}: the file before it does not end with a checkpoint")
        for index, line in enumerate(lines):
            parts = LINE.fullmatch(line)
            if parts is None:
                raise SystemExit(f"FOUND {name}: line {index + 1} is none")
            event = json.loads(b"{" + parts["event"] + b"}")
            seq += 1
            if int(parts["seq"]) != seq or bytes.fromhex(parts["previous"].decode()) != before:
                raise SystemExit(f"FOUND {name}: record {parts['seq'].decode()} does not follow the line before it")
            if (index == 0) != (event["kind"] == "opened"):
                raise SystemExit(f"FOUND {name}: record {seq} is not where the first line of a file is")
            if index == 0 and (event["file"] != number or bytes.fromhex(event["public_key"]) != public_key):
                raise SystemExit(f"FOUND {name}: it is another file, or of another installation")
            signature = parts["signature"]
            if signature is None and event["kind"] in ("opened", "checkpoint", "begun-anew"):
                raise SystemExit(f"FOUND {name}: record {seq} has no signature")
            message = b"claviger/audit-checkpoint/1\n" + parts["signed"]
            if signature and not verifies(public_key, message, bytes.fromhex(signature.decode())):
                raise SystemExit(f"FOUND {name}: record {seq} is not signed by the installation key")
            before = hashlib.sha256(line).digest()
            seen = seen or head == (seq, before)
    if not seen:
        raise SystemExit(f"FOUND: record {head[0]} is remembered, and not there")
    print(f"{seq} records in {len(names)} files, intact")


if __name__ == "__main__":
    main()
