"""Patterns of the newest bars beside their own chance, and regimes: found with each bar, kept for other processes."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from core.clock import VirtualClock
from core.errors import XcrackError
from core.store import Store
from feedback.signals.bars import columns_of
from feedback.signals.market_facts import load_patterns, load_regimes
from feedback.signals.market_watch import HORIZON_BARS, MarketWatch
from feedback.tasks import TaskBoard
from market.bars import BarArchive
from market.candles import Candles, from_ms
from market.pattern_evidence import measure_patterns
from market.pattern_scan import scan_patterns
from market.regime_filter import follow_regimes
from tests.signal_world import FIRST_MS, MINUTE_MS, bars

HOUR_MS = 3_600_000
N = 2_400


def swinging(n: int = N, seed: int = 4) -> Candles:
    """Hours that go one way for two days and then the other: what leaves its range goes on."""
    dice = np.random.default_rng(seed)
    runs = np.repeat(dice.choice([-1.0, 1.0], size=n // 48 + 1), 48)[:n]
    close = 100 * np.exp(np.cumsum(0.002 * runs + dice.normal(0, 0.002, n)))
    opened = np.concatenate([[100.0], close[:-1]])
    high, low = np.maximum(opened, close) * 1.001, np.minimum(opened, close) * 0.999
    at = FIRST_MS + np.arange(n) * HOUR_MS
    return Candles(at, opened, high, low, close, np.full(n, 50.0))


class World:
    def __init__(self, store: Store, folder: Path, candles: Candles, interval_ms: int = HOUR_MS) -> None:
        self.store, self.folder = store, folder
        self.clock = VirtualClock(from_ms(int(candles.opened_at_ms[-1]) + interval_ms))
        BarArchive(folder, self.clock).write("BTCUSDT", interval_ms, candles, "test")
        self.watch = self.start()

    def start(self) -> MarketWatch:
        return MarketWatch(self.store, self.clock, lambda: BarArchive(self.folder, self.clock), ("BTCUSDT", "ETHUSDT"))


def test_patterns_of_the_newest_bars_are_kept_with_what_they_were_worth(store: Store, tmp_path: Path) -> None:
    candles = swinging()
    world = World(store, tmp_path, candles)
    report = world.watch.look_for_patterns()
    with store.session() as session:
        assert report is not None and load_patterns(session) == report
    signs = scan_patterns(candles, HOUR_MS)
    known = {one.name: one for one in measure_patterns(signs, candles.close, HORIZON_BARS)}
    shown = {(each.evidence.name, each.at, each.sign) for each in report.sightings}
    assert shown == {
        (name, from_ms(int(candles.opened_at_ms[at]) + HOUR_MS), int(sign[at]))
        for name, sign in signs.items()
        for at in range(N - 24, N)
        if sign[at]
    }
    assert shown and all(each.evidence == known[each.evidence.name] for each in report.sightings)
    assert report.n_bars == {"BTCUSDT": N}
    evident = [one.name for one in known.values() if one.has_evidence]
    assert {"breakout_up", "breakout_down"} & set(evident)
    assert report.n_evident == sum(int(np.count_nonzero(signs[name][-168:])) for name in evident) > 0


def test_in_a_random_walk_patterns_are_seen_and_have_no_evidence(store: Store, tmp_path: Path) -> None:
    world = World(store, tmp_path, columns_of(bars(1_500, 5, HOUR_MS)))
    report = world.watch.look_for_patterns()
    assert report is not None and report.sightings
    assert report.n_evident == 0 and not any(each.evidence.has_evidence for each in report.sightings)


def test_nothing_is_looked_at_twice_and_a_restart_finds_the_same(store: Store, tmp_path: Path) -> None:
    world = World(store, tmp_path, swinging(600))
    first = (world.watch.look_for_patterns(), world.watch.look_at_regimes())
    assert None not in first
    assert (world.watch.look_for_patterns(), world.watch.look_at_regimes()) == (None, None)
    again = world.start()
    assert (again.look_for_patterns(), again.look_at_regimes()) == first


def test_minutes_are_looked_at_as_whole_hours(store: Store, tmp_path: Path) -> None:
    minutes = columns_of(bars(60 * 60, 2))
    world = World(store, tmp_path, minutes, MINUTE_MS)
    regimes = world.watch.look_at_regimes()
    assert regimes is not None
    expected = follow_regimes(minutes.close[59::60])[-1]
    assert [(each.symbol, each.view) for each in regimes] == [("BTCUSDT", expected)]
    assert regimes[0].at == world.clock.now()
    assert sum((regimes[0].view.trend, regimes[0].view.range, regimes[0].view.volatile)) == pytest.approx(1)
    with store.session() as session:
        assert load_regimes(session) == regimes
    world.clock.advance_to(world.clock.now() + timedelta(minutes=1))
    assert world.watch.look_at_regimes() is None


def test_a_market_without_bars_yet_is_no_failure_and_a_damaged_one_is_shown_failing(
    store: Store, tmp_path: Path
) -> None:
    clock = VirtualClock(from_ms(FIRST_MS))
    empty = MarketWatch(store, clock, lambda: BarArchive(tmp_path, clock, HOUR_MS), ("BTCUSDT",))
    assert empty.look_for_patterns() is None and empty.look_at_regimes() is None
    world = World(store, tmp_path, swinging(200))
    (file,) = tmp_path.rglob("*.parquet")
    file.write_bytes(b"no candles")
    board = TaskBoard(store, world.clock)
    board.add("patterns", 60.0, world.watch.look_for_patterns)
    board.add("regime", 60.0, lambda: None)
    for name in ("patterns", "regime"):
        board.run_once(name)
    patterns, regime = board.health
    assert (patterns.state(world.clock.now()), regime.state(world.clock.now())) == ("failing", "healthy")
    assert patterns.error
    with pytest.raises(XcrackError):
        world.watch.look_for_patterns()
