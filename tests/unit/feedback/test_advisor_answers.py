"""Reading the first word, learning what it is worth, and the two guards before a call: breaker and hedge."""

import math

import numpy as np
import pytest

from feedback.advisor.breaker import MAX_HOLD_S, WINDOW, Breaker
from feedback.advisor.calibration import MIN_SETTLED, Calibration, Settled, fit_calibration
from feedback.advisor.first_token import FirstToken, Reading
from feedback.advisor.hedge import MIN_SEEN, Hedging
from feedback.advisor.port import NoDecision
from feedback.analyzer.stream import Chunk, TokenOdds


def odds(**chances: float) -> Chunk:
    """A chunk whose first token is the first keyword; `_` stands for a leading blank."""
    pairs = [(name.replace("_", " "), math.log(chance)) for name, chance in chances.items()]
    return Chunk(pairs[0][0], (TokenOdds(*pairs[0], tuple(pairs)),))


@pytest.mark.parametrize(
    ("chunk", "p_yes"),
    [
        (odds(YES=0.8, NO=0.2), 0.8),
        (odds(YES=0.5, _Yes=0.2, yes=0.1, NO=0.1, No=0.1), 0.8),
        (odds(NO=0.6, YES=0.2), 0.25),
        (odds(Y=0.3, N=0.3), 0.5),
        (odds(YES=0.5), 1.0),
        (odds(Maybe=0.4, YES=0.3, NO=0.3), 0.5),
    ],
)
def test_p_is_the_mass_on_yes_over_that_on_both(chunk: Chunk, p_yes: float) -> None:
    reading = FirstToken().read(chunk)
    assert reading is not None and not reading.is_bare
    assert reading.p_yes == pytest.approx(p_yes)


def test_the_chosen_token_counts_once_though_it_stands_among_the_likeliest() -> None:
    chosen = TokenOdds("YES", math.log(0.4), (("YES", math.log(0.4)), ("NO", math.log(0.4))))
    assert FirstToken().read(Chunk("YES", (chosen,))) == Reading(pytest.approx(0.5), False)


@pytest.mark.parametrize("mass", [0.49, 0.1])
def test_less_than_half_on_yes_and_no_together_is_no_answer(mass: float) -> None:
    with pytest.raises(NoDecision) as failure:
        FirstToken().read(odds(Maybe=1 - mass, YES=mass))
    assert failure.value.reason == "no_answer"


@pytest.mark.parametrize("logprob", [0.5, float("nan"), float("inf")])
def test_a_log_probability_that_is_none_is_invalid(logprob: float) -> None:
    with pytest.raises(NoDecision) as failure:
        FirstToken().read(Chunk("YES", (TokenOdds("YES", logprob),)))
    assert failure.value.reason == "invalid"


@pytest.mark.parametrize(
    ("texts", "p_yes"),
    [(["YES"], 1.0), (["no"], 0.0), (["", "\n", " Yes", "."], 1.0), (['"', "N", "O"], 0.0), (["**yes**"], 1.0)],
)
def test_without_probabilities_the_word_alone_is_read(texts: list[str], p_yes: float) -> None:
    reader = FirstToken()
    readings = [reading for text in texts if (reading := reader.read(Chunk(text))) is not None]
    assert readings[0] == Reading(p_yes, True)


@pytest.mark.parametrize("texts", [["Certainly"], ["Nothing"], ["yesterday"], ["Y", "up"], ["1"]])
def test_another_word_is_invalid(texts: list[str]) -> None:
    reader = FirstToken()
    with pytest.raises(NoDecision) as failure:
        for text in texts:
            reader.read(Chunk(text))
        raise reader.end()
    assert failure.value.reason == "invalid"


def test_a_blank_answer_is_no_answer() -> None:
    reader = FirstToken()
    assert reader.read(Chunk("  \n")) is None
    assert reader.end().reason == "no_answer"


def test_below_a_hundred_settled_a_number_stands_for_itself_and_a_word_for_three_of_four() -> None:
    few = fit_calibration([Settled(0.9, False, False)] * (MIN_SETTLED - 1))
    assert few.p_good(0.9, False) == 0.9
    assert (Calibration().p_good(1.0, True), Calibration().p_good(0.0, True)) == (0.75, 0.25)


def test_base_rates_follow_what_the_words_were_worth() -> None:
    said = [Settled(1.0, True, n < 10) for n in range(40)] + [Settled(0.0, True, n < 30) for n in range(40)]
    learned = fit_calibration(said)
    assert learned.p_after_yes == pytest.approx(13 / 44)
    assert learned.p_after_no == pytest.approx(31 / 44)


