"""The models: how good they are on files that they have never seen."""

import click

from app.cli.lazy import lazy

COMMANDS = {
    "status": ("ml_status", "Whether models speak, how right they were, and how each task is."),
    "explain": ("ml_explain", "Tell which features moved a prediction, and by how much."),
    "trials": ("ml_life", "Models in shadow beside those that serve: bars, evidence, accuracy."),
    "promote": ("ml_life", "Let a model serve in place of the active one."),
    "rollback": ("ml_life", "Bring back the model that served before."),
    "features": ("ml_features", "List what the models see, or work it out for candle files."),
    "evaluate": ("ml_evaluate", "Judge the models on candle files, against baselines, purged and out of sample."),
    "patterns": ("ml_patterns", "Measure what chart and candle patterns were worth, beside other times."),
}
"""Name, and in which file of this folder it is: each loads libraries that the others need not."""


@click.group(cls=lazy(COMMANDS))
def ml() -> None:
    """The models: how good they are, on any candles, and what they see."""
