"""What the advisor was worth: hand-worked figures, and the evidence that settles each order."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.clock import VirtualClock
from core.model.advice import AdviceOutcome, AdviceRecord
from core.model.advisor import HourAnswering
from core.model.proposal import Deployment
from core.settings_sections import CostSettings
from core.store import Store, advice, deployments, param_versions, trades
from feedback.advisor.read import load_value
from feedback.advisor.settle import SettleRoom, load_calibrations
from feedback.advisor_text import advisor_line, advisor_lines
from feedback.advisor_value import MIN_BRIER, MIN_DAYS, share_let_through, value_of_advisor
from feedback.report import load_texts
from market.bars import BarArchive
from market.candles import MINUTE_MS, Candles, ms_of
from tests import factories
from tests.factories import NOON, SHA

SINCE = date(2026, 2, 1)


def record(n: int, days: float = 0, **over: Any) -> AdviceRecord:
    fields = {"size_class": "large", "rule_factor": 1.0, "approve": True, "size_factor": 1.0}
    return factories.advice(f"a{n}", NOON - timedelta(days=days), **{**fields, **over})


def outcome(of: AdviceRecord, full_usd: str, method: Any = "bars") -> AdviceOutcome:
    return AdviceOutcome(of.advice_id, of.asked_at, NOON, method, Decimal(full_usd), "")


def value(*pairs: tuple[AdviceRecord, str]) -> Any:
    records = [one for one, _ in pairs]
    outcomes = {one.advice_id: outcome(one, usd) for one, usd in pairs}
    return value_of_advisor(records, outcomes, SINCE, NOON)


def test_each_answer_is_worth_what_its_order_did_not_make() -> None:
    full, half = record(1), record(2, size_factor=0.5)
    stopped, late = record(3, approve=False, size_factor=0.0), record(4, is_late=True)
    found = value((full, "5"), (half, "-8"), (stopped, "-10"), (late, "6"))
    assert [share_let_through(one) for one in (full, half, stopped, late)] == [1.0, 0.5, 0.0, 0.0]
    assert found.total_usd == Decimal("0") + 4 + 10 - 6
    assert (found.n_answers, found.n_stopped, found.n_shrunk, found.n_settled) == (4, 2, 1, 4)


def test_the_models_part_is_what_it_took_beyond_the_rules() -> None:
    by_rules = record(1, source="rule", size_factor=0.5, rule_factor=0.5)
    by_model = record(2, source="llm:m", p_yes=0.1, p_good=0.1, approve=False, size_factor=0.0, rule_factor=0.5)
    found = value((by_rules, "-10"), (by_model, "-10"))
    assert found.total_usd == Decimal(15)
    assert found.llm_total_usd == Decimal(5)


def test_the_largest_stopped_orders_are_told_by_size_and_not_by_what_came_of_them() -> None:
    no: dict[str, Any] = {"approve": False, "size_factor": 0.0, "size_class": "large"}
    small_gain = record(1, notional_usd=Decimal(900), **no)
    large_loss = record(2, notional_usd=Decimal(5_000), reason="against_trend", **no)
    went = record(3, notional_usd=Decimal(9_000), size_class="large")
    medium = record(4, notional_usd=Decimal(8_000), **{**no, "size_class": "medium"})
    told = value((small_gain, "-50"), (large_loss, "12.5"), (went, "1"), (medium, "1"))
    assert [one.advice_id for one in told.stopped] == ["a2", "a1"]
    lines = advisor_lines(told, load_texts("en"))
    assert any("$5,000" in line and "against_trend" in line and "made +$12.50" in line for line in lines)
    assert value((went, "1")).stopped == ()


def test_an_order_without_an_outcome_is_an_answer_and_nothing_else() -> None:
    found = value_of_advisor([record(1, approve=False, size_factor=0.0)], {}, SINCE, NOON)
    assert (found.n_answers, found.n_settled, found.total_usd) == (1, 0, 0)
    assert found.per_day.value is None and found.per_day.reason == "too_few_days"


def test_days_are_the_unit_and_few_of_them_have_no_interval() -> None:
    stopped = {"approve": False, "size_factor": 0.0}
    few = value(*((record(n, days=n, **stopped), "-1") for n in range(MIN_DAYS - 1)))
    assert (few.per_day.low, few.per_day.have, few.per_day.need) == (None, MIN_DAYS - 1, MIN_DAYS)
    assert few.total_usd == MIN_DAYS - 1
    many = value(*((record(n, days=n // 2, **stopped), "-1") for n in range(2 * MIN_DAYS)))
    assert (many.per_day.value, many.per_day.low, many.per_day.high, many.per_day.n) == (2.0, 2.0, 2.0, MIN_DAYS)


def test_noise_without_skill_has_an_interval_around_nothing() -> None:
    rng = np.random.default_rng(11)
    inside = 0
    for _ in range(40):
        made = rng.normal(0, 10, 60)
        found = value(
            *(
                (record(n, days=n, approve=bool(n % 2), size_factor=float(n % 2)), f"{x:.4f}")
                for n, x in enumerate(made)
            )
        )
        inside += found.per_day.low <= 0 <= found.per_day.high
    assert inside >= 30


def test_calibration_has_ten_bins_and_a_brier_score_from_thirty_on() -> None:
    def judged(n: int) -> Any:
        return value(*((record(k, source="llm:m", p_yes=0.75, p_good=0.75), "1" if k % 4 else "-1") for k in range(n)))

    assert judged(MIN_BRIER - 1).brier.reason == "too_few_answers"
    found = judged(40)
    assert found.brier.value == pytest.approx(0.75 * 0.0625 + 0.25 * 0.5625)
    assert len(found.bins) == 10
    assert (found.bins[7].n, found.bins[7].mean_p, found.bins[7].share_good) == (40, pytest.approx(0.75), 0.75)
    assert found.bins[3].mean_p is None
    last = value((record(1, source="llm:m", p_yes=1.0, p_good=1.0), "1"))
    assert last.bins[9].n == 1


def test_speed_and_rate_of_answers_stand_apart() -> None:
    answers = [record(n, source="llm:m", p_yes=0.9, p_good=0.9, latency_ms=300.0) for n in range(60)]
    silent = [record(100 + n, source="policy", failure="timeout", latency_ms=800.0) for n in range(39)]
    late = [record(200, source="policy", failure="timeout", latency_ms=900.0, is_late=True)]
    by_rules = [record(300, source="rule")]
    told = value_of_advisor([*answers, *silent, *late, *by_rules], {}, SINCE, NOON).answering
    assert (told.n_asked, told.n_answered, told.n_late, told.failures) == (100, 60, 1, {"timeout": 40})
    assert (told.p50_ms, told.p95_ms, told.p99_ms, told.answered_p50_ms) == (300.0, 800.0, 800.0, 300.0)


def test_speed_and_rate_are_told_by_hour_of_the_day_in_seoul() -> None:
    def answered(n: int, days: float, latency_ms: float) -> AdviceRecord:
        return record(n, days, source="llm:m", p_yes=0.9, p_good=0.9, latency_ms=latency_ms)

    noon = [answered(n, n % 3, 100.0 + n) for n in range(100)]
    silent = [record(200 + n, source="policy", failure="timeout", latency_ms=800.0) for n in range(25)]
    night = [record(300, days=0.5, source="policy", failure="shed", latency_ms=1.0)]
    by_rules = [record(400, days=0.25, source="rule")]
    told = value_of_advisor([*noon, *silent, *night, *by_rules], {}, SINCE, NOON).by_hour
    assert told == (HourAnswering(0, 1, 0, 0.0, None, None), HourAnswering(12, 125, 100, 0.8, 149.0, 198.0))


@pytest.mark.parametrize("language", ["ko", "en"])
def test_the_words_hold_every_figure(language: Any) -> None:
    texts = load_texts(language)
    found = value((record(1, source="policy", failure="shed", approve=False, size_factor=0.0, latency_ms=5.0), "-3"))
    lines = advisor_lines(found, texts)
    assert len(lines) == 6 and lines[0] == advisor_line(found, texts)
    assert "-$3.00" in lines[1] and "shed 1" in lines[3] and "5 ms" in lines[4]


# --- settling --------------------------------------------------------------------------------------------------------
COSTS = CostSettings(maker_fee_bps=2, taker_fee_bps=5, slippage_bps=2)


@pytest.fixture
def archive(tmp_path: Path) -> BarArchive:
    """Minutes at 1000 until noon, then rising to 1010 within the hour and to 1040 in four."""
    close = np.concatenate([np.full(120, 1000.0), 1000.0 + np.arange(1, 241) / 6])
    opened_at_ms = ms_of(NOON - timedelta(hours=2)) + np.arange(360, dtype=np.int64) * MINUTE_MS
    made = BarArchive(tmp_path / "bars", VirtualClock(NOON + timedelta(days=40)))
    series = Candles(opened_at_ms, close, close, close, close, np.ones(360))
    made.write("BTCUSDT", MINUTE_MS, series, "test", Decimal("0.01"), Decimal("0.001"))
    return made


def room(archive: BarArchive) -> SettleRoom:
    return SettleRoom(COSTS, archive)


def settle(store: Store, archive: BarArchive, after: timedelta) -> dict[str, AdviceOutcome]:
    with store.session() as session:
        found = room(archive).settle(session, NOON + after)
        for one in found:
            advice.add_outcome(session, one)
        return {one.advice_id: one for one in found}


def keep(store: Store, *records: AdviceRecord) -> None:
    with store.session() as session:
        for one in records:
            advice.add(session, one)


def companion(trade_id: str, instance_id: str, **over: Any) -> Any:
    """A companion's trade of half a unit that was decided at noon and made 2 USD."""
    made = factories.trade(trade_id, NOON + timedelta(hours=3), "2.00", instance_id=instance_id, mode="twin", **over)
    return replace(made, qty=Decimal("0.5"), entry=replace(made.entry, decided_at=NOON))


