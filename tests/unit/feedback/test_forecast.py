from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from core.clock import VirtualClock, kst_day_bounds, to_ns
from core.store import Store, equity, forecasts
from feedback.forecast import Forecaster, bootstrap_sample, crps
from feedback.regime_at import RegimeHistory
from market.bars import BarArchive
from market.candles import Candles
from tests import factories

FIRST = date(2025, 12, 1)
SYMBOLS = {"momentum-1": ("BTCUSDT",)}


def live(store: Store, changes_usd: list[float]) -> date:
    """Mark an instance at the start of each KST day; returns the day after the last."""
    total = 10_000.0
    with store.session() as session:
        for n, change in enumerate([0.0, *changes_usd]):
            total += change
            at, _ = kst_day_bounds(FIRST + timedelta(days=n))
            equity.add(session, factories.equity(at, f"{total:.4f}"))
    return FIRST + timedelta(days=len(changes_usd))


@pytest.fixture
def archive(tmp_path: Path, clock: VirtualClock) -> BarArchive:
    return BarArchive(tmp_path / "bars", clock)


def changes(n: int, seed: int = 1) -> list[float]:
    return [float(x) for x in np.random.default_rng(seed).normal(20, 100, n)]


def test_the_interval_holds_the_middle_of_the_past(store: Store, archive: BarArchive) -> None:
    past = changes(60)
    for_on = live(store, past)
    [made] = Forecaster(store, archive, SYMBOLS).forecast(for_on)
    assert (made.instance_id, made.for_on, made.n_days, made.regime) == ("momentum-1", for_on, 60, "all")
    assert made.pnl_p50_usd == pytest.approx(np.median(past), abs=25)
    assert made.pnl_p05_usd is not None and made.pnl_p05_usd < np.quantile(past, 0.15)
    assert made.pnl_p95_usd is not None and made.pnl_p95_usd > np.quantile(past, 0.85)
    assert made.volatility_bps == pytest.approx(np.std(past, ddof=1), rel=0.2)  # 100 USD of 10,000 USD are 100 bps
    assert (made.realised_usd, made.crps_usd, made.covered) == (None, None, None)


def test_the_same_past_gives_the_same_forecast(store: Store, archive: BarArchive) -> None:
    for_on = live(store, changes(40))
    forecaster = Forecaster(store, archive, SYMBOLS)
    assert forecaster.forecast(for_on) == forecaster.forecast(for_on)


def test_later_days_do_not_change_a_forecast(store: Store, archive: BarArchive) -> None:
    past = changes(40)
    live(store, past)
    forecaster = Forecaster(store, archive, SYMBOLS)
    earlier = forecaster.forecast(FIRST + timedelta(days=30))
    with store.session() as session:
        late, _ = kst_day_bounds(FIRST + timedelta(days=45))
        equity.add(session, factories.equity(late, "99999"))
    assert forecaster.forecast(FIRST + timedelta(days=30)) == earlier
    assert earlier[0].n_days == 30


def test_too_few_days_give_no_numbers(store: Store, archive: BarArchive) -> None:
    for_on = live(store, changes(9))
    [made] = Forecaster(store, archive, SYMBOLS).forecast(for_on)
    assert (made.n_days, made.volatility_bps, made.pnl_p05_usd, made.pnl_p95_usd) == (9, None, None, None)


def test_a_forecast_is_scored_the_day_after_and_once(store: Store, archive: BarArchive) -> None:
    past = changes(40)
    live(store, [*past, 50.0])
    for_on = FIRST + timedelta(days=40)
    forecaster = Forecaster(store, archive, SYMBOLS)
    with store.session() as session:
        for made in forecaster.forecast(for_on):
            forecasts.add(session, made)
    [scored] = forecaster.score(for_on)
    assert scored.realised_usd == pytest.approx(50.0)
    assert scored.covered is True
    assert scored.crps_usd is not None and 0 < scored.crps_usd < 50
    with store.session() as session:
        forecasts.put_score(session, scored)
        assert forecasts.scored(session, 5) == [scored]
    assert forecaster.score(for_on) == ()


def test_an_outlier_is_not_covered_and_scores_badly(store: Store, archive: BarArchive) -> None:
    live(store, [*changes(40), 5_000.0])
    for_on = FIRST + timedelta(days=40)
    forecaster = Forecaster(store, archive, SYMBOLS)
    with store.session() as session:
        forecasts.add(session, forecaster.forecast(for_on)[0])
    [scored] = forecaster.score(for_on)
    assert scored.covered is False
    assert scored.crps_usd is not None and scored.crps_usd > 4_000


def test_a_day_without_marks_stays_unscored(store: Store, archive: BarArchive) -> None:
    for_on = live(store, changes(20))
    forecaster = Forecaster(store, archive, SYMBOLS)
    with store.session() as session:
        forecasts.add(session, forecaster.forecast(for_on)[0])
    assert forecaster.score(for_on) == ()


