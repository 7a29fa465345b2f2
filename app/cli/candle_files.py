"""Candle files of anybody, as commands read them."""

from datetime import datetime
from pathlib import Path

from app.cli.output import say
from app.replay import symbol_of
from ml.evaluate.files import CandleFile, load_candles


def read_candles(path: Path, symbol: str | None, now: datetime) -> CandleFile:
    """Return the candles of a file, of the symbol that its name ends with if none is given, and say what was odd.

    Raises BadInput naming the file and what is wrong with it.
    """
    file = load_candles(path, symbol or symbol_of(path), now)
    for finding in file.findings:
        say(f"{file.symbol}: {finding.n} {finding.kind}, for example {'; '.join(finding.examples[:2])}")
    return file