def test_an_order_that_went_ahead_is_told_by_its_own_trade_scaled_to_the_whole(
    store: Store, archive: BarArchive
) -> None:
    keep(store, record(1, size_factor=0.5))
    own = replace(factories.trade("t1", NOON + timedelta(hours=2), "-4.00", advice_id="a1"), qty=Decimal("0.5"))
    assert settle(store, archive, timedelta(hours=3)) == {}
    with store.session() as session:
        trades.add(session, own)
    [told] = settle(store, archive, timedelta(hours=3)).values()
    assert (told.method, told.full_usd, told.evidence) == ("trade", Decimal("-8.00"), "t1")
    assert settle(store, archive, timedelta(hours=4)) == {}, "once"


def test_an_order_that_was_stopped_is_told_by_a_companion_with_the_same_parameters(
    store: Store, archive: BarArchive
) -> None:
    keep(store, record(1, approve=False, size_factor=0.0))
    with store.session() as session:
        version = factories.param_version(instance_id="momentum-1", sha256=SHA)
        param_versions.add(session, version)
        trades.add(session, companion("x", "momentum-1.day0", params_sha256="b" * 64))
        trades.add(session, companion("y", "momentum-2.incumbent"))
        trades.add(session, companion("z", "momentum-1.incumbent"))
    [told] = settle(store, archive, timedelta(hours=4)).values()
    assert (told.method, told.full_usd, told.evidence) == ("slot", Decimal("4.00"), "z")


