"""How untrusted text is quoted to a reader: between marks that it cannot contain, with another sign for every space.

The marks derive from the text itself, so the same headline makes the same bytes again and a replay is exact; to close
the quotation from within, a text would have to contain its own SHA-256. Quoting makes an order harder to take for one.
It is no guarantee, and nothing relies on it: whatever the reader answers is a closed word or a small number.
"""

from dataclasses import dataclass

from core.model.canonical import sha256_of

_MARKERS = "▁␣¦‧⁃"


@dataclass(frozen=True, slots=True)
class Quotation:
    """A text between marks."""

    delimiter: str
    """32 hex digits, which stand on the lines before and after the text and nowhere in it."""
    marker: str
    """What stands for a space."""
    text: str


def quote(text: str) -> Quotation:
    """Return `text`, one cleaned line, with its marks. Every marker that it brought along is taken out first."""
    bare = "".join(c for c in text if c not in _MARKERS)
    n = 0
    while (delimiter := sha256_of(f"{n}:{text}")[:32]) in bare:
        n += 1
    marker = _MARKERS[int(delimiter[:4], 16) % len(_MARKERS)]
    return Quotation(delimiter, marker, marker.join(bare.split()))
