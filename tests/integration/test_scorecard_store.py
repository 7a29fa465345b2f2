"""The scorecard over a store: what is read, from where, and who can never see it."""

import ast
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import delete

from core.clock import kst_day
from core.model.analysis import Analysis, PatternWeek, RenderedPrompt
from core.model.proposal import Deployment
from core.settings_sections import GateSettings
from core.store import (
    analyses,
    deployments,
    equity,
    ledger,
    pattern_weeks,
    prompts,
    proposals,
    tables,
    twin_days,
)
from feedback.scorecard import load_scorecard
from feedback.twin import DAYS_AT_ONCE, find_twin_days, save_twin_days
from strategies.gate.aftermath import prompt_of
from tests import factories
from tests.scorecard_world import followed, keep_followed

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 1, 15, 0, tzinfo=UTC)
SECRET_ROOMS = {
    "core.store.aftermaths", "core.store.backtests", "core.store.ledger", "core.store.pattern_weeks",
    "core.store.scorecards", "core.store.twin_days", "feedback.scorecard", "feedback.scorecard_facts",
    "feedback.scorecard_text", "feedback.twin", "strategies.gate.aftermath", "strategies.gate.honesty",
    "strategies.gate.placebo",
}  # fmt: skip
FEEDS_A_PROMPT = ("feedback.analyzer", "feedback.dataset", "feedback.memory", "feedback.advisor", "feedback.forecast")


def mark(session, name, at, made, mode="live", capital=1000):
    point = factories.equity(at, str(capital + made), name, mode=mode, capital_usd=Decimal(capital))
    equity.add(session, point)


def live_beside_twin(session, n_days, live=3, twin=1, canary=None):
    for day in range(n_days + 1):
        at = MIDNIGHT + timedelta(days=day)
        mark(session, "mm-1", at, live * day)
        mark(session, "mm-1.day0", at, twin * day, "twin", 2000)
        if canary is not None:
            mark(session, "mm-1.canary", at, canary * day, "canary", 1000)


def test_a_day_beside_the_twin_is_the_live_change_less_the_twins_on_the_same_capital(store):
    with store.session() as session:
        live_beside_twin(session, 3)
        [first, second] = find_twin_days(session, kst_day(MIDNIGHT + timedelta(days=2)))
    assert (first.on, first.live_usd, first.twin_usd, first.capital_usd) == (
        kst_day(MIDNIGHT + timedelta(days=1)), 3.0, 0.5, 1000.0,
    )  # fmt: skip
    assert second == replace(first, on=first.on + timedelta(days=1))


def test_a_canary_counts_with_its_capital_to_the_live_side(store):
    with store.session() as session:
        live_beside_twin(session, 2, canary=4)
        [day] = find_twin_days(session, kst_day(MIDNIGHT + timedelta(days=1)))
    assert (day.live_usd, day.twin_usd, day.capital_usd) == (7.0, 1.0, 2000.0)


def test_days_beside_the_twin_are_kept_once_and_read_on_after_a_rest(store):
    until = kst_day(MIDNIGHT + timedelta(days=DAYS_AT_ONCE + 4))
    with store.session() as session:
        live_beside_twin(session, DAYS_AT_ONCE + 5)
        first = find_twin_days(session, until)
        assert len(first) == save_twin_days(session, first) == DAYS_AT_ONCE
        assert save_twin_days(session, first) == 0
        rest = find_twin_days(session, until)
        assert (len(rest), save_twin_days(session, rest), find_twin_days(session, until)) == (4, 4, ())
        assert len(twin_days.all_of(session)) == DAYS_AT_ONCE + 4


def test_without_a_twin_or_without_its_live_instance_there_is_no_day(store):
    with store.session() as session:
        for day in range(3):
            mark(session, "sma-1", MIDNIGHT + timedelta(days=day), 1)
            mark(session, "gone.day0", MIDNIGHT + timedelta(days=day), 1, "twin")
        assert find_twin_days(session, kst_day(MIDNIGHT + timedelta(days=2))) == ()
        card = load_scorecard(session, NOW, GateSettings())
    assert card.improvement.usd_per_day.reason == "no_twin"


