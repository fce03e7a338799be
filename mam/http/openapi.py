"""The OpenAPI description, completed by what is true of every route: problems, keys, limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mam.http import problems

KEYED = (403, 429)  # a missing or wrong key, and too many of the latter
LIMITED = (414, 421, 431)  # what the edge says of any request (`edge.py`)
NAMED = (400,)  # and of a path that holds what no name has
WITH_BODY = (413, 422)
COOKIE = "APIKeyCookie"  # the security scheme of sessions
_FRAMEWORK = ("HTTPValidationError", "ValidationError")  # its own errors, which are problems here


def described(schema: dict[str, Any]) -> dict[str, Any]:
    """Completes FastAPI's description in place, and returns it."""
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = problems.Problem.model_json_schema()
    for path, operation in _operations(schema):
        statuses = {int(status) for status in operation["responses"] if status.isdigit()}
        invalid = operation["responses"].get("422", {}).get("content", {})
        if "application/json" in invalid:  # what FastAPI adds to each route with a parameter
            del operation["responses"]["422"]
        wanted = {*LIMITED, *(NAMED if "{" in path else ())}
        if "422" not in operation["responses"] and 422 in statuses:
            wanted.add(422)
        if "requestBody" in operation:
            wanted.update(WITH_BODY)
        if "security" in operation:
            wanted.update(KEYED, (401,) if any(COOKIE in way for way in operation["security"]) else ())
        for status, response in problems.responses(*sorted(wanted)).items():
            operation["responses"].setdefault(str(status), response)
    for name in _FRAMEWORK:
        schemas.pop(name, None)
    return schema


def _operations(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in schema["paths"].items():
        for operation in item.values():
            yield path, operation
