"""How a training goes, as bars on a terminal and as lines elsewhere."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from app.cli.output import say
from ml.train.plan import Told


class TrainProgress:
    """One progress bar for the models and one for the epochs, on stderr; plain lines where that is no terminal."""

    def __init__(self, quiet: bool) -> None:
        self._console = Console(stderr=True)
        self._is_plain = not self._console.is_terminal and not quiet
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bars = Progress(*columns, console=self._console, disable=quiet or not self._console.is_terminal)
        self._models = self._bars.add_task("models", total=None)
        self._epochs = self._bars.add_task("epochs", total=None)

    def __enter__(self) -> "TrainProgress":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def show(self, told: Told) -> None:
        """Show what the trainer says."""
        if told.kind == "started":
            self._bars.update(self._models, description=told.model, total=told.n_all, completed=told.number - 1)
            self._bars.reset(self._epochs)
            if self._is_plain:
                say(f"{told.model}: model {told.number} of {told.n_all}")
        elif told.kind == "epoch":
            losses = f"loss {told.train_loss:.4f}, later bars {told.valid_loss:.4f}"
            self._bars.update(self._epochs, description=losses, total=told.n_all, completed=told.number)
        elif told.kind == "trial" and self._is_plain:
            say(f"{told.model}: trial {told.number} of {told.n_all}, loss {told.valid_loss:.4f}")
        elif told.kind == "fitted":
            self._bars.update(self._models, completed=told.number)