def test_crps_equals_its_definition() -> None:
    sample = np.random.default_rng(3).normal(0, 1, 200)
    pairs = np.abs(sample[:, None] - sample[None, :]).mean()
    assert crps(sample, 0.7) == pytest.approx(np.abs(sample - 0.7).mean() - pairs / 2)
    assert crps(np.array([2.0]), 5.0) == pytest.approx(3.0)


def test_crps_of_a_normal_sample_is_near_the_closed_form() -> None:
    sample = np.random.default_rng(4).normal(0, 1, 20_000)
    assert crps(sample, 0.0) == pytest.approx((np.sqrt(2) - 1) / np.sqrt(np.pi), abs=0.01)


def test_the_bootstrap_keeps_mean_and_spread_and_widens_for_short_histories() -> None:
    long, short = np.array(changes(200)), np.array(changes(12))
    draws = bootstrap_sample(long, 1)
    assert draws.mean() == pytest.approx(long.mean(), abs=10)
    assert draws.std() == pytest.approx(long.std(), rel=0.1)
    assert bootstrap_sample(short, 1).std() > short.std()


def test_coverage_of_the_90_percent_interval_is_near_90_percent() -> None:
    rng = np.random.default_rng(11)
    hits = 0
    for n in range(300):
        past, tomorrow = rng.normal(0, 1, 40), rng.normal(0, 1)
        low, high = np.quantile(bootstrap_sample(past, n), [0.05, 0.95])
        hits += low <= tomorrow <= high
    assert abs(hits / 300 - 0.9) <= 3 * np.sqrt(0.9 * 0.1 / 300)


def trending_archive(archive: BarArchive, clock: VirtualClock, n_days: int, up_from_day: int) -> None:
    """Hourly candles that swing about a level, and rise steadily from `up_from_day` on."""
    n = n_days * 24
    drift = np.where(np.arange(n) >= up_from_day * 24, 0.004, 0.0)
    swing = 0.004 * np.where(np.arange(n) % 2 == 0, 1.0, -1.0)
    close = np.round(100 * np.exp(np.cumsum(drift) + swing), 4)
    start, _ = kst_day_bounds(FIRST)
    clock.advance_to(start + timedelta(days=n_days))
    times = to_ns(start) // 1_000_000 + np.arange(n, dtype=np.int64) * 3_600_000
    archive.write("BTCUSDT", 3_600_000, Candles(times, close, close, close, close, np.ones(n)), "test")


@pytest.fixture
def early_clock() -> VirtualClock:
    return VirtualClock(kst_day_bounds(FIRST)[0])


def test_days_after_a_day_of_the_same_regime_are_preferred(
    store: Store, early_clock: VirtualClock, tmp_path: Path
) -> None:
    archive = BarArchive(tmp_path / "bars", early_clock)
    trending_archive(archive, early_clock, n_days=60, up_from_day=30)
    live(store, [10.0 + 0.01 * n for n in range(30)] + [-50.0 + 0.01 * n for n in range(30)])
    [made] = Forecaster(store, archive, SYMBOLS).forecast(FIRST + timedelta(days=60))
    assert made.regime == "trend_up"
    assert 20 <= made.n_days <= 30
    assert made.pnl_p50_usd == pytest.approx(-50, abs=2)


def test_too_few_days_of_the_regime_fall_back_to_all_and_say_so(
    store: Store, early_clock: VirtualClock, tmp_path: Path
) -> None:
    archive = BarArchive(tmp_path / "bars", early_clock)
    trending_archive(archive, early_clock, n_days=40, up_from_day=30)
    live(store, changes(40))
    [made] = Forecaster(store, archive, SYMBOLS).forecast(FIRST + timedelta(days=40))
    assert made.n_days == 40
    assert made.regime.startswith("all, trend_up has ")


def test_a_regime_is_looked_up_from_hours_that_had_ended(early_clock: VirtualClock, tmp_path: Path) -> None:
    archive = BarArchive(tmp_path / "bars", early_clock)
    trending_archive(archive, early_clock, n_days=5, up_from_day=2)
    start, _ = kst_day_bounds(FIRST)
    history = RegimeHistory.load(archive, ("BTCUSDT", "NONE"), start, start + timedelta(days=5))
    hours = history.hours["BTCUSDT"]
    for place in (30, 80):
        at = hours[place].end_at
        assert history.regime_at("BTCUSDT", at) == hours[place].regime
        assert history.regime_at("BTCUSDT", at - timedelta(microseconds=1)) == hours[place - 1].regime
    assert history.regime_at("NONE", start) is None
    assert history.regime_at("BTCUSDT", start + timedelta(days=6)) is None
