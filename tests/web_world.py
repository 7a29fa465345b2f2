"""A store with a bit of everything that the pages and the API show, at one fixed time."""

import math
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from core.clock import VirtualClock, kst_day
from core.model.analysis import Analysis, Finding, Forecast, PatternRule
from core.model.operations import Alert, FeedbackNote, Report
from core.model.proposal import Check, Deployment, Edit, ExpectedEffect, Fold, Verdict
from core.settings import load_settings
from core.store import (
    Session,
    Store,
    alerts,
    analyses,
    api_keys,
    deployments,
    engine_states,
    equity,
    feedback_notes,
    forecasts,
    leases,
    param_versions,
    patterns,
    performance,
    proposals,
    reports,
    signals,
    trades,
    verdicts,
)
from tests import canary_pages, factories, signal_pages

SEALED_P = 0.00312345
SEALED_WORDS = "p = 0.00312345 <= 0.0077 on 730 sealed days, annual IR 6.2987"
SCRIPT = "<script>alert('x')</script>"
PLACES = {
    "proposal_id": "proposal-waiting",
    "canary_id": canary_pages.OPEN,
    "analysis_id": "analysis-1",
    "instance_id": "mm-1",
    "kind": "daily",
    "on": "2026-03-01",
    "model_id": signal_pages.MODEL,
    "trade_id": "mm-1-1",
    "request_id": "none",
}
"""Something of this world for every place in a path of the API."""
KEY_SECRET = "tests-web-secret-0123456789abcdef-xx"


@dataclass(frozen=True, slots=True)
class Web:
    """The app with its parts, and a key of every kind."""

    app: Flask
    client: FlaskClient
    store: Store
    clock: VirtualClock
    keys: dict[str, str]

    def bearer(self, scope: str) -> dict[str, str]:
        """Return the header of a key that holds only `scope`."""
        return {"Authorization": f"Bearer {self.keys[scope]}"}


def make_web(store: Store, clock: VirtualClock, home: Path, **over: Any) -> Web:
    """Return an app over `store` with one key for each scope."""
    web = {"secret_key": KEY_SECRET, **over.pop("web", {})}
    settings = load_settings({}, {"home": str(home), "web": web, **over})
    app = create_app(settings, store, clock)
    with store.session() as session:
        keys = {
            scope: api_keys.create(session, f"{scope}-key", [scope], KEY_SECRET, clock.now())[1]
            for scope in api_keys.SCOPES
        }
    return Web(app, app.test_client(), store, clock, keys)


def fill(store: Store, now: datetime) -> None:
    """Store thirty days of two instances, proposals in several states with verdicts, notes, alerts and a report."""
    with store.session() as session:
        _engine(session, now)
        _equity(session, now)
        _trades(session, now)
        _learning(session, now)
        _proposals(session, now)
        _people(session, now)
        canary_pages.plant(session, now)
        signal_pages.plant(session, now)


def _engine(session: Session, now: datetime) -> None:
    engine_states.put(session, "engine-1", "active", now - timedelta(seconds=20), now - timedelta(seconds=5), {})
    leases.acquire(session, "worker", "worker:1:1", now, timedelta(seconds=60))
    for instance_id, strategy, params in (
        ("mm-1", "market_making", {"spread_threshold": 46.0, "order_size": 5.0, "inventory_cap": 20.0}),
        ("momentum-1", "momentum_scalping", {}),
    ):
        version = factories.param_version(instance_id, 1, strategy=strategy, created_at=now - timedelta(days=30))
        param_versions.add(session, replace(version, params={**version.params, **params} if params else version.params))
    base = param_versions.active(session, "mm-1")
    newer = replace(base, version=2, params={**base.params, "spread_threshold": 40.0}, origin="proposal-in-force")
    param_versions.add(session, replace(newer, active=False, created_at=now - timedelta(days=3), sha256="c" * 64))
    param_versions.activate(session, "mm-1", 2)


def _equity(session: Session, now: datetime) -> None:
    for back in range(32 * 4, -1, -1):
        at = now - timedelta(hours=6 * back)
        day = (32 * 4 - back) / 4
        price = Decimal(str(round(60_000 * (1 + 0.04 * math.sin(day / 5) - 0.001 * day), 2)))
        for instance_id, strategy, slope in (("mm-1", "market_making", 14), ("momentum-1", "momentum_scalping", 5)):
            made = Decimal(str(round(slope * day + 40 * math.sin(day / 2 + slope), 2)))
            point = factories.equity(
                at,
                str(Decimal(40_000) + made),
                instance_id,
                strategy=strategy,
                capital_usd=Decimal(40_000),
                costs_usd=Decimal(str(round(3.5 * day, 2))),
                gross_notional_usd=Decimal("5230.5"),
                prices={"BTCUSDT": price},
            )
            equity.add(session, point)


