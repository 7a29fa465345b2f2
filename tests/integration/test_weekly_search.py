"""The weekly search with the real engine on a seeded market: seen days only, every backtest on the ledger, once."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.clock import VirtualClock, kst_day
from core.model.proposal import ParamVersion, Proposal, Verdict
from core.native import Bars, generate
from core.settings_sections import SearchSettings
from core.store import Store, ledger, proposals, searches, verdicts
from feedback.search import ParameterSearch, Searched
from market.bars import BarArchive
from market.synthetic import demo_market
from strategies.gate import Gate
from strategies.gate.records import verdict_id
from strategies.gate.split import read_split
from strategies.programs import canonical_program
from strategies.proposers.bandit import ArmCounts
from strategies.proposers.record import load_record
from tests import factories
from tests.gate_world import INSTANCE, initial_version, make_gate, make_proposal

HISTORY_DAYS = 200
START = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
N_TRIALS = 12


@pytest.fixture(scope="module")
def market() -> Bars:
    first = (START - timedelta(days=HISTORY_DAYS)).replace(hour=0)
    return generate(demo_market(1, first, HISTORY_DAYS, n_symbols=1))


@dataclass
class World:
    """A store, a gate with its split, the instance's first version, and the search around it."""

    store: Store
    clock: VirtualClock
    gate: Gate
    base: ParamVersion
    room: ParameterSearch

    def search(self, **settings: float) -> Searched:
        room = replace(self.room, settings=self.room.settings.model_copy(update=settings))
        return room.search(INSTANCE, self.on, "analysis-week", self.clock.now())

    @property
    def on(self):
        return kst_day(self.clock.now()) - timedelta(days=1)

    def save(self, searched: Searched) -> None:
        with self.store.session() as session:
            self.room.save(session, searched)

    def add(self, proposal: Proposal, *judged: Verdict) -> Proposal:
        with self.store.session() as session:
            proposals.add(session, proposal)
            for verdict in judged:
                verdicts.add(session, verdict)
        return proposal

    def proposed(self, days_ago: float = 2.0, **edits: float) -> Proposal:
        return make_proposal(self.base, self.clock.now() - timedelta(days=days_ago), **edits)


@pytest.fixture
def world(store: Store, clock: VirtualClock, market: Bars, tmp_path: Path) -> World:
    return make_world(store, clock, market, tmp_path)


def make_world(store: Store, clock: VirtualClock, market: Bars, folder: Path) -> World:
    gate = make_gate(store, clock, market)
    with store.session() as session:
        gate.split_history(session, clock.now())
        base = initial_version(session, clock.now())
    settings = SearchSettings(backtests_per_instance=N_TRIALS, placebo_share=0.0)
    return World(store, clock, gate, base, ParameterSearch(gate, BarArchive(folder / "bars", clock), settings))


RULES = canonical_program(
    json.dumps(
        {
            "name": "cross",
            "entry_long": {"above": [{"sma": {"window": 4}}, {"sma": {"window": 9}}]},
            "exit_long": {"below": [{"sma": {"window": 4}}, {"sma": {"window": 9}}]},
        }
    )
)


def test_around_a_follower_of_rules_variants_are_judged_too_and_the_find_carries_its_rule_set(
    store: Store, clock: VirtualClock, market: Bars, tmp_path: Path
) -> None:
    gate = make_gate(store, clock, market)
    with store.session() as session:
        gate.split_history(session, clock.now())
        base = initial_version(session, clock.now(), "rules", rules=RULES)
    settings = SearchSettings(backtests_per_instance=32, placebo_share=1.0)
    world = World(store, clock, gate, base, ParameterSearch(gate, BarArchive(tmp_path / "bars", clock), settings))
    searched = world.search()
    assert world.search() == searched
    world.save(searched)
    tally = {arm.arm: arm for arm in searched.search.arms}
    assert tally["variants"].n_judged >= 4
    with store.session() as session:
        rows = [json.loads(row.payload) for row in ledger.rows(session, "backtest")]
        made = proposals.get(session, searched.search.proposal_id)
        [placebo] = [each for each in proposals.in_state(session, "pending") if each.is_placebo]
    kept = [row["trial"] for row in rows if row["role"] == "searched"]
    assert len(kept) == 32 and len({trial["params_sha256"] for trial in kept}) == 32
    tried = {trial["params_sha256"] for trial in kept if trial["rules"] is not None}
    assert len(tried) == tally["variants"].n_judged
    # Trading every cross of two short means costs more than any variant's change: the best find is another rule set.
    assert made.source == "variants" and made.rules is not None and made.base_rules == RULES and made.edits == ()
    assert gate.admit(made).outcome == "accepted"
    assert placebo.rules not in (None, RULES, made.rules) and placebo.edits == ()
    assert gate.admit(placebo).outcome == "accepted"


def screened(proposal: Proposal, outcome: str) -> Verdict:
    return factories.verdict(
        verdict_id=verdict_id(proposal.proposal_id, "screen"),
        proposal_id=proposal.proposal_id,
        stage="screen",
        outcome=outcome,
    )


