"""Every error of the web process, made in one place: RFC 9457 problem+json for programs, a page for browsers.

No answer carries a traceback, a query or a secret; what was not foreseen is logged and answered with 500.
"""

from http import HTTPStatus
from traceback import format_exception
from typing import cast

from flask import Flask, Response, g, render_template, request
from flask_wtf.csrf import CSRFError
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, TooManyRequests

from core.errors import BadInput, Conflict, Refused, SettingsError, Unavailable, UnknownName, XcrackError
from core.log import get_logger, redact_text

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5
LIMIT_WINDOW_S = 60
"""Every limit of `app.security` counts over a minute, so that after one there is room again."""


class Problem(BaseModel):
    """What went wrong, in words a person can act on."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    remedy: str
    instance: str


class NotSignedIn(XcrackError):
    """No key, or one that does not count: HTTP 401."""


class NotAllowed(XcrackError):
    """The key lacks the scope: HTTP 403."""


class NotJson(BadInput):
    """The body is not declared as JSON: HTTP 415."""


_STATUS: tuple[tuple[type[XcrackError], int], ...] = (
    (NotSignedIn, 401),
    (NotAllowed, 403),
    (NotJson, 415),
    (UnknownName, 404),
    (SettingsError, 500),
    (BadInput, 400),
    (Conflict, 409),
    (Refused, 409),
    (Unavailable, 503),
)
_REMEDIES = {
    400: "Correct the request",
    403: "Load the page again and send the form from there",
    404: "See /api/openapi.json for what exists",
    405: "See the Allow header",
    413: "Send less: a body has at most 64 KiB",
    415: "Send application/json",
    429: "Wait for the seconds in Retry-After",
    500: "See the log of the web process",
}


def register_problems(app: Flask) -> None:
    """Answer every error of `app` from here."""
    app.register_error_handler(XcrackError, _of_house)
    app.register_error_handler(ValidationError, _of_validation)
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(Exception, _unforeseen)


def explain_validation(error: ValidationError) -> str:
    """Return the first broken rule as `where: what`, without the value that broke it."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{where}: {first['msg']}{more}" if where else f"{first['msg']}{more}"


def _of_house(error: XcrackError) -> Response:
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    if status >= 500:
        get_logger("web").warning("request_failed", path=request.path, status=status, error=str(error))
    response = _answer(status, error.message, error.remedy)
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="xcrack"'
    if status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


def _of_validation(error: ValidationError) -> Response:
    # Only what a caller sent is validated inside a request; stored values raise msgspec errors.
    return _answer(400, explain_validation(error), "See /api/openapi.json for the fields of this route")


def _of_http(error: HTTPException) -> Response:
    status = error.code or 500
    if status < 400:
        return cast(Response, error.get_response())
    detail = f"no more than {error.description}" if isinstance(error, TooManyRequests) else (error.description or "")
    if isinstance(error, CSRFError):
        detail = f"the form was not accepted: {error.description}"
    response = _answer(403 if isinstance(error, CSRFError) else status, detail, "")
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    if isinstance(error, TooManyRequests):
        response.headers["Retry-After"] = str(LIMIT_WINDOW_S)
    return response


def _unforeseen(error: Exception) -> Response:
    # As text, so that no renderer adds the values of local variables: they may hold a secret.
    lines = "".join(format_exception(error))
    get_logger("web").error("unforeseen_error", path=request.path, traceback=redact_text(lines))
    return _answer(500, "something unforeseen went wrong here", "See the log of the web process")


def _answer(status: int, detail: str, remedy: str) -> Response:
    title = HTTPStatus(status).phrase
    remedy = remedy or _REMEDIES.get(status, "")
    detail = redact_text(detail)
    if _wants_page() and hasattr(g, "language"):
        page = render_template("error.html", status=status, title=title, detail=detail, remedy=remedy)
        return Response(page, status=status, mimetype="text/html")
    problem = Problem(title=title, status=status, detail=detail, remedy=remedy, instance=request.path)
    return Response(problem.model_dump_json(), status=status, mimetype=MEDIA_TYPE)


def _wants_page() -> bool:
    if request.path.startswith(("/api/", "/healthz", "/readyz")):
        return False
    return request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html" and bool(
        request.accept_mimetypes["text/html"]
    )
