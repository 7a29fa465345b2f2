"""One backtest or many with the very code that trades."""

import itertools
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np

from app.cli.cluster import ray_option
from app.cli.output import json_option, parse_params, print_json, print_table, say, show_progress, start
from app.cli.strategy_name import strategy_option
from app.replay import symbol_of
from core import metrics, native
from core.clock import SystemClock
from core.errors import BadInput
from core.settings import Settings
from market.bars import BarArchive
from market.importer import import_ohlcv
from strategies.programs import RULES, read_rules
from strategies.ray_tasks import RayRunner
from strategies.schema import default_params
from strategies.sweeps import SweepRequest, is_worth_sending, play_piece, sweep_in_pieces

MAX_CANDIDATES = 10_000
MAX_CAPITAL = 1_000_000_000

bars_option = click.option(
    "--bars", "files", multiple=True, required=True, type=click.Path(path_type=Path), metavar="FILE",
    help="CSV or Parquet candles whose name ends in the symbol; repeat for several symbols.",
)  # fmt: skip
rules_option = click.option(
    "--rules", "rules_file", type=click.Path(path_type=Path), metavar="FILE",
    help="JSON rule set that strategy rules follows (strategies/schemas/config/rules_program.json says what it holds).",
)  # fmt: skip
capital_option = click.option(
    "--capital", default="10000", show_default=True, help="Quote currency; sizes are shares of it."
)


@dataclass(frozen=True, slots=True)
class Result:
    """A backtest in numbers. Money in USD after fees and slippage; ratios are None where the days are too few."""

    strategy: str
    params: dict[str, float]
    params_sha256: str
    n_bars: int
    n_days: int
    n_trades: int
    net_pnl_usd: float
    fees_usd: float
    slippage_usd: float
    sharpe_365: float | None
    max_drawdown_pct: float | None


@click.command()
@strategy_option
@bars_option
@click.option(
    "--param", "pairs", multiple=True, metavar="NAME=NUMBER", help="What differs from the defaults; repeatable."
)
@rules_option
@click.option(
    "--plot", type=click.Path(path_type=Path), metavar="FILE.svg", help="Also draw the equity curve into this file."
)
@capital_option
@json_option
def backtest(
    strategy: str,
    files: tuple[Path, ...],
    pairs: tuple[str, ...],
    rules_file: Path | None,
    plot: Path | None,
    capital: str,
    as_json: bool,
) -> None:
    """Run one strategy over recorded candles, with the settings' costs.

    \b
    xcrack backtest --strategy sma_cross --bars BTCUSDT.parquet --param fast=10 --param slow=30 --plot equity.svg
    xcrack backtest --strategy rules --rules breakout.json --bars a_BTCUSDT.csv --json
    """
    settings = start()
    rules = _rules(strategy, rules_file)
    params = default_params(strategy) | parse_params(pairs)
    native.validate_params(strategy, params, rules)
    money = _capital(capital)
    draw = None if plot is None else _plotter(plot)
    bars = _load(files)
    say(f"playing {len(bars):,} bars")
    facts = native.backtest(strategy, params, bars, _costs(settings), money, rules=rules)
    if draw is not None:
        draw(facts)
        say(f"the equity curve is in {plot}")
    result = _result(strategy, params, facts, money)
    if as_json:
        print_json(result)
    else:
        print_table("", ("", ""), [(k, v) for k, v in asdict(result).items()], "")


