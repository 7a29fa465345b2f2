"""Which rows of a candle file can be believed. Nothing is repaired: a row is kept as it is, or set aside with a reason.

Set aside: unreadable, implausible time, not closed yet, off the interval's grid, impossible prices, the same time with
different numbers (all of them), a close far from its neighbours. Only reported: exact repeats, disorder, gaps, zero
volume, frozen prices. A file is refused when too much of it is bad or its level breaks.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from core.errors import BadInput
from market.candles import Candles, Integers, from_ms, interval_name, is_sound, ms_of
from market.ohlcv_files import RawRows

MAX_REJECTED_SHARE = 0.05
FROZEN_MS = 3_600_000
N_EXAMPLES = 5
_FIRST_MS = 1_230_768_000_000  # 2009: no coin traded before
_NEIGHBOURS = 11
_LONG_MS = 4 * 3_600_000
_LEAST_NEIGHBOURS = 0.01
"""Of steps between times that are the stated candle length."""
_MAX_GAP_FOR_BREAK_MS = 86_400_000

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of oddity, how often it occurs, and the first examples."""

    kind: str
    n: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row set aside. `values` are open, high, low, close, volume as read."""

    line: int
    reason: str
    opened_at: datetime | None
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Inspection:
    """The believable candles, in order, and everything that was noticed."""

    kept: Candles
    findings: tuple[Finding, ...]
    rejected: tuple[RejectedRow, ...]


def infer_interval_ms(raw: RawRows) -> int:
    """Return the candle length: the most common step between times. Raises BadInput when that is no candle length.

    Where no more than half of the candles are missing it equals the median step; with more it is the better one.
    """
    times = np.unique(raw.candles.opened_at_ms[raw.has_time])
    if len(times) < 2:
        raise BadInput("the candle length cannot be told from fewer than two times", "Give two candles or more")
    steps, counts = np.unique(np.diff(times), return_counts=True)
    step = int(steps[np.argmax(counts)])
    try:
        interval_name(step)
    except BadInput:
        raise BadInput(
            f"the times are mostly {step / 1000:g} s apart, which is no candle length", "Name the interval"
        ) from None
    return step


def require_interval(raw: RawRows, interval_ms: int) -> None:
    """Raise BadInput when hardly any two neighbours are a candle of the stated length apart: they are other candles."""
    times = np.unique(raw.candles.opened_at_ms[raw.has_time])
    steps, counts = np.unique(np.diff(times), return_counts=True)
    if len(steps) and counts[steps == interval_ms].sum() < _LEAST_NEIGHBOURS * counts.sum():
        apart = int(steps[np.argmax(counts)])
        raise BadInput(
            f"these are no {interval_name(interval_ms)} candles: most are {apart / 1000:g} s apart",
            "Leave the interval out: it is told from the times",
        )


def inspect_rows(raw: RawRows, interval_ms: int, now: datetime) -> Inspection:
    """Return what of a file can be believed at time `now`. Raises BadInput when the file as a whole cannot."""
    candles = raw.candles
    reasons = _row_reasons(raw, interval_ms, ms_of(now))
    order = np.argsort(candles.opened_at_ms, kind="stable")
    order = order[reasons[order] == ""]
    repeats, conflicts = _repeated(candles.rows(order))
    reasons[order[conflicts]] = "conflicting_duplicate"
    order = order[~repeats & ~conflicts]
    far = _far_from_neighbours(candles.rows(order), interval_ms)
    reasons[order[far]] = "level_jump"
    kept = candles.rows(order[~far])
    rejected = _rejected(raw, reasons)
    n_rows = len(candles) + len(raw.broken_lines)
    _require_believable(rejected, n_rows, len(kept))
    _require_one_level(kept, interval_ms)
    findings = (
        *_rejection_findings(rejected),
        _repeat_finding(raw, order, repeats, reasons),
        _disorder(raw),
        *_gap_findings(kept, interval_ms),
        _rows_finding("zero_volume", kept, kept.volume == 0),
        *_frozen(kept, interval_ms),
    )
    return Inspection(kept, tuple(finding for finding in findings if finding.n), rejected)


def _row_reasons(raw: RawRows, interval_ms: int, now_ms: int) -> npt.NDArray[np.str_]:
    candles = raw.candles
    unreadable = ~raw.has_time | np.isnan(candles.values()).any(axis=1)
    tests = (
        ("unreadable", unreadable),
        ("implausible_time", candles.opened_at_ms < _FIRST_MS),
        ("not_closed", candles.opened_at_ms > now_ms - interval_ms),
        ("off_grid", candles.opened_at_ms % interval_ms != 0),
        ("bad_ohlc", ~is_sound(candles)),
    )
    reasons = np.full(len(candles), "", dtype="U24")
    for reason, is_bad in tests:
        reasons[is_bad & (reasons == "")] = reason
    return reasons


def _repeated(ordered: Candles) -> tuple[Mask, Mask]:
    """Return, for candles sorted by time, which are exact repeats of an earlier one and which contradict another."""
    n = len(ordered)
    same_time = (
        np.append(False, ordered.opened_at_ms[1:] == ordered.opened_at_ms[:-1]) if n else np.empty(0, dtype=bool)
    )
    values = ordered.values()
    group = np.cumsum(~same_time) - 1
    first = np.flatnonzero(~same_time)
    differs = np.any(values != values[first[group]], axis=1) if n else same_time
    torn = np.isin(group, group[differs])
    return same_time & ~torn, torn


def _far_from_neighbours(ordered: Candles, interval_ms: int) -> Mask:
    n = len(ordered)
    if n < _NEIGHBOURS:
        return np.zeros(n, dtype=bool)
    log_close = np.log(ordered.close)
    half = _NEIGHBOURS // 2
    padded = np.pad(log_close, half, mode="reflect")
    middle = np.median(np.lib.stride_tricks.sliding_window_view(padded, _NEIGHBOURS), axis=1)
    return np.asarray(np.abs(log_close - middle) > _break(interval_ms), dtype=bool)


def _break(interval_ms: int) -> float:
    """Return the log move that no real market makes between candles: a factor of 5, or 20 for long candles."""
    return float(np.log(20 if interval_ms > _LONG_MS else 5))


def _rejected(raw: RawRows, reasons: npt.NDArray[np.str_]) -> tuple[RejectedRow, ...]:
    rows = [
        RejectedRow(
            int(raw.line[place]),
            str(reasons[place]),
            from_ms(int(raw.candles.opened_at_ms[place])) if raw.has_time[place] else None,
            tuple(float(value) for value in raw.candles.rows(slice(place, place + 1)).values()[0]),
        )
        for place in np.flatnonzero(reasons != "")
    ]
    rows += [RejectedRow(line, "broken_line", None, ()) for line in raw.broken_lines]
    return tuple(sorted(rows, key=lambda row: row.line))


def _require_believable(rejected: tuple[RejectedRow, ...], n_rows: int, n_kept: int) -> None:
    if n_kept and len(rejected) <= MAX_REJECTED_SHARE * n_rows:
        return
    if not n_rows:
        raise BadInput("the file has no rows")
    reason, n = Counter(row.reason for row in rejected).most_common(1)[0]
    first = next(row for row in rejected if row.reason == reason)
    raise BadInput(
        f"{len(rejected)} of {n_rows} rows are bad, more than {MAX_REJECTED_SHARE:.0%}; {n} are {reason}, the first in"
        f" line {first.line}" + (f" at {first.opened_at.isoformat()}" if first.opened_at else ""),
        "Nothing was imported; look at that line, or get the file again",
    )


def _require_one_level(kept: Candles, interval_ms: int) -> None:
    moves = np.abs(np.diff(np.log(kept.close)))
    steps = np.diff(kept.opened_at_ms)
    breaks = np.flatnonzero((moves > _break(interval_ms)) & (steps <= _MAX_GAP_FOR_BREAK_MS))
    if len(breaks):
        place = int(breaks[0])
        before, after = kept.close[place], kept.close[place + 1]
        raise BadInput(
            f"the close goes from {before:g} to {after:g} at {from_ms(int(kept.opened_at_ms[place + 1])).isoformat()}"
            " and stays there: two instruments or two units in one file",
            "Nothing was imported; split the file",
        )


def _rejection_findings(rejected: tuple[RejectedRow, ...]) -> list[Finding]:
    by_reason: dict[str, list[RejectedRow]] = {}
    for row in rejected:
        by_reason.setdefault(row.reason, []).append(row)
    return [
        Finding(reason, len(rows), tuple(_row_text(row) for row in rows[:N_EXAMPLES]))
        for reason, rows in sorted(by_reason.items())
    ]


def _row_text(row: RejectedRow) -> str:
    at = row.opened_at.isoformat() if row.opened_at else "no time"
    return f"line {row.line}: {at}: {', '.join(f'{value:g}' for value in row.values)}"


def _repeat_finding(raw: RawRows, order: Integers, repeats: Mask, reasons: npt.NDArray[np.str_]) -> Finding:
    used = np.isin(np.arange(len(reasons)), order) | (reasons != "")
    places = np.flatnonzero(~used)
    return Finding("duplicate", int(repeats.sum()), tuple(f"line {raw.line[place]}" for place in places[:N_EXAMPLES]))


def _disorder(raw: RawRows) -> Finding:
    times = raw.candles.opened_at_ms[raw.has_time]
    if len(times) == 0:
        return Finding("disorder", 0, ())
    back = np.flatnonzero(times < np.maximum.accumulate(times))
    lines = raw.line[raw.has_time][back]
    return Finding("disorder", len(back), tuple(f"line {line}" for line in lines[:N_EXAMPLES]))


def _gap_findings(kept: Candles, interval_ms: int) -> list[Finding]:
    steps = np.diff(kept.opened_at_ms)
    gaps = np.flatnonzero(steps > interval_ms)
    longest = gaps[np.argsort(-steps[gaps], kind="stable")][:N_EXAMPLES]
    examples = tuple(
        f"{steps[place] // interval_ms - 1} candles after {from_ms(int(kept.opened_at_ms[place])).isoformat()}"
        for place in longest
    )
    n_missing = int((steps[gaps] // interval_ms - 1).sum())
    return [Finding("gap", len(gaps), examples), Finding("missing_candle", n_missing, ())]


def _rows_finding(kind: str, kept: Candles, is_odd: Mask) -> Finding:
    places = np.flatnonzero(is_odd)
    examples = tuple(from_ms(int(kept.opened_at_ms[place])).isoformat() for place in places[:N_EXAMPLES])
    return Finding(kind, len(places), examples)


def _frozen(kept: Candles, interval_ms: int) -> list[Finding]:
    """Return the stretches of an hour and more in which no price moved, with and without volume."""
    flat = (kept.high == kept.low) & (np.append(np.nan, kept.close[:-1]) == kept.close)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat.astype(np.int8), [0]])))
    examples: dict[str, list[str]] = {"frozen_traded": [], "frozen_untraded": []}
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if (end - start) * interval_ms >= FROZEN_MS:
            kind = "frozen_traded" if kept.volume[start:end].sum() > 0 else "frozen_untraded"
            minutes = (end - start) * interval_ms // 60_000
            examples[kind].append(f"{minutes} minutes from {from_ms(int(kept.opened_at_ms[start])).isoformat()}")
    return [Finding(kind, len(texts), tuple(texts[:N_EXAMPLES])) for kind, texts in examples.items()]
