"""One symbol under one model, bar by bar: carried states, labels as they become known, weights, and the last answer.

All of it is a function of the model and the rows since the first one, so a start is a replay of recent rows and there
is nothing to store. Labels of rows that the model was fitted on or chosen by settle nothing: only rows after the card's
last bar teach the weights.
"""

from collections import deque

import numpy as np

from market.candles import Floats
from ml.conformal import AdaptiveConformal
from ml.ensemble import Ensemble, Standing
from ml.serve.model import ServedModel
from ml.serve.rows import BarRow
from ml.serve.runtime import Watchdog
from ml.serve.said import Member, Said


class Track:
    """Not for two threads at once; what it gives is immutable."""

    def __init__(self, symbol: str, model: ServedModel, miss_target: float) -> None:
        """Begin before the first row. `miss_target` is the share of labels that the conformal sets may miss."""
        self.symbol, self.model = symbol, model
        self._run, self._carried = model.new_run(), model.new_carried()
        self._ensemble = Ensemble.start(model.names, model.card.horizon_bars - 1)
        self._sets = AdaptiveConformal(target=miss_target)
        self._waiting: deque[tuple[int, float]] = deque()
        self._segment: int | None = None
        self._closed_at_ms = 0
        self.last: Said | None = None
        """The answer about the newest row; a row that comes again is answered from here."""

    def standings(self) -> tuple[Standing, ...]:
        """Return each expert's weight and loss since the first row."""
        return self._ensemble.standings()

    def weights(self) -> Floats:
        """Return the weights (N,) with which members are mixed now."""
        found: Floats = np.array([standing.weight for standing in self.standings()])
        return found

    def advance(self, row: BarRow, watchdog: Watchdog | None = None) -> Said:
        """Take a closed bar: settle what it settles, and say what is expected after it.

        A row of a time that is over is answered with the last answer: nothing is said twice about one bar.
        """
        if self.last is not None and row.closed_at_ms <= self._closed_at_ms:
            return self.last
        if row.segment != self._segment:
            self._segment = row.segment
            self._run.start()
        self._closed_at_ms = row.closed_at_ms
        self._settle(row)
        raw = self.model.columns.raw(row.values)
        self._run.push(raw, self.model.columns.scaled(raw))
        self.last = self._say(row, watchdog)
        return self.last

    def _settle(self, row: BarRow) -> None:
        """Teach the mixture and the sets the labels that are known now; one whose bar never came is never known."""
        while self._waiting and self._waiting[0][0] <= row.closed_at_ms:
            due_ms, close = self._waiting.popleft()
            is_known = due_ms == row.closed_at_ms and not row.problem
            label = self.model.label(close, row.close) if is_known else float("nan")
            self._ensemble.settle(label)
            self._sets.settle(label)

    def _say(self, row: BarRow, watchdog: Watchdog | None) -> Said:
        model = self.model
        if row.closed_at_ms <= model.card.end_at_ms:
            return self._silent(row, (), "the model was fitted on this bar")
        p, left_out = model.ask(self._run, self._carried, watchdog)
        silence = row.problem or model.silence(self._run, p)
        if silence:
            return self._silent(row, _members(model.names, p, np.zeros(len(p)), left_out), silence)
        forecast = self._ensemble.predict(p)
        side = self._sets.predict(forecast.probability)
        self._waiting.append((row.closed_at_ms + model.horizon_ms, row.close))
        return Said(
            symbol=self.symbol,
            interval_ms=model.card.interval_ms,
            at_ms=row.closed_at_ms,
            close=row.close,
            model_sha256=model.sha256,
            task=model.card.task,
            horizon_ms=model.horizon_ms,
            probability=forecast.probability,
            side=side,
            members=_members(model.names, p, forecast.weights, left_out),
            reasons=model.reasons(self._run),
            silence="" if side in ("up", "down") else f"the conformal set is '{side}'",
        )

    def _silent(self, row: BarRow, members: tuple[Member, ...], why: str) -> Said:
        card = self.model.card
        return Said(
            symbol=self.symbol,
            interval_ms=card.interval_ms,
            at_ms=row.closed_at_ms,
            close=row.close,
            model_sha256=self.model.sha256,
            task=card.task,
            horizon_ms=self.model.horizon_ms,
            probability=None,
            side=None,
            members=members,
            reasons=(),
            silence=why,
        )


def _members(names: tuple[str, ...], p: Floats, weights: Floats, left_out: tuple[str, ...]) -> tuple[Member, ...]:
    return tuple(
        Member(name, float(value) if np.isfinite(value) else None, float(weight), why)
        for name, value, weight, why in zip(names, p, weights, left_out, strict=False)
    )
