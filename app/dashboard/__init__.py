"""The pages people use: rendered on the server, without a script, in Korean and English.

Reading needs a signed-in person, or nothing on a loopback address with `web.public_read`; writing always needs one.
"""

from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlencode

from flask import Blueprint, Flask, Response, g, redirect, request, url_for
from flask_limiter import Limiter
from flask_wtf.csrf import CSRFProtect

from app.auth import LOCAL_READER, Caller, public_reading, session_caller
from app.dashboard import (
    advisor,
    alerts,
    canaries,
    costs,
    feedback,
    formats,
    models,
    overview,
    parameters,
    proposals,
    reports,
    scorecard,
    sign_in,
    signals,
    trades,
)
from app.languages import COOKIE, choose_language
from app.rooms import rooms
from app.security import SIGN_IN_LIMIT, WRITE_LIMIT, is_loopback
from core.model.language import LANGUAGES
from strategies.schema import strategy_names

_COOKIE_AGE_S = 365 * 24 * 3600
_OPEN_ENDPOINTS = frozenset({"pages.sign_in_form", "sign_in.sign_in"})


View = Callable[..., Any]


def register_dashboard(app: Flask, limiter: Limiter) -> None:
    """Put every page on `app`."""
    pages, forms, door = (Blueprint(name, __name__) for name in ("pages", "forms", "sign_in"))
    shown: tuple[tuple[str, str, View], ...] = (
        ("/", "overview", overview.show),
        ("/scorecard", "scorecard", scorecard.show),
        ("/scorecard/<name>.csv", "scorecard_csv", scorecard.export),
        ("/advisor", "advisor", advisor.show),
        ("/advisor/<name>.csv", "advisor_csv", advisor.export),
        ("/models", "models", models.show_list),
        ("/models/<model_id>", "model", models.show_one),
        ("/models/<model_id>/promote", "confirm_promote", models.confirm_promote),
        ("/model-slots/<slot>/rollback", "confirm_model_rollback", models.confirm_rollback),
        ("/signals", "signals", signals.show),
        ("/signals/<name>.csv", "signals_csv", signals.export),
        ("/proposals", "proposals", proposals.show_list),
        ("/proposals/<proposal_id>", "proposal", proposals.show_one),
        ("/proposals/<proposal_id>/equity.csv", "proposal_csv", proposals.export_overlay),
        ("/canaries", "canaries", canaries.show_list),
        ("/canaries/<canary_id>", "canary", canaries.show_one),
        ("/canaries/<canary_id>/days.csv", "canary_csv", canaries.export_days),
        ("/canaries/<canary_id>/stop", "confirm_stop", canaries.confirm_stop),
        ("/costs", "costs", costs.show),
        ("/trades", "trades", trades.show),
        ("/parameters", "parameters", parameters.show),
        ("/parameters/<instance_id>/rollback", "confirm_rollback", parameters.confirm_rollback),
        ("/feedback", "feedback", feedback.show),
        ("/alerts", "alerts", alerts.show),
        ("/reports", "reports", reports.show_list),
        ("/reports/<kind>/<on>", "report", reports.show_one),
        ("/login", "sign_in_form", sign_in.show),
    )
    for path, name, view in shown:
        pages.add_url_rule(path, name, view, methods=["GET"])
    sent: tuple[tuple[str, str, View], ...] = (
        ("/proposals/<proposal_id>/decide", "decide", proposals.decide),
        ("/canaries/<canary_id>/stop", "stop_canary", canaries.stop),
        ("/parameters/<instance_id>/rollback", "rollback", parameters.rollback),
        ("/models/<model_id>/promote", "promote_model", models.promote),
        ("/model-slots/<slot>/rollback", "rollback_model", models.rollback),
        ("/feedback", "leave_feedback", feedback.leave),
        ("/logout", "sign_out", sign_in.leave),
    )
    for path, name, view in sent:
        forms.add_url_rule(path, name, view, methods=["POST"])
    door.add_url_rule("/login", "sign_in", sign_in.enter, methods=["POST"])
    limiter.limit(WRITE_LIMIT)(forms)
    limiter.limit(SIGN_IN_LIMIT)(door)
    for blueprint in (pages, forms, door):
        blueprint.before_request(_find_caller)
        app.register_blueprint(blueprint)
    _register_forms_guard(app)
    app.after_request(_remember_language)
    app.context_processor(_page_values)
    app.jinja_env.filters.update(formats.FILTERS)
    # A global and not a page value: imported macros see globals alone.
    app.jinja_env.globals["t"] = text
    app.jinja_env.globals["strategy_name"] = strategy_name


def set_language() -> None:
    """Choose the language of the present answer; runs before anything that may fail and needs words."""
    g.language = choose_language(request, rooms().settings.language)


def text(key: str, **values: Any) -> str:
    """Return the text of `key` in the language of the present answer."""
    return rooms().catalogue.text(g.language, key, **values)


def strategy_name(strategy: str) -> str:
    """Return what people call a strategy in the language of the present answer; one that is gone keeps its own name."""
    return text(f"strategy.{strategy}") if strategy in strategy_names() else strategy


def _register_forms_guard(app: Flask) -> None:
    csrf = CSRFProtect(app)
    # The API reads keys and never cookies: a browser can be made to send the one, not the other.
    for name in ("api", "api_writes", "probes"):
        csrf.exempt(app.blueprints[name])


def _find_caller() -> Response | None:
    caller = session_caller()
    if caller is None:
        caller = LOCAL_READER if public_reading() else None
    elif not caller.may("read") and public_reading():
        caller = Caller(caller.key_id, caller.name, caller.scopes | {"read"})
    g.caller = caller
    if (caller is not None and caller.may("read")) or request.endpoint in _OPEN_ENDPOINTS:
        return None
    here = request.full_path.rstrip("?") if request.method == "GET" else "/"
    return cast(Response, redirect(f"{url_for('pages.sign_in_form')}?{urlencode({'next': here})}", 303))


def _remember_language(response: Response) -> Response:
    wish = request.args.get("lang")
    if wish in LANGUAGES:
        response.set_cookie(
            COOKIE,
            wish,
            max_age=_COOKIE_AGE_S,
            httponly=True,
            samesite="Strict",
            secure=not is_loopback(rooms().settings.web.host),
        )
    response.vary.update({"Cookie", "Accept-Language"})
    return response


def _page_values() -> dict[str, Any]:
    return {
        "language": g.get("language", rooms().settings.language),
        "caller": g.get("caller"),
        "now": rooms().clock.now(),
        "in_language": _in_language,
    }


def _in_language(language: str) -> str:
    kept = [(name, value) for name, value in request.args.items(multi=True) if name != "lang"]
    return f"{request.path}?{urlencode([*kept, ('lang', language)])}"
