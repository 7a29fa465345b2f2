"""How commands talk: JSON for machines on stdout, tables for people, progress on stderr."""

import math
import sys
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import click
import msgspec

from core.clock import require_utc
from core.errors import BadInput, Conflict, Refused, XcrackError
from core.log import configure_logging
from core.settings import Settings, load_settings

if TYPE_CHECKING:
    from core.store import Store

PIPE_COLUMNS = 200
"""Width of a table that goes to a file or another program: wide enough that ids stay whole."""

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on stdout and nothing else."
)


def exit_code_of(error: XcrackError) -> int:
    """Return 2 for wrong input, 3 for a refusal, 1 for everything else."""
    if isinstance(error, BadInput):
        return 2
    return 3 if isinstance(error, Refused | Conflict) else 1


def print_json(value: Any) -> None:
    """Print a value as one line of JSON, keys in their own order."""
    print(msgspec.json.encode(value).decode())


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """Print rows as a table, or `empty` when there are none."""
    # Imported here: most commands print no table, and must start at once.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", header_style="bold", box=None, pad_edge=False)
    table.show_header = any(columns)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "id")
    for row in rows:
        table.add_row(*[Text("" if cell is None else str(cell)) for cell in row])
    if table.row_count:
        width = None if sys.stdout.isatty() else PIPE_COLUMNS
        Console(file=sys.stdout, highlight=False, markup=False, width=width).print(table)
    else:
        print(empty)


def start(is_quiet: bool = False) -> Settings:
    """Return the settings in force with logging set up; a quiet command logs only what is wrong, unless debugging."""
    settings = load_settings()
    configure_logging("WARNING" if is_quiet and settings.log_level == "INFO" else settings.log_level)
    return settings


def open_current_store(settings: Settings) -> "Store":
    """Return the store after checking that its schema is this version's. Raises BadInput when there is none yet."""
    from core.store import open_store, schema

    if not settings.store.url and not (settings.home / "xcrack.db").is_file():
        raise BadInput(
            f"there is no store in {settings.home}", "Run `xcrack demo` or `xcrack up` first, or set XCRACK_HOME"
        )
    store = open_store(settings.store_url, settings.store.busy_timeout_ms)
    schema.require_current(store)
    return store


def say(text: str) -> None:
    """Print a line for people on stderr."""
    click.echo(text, err=True)


def show_progress(n_done: int, n_all: int) -> None:
    """Show how many pieces of work are done: in place on a terminal, else a line for each tenth."""
    if sys.stderr.isatty():
        click.echo(f"\r{n_done / n_all:4.0%}  {n_done} of {n_all}", err=True, nl=n_done == n_all)
    elif n_done * 10 // n_all != (n_done - 1) * 10 // n_all:
        say(f"{n_done / n_all:4.0%}  {n_done} of {n_all}")


def parse_params(pairs: Sequence[str]) -> dict[str, float]:
    """Return `name=number` pairs as a mapping; raises BadInput naming the wrong one."""
    values: dict[str, float] = {}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        try:
            values[name.strip()] = float(text)
        except ValueError:
            separator = ""
        if not separator or not math.isfinite(values[name.strip()]):
            raise BadInput(f"'{pair[:60]}' is not a parameter", "Write name=number, for example fast=20")
    if len(values) < len(pairs):
        raise BadInput(f"a parameter is given twice in {' '.join(pairs)[:80]}", "Give each one once")
    return values


def parse_date(text: str) -> date:
    """Return the date that `YYYY-MM-DD` means; raises BadInput."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput(f"'{text[:40]}' is not a date", "Write YYYY-MM-DD, for example 2025-03-09") from None


def parse_time(text: str) -> datetime:
    """Return the UTC time of an ISO text with its zone; raises BadInput."""
    try:
        return require_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        remedy = "Write it with its zone, for example 2025-07-13T05:45Z"
        raise BadInput(f"'{text[:40]}' is not a time with a zone", remedy) from None
