"""Walks one trade through every station of the loop, from the engine's report to the trades after the change."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from core import native
from core.clock import kst_day_bounds
from core.model.canonical import sha256_of
from core.model.proposal import Proposal
from core.model.slots import LIVE_MODES, slot_id
from core.store import (
    Session,
    advice,
    analyses,
    backtests,
    canaries,
    contexts,
    datasets,
    deployments,
    frames,
    ledger,
    param_versions,
    proposals,
    reports,
    trades,
    verdicts,
)
from tests import demo_runs
from tests.demo_runs import DAYS, SEED, contents_of, finish_demo, replay_of, require_unbroken_chains, words_of

FIRST_ON = date(2025, 7, 5)
"""A Saturday: the night after it holds the daily and the weekly cycle."""
SUMMARY_KEYS = [
    "seed", "simulated_days", "trades", "proposals", "deployments", "rollbacks", "report_sha256", "wall_s",
    "predictions", "stopped",
]  # fmt: skip


@pytest.fixture(scope="module")
def session(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    yield from demo_runs.session_on_copy(finished, tmp_path_factory)


@pytest.fixture(scope="module")
def accepted(session: Session) -> Proposal:
    """The one change that the sealed test accepted; `test_way_to_the_capital.py` follows it to the engine."""
    [found] = proposals.in_state(session, "accepted")
    return found


def printed(finished: Path) -> dict:
    return json.loads(finished.with_suffix(".json").read_text())


def test_the_demo_prints_one_object_with_the_promised_keys(finished: Path) -> None:
    summary = printed(finished)
    assert list(summary) == SUMMARY_KEYS
    assert list(summary["proposals"]) == ["accepted", "refused", "inconclusive", "queued", "narrowed", "expired"]
    assert (summary["seed"], summary["simulated_days"], summary["rollbacks"]) == (SEED, DAYS, 0)
    assert (summary["proposals"]["accepted"], summary["deployments"]) == (1, 0)
    assert summary["proposals"]["refused"] >= 1
    assert re.fullmatch("[0-9a-f]{64}", summary["report_sha256"])


def test_stations_1_and_2_every_trade_is_stored_whole_with_the_version_that_made_it(
    finished: Path, session: Session
) -> None:
    kept = trades.latest(session, 10_000)
    assert len(kept) == printed(finished)["trades"] > 100
    for trade in kept:
        version = param_versions.get(session, trade.instance_id, trade.params_version)
        assert trade.params_sha256 == version.sha256 == native.validate_params(version.strategy, version.params)
        assert trade.entry.decided_at <= trade.entry.filled_at <= trade.exit.filled_at
        costs_usd = sum(end.fee_usd + end.slippage_usd for end in (trade.entry, trade.exit))
        assert trade.net_pnl_usd == trade.gross_pnl_usd - costs_usd


def test_an_advice_is_answered_at_the_time_it_is_asked_for_and_before_the_trade(session: Session) -> None:
    asked = advice.latest(session, 1_000)
    assert len(asked) >= 10
    assert all(record.answered_at == record.asked_at for record in asked)
    assert not [record for record in asked if record.reason == "late"]
    for trade in trades.latest(session, 10_000):
        if trade.advice_id is not None:
            record = advice.get(session, trade.advice_id)
            assert record.approve and record.answered_at <= trade.entry.filled_at


def test_stations_3_and_4_the_day_becomes_a_dataset_under_its_own_hash(session: Session) -> None:
    for n in range(DAYS):
        dataset = datasets.for_day(session, date.fromordinal(FIRST_ON.toordinal() + n))
        assert dataset is not None
        assert dataset.sha256 == sha256_of(replace(dataset, dataset_id="", sha256=""))
        assert dataset.context == contexts.get(session, dataset.context.context_id)
        for field in dataset.context.fields:
            assert field.reason if field.value is None else field.source and field.age_s is not None, field
        of_the_day = [t for t in trades.between(session, *kst_day_bounds(dataset.on)) if t.mode in LIVE_MODES]
        assert dataset.totals.n_trades == len(of_the_day)
        assert {t.trade_id for t in (*dataset.best, *dataset.worst)} <= {t.trade_id for t in of_the_day}


def test_stations_5_and_6_proposals_come_from_the_study_of_that_dataset(session: Session) -> None:
    dataset = datasets.for_day(session, FIRST_ON)
    assert dataset is not None
    analysis = analyses.for_day(session, FIRST_ON, "daily_analysis")
    assert analysis is not None and analysis.dataset_sha256 == dataset.sha256
    # Without a key no prompt is rendered and no call is made, and the study says so.
    assert (analysis.source, analysis.fallback_reason, analysis.prompt_sha256, analysis.call_ids) == (
        "rule", "no_key", "", (),
    )  # fmt: skip
    studied = [each for each in proposals.for_analysis(session, analysis.analysis_id) if not each.is_placebo]
    assert studied and {each.source for each in studied} == {"rule"}
    for proposal in studied:
        base = param_versions.get(session, proposal.instance_id, proposal.base_version)
        assert (proposal.base_sha256, proposal.base_params) == (base.sha256, base.params) and proposal.edits


def test_what_was_accepted_leads_back_to_a_study(session: Session, accepted: Proposal) -> None:
    analysis = analyses.get(session, accepted.analysis_id)
    base = param_versions.get(session, accepted.instance_id, accepted.base_version)
    assert (accepted.base_sha256, accepted.base_params) == (base.sha256, base.params)
    assert accepted.edits and analysis.dataset_sha256


def test_stations_7_8_and_9_it_was_registered_before_any_backtest_and_judged_stage_by_stage(
    session: Session, accepted: Proposal
) -> None:
    proposal = accepted
    of_proposal = [row for row in ledger.rows(session) if row.proposal_id == proposal.proposal_id]
    kinds = [row.kind for row in sorted(of_proposal, key=lambda row: row.n)]
    assert kinds.index("preregistration") < kinds.index("backtest") < kinds.index("sealed_test")
    assert kinds.count("preregistration") == kinds.count("sealed_test") == kinds.count("promotion") == 1
    runs = backtests.for_proposal(session, proposal.proposal_id)
    candidate = native.validate_params(proposal.strategy, proposal.params)
    assert {run.role for run in runs} == {"candidate", "incumbent", "neighbour"}
    assert {run.params_sha256 for run in runs if run.role == "candidate"} == {candidate}
    assert {run.params_sha256 for run in runs if run.role == "incumbent"} == {proposal.base_sha256}
    judged = verdicts.for_proposal(session, proposal.proposal_id)
    assert [(v.stage, v.outcome) for v in judged] == [
        ("admission", "accepted"), ("screen", "queued"), ("sealed", "accepted"),
    ]  # fmt: skip
    assert any(v.outcome == "refused" for v in verdicts.latest(session, 100))


def test_it_begins_in_the_shadow_with_the_very_parameters_that_were_judged(
    session: Session, accepted: Proposal
) -> None:
    canary = canaries.for_proposal(session, accepted.proposal_id)
    assert canary is not None and (canary.stage, canary.candidate_params) == ("shadow", accepted.params)
    shadow = param_versions.active(session, slot_id(accepted.instance_id, "shadow"))
    assert shadow.sha256 == canary.candidate_sha256
    [sent] = deployments.of_instance(session, shadow.instance_id)
    assert (sent.state, sent.capital_share, sent.ack_sha256) == ("active", 1.0, shadow.sha256)
    assert param_versions.active(session, accepted.instance_id).origin == "initial"
    assert frames.acked_seq(session) == frames.made_seq(session)
    simulated = trades.latest(session, 10_000, instance_id=shadow.instance_id)
    assert len(simulated) >= 10 and {t.params_version for t in simulated} == {sent.version}


def test_each_day_and_week_has_its_report_in_both_languages(finished: Path, session: Session) -> None:
    written = {(r.kind, r.on, r.language): r for r in reports.list(session, 100)}
    days = [date.fromordinal(FIRST_ON.toordinal() + n) for n in range(DAYS)]
    wanted = {("daily", on, language) for on in days for language in ("ko", "en")}
    assert set(written) == wanted | {("weekly", FIRST_ON, "ko"), ("weekly", FIRST_ON, "en")}
    assert re.search("[가-힣]", written["daily", FIRST_ON, "ko"].markdown)
    assert not re.search("[가-힣]", written["daily", FIRST_ON, "en"].markdown)
    assert "in the shadow" in written["weekly", FIRST_ON, "en"].markdown
    hashes = sorted((r.kind, r.on.isoformat(), r.language, r.sha256) for r in written.values())
    assert printed(finished)["report_sha256"] == sha256_of(hashes)


def test_no_chain_is_broken_and_nothing_was_set_aside(finished: Path) -> None:
    require_unbroken_chains(finished)
    assert contents_of(finished)["dead_letter"] == []


def test_the_same_seed_gives_the_same_bytes_in_another_process_and_another_seed_does_not(
    finished: Path, tmp_path: Path
) -> None:
    assert finish_demo(tmp_path / "again", speaks=True) == 0, words_of(tmp_path / "again")
    assert contents_of(tmp_path / "again") == contents_of(finished)
    assert replay_of(tmp_path / "again") == replay_of(finished)
    assert finish_demo(tmp_path / "other", seed=SEED + 1, days=1, speaks=True) == 0, words_of(tmp_path / "other")
    other = json.loads((tmp_path / "other" / "demo.json").read_text())
    assert other["report_sha256"] != printed(finished)["report_sha256"]
    assert contents_of(tmp_path / "other")["trade"] != contents_of(finished)["trade"]
