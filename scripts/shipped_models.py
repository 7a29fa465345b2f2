"""Train the models that ship with the program anew, by the project's own commands, and replace those in the tree.

Needs the trainer's packages (`make train-tools`). The recipes are in `app/shipped.py`; a test compares what they give
now with the cards that ship.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from app.shipped import FOLDER, MARKET, RECIPES


def main() -> None:
    """Replace every shipped bundle, once all of them are trained."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        candles = make_market(work)
        for recipe in RECIPES:
            train(recipe, candles, work, work / "bundles")
        shutil.rmtree(FOLDER, ignore_errors=True)
        shutil.copytree(work / "bundles", FOLDER)


def make_market(work: Path) -> list[Path]:
    """Write the market that they learn from, and return its files."""
    xcrack(work, "data", "make", "--out", str(work / "market"), *MARKET)
    return sorted((work / "market").glob("*.parquet"))


def train(recipe: tuple[str, ...], candles: list[Path], work: Path, out: Path) -> None:
    """Train one bundle into `out`."""
    files = [part for path in candles for part in ("--data", str(path))]
    xcrack(work, "train", *files, *recipe, "--device", "cpu", "--out", str(out))


def xcrack(work: Path, *arguments: str) -> None:
    """Run a command with a home of its own."""
    print("xcrack", *arguments, flush=True)
    environment = {**os.environ, "XCRACK_HOME": str(work / "home")}
    subprocess.run([sys.executable, "-m", "app.cli", *arguments], check=True, env=environment)


if __name__ == "__main__":
    main()
