"""Rule sets: read with place and reason, bound to their instances, and part of what a version is."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.clock import VirtualClock
from core.errors import BadInput, UnknownName
from core.native import validate_params
from core.settings import Settings
from core.settings_sections import InstanceSettings
from core.store import Session, Store, deployments, param_versions
from core.store.tables import param_version
from strategies.programs import (
    MAX_BYTES,
    MAX_TEXT_BYTES,
    canonical_program,
    identify_program,
    load_programs,
    read_rules,
)
from strategies.rollout import Rollout
from strategies.schema import decides_on, default_params, is_judged_on_bars, strategy_names, summary_of

BREAKOUT: dict[str, Any] = {
    "name": "breakout",
    "entry_long": {"above": ["close", {"highest": {"window": 20}}]},
    "exit_long": {"below": ["close", {"lowest": {"window": 10}}]},
}


def write(path: Path, rules: Any) -> Path:
    path.write_text(json.dumps(rules), encoding="utf-8")
    return path


def follower(path: Path | None, **over: Any) -> InstanceSettings:
    return InstanceSettings(
        **{"instance_id": "rules-1", "strategy": "rules", "capital_share": 0.2, "rules": path, **over}
    )


def rollout(clock: VirtualClock, instance: InstanceSettings) -> Rollout:
    return Rollout(clock, Settings(), lambda session, message: 1, load_programs([instance]))


@pytest.fixture
def session(store: Store) -> Iterator[Session]:
    with store.session() as opened:
        yield opened


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"entry_long": {"above": ["close", {"number": 3.0}]}}, r"entry_long\S*: cannot compare a price"),
        (
            {"exit_long": {"below": ["close", {"sma": {"window": 501}}]}},
            r"exit_long.below\[1\]: window = 501 is outside",
        ),
        ({"name": "Break Out"}, "name: must be 1 to 64 of a-z"),
        ({"exit_long": None}, "neither an exit of its side nor a stop"),
        ({"entry_long": {"jump": []}}, "unknown variant `jump`"),
        ({"sizes": 1}, "unknown field `sizes`"),
    ],
)
def test_a_rule_set_is_refused_with_file_place_and_reason(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    path = write(tmp_path / "rules.json", BREAKOUT | change)
    with pytest.raises(BadInput, match=says) as refused:
        read_rules(path)
    assert str(path) in str(refused.value) and "rules_program.json" in refused.value.remedy


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No such file"):
        read_rules(tmp_path / "none.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match="not UTF-8"):
        read_rules(tmp_path / "bytes.json")
    (tmp_path / "large.json").write_bytes(b" " * (MAX_BYTES + 1))
    with pytest.raises(BadInput, match="larger than"):
        read_rules(tmp_path / "large.json")


def test_layout_is_not_content(tmp_path: Path) -> None:
    spread = tmp_path / "spread.json"
    spread.write_text(json.dumps(dict(reversed(BREAKOUT.items())), indent=8), encoding="utf-8")
    assert read_rules(spread) == read_rules(write(tmp_path / "flat.json", BREAKOUT))


@pytest.mark.parametrize(
    ("over", "kind", "says"),
    [
        ({"rules": None}, BadInput, "without a rule set"),
        ({"strategy": "sma_cross"}, BadInput, "sma_cross takes none"),
        ({"strategy": "astrology"}, UnknownName, "no strategy 'astrology'"),
        ({"strategy": "micro_arbitrage", "rules": None}, BadInput, "decides on quotes and books, with driver bars"),
    ],
)
def test_an_instance_without_what_its_strategy_decides_on_is_refused(
    tmp_path: Path, over: dict[str, Any], kind: type[Exception], says: str
) -> None:
    path = write(tmp_path / "rules.json", BREAKOUT)
    with pytest.raises(kind, match=says):
        load_programs([follower(path, **over)])


def test_the_first_version_of_a_follower_is_hashed_with_its_rule_set(
    tmp_path: Path, session: Session, clock: VirtualClock
) -> None:
    instance = follower(write(tmp_path / "rules.json", BREAKOUT))
    [version] = rollout(clock, instance).ensure_initial(session, [instance])
    alone = validate_params("rules", default_params("rules"))
    assert version.sha256 == validate_params("rules", default_params("rules"), read_rules(tmp_path / "rules.json"))
    assert version.sha256 != alone


def test_a_start_with_another_rule_set_is_refused_and_the_old_one_lets_it_go_on(
    tmp_path: Path, session: Session, clock: VirtualClock
) -> None:
    instance = follower(write(tmp_path / "rules.json", BREAKOUT))
    rollout(clock, instance).ensure_initial(session, [instance])
    write(tmp_path / "rules.json", BREAKOUT | {"exit_long": {"below": ["close", {"lowest": {"window": 11}}]}})
    with pytest.raises(BadInput, match="rules-1 is not the one it began with"):
        rollout(clock, instance).require_same_programs(session)
    write(tmp_path / "rules.json", BREAKOUT)
    rollout(clock, instance).require_same_programs(session)
    assert param_versions.active(session, "rules-1").version == 1


def test_what_runs_is_the_rule_set_of_the_version_whatever_the_settings_began_with(
    tmp_path: Path, session: Session, clock: VirtualClock
) -> None:
    instance = follower(write(tmp_path / "rules.json", BREAKOUT))
    made = rollout(clock, instance)
    [first] = made.ensure_initial(session, [instance])
    other = canonical_program(json.dumps(BREAKOUT | {"name": "slow", "exit_long": {"below": ["close", "open"]}}))
    made.send_to_slot(session, "rules-1.shadow", first.params, 1.0, "canary:1", other)
    sent = made.send_to_live(session, "rules-1", first.params, 1.0, "p-1", None, other)
    param_versions.activate(session, "rules-1", 2)
    deployments.put(session, replace(sent, state="active"))
    made.require_same_programs(session)
    assert param_versions.active(session, "rules-1").rules == other
    made.send_to_live(session, "rules-1", first.params, 0.5, "canary:1")
    kept = param_versions.history(session, "rules-1")[-1]
    assert (kept.rules, kept.sha256) == (other, validate_params("rules", first.params, other))


def test_versions_from_before_they_kept_their_rule_set_get_it_at_the_next_start(
    tmp_path: Path, session: Session, clock: VirtualClock
) -> None:
    instance = follower(write(tmp_path / "rules.json", BREAKOUT))
    made = rollout(clock, instance)
    made.ensure_initial(session, [instance])
    session.execute(param_version.update().values(rules=None))
    made.require_same_programs(session)
    known = {param_versions.active(session, name).rules for name in ("rules-1", "rules-1.shadow", "rules-1.day0")}
    assert known == {read_rules(tmp_path / "rules.json")}


def test_the_text_of_a_rule_set_that_nobody_vouches_for_is_bounded_and_closed() -> None:
    assert canonical_program(json.dumps(BREAKOUT, indent=4)) == canonical_program(json.dumps(BREAKOUT))
    for text, says in (
        (json.dumps(BREAKOUT) + " " * MAX_TEXT_BYTES, "bytes, and at most"),
        ('{"name":"deep","entry_long":' + '{"not":' * 2_000, "recursion limit"),
        ("\ud800", "not UTF-8"),
        (json.dumps(BREAKOUT | {"symbol": "BTCUSDT"}), "unknown field `symbol`"),
        (json.dumps(BREAKOUT | {"interval": "1h"}), "unknown field `interval`"),
    ):
        with pytest.raises(BadInput, match=says):
            canonical_program(text)


def test_a_name_is_no_difference() -> None:
    one, renamed = (canonical_program(json.dumps(BREAKOUT | {"name": name})) for name in ("one", "two"))
    other = canonical_program(json.dumps(BREAKOUT | {"exit_long": {"below": ["close", "open"]}}))
    assert one != renamed and identify_program(one) == identify_program(renamed) != identify_program(other)


def test_the_sign_of_a_zero_is_no_difference() -> None:
    exits = ({"above": [{"rsi": {"window": 14}}, {"number": number}]} for number in (0.0, -0.0))
    zero, negative = (canonical_program(json.dumps(BREAKOUT | {"exit_long": each})) for each in exits)
    assert zero != negative and identify_program(zero) == identify_program(negative)


def test_every_strategy_says_what_it_does_and_what_it_decides_on() -> None:
    needs = {name: decides_on(name) for name in strategy_names()}
    others = {"liquidation": "loans", "micro_arbitrage": "quotes", "predictive": "predictions"}
    assert {name: need for name, need in needs.items() if not is_judged_on_bars(name)} == others
    assert all(len(summary_of(name)) > 20 for name in needs)
