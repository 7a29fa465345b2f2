"""Straight to the engine: these work with Python's worker, the database and the web all dead."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click

from app.cli.output import start
from app.home import Home
from core.errors import BadInput
from core.settings import Settings


def _call(settings: Settings, *arguments: str) -> None:
    """Run the engine's binary and exit as it exits."""
    binary = _binary(settings)
    sys.exit(subprocess.run([str(binary), *arguments], check=False).returncode)


def _binary(settings: Settings) -> Path:
    if not settings.engine.binary.is_file():
        raise BadInput(f"the engine {settings.engine.binary} is not built", "Run make engine")
    return settings.engine.binary


def _state_dir(settings: Settings) -> str:
    return str(Home(settings.home).engine)


def _config(settings: Settings) -> Path:
    config = Home(settings.home).engine_config
    if not config.is_file():
        raise BadInput(
            f"there is no engine configuration at {config}", "Run `xcrack up` or `xcrack demo` once; it writes one"
        )
    return config


@click.group()
def engine() -> None:
    """Talk to the trading engine itself.

    status, halt, reduce, resume and kill go over the engine's own socket in its state directory. A halt is latched:
    only `resume` by a named person releases it.
    """


@engine.command("run")
@click.option("--strategies", metavar="NAMES", help="Run only the configured instances of these, separated by commas.")
def engine_run(strategies: str | None) -> None:
    """Run the engine in the foreground on the configuration that `xcrack up` or `xcrack demo` wrote.

    \b
    xcrack engine run --strategies predictive,micro_arbitrage
    """
    settings = start()
    config, binary = _config(settings), _binary(settings)
    chosen = ["--strategies", strategies] if strategies else []
    os.execv(binary, [str(binary), "run", "--config", str(config), *chosen])


@engine.command("status")
@click.option("--json", "as_json", is_flag=True, help="JSON also on a terminal; a pipe always gets JSON.")
def engine_status(as_json: bool) -> None:
    """Print state and what stopped it, positions, parameter versions, latencies and market time of the engine."""
    settings = start()
    _call(settings, "status", "--state-dir", _state_dir(settings), *(["--json"] if as_json else []))


def _words(at_most: int) -> Callable[[click.Context, click.Parameter, str], str]:
    """Return a check for words that a journal keeps for good: some, and not too many."""

    def check(_: click.Context, __: click.Parameter, value: str) -> str:
        if not value.strip():
            raise click.BadParameter("it must not be blank: the journal keeps who gave an order, and why")
        if len(value) > at_most:
            raise click.BadParameter(f"it has {len(value)} characters, at most {at_most} are kept")
        return value

    return check


def _operator_command(name: str, summary: str, why: str, group: str = "engine ") -> click.Command:
    @click.command(name, help=f"{summary}\n\n\b\nxcrack {group}{name} --by ann --reason '{why}'")
    @click.option("--by", required=True, callback=_words(100), help="Who you are; kept in the journal.")
    @click.option("--reason", required=True, callback=_words(500), help="Why; kept in the journal.")
    def command(by: str, reason: str) -> None:
        settings = start()
        _call(settings, name, "--state-dir", _state_dir(settings), "--by", by, "--reason", reason)

    return command


_HALT = "Open nothing new, cancel what rests. Latched until `resume`."
_KILL = "Halt and close every position at the market"
engine.add_command(_operator_command("halt", _HALT, "the venue answers late"))
engine.add_command(_operator_command("reduce", "Only let positions shrink. Latched until `resume`.", "much news"))
engine.add_command(_operator_command("resume", "Trade again after a halt or a reduction.", "the venue is well again"))
engine.add_command(_operator_command("kill", f"{_KILL}.", "fills that nobody ordered"))
kill = _operator_command("kill", f"{_KILL}: the same as `xcrack engine kill`.", "fills that nobody ordered", "")


@engine.group("journal", invoke_without_command=True)
@click.option("--verify", is_flag=True, help="The same as `journal verify`.")
@click.pass_context
def engine_journal(context: click.Context, verify: bool) -> None:
    """Print the engine's journal: every input it acted on, in order."""
    if context.invoked_subcommand is None:
        settings = start()
        _call(settings, "journal", *(["verify"] if verify else []), "--state-dir", _state_dir(settings))


@engine_journal.command("verify")
def journal_verify() -> None:
    """Check the hash chain and name the first bad record."""
    settings = start()
    _call(settings, "journal", "verify", "--state-dir", _state_dir(settings))


@engine_journal.command("replay")
def journal_replay() -> None:
    """Play the journal again without touching it and print the hash of every action."""
    settings = start()
    _call(settings, "journal", "replay", "--config", str(_config(settings)))
