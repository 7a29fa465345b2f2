"""What a reader made of untrusted text: closed words and small numbers. No text is in here."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class NewsReading:
    """One headline as numbers. Its words stay in the context that was collected."""

    item_id: str
    """Derived from time, source and title: the same headline is read once."""
    at: datetime
    """When it was published."""
    event_type: str
    """Of `market.sources.text.KEY_EVENTS`, or `other`."""
    asset: str
    """One of our symbols, or `market`."""
    direction: int
    """-1, 0 or 1: bad, neither or good for the price of the asset."""
    severity: int
    """0 to 3."""
    reader: str
    """`lexicon` for the rules, `llm:<model>` for a language model."""
    fallback_reason: str
    """Why the rules read it although a model was to; empty otherwise."""
    is_mixed: bool
    """Its letters come from scripts that pass for one another: it says nothing."""
    prompt_sha256: str
    call_ids: tuple[str, ...]
    read_at: datetime


@dataclass(frozen=True, slots=True)
class NewsCount:
    """The readings of a day about one asset and event. This is all of the news that a prompt may hold."""

    asset: str
    event_type: str
    n: int
    n_good: int
    n_bad: int
    max_severity: int
