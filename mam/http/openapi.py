"""The OpenAPI description, completed by the properties of all routes: problems, keys, limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mam.http import problems

KEYED = (403, 429)  # A missing or wrong key, and too many wrong keys.
LIMITED = (414, 421, 431)  # The edge refuses any request with these (`edge.py`).
NAMED = (400,)  # The edge refuses paths with invalid names with this.
WITH_BODY = (413, 422)
COOKIE = "APIKeyCookie"  # The security scheme of sessions has this name.
_FRAMEWORK = ("HTTPValidationError", "ValidationError")  # The framework's errors are problems in this system.


def described(schema: dict[str, Any]) -> dict[str, Any]:
    """Completes FastAPI's description in place, and returns it."""
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = problems.Problem.model_json_schema()
    for path, operation in _operations(schema):
        statuses = {int(status) for status in operation["responses"] if status.isdigit()}
        invalid = operation["responses"].get("422", {}).get("content", {})
        if "application/json" in invalid:  # FastAPI adds this to each route with a parameter
            del operation["responses"]["422"]
        added = {*LIMITED, *(NAMED if "{" in path else ())}
        if "422" not in operation["responses"] and 422 in statuses:
            added.add(422)
        if "requestBody" in operation:
            added.update(WITH_BODY)
        if "security" in operation:
            added.update(KEYED, (401,) if any(COOKIE in scheme for scheme in operation["security"]) else ())
        for status, response in problems.responses(*sorted(added)).items():
            operation["responses"].setdefault(str(status), response)
    for name in _FRAMEWORK:
        schemas.pop(name, None)
    return schema


def _operations(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in schema["paths"].items():
        for operation in item.values():
            yield path, operation
