"""The command `xcrack`. Each file holds one family of commands; wiring and work live elsewhere."""

import sys
from collections.abc import Sequence

import click

from app.cli.backtest import backtest, sweep
from app.cli.care import audit, doctor, keys, llm
from app.cli.data import data
from app.cli.engine import engine, kill
from app.cli.learn import cycle, feedback, params, proposals, report, trace
from app.cli.output import exit_code_of
from app.cli.run import demo, replay, up, web, worker
from core.errors import XcrackError

EPILOG = """
Start with `xcrack demo`: the whole loop on a made market, no key, no network. Then `xcrack doctor`.

Exit codes: 0 done, 1 something outside failed, 2 wrong input, 3 refused by a rule, 130 interrupted.
"""


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="xcrack")
def cli() -> None:
    """Run trading strategies around the clock, study them every day, change them only on evidence.

    Everything is simulated unless the settings say otherwise. Settings come from settings.yaml and XCRACK_… variables.
    """


for command in (
    *(demo, up, engine, worker, web, replay, backtest, sweep),
    *(cycle, report, proposals, params, trace, feedback, data, llm),
    *(doctor, audit, keys, kill),
):
    cli.add_command(command)


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
    except XcrackError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(exit_code_of(error))
    sys.exit(0)
