"""What the demo shows of its models and its advisor: words, answers to them, a large order stopped."""

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from app import demo
from app.demo import clock_at_end, demo_settings
from app.home import Home
from app.shipped import shipped_ids
from core.model.slots import is_slot
from core.settings import Settings
from core.store import (
    Session,
    advice,
    model_versions,
    open_store,
    param_versions,
    performance,
    predictions,
    reports,
    trades,
)
from market.predictions import PredictionArchive
from tests import demo_runs
from tests.demo_runs import run_cli
from tests.web_world import make_web

MANY = 1_000_000


@pytest.fixture(scope="module")
def session(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    yield from demo_runs.session_on_copy(whole, tmp_path_factory)


def printed(home: Path) -> dict:
    return json.loads(home.with_suffix(".json").read_text())


def test_the_shipped_models_serve_and_speak_of_every_bar(whole: Path, session: Session) -> None:
    versions = model_versions.latest(session, 10)
    assert {(v.model_id, v.status) for v in versions} == {(name, "active") for name in shipped_ids()}
    said = predictions.latest(session, MANY)
    # Three symbols and two questions a bar, of the days that are kept.
    assert printed(whole)["predictions"] == len(said) >= Settings().models.keep_days * 96 * 6
    assert {one.model_sha256 for one in said} == set(shipped_ids())
    assert {one.symbol for one in said} == {"BTCUSDT", "ETHUSDT", "SOLUSDT"}
    assert all(one.trained_until < demo.START < one.at for one in said)
    kept = PredictionArchive(Home(whole).predictions)
    assert kept.load(("BTCUSDT",), said[-1].at, said[0].at).at_ns.size > 0


def test_the_engine_answers_what_was_sent_and_reports_tell_of_it(session: Session) -> None:
    said = predictions.latest(session, MANY)
    sent = {one.prediction_id for one in said if one.is_sent}
    heard = performance.latest(session, MANY, demo.FOLLOWER.instance_id)
    assert "taken" in {one.outcome for one in heard}
    # Of the first bars that are kept, some rows are gone already.
    since = said[-1].at + timedelta(hours=1)
    assert {one.prediction_id for one in heard if one.received_at > since} <= sent
    told = [r.markdown for r in reports.list(session, 100) if r.kind == "daily" and r.language == "en"]
    assert any(f"{demo.FOLLOWER.instance_id}: " in text for text in told)


def test_a_large_order_is_stopped_by_a_rule_and_a_companion_tells_what_it_would_have_made(
    whole: Path, session: Session
) -> None:
    told = printed(whole)["stopped"]
    record = advice.get(session, told["advice_id"])
    assert (record.approve, record.size_class, record.source, record.is_late) == (False, "large", "rule", False)
    assert record.risk_score == 1.0 and record.notional_krw is not None and record.notional_krw >= 1_000_000
    assert not [t for t in trades.latest(session, MANY) if t.advice_id == record.advice_id], "the account traded it"
    outcome = advice.outcomes_of(session, [record.advice_id])[record.advice_id]
    assert Decimal(told["full_usd"]) == outcome.full_usd and outcome.settled_at > record.asked_at
    # Not the best looking one: no stopped order that is settled was larger.
    settled = advice.outcomes_of(session, [r.advice_id for r in advice.latest(session, MANY) if not r.approve])
    assert record.notional_usd == max(
        one.notional_usd for one in advice.latest(session, MANY) if one.advice_id in settled
    )
    if outcome.method == "slot":
        shadow = trades.get(session, outcome.evidence)
        assert is_slot(shadow.instance_id) and shadow.entry.decided_at == record.asked_at
        assert (shadow.symbol, shadow.side) == (record.symbol, record.side)
        assert shadow.params_sha256 in {v.sha256 for v in param_versions.history(session, record.instance_id)}
        assert outcome.full_usd == pytest.approx(shadow.net_pnl_usd * record.qty / shadow.qty)


def test_people_see_it_by_command_on_the_page_and_in_the_summary(whole: Path, tmp_path: Path) -> None:
    told = printed(whole)["stopped"]
    value = run_cli(tmp_path, "advisor", "value", "--language", "en", home=whole).stdout
    made = f"{Decimal(told['full_usd']):+,.2f}".replace("+", "+$").replace("-", "-$")
    assert f"it would have made {made}" in value and told["reason"] in value
    log = json.loads(run_cli(tmp_path, "advisor", "log", "--limit", "1000", "--json", home=whole).stdout)
    [row] = [one for one in log if one["advice"]["advice_id"] == told["advice_id"]]
    assert row["outcome"]["full_usd"] == told["full_usd"]
    summary = run_cli(tmp_path, "models", "list", "--json", home=whole)
    assert {one["model_id"] for one in json.loads(summary.stdout)} == set(shipped_ids())


def test_the_pages_fill(whole: Path, tmp_path: Path) -> None:
    home = demo_runs.copy_home(whole, tmp_path / "home")
    store = open_store(demo_settings(Settings(), home).store_url)
    web = make_web(store, clock_at_end(home), home)
    pages = {
        name: web.client.get(f"/{name}?lang=en").get_data(as_text=True) for name in ("signals", "models", "advisor")
    }
    assert "sign:1:15m" in pages["models"] and "big_move:1:15m" in pages["models"]
    assert "<circle" in pages["signals"]
    told = printed(whole)["stopped"]
    assert "Large orders that were stopped" in pages["advisor"] and f"<code>{told['reason']}</code>" in pages["advisor"]
    assert f"${abs(Decimal(told['full_usd'])):,.2f}" in pages["advisor"]
    store.dispose()
