"""The option that names a strategy: its help and its completion say what there is."""

import click
from click.shell_completion import CompletionItem

from strategies.schema import is_judged_on_bars, strategy_names, summary_of


class StrategyName(click.ParamType[str]):
    """The name of a strategy that bars can judge; an unknown one is refused by whoever looks it up."""

    name = "strategy"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the strategies that begin like this, with what each does."""
        fitting = [name for name in strategy_names() if name.startswith(incomplete) and is_judged_on_bars(name)]
        return [CompletionItem(name, help=summary_of(name)) for name in fitting]


def _help() -> str:
    judged = [name for name in strategy_names() if is_judged_on_bars(name)]
    others = [name for name in strategy_names() if not is_judged_on_bars(name)]
    return f"One of {', '.join(judged)}. Bars say nothing about {', '.join(others)}."


strategy_option = click.option("--strategy", required=True, type=StrategyName(), metavar="NAME", help=_help())
