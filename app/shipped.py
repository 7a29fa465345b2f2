"""Models that come with the program, for the demo: how they were trained, and how they get into an installation.

`scripts/shipped_models.py` trains them anew by the project's own commands, on a made market of another seed that ends
before the demo's begins. They are bundles like any other: every check at the door, a row in the registry, an event for
each change.
"""

from pathlib import Path

from app.home import Home
from core.clock import Clock
from core.store import Store
from ml.bundle import load_bundle, write_bundle
from ml.features.registry import load_registry
from ml.registry import ModelRegistry

FOLDER = Path(__file__).parent / "shipped_models"
MAX_BYTES = 2_000_000
"""Of all of them together."""
MARKET = ("--seed", "2022", "--start-date", "2022-01-01", "--days", "182")
"""Arguments of `xcrack data make`. The demo's market has another seed and begins on 2023-01-01."""
_NETS = ("--sequence-length", "16", "--epochs", "3", "--batch-size", "1024", "--learning-rate", "0.003")
RECIPES: tuple[tuple[str, ...], ...] = (
    ("--task", "sign", "--model-type", "gru,mlp,xgboost,logistic", *_NETS),
    ("--task", "big_move", "--threshold", "0.002", "--model-type", "mlp,logistic", *_NETS),
)
"""Arguments of `xcrack train`, but for its data: which way the next quarter of an hour goes, and whether it goes more
than 20 bps, on which the size of an expected move rests."""
ACTOR = "shipped"


def shipped_ids(folder: Path = FOLDER) -> tuple[str, ...]:
    """Return the names of the shipped bundles, sorted."""
    return tuple(sorted(path.name for path in folder.iterdir() if path.is_dir()))


def install_shipped(home: Home, store: Store, clock: Clock, folder: Path = FOLDER) -> None:
    """Copy every shipped bundle into the home, enter it into the registry, and let it serve; repeated, change nothing.

    Raises Corrupt or Refused as `ml.bundle.load_bundle`.
    """
    registry, schema_sha256 = ModelRegistry(store, clock, home.models), load_registry().schema_sha256
    for model_id in shipped_ids(folder):
        bundle = load_bundle(folder / model_id, model_id, schema_sha256)
        write_bundle(home.models, bundle.card, bundle.files)
        version = registry.add_candidate(model_id, schema_sha256, ACTOR)
        if version.status == "candidate":
            registry.move(model_id, "active", ACTOR, "ships with the program, for its demo")
