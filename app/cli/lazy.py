"""A group of commands whose files are loaded when one of them is called: loading them all would take seconds."""

from collections.abc import Mapping
from importlib import import_module

import click

Commands = Mapping[str, tuple[str, str]]
"""Name of a command, which file of this folder it is in, and its line in the list."""


class LazyGroup(click.Group):
    """Knows its commands by name; subclasses say which in `commands_by_name`."""

    commands_by_name: Commands = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of use."""
        return list(self.commands_by_name)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, its file loaded now; None for an unknown one."""
        if cmd_name not in self.commands_by_name:
            return None
        module, _ = self.commands_by_name[cmd_name]
        found: click.Command = getattr(import_module(f"app.cli.{module}"), cmd_name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in self.commands_by_name.items()])


def lazy(commands: Commands) -> type[LazyGroup]:
    """Return the class of a group of these commands, for `click.group(cls=…)`."""
    return type("Commands", (LazyGroup,), {"commands_by_name": commands})
