"""What reports say of models: how many predictions, how right, which model, what drifted; and nothing without any."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.model.drift import DriftFinding
from core.model.language import LANGUAGES, Language
from core.model.prediction import PredictionOutcome, PredictionRecord
from core.store import Store, model_watches, predictions
from feedback.cycles.report_facts import _model_words
from feedback.model_words import ModelWords, model_line, model_lines, model_words
from feedback.report import brief, load_texts, render_report
from tests.conftest import START
from tests.signal_pages import prediction
from tests.unit.feedback.test_report import facts

GOOD, POOR = "a" * 64, "b" * 64


def said(n: int, sha256: str, share_right: float, task: str = "sign") -> list[PredictionRecord]:
    """Predictions of separate hours of which a share came true."""
    made = []
    for at in range(n):
        closed_at = START + timedelta(hours=at)
        is_hit, says_up = at % 10 < 10 * share_right, at // 10 % 2 == 0
        outcome = PredictionOutcome(closed_at + timedelta(hours=1), 1.0, int(is_hit == says_up), is_hit)
        one = prediction(f"{sha256[:4]}-{at}", closed_at, model_sha256=sha256, model=f"{task}-1h", task=task)
        made.append(
            replace(one, probability=0.6 if says_up else 0.4, horizon_bars=1, outcome=outcome, is_sent=at % 4 == 0)
        )
    return made


def drift(kind: str = "error") -> DriftFinding:
    return DriftFinding(GOOD, "sign:1:1h", kind, START, START + timedelta(hours=3), 0.3, 0.5)  # type: ignore[arg-type]


def words(*drifts: DriftFinding) -> ModelWords:
    found = model_words([*said(60, GOOD, 0.7), *said(60, POOR, 0.4)], drifts)
    assert found is not None
    return found


def test_the_best_and_the_worst_are_told_apart_by_what_they_add_to_the_base_rate() -> None:
    found = words()
    assert (found.n_said, found.n_sent) == (120, 30)
    assert found.best is not None and found.worst is not None
    assert (found.best.name, found.worst.name) == ("sign-1h aaaaaaaaaaaa", "sign-1h bbbbbbbbbbbb")
    alone = model_words(said(60, GOOD, 0.7), ())
    assert alone is not None and alone.best is None and alone.worst is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_lines_tell_number_accuracy_with_interval_coverage_models_and_drift(language: Language) -> None:
    texts = load_texts(language)
    lines = "\n".join(model_lines(words(drift(), drift("features")), texts))
    for figure in ("120", "30", "55 %", "aaaaaaaaaaaa", "bbbbbbbbbbbb", "70 %", "40 %", "sign:1:1h"):
        assert figure in lines, figure
    assert texts["models_coverage"].split("{")[0] in lines
    short = model_line(words(drift()), texts)
    assert "55 %" in short and "sign:1:1h" in short and "\n" not in short


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["daily", "weekly"])
def test_report_and_message_tell_of_models_and_say_nothing_where_none_speak(language: Language, kind: str) -> None:
    texts = load_texts(language)
    told = facts(kind=kind, models=words(drift()))
    for text in (render_report(told, language).markdown, brief(told, language)):
        assert texts["models_title"] in text and texts["models_said"].format(n=120, sent=30) in text
    silent = facts(kind=kind)
    for text in (render_report(silent, language).markdown, brief(silent, language)):
        assert texts["models_said"].split("}")[1].split("{")[0] not in text
    assert model_words([], []) is None


def test_few_outcomes_give_no_share() -> None:
    found = model_words(said(5, GOOD, 0.7), ())
    assert found is not None
    lines = model_lines(found, load_texts("en"))
    assert "too few to tell" in lines[1]
    waiting = model_words([replace(each, outcome=None) for each in said(5, GOOD, 0.7)], ())
    assert waiting is not None and "none of 5" in model_lines(waiting, load_texts("en"))[1]


def test_a_period_holds_its_own_predictions_and_findings(store: Store) -> None:
    with store.session() as session:
        for record in said(10, GOOD, 0.5):
            predictions.add_new(session, [record])
        model_watches.add_finding(session, drift())
        model_watches.add_finding(session, replace(drift("features"), found_at=START + timedelta(hours=30)))
        found = _model_words(session, START, START + timedelta(hours=5))
        assert found is not None and found.n_said == 5
        assert [each.kind for each in found.drift] == ["error"]
        assert _model_words(session, START + timedelta(days=3), START + timedelta(days=4)) is None