def test_an_overconfident_model_is_brought_to_what_it_was_worth_and_the_map_never_falls() -> None:
    rng = np.random.default_rng(5)
    said = rng.uniform(0, 1, 4_000)
    settled = [
        Settled(float(p), False, bool(u < 0.5 + 0.2 * (p - 0.5)))
        for p, u in zip(said, rng.uniform(0, 1, 4_000), strict=True)
    ]
    learned = fit_calibration(settled)
    values = [learned.p_good(p, False) for p in np.linspace(0, 1, 201)]
    assert all(later >= earlier for earlier, later in zip(values, values[1:], strict=False))
    assert values[0] >= 0 and values[-1] <= 1
    assert learned.p_good(0.9, False) == pytest.approx(0.58, abs=0.05)
    assert learned.p_good(0.1, False) == pytest.approx(0.42, abs=0.05)


def opened() -> Breaker:
    breaker = Breaker(share=0.5, open_s=30, slow_s=0.7)
    for n in range(WINDOW):
        assert breaker.enter(float(n))
        if n % 2:
            breaker.fail(float(n))
        else:
            breaker.succeed(float(n), 0.1)
    return breaker


def test_it_opens_when_half_of_twenty_failed_and_not_before_twenty() -> None:
    breaker = Breaker(share=0.5, open_s=30, slow_s=0.7)
    for n in range(WINDOW - 1):
        breaker.fail(float(n))
    assert breaker.state(19.0) == "closed"
    breaker.succeed(19.0, 0.1)
    assert breaker.state(19.0) == "open"
    assert opened().state(20.0) == "open"


def test_nine_of_twenty_keep_it_closed_and_old_failures_are_forgotten() -> None:
    breaker = Breaker(share=0.5, open_s=30, slow_s=0.7)
    for n in range(60):
        breaker.fail(float(n)) if n % 20 < 9 else breaker.succeed(float(n), 0.1)
        assert breaker.state(float(n)) == "closed"


def test_slow_answers_count_as_failures() -> None:
    breaker = Breaker(share=0.5, open_s=30, slow_s=0.7)
    for n in range(WINDOW):
        breaker.succeed(float(n), 0.7 if n < 10 else 0.69)
    assert breaker.state(20.0) == "open"


def test_a_probe_that_is_told_to_wait_waits_that_long() -> None:
    breaker = opened()
    assert breaker.enter(49.0)
    breaker.hold(49.0, 240)
    breaker.fail(49.0)
    assert not breaker.enter(288.9) and breaker.enter(289.0)


def test_after_its_time_one_probe_decides() -> None:
    breaker = opened()
    assert not breaker.enter(48.9)
    assert breaker.state(49.0) == "half_open"
    assert breaker.enter(49.0) and not breaker.enter(49.0)
    breaker.fail(49.5)
    assert breaker.state(79.4) == "open" and breaker.state(79.5) == "half_open"
    assert breaker.enter(80.0)
    breaker.succeed(80.1, 0.1)
    assert breaker.state(80.1) == "closed"


def test_a_probe_that_was_not_made_frees_its_place() -> None:
    breaker = opened()
    assert breaker.enter(60.0)
    breaker.leave()
    assert breaker.enter(60.0)


def test_what_was_under_way_when_it_opened_neither_closes_nor_prolongs_it() -> None:
    breaker = opened()
    breaker.succeed(20.0, 0.1)
    breaker.fail(25.0)
    assert breaker.state(48.9) == "open" and breaker.state(49.0) == "half_open"


def test_a_server_that_asks_for_quiet_gets_it_up_to_a_limit() -> None:
    breaker = Breaker(share=0.5, open_s=30, slow_s=0.7)
    breaker.hold(0.0, 60.0)
    assert breaker.state(59.9) == "open" and breaker.state(60.0) == "half_open"
    breaker.hold(60.0, 1e9)
    assert breaker.state(60.0 + MAX_HOLD_S) == "half_open"


def test_nothing_is_late_before_enough_was_seen_and_then_the_ninth_decile_is() -> None:
    hedging = Hedging(0.05)
    for n in range(MIN_SEEN):
        assert hedging.delay_s() is None
        hedging.saw_first_chunk(n / 10)
    assert hedging.delay_s() == 1.7
    for _ in range(100):
        hedging.saw_first_chunk(0.2)
    assert hedging.delay_s() == 0.2


def test_of_many_calls_one_in_twenty_may_be_sent_twice() -> None:
    hedging = Hedging(0.05)
    taken = 0
    for n in range(1, 2_001):
        hedging.called()
        taken += hedging.take()
        assert taken <= 0.05 * n + 1e-6
    assert taken == 100


def test_a_long_rest_allows_two_in_a_row_and_no_more() -> None:
    hedging = Hedging(0.05)
    for _ in range(1_000):
        hedging.called()
    assert [hedging.take(), hedging.take(), hedging.take()] == [True, True, False]


def test_a_share_of_zero_means_never() -> None:
    hedging = Hedging(0.0)
    for _ in range(50):
        hedging.saw_first_chunk(0.1)
    assert hedging.delay_s() is None
