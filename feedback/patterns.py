"""Patterns in 30 days of trades, as rules that next week can refute.

A rule says: trades in this bucket earn more (or less) than the rest, in bps of notional after costs. Trades of one day
share the day's luck, so significance comes from flipping the sign of whole days: with r the deviation of a trade from
the mean of all, w = 1/n inside and -1/(N-n) outside, the statistic is T = sum(w * r), and p is the share of random
sign assignments to days with |T| at least as large. Benjamini-Hochberg then holds the false discovery rate over all
buckets that were tested at 10 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt

from core.clock import KST, kst_day, kst_day_bounds
from core.model.analysis import PatternRule
from core.model.canonical import sha256_of, short_id
from core.model.trade import Trade
from core.store import Session, Store, patterns, trades
from feedback.analyzer.summary import TradesSummary, summarise_trades
from feedback.regime_at import RegimeAt, RegimeHistory
from feedback.results import LIVE_MODES
from market.bars import BarArchive

Floats = npt.NDArray[np.float64]
Dimension = Literal["hour_kst", "weekday", "volatility", "symbol", "side", "strategy", "regime"]
DIMENSIONS: tuple[Dimension, ...] = ("hour_kst", "weekday", "volatility", "symbol", "side", "strategy", "regime")

WINDOW_DAYS = 30
MIN_TRADES = 20
"""In the bucket and outside of it."""
MIN_FRESH_TRADES = 5
"""Fewer trades in a week neither confirm nor break a rule."""
MAX_Q = 0.10
N_PERMUTATIONS = 2_000
FRESH_DAYS = 7
RETIRED_AFTER_DAYS = 28
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class LabelledTrades:
    """Trades as arrays: result in bps of notional, KST day number, and one label a dimension."""

    net_bps: Floats
    day: npt.NDArray[np.int64]
    labels: dict[Dimension, npt.NDArray[np.str_]]


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
        found = find_rules(labelled, on, seed_of(on))
        return follow_rules(known, found, labelled, on)

    def summary(self, on: date) -> TradesSummary:
        """Return the counted buckets of the 30 KST days that end with `on`."""
        with self.store.session() as session:
            window = self._trades(session, on, WINDOW_DAYS)
        return summarise_trades(on - timedelta(days=WINDOW_DAYS - 1), on, window)

    def _trades(self, session: Session, on: date, n_days: int) -> list[Trade]:
        return [trade for trade in trades.between(session, *_bounds(on, n_days)) if trade.mode in LIVE_MODES]


def label_trades(found: Sequence[Trade], regime_at: RegimeAt) -> LabelledTrades:
    """Return trades as arrays. Hour, weekday and regime are those of the entry decision; volatility is in terciles."""
    entered = [trade.entry.decided_at.astimezone(KST) for trade in found]
    labels: dict[Dimension, list[str]] = {
        "hour_kst": [f"{at.hour:02d}" for at in entered],
        "weekday": [_WEEKDAYS[at.weekday()] for at in entered],
        "volatility": _terciles([trade.conditions.volatility_bps for trade in found]),
        "symbol": [trade.symbol for trade in found],
        "side": [trade.side for trade in found],
        "strategy": [trade.strategy for trade in found],
        "regime": [regime_at(trade.symbol, trade.entry.decided_at) or "" for trade in found],
    }
    return LabelledTrades(
        net_bps=np.array([float(trade.net_pnl_usd / trade.notional_usd) * 1e4 for trade in found], dtype=np.float64),
        day=np.array([kst_day(trade.closed_at).toordinal() for trade in found], dtype=np.int64),
        labels={name: np.array(values, dtype=np.str_) for name, values in labels.items()},
    )


def find_rules(labelled: LabelledTrades, on: date, seed: int) -> tuple[PatternRule, ...]:
    """Return the rules that hold at a false discovery rate of 10 %, smallest q first; none is a common answer."""
    tested = [
        (dimension, bucket, inside)
        for dimension in DIMENSIONS
        for bucket, inside in _buckets(labelled, dimension)
        if min(int(inside.sum()), int((~inside).sum())) >= MIN_TRADES
    ]
    if not tested:
        return ()
    p_values = sign_flip_p_values(labelled, [inside for _, _, inside in tested], seed)
    q_values = benjamini_hochberg(p_values)
    rules = [
        _rule(labelled, dimension, bucket, inside, float(p), float(q), on)
        for (dimension, bucket, inside), p, q in zip(tested, p_values, q_values, strict=True)
        if q <= MAX_Q
    ]
    return tuple(sorted(rules, key=lambda rule: (rule.q_value, rule.p_value, rule.pattern_id)))


def sign_flip_p_values(labelled: LabelledTrades, insides: Sequence[npt.NDArray[np.bool_]], seed: int) -> Floats:
    """Return the two-sided p of each bucket against the rest; see the head of this file. At least 1/2001."""
    deviation = labelled.net_bps - labelled.net_bps.mean()
    weights = np.array([np.where(inside, 1 / inside.sum(), -1 / (~inside).sum()) for inside in insides])
    _, day_index = np.unique(labelled.day, return_inverse=True)
    n_days = int(day_index.max()) + 1
    by_day = np.zeros((len(insides), n_days))
    for place in range(n_days):
        of_day = day_index == place
        by_day[:, place] = weights[:, of_day] @ deviation[of_day]
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(N_PERMUTATIONS, n_days))
    flipped = np.abs(signs @ by_day.T)
    # A little slack: the same sum in another order differs in its last bits.
    extreme = flipped >= np.abs(by_day.sum(axis=1)) * (1 - 1e-12)
    return np.asarray((1 + extreme.sum(axis=0)) / (1 + N_PERMUTATIONS), dtype=np.float64)


def benjamini_hochberg(p_values: Floats) -> Floats:
    """Return the q value of each p value: the smallest false discovery rate at which it counts as a discovery."""
    n = len(p_values)
    order = np.argsort(p_values, kind="stable")
    scaled = p_values[order] * n / np.arange(1, n + 1)
    q_values = np.empty(n)
    q_values[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return q_values


def follow_rules(
    known: Sequence[PatternRule], found: Sequence[PatternRule], labelled: LabelledTrades, on: date
) -> tuple[PatternRule, ...]:
    """Return every rule that changes: new ones, and known ones after a week of trades they were not found on.

    A known rule is confirmed when the week's trades lean its way, broken when they lean against it, and retired when
    it was not found again for four weeks.
    """
    by_id = {rule.pattern_id: rule for rule in found}
    changed: list[PatternRule] = []
    for rule in known:
        again = by_id.pop(rule.pattern_id, None)
        if rule.state == "retired":
            if again is not None:
                changed.append(again)
            continue
        followed = rule if rule.last_seen_on >= on else _checked(rule, labelled, on)
        if again is not None:
            followed = replace(
                again,
                state=followed.state,
                hits=followed.hits,
                misses=followed.misses,
                first_seen_on=rule.first_seen_on,
            )
        elif (on - rule.last_seen_on).days >= RETIRED_AFTER_DAYS:
            followed = replace(followed, state="retired")
        if followed != rule:
            changed.append(followed)
    return tuple([*changed, *by_id.values()])


def seed_of(on: date) -> int:
    """Return the seed of a day: the same day draws the same signs."""
    return int(sha256_of(f"patterns {on.isoformat()}")[:15], 16)


def _checked(rule: PatternRule, labelled: LabelledTrades, on: date) -> PatternRule:
    labels = labelled.labels[rule.dimension]
    fresh = labelled.day > on.toordinal() - FRESH_DAYS
    inside, outside = fresh & (labels == rule.bucket), fresh & (labels != rule.bucket)
    if min(int(inside.sum()), int(outside.sum())) < MIN_FRESH_TRADES:
        return rule
    difference = float(labelled.net_bps[inside].mean() - labelled.net_bps[outside].mean())
    holds = difference > 0 if rule.direction == "better" else difference < 0
    if holds:
        return replace(rule, state="confirmed", hits=rule.hits + 1)
    return replace(rule, state="broken", misses=rule.misses + 1)


def _rule(
    labelled: LabelledTrades,
    dimension: Dimension,
    bucket: str,
    inside: npt.NDArray[np.bool_],
    p_value: float,
    q_value: float,
    on: date,
) -> PatternRule:
    mean_bps = float(labelled.net_bps[inside].mean())
    direction: Literal["better", "worse"] = "better" if mean_bps > labelled.net_bps[~inside].mean() else "worse"
    return PatternRule(
        pattern_id=short_id("pattern", dimension, bucket, direction),
        dimension=dimension,
        bucket=bucket,
        direction=direction,
        n=int(inside.sum()),
        mean_bps=mean_bps,
        p_value=p_value,
        q_value=q_value,
        state="new",
        hits=0,
        misses=0,
        first_seen_on=on,
        last_seen_on=on,
    )


def _buckets(labelled: LabelledTrades, dimension: Dimension) -> list[tuple[str, npt.NDArray[np.bool_]]]:
    labels = labelled.labels[dimension]
    return [(str(bucket), labels == bucket) for bucket in np.unique(labels) if bucket]


def _terciles(values: Sequence[float | None]) -> list[str]:
    known = [value for value in values if value is not None]
    if not known:
        return ["" for _ in values]
    low, high = np.quantile(known, [1 / 3, 2 / 3])
    return ["" if v is None else "low" if v <= low else "mid" if v <= high else "high" for v in values]


def _bounds(on: date, n_days: int) -> tuple[datetime, datetime]:
    return kst_day_bounds(on - timedelta(days=n_days - 1))[0], kst_day_bounds(on)[1]