def test_a_search_finds_a_better_parameter_set_and_puts_every_backtest_on_the_ledger(world: World) -> None:
    searched = world.search()
    world.save(searched)
    week = searched.search
    assert (week.n_trials, week.reason) == (N_TRIALS, "")
    assert week.n_gains >= 1 and week.n_retested >= week.n_gains_fresh >= 1
    assert week.best_fresh_usd is not None and week.best_fresh_usd > 0
    assert sum(arm.n_judged for arm in week.arms) == N_TRIALS
    with world.store.session() as session:
        rows = [json.loads(row.payload) for row in ledger.rows(session, "backtest")]
        split = read_split(session)
        [stored] = searches.of_week(session, world.on)
        made = proposals.get(session, week.proposal_id)
    assert split is not None and stored == week
    assert [row["role"] for row in rows].count("searched") == N_TRIALS
    assert [row["role"] for row in rows].count("retested") == week.n_retested
    assert [row["role"] for row in rows].count("incumbent") == 2
    assert all(row["start_at"] >= split.seen_start_at.isoformat()[:10] for row in rows)
    searched_until = max(row["end_at"] for row in rows if row["role"] == "searched")
    assert all(row["start_at"] > searched_until for row in rows if row["role"] == "retested")
    assert (made.state, made.analysis_id, made.base_sha256) == ("pending", "analysis-week", world.base.sha256)
    assert world.gate.admit(made).outcome == "accepted"


def test_the_same_week_gives_the_same_search_and_a_repeated_save_nothing(world: World) -> None:
    searched = world.search()
    assert world.search() == searched
    world.save(searched)
    with world.store.session() as session:
        before = len(ledger.rows(session))
    world.save(searched)
    with world.store.session() as session:
        assert len(ledger.rows(session)) == before


def test_what_the_screen_has_refused_is_not_found_again(world: World) -> None:
    first = world.search()
    [found] = first.proposals
    world.add(replace(found, state="refused"), screened(found, "refused"))
    again = world.search()
    assert first.trials is not None and again.trials is not None
    refused = {t.params_sha256 for t in first.trials.search.trials if t.params == found.params}
    assert refused and not refused & {t.params_sha256 for t in again.trials.search.trials}
    assert again.search.proposal_id != first.search.proposal_id


def test_an_analyzers_open_idea_takes_part_under_its_own_source_and_a_judged_one_does_not(world: World) -> None:
    spread = world.base.params["spread_threshold"]
    world.add(replace(world.proposed(spread_threshold=spread + 1), state="refused"))
    judged = replace(world.proposed(spread_threshold=spread - 1), state="refused", source="llm:m")
    world.add(judged, screened(judged, "refused"))
    world.add(replace(world.proposed(days_ago=9, inventory_skew=0.4), state="expired"))
    searched = world.search()
    assert searched.trials is not None
    handed = [trial for trial in searched.trials.search.trials if trial.source in ("rule", "llm:m")]
    assert [(trial.source, trial.params["spread_threshold"]) for trial in handed] == [("rule", spread + 1)]


@pytest.mark.parametrize(("source", "state"), [("tpe", "queued"), ("rule", "accepted")])
def test_behind_another_find_or_an_accepted_change_nothing_is_searched(world: World, source: str, state: str) -> None:
    waiting = world.add(replace(world.proposed(order_size=0.2), source=source, state=state))
    searched = world.search()
    assert (searched.search.reason, searched.search.detail) == ("on_its_way", waiting.proposal_id)
    assert (searched.search.n_trials, searched.window) == (0, None)


def test_an_analyzers_queued_idea_neither_stops_the_search_nor_keeps_its_find_out(world: World) -> None:
    spread = world.base.params["spread_threshold"]
    world.add(replace(world.proposed(order_size=0.2), state="queued"))
    world.add(replace(world.proposed(spread_threshold=spread + 1), state="refused"))
    searched = world.search()
    assert searched.trials is not None and "rule" not in {t.source for t in searched.trials.search.trials}
    world.save(searched)
    assert world.gate.admit(searched.proposals[0]).outcome == "accepted"


def test_no_backtests_mean_no_search(world: World) -> None:
    searched = world.search(backtests_per_instance=0)
    world.save(searched)
    assert (searched.search.reason, searched.search.made) == ("off", ())


def test_without_enough_seen_days_there_is_no_search(world: World) -> None:
    searched = world.search(fresh_days=120)
    assert searched.search.reason == "too_few_days"
    assert "180 seen days leave 55 to search" in searched.search.detail


def test_an_instance_that_no_version_is_in_force_for_is_not_searched(world: World) -> None:
    other = replace(world.room, gate=replace(world.gate, capital={"other-1": world.gate.capital[INSTANCE]}))
    assert other.search("other-1", world.on, "analysis-week", world.clock.now()).search.reason == "not_running"


def test_placebos_go_with_the_weeks_proposals_whatever_became_of_them(world: World) -> None:
    spread = world.base.params["spread_threshold"]
    shadowed = world.add(replace(world.proposed(spread_threshold=spread + 1), state="queued"))
    world.add(replace(world.proposed(days_ago=9, spread_threshold=spread - 1), state="queued"))
    searched = world.search(placebo_share=1.0, backtests_per_instance=0)
    [placebo] = searched.proposals
    assert placebo.is_placebo and placebo.analysis_id == shadowed.analysis_id
    assert searched.search.made == (placebo.proposal_id,) and searched.search.reason == "off"
    world.save(searched)
    # Nothing waits behind what it shadows: it goes its own way to the screen.
    assert world.gate.admit(placebo).outcome == "accepted"


def test_the_bandit_starts_from_what_the_screen_and_thirty_lived_days_said(world: World) -> None:
    for n, (source, state) in enumerate((("rule", "queued"), ("llm:m", "refused"), ("tpe", "queued"))):
        proposal = replace(world.proposed(order_size=0.1 + n / 10), source=source, state=state)
        world.add(proposal, screened(proposal, state))
    placebo = replace(world.proposed(order_size=0.6), source="placebo_random", state="queued")
    world.add(placebo, screened(placebo, "queued"))
    world.add(replace(world.proposed(order_size=0.7), source="cma", state="refused"))
    with world.store.session() as session:
        record = load_record(session)
    assert record == {"llm": ArmCounts(1, 1), "tpe": ArmCounts(1, 0), "cma": ArmCounts(0, 0)}