CHANGED = "c" * 64


def change(store: Store, pushed_after: timedelta, acked_after: timedelta | None, state: Any = "active") -> None:
    """Give momentum-1 version 2, sent and acknowledged so long after noon, beside twins of version 1."""
    with store.session() as session:
        param_versions.add(session, factories.param_version(active=False))
        param_versions.add(session, factories.param_version(version=2, sha256=CHANGED))
        acked_at = None if acked_after is None else NOON + acked_after
        sent_at = NOON + pushed_after
        sent = Deployment("d1", None, "momentum-1", 2, 1, state, sent_at, "gate", sent_at, acked_at, CHANGED, "")
        deployments.add(session, sent)
        trades.add(session, companion("before", "momentum-1.incumbent"))
        trades.add(session, companion("first", "momentum-1.day0"))


MINUTES = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("pushed_after", "acked_after", "state", "method"),
    [
        pytest.param(-9 * MINUTES, -8 * MINUTES, "active", "bars", id="before the question"),
        pytest.param(-9 * MINUTES, -8 * MINUTES, "rolled_back", "bars", id="before it, and taken back since"),
        pytest.param(-MINUTES, MINUTES, "superseded", "bars", id="on its way at that moment"),
        pytest.param(-MINUTES, None, "pushed", "bars", id="never acknowledged"),
        pytest.param(MINUTES, 2 * MINUTES, "active", "slot", id="after the question"),
        pytest.param(-9 * MINUTES, -8 * MINUTES, "rejected", "slot", id="refused by the engine"),
    ],
)
def test_a_companion_tells_only_with_the_parameters_in_force_when_the_question_was_asked(
    store: Store, archive: BarArchive, pushed_after: timedelta, acked_after: timedelta | None, state: Any, method: str
) -> None:
    keep(store, record(1, approve=False, size_factor=0.0))
    change(store, pushed_after, acked_after, state)
    [told] = settle(store, archive, timedelta(hours=25)).values()
    assert told.method == method