def _trades(session: Session, now: datetime) -> None:
    for n in range(60):
        instance_id = "mm-1" if n % 3 else "momentum-1"
        trade = factories.trade(
            f"{instance_id}-{n}",
            now - timedelta(hours=7 * n + 1),
            str(round(4 * math.sin(n), 2)),
            instance_id=instance_id,
            strategy="market_making" if n % 3 else "momentum_scalping",
            exit_reason="take_profit" if math.sin(n) > 0 else "stop_loss",
        )
        trades.add(session, trade)
    signals.add(session, factories.signal(at=now - timedelta(hours=2)))
    for n in range(10):
        over = {} if n < 8 else {"outcome": "stale", "side": None, "shortfall": None, "realised_move_bps": None}
        move = {"realised_move_bps": 12.0 if n % 4 else -9.0} if n < 8 else {}
        at = now - timedelta(hours=5 * n + 1)
        performance.add(session, factories.performance(f"predictive-1-p{n}", at, **{**over, **move}))


def _learning(session: Session, now: datetime) -> None:
    on = kst_day(now) - timedelta(days=1)
    analyses.add(session, _analysis(on, now))
    for instance_id, strategy in (("mm-1", "market_making"), ("momentum-1", "momentum_scalping")):
        _forecasts(session, kst_day(now), instance_id, strategy)
    for state, bucket in (("new", "21"), ("confirmed", "9"), ("broken", "3")):
        patterns.put(
            session,
            PatternRule(
                f"pattern-{state}",
                "hour_kst",
                bucket,
                "worse",
                41,
                -6.2,
                0.004,
                0.06,
                state,
                3,
                1,
                on,
                on,  # type: ignore[arg-type]
            ),
        )
    for language, title in (("ko", "일일 리포트"), ("en", "Daily report")):
        markdown = f"# {title}\n\n| A | B |\n|---|---:|\n| 1 | 2 |\n\n{SCRIPT}\n"
        reports.add(
            session,
            Report(f"report-{language}", "daily", on, language, markdown, "<p>kept</p>", "d" * 64, now),  # type: ignore[arg-type]
        )


def _analysis(on: date, now: datetime) -> Analysis:
    return Analysis(
        analysis_id="analysis-1",
        task="daily_analysis",
        on=on,
        dataset_sha256="d" * 64,
        prompt_sha256="e" * 64,
        call_ids=("call-1",),
        source="llm:deepseek-flash",
        fallback_reason="",
        summary="Market making earned its spread in a calm market; momentum paid more in costs than it made. "
        "장세가 조용해 마켓 메이킹이 수익을 냈습니다.",
        success_factors=(Finding("Two thirds of the fills were maker fills."),),
        failure_factors=(Finding("Stops closed nine trades within ten minutes.", "warning", "Widen the stop."),),
        effectiveness={"mm-1": "Effective", "momentum-1": "Not effective"},
        missed=(),
        adjustments=(),
        risks=(Finding("Costs took 61 % of gross profit.", "warning", "Raise the entry threshold."), Finding(SCRIPT)),
        cost_usd=Decimal("0.0042"),
        created_at=now - timedelta(hours=11),
    )


def _forecasts(session: Session, today: date, instance_id: str, strategy: str) -> None:
    def one(on: date, realised: float | None) -> Forecast:
        covered = None if realised is None else -40 <= realised <= 60
        return Forecast(
            forecast_id=f"forecast-{instance_id}-{on}",
            for_on=on,
            instance_id=instance_id,
            strategy=strategy,
            regime="calm",
            n_days=28,
            volatility_bps=31.4,
            pnl_p05_usd=-40.0,
            pnl_p50_usd=8.5,
            pnl_p95_usd=60.0,
            realised_usd=realised,
            crps_usd=None if realised is None else abs(realised) / 3,
            covered=covered,
        )

    for back in range(1, 11):
        forecasts.add(session, one(today - timedelta(days=back), 90.0 if back == 4 else 3.0 * back))
    forecasts.add(session, one(today, None))


