"""What the day offered and nobody took: rejected signals that were right, and large moves without a position.

Judged only from candles known at the day's end. Each carries the arguments of `xcrack replay` that show it again.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from core.model.dataset import MissedOpportunity
from core.model.trade import EquityPoint, SignalRecord, Trade
from core.settings_sections import CostSettings
from feedback.day import DayRows
from feedback.phases import SymbolDay, hourly_moves_bps, usual_move_bps

HORIZON = timedelta(minutes=60)
LARGE_MOVE = 3.0
"""Standard deviations of the usual hourly move."""
MOST = 10
_LEAD = timedelta(hours=2)


def find_missed(rows: DayRows, days: Mapping[str, SymbolDay], costs: CostSettings) -> tuple[MissedOpportunity, ...]:
    """Return up to 10 missed opportunities, the largest moves first.

    A rejected signal counts when the price moved its way by more than a round trip costs within 60 minutes.
    """
    signals = list(_best_of_hour(_rejected(rows, days, costs)))
    moves = [missed for day in days.values() for missed in _uncaught(rows, day)]
    ordered = sorted([*signals, *moves], key=lambda m: (-m.move_bps, m.at, m.symbol, m.signal_id or ""))
    return tuple(ordered[:MOST])


def round_trip_bps(costs: CostSettings) -> float:
    """Return what entering and leaving as a taker costs, in bps of notional."""
    return 2 * (costs.taker_fee_bps + costs.slippage_bps)


def replay_arguments(symbol: str, start_at: datetime, end_at: datetime, instance_id: str | None = None) -> str:
    """Return the arguments with which `xcrack replay` shows a stretch of time again."""
    times = f"--symbols {symbol} --from {_minute(start_at)} --to {_minute(end_at)}"
    return times if instance_id is None else f"{times} --instance {instance_id}"


def _rejected(
    rows: DayRows, days: Mapping[str, SymbolDay], costs: CostSettings
) -> Iterator[tuple[SignalRecord, MissedOpportunity]]:
    cost_bps = round_trip_bps(costs)
    for signal in rows.live_signals:
        day = days.get(signal.symbol)
        if signal.outcome == "taken" or day is None or signal.at + HORIZON > rows.end_at:
            continue
        later = day.close_at(signal.at + HORIZON)
        if later is None or later[0] <= signal.at:
            continue
        sign = 1 if signal.side == "buy" else -1
        move_bps = sign * (later[1] / float(signal.price) - 1) * 1e4
        if move_bps > cost_bps:
            yield signal, _missed_signal(signal, move_bps)


def _missed_signal(signal: SignalRecord, move_bps: float) -> MissedOpportunity:
    return MissedOpportunity(
        kind="rejected_signal",
        symbol=signal.symbol,
        at=signal.at,
        side=signal.side,
        move_bps=move_bps,
        horizon_minutes=int(HORIZON.total_seconds() // 60),
        reason=signal.outcome,
        signal_id=signal.signal_id,
        replay=replay_arguments(signal.symbol, signal.at - _LEAD, signal.at + HORIZON, signal.instance_id),
    )


def _best_of_hour(found: Iterator[tuple[SignalRecord, MissedOpportunity]]) -> Iterator[MissedOpportunity]:
    # A strategy that repeats its wish at every bar misses one move, not ten.
    best: dict[tuple[str, str, datetime], MissedOpportunity] = {}
    for signal, missed in found:
        key = (signal.instance_id, signal.symbol, signal.at.replace(minute=0, second=0, microsecond=0))
        if key not in best or missed.move_bps > best[key].move_bps:
            best[key] = missed
    yield from best.values()


def _uncaught(rows: DayRows, day: SymbolDay) -> Iterator[MissedOpportunity]:
    usual_bps = usual_move_bps(day)
    if usual_bps is None:
        return
    live = {instance.instance_id for instance in rows.instances}
    marks = [mark for mark in rows.marks if mark.instance_id in live]
    for hour, move_bps in hourly_moves_bps(day):
        is_held = _traded(day.symbol, hour.start_at, hour.end_at, rows.live_trades) or _marked(
            day.symbol, hour.start_at, hour.end_at, marks
        )
        if usual_bps > 0 and abs(move_bps) >= LARGE_MOVE * usual_bps and not is_held:
            yield MissedOpportunity(
                kind="uncaught_move",
                symbol=day.symbol,
                at=hour.start_at,
                side="buy" if move_bps > 0 else "sell",
                move_bps=abs(move_bps),
                horizon_minutes=60,
                reason="no_position",
                signal_id=None,
                replay=replay_arguments(day.symbol, hour.start_at - _LEAD, hour.end_at),
            )


def _traded(symbol: str, start_at: datetime, end_at: datetime, trades: Sequence[Trade]) -> bool:
    return any(t.symbol == symbol and t.entry.filled_at < end_at and t.exit.filled_at > start_at for t in trades)


def _marked(symbol: str, start_at: datetime, end_at: datetime, marks: Sequence[EquityPoint]) -> bool:
    """Return whether a mark shows a position in the hour: one within it, or each instance's last before it."""
    last: dict[str, EquityPoint] = {}
    for mark in marks:
        if mark.at <= start_at:
            last[mark.instance_id] = mark
    within = [mark for mark in marks if start_at < mark.at < end_at]
    return any(mark.positions.get(symbol, 0) != 0 for mark in [*last.values(), *within])


def _minute(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")
