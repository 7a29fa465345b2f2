"""Patterns in 30 days of trades, as rules that next week can refute.

A rule says: trades in this bucket earn more (or less) than the rest, in bps of notional after costs. Trades of one day
share the day's luck, so the day is the block of both tests, each with 2,000 seeded draws:
- Hour, volatility, symbol, side and strategy are compared within days. With r the deviation of a trade from the mean of
  its day, S_d the sum of r inside the bucket on day d, T = sum(S_d): p is the share of random sign flips of whole days
  with |T| at least as large. Luck that a whole day shares cancels out.
- Weekday and regime hardly change within a day. There the labels of whole days are shuffled among the days, matched by
  their order within the day, and the statistic is the difference of the means.
Benjamini-Hochberg then holds the false discovery rate over all buckets that were tested at 10 %.
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
Mask = npt.NDArray[np.bool_]
DIMENSIONS: tuple[Dimension, ...] = ("hour_kst", "weekday", "volatility", "symbol", "side", "strategy", "regime")

BY_DAY = frozenset({"weekday", "regime"})
"""Dimensions whose labels are shuffled by the day."""
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


@dataclass(frozen=True, slots=True, eq=False)
class LabelledTrades:
    """Trades as arrays, oldest first: result in bps of notional, KST day number, and one label a dimension."""

    net_bps: Floats
    day: npt.NDArray[np.int64]
    labels: dict[Dimension, npt.NDArray[np.str_]]


@dataclass(frozen=True, slots=True, eq=False)
class Bucket:
    """The trades of one label."""

    dimension: Dimension
    name: str
    inside: Mask


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
    found = sorted(found, key=lambda trade: (trade.closed_at, trade.trade_id))
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
    tested = [bucket for dimension in DIMENSIONS for bucket in _buckets(labelled, dimension)]
    if not tested:
        return ()
    p_values = np.empty(len(tested))
    for test, is_mine in ((sign_flip_p_values, False), (day_shuffle_p_values, True)):
        mine = [place for place, bucket in enumerate(tested) if (bucket.dimension in BY_DAY) == is_mine]
        if mine:
            p_values[mine] = test(labelled, [tested[place].inside for place in mine], seed)
    q_values = benjamini_hochberg(p_values)
    rules = [
        _rule(labelled, bucket, float(p), float(q), on)
        for bucket, p, q in zip(tested, p_values, q_values, strict=True)
        if q <= MAX_Q
    ]
    return tuple(sorted(rules, key=lambda rule: (rule.q_value, rule.p_value, rule.pattern_id)))


def sign_flip_p_values(labelled: LabelledTrades, insides: Sequence[Mask], seed: int) -> Floats:
    """Return the two-sided p of each bucket within days; see the head of this file. At least 1/2001."""
    days, day_index = np.unique(labelled.day, return_inverse=True)
    centred = _day_centred(labelled)
    by_day = np.zeros((len(insides), len(days)))
    for place, inside in enumerate(insides):
        by_day[place] = np.bincount(day_index, weights=np.where(inside, centred, 0.0), minlength=len(days))
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(N_PERMUTATIONS, len(days)))
    return _share_as_large(np.abs(signs @ by_day.T), np.abs(by_day.sum(axis=1)))


def day_shuffle_p_values(labelled: LabelledTrades, insides: Sequence[Mask], seed: int) -> Floats:
    """Return the two-sided p of each bucket when the labels of whole days are shuffled. At least 1/2001."""
    _, first, counts = np.unique(labelled.day, return_index=True, return_counts=True)
    day_of, rank = np.repeat(np.arange(len(counts)), counts), np.arange(len(labelled.day)) - np.repeat(first, counts)
    inside = np.array(insides, dtype=np.float64)
    observed = _mean_differences(labelled.net_bps, inside)
    rng = np.random.default_rng(seed)
    drawn = np.empty((N_PERMUTATIONS, len(insides)))
    for place in range(N_PERMUTATIONS):
        source = rng.permutation(len(counts))[day_of]
        # Trade number i of n in a day takes the label of trade number i * m // n of the day it is matched with.
        labels_from = first[source] + rank * counts[source] // counts[day_of]
        drawn[place] = _mean_differences(labelled.net_bps, inside[:, labels_from])
    return _share_as_large(drawn, observed)


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
    fresh = labelled.day > on.toordinal() - FRESH_DAYS
    inside = labelled.labels[rule.dimension] == rule.bucket
    if min(int((fresh & inside).sum()), int((fresh & ~inside).sum())) < MIN_FRESH_TRADES:
        return rule
    difference = _lead_bps(labelled, rule.dimension, inside, fresh)
    holds = difference > 0 if rule.direction == "better" else difference < 0
    if holds:
        return replace(rule, state="confirmed", hits=rule.hits + 1)
    return replace(rule, state="broken", misses=rule.misses + 1)


def _lead_bps(labelled: LabelledTrades, dimension: Dimension, inside: Mask, among: Mask) -> float:
    """Return by how much the bucket leads the rest in bps, in the way its dimension is tested."""
    values = labelled.net_bps if dimension in BY_DAY else _day_centred(labelled)
    return float(values[among & inside].mean() - values[among & ~inside].mean())


def _rule(labelled: LabelledTrades, bucket: Bucket, p_value: float, q_value: float, on: date) -> PatternRule:
    everything = np.ones(len(labelled.day), dtype=bool)
    lead_bps = _lead_bps(labelled, bucket.dimension, bucket.inside, everything)
    direction: Literal["better", "worse"] = "better" if lead_bps > 0 else "worse"
    return PatternRule(
        pattern_id=short_id("pattern", bucket.dimension, bucket.name, direction),
        dimension=bucket.dimension,
        bucket=bucket.name,
        direction=direction,
        n=int(bucket.inside.sum()),
        mean_bps=float(labelled.net_bps[bucket.inside].mean()),
        p_value=p_value,
        q_value=q_value,
        state="new",
        hits=0,
        misses=0,
        first_seen_on=on,
        last_seen_on=on,
    )


def _buckets(labelled: LabelledTrades, dimension: Dimension) -> list[Bucket]:
    labels = labelled.labels[dimension]
    named = [Bucket(dimension, str(name), labels == name) for name in np.unique(labels) if name]
    return [bucket for bucket in named if min(bucket.inside.sum(), (~bucket.inside).sum()) >= MIN_TRADES]


def _day_centred(labelled: LabelledTrades) -> Floats:
    _, day_index, counts = np.unique(labelled.day, return_inverse=True, return_counts=True)
    means = np.bincount(day_index, weights=labelled.net_bps) / counts
    return np.asarray(labelled.net_bps - means[day_index], dtype=np.float64)


def _mean_differences(values: Floats, insides: Floats) -> Floats:
    """Return |mean inside - mean outside| for each row of 0 and 1; 0 where one of the two is empty."""
    n_inside = insides.sum(axis=1)
    n_outside = len(values) - n_inside
    total = insides @ values
    difference = total / np.maximum(n_inside, 1) - (values.sum() - total) / np.maximum(n_outside, 1)
    return np.where((n_inside > 0) & (n_outside > 0), np.abs(difference), 0.0)


def _share_as_large(drawn: Floats, observed: Floats) -> Floats:
    # A little slack: the same sum in another order differs in its last bits.
    as_large = drawn >= observed * (1 - 1e-12)
    return np.asarray((1 + as_large.sum(axis=0)) / (1 + N_PERMUTATIONS), dtype=np.float64)


def _terciles(values: Sequence[float | None]) -> list[str]:
    known = [value for value in values if value is not None]
    if not known:
        return ["" for _ in values]
    low, high = np.quantile(known, [1 / 3, 2 / 3])
    return ["" if v is None else "low" if v <= low else "mid" if v <= high else "high" for v in values]


def _bounds(on: date, n_days: int) -> tuple[datetime, datetime]:
    return kst_day_bounds(on - timedelta(days=n_days - 1))[0], kst_day_bounds(on)[1]
