"""The daily cycle in its real rooms, with a language model behind a scripted server: sound, broken or silent."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.home import Home
from app.trace import trace_chain
from app.wiring import Rooms, build_rooms
from core import native
from core.clock import VirtualClock, kst_day
from core.store import (
    Session,
    analyses,
    audit,
    frames,
    ledger,
    llm_calls,
    open_store,
    prompts,
    proposals,
    reports,
    verdicts,
)
from core.store import twin_days as twin_day_rows
from strategies.schema import default_params
from tests.analyzer_days import daily_answer, edit, edits_answer
from tests.demo_runs import copy_home, make_begun, settings_of, shared_home
from tests.llm_server import LlmServer, running_llm
from tests.scorecard_world import followed, keep_followed, twin_days

KEY = "sk-test-0123456789abcdef"
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
MODEL = "llm:deepseek-flash-1017"
EDIT = edit(value=65)
CANARY = "canary-of-the-scorecard"
CANARY_USD = 271.828


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo whose first daily cycle is due."""
    return shared_home(tmp_path_factory, "begun", make_begun)


@contextmanager
def worker(home: Path, server: LlmServer, **analyzer: Any) -> Iterator[Rooms]:
    """The rooms of a worker with a key, at the time when the cycle is due, without an engine."""
    settings = settings_of(home, {"base_url": server.base_url, "api_key": KEY, "timeout_s": 20, **analyzer})
    store = open_store(settings.store_url)
    with store.session() as session:
        now = frames.reached_at(session, "engine-1")
    store.dispose()
    assert now is not None
    with build_rooms(settings, Home(home), VirtualClock(now), SYMBOLS) as rooms:
        object.__setattr__(rooms.daily.analyzer.model.client, "sleep", no_sleep)
        yield rooms


async def no_sleep(_: float) -> None:
    """Back-off is counted, not waited for."""


def cycle(
    begun: Path,
    tmp_path: Path,
    modes: list[str],
    answers: list[str],
    prepare: Callable[[Session, datetime], None] = lambda session, now: None,
    **analyzer: Any,
) -> "Night":
    """Run the cycle of the first night on what `prepare` added, and return what is in the store after it."""
    home = copy_home(begun, tmp_path / "home")
    with running_llm(modes, answers) as server, worker(home, server, **analyzer) as rooms:
        with rooms.store.session() as session:
            prepare(session, rooms.clock.now())
        assert rooms.daily.run_daily_cycle(rooms.clock.now()) is not None
        return Night(rooms, server)


class Night:
    """What one daily cycle left."""

    def __init__(self, rooms: Rooms, server: LlmServer) -> None:
        self.requests = server.requests
        with rooms.store.session() as session:
            self.report = {r.language: r for r in reports.list(session, 10)}
            self.on = self.report["en"].on
            self.study = analyses.for_day(session, self.on, "daily_analysis")
            self.note = analyses.for_day(session, self.on, "adjustments")
            self.proposals = proposals.latest(session, 100)
            self.verdicts = {p.proposal_id: verdicts.for_proposal(session, p.proposal_id) for p in self.proposals}
            self.calls = llm_calls.latest(session, 100)
            self.prompts = {call.prompt_sha256: prompts.find(session, call.prompt_sha256) for call in self.calls}
            self.audited = [row.action for row in audit.latest(session, 100)]
            self.stations = {
                p.proposal_id: {link.station for link in trace_chain(session, p.proposal_id)} for p in self.proposals
            }
            assert audit.verify(session) is None


def require_sound(night: Night) -> None:
    """Whatever the model did: reports in both languages, and nothing out of bounds at the gate."""
    assert set(night.report) == {"ko", "en"}
    for proposal in night.proposals:
        native.validate_params(proposal.strategy, proposal.params)
        assert set(proposal.params) == set(default_params(proposal.strategy))
        assert night.verdicts[proposal.proposal_id][0].stage == "admission"
    text = night.report["en"].markdown + night.report["ko"].markdown
    assert KEY not in text and KEY not in str(night.calls) + str(night.prompts)


