"""The gate and the newer strategies: a rule set is played as it is, and what bars cannot judge never passes."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from core.errors import BadInput
from core.native import canonical_rules, generate, validate_params
from core.store import backtests, ledger, param_versions
from market.synthetic import demo_market
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
