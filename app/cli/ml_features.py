"""`xcrack ml features`: what the models see, listed, or worked out for candle files of anybody."""

from collections.abc import Callable, Sequence
from pathlib import Path

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from app.cli.candle_files import read_candles
from app.cli.output import json_option, print_json, print_table, say, start
from core.clock import SystemClock
from core.durable import replacing
from core.errors import BadInput
from ml.evaluate.files import require_one_set
from ml.features.build import build_features
from ml.features.context import ContextSeries, load_funding, load_world
from ml.features.registry import FeatureSpec, Registry, load_registry
from ml.features.table import FeatureTable


def candle_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say what a file of candles is of, and what was known beside it."""
    options = (
        click.option("--symbol", help="Symbol of the candles; without it the end of the file's name."),
        click.option(
            "--peer", "peers", multiple=True, type=click.Path(path_type=Path), metavar="FILE",
            help="Candles of another symbol; may be given several times.",
        ),
        click.option(
            "--world", type=click.Path(path_type=Path, file_okay=False, exists=True), metavar="DIR",
            help="Folder of Parquet files with daily series: fear_greed, btc_dominance_pct, dxy, vix, gold, …",
        ),
        click.option(
            "--funding", type=click.Path(path_type=Path), metavar="FILE", help="Parquet file with ts and funding_rate."
        ),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.command("features")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--group", help="Only the columns of this group.")
@click.option("--columns", metavar="A,B", help="Only these columns, in this order.")
@candle_options
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Write the rows into this Parquet file: closed_at_ms, segment, and the columns.",
)  # fmt: skip
@json_option
def features(
    file: Path | None,
    group: str | None,
    columns: str | None,
    symbol: str | None,
    peers: tuple[Path, ...],
    world: Path | None,
    funding: Path | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """List the feature columns; or, with a candle FILE (CSV or Parquet) and --out, work them out.

    A row says what was known when its candle closed. A column whose source is not given is NaN. A missing candle starts
    a new segment: no number reaches over it.

    \b
    xcrack ml features --group momentum
    xcrack ml features binance_1h_ETHUSDT.parquet --peer binance_1h_BTCUSDT.parquet --out features.parquet
    """
    registry = load_registry()
    chosen = _chosen(registry, group, columns)
    if file is None:
        _require_alone(symbol, peers, world, funding, out)
        _list(registry, chosen, as_json)
        return
    if out is None:
        raise BadInput("the rows of a file need a place to go", "Name a Parquet file with --out")
    if any(given is not None and given.resolve() == out.resolve() for given in (file, *peers, funding)):
        raise BadInput(f"{out} is read, and would be written over", "Name another file with --out")
    start(is_quiet=True)
    table = features_of_file(file, symbol, peers, world, funding, [feature.name for feature in chosen])
    _write(out, table)
    known = float(np.isfinite(table.values).mean())
    report = {
        "file": str(out), "symbol": table.symbol, "rows": len(table), "columns": len(table.names),
        "segments": int(table.segment[-1]) + 1, "known_share": round(known, 4), "schema_sha256": table.schema_sha256,
    }  # fmt: skip
    if as_json:
        print_json(report)
    else:
        say(f"{len(table)} rows of {len(table.names)} columns in {report['segments']} segments written to {out}")


def _chosen(registry: Registry, group: str | None, columns: str | None) -> tuple[FeatureSpec, ...]:
    if columns is not None and group is not None:
        raise BadInput("--columns and --group exclude each other", "Give one of them")
    if columns is not None:
        return tuple(registry.feature(name.strip()) for name in columns.split(","))
    return registry.features if group is None else registry.group(group)


def _require_alone(*given: object) -> None:
    if any(given):
        raise BadInput("options about candles were given, and no file of candles", "Name the FILE first")


def _list(registry: Registry, chosen: tuple[FeatureSpec, ...], as_json: bool) -> None:
    if as_json:
        print_json({"schema_sha256": registry.schema_sha256, "inputs": registry.inputs, "features": chosen})
        return
    rows = [(f.name, f.group, f.unit, f.warmup_bars, f.kind, f.normaliser, ", ".join(f.inputs)) for f in chosen]
    heads = ("name", "group", "unit", "warm-up", "kind", "normaliser", "inputs")
    print_table(f"{len(chosen)} features, schema {registry.schema_sha256[:12]}", heads, rows, "No feature matches.")


def features_of_file(
    file: Path,
    symbol: str | None,
    peers: tuple[Path, ...],
    world: Path | None,
    funding: Path | None,
    names: Sequence[str],
) -> FeatureTable:
    """Return these columns of a candle file's features, given `candle_options`. Raises BadInput naming the file."""
    now = SystemClock().now()
    candles = read_candles(file, symbol, now)
    others = [read_candles(path, None, now) for path in peers]
    require_one_set([candles, *others])
    context = ContextSeries(
        world={} if world is None else load_world(world),
        funding={} if funding is None else {candles.symbol: load_funding(funding)},
    )
    beside = {other.symbol: other.candles for other in others}
    return build_features(candles.symbol, candles.interval_ms, candles.candles, beside, context, names)


def _write(path: Path, table: FeatureTable) -> None:
    rows = {"closed_at_ms": table.closed_at_ms, "segment": table.segment}
    columns = {name: table.values[:, place] for place, name in enumerate(table.names)}
    facts = {"xcrack.symbol": table.symbol, "xcrack.feature_schema_sha256": table.schema_sha256}
    with replacing(path) as target:
        pq.write_table(pa.table(rows | columns).replace_schema_metadata(facts), target, compression="zstd")
