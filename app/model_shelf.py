"""Models for questions about posted bars: opened when first asked for, a few kept, never the worker's."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import BadInput, Corrupt, Unavailable

if TYPE_CHECKING:
    # The runtime takes 40 MB, which only a process that is asked for a prediction needs.
    from feedback.signals.bars import Candle
    from ml.serve import Said, ServedModel

MAX_OPEN = 4


@dataclass(slots=True)
class ModelShelf:
    """For any thread."""

    folder: Path
    _open: "OrderedDict[str, ServedModel]" = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def say(self, sha256: str, symbol: str, candles: "Sequence[Candle]", weights: Mapping[str, float]) -> "Said":
        """Return what a model says of the last of these closed candles, its experts mixed by `weights`, even if none.

        Raises BadInput for candles that cannot be right or are not in order; Unavailable or Refused for the model, one
        that reads other symbols' prices among them.
        """
        from feedback.signals.bars import Screen, Series
        from ml.features.inputs import ALONE, require_inputs
        from ml.features.registry import load_registry
        from ml.features.stream import FeatureStream
        from ml.serve import evaluate

        model = self._model(sha256)
        require_inputs(load_registry(), model.card, [symbol], ALONE)
        interval_ms = model.card.interval_ms
        screen, series = Screen(interval_ms), Series(interval_ms, FeatureStream)
        rows = []
        for at, candle in enumerate(candles):
            if candle.opened_at_ms % interval_ms:
                raise BadInput(f"bar {at} does not open on a multiple of {interval_ms // 1000} s")
            if not screen.passes(candle):
                raise BadInput(
                    f"bar {at} cannot be right", "Each opens later than the one before, with sound prices and volume"
                )
            rows.append(series.add(candle, None, screen.problem))
        return evaluate(model, symbol, rows, weights or None)

    def _model(self, sha256: str) -> "ServedModel":
        from ml.bundle import load_bundle
        from ml.features.registry import load_registry
        from ml.serve import ServedModel

        with self._lock:
            found = self._open.get(sha256)
            if found is None:
                registry = load_registry()
                try:
                    bundle = load_bundle(self.folder / sha256, sha256, registry.schema_sha256)
                except Corrupt as error:
                    raise Unavailable(f"model {sha256[:12]} is damaged and is not asked", error.remedy) from error
                found = ServedModel.open(bundle, registry.names)
                self._open[sha256] = found
                while len(self._open) > MAX_OPEN:
                    self._open.popitem(last=False)
            self._open.move_to_end(sha256)
            return found
