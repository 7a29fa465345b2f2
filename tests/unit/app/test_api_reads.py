import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from core.clock import VirtualClock
from core.model.trade import Shortfall
from core.store import Store, trades
from tests import factories
from tests.web_world import PLACES, SEALED_P, SEALED_WORDS, Web, fill, make_web


@pytest.fixture
def web(store: Store, clock: VirtualClock, tmp_path: Path) -> Iterator[Web]:
    fill(store, clock.now())
    yield make_web(store, clock, tmp_path)


def test_insights_have_six_parts_and_every_item_says_where_it_comes_from(web: Web) -> None:
    insights = web.client.get("/api/ai-insights").get_json()
    assert set(insights) == {
        "latest_analysis",
        "suggested_adjustments",
        "pattern_alerts",
        "risk_warnings",
        "performance_prediction",
        "scorecard",
    }
    items = [insights["latest_analysis"], insights["scorecard"]]
    for name in ("suggested_adjustments", "pattern_alerts", "risk_warnings", "performance_prediction"):
        assert insights[name], name
        items += insights[name]
    origin = {
        "id",
        "evidence",
        "verdict",
        "params_version",
        "model",
        "prompt_sha256",
        "cost_usd",
        "generated_at",
        "data_as_of",
        "stale",
    }
    for item in items:
        assert origin <= set(item)
        assert web.client.get(item["evidence"]).status_code == 200, item["evidence"]


def test_insights_of_an_empty_store_are_empty_and_not_an_error(
    store: Store, clock: VirtualClock, tmp_path: Path
) -> None:
    insights = make_web(store, clock, tmp_path).client.get("/api/ai-insights").get_json()
    assert insights["latest_analysis"] is None
    assert insights["suggested_adjustments"] == []


def test_risks_are_ranked_by_severity_and_each_has_an_action(web: Web) -> None:
    risks = web.client.get("/api/ai-insights").get_json()["risk_warnings"]
    rank = [{"critical": 0, "warning": 1, "info": 2}[risk["severity"]] for risk in risks]
    assert rank == sorted(rank)
    assert {risk["source"] for risk in risks} == {"monitor", "gate", "analyzer"}
    assert all(risk["action"] for risk in risks)


def test_the_prediction_carries_its_interval_and_its_record(web: Web) -> None:
    one = web.client.get("/api/ai-insights").get_json()["performance_prediction"][0]
    assert (one["pnl_p05_usd"], one["pnl_p95_usd"]) == (-40.0, 60.0)
    assert one["past"]["n"] == 10
    assert one["past"]["coverage"] == pytest.approx(0.9)


def test_what_is_two_days_old_is_marked_stale(web: Web) -> None:
    assert web.client.get("/api/ai-insights").get_json()["latest_analysis"]["stale"] is False
    web.clock.advance_to(web.clock.now() + timedelta(days=2))
    assert web.client.get("/api/ai-insights").get_json()["latest_analysis"]["stale"] is True


