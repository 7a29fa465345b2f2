"""One text for one value: the JSON that is hashed, stored and compared."""

import hashlib
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def canonical_json(value: Any) -> str:
    """Return JSON with sorted keys, no spaces, Decimals as strings, times as ISO text; equal values give equal text."""
    return msgspec.json.encode(value, order="sorted").decode()


def from_json(text: str | bytes, kind: type[T]) -> T:
    """Return the value of type `kind` that `canonical_json` wrote; another one raises msgspec.ValidationError."""
    return msgspec.json.decode(text, type=kind)


def sha256_of(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of `value` (of the text itself for str and bytes), as hex."""
    raw = (
        value
        if isinstance(value, bytes)
        else value.encode()
        if isinstance(value, str)
        else canonical_json(value).encode()
    )
    return hashlib.sha256(raw).hexdigest()


def short_id(kind: str, *parts: Any) -> str:
    """Return `<kind>-<12 hex>` derived from the parts alone, so that the same content has the same id."""
    return f"{kind}-{sha256_of([str(part) for part in parts])[:12]}"
