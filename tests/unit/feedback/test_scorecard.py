"""The scorecard: hand-worked figures, and what it must never do: flatter, guess, or fall silent about a hole."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from core.clustered import clustered_share, lag_weeks
from core.metrics import jeffreys_interval
from core.model.proposal import PLACEBO
from feedback.report import load_texts
from feedback.scorecard import build_scorecard, weeks_needed
from feedback.scorecard_text import scorecard_line, scorecard_lines, write_figure
from feedback.twin import difference_by_day, improvement_path, measure_improvement
from strategies.gate.honesty import HonestyFacts, Promise
from strategies.gate.sequential import ConfidenceSequence
from tests.scorecard_world import followed, registered, scorecard_facts, twin_days

FIRST = datetime(2026, 3, 1, 15, 5, tzinfo=UTC)
"""A Monday in Korea."""
NOW = FIRST + timedelta(days=800)
LLM = "llm:deepseek-flash"


def many(source, hits, n_weeks=60, a_week=4, days=30, prompt=""):
    """`a_week` proposals a week, of which `hits(week, place)` turned out better."""
    return [
        followed(source, FIRST + timedelta(days=7 * w, hours=k), "better" if hits(w, k) else "worse", days, prompt, n=k)
        for w in range(n_weeks)
        for k in range(a_week)
    ]


def half(week, place):
    return place % 2 == 0


def three_of_four(week, place):
    return place % 4 != 0


def row_of(card, arm, days=30, model=""):
    [row] = [one for one in card.accuracy if (one.arm, one.horizon_days, one.model) == (arm, days, model)]
    return row


def card_of(*rows, **over):
    return build_scorecard(scorecard_facts(NOW, [each for part in rows for each in part], **over))


def test_the_share_is_that_of_better_among_those_with_a_sign_less_that_of_placebos():
    silent = [followed(LLM, FIRST, outcome, n=50 + k) for k, outcome in enumerate(("too_few_days", "too_few_trades"))]
    card = card_of(many(LLM, three_of_four), silent, many(PLACEBO, half))
    llm, placebo = row_of(card, "llm"), row_of(card, "placebo")
    assert (llm.share.value, llm.share.n, llm.n_registered, llm.n_waiting) == (0.75, 240, 242, 0)
    assert llm.outcomes == {"better": 180, "too_few_days": 1, "too_few_trades": 1, "worse": 60}
    assert (placebo.share.value, llm.over_placebo.value) == (0.5, pytest.approx(0.25))
    assert llm.over_placebo.low < 0.25 < llm.over_placebo.high
    assert placebo.over_placebo.reason == "is_placebo" and placebo.over_placebo.value is None


def test_the_interval_is_the_clustered_one():
    rows = many("tpe", lambda week, _: week % 24 < 12)
    share = row_of(card_of(rows), "tpe").share
    hits = np.array([each.is_better for each in rows])
    expected = clustered_share(hits, np.repeat(np.arange(60), 4), lag_weeks(30))
    assert (share.value, share.low, share.high) == (None, expected.low, expected.high)
    assert share.reason == "too_few_proposals" and share.have == expected.n_effective < 37


@pytest.mark.parametrize(("n_weeks", "a_week", "reason"), [(8, 9, "too_few_weeks"), (30, 9, "too_few_weeks")])
def test_until_enough_proposals_and_weeks_there_is_no_point(n_weeks, a_week, reason):
    share = row_of(card_of(many("rule", half, n_weeks, a_week)), "rule").share
    assert (share.value, share.reason, share.have, share.need) == (None, reason, n_weeks, weeks_needed(6))
    assert (share.low is None) == (n_weeks < 9)


def test_a_model_and_a_prompt_version_have_rows_of_their_own():
    one = many("llm:small", half, prompt="daily.adjustments.v1")
    two = many("llm:large", three_of_four, prompt="daily.adjustments.v2")
    card = card_of(one, two)
    assert row_of(card, "llm").n_registered == 480
    rows = [(r.model, r.prompt, r.share.n) for r in card.accuracy if r.horizon_days == 30 and r.model]
    assert rows == [("large", "daily.adjustments.v2", 240), ("small", "daily.adjustments.v1", 240)]
    assert row_of(card, "llm", model="large").share.value == 0.75


def test_both_horizons_are_told_apart():
    card = card_of(many("cma", three_of_four, days=7), many("cma", half, days=30))
    assert (row_of(card, "cma", 7).share.value, row_of(card, "cma", 30).share.value) == (0.75, 0.5)


def test_what_still_has_to_be_lived_is_counted_as_waiting_and_in_no_share():
    fresh = registered("fresh", LLM, NOW - timedelta(days=10))
    facts = scorecard_facts(NOW, many(LLM, half))
    card = build_scorecard(replace(facts, registered=(*facts.registered, fresh)))
    week, month = row_of(card, "llm", 7), row_of(card, "llm", 30)
    assert (week.n_waiting, month.n_waiting, month.n_registered, month.share.n) == (0, 1, 241, 240)


def test_without_placebos_there_is_a_share_and_nothing_to_take_from_it():
    over = row_of(card_of(many(LLM, three_of_four)), "llm").over_placebo
    assert (over.value, over.low, over.reason) == (None, None, "placebo_no_signs")
    few = row_of(card_of(many(LLM, three_of_four), many(PLACEBO, half, 30)), "llm").over_placebo
    assert few.value is None and few.low < 0.25 < few.high and few.reason == "placebo_too_few_weeks"


def test_noise_never_moves_the_share_over_placebos_from_zero_beyond_its_interval():
    """Arms without skill, of any size and beside any placebos: the interval holds 0 about nine times in ten."""
    rng = np.random.default_rng(11)
    outside, told = 0, 0
    for _ in range(120):
        size = int(rng.integers(1, 5))
        tossed = [
            many(source, lambda *_: bool(rng.random() < 0.5), 60, a_week)
            for source, a_week in ((LLM, size), (PLACEBO, 2))
        ]
        over = row_of(card_of(*tossed), "llm").over_placebo
        told += over.value is not None
        outside += not over.low <= 0.0 <= over.high
    assert outside <= 0.15 * 120
    assert told > 60


def test_more_noise_only_makes_the_share_over_placebos_surer_of_zero():
    rng = np.random.default_rng(13)
    toss = lambda *_: bool(rng.random() < 0.5)  # noqa: E731
    placebos = many(PLACEBO, toss, 100, 8)
    widths = []
    for a_week in (1, 4, 16):
        over = row_of(card_of(many("tpe", toss, 100, a_week), placebos), "tpe").over_placebo
        assert over.low < 0.0 < over.high
        widths.append(over.high - over.low)
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize("fault", ["aftermath-1 is on the ledger and its row is gone", "3 aftermaths are overdue"])
def test_a_missing_or_changed_row_silences_every_figure_that_rests_on_it(fault):
    honesty = HonestyFacts(fault, tuple(k / 30 for k in range(30)), ())
    card = card_of(many(LLM, three_of_four), many(PLACEBO, half), honesty=honesty, promoted_ids=("a",))
    figures = [*(row.share for row in card.accuracy), *(row.over_placebo for row in card.accuracy)]
    figures += [card.gate.slope, card.gate.placebo_ks_p, card.gate.unconfirmed]
    assert {figure.value for figure in figures} == {figure.low for figure in figures} == {None}
    assert {figure.reason for figure in figures} == {"fault", "is_placebo"}
    assert (card.fault, card.gate.stopped) == (fault, fault)
    assert fault in scorecard_line(card, load_texts("en"))


def test_the_gate_is_told_by_slope_placebos_promotions_and_what_it_spent():
    rng = np.random.default_rng(2)
    promised = rng.normal(0.0, 0.1, 120)
    promises = tuple(Promise(float(x), float(0.5 * x), k // 4) for k, x in enumerate(promised))
    honesty = HonestyFacts("", tuple((k + 0.5) / 30 for k in range(30)), promises)
    rows = [followed("rule", FIRST, "worse", proposal_id="b"), followed("rule", FIRST, proposal_id="c")]
    facts = scorecard_facts(NOW, rows, honesty=honesty, promoted_ids=("a", "b", "c"), spent_levels=(0.0077, 0.0154))
    back = registered("a", "rule", FIRST, adopted=True, rolled_back=True)
    gate = build_scorecard(replace(facts, registered=(*facts.registered, back))).gate
    assert gate.slope.value == pytest.approx(0.5) and gate.slope.n == 120
    assert gate.placebo_ks_p.n == 30 and gate.placebo_ks_p.value > 0.9
    assert (gate.n_promotions, gate.n_rolled_back, gate.n_not_confirmed) == (3, 1, 1)
    assert gate.false_budget == pytest.approx(0.0231) and gate.stopped == ""
    assert (gate.unconfirmed.value, gate.unconfirmed.low, gate.unconfirmed.high) == (
        pytest.approx(2 / 3), *jeffreys_interval(2, 3),
    )  # fmt: skip


def test_adoption_counts_all_that_was_registered_and_rollback_all_that_was_adopted():
    rows = tuple(registered(f"p{k}", "tpe", FIRST, adopted=k < 4, rolled_back=k < 1) for k in range(10))
    [rates] = build_scorecard(scorecard_facts(NOW, registered=rows)).rates
    assert (rates.arm, rates.adopted.value, rates.adopted.n) == ("tpe", 0.4, 10)
    assert (rates.rolled_back.value, rates.rolled_back.n) == (0.25, 4)
    assert (rates.rolled_back.low, rates.rolled_back.high) == jeffreys_interval(1, 4)


def test_improvement_is_the_mean_daily_difference_with_a_confidence_sequence():
    d = [1.0, -2.0, 3.0, 0.5] * 10
    made = measure_improvement(twin_days(date(2026, 3, 1), d))
    sequence = ConfidenceSequence()
    for value in d:
        sequence = sequence.updated(value)
    low, high = sequence.interval(0.10)
    usd = made.usd_per_day
    assert (usd.value, usd.low, usd.high) == (0.625, pytest.approx(low), pytest.approx(high))
    assert made.pct_per_day.value == pytest.approx(0.0625), "of a capital of 1000"
    assert (made.total_usd.value, made.total_usd.low) == (25.0, pytest.approx(40 * low))
    assert (made.first_on, made.n_days) == (date(2026, 3, 1), 40)


def test_the_differences_of_one_day_are_added_over_instances_and_measured_on_their_capital():
    both = [*twin_days(date(2026, 3, 1), [2.0, 4.0]), *twin_days(date(2026, 3, 2), [-1.0], "sma-1", 3000.0)]
    assert difference_by_day(both) == [(date(2026, 3, 1), 2.0, 0.2), (date(2026, 3, 2), 3.0, 0.075)]


@pytest.mark.parametrize(
    ("d", "reason"), [([], "no_twin"), ([1.0] * 29, "too_few_days"), ([0.0] * 40, "no_difference")]
)
def test_improvement_is_none_with_a_reason_where_it_cannot_be_told(d, reason):
    made = measure_improvement(twin_days(date(2026, 3, 1), d))
    assert {figure.value for figure in (made.usd_per_day, made.pct_per_day, made.total_usd)} == {None}
    assert made.usd_per_day.reason == made.total_pct.reason == reason


def test_the_path_of_the_improvement_has_a_band_from_the_thirtieth_day_on():
    rng = np.random.default_rng(3)
    path = improvement_path(twin_days(date(2026, 3, 1), list(rng.normal(1.0, 2.0, 50))))
    assert [low is None for _, _, low, _ in path] == [True] * 29 + [False] * 21
    assert all(low < total < high for _, total, low, high in path[29:])


def test_nothing_known_is_said_in_words_and_not_in_numbers():
    card = card_of()
    assert card.accuracy == () and card.gate.unconfirmed.reason == "none_promoted"
    for language in ("ko", "en"):
        lines = scorecard_lines(card, load_texts(language))
        assert lines[0] == load_texts(language)["card_none"] and "None" not in " ".join(lines)


def test_every_figure_is_written_with_interval_and_number_or_with_its_reason():
    texts = load_texts("en")
    beside = tuple(twin_days(FIRST.date(), [1, 2] * 30))
    card = card_of(many(LLM, three_of_four), many(PLACEBO, half, 30), twin_days=beside)
    text = "\n".join(scorecard_lines(card, texts))
    for words in (
        "Language model, 30 days, share that beat what it would have replaced: 75 % (90 % interval ",
        "n 240); 240 registered, 0 still to be lived, 0 without a sign.",
        "of placebos, too few to tell: 30 weeks of 38",
        "$1.50 (90 % interval ",
        "too few to tell: 0 placebo tests of 20",
    ):
        assert words in text, words
    assert write_figure(row_of(card, "placebo").share, "share", texts).startswith("somewhere from ")
