"""What the newest bars of the archive look like, beside any model: patterns with what they were worth, and regimes.

Both are functions of the bars up to the clock and are kept as one fact each, written again when a bar has closed. A
pattern is shown with its hit rate beside that of the same signals at other times (`market.pattern_evidence`); most have
no evidence, and are shown as such. Nothing is traded on either.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np

from core.clock import Clock
from core.store import Store, setting_facts
from feedback.signals.market_facts import (
    COUNTED_DAYS,
    PATTERNS_FACT,
    REGIMES_FACT,
    SHOWN_BARS,
    PatternReport,
    Sighting,
    SymbolRegime,
)
from market.bars import BarArchive
from market.candles import Candles, from_ms, interval_name
from market.longer import whole_candles
from market.pattern_evidence import measure_patterns
from market.pattern_scan import scan_patterns
from market.regime_filter import follow_regimes
from market.regimes import HOUR_MS

PATTERN_DAYS = 365
"""Of bars that a pattern is measured on."""
HORIZON_BARS = 5
REGIME_DAYS = 60
"""Of hours that the regime is followed through: two turnings of the month that its rank looks back on."""


@dataclass(slots=True)
class MarketWatch:
    """Not for two threads at once. `archive` opens the bars anew: symbols come while a worker runs."""

    store: Store
    clock: Clock
    archive: Callable[[], BarArchive]
    symbols: tuple[str, ...]
    _reached: dict[str, dict[str, int]] = field(default_factory=dict)
    """By fact, the last opening of each symbol that it knows of."""

    def look_for_patterns(self) -> PatternReport | None:
        """Return the patterns of the newest bars and keep them; None while no new bar has closed."""
        found = self._fresh(PATTERNS_FACT, timedelta(days=PATTERN_DAYS))
        if found is None:
            return None
        interval_ms, series = found.interval_ms, found.series
        since_ms = max(int(candles.opened_at_ms[-1]) for candles in series.values()) - SHOWN_BARS * interval_ms
        sightings: list[Sighting] = []
        n_evident = 0
        for symbol, candles in series.items():
            signs = scan_patterns(candles, interval_ms)
            counted = candles.opened_at_ms > candles.opened_at_ms[-1] - COUNTED_DAYS * 24 * HOUR_MS
            for one in measure_patterns(signs, candles.close, HORIZON_BARS):
                completed = signs[one.name]
                n_evident += int(np.count_nonzero(completed[counted])) if one.has_evidence else 0
                for at in np.flatnonzero((completed != 0) & (candles.opened_at_ms > since_ms)).tolist():
                    closed_at = from_ms(int(candles.opened_at_ms[at]) + interval_ms)
                    name = interval_name(interval_ms)
                    sightings.append(Sighting(symbol, name, closed_at, int(completed[at]), one))
        sightings.sort(key=lambda each: each.evidence.name)
        sightings.sort(key=lambda each: (each.at, each.evidence.has_evidence), reverse=True)
        report = PatternReport(
            at=from_ms(max(int(candles.opened_at_ms[-1]) for candles in series.values()) + interval_ms),
            n_bars={symbol: len(candles) for symbol, candles in series.items()},
            sightings=tuple(sightings),
            n_evident=n_evident,
        )
        self._keep(PATTERNS_FACT, report, found)
        return report

    def look_at_regimes(self) -> tuple[SymbolRegime, ...] | None:
        """Return the regime of each symbol's last whole hour and keep them; None while no new hour is over."""
        found = self._fresh(REGIMES_FACT, timedelta(days=REGIME_DAYS))
        if found is None or found.interval_ms != HOUR_MS:
            return None
        regimes = []
        for symbol, candles in found.series.items():
            view = follow_regimes(candles.close)[-1]
            if view is not None:
                regimes.append(SymbolRegime(symbol, from_ms(int(candles.opened_at_ms[-1]) + HOUR_MS), view))
        self._keep(REGIMES_FACT, regimes, found)
        return tuple(regimes)

    def _keep(self, fact: str, value: object, found: "_Fresh") -> None:
        with self.store.session() as session:
            setting_facts.put(session, fact, value, self.clock.now())
        self._reached[fact] = found.reached

    def _fresh(self, fact: str, back: timedelta) -> "_Fresh | None":
        """Return each symbol's bars of an hour or longer; None where there are no new ones."""
        archive, now = self.archive(), self.clock.now()
        held = archive.symbols()
        wanted = [symbol for symbol in self.symbols if symbol in held]
        if not wanted:
            return None
        base_ms = archive.interval_ms
        interval_ms = max(base_ms, HOUR_MS)
        hour_before = now - timedelta(milliseconds=2 * interval_ms)
        newest = {symbol: archive.candles(symbol, hour_before) for symbol in wanted}
        whole = {symbol: whole_candles(candles, base_ms, interval_ms) for symbol, candles in newest.items()}
        reached = {symbol: int(candles.opened_at_ms[-1]) for symbol, candles in whole.items() if len(candles)}
        if reached == self._reached.get(fact):
            return None
        series = {symbol: whole_candles(archive.candles(symbol, now - back), base_ms, interval_ms) for symbol in wanted}
        long_enough = {symbol: candles for symbol, candles in series.items() if len(candles) > HORIZON_BARS}
        return _Fresh(interval_ms, long_enough, reached) if long_enough else None


@dataclass(frozen=True, slots=True)
class _Fresh:
    """Bars of which some are new."""

    interval_ms: int
    series: dict[str, Candles]
    reached: dict[str, int]
    """Opening of each symbol's newest bar."""
