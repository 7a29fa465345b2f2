"""A proposed rule set as people and programs read it: command line, pages and API, and never as markup."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.cli import main
from core.clock import VirtualClock
from core.native import validate_params
from core.store import Store, param_versions, proposals
from strategies.programs import canonical_program
from strategies.schema import default_params
from tests.gate_world import initial_version, make_proposal
from tests.web_world import Web, fill, make_web

FIRST = canonical_program(
    json.dumps({"name": "up", "entry_long": {"above": ["close", "open"]}, "exit_long": {"below": ["close", "open"]}})
)
OTHER = FIRST.replace('"below":["close","open"]', '"below":["close",{"sma":{"window":20}}]')
GOES, COMES = "- exit_long: close < open", "+ exit_long: close < sma(20)"


def follow(store: Store, clock: VirtualClock) -> str:
    """Keep a follower of rules with two versions, and a proposal for the first one; return the proposal's id."""
    with store.session() as session:
        first = initial_version(session, clock.now(), "rules", "rules-1", rules=FIRST)
        sha256 = validate_params("rules", default_params("rules"), OTHER)
        second = replace(first, version=2, sha256=sha256, origin="p-1", active=False, rules=OTHER)
        param_versions.add(session, second)
        proposal = make_proposal(first, clock.now(), rules=OTHER)
        proposals.add(session, proposal)
        hostile = make_proposal(first, clock.now(), rules='{"name":"<script>alert(1)</script>"}')
        proposals.add(session, replace(hostile, proposal_id="proposal-hostile"))
    return proposal.proposal_id


@pytest.fixture
def web(store: Store, clock: VirtualClock, tmp_path: Path) -> Iterator[Web]:
    fill(store, clock.now())
    yield make_web(store, clock, tmp_path)


def test_pages_and_api_show_what_goes_and_what_comes(web: Web, store: Store, clock: VirtualClock) -> None:
    proposal_id = follow(store, clock)
    page = web.client.get(f"/proposals/{proposal_id}").get_data(as_text=True)
    assert GOES.replace("<", "&lt;") in page and COMES.replace("<", "&lt;") in page
    listed = web.client.get("/proposals").get_data(as_text=True)
    assert "<script>alert(1)" not in listed and "no rule set: " in listed
    told = web.client.get(f"/api/proposals/{proposal_id}").get_json()
    assert (told["rules"], told["rules_change"]) == (OTHER, [GOES, COMES])
    parameters = web.client.get("/parameters").get_data(as_text=True)
    assert "entry_long: close &gt; open" in parameters and COMES.replace("<", "&lt;") in parameters


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("proposals", "show", "{id}"), (GOES, COMES)),
        (("proposals", "list"), ("another rule set",)),
        (("params", "show", "rules-1"), ("Rule set of rules-1 v1", "exit_long: close < open")),
        (("params", "diff", "rules-1", "1", "2"), ("The same numbers.", GOES, COMES)),
        (("params", "diff", "rules-1", "1", "1"), ("No difference.",)),
    ],
)
def test_the_command_line_shows_it(
    store: Store,
    clock: VirtualClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    says: tuple[str, ...],
) -> None:
    monkeypatch.setenv("XCRACK_HOME", str(tmp_path))
    proposal_id = follow(store, clock)
    with pytest.raises(SystemExit):
        main([each.format(id=proposal_id) for each in arguments])
    out = capsys.readouterr().out
    assert all(each in out for each in says), out
