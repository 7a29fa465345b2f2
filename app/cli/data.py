"""Getting bars into the archive and looking at them."""

import time
from datetime import UTC, datetime
from pathlib import Path

import click

from app.cli.output import json_option, open_current_store, parse_date, print_json, print_table, say, start
from app.home import Home
from app.replay import symbol_of
from core.clock import SystemClock
from core.errors import BadInput
from core.settings import Settings
from market import synthetic
from market.bars import BarArchive
from market.candles import MINUTE_MS, interval_ms_of
from market.download import CcxtExchange, Progress, download_candles
from market.importer import QualityReport, import_ohlcv, save_rejected


@click.group()
def data() -> None:
    """Candles: import, download, check. Bad rows are reported and set aside, never repaired."""


def _archive(home: Path) -> BarArchive:
    return BarArchive(Home(home).create().bars, SystemClock())


@data.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--symbol", help="Symbol of the candles; without it the end of the file's name.")
@click.option(
    "--reference", type=click.Path(path_type=Path), help="A file known to hold the same symbol, to compare with."
)
@click.option("--interval", help="Length of the candles, such as 15m; without it the file's own spacing.")
@click.option(
    "--no-identity-check", is_flag=True, help="Take a file that looks like another symbol, such as a pegged token."
)
@json_option
def data_import(
    files: tuple[Path, ...],
    symbol: str | None,
    reference: Path | None,
    interval: str | None,
    no_identity_check: bool,
    as_json: bool,
) -> None:
    """Import CSV or Parquet candles after checking them for duplicates, gaps, disorder, bad OHLC and a wrong symbol.

    Rows set aside are kept in the store's quarantine, where there is a store.

    \b
    xcrack data import binance_1h_BTCUSDT.parquet --reference older_1h_BTCUSDT.csv
    """
    if symbol and len(files) > 1:
        raise BadInput("--symbol names one symbol, and several files were given", "Import them one by one")
    settings = start()
    interval_ms = interval_ms_of(interval) if interval else None
    archive = _archive(settings.home)
    reports = []
    for file in files:
        name = symbol or symbol_of(file)
        report = import_ohlcv(archive, file, name, interval_ms, reference, not no_identity_check)
        _set_aside(settings, report)
        reports.append(report)
        if not as_json:
            _show(report)
    if as_json:
        print_json(reports)


@data.command("check")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--symbol", help="Symbol of the candles; without it the end of the file's name.")
@json_option
def data_check(files: tuple[Path, ...], symbol: str | None, as_json: bool) -> None:
    """Check files as an import would, and import nothing.

    \b
    xcrack data check binance_1h_BTCUSDT.parquet binance_1h_ETHUSDT.parquet
    """
    archive = _archive(start().home)
    reports = [import_ohlcv(archive, file, symbol or symbol_of(file), dry_run=True) for file in files]
    if as_json:
        print_json(reports)
        return
    for report in reports:
        _show(report)


@data.command("download")
@click.option("--exchange", default="binance", show_default=True, help="A ccxt exchange id.")
@click.option("--symbol", required=True, help="As the exchange writes it, for example BTC/USDT.")
@click.option("--interval", default="1h", show_default=True, help="1m, 5m, 15m, 1h, 4h, 1d.")
@click.option("--since", required=True, metavar="YYYY-MM-DD", help="First UTC day.")
@click.option("--base-url", help="Another address that speaks the exchange's API.")
@json_option
def data_download(exchange: str, symbol: str, interval: str, since: str, base_url: str | None, as_json: bool) -> None:
    """Download candles with progress; started again it goes on where it stopped. The open candle is never stored.

    \b
    xcrack data download --symbol BTC/USDT --interval 1h --since 2024-01-01
    """
    archive = _archive(start().home)
    name = symbol.replace("/", "").replace("-", "").upper()

    def show(progress: Progress) -> None:
        say(f"{progress.n_received:,} candles, up to {progress.reached_at:%Y-%m-%d %H:%M} UTC")

    def wait(seconds: float) -> None:
        say(f"{exchange} does not answer; asking again in {seconds:g} s")
        time.sleep(seconds)

    source = CcxtExchange(exchange, wait, base_url=base_url or "")
    first = datetime.combine(parse_date(since), datetime.min.time(), UTC)
    if first >= SystemClock().now():
        raise BadInput(f"--since {since} has not come yet", "Give a day of the past")
    result = download_candles(source, archive, SystemClock(), name, interval_ms_of(interval), first, progress=show)
    if as_json:
        print_json(result)
    else:
        print(f"{result.symbol} {interval}: {result.n_new:,} new candles, {result.n_rejected} impossible ones left out")


@data.command("make")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder of the files.")
@click.option("--seed", required=True, type=click.IntRange(0, 2**31), help="Same seed, same candles.")
@click.option("--start-date", required=True, metavar="YYYY-MM-DD", help="First UTC day.")
@click.option("--days", required=True, type=click.IntRange(1, 3_660), help="How many.")
@click.option("--interval", default="15m", show_default=True, help="Length of the candles.")
@click.option("--n-symbols", default=3, show_default=True, type=click.IntRange(1, len(synthetic.SYMBOLS)))
@json_option
def data_make(out: Path, seed: int, start_date: str, days: int, interval: str, n_symbols: int, as_json: bool) -> None:
    """Write candles of the demo's made market to files, one a symbol: to train on, to import, to try things out.

    They are named like real symbols and say in the file that they are synthetic. No archive is touched.

    \b
    xcrack data make --out market --seed 2022 --start-date 2022-01-01 --days 182
    """
    start_at = datetime.combine(parse_date(start_date), datetime.min.time(), UTC)
    if not 1970 <= start_at.year <= 2200:
        raise BadInput(f"no market is made for {start_date}", "Begin between 1970 and 2200")
    minutes = interval_ms_of(interval) // MINUTE_MS
    try:
        paths = synthetic.export_market(out, synthetic.demo_market(seed, start_at, days, minutes, n_symbols))
    except OSError as error:
        raise BadInput(f"cannot write into {out}: {error.strerror}", "Name a folder that can be written") from None
    if as_json:
        print_json([str(path) for path in paths])
        return
    for path in paths:
        print(path)


def _set_aside(settings: Settings, report: QualityReport) -> None:
    if not report.rejected or not (settings.store.url or (settings.home / "xcrack.db").is_file()):
        return
    with open_current_store(settings).session() as session:
        save_rejected(session, report, SystemClock().now())


def _show(report: QualityReport) -> None:
    print(
        f"{report.symbol} {report.interval} {report.path}: {report.n_kept:,} of {report.n_rows:,} rows kept, "
        f"{report.n_new:,} new, {report.start_at:%Y-%m-%d %H:%M} to {report.end_at:%Y-%m-%d %H:%M} UTC, "
        f"tick {report.tick}, lot {report.lot}"
    )
    rows = [(f.kind, f.n, "; ".join(f.examples[:3])) for f in report.findings]
    print_table("", ("finding", "count", "for example"), rows, "  nothing to remark")
