"""The command `xcrack`. Each file holds one family of commands; wiring and work live elsewhere."""

import sys
from collections.abc import Sequence

import click

from app.cli.lazy import lazy
from core.errors import XcrackError

EPILOG = """
Start with `xcrack demo`: the whole loop on a made market, no key, no network. Then `xcrack doctor`.

Exit codes: 0 done, 1 something outside failed, 2 wrong input, 3 refused by a rule, 130 interrupted.
"""
COMMANDS = {
    "demo": ("demo", "Run the whole loop on a made market: no key, no network."),
    "up": ("run", "Start engine, worker and web under one supervisor."),
    "status": ("watch", "Where engine, worker, web and supervisor stand."),
    "logs": ("watch", "What the processes say; -f follows them."),
    "engine": ("engine", "Talk to the trading engine itself: status, halt, resume, …"),
    "worker": ("run", "Run the worker; exactly one per store."),
    "web": ("run", "Serve dashboard and API from the store."),
    "replay": ("replay", "Run the loop on a virtual clock over recorded bars."),
    "backtest": ("backtest", "Run one strategy over recorded candles."),
    "sweep": ("backtest", "Run every combination of a grid and list them."),
    "cycle": ("learn", "Ask the worker for a cycle now, instead of at its hour."),
    "report": ("learn", "Print a report that a cycle wrote."),
    "proposals": ("learn", "Proposed changes: what became of them and why."),
    "canary": ("canary", "Accepted changes on their way to the whole capital."),
    "advisor": ("advisor", "What the advisor answered on large orders, and what that was worth."),
    "scorecard": ("scorecard", "How good suggestions, changes and the gate were, less placebos."),
    "cost": ("cost", "What the language model cost, beside its caps, and what came of it."),
    "params": ("learn", "Parameters in force, their history, and the way back."),
    "requests": ("requests", "What people asked of the worker, and what became of it."),
    "trace": ("learn", "Print the chain an id is part of, from trade to trade."),
    "feedback": ("learn", "Leave a note on a trade, a proposal or a strategy."),
    "gate": ("gate", "The promotion gate itself: how often it is wrong."),
    "train": ("train", "Train models on recorded candles; the result is a candidate."),
    "models": ("models", "Trained models: candidates, what serves, what became of the others."),
    "data": ("data", "Candles: import, download, check."),
    "ml": ("ml", "The models: judge them on candle files."),
    "llm": ("care", "The analyzer's LLM: check it."),
    "doctor": ("care", "Check everything that must be right."),
    "audit": ("care", "The tamper-evident record of who changed what."),
    "keys": ("care", "API keys: create, list, revoke."),
    "kill": ("engine", "Halt and close every position at the market."),
}
"""Name, and in which file of this folder it is; loading them all would take seconds, and the list needs none."""


@click.group(
    cls=lazy(COMMANDS),
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(package_name="xcrack")
def cli() -> None:
    """Run trading strategies around the clock, study them every day, change them only on evidence.

    Everything is simulated unless the settings say otherwise. Settings come from settings.yaml and XCRACK_… variables.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit; errors of the house become one line on stderr."""
    try:
        cli.main(args=arguments, prog_name="xcrack", standalone_mode=False)
    except click.exceptions.Exit as leave:
        sys.exit(leave.exit_code)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read the output has enough, as `head` does; the interpreter must not complain while it flushes.
        sys.stdout = None
        sys.exit(1)
    except OSError as error:
        click.echo(f"error: {error.filename or 'the system'}: {error.strerror or error}", err=True)
        sys.exit(1)
    except XcrackError as error:
        from app.cli.output import exit_code_of

        click.echo(f"error: {error}", err=True)
        sys.exit(exit_code_of(error))
    sys.exit(0)
