"""Serving: a checked bundle in, one prediction for each symbol and closed bar out. No torch, no scikit-learn."""

from ml.serve.desk import ModelDesk, evaluate
from ml.serve.model import ServedModel
from ml.serve.rows import BarRow
from ml.serve.runtime import Watchdog
from ml.serve.said import Member, Said

__all__ = ["BarRow", "Member", "ModelDesk", "Said", "ServedModel", "Watchdog", "evaluate"]
