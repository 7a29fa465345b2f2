"""Every closed bar in, predictions out: kept, offered to the engine, and settled when their horizon is over.

`on_bars` is called with each base bar's close in order, for all symbols together, by one thread at a time: in the
worker by a thread of its own, on a virtual clock by the driver before the next bar is played. What it says is a
function of the bars and the bundles. The rows are committed before anything is sent: a kill in between loses a signal
that a second call for the same bar sends again under the same id, on which the engine acts once.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from core.errors import Refused
from core.log import get_logger
from core.model.generated import Prediction
from core.model.prediction import PredictionOutcome, PredictionRecord
from core.store import Session, Store, predictions
from feedback.signals.bars import Aggregator, Candle, MakeFeatures, Screen, Series
from feedback.signals.fusion import Fuser
from feedback.signals.market_view import HourlyRegime, Volatility
from feedback.signals.records import (
    MarketFacts,
    Voice,
    fused_voice,
    implied_volatility_bps,
    message_of,
    record_fused,
    record_said,
    voice_of,
)
from market.candles import Floats, from_ms, interval_name
from market.regimes import HOUR_MS
from ml.bundle import Bundle, ModelCard
from ml.labels import closing_label
from ml.serve import BarRow, ModelDesk, Said, ServedModel, Watchdog
from ml.serve.model import TASKS

Extras = Callable[[str, int, int, Mapping[str, Sequence[Candle]]], Floats | None]
"""Takes symbol, interval, opening time and the last two candles of every symbol of that interval; gives the inputs
beside the candle."""
INTERVALS_MS = (60_000, 300_000, 900_000, 3_600_000)
"""Bars that models may speak about, where they consist of whole base bars."""
MAX_UNKEPT = 10_000
"""Bars that wait for a store that does not answer: a week of minutes."""
KEEP_ROWS = 768
"""Bars of each interval that a new model is led over before it speaks."""
Slot = tuple[int, str, int]
"""Interval in milliseconds, label, and horizon in bars: what one bundle at a time speaks about."""


@dataclass(slots=True)
class Counts:
    """What happened since the start."""

    n_bars: int = 0
    n_predictions: int = 0
    n_sent: int = 0
    n_refused_signals: int = 0
    """Those that the bridge did not take: too late, or too many waiting."""
    n_refused_candles: int = 0
    silences: Counter[str] = field(default_factory=Counter)
    """Bars of which nothing was said, by the reason."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Experts that were left out of a bar, by name and reason."""


@dataclass(slots=True)
class _Symbol:
    """What is carried for one symbol."""

    screen: Screen
    series: dict[int, Series]
    aggregators: dict[int, Aggregator]
    volatility: Volatility
    regime: HourlyRegime
    newest: dict[int, list[Candle]] = field(default_factory=dict)
    """The last two candles of every interval."""
    said: dict[Slot, Said] = field(default_factory=dict)
    fuser: Fuser | None = None


@dataclass(frozen=True, slots=True)
class _Read:
    """What one closing time gave."""

    closed_at_ms: int
    records: list[PredictionRecord]
    closes: dict[str, float | None]
    """By symbol whose bar came; None where it is not to be believed."""


class Listener(Protocol):
    """Hears the rows and what was said of each closing time, bars of the past included. It must not raise."""

    def on_row(self, symbol: str, interval_ms: int, row: BarRow) -> None:
        """Take a row before the models speak of it."""
        ...

    def on_close(self, closed_at_ms: int, records: Sequence[PredictionRecord]) -> None:
        """Take what was said of all bars of one closing time."""
        ...