def test_the_card_reads_registrations_aftermaths_deployments_and_patterns(store):
    at = NOW - timedelta(days=31)
    with store.session() as session:
        keep_followed(session, followed("tpe", at, proposal_id="p-1"))
        waiting = {"content_sha256": "c", "source": "rule"}
        ledger.append(session, NOW, "preregistration", "m", "p-2", waiting)
        ledger.append(session, NOW, "promotion", "m", "p-1", {})
        ledger.append(session, NOW, "sealed_test", "m", "p-1", {"level": 0.0077})
        proposals.add(session, factories.proposal("p-1", "rolled_back", source="tpe"))
        deployments.add(session, Deployment("d-1", "p-1", "mm-1", 2, 1, "rolled_back", NOW, "", NOW, NOW, "", ""))
        pattern_weeks.add(session, PatternWeek(kst_day(NOW), 2, 1, 0, 1))
        card = load_scorecard(session, NOW, GateSettings())
    assert card.fault == ""
    rows = {(row.arm, row.horizon_days): row for row in card.accuracy}
    assert rows["tpe", 30].outcomes == {"better": 1} and rows["rule", 7].n_waiting == 1
    rates = {each.arm: each for each in card.rates}
    assert (rates["tpe"].adopted.value, rates["tpe"].rolled_back.value, rates["rule"].adopted.value) == (1.0, 1.0, 0.0)
    assert (card.gate.n_promotions, card.gate.n_rolled_back, card.gate.false_budget) == (1, 1, 0.0077)
    assert card.budget.tests_used == 1 and card.patterns[0].n_new == 2


def test_a_deleted_aftermath_silences_the_card(store):
    with store.session() as session:
        keep_followed(session, followed("tpe", NOW - timedelta(days=31), proposal_id="p-1"))
        session.execute(delete(tables.aftermath))
        card = load_scorecard(session, NOW, GateSettings())
    assert "its row is gone" in card.fault and {row.share.reason for row in card.accuracy} == {"fault"}


def imports_of(path):
    package = ".".join(path.relative_to(ROOT).with_suffix("").parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            base = node.module if node.level == 0 else f"{package}.{node.module or ''}".rstrip(".")
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def path_of(module):
    plain = ROOT.joinpath(*module.split("."))
    return next((p for p in (plain.with_suffix(".py"), plain / "__init__.py") if p.is_file()), None)


def reached_from(module):
    """Return every module of the house that importing `module`, or any file of its package, can lead to."""
    start = ROOT.joinpath(*module.split("."))
    waiting = [module, *(f"{module}.{p.stem}" for p in start.glob("*.py") if p.stem != "__init__")]
    seen = set()
    while waiting:
        name = waiting.pop()
        path = path_of(name)
        if path is None or name in seen:
            continue
        seen.add(name)
        waiting += imports_of(path)
    return seen


@pytest.mark.parametrize("module", FEEDS_A_PROMPT)
def test_no_import_leads_from_what_feeds_a_prompt_to_what_the_scorecard_knows(module):
    reached = reached_from(module)
    assert len(reached) > 3 and reached & SECRET_ROOMS == set()


def test_the_walk_over_imports_does_find_them_where_they_are_used():
    assert reached_from("feedback.cycles") | reached_from("feedback.scorecard") >= SECRET_ROOMS


def test_the_prompt_that_asked_for_a_change_is_named_with_its_version(store):
    words = ("a-1", "daily_analysis", NOW.date(), "d", "", (), "rule", "", "", (), (), {}, (), (), (), Decimal(0), NOW)
    study = Analysis(*words)
    asked = replace(study, analysis_id="a-2", task="adjustments", prompt_sha256="f" * 64, source="llm:small")
    prompt = RenderedPrompt("daily.adjustments", 3, "en", "p", "b", "f" * 64)
    with store.session() as session:
        analyses.add(session, study)
        analyses.add(session, asked)
        prompts.add(session, prompt, NOW)
        by_model = factories.proposal("p-1", analysis_id="a-1", source="llm:small")
        assert prompt_of(session, by_model) == "daily.adjustments.v3"
        assert prompt_of(session, replace(by_model, source="rule")) == ""
        assert prompt_of(session, replace(by_model, analysis_id="other")) == ""


def test_the_ledger_says_who_proposed_whatever_the_row_says_now(store):
    with store.session() as session:
        keep_followed(session, followed("rule", NOW - timedelta(days=31), proposal_id="p-1"))
        proposals.add(session, factories.proposal("p-1", "refused", source="llm:relabelled"))
        card = load_scorecard(session, NOW, GateSettings())
    assert {row.arm for row in card.accuracy} == {"rule"} and json.dumps([r.arm for r in card.rates]) == '["rule"]'
