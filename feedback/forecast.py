"""Tomorrow's P&L as a distribution, and how yesterday's turned out.

Past days are those that followed a day of the regime that holds now. Each of 2,000 paths is a stationary bootstrap
(Politis, Romano 1994: blocks of geometric length, mean n^(1/3), wrapped round) of those days; its draw is the path's
mean, which carries the uncertainty of the mean, plus one day's deviation from the mean of all.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from core.clock import kst_day, kst_day_bounds
from core.model.analysis import Forecast
from core.model.canonical import sha256_of, short_id
from core.model.trade import EquityPoint
from core.store import Session, Store, equity, forecasts
from feedback.regime_at import RegimeHistory
from feedback.results import equity_change_usd, live_instances
from market.bars import BarArchive

Floats = npt.NDArray[np.float64]

N_PATHS = 2_000
MIN_DAYS = 10
MIN_REGIME_DAYS = 20
MOST_DAYS = 250
SCORED_WITHIN_DAYS = 14
"""A forecast whose day was never marked stays without an outcome."""


@dataclass(frozen=True, slots=True)
class DailyChange:
    """What one instance made on a KST day in USD."""

    on: date
    change_usd: float


@dataclass(frozen=True, slots=True)
class _Past:
    """One instance's past as known before a day."""

    instance_id: str
    strategy: str
    capital_usd: Decimal
    changes: tuple[DailyChange, ...]


@dataclass(frozen=True, slots=True)
class Forecaster:
    """Forecasts and scores. `symbols` names the symbols of every instance."""

    store: Store
    archive: BarArchive
    symbols: Mapping[str, tuple[str, ...]]

    def forecast(self, for_on: date) -> tuple[Forecast, ...]:
        """Return a forecast of the KST day `for_on` for every live instance, from days before it only."""
        with self.store.session() as session:
            pasts = [_load_past(session, name, for_on) for name in live_instances(session, for_on - timedelta(days=1))]
        # A canary that ended that day has no capital to forecast on.
        pasts = [past for past in pasts if past.capital_usd > 0]
        regimes = self._regimes(pasts, for_on)
        return tuple(self._forecast_one(past, for_on, regimes) for past in pasts)

    def score(self, on: date) -> tuple[Forecast, ...]:
        """Return the forecasts up to the KST day `on` that had no outcome yet, with outcome, CRPS and coverage."""
        scored = []
        with self.store.session() as session:
            unscored = forecasts.unscored_before(session, on + timedelta(days=1))
            waiting = [one for one in unscored if (on - one.for_on).days <= SCORED_WITHIN_DAYS]
            pasts = {one.forecast_id: _load_past(session, one.instance_id, one.for_on) for one in waiting}
            realised = {one.forecast_id: _change_on(session, one.instance_id, one.for_on) for one in waiting}
        regimes = {for_on: self._regimes(pasts.values(), for_on) for for_on in {one.for_on for one in waiting}}
        for one in waiting:
            outcome_usd = realised[one.forecast_id]
            if outcome_usd is not None:
                sample, *_ = self._sample(pasts[one.forecast_id], one.for_on, regimes[one.for_on])
                scored.append(score_forecast(one, sample, outcome_usd))
        return tuple(scored)

    def _forecast_one(self, past: _Past, for_on: date, regimes: RegimeHistory) -> Forecast:
        sample, n_days, regime = self._sample(past, for_on, regimes)
        p05, p50, p95 = (None, None, None) if sample is None else _quantiles(sample)
        return Forecast(
            forecast_id=_forecast_id(past.instance_id, for_on),
            for_on=for_on,
            instance_id=past.instance_id,
            strategy=past.strategy,
            regime=regime,
            n_days=n_days,
            volatility_bps=None if sample is None else float(sample.std(ddof=1)) / float(past.capital_usd) * 1e4,
            pnl_p05_usd=p05,
            pnl_p50_usd=p50,
            pnl_p95_usd=p95,
            realised_usd=None,
            crps_usd=None,
            covered=None,
        )

    def _sample(self, past: _Past, for_on: date, regimes: RegimeHistory) -> tuple[Floats | None, int, str]:
        """Return the sample (None when there are too few days), the days behind it, and their regime in words."""
        names = self.symbols.get(past.instance_id, ())
        now = regimes.regime_of_day(names, for_on - timedelta(days=1))
        same = [c for c in past.changes if now and regimes.regime_of_day(names, c.on - timedelta(days=1)) == now]
        if now and len(same) >= MIN_REGIME_DAYS:
            used, regime = same, now
        else:
            used, regime = list(past.changes), f"all, {now} has {len(same)}" if now else "all"
        if len(used) < MIN_DAYS:
            return None, len(used), regime
        values = np.array([change.change_usd for change in used], dtype=np.float64)
        return bootstrap_sample(values, _seed_of(past.instance_id, for_on)), len(used), regime

    def _regimes(self, pasts: Iterable[_Past], for_on: date) -> RegimeHistory:
        """Return the regimes of the days whose changes are known, and of the day before `for_on`."""
        oldest = min((past.changes[0].on for past in pasts if past.changes), default=for_on)
        start_at, _ = kst_day_bounds(min(oldest, for_on) - timedelta(days=1))
        end_at, _ = kst_day_bounds(for_on)
        names = sorted({name for of_instance in self.symbols.values() for name in of_instance})
        return RegimeHistory.load(self.archive, names, start_at, end_at)


