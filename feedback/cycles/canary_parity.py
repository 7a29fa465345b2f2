"""Whether a shadow made what a backtest of the same parameters makes on the same bars: the check of determinism.

Only where the simulated venue fills by bars and the strategy decides on them; elsewhere a backtest knows less than the
engine, and nothing is said.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from core.clock import kst_day_bounds, to_ns
from core.model.canary import Canary, CanaryDay
from core.settings_sections import CostSettings
from core.store import Store
from feedback.cycles.canary_days import in_force_since, sides_of
from feedback.parity import warm_up_of
from market.bars import BarArchive
from strategies import backtest
from strategies.programs import KEPT_BARS, Programs
from strategies.schema import is_judged_on_bars

SAME_WITHIN = 0.1
"""Share of the promised daily deviation: a bar more or less at the start is no failure of the simulation."""


@dataclass(frozen=True, slots=True)
class ShadowReplay:
    """Plays shadows again. `symbols` and `capital` are by instance; `by_bars` names those that can be played."""

    store: Store
    archive: BarArchive
    costs: CostSettings
    symbols: Mapping[str, tuple[str, ...]]
    capital: Mapping[str, Decimal]
    by_bars: frozenset[str] = frozenset()
    programs: Programs = field(default_factory=dict)
    """First rule sets, for canaries from before they carried theirs."""

    def checked(self, canary: Canary, day: CanaryDay) -> CanaryDay:
        """Return the day, with the fault `parity` where the shadow made something else than the backtest."""
        if canary.stage != "shadow" or day.fault or day.candidate_usd is None:
            return day
        expected_usd = self._expected_usd(canary, day)
        allowed_usd = SAME_WITHIN * canary.promise.sd_usd
        if expected_usd is None or abs(day.candidate_usd - expected_usd) <= allowed_usd:
            return day
        return replace(day, fault="parity")

    def _expected_usd(self, canary: Canary, day: CanaryDay) -> float | None:
        """Return what the backtest makes on the day, or None where none can speak."""
        name = canary.instance_id
        symbols = self.symbols.get(name) or self.archive.symbols()
        if name not in self.by_bars or not is_judged_on_bars(canary.strategy):
            return None
        since = self._in_force_since(canary)
        if since is None or not set(symbols) <= set(self.archive.symbols()):
            return None
        bars = self.archive.load(symbols, since - self._warm_up(canary), kst_day_bounds(day.on)[1])
        if len(bars.closed_at_ns) == 0:
            return None
        asked = (canary.strategy, canary.candidate_params, bars, self.costs, self.capital[name])
        facts = backtest.run(*asked, to_ns(since), canary.candidate_rules or self.programs.get(name))
        return dict(zip(facts.day_texts(), facts.pnl_usd.tolist(), strict=True)).get(day.on.isoformat())

    def _warm_up(self, canary: Canary) -> timedelta:
        """Return how much before its start the shadow knew: another rule set began on the bars that were kept."""
        interval_ms = self.archive.interval_ms
        is_other = canary.candidate_rules != canary.incumbent_rules
        kept = timedelta(milliseconds=interval_ms * KEPT_BARS)
        return kept if is_other else warm_up_of(canary.strategy, interval_ms)

    def _in_force_since(self, canary: Canary) -> datetime | None:
        with self.store.session() as session:
            return in_force_since(session, sides_of(canary)[0])