class SignalRoom:
    """See the head of this file."""

    def __init__(
        self,
        store: Store,
        symbols: Sequence[str],
        base_ms: int,
        feature_names: tuple[str, ...],
        make_features: MakeFeatures,
        send: Callable[[Prediction], object],
        *,
        order_notional: float,
        miss_target: float = 0.1,
        watchdog: Watchdog | None = None,
        extras: Extras = lambda *_: None,
        require_inputs: Callable[[ModelCard], None] = lambda _: None,
    ) -> None:
        """Serve nothing yet. `order_notional` is the largest order that the limits let through, in quote currency.

        `require_inputs` raises Refused for a model whose columns would be of other inputs here than in its training.
        """
        self._store, self._send, self._extras, self._require_inputs = store, send, extras, require_inputs
        self.symbols, self.base_ms = tuple(symbols), base_ms
        self._order_notional, self._miss_target = order_notional, miss_target
        self.intervals_ms = tuple(ms for ms in INTERVALS_MS if ms % base_ms == 0)
        self._names, self._watchdog = feature_names, watchdog
        self._desks: dict[Slot, ModelDesk] = {}
        self._rows: dict[int, dict[str, deque[BarRow]]] = {ms: {} for ms in self.intervals_ms}
        self._lock = threading.Lock()
        """Held while rows are added and while a desk that was made of them takes its place."""
        self._states = {
            symbol: _Symbol(
                screen=Screen(base_ms),
                series={ms: Series(ms, make_features) for ms in self.intervals_ms},
                aggregators={ms: Aggregator(base_ms, ms) for ms in self.intervals_ms},
                volatility=Volatility(base_ms),
                regime=HourlyRegime(),
            )
            for symbol in self.symbols
        }
        self._unkept: deque[_Read] = deque(maxlen=MAX_UNKEPT)
        self.listeners: tuple[Listener, ...] = ()
        self.counts = Counts()
        self._n_unsent = 0
        """Since the last one that was."""
        self.reached_ms = 0
        """Close of the newest bar that was read."""

    def install(self, bundle: Bundle) -> None:
        """Let a bundle speak from the next bar on, in place of the one for its bars and label. For any thread.

        Raises Refused for bars that are none of `intervals_ms`, for inputs that are not those of its training, and as
        `ModelDesk.install`; what spoke goes on then.
        """
        card = bundle.card
        if card.interval_ms not in self.intervals_ms or card.task not in TASKS:
            known = ", ".join(interval_name(ms) for ms in self.intervals_ms)
            raise Refused(
                f"model {bundle.sha256[:12]} predicts {card.task} of bars of {interval_name(card.interval_ms)}",
                f"Here models speak of {' or '.join(sorted(TASKS))} and bars of {known or 'no length at all'}",
            )
        self._require_inputs(card)
        slot = (card.interval_ms, card.task, card.horizon_bars)
        with self._lock:
            desk = self._desks.get(slot)
            if desk is None:
                rows = self._rows[card.interval_ms]
                desk = ModelDesk(self._names, self._watchdog, self._miss_target, KEEP_ROWS, rows)
                self._desks = {**self._desks, slot: desk}
        desk.install(bundle)

    def retire(self, sha256: str) -> None:
        """Let a bundle fall silent, if it speaks."""
        for desk in self._desks.values():
            if desk.model is not None and desk.model.sha256 == sha256:
                desk.retire()

    def served(self) -> dict[Slot, str]:
        """Return the SHA-256 of the bundle that speaks, by slot."""
        return {slot: desk.model.sha256 for slot, desk in sorted(self._desks.items()) if desk.model is not None}

    def models(self) -> tuple[ServedModel, ...]:
        """Return the models that speak now, by slot."""
        return tuple(desk.model for _, desk in sorted(self._desks.items()) if desk.model is not None)

    def last_kept_at(self) -> datetime | None:
        """Return the close of the newest bar that a kept prediction is about."""
        with self._store.session() as session:
            newest = predictions.latest(session, 1)
        return newest[0].at if newest else None

    def warm_up(self, closed_at_ms: int, candles: Mapping[str, Candle]) -> None:
        """Read bars of the past: everything is learned from them, and nothing is kept or sent."""
        read = self._read(closed_at_ms, candles)
        for listener in self.listeners:
            listener.on_close(closed_at_ms, read.records)

    def on_bars(self, closed_at_ms: int, candles: Mapping[str, Candle]) -> tuple[PredictionRecord, ...]:
        """Read the base bars that closed at one time, and return what is said of them, kept and sent.

        What could not be kept, since the store did not answer, is kept and returned with the next bars.
        """
        self._unkept.append(self._read(closed_at_ms, candles))
        with self._store.session() as session:
            for read in self._unkept:
                self._settle(session, from_ms(read.closed_at_ms), read.closes)
                predictions.add_new(session, read.records)
        kept = tuple(self._unkept)
        self._unkept.clear()
        records = tuple(record for read in kept for record in read.records)
        self.counts.n_predictions += len(records)
        for record in records:
            if record.is_sent:
                self._offer(record)
        for read in kept:
            for listener in self.listeners:
                listener.on_close(read.closed_at_ms, read.records)
        return records

    def _offer(self, record: PredictionRecord) -> None:
        try:
            self._send(message_of(record))
        except Refused as error:
            self.counts.n_refused_signals += 1
            self._n_unsent += 1
            # Said once, however many follow: after a long downtime every missed bar brings some.
            if self._n_unsent == 1:
                get_logger("signals").warning("predictions are not sent", symbol=record.symbol, reason=error.message)
        else:
            self.counts.n_sent += 1
            if self._n_unsent:
                get_logger("signals").info("predictions are sent again", n_not_sent=self._n_unsent)
                self._n_unsent = 0

    def _read(self, closed_at_ms: int, candles: Mapping[str, Candle]) -> "_Read":
        """Take the bars of one time into every series, longer intervals first complete here, then ask every desk."""
        self.reached_ms = max(self.reached_ms, closed_at_ms)
        self.counts.n_bars += len(candles)
        fresh: dict[int, dict[str, Candle]] = {}
        read: dict[str, Candle] = {}
        for symbol in self.symbols:
            candle = candles.get(symbol)
            if candle is None:
                continue
            if not self._states[symbol].screen.passes(candle):
                self.counts.n_refused_candles += 1
                continue
            read[symbol] = candle
            self._take(symbol, candle, closed_at_ms, fresh)
        records: list[PredictionRecord] = []
        for interval_ms in sorted(fresh):
            peers = {symbol: self._states[symbol].newest[interval_ms] for symbol in fresh[interval_ms]}
            for symbol, candle in fresh[interval_ms].items():
                records += self._ask(symbol, interval_ms, candle, peers)
        for symbol, candle in read.items():
            records += self._fuse(symbol, closed_at_ms, candle.close)
        sound = {symbol: one.close for symbol, one in read.items() if not self._states[symbol].screen.problem}
        return _Read(closed_at_ms, records, {symbol: sound.get(symbol) for symbol in candles})

    def _take(self, symbol: str, candle: Candle, closed_at_ms: int, fresh: dict[int, dict[str, Candle]]) -> None:
        state = self._states[symbol]
        for interval_ms, aggregator in state.aggregators.items():
            whole = aggregator.add(candle)
            if whole is not None:
                state.newest[interval_ms] = [*state.newest.get(interval_ms, [])[-1:], whole]
                fresh.setdefault(interval_ms, {})[symbol] = whole
        state.volatility.add(candle)
        if self.base_ms <= HOUR_MS:
            state.regime.add(candle, closed_at_ms)

    def _ask(
        self, symbol: str, interval_ms: int, candle: Candle, peers: Mapping[str, Sequence[Candle]]
    ) -> list[PredictionRecord]:
        state = self._states[symbol]
        extras = self._extras(symbol, interval_ms, candle.opened_at_ms, peers)
        row = state.series[interval_ms].add(candle, extras, state.screen.problem)
        with self._lock:
            self._rows[interval_ms].setdefault(symbol, deque(maxlen=KEEP_ROWS)).append(row)
            desks = [(slot, desk) for slot, desk in sorted(self._desks.items()) if slot[0] == interval_ms]
        for listener in self.listeners:
            listener.on_row(symbol, interval_ms, row)
        records = []
        # What says how much comes first: the volatility of what says which way is taken from it.
        for slot, desk in desks:
            said, model = desk.feed(symbol, row), desk.model
            if said is None or model is None or model.sha256 != said.model_sha256 or symbol not in model.card.symbols:
                # A model that took over between the two lines speaks from the next bar on.
                continue
            state.said[slot] = said
            self.counts.left_out.update(f"{m.name}: {m.left_out.split(':')[0]}" for m in said.members if m.left_out)
            if said.probability is None:
                self.counts.silences[said.silence] += 1
                continue
            facts = self._facts(state, interval_ms, said.horizon_ms)
            records.append(record_said(said, voice_of(model.card, model.sha256), facts))
        return records

    def _fuse(self, symbol: str, at_ms: int, close: float) -> list[PredictionRecord]:
        state = self._states[symbol]
        fuser = state.fuser = self._fuser_of(symbol, state.fuser)
        if fuser is None:
            return []
        signs = self._signs(symbol)
        said = {slot[0]: state.said[slot] for slot in signs if slot in state.said}
        view = fuser.advance(at_ms, close, said)
        if view is None:
            return []
        facts = self._facts(state, fuser.base_ms, fuser.horizon_ms)
        voice = self._fused_voice(symbol)
        return [record_fused(view, at_ms, fuser.horizon_ms, fuser.base_ms, voice, close, facts)]

    def _facts(self, state: _Symbol, interval_ms: int, horizon_ms: int) -> MarketFacts:
        slot = (interval_ms, "big_move", horizon_ms // interval_ms)
        big, desk = state.said.get(slot), self._desks.get(slot)
        model = None if desk is None else desk.model
        implied_bps = None
        if big is not None and big.probability is not None and model is not None and model.sha256 == big.model_sha256:
            implied_bps = implied_volatility_bps(big.probability, model.card.threshold)
        volatility_bps = state.volatility.bps_over(horizon_ms) if implied_bps is None else implied_bps
        return MarketFacts(volatility_bps, state.volatility.turnover_per_s(), state.regime.regime, self._order_notional)

    def _signs(self, symbol: str) -> dict[Slot, ServedModel]:
        """Return the models that say which way, of every interval the one that looks least far."""
        chosen: dict[int, tuple[Slot, ServedModel]] = {}
        for slot, desk in sorted(self._desks.items()):
            model = desk.model
            if slot[1] == "sign" and model is not None and symbol in model.card.symbols:
                chosen.setdefault(slot[0], (slot, model))
        return dict(chosen.values())

    def _fuser_of(self, symbol: str, fuser: Fuser | None) -> Fuser | None:
        """Return the fuser of the intervals that models speak about now: the same one while these stay the same."""
        models = list(self._signs(symbol).values())
        if len(models) < 2:
            return None
        intervals_ms = tuple(model.card.interval_ms for model in models)
        longest_ms = max(model.horizon_ms for model in models)
        if fuser is not None and fuser.covers(intervals_ms, longest_ms):
            return fuser
        return Fuser(intervals_ms, self.base_ms, longest_ms, self._miss_target)

    def _fused_voice(self, symbol: str) -> Voice:
        return fused_voice({model.sha256: model.card for model in self._signs(symbol).values()})

    def _settle(self, session: Session, at: datetime, closes: Mapping[str, float | None]) -> None:
        """Set the outcome against what was due by now; at a bar that never came, or is not to be believed, is none."""
        outcomes: list[tuple[PredictionRecord, PredictionOutcome | None]] = []
        for record in predictions.open_until(session, at):
            if record.symbol in closes:
                close = closes[record.symbol] if record.due_at == at else None
                outcomes.append((record, None if close is None else outcome_of(record, at, close)))
        predictions.settle(session, outcomes)


def outcome_of(record: PredictionRecord, at: datetime, close: float) -> PredictionOutcome:
    """Return what came true of a prediction whose horizon ends with this close."""
    change = close / record.close - 1
    label = closing_label(record.task, record.threshold, record.close, close)
    is_hit = None if label is None else (record.probability >= 0.5) == bool(label)
    return PredictionOutcome(settled_at=at, move_bps=1e4 * change, label=label, is_hit=is_hit)