def test_an_unchanged_answer_is_not_sent_twice(web: Web) -> None:
    first = web.client.get("/api/ai-insights")
    again = web.client.get("/api/ai-insights", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_no_answer_of_the_api_holds_a_number_of_the_sealed_test(web: Web) -> None:
    spec = web.client.get("/api/openapi.json").get_json()
    seen = 0
    for path, methods in spec["paths"].items():
        if "get" in methods:
            answer = web.client.get(path.format(**PLACES), headers=web.bearer("admin")).get_data(as_text=True)
            assert str(SEALED_P) not in answer and "0.0077" not in answer and "730 sealed" not in answer, path
            seen += "proposal-waiting" in answer
    assert seen >= 3
    evidence = web.client.get("/api/proposals/proposal-waiting").get_json()
    sealed = next(one for one in evidence["verdicts"] if one["stage"] == "sealed")
    assert sealed["outcome"] == "accepted"
    assert sealed["deciding"] is None and sealed["checks"] == []
    assert SEALED_WORDS not in str(evidence)


def test_the_evidence_of_a_proposal_shows_the_screen_with_its_numbers(web: Web) -> None:
    evidence = web.client.get("/api/proposals/proposal-waiting").get_json()
    screen = next(one for one in evidence["verdicts"] if one["stage"] == "screen")
    assert len(screen["equity_days"]) == len(screen["equity_candidate"]) == 60
    assert [check["name"] for check in screen["checks"]] == ["paired_mean_usd", "deflated_sharpe"]
    assert evidence["deployments"][0]["state"] == "awaiting_approval"


def test_pages_of_trades_cover_each_trade_once_also_when_many_close_at_the_same_time(web: Web) -> None:
    at = web.clock.now() - timedelta(hours=50)
    with web.store.session() as session:
        for n in range(25):
            trades.add(session, factories.trade(f"same-{n}", at))
    found, cursor = [], ""
    while cursor is not None:
        page = web.client.get(f"/api/trades?limit=7{'&cursor=' + cursor if cursor else ''}").get_json()
        found += [one["trade_id"] for one in page["items"]]
        cursor = page["next_cursor"]
    assert len(found) == len(set(found)) == 85


def test_trades_are_filtered_by_instance_symbol_and_korean_day(web: Web) -> None:
    day = web.client.get("/api/trades?from=2026-03-01&to=2026-03-01&limit=200").get_json()["items"]
    assert [one["trade_id"] for one in day] == ["mm-1-2", "momentum-1-3", "mm-1-4", "mm-1-5"]
    only = web.client.get("/api/trades?instance_id=momentum-1&limit=200").get_json()["items"]
    assert len(only) == 20
    assert web.client.get("/api/trades?symbol=ETHUSDT").get_json()["items"] == []


def test_the_csv_holds_every_trade_that_the_filter_lets_through(web: Web) -> None:
    answer = web.client.get("/api/trades.csv?instance_id=momentum-1")
    rows = list(csv.DictReader(io.StringIO(answer.get_data(as_text=True))))
    assert len(rows) == 20
    assert rows[0]["rsi"] == "55.0" and rows[0]["book"] == "missing"


def test_a_cell_that_a_spreadsheet_would_run_is_made_text(web: Web) -> None:
    with web.store.session() as session:
        trades.add(session, factories.trade("newest", web.clock.now(), exit_reason="=HYPERLINK(1)"))
    rows = list(csv.DictReader(io.StringIO(web.client.get("/api/trades.csv").get_data(as_text=True))))
    assert rows[0]["exit_reason"] == "'=HYPERLINK(1)"


def test_the_equity_series_starts_holding_and_account_at_the_same_money(web: Web) -> None:
    rows = list(csv.DictReader(io.StringIO(web.client.get("/api/equity.csv?days=30").get_data(as_text=True))))
    assert len(rows) == 31
    assert rows[0]["equity_usd"] == rows[0]["hold_usd"]
    assert float(rows[-1]["hold_usd"]) < float(rows[-1]["equity_usd"])


def test_alerts_reports_parameters_deployments_and_forecasts_are_listed(web: Web) -> None:
    assert len(web.client.get("/api/alerts?state=open").get_json()["items"]) == 2
    assert web.client.get("/api/reports/daily/2026-03-01?language=ko").get_json()["language"] == "ko"
    active = {one["instance_id"]: one["version"] for one in web.client.get("/api/parameters").get_json()["items"]}
    assert active == {"mm-1": 2, "momentum-1": 2}
    assert [one["version"] for one in web.client.get("/api/parameters/mm-1").get_json()["items"]] == [2, 1]
    assert len(web.client.get("/api/deployments?state=active").get_json()["items"]) == 6
    assert len(web.client.get("/api/forecasts?instance_id=mm-1").get_json()["scored"]) == 10


def test_the_process_answers_healthz_while_the_database_is_gone(clock: VirtualClock, tmp_path: Path) -> None:
    from core.store import open_store

    web = make_web_without_store(open_store(f"sqlite:///{tmp_path / 'none.db'}"), clock, tmp_path)
    assert web.get("/healthz").status_code == 200
    answer = web.get("/readyz")
    assert answer.status_code == 503
    assert answer.mimetype == "application/problem+json"
    assert answer.get_json()["checks"][0]["name"] == "store"
    assert web.get("/api/ai-insights").status_code == 503


def make_web_without_store(store: Store, clock: VirtualClock, home: Path):
    from app import create_app
    from core.settings import load_settings

    return create_app(load_settings({}, {"home": str(home)}), store, clock).test_client()


def test_readyz_names_the_engine_that_fell_silent_and_the_worker_whose_lease_ran_out(web: Web) -> None:
    assert web.client.get("/readyz").status_code == 200
    web.clock.advance_to(web.clock.now() + timedelta(minutes=10))
    answer = web.client.get("/readyz")
    assert answer.status_code == 503
    assert {check["name"]: check["ok"] for check in answer.get_json()["checks"]} == {
        "store": True,
        "worker": False,
        "engine": False,
    }


def test_every_route_of_the_api_is_described_with_its_statuses(web: Web) -> None:
    spec = web.client.get("/api/openapi.json").get_json()
    routes = {
        rule.rule.replace("<", "{").replace(">", "}")
        for rule in web.app.url_map.iter_rules()
        if rule.rule.startswith(("/api/", "/healthz", "/readyz"))
    }
    assert set(spec["paths"]) == routes
    for path, methods in spec["paths"].items():
        for method, described in methods.items():
            assert {"400", "405", "429", "500"} <= set(described["responses"]), (method, path)


def test_feedback_on_predictions_is_listed_newest_first_and_by_outcome(web: Web) -> None:
    items = web.client.get("/api/performance-feedback").get_json()["items"]
    assert [one["feedback_id"] for one in items] == [f"predictive-1-p{n}" for n in range(10)]
    assert (items[0]["aligned_move_bps"], items[0]["shortfall"]["spread_usd"]) == (-9.0, "0.01")
    stale = web.client.get("/api/performance-feedback?outcome=stale&limit=1").get_json()["items"]
    assert [one["feedback_id"] for one in stale] == ["predictive-1-p8"]


def test_the_accuracy_of_predictions_carries_its_interval(web: Web) -> None:
    answer = web.client.get("/api/prediction-accuracy?days=30").get_json()
    [score] = answer["items"]
    assert (score["n"], score["n_taken"], score["n_hits"], score["outcomes"]) == (10, 8, 6, {"taken": 8, "stale": 2})
    assert score["hit_low"] < score["hit_share"] == 0.75 < score["hit_high"]
    assert (score["mean_move_bps"], score["move_low_bps"]) == (6.75, None), "eight moves make no interval"
    assert web.client.get("/api/prediction-accuracy?days=1").get_json()["items"][0]["n"] == 5


def test_a_trade_and_its_csv_line_tell_the_shortfall(web: Web) -> None:
    split = Shortfall(Decimal("-0.01"), Decimal("0.02"), Decimal("0.03"), Decimal("0"))
    with web.store.session() as session:
        trades.add(session, factories.trade("with-shortfall", web.clock.now(), shortfall=split))
    shown = web.client.get("/api/trades/with-shortfall").get_json()
    assert shown["shortfall"] == {
        "delay_usd": "-0.01",
        "spread_usd": "0.02",
        "impact_usd": "0.03",
        "opportunity_usd": "0",
    }
    assert shown["shortfall_bps"] == pytest.approx(4.0)
    lines = list(csv.DictReader(io.StringIO(web.client.get("/api/trades.csv").get_data(as_text=True))))
    assert (lines[0]["trade_id"], lines[0]["impact_usd"]) == ("with-shortfall", "0.03")
    assert lines[1]["impact_usd"] == "", "a trade stored before it was told"
