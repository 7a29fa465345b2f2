"""Where an installation keeps its files."""

from dataclasses import dataclass
from pathlib import Path

from core.errors import BadInput

MARK = ".xcrack-run"
"""An empty file in the home of a demo or a replay, there from its first moment on: such a home may be emptied."""
_PARTS = {
    MARK, "audit.head", "bars", "bridge.secret", "context.parquet", "demo.json", "engine", "engine.json", "engine.log",
    "feed.npy", "logs", "models", "plan.json", "predictions", "supervisor.json", "ticks", "training", "web.secret",
    "worker.lock", "xcrack.db", "xcrack.db-journal",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Home:
    """The directory of one installation: database, bars, engine state, secrets."""

    path: Path

    @property
    def bars(self) -> Path:
        """The bar archive."""
        return self.path / "bars"

    @property
    def predictions(self) -> Path:
        """What models said, beside the bars."""
        return self.path / "predictions"

    @property
    def engine(self) -> Path:
        """The engine's state: journal, lock, control socket, configuration."""
        return self.path / "engine"

    @property
    def engine_config(self) -> Path:
        """The engine's configuration, written by the roots."""
        return self.path / "engine.json"

    @property
    def logs(self) -> Path:
        """What each process says."""
        return self.path / "logs"

    @property
    def supervision(self) -> Path:
        """What the supervisor runs, written by it."""
        return self.path / "supervisor.json"

    @property
    def feed(self) -> Path:
        """The bars that the engine plays."""
        return self.path / "feed.npy"

    @property
    def context(self) -> Path:
        """Recorded context, where the installation has some."""
        return self.path / "context.parquet"

    @property
    def audit_head(self) -> Path:
        """The anchors of audit chain and trial ledger, outside the database."""
        return self.path / "audit.head"

    @property
    def bridge_secret(self) -> Path:
        """The secret that worker and engine share."""
        return self.path / "bridge.secret"

    @property
    def models(self) -> Path:
        """The bundles of trained models, each in a folder named by its hash."""
        return self.path / "models"

    @property
    def training(self) -> Path:
        """What the trainer keeps while it works: tables and checkpoints."""
        return self.path / "training"

    def foreign(self) -> str | None:
        """Return the name of something in the directory that is no part of an installation, or None."""
        return next((path.name for path in sorted(self.path.iterdir()) if path.name not in _PARTS), None)

    def create(self) -> "Home":
        """Make the directory; raises BadInput when it cannot be written."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            remedy = "Set XCRACK_HOME to a writable place, or name another one with --home where a command has it"
            raise BadInput(f"cannot use {self.path} as home: {error.strerror}", remedy) from None
        return self
