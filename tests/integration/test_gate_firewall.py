"""Nothing that was computed on sealed days can reach a proposer: the rooms that feed it cannot read it."""

import ast
from pathlib import Path

import pytest

import core.store.verdicts
from core.model.canonical import canonical_json
from core.model.proposal import Check, Verdict
from core.store import ledger, proposals, verdicts
from feedback.memory import refuted_edits
from tests.gate_world import initial_version, make_proposal

FEEDBACK = Path(__file__).parents[2] / "feedback"
SECRET_ROOMS = {"aftermaths", "backtests", "canaries", "ledger", "pattern_weeks", "scorecards", "twin_days", "verdicts"}
WRITES_FOR_PEOPLE = {"report.py", "cycles", "scorecard.py", "scorecard_facts.py", "scorecard_text.py", "twin.py"}
"""Reports are read by people; nothing of them goes back into a dataset or a prompt."""


def feeding_modules():
    return [
        path for path in sorted(FEEDBACK.rglob("*.py")) if path.relative_to(FEEDBACK).parts[0] not in WRITES_FOR_PEOPLE
    ]


def secret_imports(path):
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("core.store"):
            names = {node.module.rsplit(".", 1)[-1], *(alias.name for alias in node.names)}
            found |= names & SECRET_ROOMS
        if isinstance(node, ast.Import):
            found |= {
                alias.name.rsplit(".", 1)[-1] for alias in node.names if "core.store" in alias.name
            } & SECRET_ROOMS
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("strategies.gate"):
            found.add("strategies.gate")
    return found


def test_what_feeds_the_proposer_reads_no_verdict_backtest_or_ledger():
    readers = {path.name: found for path in feeding_modules() if (found := secret_imports(path))}
    assert readers == {"memory.py": {"verdicts"}, "search.py": {"verdicts", "strategies.gate"}}


def test_the_search_asks_the_gate_for_its_windows_and_verdicts_for_the_outcome_of_the_screen_alone():
    tree = ast.parse((FEEDBACK / "search.py").read_text(encoding="utf-8"))
    asked = [
        (node.func.attr, [arg.value for arg in node.args if isinstance(arg, ast.Constant)])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "verdicts"
    ]
    assert asked
    assert all(call == ("outcomes", ["screen"]) for call in asked)
    taken = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("strategies.gate")
        for alias in node.names
    }
    assert taken <= {"Gate", "HistorySplit", "IN_FLIGHT", "history_span", "read_split", "seen_window"}


def test_the_memory_of_refuted_changes_asks_verdicts_only_for_a_stage():
    tree = ast.parse((FEEDBACK / "memory.py").read_text(encoding="utf-8"))
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "verdicts"
    }
    assert used <= {"last_stage"}
    assert core.store.verdicts.last_stage.__annotations__["return"] in (str | None, "str | None")


@pytest.mark.parametrize("outcome", ["accepted", "inconclusive"])
def test_a_refuted_change_carries_its_state_and_no_number_of_the_sealed_test(store, clock, outcome):
    with store.session() as session:
        base = initial_version(session, clock.now())
        proposal = make_proposal(base, clock.now(), spread_threshold=50.0)
        proposals.add(session, proposal)
        check = Check("p_value", False, 0.123456, 0.007654, "one-sided")
        verdicts.add(
            session,
            Verdict(
                "v", proposal.proposal_id, "sealed", outcome, "p = 0.123456", (check,), (), (), (), (), 7, clock.now()
            ),
        )
        ledger.append(session, clock.now(), "sealed_test", "market_making", proposal.proposal_id, {"level": 0.007654})
        proposals.set_state(session, proposal.proposal_id, outcome)
        text = canonical_json(refuted_edits(session))
    assert "0.123456" not in text
    assert "0.007654" not in text
    assert ("inconclusive" in text) == (outcome == "inconclusive")
