"""Which model speaks about bars of one length, and how another one takes its place while it is asked.

A new bundle is read, checked, opened and led over the recent rows beside the one that serves; then one reference is
changed. Whoever asks takes that reference once, so every answer is of exactly one bundle.
"""

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import BadInput, UnknownName
from market.candles import Floats
from ml.bundle import Bundle
from ml.ensemble import Standing
from ml.serve.model import ServedModel
from ml.serve.rows import BarRow
from ml.serve.runtime import Watchdog
from ml.serve.said import Said
from ml.serve.track import Track, _members

KEEP_ROWS = 2_048
"""Rows of a symbol that a new model is led over before it speaks."""
MAX_POSTED = 4_096


@dataclass(frozen=True, slots=True, eq=False)
class _Serving:
    """One model with its tracks; replaced whole."""

    model: ServedModel
    tracks: dict[str, Track]
    """Written by the one who feeds, under the desk's lock."""


class ModelDesk:
    """`feed` and `install` for any thread, one at a time inside; `latest` and `evaluate` never wait for them."""

    def __init__(
        self,
        registry_names: tuple[str, ...],
        watchdog: Watchdog | None = None,
        miss_target: float = 0.1,
        keep_rows: int = KEEP_ROWS,
        rows: Mapping[str, Sequence[BarRow]] | None = None,
    ) -> None:
        """Serve nothing yet. `registry_names` are the columns of the rows that will be fed, `rows` those known."""
        self._names, self._watchdog, self._miss_target = registry_names, watchdog, miss_target
        self._keep_rows = keep_rows
        self._rows: dict[str, deque[BarRow]] = {}
        self._serving: _Serving | None = None
        for symbol, known in (rows or {}).items():
            self._rows[symbol] = deque(known, maxlen=keep_rows)
        self._feeding = threading.Lock()
        self._installing = threading.Lock()

    @property
    def model(self) -> ServedModel | None:
        """The model that serves now."""
        serving = self._serving
        return None if serving is None else serving.model

    def install(self, bundle: Bundle) -> ServedModel:
        """Let the bundle serve from the next answer on. Raises Refused as `ServedModel.open`; nothing changes then."""
        with self._installing:
            model = ServedModel.open(bundle, self._names)
            with self._feeding:
                known = {symbol: tuple(rows) for symbol, rows in self._rows.items()}
            fresh = _Serving(model, {symbol: self._led(symbol, model, rows) for symbol, rows in known.items()})
            with self._feeding:
                for symbol, rows in self._rows.items():
                    self._catch_up(fresh, symbol, rows)
                self._serving = fresh
            return model

    def retire(self) -> None:
        """Serve nothing from now on."""
        with self._feeding:
            self._serving = None

    def feed(self, symbol: str, row: BarRow) -> Said | None:
        """Take a symbol's next closed bar and return what is said of it; None while no model serves."""
        with self._feeding:
            rows = self._rows.setdefault(symbol, deque(maxlen=self._keep_rows))
            if not rows or row.closed_at_ms > rows[-1].closed_at_ms:
                rows.append(row)
            serving = self._serving
            if serving is None:
                return None
            track = serving.tracks.get(symbol)
            if track is None:
                track = serving.tracks[symbol] = Track(symbol, serving.model, self._miss_target)
            return track.advance(row, self._watchdog)

    def latest(self, symbol: str) -> Said:
        """Return the newest answer about a symbol. Raises UnknownName before there is one."""
        serving = self._serving
        track = None if serving is None else serving.tracks.get(symbol)
        said = None if track is None else track.last
        if said is None:
            raise UnknownName(f"nothing was said of {symbol} yet", "Is a model served, and do its bars come?")
        return said

    def standings(self, symbol: str) -> tuple[Standing, ...]:
        """Return weight and loss of each expert on a symbol; empty before there are any."""
        with self._feeding:
            serving = self._serving
            track = None if serving is None else serving.tracks.get(symbol)
            return () if track is None else track.standings()

    def evaluate(self, symbol: str, rows: Sequence[BarRow], weights: Mapping[str, float] | None = None) -> Said:
        """Return what the model says of the last of `rows`, which need not be a fed symbol's; nothing is remembered.

        `weights` mix the experts by name, evenly without them. Raises BadInput for no rows or too many, and UnknownName
        while nothing is served.
        """
        serving = self._serving
        if serving is None:
            raise UnknownName("no model is served for bars of this length", "Train one, or name one in models.serve")
        return evaluate(serving.model, symbol, rows, weights, self._watchdog)

    def _led(self, symbol: str, model: ServedModel, rows: Sequence[BarRow]) -> Track:
        track = Track(symbol, model, self._miss_target)
        for row in rows:
            track.advance(row)
        return track

    def _catch_up(self, fresh: _Serving, symbol: str, rows: Sequence[BarRow]) -> None:
        """Lead the new model over the rows that came while it was being led over the others."""
        track = fresh.tracks.get(symbol)
        if track is None:
            track = fresh.tracks[symbol] = Track(symbol, fresh.model, self._miss_target)
        at_ms = 0 if track.last is None else track.last.at_ms
        for row in rows:
            if row.closed_at_ms > at_ms:
                track.advance(row)


def evaluate(
    model: ServedModel,
    symbol: str,
    rows: Sequence[BarRow],
    weights: Mapping[str, float] | None = None,
    watchdog: Watchdog | None = None,
) -> Said:
    """See `ModelDesk.evaluate`."""
    if not 0 < len(rows) <= MAX_POSTED:
        raise BadInput(f"{len(rows)} bars are given", f"Give 1 to {MAX_POSTED}")
    run, last = model.new_run(), rows[-1]
    unbroken = [row for row in rows if row.segment == last.segment]
    for row in unbroken:
        raw = model.columns.raw(row.values)
        run.push(raw, model.columns.scaled(raw))
    p, left_out = model.ask(run, model.new_carried(), watchdog)
    silence = last.problem or model.silence(run, p)
    given = np.array([1.0 if weights is None else weights.get(name, 0.0) for name in model.names])
    used = np.where(np.isfinite(p), given, 0.0)
    if not silence and used.sum() <= 0:
        silence = "the experts that speak have no weight"
    probability: float | None = None
    mixed: Floats = np.zeros(len(p))
    if not silence:
        mixed = used / used.sum()
        probability = float(mixed @ np.where(np.isfinite(p), p, 0.0))
    return Said(
        symbol=symbol,
        interval_ms=model.card.interval_ms,
        at_ms=last.closed_at_ms,
        close=last.close,
        model_sha256=model.sha256,
        task=model.card.task,
        horizon_ms=model.horizon_ms,
        probability=probability,
        side=None,
        members=_members(model.names, p, mixed, left_out),
        reasons=() if silence else model.reasons(run),
        silence=silence,
    )
