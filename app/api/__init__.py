"""The API: every route in one table. Each module holds the views of one noun."""

from flask import Blueprint, Flask
from flask_limiter import Limiter

from app.api.advisor import list_advice, show_advisor_value
from app.api.ai import list_models, list_predictions, predict_posted
from app.api.ai_status import ai_status
from app.api.canaries import list_canaries, show_canary, stop_canary
from app.api.costs import show_costs
from app.api.feedback import leave_feedback, list_feedback
from app.api.health import healthz, openapi, readyz
from app.api.insights import ai_insights
from app.api.models import show_model
from app.api.operations_state import export_equity, list_alerts, list_forecasts, show_analysis, show_request
from app.api.parameters import list_deployments, list_parameters, rollback, show_history
from app.api.predictions import list_performance, show_accuracy
from app.api.proposals import approve, list_proposals, reject, show_proposal
from app.api.reports import list_reports, show_report
from app.api.scorecard import show_scorecard
from app.api.signals import list_said, show_scores
from app.api.trades import export_trades, list_trades, show_trade
from app.security import WRITE_LIMIT


def register_api(app: Flask, limiter: Limiter) -> None:
    """Put every API route on `app`. It answers to keys alone, so it needs no CSRF token; see `app.dashboard`."""
    api = Blueprint("api", __name__)
    for path, view in (
        ("/api/ai-insights", ai_insights),
        ("/api/ai-feedback", list_feedback),
        ("/api/trades", list_trades),
        ("/api/trades.csv", export_trades),
        ("/api/trades/<trade_id>", show_trade),
        ("/api/proposals", list_proposals),
        ("/api/proposals/<proposal_id>", show_proposal),
        ("/api/canaries", list_canaries),
        ("/api/canaries/<canary_id>", show_canary),
        ("/api/parameters", list_parameters),
        ("/api/parameters/<instance_id>", show_history),
        ("/api/deployments", list_deployments),
        ("/api/alerts", list_alerts),
        ("/api/forecasts", list_forecasts),
        ("/api/performance-feedback", list_performance),
        ("/api/prediction-accuracy", show_accuracy),
        ("/api/ai/status", ai_status),
        ("/api/ai/predict", list_predictions),
        ("/api/models", list_models),
        ("/api/models/<model_id>", show_model),
        ("/api/predictions", list_said),
        ("/api/prediction-scores", show_scores),
        ("/api/scorecard", show_scorecard),
        ("/api/advice", list_advice),
        ("/api/advisor-value", show_advisor_value),
        ("/api/costs", show_costs),
        ("/api/equity.csv", export_equity),
        ("/api/analyses/<analysis_id>", show_analysis),
        ("/api/requests/<request_id>", show_request),
        ("/api/reports", list_reports),
        ("/api/reports/<kind>/<on>", show_report),
        ("/api/openapi.json", openapi),
    ):
        api.add_url_rule(path, view_func=view, methods=["GET"])
    writes = Blueprint("api_writes", __name__)
    for path, view in (
        ("/api/ai-feedback", leave_feedback),
        ("/api/ai/predict", predict_posted),
        ("/api/proposals/<proposal_id>/approve", approve),
        ("/api/proposals/<proposal_id>/reject", reject),
        ("/api/canaries/<canary_id>/stop", stop_canary),
        ("/api/parameters/<instance_id>/rollback", rollback),
    ):
        writes.add_url_rule(path, view_func=view, methods=["POST"])
    probes = Blueprint("probes", __name__)
    probes.add_url_rule("/healthz", view_func=healthz, methods=["GET"])
    probes.add_url_rule("/readyz", view_func=readyz, methods=["GET"])
    limiter.limit(WRITE_LIMIT)(writes)
    limiter.exempt(probes)
    for blueprint in (api, writes, probes):
        app.register_blueprint(blueprint)
