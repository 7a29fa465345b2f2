"""Admission of another rule set: what is refused, by which name, and that it is never a narrowing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.model.proposal import PLACEBO, ParamVersion
from core.native import canonical_rules, validate_params
from core.settings_sections import GateSettings
from core.store import deployments, ledger, param_versions, proposals
from strategies.gate import records
from strategies.gate.admission import AdmissionFacts, check_admission
from strategies.gate.program_checks import PROGRAM
from strategies.programs import MAX_TEXT_BYTES, identify_program
from strategies.schema import default_params
from tests.gate_world import initial_version, make_gate, make_proposal

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
UP = canonical_rules(
    '{"name":"up","entry_long":{"above":["close",{"sma":{"window":20}}]},"exit_long":{"below":["close","open"]}}'
)
SLOW = UP.replace("20", "30")


def version(strategy="rules", rules=UP, **params):
    values = {**default_params(strategy), **params}
    return ParamVersion(
        "mm-1", strategy, 1, values, validate_params(strategy, values, rules), "initial", NOW, True, rules
    )


def facts(**changed):
    active = version()
    known = AdmissionFacts(active, active.params, (), (), (), {}, NOW, programs={identify_program(UP): "version 1"})
    return replace(known, **changed)


def failures(proposal, **changed):
    return [check.name for check in check_admission(proposal, facts(**changed), GateSettings()).failed]


def test_another_rule_set_is_admitted_alone_or_with_numbers_beside_it():
    assert failures(make_proposal(version(), NOW, rules=SLOW)) == []
    assert failures(make_proposal(version(), NOW, rules=SLOW, stop=1.8)) == []


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ("{", "program"),
        (UP.replace("20", "501"), "program"),
        (UP + " ", "program"),
        (UP.replace("{", '{"symbol":"ETHUSDT",', 1), "program"),
        (SLOW + " " * MAX_TEXT_BYTES, "program"),
        (UP, "program_new"),
        (UP.replace('"up"', '"another-name"'), "program_new"),
    ],
)
def test_what_is_no_new_rule_set_is_refused_by_name(rules, why):
    assert failures(make_proposal(version(), NOW, rules=rules)) == [why]


def test_only_followers_of_rules_get_one_and_only_for_the_one_that_runs():
    plain = version("market_making", None)
    assert failures(make_proposal(plain, NOW, rules=SLOW), active=plain) == ["program"]
    unsaid = replace(make_proposal(version(), NOW, rules=SLOW), base_rules=None)
    assert failures(unsaid) == ["program"]
    assert failures(replace(unsaid, base_rules=SLOW)) == ["program"]


def test_a_bound_holds_for_the_numbers_beside_it():
    assert "step" in failures(make_proposal(version(), NOW, rules=SLOW, stop=9.0))


def test_it_is_never_a_narrowing():
    lower = make_proposal(version(), NOW, size=8.0)
    assert check_admission(lower, facts(), GateSettings()).is_narrowing
    assert not check_admission(replace(lower, rules=SLOW), facts(), GateSettings()).is_narrowing


def test_it_waits_for_the_cool_down_and_behind_what_is_on_its_way():
    proposal = make_proposal(version(), NOW, rules=SLOW)
    assert failures(proposal, touched_at={PROGRAM: NOW - timedelta(days=1)}) == ["cooldown"]
    assert failures(proposal, touched_at={"stop": NOW}) == []
    assert failures(proposal, on_the_way=("deployment-1",)) == ["one_at_a_time"]


def test_what_was_registered_or_followed_is_known_and_placebos_tell_nobody(store, clock):
    gate = make_gate(store, clock, None)
    with store.session() as session:
        base = initial_version(session, clock.now(), "rules", rules=UP)
    tried = make_proposal(base, clock.now(), rules=SLOW)
    again = make_proposal(base, clock.now() + timedelta(days=1), rules=SLOW, stop=1.8)
    random = replace(make_proposal(base, clock.now(), rules=UP.replace("20", "40")), source=PLACEBO)
    for proposal in (tried, random):
        verdict = gate.admit(proposal)
        with store.session() as session:
            gate.save_admission(session, proposal, verdict)
    followed = {identify_program(UP): "version 1"}
    with store.session() as session:
        known = records.load_admission_facts(session, again, clock.now())
        assert known.programs == followed | {identify_program(SLOW): tried.proposal_id}
        assert records.load_admission_facts(session, tried, clock.now()).programs == followed


def test_a_rule_set_in_force_or_sealed_is_touched(store, clock):
    with store.session() as session:
        base = initial_version(session, clock.now(), "rules", rules=UP)
        tried = replace(make_proposal(base, clock.now(), rules=SLOW), state="inconclusive")
        proposals.add(session, tried)
        ledger.append(session, clock.now(), "sealed_test", "rules", tried.proposal_id, {})
        assert records.load_admission_facts(session, tried, clock.now()).touched_at == {PROGRAM: clock.now()}
        assert param_versions.active(session, "mm-1").rules == UP and deployments.of_instance(session, "mm-1") == []