def test_a_sound_model_studies_proposes_and_is_judged_like_everybody_else(begun: Path, tmp_path: Path) -> None:
    night = cycle(begun, tmp_path, ["ok"], [daily_answer(), edits_answer(EDIT)])
    require_sound(night)
    assert night.study is not None and (night.study.source, night.study.fallback_reason) == (MODEL, "")
    [proposal] = night.proposals
    assert (proposal.source, proposal.instance_id, proposal.params["spread_threshold"]) == (MODEL, "mm-1", 65)
    assert proposal.state in {"queued", "refused"}
    # The study, the proposal, and the proposal once more without the news.
    assert len(night.requests) == 3
    assert [call.status for call in night.calls] == ["ok", "ok", "ok"]
    assert not proposal.hold, "the answer without news is the same"
    assert all(call.cost_usd > 0 and call.resolved_model == "deepseek-flash-1017" for call in night.calls)
    assert night.study.cost_usd + night.note.cost_usd == sum(call.cost_usd for call in night.calls)
    for sha256, prompt in night.prompts.items():
        assert prompt is not None and prompt.sha256 == sha256
        assert any(prompt.body in str(request["messages"][-1]["content"]) for request in night.requests)
    assert {4, 5, 6, 7} <= night.stations[proposal.proposal_id]
    assert "deepseek-flash-1017" in night.report["en"].markdown
    assert "took over" not in night.report["en"].markdown


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("blank", "empty"),
        ("truncated", "invalid"),
        ("html200", "not_json"),
        ("402", "http_402"),
        ("429", "http_429"),
        ("drip", "timeout"),
    ],
)
def test_whatever_the_server_does_the_cycle_ends_and_the_report_says_that_and_why_the_rules_took_over(
    begun: Path, tmp_path: Path, mode: str, reason: str
) -> None:
    limits = {"timeout_s": 0.4} if mode == "drip" else {}
    night = cycle(begun, tmp_path, [mode], [daily_answer()], **limits)
    require_sound(night)
    assert night.study is not None and (night.study.source, night.study.fallback_reason) == ("rule", reason)
    assert night.proposals and {p.source for p in night.proposals} == {"rule"}
    assert {call.status for call in night.calls} <= {reason}
    # The reason stands in a table cell, where Markdown's signs are escaped.
    assert f"The rule analyzer took over: {reason}" in night.report["en"].markdown.replace("\\", "")
    assert reason in night.report["ko"].markdown.replace("\\", "")


@pytest.mark.parametrize(
    ("bad", "reason"),
    [({"value": 9_000}, "out_of_bounds"), ({"param": "leverage", "value": 100}, "unknown_param")],
)
def test_an_edit_beyond_the_rules_never_reaches_the_gate(
    begun: Path, tmp_path: Path, bad: dict[str, Any], reason: str
) -> None:
    night = cycle(begun, tmp_path, ["ok"], [daily_answer(), edits_answer(edit(**bad))])
    require_sound(night)
    assert night.study is not None and night.study.source == MODEL
    assert not [p for p in night.proposals if p.source == MODEL]
    assert "edits_refused" in night.audited
    assert night.note is not None and reason in str(night.note.failure_factors)
    assert "leverage" not in str([p.params for p in night.proposals])


def test_nothing_that_the_scorecard_knows_reaches_the_language_model(begun: Path, tmp_path: Path) -> None:
    def hide(session: Session, now: datetime) -> None:
        """Put the word into every row that the scorecard is made of."""
        month = followed(MODEL, now - timedelta(days=40), "too_few_trades", prompt=f"{CANARY}.v1")
        keep_followed(session, replace(month, reason=CANARY, mean_usd=CANARY_USD, promised_usd=CANARY_USD))
        payload = {"p_value": 0.5, "n_days": 365, "refusal": CANARY}
        ledger.append(session, now, "placebo_test", "market_making", CANARY, payload)
        ledger.append(session, now, "promotions_stop", "", None, {"reason": CANARY})
        for day in twin_days(kst_day(now) - timedelta(days=40), [CANARY_USD - 1, CANARY_USD + 1] * 20):
            twin_day_rows.add(session, day)

    night = cycle(begun, tmp_path, ["ok"], [daily_answer(), edits_answer(EDIT)], hide)
    assert len(night.requests) == 3 and night.study is not None and night.study.source == MODEL
    told = str(night.requests) + str(night.prompts)
    assert CANARY not in told and "271.8" not in told
    assert "+$271.83 (90 % interval" in night.report["en"].markdown, "people do see it"


def test_a_day_over_budget_asks_nobody(begun: Path, tmp_path: Path) -> None:
    night = cycle(begun, tmp_path, ["ok"], [daily_answer()], daily_cap_usd=Decimal("0.0001"))
    require_sound(night)
    assert night.requests == []
    assert night.study is not None and night.study.fallback_reason == "over_budget"
    assert "over_budget" in night.report["en"].markdown.replace("\\", "")