def _proposals(session: Session, now: datetime) -> None:
    base = param_versions.get(session, "mm-1", 1)
    for n, (name, state) in enumerate(
        (("in-force", "deployed"), ("waiting", "accepted"), ("held-back", "inconclusive"), ("no", "refused"))
    ):
        proposals.add(
            session,
            replace(
                factories.proposal(f"proposal-{name}", state),  # type: ignore[arg-type]
                analysis_id="analysis-1",
                instance_id="mm-1",
                strategy="market_making",
                base_params=base.params,
                edits=(Edit("spread_threshold", 40.0 - n),),
                rationale=f"The spread is wider than what the market pays. {SCRIPT}",
                expected_effect=ExpectedEffect("daily_pnl_usd", "up", 12.5, 14),
                source="llm:deepseek-flash",
                created_at=now - timedelta(hours=10 + n),
            ),
        )
    for name in ("in-force", "waiting", "held-back"):
        outcome = "inconclusive" if name == "held-back" else "accepted"
        verdicts.add(session, _screen(f"proposal-{name}", now))
        verdicts.add(session, _sealed(f"proposal-{name}", outcome, now))
    deployments.add(session, _deployment("deployment-1", "proposal-in-force", 2, "active", now))
    deployments.add(session, _deployment("deployment-2", "proposal-waiting", 3, "awaiting_approval", now))


def _screen(proposal_id: str, now: datetime) -> Verdict:
    days = tuple((kst_day(now) - timedelta(days=60 - n)).isoformat() for n in range(60))
    return Verdict(
        verdict_id=f"{proposal_id}-screen",
        proposal_id=proposal_id,
        stage="screen",
        outcome="queued",
        deciding="Paired mean +3.1 USD a day after 1.5 times the costs.",
        checks=(
            Check("paired_mean_usd", True, 3.1, 0.0, "Candidate minus incumbent, per day"),
            Check("deflated_sharpe", False, 0.61, 0.95, "With 14 trials on record", veto=False),
        ),
        folds=(Fold(days[0], days[29], 120.0, 150.5), Fold(days[30], days[59], 80.0, 71.25)),
        equity_days=days,
        equity_incumbent=tuple(40_000 + 4.0 * n for n in range(60)),
        equity_candidate=tuple(40_000 + 6.0 * n + 20 * math.sin(n / 4) for n in range(60)),
        n_trials=14,
        decided_at=now - timedelta(hours=9),
    )


def _sealed(proposal_id: str, outcome: str, now: datetime) -> Verdict:
    return Verdict(
        verdict_id=f"{proposal_id}-sealed",
        proposal_id=proposal_id,
        stage="sealed",
        outcome=outcome,  # type: ignore[arg-type]
        deciding=SEALED_WORDS,
        checks=(Check("p_value", True, SEALED_P, 0.0077, "The worse of block-t and HAC"),),
        folds=(),
        equity_days=(),
        equity_incumbent=(),
        equity_candidate=(),
        n_trials=14,
        decided_at=now - timedelta(hours=8),
    )


def _deployment(deployment_id: str, proposal_id: str, version: int, state: str, now: datetime) -> Deployment:
    done = state == "active"
    return Deployment(
        deployment_id=deployment_id,
        proposal_id=proposal_id,
        instance_id="mm-1",
        version=version,
        rollback_to=version - 1,
        state=state,  # type: ignore[arg-type]
        created_at=now - timedelta(hours=7),
        approved_by="gate" if done else "",
        pushed_at=now - timedelta(hours=7) if done else None,
        acked_at=now - timedelta(hours=7) if done else None,
        ack_sha256="c" * 64 if done else "",
        reason="",
    )


def _people(session: Session, now: datetime) -> None:
    feedback_notes.add(
        session,
        FeedbackNote(
            "note-1", "kim", now - timedelta(hours=3), "proposal", "proposal-waiting", ("risky",), SCRIPT, (), "waiting"
        ),
    )
    for alert_id, severity, message, over in (
        ("alert-1", "warning", "No heartbeat from the engine for 130 s.", None),
        ("alert-2", "critical", "Drawdown of mm-1 is 11.2 %, above 10 %.", None),
        ("alert-3", "info", "The report came at 01:07.", now - timedelta(hours=1)),
    ):
        alerts.add(
            session,
            Alert(alert_id, alert_id, severity, "mm-1", message, "Look at the engine.", now - timedelta(hours=2), over),  # type: ignore[arg-type]
        )
