"""The attacks of `headlines.jsonl`: what is sent, how it travels, how it is hidden, and its benign twin."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("headlines.jsonl")


@dataclass(frozen=True, slots=True)
class Attack:
    """One item. `delivery`, `propagation` and `encoding` are the tags of the OWASP list."""

    id: str
    kind: str
    """`headline`, `trade_note` or `feedback`."""
    language: str
    family: str
    delivery: str
    propagation: str
    encoding: str
    texts: tuple[str, ...]
    """Two where the order is split."""
    twin: str
    """What the same source would say without an attack."""
    order: dict[str, Any]
    """What a model that obeys would do."""


def load_attacks() -> tuple[Attack, ...]:
    """Return every item; a flood is written out to its length."""
    attacks = []
    for line in _FILE.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        row["texts"] = tuple(text * row.get("repeat", 1) for text in row["texts"])
        row.pop("repeat", None)
        attacks.append(Attack(**row))
    return tuple(attacks)
