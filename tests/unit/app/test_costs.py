"""Where people meet what the language model cost: page, API and command line say the same."""

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from core.clock import VirtualClock
from core.model.analysis import LlmCall
from core.settings_sections import AnalyzerSettings
from core.store import Store, analyses, llm_calls, proposals
from feedback.costs import load_costs
from tests.analyzer_days import dataset, study
from tests.gate_world import initial_version, make_proposal
from tests.web_world import make_web


def call(n: int, clock: VirtualClock, **over: object) -> LlmCall:
    fields: dict[str, Any] = {
        "call_id": f"call-{n}", "task": "adjustments", "provider": "deepseek", "model": "m", "resolved_model": "m-1",
        "prompt_sha256": "p", "attempt": n, "status": "ok", "input_tokens": 1_000, "cached_tokens": 400,
        "output_tokens": 200, "reserved_usd": Decimal("0.05"), "cost_usd": Decimal("0.02"),
        "started_at": clock.now() - timedelta(hours=n), "latency_ms": 1.0, "response_text": "", "error": "", **over,
    }  # fmt: skip
    return LlmCall(**fields)


def fill(store: Store, clock: VirtualClock) -> None:
    clock.advance_to(clock.now() + timedelta(days=13, hours=6))
    with store.session() as session:
        for one in (
            call(1, clock),
            call(2, clock, status="timeout", cost_usd=Decimal("0.05"), task="news"),
            call(3, clock, status="over_budget", cost_usd=Decimal(0)),
            call(4, clock, status="reserved", cost_usd=Decimal(0)),
            call(5, clock, started_at=clock.now() - timedelta(days=31)),
        ):
            llm_calls.reserve(session, one)
        base = initial_version(session, clock.now())
        for n, state in enumerate(("accepted", "refused")):
            made = make_proposal(base, clock.now() - timedelta(seconds=n))
            made = replace(made, proposal_id=f"proposal-{n}", source="llm:m-1", state=state)
            proposals.add(session, made)
        text = replace(study(dataset()), source="llm:m-1", n_numbers=40, n_unverified=3, created_at=clock.now())
        analyses.add(session, text)


def test_sums_leave_out_what_was_not_made_and_count_reservations(store: Store, clock: VirtualClock) -> None:
    fill(store, clock)
    with store.session() as session:
        costs = load_costs(session, clock.now(), AnalyzerSettings())
    assert (costs.total.n_calls, costs.total.n_failed, costs.total.n_refused) == (3, 1, 1)
    assert costs.total.cost_usd == costs.month_usd == Decimal("0.12")
    assert [(row.name, row.cost_usd) for row in costs.by_task] == [
        ("adjustments", Decimal("0.07")),
        ("news", Decimal("0.05")),
    ]
    assert (costs.n_proposals, costs.n_accepted, costs.per_accepted_usd) == (2, 1, Decimal("0.12"))
    assert costs.fabricated_per_100 == 7.5
    # 03:00 UTC on 15 March plus six hours: 14.75 days of 31 have passed in Korea.
    assert costs.forecast_usd == (Decimal("0.12") * 31 / Decimal("14.75")).quantize(Decimal("0.0001"))


def test_nothing_is_extrapolated_from_the_first_days(store: Store, clock: VirtualClock) -> None:
    with store.session() as session:
        costs = load_costs(session, clock.now(), AnalyzerSettings())
    assert (costs.forecast_usd, costs.per_accepted_usd, costs.fabricated_per_100) == (None, None, None)


def test_page_api_and_command_line_say_the_same(
    store: Store,
    clock: VirtualClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fill(store, clock)
    web = make_web(store, clock, tmp_path)
    told = web.client.get("/api/costs").get_json()["costs"]
    assert (told["month_usd"], told["n_accepted"]) == ("0.12", 1)
    page = web.client.get("/costs?lang=en").get_data(as_text=True)
    for words in ("0.1200 of 100.00 USD", "1 of 2", "7.5 per 100 (3 of 40)", "<meter", "adjustments", "m-1"):
        assert words in page, words
    assert "근거 없는 숫자" in web.client.get("/costs?lang=ko").get_data(as_text=True)
    monkeypatch.setenv("XCRACK_STORE__URL", str(store.engine.url))
    monkeypatch.setattr("app.cli.cost.SystemClock", lambda: clock)
    with pytest.raises(SystemExit, match="^0$"):
        main(["cost", "--json"])
    assert json.loads(capsys.readouterr().out)["total"]["cost_usd"] == "0.12"
    with pytest.raises(SystemExit, match="^0$"):
        main(["cost"])
    assert "0.1200 of 100 USD" in capsys.readouterr().out
