"""What the watch over the market keeps: patterns of the newest bars with what they were worth, and regimes."""

from dataclasses import dataclass
from datetime import datetime

from core.store import Session, setting_facts
from market.pattern_evidence import PatternEvidence
from market.regime_filter import RegimeView

PATTERNS_FACT = "market_patterns"
REGIMES_FACT = "market_regimes"
SHOWN_BARS = 24
"""A pattern is shown for so many bars after it completed."""
COUNTED_DAYS = 7
"""Over which patterns with evidence are counted."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A pattern that completed at a bar's close."""

    symbol: str
    interval: str
    at: datetime
    sign: int
    """1 where it announces a rise, -1 for a fall."""
    evidence: PatternEvidence
    """What earlier ones of its kind were worth on this symbol."""


@dataclass(frozen=True, slots=True)
class PatternReport:
    """The patterns of the newest bars."""

    at: datetime
    """Close of the newest bar that was looked at."""
    n_bars: dict[str, int]
    """By symbol, the bars that evidence rests on."""
    sightings: tuple[Sighting, ...]
    """Of the last `SHOWN_BARS` bars, newest first."""
    n_evident: int
    """Those with evidence that completed in the last `COUNTED_DAYS` days."""


@dataclass(frozen=True, slots=True)
class SymbolRegime:
    """One symbol's last whole hour."""

    symbol: str
    at: datetime
    view: RegimeView


def load_patterns(session: Session) -> PatternReport | None:
    """Return the newest patterns; None before the first look."""
    return setting_facts.get(session, PATTERNS_FACT, PatternReport)


def load_regimes(session: Session) -> tuple[SymbolRegime, ...]:
    """Return the newest regimes; none before the first look."""
    return tuple(setting_facts.get(session, REGIMES_FACT, list[SymbolRegime]) or ())
