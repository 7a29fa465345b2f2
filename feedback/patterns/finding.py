"""Which buckets of 30 days stand out: candidates for a pattern, which later weeks must confirm.

Both tests take 2,000 seeded draws from what chance does; Benjamini-Hochberg then holds the false discovery rate over
all buckets of the window at 10 %. That is a claim about these days alone: the next window shares most of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
from scipy import stats

from core.model.analysis import PatternRule
from core.model.canonical import sha256_of, short_id
from feedback.patterns.labels import BY_DAY, DIMENSIONS, Dimension, Floats, LabelledTrades, Mask
from feedback.patterns.shuffles import day_shuffle_p_values, sign_flip_p_values

MIN_TRADES = 20
"""In the bucket and outside of it."""
MAX_Q = 0.10

_Test = Callable[[LabelledTrades, Sequence[Mask], int], Floats]


@dataclass(frozen=True, slots=True, eq=False)
class Bucket:
    """The trades of one label."""

    dimension: Dimension
    name: str
    inside: Mask


def find_rules(labelled: LabelledTrades, on: date, seed: int) -> tuple[PatternRule, ...]:
    """Return the rules that hold at a false discovery rate of 10 %, smallest q first; none is a common answer."""
    tested = [bucket for dimension in DIMENSIONS for bucket in _buckets(labelled, dimension)]
    if not tested:
        return ()
    p_values = np.empty(len(tested))
    tests: tuple[tuple[_Test, bool], ...] = ((sign_flip_p_values, False), (day_shuffle_p_values, True))
    for test, is_mine in tests:
        mine = [place for place, bucket in enumerate(tested) if (bucket.dimension in BY_DAY) == is_mine]
        if mine:
            p_values[mine] = test(labelled, [tested[place].inside for place in mine], seed)
    q_values = stats.false_discovery_control(p_values)
    rules = [
        _rule(labelled, bucket, float(p), float(q), on)
        for bucket, p, q in zip(tested, p_values, q_values, strict=True)
        if q <= MAX_Q
    ]
    return tuple(sorted(rules, key=lambda rule: (rule.q_value, rule.p_value, rule.pattern_id)))


def seed_of(on: date) -> int:
    """Return the seed of a day: the same day draws the same signs."""
    return int(sha256_of(f"patterns {on.isoformat()}")[:15], 16)


def _rule(labelled: LabelledTrades, bucket: Bucket, p_value: float, q_value: float, on: date) -> PatternRule:
    lead_bps = labelled.lead_bps(bucket.dimension, bucket.inside)
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
