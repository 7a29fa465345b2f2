"""The gate and the newer strategies: a rule set is played as it is, and what bars cannot judge never passes."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from core.clock import to_ns
from core.errors import BadInput
from core.native import canonical_rules, generate, validate_params
from core.store import backtests, ledger, param_versions
from market.synthetic import demo_market
from strategies import backtest
from strategies.gate.runs import LONG_WARM_UP
from strategies.programs import identify_program
from strategies.schema import default_params
from tests.gate_world import INSTANCE, initial_version, make_gate, make_proposal

HISTORY_DAYS = 520
RULES = canonical_rules(
    json.dumps(
        {
            "name": "cross",
            "entry_long": {"crosses_above": [{"sma": {"window": 5}}, {"sma": {"window": 20}}]},
            "exit_long": {"crosses_below": [{"sma": {"window": 5}}, {"sma": {"window": 20}}]},
            "stop": {"atr": {"window": 14}},
        }
    )
)

OTHER = RULES.replace('"window":20', '"window":30').replace('"cross"', '"slower"')


@pytest.fixture
def bars(clock):
    first = (clock.now() - timedelta(days=HISTORY_DAYS)).replace(hour=0)
    return generate(demo_market(1, first, HISTORY_DAYS, n_symbols=1))


def test_a_rule_follower_is_screened_with_its_own_rule_set(store, clock, bars):
    gate = replace(make_gate(store, clock, bars), programs={INSTANCE: RULES})
    with store.session() as session:
        base = initial_version(session, clock.now(), "rules")
        gate.split_history(session, clock.now())
    proposal = make_proposal(base, clock.now(), stop=1.5)
    with store.session() as session:
        gate.save_admission(session, proposal, gate.admit(proposal))
    judgement = gate.screen(proposal)
    with store.session() as session:
        gate.save_screen(session, proposal, judgement)
        made = {run.role: run for run in backtests.for_proposal(session, proposal.proposal_id)}
    assert made["incumbent"].n_trades > 100 and made["candidate"].n_trades != made["incumbent"].n_trades
    assert made["candidate"].params_sha256 == validate_params("rules", {**default_params("rules"), "stop": 1.5}, RULES)
    without = replace(gate, programs={})
    with pytest.raises(BadInput, match="has no rules to follow"):
        without.screen(proposal)


def test_another_rule_set_is_registered_by_its_hash_and_played_beside_the_running_one(store, clock, bars):
    gate = make_gate(store, clock, bars)
    with store.session() as session:
        base = initial_version(session, clock.now(), "rules", rules=RULES)
        split = gate.split_history(session, clock.now())
    proposal = make_proposal(base, clock.now(), rules=OTHER)
    verdict = gate.admit(proposal)
    assert verdict.outcome == "accepted", verdict.deciding
    with store.session() as session:
        gate.save_admission(session, proposal, verdict)
        [row] = ledger.rows(session, "preregistration")
        assert json.loads(row.payload)["program"] == identify_program(OTHER)
        assert ledger.count_trials(session, "rules") == 0
    judgement = gate.screen(proposal)
    made = {run.role: run for run in judgement.backtests}
    alone = {name: backtest_of(gate, base, split, text) for name, text in (("incumbent", RULES), ("candidate", OTHER))}
    assert {role: made[role].n_trades for role in alone} == {role: facts.n_trades for role, facts in alone.items()}
    assert made["candidate"].params_sha256 == validate_params("rules", base.params, OTHER)
    hashes = {run.params_sha256 for run in judgement.backtests}
    neighbours = sum(run.role == "neighbour" for run in judgement.backtests)
    assert neighbours >= 6 and len(hashes) == neighbours + 2
    assert "plateau" in {check.name for check in judgement.verdict.checks}
    assert judgement == gate.screen(proposal)


def backtest_of(gate, base, split, rules):
    """What the screen's own days give one rule set."""
    proposal = make_proposal(base, gate.clock.now(), rules=rules)
    laboratory = gate._laboratory(proposal)
    start_at, end_at = laboratory.seen_window(split, gate.settings.seen_days)
    warm_from = max(split.seen_start_at, start_at - LONG_WARM_UP)
    seen = gate.archive.load((), warm_from, end_at)
    costs = backtest.dearer(gate.costs, gate.settings.cost_multiple)
    return backtest.run("rules", base.params, seen, costs, gate.capital[INSTANCE], to_ns(start_at), rules)


def test_every_stage_plays_each_side_with_its_own_rule_set(store, clock, bars):
    gate = make_gate(store, clock, bars)
    with store.session() as session:
        base = initial_version(session, clock.now(), "rules", rules=RULES)
        split = gate.split_history(session, clock.now())
    there, back = make_proposal(base, clock.now(), rules=OTHER), make_proposal(base, clock.now(), stop=1.5)
    changed = gate._laboratory(there)
    candidate, incumbent, _ = changed.run_sealed(split)
    _, same, _ = gate._laboratory(back).run_sealed(split)
    assert incumbent.pnl_usd.tolist() == same.pnl_usd.tolist() != candidate.pnl_usd.tolist()
    runs, _ = changed.run_screen(split, *changed.seen_window(split, 180), gate.settings)
    assert runs.paths.candidate.shape == runs.paths.incumbent.shape
    assert runs.paths.candidate.tolist() != runs.paths.incumbent.tolist()
    swapped = replace(there, base_rules=OTHER, rules=RULES)
    mirrored, _ = gate._laboratory(swapped).run_screen(split, *changed.seen_window(split, 180), gate.settings)
    assert runs.paths.candidate.tolist() == mirrored.paths.incumbent.tolist()


@pytest.mark.parametrize(
    ("strategy", "edit"),
    [("predictive", "min_confidence"), ("micro_arbitrage", "min_edge"), ("liquidation", "min_profit")],
)
def test_what_bars_cannot_judge_is_refused_before_anything_is_tried(store, clock, bars, strategy, edit):
    gate = make_gate(store, clock, bars)
    with store.session() as session:
        base = initial_version(session, clock.now(), strategy)
        gate.split_history(session, clock.now())
    step = {"min_confidence": 0.05, "min_edge": 0.5, "min_profit": 2.0}[edit]
    proposal = make_proposal(base, clock.now(), **{edit: base.params[edit] + step})
    verdict = gate.admit(proposal)
    assert verdict.outcome == "refused" and verdict.deciding.startswith("no_evidence: ")
    with store.session() as session:
        gate.save_admission(session, proposal, verdict)
        assert ledger.count_trials(session, strategy) == 0
        assert param_versions.active(session, INSTANCE).version == 1
