"""The tables of protocol/SPEC.md."""

import re
from pathlib import Path

SPEC = (Path(__file__).resolve().parents[2] / "SPEC.md").read_text("utf-8")


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table of numbered rows after a heading of SPEC.md."""
    section = SPEC[SPEC.index("\n" + heading) :].partition("\n#")[2].partition("\n## ")[0].partition("\n### ")[0]
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if re.match(r"\| (0x)?[0-9]", line)
    ]
