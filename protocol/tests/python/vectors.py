"""Reads the vectors under protocol/tests/vectors as their README.md describes them."""

import re
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).resolve().parent.parent / "vectors"
HEADER_LINES = {"expect", "message", "direction", "section", "state", "where", "ends", "answer", "what", "field"}


class Vector(NamedTuple):
    path: Path
    header: dict[str, str]  # The header lines that come once.
    fields: dict[str, str]  # Ranges of items written out.
    data: bytes

    @property
    def expected_error(self) -> str | None:
        return self.header["expect"].removeprefix("error ") if self.header["expect"] != "ok" else None


def all_vectors() -> list[Vector]:
    return [read(path) for path in sorted(FOLDER.glob("*/*.txt"))]


def read(path: Path) -> Vector:
    head, _, hex_part = path.read_text("ascii").partition("\n\n")
    header, fields = {}, {}
    for line in head.splitlines():
        name, colon, value = line.partition(":")
        if not colon or name not in HEADER_LINES:
            raise ValueError(f"{path}: a header line that README.md does not know: {line}")
        if name == "field":
            field, _, text = value.partition("=")
            fields.update((each, text.strip()) for each in written_out(field.strip()))
        elif name != "what":
            header[name] = value.strip()
    return Vector(
        path, header, fields, b"".join(bytes_of(line.partition("#")[0].strip()) for line in hex_part.splitlines())
    )


def written_out(field: str) -> list[str]:
    """`item[0..2].status` names three fields."""
    span = re.search(r"\[(\d+)\.\.(\d+)\]", field)
    if span is None:
        return [field]
    return [field.replace(span[0], f"[{index}]") for index in range(int(span[1]), int(span[2]) + 1)]


def bytes_of(text: str) -> bytes:
    """Hex, or `repeat COUNT HEX`."""
    if text.startswith("repeat "):
        _, count, unit = text.split()
        return int(count) * bytes.fromhex(unit)
    return bytes.fromhex(text)
