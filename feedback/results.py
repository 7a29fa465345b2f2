"""What a day brought: sums over stored rows. Shared by the logger's summary and the daily dataset."""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from core import metrics
from core.clock import kst_day_bounds
from core.model.dataset import DaySummary, StrategyResult
from core.model.slots import LIVE_MODES as LIVE_MODES
from core.model.trade import EquityPoint, SignalRecord, Trade
from core.store import Session, equity

_ZERO = Decimal(0)


def equity_change_usd(before: EquityPoint | None, after: EquityPoint | None) -> Decimal:
    """Return how much an instance made between two marks in USD, realised and unrealised; capital moved in is no gain.

    Without a mark before, the instance started in between, with its capital.
    """
    if after is None:
        return _ZERO
    made_before = _ZERO if before is None else before.equity_usd - before.capital_usd
    return after.equity_usd - after.capital_usd - made_before


def day_ends(session: Session, on: date, instance_id: str) -> tuple[EquityPoint | None, EquityPoint | None]:
    """Return the newest marks of an instance at or before the start and the end of a KST day."""
    start_at, end_at = kst_day_bounds(on)
    return equity.at_or_before(session, instance_id, start_at), equity.at_or_before(session, instance_id, end_at)


def funded_instances(session: Session, on: date) -> tuple[str, ...]:
    """Return the ids of the instances that are part of the account by the end of a KST day, idle ones too, sorted."""
    ends = ((instance_id, day_ends(session, on, instance_id)[1]) for instance_id in equity.instances(session))
    return tuple(instance_id for instance_id, mark in ends if mark is not None and mark.mode in LIVE_MODES)


def live_instances(session: Session, on: date) -> tuple[str, ...]:
    """Return those of `funded_instances` that have something to show: live ones, and canaries that traded that day.

    A canary traded when it had capital at either end of the day, or its equity changed.
    """
    return tuple(name for name in funded_instances(session, on) if _is_shown(*day_ends(session, on, name)))


def _is_shown(before: EquityPoint | None, after: EquityPoint | None) -> bool:
    capitals = [mark.capital_usd for mark in (before, after) if mark is not None]
    return (after is not None and after.mode == "live") or any(capitals) or equity_change_usd(before, after) != _ZERO


def summarise_day(session: Session, on: date, trades_of_day: Sequence[Trade]) -> DaySummary:
    """Return the totals of a KST day over all live instances."""
    live = [trade for trade in trades_of_day if trade.mode in LIVE_MODES]
    changes = (equity_change_usd(*day_ends(session, on, name)) for name in funded_instances(session, on))
    return DaySummary(
        on=on,
        n_trades=len(live),
        n_wins=sum(trade.net_pnl_usd > 0 for trade in live),
        net_pnl_usd=sum((trade.net_pnl_usd for trade in live), _ZERO),
        fees_usd=sum((_fees_usd(trade) for trade in live), _ZERO),
        slippage_usd=sum((_slippage_usd(trade) for trade in live), _ZERO),
        equity_change_usd=sum(changes, _ZERO),
    )


def result_of(
    instance_id: str,
    strategy: str,
    params_version: int,
    params: dict[str, float],
    trades_of_day: Sequence[Trade],
    signals_of_day: Sequence[SignalRecord],
    marks: Sequence[EquityPoint],
    change_usd: Decimal,
) -> StrategyResult:
    """Return one instance's day; the rows may hold other instances' too. `marks` start with the one before the day."""
    trades = [trade for trade in trades_of_day if trade.instance_id == instance_id]
    signals = [signal for signal in signals_of_day if signal.instance_id == instance_id]
    rejected = [signal for signal in signals if signal.outcome != "taken"]
    equity_usd = _on_last_capital([mark for mark in marks if mark.instance_id == instance_id])
    by_exit: dict[str, Decimal] = {}
    for trade in trades:
        by_exit[trade.exit_reason] = by_exit.get(trade.exit_reason, _ZERO) + trade.net_pnl_usd
    return StrategyResult(
        instance_id=instance_id,
        strategy=strategy,
        params_version=params_version,
        params=params,
        n_trades=len(trades),
        n_wins=sum(trade.net_pnl_usd > 0 for trade in trades),
        net_pnl_usd=sum((trade.net_pnl_usd for trade in trades), _ZERO),
        gross_pnl_usd=sum((trade.gross_pnl_usd for trade in trades), _ZERO),
        fees_usd=sum((_fees_usd(trade) for trade in trades), _ZERO),
        slippage_usd=sum((_slippage_usd(trade) for trade in trades), _ZERO),
        equity_change_usd=change_usd,
        # None, and so 0, without marks: an instance that was never marked lost nothing that is known.
        max_drawdown_pct=metrics.max_drawdown_pct(equity_usd) or 0.0,
        n_signals=len(signals),
        n_signals_rejected=len(rejected),
        reject_reasons=dict(sorted(Counter(signal.outcome for signal in rejected).items())),
        exit_reasons=dict(sorted(Counter(trade.exit_reason for trade in trades).items())),
        pnl_by_exit_usd={reason: float(made) for reason, made in sorted(by_exit.items())},
    )


def _on_last_capital(marks: Sequence[EquityPoint]) -> list[Decimal]:
    """Return the equity of each mark as if the capital of the last had always been there: moving it is no loss."""
    return [marks[-1].capital_usd + mark.equity_usd - mark.capital_usd for mark in marks]


def _fees_usd(trade: Trade) -> Decimal:
    return trade.entry.fee_usd + trade.exit.fee_usd


def _slippage_usd(trade: Trade) -> Decimal:
    return trade.entry.slippage_usd + trade.exit.slippage_usd
