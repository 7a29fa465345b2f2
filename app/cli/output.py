"""How commands talk: JSON for machines on stdout, tables for people, progress on stderr."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table

from core.errors import BadInput, Conflict, Refused, XcrackError
from core.log import configure_logging
from core.settings import Settings, load_settings
from core.store import Store, open_store, schema

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
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*[str(cell) for cell in row])
    if table.row_count:
        Console(file=sys.stdout, highlight=False, markup=False, soft_wrap=False).print(table)
    else:
        print(empty)


def start() -> Settings:
    """Return the settings in force with logging set up."""
    settings = load_settings()
    configure_logging(settings.log_level)
    return settings


def open_current_store(settings: Settings) -> Store:
    """Return the store after checking that its schema is this version's. Raises BadInput when there is none yet."""
    store = open_store(settings.store_url, settings.store.busy_timeout_ms)
    if store.is_sqlite and not (settings.home / "xcrack.db").is_file() and not settings.store.url:
        raise BadInput(
            f"there is no store in {settings.home}", "Run `make run` or `xcrack up` first, or set XCRACK_HOME"
        )
    schema.require_current(store)
    return store


def say(text: str) -> None:
    """Print a line for people on stderr."""
    click.echo(text, err=True)


def parse_params(pairs: Sequence[str]) -> dict[str, float]:
    """Return `name=number` pairs as a mapping; raises BadInput naming the wrong one."""
    values: dict[str, float] = {}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        try:
            values[name.strip()] = float(text)
        except ValueError:
            separator = ""
        if not separator:
            raise BadInput(f"'{pair}' is not a parameter", "Write name=number, for example fast=20")
    return values
