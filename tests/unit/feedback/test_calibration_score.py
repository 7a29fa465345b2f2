"""Stated confidence against what came true."""

from datetime import datetime

import pytest

from core.clock import VirtualClock
from core.model.aftermath import Aftermath
from core.model.proposal import PLACEBO
from feedback.calibration_score import MIN_CASES, score_confidence
from feedback.report import load_texts
from feedback.scorecard import build_scorecard
from feedback.scorecard_text import scorecard_lines
from tests.conftest import START
from tests.scorecard_world import followed, scorecard_facts


def cases(
    n_better: int, n_worse: int, stated: float, first: int = 0, at: datetime = START
) -> tuple[list[Aftermath], dict[str, float]]:
    rows = [
        followed("llm:m", at, "better" if k < n_better else "worse", n=first + k) for k in range(n_better + n_worse)
    ]
    return rows, {row.proposal_id: stated for row in rows}


def test_the_score_and_its_tenths_are_those_counted_by_hand() -> None:
    sure, stated = cases(18, 2, 0.9)
    unsure, more = cases(6, 14, 0.3, first=100)
    [score] = score_confidence([*sure, *unsure], stated | more)
    # 18 x 0.01 + 2 x 0.81 + 6 x 0.49 + 14 x 0.09 = 6.0 over 40; 24 of 40 came true.
    assert score.brier == pytest.approx(0.15) and score.brier_of_base_rate == pytest.approx(0.24)
    assert [(b.low, b.n, b.share) for b in score.bins] == [(0.3, 20, 0.3), (0.9, 20, 0.9)]
    assert all(b.share_low < b.share < b.share_high for b in score.bins)


def test_with_too_few_cases_it_says_so_and_placebos_and_the_unsigned_do_not_count(clock: VirtualClock) -> None:
    rows, stated = cases(20, MIN_CASES - 21, 0.6)
    silent = [followed("llm:m", START, "too_few_trades", n=900), followed(PLACEBO, START, n=901)]
    everything = stated | {row.proposal_id: 0.5 for row in silent}
    [score] = score_confidence([*rows, *silent], everything)
    assert (score.arm, score.n, score.brier, score.bins) == ("llm", MIN_CASES - 1, None, ())
    card = build_scorecard(scorecard_facts(clock.now(), rows, confidence=stated))
    assert any("insufficient data, 29 proposals of 30" in line for line in scorecard_lines(card, load_texts("en")))
    assert any("자료 부족, 30건 중 29건" in line for line in scorecard_lines(card, load_texts("ko")))


def test_certainty_falls_into_the_last_tenth() -> None:
    rows, stated = cases(30, 0, 1.0)
    [score] = score_confidence(rows, stated)
    assert score.brier == 0.0 and [b.low for b in score.bins] == [0.9]
