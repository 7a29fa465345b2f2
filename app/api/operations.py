"""One decorator for every API route: it checks the key, parses what came, shapes the answer, and documents all three.

The description lies on the view itself; `app.api.openapi` reads it from the URL map, so no route can be undocumented.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar

from flask import Response, request
from pydantic import BaseModel, ConfigDict, ValidationError

from app.auth import Scope, require_key
from app.problems import NotJson, explain_validation
from core.errors import BadInput

ATTRIBUTE = "operation"
Model = TypeVar("Model", bound=BaseModel)
View = Callable[..., Any]


class Asked(BaseModel):
    """What a caller sends: closed to unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, hide_input_in_errors=True)


class Answer(BaseModel):
    """What a route answers. Decimals are strings, times ISO 8601 in UTC."""

    model_config = ConfigDict(frozen=True)


@dataclass(frozen=True, slots=True)
class Operation:
    """The description of one route and method."""

    summary: str
    answer: type[BaseModel] | None
    scope: Scope | None = None
    query: type[Asked] | None = None
    body: type[Asked] | None = None
    status: int = 200
    media_types: tuple[str, ...] = ("application/json",)
    errors: tuple[int, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    """Request headers by name with what they mean; all optional."""


def operation(spec: Operation) -> Callable[[View], View]:
    """Return the decorator that gives a view `caller`, `query` and `body` where `spec` has them."""

    def decorate(view: View) -> View:
        @wraps(view)
        def run(**given: Any) -> Response:
            if spec.scope is not None:
                given["caller"] = require_key(spec.scope)
            if spec.query is not None:
                given["query"] = parse_query(spec.query)
            elif request.args:
                raise BadInput(f"this route takes no query: '{next(iter(request.args))[:40]}' is unknown")
            if spec.body is not None:
                given["body"] = parse_body(spec.body)
            result = view(**given)
            return result if isinstance(result, Response) else answer_json(result, spec.status)

        setattr(run, ATTRIBUTE, spec)
        return run

    return decorate


def parse_query(kind: type[Model]) -> Model:
    """Return the query string as `kind`; a repeated or unknown name is refused."""
    for name, values in request.args.lists():
        if len(values) > 1:
            raise BadInput(f"the query gives '{name[:40]}' {len(values)} times", "Give it once")
    try:
        return kind.model_validate(request.args.to_dict())
    except ValidationError as error:
        raise BadInput(f"the query is wrong at {explain_validation(error)}", "See /api/openapi.json") from None


def parse_body(kind: type[Model]) -> Model:
    """Return the JSON body as `kind`. The parser bounds depth and number length, Flask bounds the size."""
    if request.mimetype != "application/json":
        raise NotJson(f"the body is '{request.mimetype[:60] or 'without a media type'}', not application/json")
    try:
        return kind.model_validate_json(request.get_data())
    except ValidationError as error:
        raise BadInput(f"the body is wrong at {explain_validation(error)}", "See /api/openapi.json") from None


def answer_json(answer: BaseModel, status: int = 200) -> Response:
    """Return the answer as a JSON response."""
    return Response(answer.model_dump_json(), status=status, mimetype="application/json")
