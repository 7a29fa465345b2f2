"""The candles that a training asks for: of files, of the archive, or downloaded first."""

import time as wall
from collections.abc import Mapping
from datetime import UTC, datetime, time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from app.cli.output import parse_date, say
from app.home import Home
from app.replay import symbol_of
from core.clock import SystemClock
from core.errors import BadInput
from market.bars import BarArchive
from market.candles import Candles, interval_ms_of
from market.download import CcxtExchange, Progress, download_candles
from market.importer import import_ohlcv

_START = datetime(2010, 1, 1, tzinfo=UTC)


def load_series(options: Mapping[str, Any], home: Home, clock: SystemClock) -> tuple[dict[str, Candles], int]:
    """Return the candles of each symbol and their length."""
    first = None if options["start_date"] is None else _midnight(options["start_date"])
    last = None if options["end_date"] is None else min(_midnight(options["end_date"]), clock.now())
    if first is not None and last is not None and first >= last:
        raise BadInput("the first day is not before the end", "Give --start-date before --end-date")
    if first is not None and first >= clock.now():
        raise BadInput(f"--start-date {options['start_date']} has not come yet", "Give a day of the past")
    if options["files"] and options["exchange"]:
        raise BadInput("--exchange is for --symbols, and --data was given", "Give one of them")
    if bool(options["files"]) == bool(options["symbols"]):
        raise BadInput("give either --data or --symbols", "For example --data BTCUSDT.parquet, or --symbols BTCUSDT")
    if options["files"]:
        return _from_files(options["files"], first, last)
    interval_ms = interval_ms_of(options["interval"])
    symbols = [name.strip().upper() for name in options["symbols"].split(",")]
    if options["exchange"]:
        _download(options["exchange"], symbols, interval_ms, first or _START, last, home, clock)
    archive = BarArchive(home.bars, clock, interval_ms)
    return {symbol: archive.candles(symbol, first, last) for symbol in symbols}, interval_ms


def _from_files(
    files: tuple[Path, ...], first: datetime | None, last: datetime | None
) -> tuple[dict[str, Candles], int]:
    with TemporaryDirectory() as folder:
        archive = BarArchive(Path(folder), SystemClock())
        for file in files:
            import_ohlcv(archive, file, symbol_of(file))
        if len(archive.symbols()) < len(files):
            raise BadInput("two files hold the same symbol, or candles of different lengths", "Train them apart")
        series = {symbol: archive.candles(symbol, first, last) for symbol in archive.symbols()}
        return series, archive.interval_ms


def _download(
    exchange: str,
    symbols: list[str],
    interval_ms: int,
    first: datetime,
    last: datetime | None,
    home: Home,
    clock: SystemClock,
) -> None:
    def show(progress: Progress) -> None:
        say(f"{progress.symbol}: {progress.n_received:,} candles, up to {progress.reached_at:%Y-%m-%d %H:%M} UTC")

    source = CcxtExchange(exchange, wall.sleep)
    for symbol in symbols:
        download_candles(source, BarArchive(home.bars, clock), clock, symbol, interval_ms, first, last, show)


def _midnight(text: str) -> datetime:
    return datetime.combine(parse_date(text), time(), UTC)