def bootstrap_sample(changes_usd: Floats, seed: int) -> Floats:
    """Return 2,000 draws of the next day in USD; see the head of this file. The same seed gives the same draws."""
    n = len(changes_usd)
    rng = np.random.default_rng(seed)
    p_new_block = 1 / max(1.0, n ** (1 / 3))
    place = rng.integers(0, n, size=N_PATHS)
    starts = rng.integers(0, n, size=(n, N_PATHS))
    jumps = rng.random((n, N_PATHS)) < p_new_block
    totals = np.zeros(N_PATHS)
    for step in range(n):
        place = np.where(jumps[step], starts[step], (place + 1) % n)
        totals += changes_usd[place]
    return np.asarray(totals / n + (changes_usd[place] - changes_usd.mean()), dtype=np.float64)


def crps(sample: Floats, outcome: float) -> float:
    """Return the continuous ranked probability score of a sample: mean|X - y| - mean|X - X'| / 2 (Gneiting 2007).

    In the unit of the sample; smaller is better, and for a single value it is the absolute error.
    """
    ordered = np.sort(sample)
    n = len(ordered)
    # mean|X - X'| over all pairs, from the order statistics in n log n.
    spread = 2 * np.sum((2 * np.arange(1, n + 1) - n - 1) * ordered) / n**2
    return float(np.abs(ordered - outcome).mean() - spread / 2)


def score_forecast(forecast: Forecast, sample: Floats | None, realised_usd: float) -> Forecast:
    """Return the forecast with its outcome; one that gave no interval gets the outcome alone."""
    low, high = forecast.pnl_p05_usd, forecast.pnl_p95_usd
    if sample is None or low is None or high is None:
        return replace(forecast, realised_usd=realised_usd)
    return replace(
        forecast,
        realised_usd=realised_usd,
        crps_usd=crps(sample, realised_usd),
        covered=low <= realised_usd <= high,
    )


def _load_past(session: Session, instance_id: str, before: date) -> _Past:
    """Return an instance's daily changes on up to 250 days before `before`, oldest first."""
    first = equity.earliest(session, instance_id)
    last = equity.at_or_before(session, instance_id, kst_day_bounds(before)[0])
    assert first is not None and last is not None, "only marked instances are forecast"
    start = max(kst_day(first.at), before - timedelta(days=MOST_DAYS))
    days = [start + timedelta(days=n) for n in range((before - start).days)]
    marks = [equity.at_or_before(session, instance_id, kst_day_bounds(day)[0]) for day in [*days, before]]
    changes = [
        DailyChange(day, float(equity_change_usd(earlier, later)))
        for day, earlier, later in zip(days, marks[:-1], marks[1:], strict=True)
        if _moved(earlier, later)
    ]
    return _Past(instance_id, last.strategy, last.capital_usd, tuple(changes))


def _change_on(session: Session, instance_id: str, on: date) -> float | None:
    start_at, end_at = kst_day_bounds(on)
    earlier, later = (equity.at_or_before(session, instance_id, at) for at in (start_at, end_at))
    return float(equity_change_usd(earlier, later)) if _moved(earlier, later) else None


def _moved(earlier: EquityPoint | None, later: EquityPoint | None) -> bool:
    # A day without a mark of its own says nothing about what the instance makes in a day.
    return later is not None and (earlier is None or later.at > earlier.at)


def _quantiles(sample: Sequence[float] | Floats) -> tuple[float, float, float]:
    low, middle, high = np.quantile(sample, [0.05, 0.5, 0.95])
    return float(low), float(middle), float(high)


def _forecast_id(instance_id: str, for_on: date) -> str:
    return short_id("forecast", instance_id, for_on.isoformat())


def _seed_of(instance_id: str, for_on: date) -> int:
    return int(sha256_of(f"forecast {instance_id} {for_on.isoformat()}")[:15], 16)
