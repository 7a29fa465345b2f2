"""What the trainer is asked to do, as one JSON text that its parent hands it, and what it answers, line by line."""

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

Positive = Annotated[int, Meta(ge=1)]


@dataclass(frozen=True, slots=True)
class TrainPlan:
    """One training: a line-up of models on tables of features for one question. Equal plans give equal bundles."""

    tables: tuple[str, ...]
    """Files that `ml.train.tables.save_table` wrote."""
    work: str
    """Folder of checkpoints; a run of the same plan goes on with those it finds."""
    bundles: str
    """Folder that takes the bundle."""
    task: Literal["sign", "big_move", "move_over_sigma", "pays_long", "pays_short"]
    horizon_bars: Positive
    threshold: float
    """Of a big move (0.02 is 2 %), in sigmas, or what a side costs (0.002 is 20 bps); 0 for a sign."""
    models: tuple[str, ...]
    code_sha256: str
    trained_at_ms: int
    seed: Annotated[int, Meta(ge=0, lt=2**31)] = 7
    sequence_length: Annotated[int, Meta(ge=2, le=512)] | None = None
    """Rows that LSTM, GRU and Transformer read; None for their own."""
    epochs: Positive = 30
    batch_size: Positive = 256
    learning_rate: Annotated[float, Meta(gt=0, le=1)] = 1e-3
    patience: Positive = 5
    embargo_bars: Annotated[int, Meta(ge=0)] = 24
    trials: Annotated[int, Meta(ge=0, le=500)] = 0
    """Searches a net's width, dropout and learning rate with so many fits; 0 takes the given ones."""
    earlier_trials: Annotated[int, Meta(ge=0)] = 0
    """Trials that the ledger knows of this question already."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Positive = 1
    memory_mb: Positive | None = None
    """Most memory that the process may take; beyond it the training fails and nothing else does."""


@dataclass(frozen=True, slots=True)
class Told:
    """One line from the trainer to its parent."""

    kind: Literal["started", "epoch", "trial", "fitted", "done", "failed"]
    model: str = ""
    number: int = 0
    """Of the epoch or trial."""
    n_all: int = 0
    train_loss: float = 0.0
    valid_loss: float = 0.0
    sha256: str = ""
    """Of the bundle, when done."""
    trials: int = 0
    reason: str = ""
    remedy: str = ""
    is_input: bool = False
    """Whether what was given is at fault."""
