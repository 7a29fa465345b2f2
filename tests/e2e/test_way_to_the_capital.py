"""What becomes of accepted changes in the demo: one earns the whole capital, one is taken back as the market turns."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from core import native
from core.model.canary import Canary
from core.model.proposal import Deployment, Proposal
from core.model.slots import slot_id
from core.store import (
    Session,
    audit,
    canaries,
    deployments,
    frames,
    ledger,
    notifications,
    param_versions,
    proposals,
    reports,
    trades,
)
from strategies.rollout import share_in_force
from strategies.rollout.guard import judge_guard
from tests import demo_runs
from tests.demo_runs import require_unbroken_chains, run_cli


@pytest.fixture(scope="module")
def session(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    yield from demo_runs.session_on_copy(whole, tmp_path_factory)


@pytest.fixture(scope="module")
def promoted(session: Session) -> Canary:
    """The change that got to the whole capital."""
    [found, *_] = [one for one in canaries.latest(session, 10) if one.stage in ("promoted", "confirmed")]
    return found


@pytest.fixture(scope="module")
def taken_back(session: Session) -> Canary:
    """The change that the guard took back."""
    [*_, found] = [one for one in canaries.latest(session, 10) if one.stage == "rolled_back"]
    return found


def promotion_of(session: Session, canary: Canary) -> tuple[Proposal, Deployment]:
    [made] = deployments.for_proposal(session, canary.proposal_id)
    return proposals.get(session, canary.proposal_id), made


def test_the_summary_counts_them(whole: Path) -> None:
    summary = json.loads(whole.with_suffix(".json").read_text())
    assert summary["proposals"]["accepted"] >= 2
    assert summary["deployments"] >= 1 and summary["rollbacks"] >= 1


def test_the_market_turned_and_the_guard_saw_it_in_the_results_alone(session: Session, taken_back: Canary) -> None:
    days = canaries.days(session, taken_back.canary_id)
    figures = judge_guard(taken_back, days)
    assert figures.fired in ("boundary", "loss_budget") and taken_back.promise.annual_ir > 4
    assert figures.sum_usd < 0 and figures.fired.replace("_", " ") in taken_back.reason
    assert canaries.decisions(session, taken_back.canary_id)[-1].figures == figures
    # It had money when it was taken back, and gave it back.
    assert max(day.share for day in days) > 0
    assert proposals.get(session, taken_back.proposal_id).state == "rolled_back"
    # Reports tell it again; the alert comes once.
    alerts = [each for each in notifications.latest(session, 1_000) if not each.kind.endswith("_report")]
    told = [each.text for each in alerts if taken_back.reason in each.text]
    assert len(told) == 1 and f"The change of {taken_back.instance_id} was taken back" in told[0]
    last = ledger.rows(session, "canary", proposal_id=taken_back.proposal_id)[-1]
    assert json.loads(last.payload)["stage"] == "rolled_back"
    assert audit.latest(session, 1, taken_back.canary_id)[0].actor == "gate"


def test_the_old_parameters_have_the_whole_capital_again(session: Session, taken_back: Canary) -> None:
    live = taken_back.instance_id
    funded = (live, slot_id(live, "canary"))
    at_the_end = next(canary for canary in canaries.latest(session, 10) if canary.instance_id == live)
    # The next change of the instance may have begun since; then it has its share, and this one still has none.
    candidate_share = 0.0 if at_the_end == taken_back else at_the_end.share
    assert [share_in_force(session, slot) for slot in funded] == [1.0 - candidate_share, candidate_share]
    assert param_versions.active(session, live).params == taken_back.incumbent_params
    given = [d for d in deployments.of_instance(session, funded[1]) if d.state == "active"][-1]
    assert given.capital_share == candidate_share and (
        candidate_share == 0.0 or param_versions.active(session, funded[1]).sha256 == at_the_end.candidate_sha256
    )


def test_never_was_more_than_the_whole_capital_sent_into_force(whole: Path) -> None:
    with closing(sqlite3.connect(whole / "xcrack.db")) as db:
        query = "SELECT body FROM bridge_outbound WHERE kind = 'params_update' ORDER BY seq"
        updates = [json.loads(row[0]) for row in db.execute(query)]
    shares = {"mm-1": 1.0, "momentum-1": 1.0, "sma-1": 1.0, "ai-1": 1.0}
    for update in updates:
        shares[update["instance_id"]] = update["capital_share"]
        for live in ("mm-1", "momentum-1", "sma-1", "ai-1"):
            assert shares[live] + shares.get(f"{live}.canary", 0.0) <= 1 + 1e-9
    moved = {update["instance_id"] for update in updates}
    assert {"mm-1.canary", "momentum-1.canary"} <= moved
    assert all(
        shares[live] + shares.get(f"{live}.canary", 0.0) == pytest.approx(1.0) for live in ("mm-1", "momentum-1")
    )


def test_stations_10_and_11_the_engine_acknowledges_the_very_parameters_that_were_judged(
    session: Session, promoted: Canary
) -> None:
    proposal, deployment = promotion_of(session, promoted)
    version = param_versions.active(session, proposal.instance_id)
    assert (version.version, version.origin, version.params) == (
        deployment.version, proposal.proposal_id, proposal.params,
    )  # fmt: skip
    assert version.sha256 == deployment.ack_sha256 == native.validate_params(proposal.strategy, proposal.params)
    assert (proposal.state, deployment.acked_at is not None) == ("deployed", True)
    assert frames.acked_seq(session) == frames.made_seq(session)
    made = [t for t in reversed(trades.latest(session, 100_000)) if t.instance_id == proposal.instance_id]
    later = [t for t in made if t.entry.decided_at > deployment.acked_at]
    assert len(later) >= 3 and {t.params_version for t in later} == {deployment.version}
    before = [t for t in made if t.entry.decided_at <= deployment.acked_at]
    assert {t.params_sha256 for t in before} == {proposal.base_sha256}


def test_the_canary_traded_the_candidate_on_its_own_share(session: Session, promoted: Canary) -> None:
    made = trades.latest(session, 100, instance_id=slot_id(promoted.instance_id, "canary"))
    assert made and {t.mode for t in made} == {"canary"}
    assert {t.params_sha256 for t in made} == {promoted.candidate_sha256}
    days = canaries.days(session, promoted.canary_id)
    assert {day.share for day in days if day.stage == "canary"} == {0.1, 0.5}
    assert all(day.fault in ("", "not_in_force") for day in days)


def test_the_trace_closes_the_circle(whole: Path, session: Session, promoted: Canary, tmp_path: Path) -> None:
    proposal, deployment = promotion_of(session, promoted)
    [later] = trades.of_version(session, proposal.instance_id, deployment.version, 1)
    chain = traced(whole, later.trade_id, tmp_path)
    ids = {link["id"] for link in chain}
    assert {1, 3, 4, 6, 7, 8, 9, 10, 11} <= {link["station"] for link in chain}
    assert {later.trade_id, proposal.proposal_id, promoted.canary_id, deployment.deployment_id} <= ids
    assert all(link["parent"] in ids | {None, "initial"} for link in chain)
    ack = next(link for link in chain if link["kind"] == "ack" and link["parent"] == deployment.deployment_id)
    after = [link for link in chain if link["kind"] == "trade" and link["parent"] == ack["id"]]
    assert after and all(trades.get(session, link["id"]).params_version == deployment.version for link in after)


def test_a_trade_of_the_canary_leads_to_it(whole: Path, session: Session, promoted: Canary, tmp_path: Path) -> None:
    [one] = trades.latest(session, 1, instance_id=slot_id(promoted.instance_id, "canary"))
    chain = traced(whole, one.trade_id, tmp_path)
    ids = {link["id"] for link in chain}
    assert {promoted.canary_id, promoted.proposal_id} <= ids
    assert all(link["parent"] in ids | {None, "initial"} for link in chain)


def traced(home: Path, identifier: str, folder: Path) -> list[dict]:
    done = run_cli(folder, "trace", identifier, "--json", home=home)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_people_see_them_by_command_and_in_the_reports(
    whole: Path, session: Session, promoted: Canary, taken_back: Canary, tmp_path: Path
) -> None:
    listed = run_cli(tmp_path, "canary", "list", "--all", "--json", home=whole)
    assert {each["canary_id"] for each in json.loads(listed.stdout)} >= {promoted.canary_id, taken_back.canary_id}
    shown = json.loads(run_cli(tmp_path, "canary", "show", taken_back.canary_id, "--json", home=whole).stdout)
    assert [step["share"] for step in shown["canary"]["schedule"]["steps"]] == [0.1, 0.5, 1.0]
    assert len(shown["days"]) == len(canaries.days(session, taken_back.canary_id))
    words = run_cli(tmp_path, "canary", "show", taken_back.canary_id, home=whole).stdout
    assert "schedule:" in words and taken_back.reason in words
    assert run_cli(tmp_path, "canary", "show", "canary-none", home=whole).returncode == 2
    written = [r.markdown for r in reports.list(session, 1_000) if r.language == "en" and r.kind == "daily"]
    assert any(f"{taken_back.instance_id}, " in text and "taken back" in text for text in written)


def test_no_chain_is_broken(whole: Path) -> None:
    require_unbroken_chains(whole)
