"""Reads the trades of 30 days and follows every rule through the week."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from core.clock import kst_day_bounds
from core.model.analysis import PatternRule
from core.model.trade import Trade
from core.store import Session, Store, patterns, trades
from feedback.analyzer.summary import TradesSummary, summarise_trades
from feedback.patterns.finding import find_rules, seed_of
from feedback.patterns.labels import label_trades
from feedback.patterns.lives import WeekOfTrades, follow_rules
from feedback.regime_at import RegimeHistory
from feedback.results import LIVE_MODES
from market.bars import BarArchive

WINDOW_DAYS = 30


@dataclass(frozen=True, slots=True)
class PatternFinder:
    """Finds rules and follows them through their lives. `symbols` of the archive give the regimes."""

    store: Store
    archive: BarArchive

    def find(self, on: date) -> tuple[PatternRule, ...]:
        """Return every rule that is new or changed after the week that ends with the KST day `on`."""
        with self.store.session() as session:
            window = self._trades(session, on, WINDOW_DAYS)
            known = patterns.list(session)
        symbols = {trade.symbol for trade in window}
        start_at, end_at = _bounds(on, WINDOW_DAYS)
        regimes = RegimeHistory.load(self.archive, tuple(sorted(symbols)), start_at, end_at)
        labelled = label_trades(window, regimes.regime_at)
        seed = seed_of(on)
        return follow_rules(known, find_rules(labelled, on, seed), WeekOfTrades(labelled, on, seed))

    def summary(self, on: date) -> TradesSummary:
        """Return the counted buckets of the 30 KST days that end with `on`."""
        with self.store.session() as session:
            window = self._trades(session, on, WINDOW_DAYS)
        return summarise_trades(on - timedelta(days=WINDOW_DAYS - 1), on, window)

    def _trades(self, session: Session, on: date, n_days: int) -> list[Trade]:
        return [trade for trade in trades.between(session, *_bounds(on, n_days)) if trade.mode in LIVE_MODES]


def _bounds(on: date, n_days: int) -> tuple[datetime, datetime]:
    return kst_day_bounds(on - timedelta(days=n_days - 1))[0], kst_day_bounds(on)[1]