def test_after_a_change_a_slot_that_runs_the_new_parameters_tells(store: Store, archive: BarArchive) -> None:
    keep(store, record(1, approve=False, size_factor=0.0))
    change(store, -9 * MINUTES, -8 * MINUTES)
    with store.session() as session:
        trades.add(session, companion("same", "momentum-1.shadow", params_sha256=CHANGED))
    [told] = settle(store, archive, timedelta(hours=4)).values()
    assert (told.method, told.evidence) == ("slot", "same")


def test_without_a_companion_the_bars_of_an_hour_tell_after_a_day_less_a_round_trip(
    store: Store, archive: BarArchive
) -> None:
    keep(store, record(1, approve=False, size_factor=0.0), record(2, approve=False, size_factor=0.0, side="sell"))
    assert settle(store, archive, timedelta(hours=20)) == {}
    told = settle(store, archive, timedelta(hours=25))
    # Asked at 1000, 1010 an hour later: 100 bps of 1000 USD either way, less 14 bps.
    assert {one.method for one in told.values()} == {"bars"}
    assert told["a1"].full_usd == pytest.approx(Decimal("8.6"))
    assert told["a2"].full_usd == pytest.approx(Decimal("-11.4"))


def test_an_order_that_never_filled_made_nothing(store: Store, archive: BarArchive) -> None:
    keep(store, record(1))
    assert settle(store, archive, timedelta(days=6)) == {}
    [told] = settle(store, archive, timedelta(days=8)).values()
    assert (told.method, told.full_usd) == ("unfilled", 0)


def test_a_late_answer_let_nothing_through_and_is_followed_like_a_stop(store: Store, archive: BarArchive) -> None:
    keep(store, record(1, is_late=True))
    [told] = settle(store, archive, timedelta(days=2)).values()
    assert told.method == "bars"


def test_what_nobody_can_tell_stays_open_and_what_was_never_gated_is_not_followed(
    store: Store, archive: BarArchive
) -> None:
    stopped = {"approve": False, "size_factor": 0.0}
    keep(
        store,
        record(1, symbol="UNKNOWN", **stopped),
        record(2, size_class=None, **stopped),
        record(3, size_class="small"),
        record(4, days=60, **stopped),
    )
    assert settle(store, archive, timedelta(days=2)) == {}


def test_only_what_a_model_said_and_what_traded_teaches(store: Store) -> None:
    said = {"source": "llm:m", "p_yes": 0.9, "p_good": 0.9}
    records = [
        record(1, days=1, **said),
        record(2, days=1, **{**said, "source": "llm:other"}),
        record(3, days=1, source="rule"),
        record(4, days=1, **said),
        record(5, days=300, **said),
    ]
    keep(store, *records)
    with store.session() as session:
        for one in records:
            advice.add_outcome(session, outcome(one, "1", "unfilled" if one.advice_id == "a4" else "bars"))
        learned = load_calibrations(session, NOON)
        assert {source: one.n_settled for source, one in learned.items()} == {"llm:m": 1, "llm:other": 1}
        assert load_value(session, NOON).n_answers == 4
