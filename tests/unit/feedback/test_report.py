"""Reports: same facts same bytes, both languages whole, untrusted text stays text, sealed numbers stay out."""

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import get_args

import pytest

from core.model.analysis import Analysis, Finding
from core.model.language import LANGUAGES, Language
from core.model.proposal import Check, Deployment, Verdict
from core.model.search import NoChange
from core.model.trade import Shortfall
from feedback.accuracy import score_predictions
from feedback.report import (
    Change,
    Judged,
    PeriodResult,
    ReportFacts,
    Tally,
    WeekOfSearch,
    brief,
    load_texts,
    money,
    render_report,
)
from feedback.scorecard import build_scorecard
from feedback.shortfall import shortfall_by_strategy
from tests import factories
from tests.canaries import canary
from tests.scorecard_world import scorecard_facts

ON = date(2025, 7, 6)
DUE = datetime(2025, 7, 6, 15, 5, tzinfo=UTC)
TEXTS = Path(__file__).resolve().parents[3] / "feedback" / "report_texts"
EVIL = "<script>alert(1)</script> | **bold** ![x](http://evil/x.png) [a](http://evil)"


def facts(**changes: object) -> ReportFacts:
    base = ReportFacts(
        kind="daily",
        on=ON,
        due_at=DUE,
        late=False,
        engine_state="active",
        data_as_of=DUE,
        n_trades=0,
        n_wins=0,
        net_pnl_usd=Decimal(0),
        costs_usd=Decimal(0),
        equity_change_usd=Decimal("-1.5"),
        strategies=(),
        shortfalls=(),
        predictions=(),
        period=PeriodResult(0, 0.0, None, None, None, None, None),
        changes=(),
        judged=(),
        search=None,
        analysis=None,
        dataset=None,
        alerts=(),
        patterns=(),
        forecasts=(),
        scored=(),
        scored_before=(),
        tally=Tally({}, 0, 0, 13, 0.0077, Decimal(0), Decimal(100)),
        scorecard=build_scorecard(scorecard_facts(DUE)),
        next_daily=DUE,
        next_weekly=DUE,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def sealed_verdict(proposal_id: str) -> Verdict:
    check = Check("p_value", True, 0.0031, 0.0077, "one-sided")
    words = "p = 0.0031 <= 0.0077 on 730 sealed days, annual IR 6.2"
    return Verdict("verdict-1", proposal_id, "sealed", "accepted", words, (check,), (), (), (), (), 9, DUE)


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("kind", ["daily", "weekly"])
def test_an_empty_period_still_has_a_report(language: Language, kind: str) -> None:
    report = render_report(facts(kind=kind), language)
    assert report.markdown.startswith("# xCrack") and report.html.startswith("<!doctype html>")
    none = load_texts(language)["pnl_none" if kind == "daily" else "pnl_none_week"]
    assert none.format(equity=money(Decimal("-1.5"))) in report.markdown


def test_both_languages_have_the_same_keys_and_places() -> None:
    ko, en = (json.loads((TEXTS / f"{name}.json").read_text(encoding="utf-8")) for name in ("ko", "en"))
    assert ko.keys() == en.keys()
    places = re.compile(r"{(\w+)}")
    assert {k: sorted(places.findall(v)) for k, v in ko.items()} == {
        k: sorted(places.findall(v)) for k, v in en.items()
    }


def test_the_same_facts_give_the_same_bytes_and_other_facts_others() -> None:
    first, again = render_report(facts(), "en"), render_report(facts(), "en")
    assert first == again
    assert render_report(facts(equity_change_usd=Decimal(2)), "en").sha256 != first.sha256


def test_what_an_analyzer_wrote_cannot_become_markup_or_an_image() -> None:
    analysis = Analysis(
        "analysis-1", "daily_analysis", ON, "d", "", (), "llm:m", "", EVIL, (Finding(EVIL),), (), {"mm-1": EVIL}, (),
        (), (Finding(EVIL, "warning", EVIL),), Decimal(0), DUE,
    )  # fmt: skip
    report = render_report(facts(analysis=analysis), "en")
    assert "<script" not in report.html and "<img" not in report.html and "<a " not in report.html


def test_a_report_tells_one_bit_of_a_sealed_test() -> None:
    proposal = replace(factories.proposal(), state="deployed")
    verdict = sealed_verdict(proposal.proposal_id)
    deployment = Deployment("deployment-1", proposal.proposal_id, "mm-1", 2, 1, "active", DUE, "", DUE, DUE, "", "")
    told = facts(judged=(Judged(proposal, (verdict,)),), changes=(Change(deployment, "a 1 → 2", verdict),))
    for language in LANGUAGES:
        text = render_report(told, language).markdown + brief(told, language)
        assert "0.0031" not in text and "6.2" not in text and "730" not in text
        assert load_texts(language)["sealed_passed"] in text


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("kind", ["daily", "weekly"])
def test_report_and_message_tell_changes_canaries_and_the_scorecard(language: Language, kind: str) -> None:
    words = load_texts(language)
    deployment = Deployment("deployment-1", None, "mm-1", 3, 2, "rolled_back", DUE, "", DUE, DUE, "", "kim: worse")
    known = facts(kind=kind, changes=(Change(deployment, "a 1 → 2", None),), canaries=(canary(),))
    change = words["change_rolled_back"].format(instance="mm-1", version=3, why="kim: worse")
    moved = words["canary_line"].format(
        instance="mm-1",
        edits="spread_threshold 60 → 45",
        stage=words["canary_shadow"],
        share="0 %",
        why=canary().reason,
    )
    for text in (render_report(known, language).markdown, brief(known, language)):
        assert change in text.replace("\\_", "_") and moved in text and words["card_none"] in text
    assert words["changes_none"] in brief(facts(kind=kind), language)


def test_patterns_are_told_with_their_hit_rates_and_how_many_there_are_of_each_state() -> None:
    told = (factories.pattern_rule(), factories.pattern_rule(state="confirmed", hits=5, misses=1))
    text = render_report(facts(kind="weekly", patterns=told), "en").markdown
    assert "1 new, 1 confirmed, 0 broken, 0 retired." in text
    assert "no fresh week has tested it yet" in text
    # Wilson's 90 % interval of 5 in 6.
    assert "held in 5 of 6 fresh weeks, 83 %, 90 % interval 50 % to 96 %" in text
    assert "6주 중 5주" in render_report(facts(kind="weekly", patterns=told), "ko").markdown


def test_a_week_tells_its_searches_by_arm_and_that_no_change_is_an_answer() -> None:
    found = factories.weekly_search()
    none = factories.weekly_search(instance_id="sma-1", proposal_id="", reason="no_gain_fresh", n_gains_fresh=0)
    waits = factories.weekly_search(instance_id="z-1", n_trials=0, proposal_id="", reason="on_its_way", detail="d-1")
    week = WeekOfSearch(((found, "queued"), (none, None), (waits, None)), n_to_gate=3, n_queued=1, n_accepted=0)
    text = render_report(facts(kind="weekly", search=week), "en").markdown
    assert "24 backtests of seen days, 9 of them gained (best +$3.25 a day)" in text
    assert "By arm: cma 8 (2 among the best fifth), tpe 16 (4 among the best fifth)." in text
    assert "Proposed as proposal-1: queued for the weekly test." in text
    assert "none of the best gained on later days too" in text and "no search, d-1 is on its way" in text
    assert "No change this week, which is an answer too: 48 backtests around 3 instances, 3 proposals" in text
    changed = render_report(facts(kind="weekly", search=replace(week, n_accepted=1)), "en").markdown
    assert "No change this week" not in changed


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reason", [name for name in get_args(NoChange) if name])
def test_every_reason_for_no_search_has_words(language: Language, reason: NoChange) -> None:
    week = WeekOfSearch(((factories.weekly_search(n_trials=0, reason=reason, detail="d-1"), None),), 0, 0, 0)
    assert (
        load_texts(language)[f"search_{reason}"].format(detail="d-1")
        in render_report(facts(kind="weekly", search=week), language).markdown
    )


def test_money_shows_its_sign_and_cents() -> None:
    assert [money(v) for v in (Decimal("1234.5"), -0.126, 0, None)] == ["+$1,234.50", "−$0.13", "$0.00", "–"]


@pytest.mark.parametrize("language", ["ko", "en"])
def test_a_report_tells_shortfall_and_accuracy_with_their_intervals(language: Language) -> None:
    split = Shortfall(Decimal("0.01"), Decimal("0.02"), Decimal("0.03"), Decimal(0))
    told = facts(
        shortfalls=shortfall_by_strategy(factories.trade(f"t{n}", shortfall=split) for n in range(10)),
        predictions=score_predictions(
            [*(factories.performance(f"p{n}") for n in range(3)), factories.performance("x", outcome="stale")]
        ),
    )
    text = render_report(told, language).markdown
    words = load_texts(language)
    assert words["shortfall_title"] in text and words["predictions_title"] in text
    for figure in (
        "momentum_scalping",
        "+6.0 bps",
        "+1.0 bps",
        "+2.0 bps",
        "+3.0 bps",
        "taken 3, stale 1",
        "100 %",
        "53 %",
    ):
        assert figure in text, figure
    assert words["interval_90"].format(low="+6.0 bps", high="+6.0 bps") in text
    empty = render_report(facts(), language).markdown
    assert words["shortfall_title"] not in empty and words["predictions_title"] not in empty
