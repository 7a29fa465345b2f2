"""The tasks of the worker that have to do with models, each at its own rhythm, and the models that it opens."""

from collections.abc import Callable

from app.engine_process import is_live_market
from app.home import Home
from app.live_market import candle_ms
from app.model_life import build_trials
from app.models import build_speaker, follow_registry, wanted_models
from app.retraining import build_retraining
from app.wiring import Rooms
from core.settings import Settings
from feedback.signals import SignalRoom
from feedback.signals.drift import DriftWatch
from feedback.signals.feed import archive_feed
from feedback.signals.market_watch import MarketWatch
from feedback.signals.speaker import Speaker
from feedback.signals.trials import Trials
from feedback.tasks import TaskBoard
from market.bars import BarArchive

PREDICTION_EVERY_S = 1.0
MODELS_EVERY_S = 10.0
DRIFT_EVERY_S = 60.0
PATTERNS_EVERY_S = 60.0
REGIME_EVERY_S = 60.0
PERFORMANCE_EVERY_S = 300.0
HEARTBEAT_EVERY_S = 10.0


def build_board(
    settings: Settings, home: Home, rooms: Rooms, symbols: tuple[str, ...], carry_over: Callable[[], object]
) -> TaskBoard:
    """Return the tasks of the models, each at its own rhythm; `carry_over` brings closed bars into the archive."""
    board = TaskBoard(rooms.store, rooms.clock)
    speaking = Speaking(settings, home, rooms, symbols, carry_over)
    board.add("prediction", PREDICTION_EVERY_S, speaking.speak)
    board.add("models", MODELS_EVERY_S, speaking.follow)
    board.add("drift", DRIFT_EVERY_S, speaking.check_drift)
    market = MarketWatch(rooms.store, rooms.clock, speaking.open_archive, symbols)
    board.add("patterns", PATTERNS_EVERY_S, market.look_for_patterns)
    board.add("regime", REGIME_EVERY_S, market.look_at_regimes)
    board.add("performance", PERFORMANCE_EVERY_S, rooms.performance.look)
    board.add("heartbeat", HEARTBEAT_EVERY_S, board.save)
    return board


class Speaking:
    """The models of the worker: opened by the thread that first needs them, never by the bridge's."""

    def __init__(
        self,
        settings: Settings,
        home: Home,
        rooms: Rooms,
        symbols: tuple[str, ...],
        carry_over: Callable[[], object],
    ) -> None:
        """Open nothing yet."""
        self._settings, self._home, self._rooms = settings, home, rooms
        self._symbols, self._carry_over = symbols, carry_over
        self._speaker: Speaker | None = None
        self._trials: Trials | None = None
        self._drift: DriftWatch | None = None

    def speak(self) -> None:
        """Speak of the bars that closed, if any model is to speak."""
        rooms, settings = self._rooms, self._settings
        if self._speaker is None and wanted_models(settings, rooms.store):
            feed = archive_feed(self.open_archive(), self._symbols)
            send = rooms.server.send_signal
            self._speaker = build_speaker(
                settings, self._home, rooms.store, rooms.clock, feed, send, fetch=self._carry_over
            )
            if self._speaker is not None:
                self._listen(self._speaker.room)
        if self._speaker is not None:
            self._speaker.speak()

    def open_archive(self) -> BarArchive:
        """Return the archive of the bars that are traded."""
        only_ms = candle_ms(self._settings.market) if is_live_market(self._home) else None
        return BarArchive(self._home.bars, self._rooms.clock, only_ms)

    def _listen(self, room: SignalRoom) -> None:
        """Let trials and watch listen before the past is read: what closed while no worker ran counts in them too.

        The watch hears a bar first: a trial that this bar decides changes what serves.
        """
        rooms, alerts = self._rooms, self._rooms.desk.alerts
        self._trials = build_trials(
            self._settings, self._home, rooms.store, rooms.clock, alerts, room.symbols, self._follow
        )
        self._drift = DriftWatch(rooms.store, room.models, build_retraining(self._settings, alerts))
        room.listeners = (self._drift,)
        if self._trials is not None:
            # First: a refresh that fails is made up for by the next one, and a listener that never listened is not.
            room.listeners = (self._drift, self._trials)
            self._trials.refresh()

    def check_drift(self) -> None:
        """Judge what the models met since the last time."""
        if self._drift is not None:
            self._drift.look()

    def follow(self) -> None:
        """Let the models speak that are active now, and begin the trials of those that wait."""
        self._follow()
        if self._trials is not None:
            self._trials.refresh()

    def _follow(self) -> None:
        if self._speaker is not None:
            follow_registry(self._speaker.room, self._settings, self._home, self._rooms.store)
