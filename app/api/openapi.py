"""The OpenAPI 3.1 description, read from the URL map and the operations that lie on the views."""

import re
from typing import Any, cast

from flask import Flask
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.api.operations import ATTRIBUTE, Operation
from app.problems import MEDIA_TYPE, Problem

_REF = "#/components/schemas/{model}"
_REASONS = {
    400: "What was sent is wrong",
    401: "No key, or one that does not count",
    403: "The key lacks the scope",
    404: "Nothing of that name exists",
    405: "The path knows other methods",
    409: "The state has moved on, or the Idempotency-Key is in flight or was used for another body",
    413: "The body is larger than 64 KiB",
    415: "The body is not application/json",
    429: "Too many requests; see Retry-After",
    500: "Something unforeseen",
    503: "Something outside is down; see Retry-After",
}


def build_spec(app: Flask) -> dict[str, Any]:
    """Return the description of every route of `app` that carries an operation."""
    routes = list(_routes(app))
    models = {model for _, _, spec in routes for model in (spec.answer, spec.body) if model is not None} | {Problem}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, schemas = models_json_schema([(model, "serialization") for model in ordered], ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for path, method, spec in routes:
        paths.setdefault(path, {})[method] = _describe(path, spec)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "xCrack",
            "version": "1",
            "description": "What the strategies did, what was proposed, what the evidence said, and what runs.",
        },
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "bearerFormat": "xck_<id>_<secret>"}},
        },
    }


def _routes(app: Flask) -> list[tuple[str, str, Operation]]:
    found = []
    for rule in app.url_map.iter_rules():
        spec = getattr(app.view_functions[rule.endpoint], ATTRIBUTE, None)
        if spec is not None:
            path = re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)
            found += [(path, method.lower(), spec) for method in (rule.methods or ()) if method in {"GET", "POST"}]
    return sorted(found, key=lambda route: route[:2])


def _describe(path: str, spec: Operation) -> dict[str, Any]:
    names = re.findall(r"{(\w+)}", path)
    responses: dict[str, Any] = {str(spec.status): {"description": "Done", "content": _content(spec)}}
    for status in sorted(_error_statuses(spec, bool(names))):
        responses[str(status)] = {"description": _REASONS[status], "content": _problem()}
    if 304 in spec.errors:
        responses["304"] = {"description": "Nothing changed since the ETag in If-None-Match"}
    described: dict[str, Any] = {
        "summary": spec.summary,
        "parameters": [
            *({"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names),
            *_query(spec.query),
            *(
                {"name": name, "in": "header", "required": False, "description": text, "schema": {"type": "string"}}
                for name, text in spec.headers.items()
            ),
        ],
        "responses": responses,
    }
    if spec.body is not None:
        schema = {"$ref": _REF.format(model=spec.body.__name__)}
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if spec.scope is not None:
        described["security"] = [{"key": []}]
        described["description"] = f"Needs a key with the scope `{spec.scope}`" + (
            ", or none on a loopback address with `web.public_read`." if spec.scope == "read" else "."
        )
    return described


def _error_statuses(spec: Operation, has_path_names: bool) -> set[int]:
    statuses = {400, 405, 429, 500} | {status for status in spec.errors if status >= 400}
    if spec.scope is not None:
        statuses |= {401, 403, 503}
    if has_path_names:
        statuses.add(404)
    if spec.body is not None:
        statuses |= {413, 415}
    return statuses


def _content(spec: Operation) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if spec.answer is not None:
        schema = {"$ref": _REF.format(model=spec.answer.__name__)}
    return {kind: {"schema": schema if kind == "application/json" else {"type": "string"}} for kind in spec.media_types}


def _problem() -> dict[str, Any]:
    return {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model=Problem.__name__)}}}


def _query(model: type[BaseModel] | None) -> list[dict[str, Any]]:
    if model is None:
        return []
    schema = model.model_json_schema()
    required = set(schema.get("required", ()))
    return [
        {"name": name, "in": "query", "required": name in required, "schema": cast(dict[str, Any], part)}
        for name, part in schema["properties"].items()
    ]
