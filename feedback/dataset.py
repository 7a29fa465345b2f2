"""The daily dataset: stored rows and candles of one KST day, counted by code. The same rows give the same bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from core.model.canonical import sha256_of, short_id
from core.model.dataset import DailyDataset, StrategyResult
from core.model.market import MarketContext
from core.model.trade import Trade
from core.settings_sections import CostSettings
from core.store import Session, Store
from feedback.day import DayRows, InstanceDay, load_day
from feedback.missed import find_missed
from feedback.notes import mark_counted
from feedback.parity import DayBacktest, Parity, measure_parity, play_day
from feedback.phases import SymbolDay, find_phases, load_symbol_day
from feedback.quality import judge_quality
from feedback.results import equity_change_usd, result_of
from market.bars import BarArchive

N_EXTREMES = 5


@dataclass(frozen=True, slots=True)
class DatasetBuilder:
    """Holds what a day's dataset is made from. `symbols` names the symbols of every instance."""

    store: Store
    archive: BarArchive
    costs: CostSettings
    symbols: Mapping[str, tuple[str, ...]]
    backtest: DayBacktest = play_day

    def build(self, on: date, context: MarketContext | None) -> DailyDataset:
        """Return the dataset of a KST day; the transaction ends before the slow part begins."""
        with self.store.session() as session:
            rows = load_day(session, on)
        return build_daily_dataset(rows, context, self.archive, self.costs, self.symbols, self.backtest)

    def mark_feedback_used(self, session: Session, dataset: DailyDataset) -> int:
        """Say on every note that the dataset counts that it was counted; returns how many."""
        return mark_counted(session, dataset)


def build_daily_dataset(
    rows: DayRows,
    context: MarketContext | None,
    archive: BarArchive,
    costs: CostSettings,
    symbols: Mapping[str, tuple[str, ...]],
    backtest: DayBacktest = play_day,
) -> DailyDataset:
    """Return the dataset of loaded rows. An empty day gives an empty dataset that says so."""
    names = tuple(sorted({name for of_instance in symbols.values() for name in of_instance}))
    days = _symbol_days(archive, names, rows)
    parity = measure_parity(rows, symbols, archive, costs, backtest) if days else _no_bars(rows)
    best, worst = extremes(rows.live_trades)
    dataset = DailyDataset(
        dataset_id="",
        on=rows.on,
        totals=rows.totals,
        strategies=tuple(_strategy_result(instance, rows) for instance in rows.instances),
        best=best,
        worst=worst,
        phases=tuple(phase for name in names if name in days for phase in find_phases(days[name])),
        missed=find_missed(rows, days, costs),
        context=context or _empty_context(rows, names),
        last_days=rows.last_days,
        feedback=rows.feedback,
        refuted=rows.refuted,
        parity_gap_usd=None if parity.gap_usd is None else round(parity.gap_usd, 6),
        data_quality=judge_quality(rows, context, days, names, parity),
        sha256="",
        news=rows.news,
        lessons=rows.lessons,
    )
    sha256 = sha256_of(dataset)
    return replace(dataset, dataset_id=short_id("dataset", rows.on.isoformat(), sha256), sha256=sha256)


def extremes(trades: Sequence[Trade]) -> tuple[tuple[Trade, ...], tuple[Trade, ...]]:
    """Return the best 5, best first, and the worst 5, worst first, by net P&L; equals are ordered by id."""
    best = sorted(trades, key=lambda trade: (-trade.net_pnl_usd, trade.trade_id))
    worst = sorted(trades, key=lambda trade: (trade.net_pnl_usd, trade.trade_id))
    return tuple(best[:N_EXTREMES]), tuple(worst[:N_EXTREMES])


def _strategy_result(instance: InstanceDay, rows: DayRows) -> StrategyResult:
    return result_of(
        instance.instance_id,
        instance.strategy,
        instance.after.params_version,
        {} if instance.version is None else dict(instance.version.params),
        rows.trades,
        rows.signals,
        instance.drawn,
        equity_change_usd(instance.before, instance.after),
    )


def _symbol_days(archive: BarArchive, names: Sequence[str], rows: DayRows) -> dict[str, SymbolDay]:
    days: dict[str, SymbolDay] = {}
    held = set(archive.symbols())
    for name in names:
        if name in held:
            days[name] = load_symbol_day(archive, name, rows.start_at, rows.end_at)
    return days


def _no_bars(rows: DayRows) -> Parity:
    return Parity(None, tuple((instance.instance_id, "no_bars") for instance in rows.instances))


def _empty_context(rows: DayRows, names: tuple[str, ...]) -> MarketContext:
    context_id = short_id("context", "none", rows.end_at.isoformat())
    return MarketContext(context_id, rows.end_at, names, fields=(), headlines=(), key_events=())