@click.command()
@strategy_option
@bars_option
@click.option("--grid", "grids", multiple=True, required=True, metavar="NAME=A,B,C", help="Values to try; repeatable.")
@rules_option
@capital_option
@ray_option
@json_option
def sweep(
    strategy: str,
    files: tuple[Path, ...],
    grids: tuple[str, ...],
    rules_file: Path | None,
    capital: str,
    ray_address: str | None,
    as_json: bool,
) -> None:
    """Run every combination of a grid, on all cores, and list them by net profit.

    The best of many is partly luck: the number of tries is printed with it. Sweeps that would take a core more than
    20 seconds or so are divided over a Ray cluster where one is named; the figures are the same.

    \b
    xcrack sweep --strategy sma_cross --bars binance_1h_BTCUSDT.parquet --grid fast=5,10,20 --grid slow=50,100
    """
    settings = start()
    rules = _rules(strategy, rules_file)
    defaults = default_params(strategy)
    names, values = zip(*(_grid(text) for text in grids), strict=True)
    if len(set(names)) < len(names):
        raise BadInput("a parameter is given to --grid twice", "Give all its values at once: --grid fast=5,10,20")
    candidates = [defaults | dict(zip(names, point, strict=True)) for point in itertools.product(*values)]
    if len(candidates) > MAX_CANDIDATES:
        raise BadInput(f"the grid has {len(candidates):,} points", f"At most {MAX_CANDIDATES:,}")
    for params in candidates:
        native.validate_params(strategy, params, rules)
    money = _capital(capital)
    bars = _load(files)
    say(f"playing {len(candidates):,} parameter sets over {len(bars):,} bars")
    address = settings.scale.ray_address if ray_address is None else ray_address
    request = SweepRequest(strategy, bars, _costs(settings), money, rules)
    facts = _sweep(request, candidates, address)
    results = [_result(strategy, params, each, money) for params, each in zip(candidates, facts, strict=True)]
    results.sort(key=lambda result: -result.net_pnl_usd)
    if as_json:
        print_json(results)
        return
    rows = [
        (*(f"{r.params[name]:g}" for name in names), r.n_trades, f"{r.net_pnl_usd:,.2f}", _ratio(r.sharpe_365))
        for r in results[:50]
    ]
    title = f"{len(results)} tries; the best of them flatters itself"
    print_table(title, (*names, "trades", "net P&L USD", "Sharpe (365)"), rows, "")


def _sweep(request: SweepRequest, candidates: list[dict[str, float]], address: str) -> list[native.BacktestFacts]:
    if address and is_worth_sending(request, len(candidates)):
        return sweep_in_pieces(RayRunner(address), request, candidates, show_progress)
    if address:
        say("too small a sweep for a cluster: playing it here")
    return play_piece(request, tuple(candidates))


def _rules(strategy: str, file: Path | None) -> str | None:
    if strategy == RULES and file is None:
        raise BadInput("strategy rules needs a rule set", "Name its file: --rules breakout.json")
    if strategy != RULES and file is not None:
        raise BadInput(f"{strategy} takes no rule set", "Leave --rules out, or name --strategy rules")
    return None if file is None else read_rules(file)


def _plotter(file: Path) -> Callable[[native.BacktestFacts], None]:
    # Imported here: the charts come with the web framework, and most backtests draw none.
    from app.cli.equity_plot import require_svg, write_equity

    require_svg(file)
    return partial(write_equity, file)


def _grid(text: str) -> tuple[str, list[float]]:
    name, separator, values = text.partition("=")
    if not separator or not values:
        raise BadInput(f"'{text[:60]}' is not a grid", "Write name=number,number, for example fast=10,20,30")
    return name, [parse_params([f"{name}={value}"])[name] for value in values.split(",")]


def _ratio(value: float | None) -> str:
    return "too few days" if value is None else f"{value:.2f}"


def _load(files: tuple[Path, ...]) -> native.Bars:
    with TemporaryDirectory() as root:
        archive = BarArchive(Path(root), SystemClock())
        for file in files:
            import_ohlcv(archive, file, symbol_of(file))
        start_at, end_at = archive.span()
        return archive.load(archive.symbols(), start_at - timedelta(milliseconds=1), end_at)


def _costs(settings: Settings) -> native.Costs:
    return native.Costs(**settings.costs.model_dump())


def _capital(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except ArithmeticError:
        amount = Decimal(0)
    if not amount.is_finite() or not 0 < amount <= MAX_CAPITAL:
        remedy = f"Give an amount above zero and up to {MAX_CAPITAL:,}, for example 10000"
        raise BadInput(f"'{text[:40]}' is not a capital", remedy)
    return amount


def _result(strategy: str, params: dict[str, float], facts: native.BacktestFacts, capital: Decimal) -> Result:
    returns = facts.daily_pnl_usd / float(capital)
    return Result(
        strategy=strategy,
        params=params,
        params_sha256=facts.params_sha256,
        n_bars=facts.n_bars,
        n_days=len(facts.days),
        n_trades=facts.n_trades,
        net_pnl_usd=facts.net_pnl_usd,
        fees_usd=facts.fees_usd,
        slippage_usd=facts.slippage_usd,
        sharpe_365=metrics.sharpe(returns),
        max_drawdown_pct=metrics.max_drawdown_pct(float(capital) + np.cumsum(facts.daily_pnl_usd)),
    )
