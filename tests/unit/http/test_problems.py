"""Errors over HTTP: every one is a problem document with all its fields, whatever raised it."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient

from mam.errors import ConversionFailed, MamError
from mam.http import problems
from tests.unit.test_errors import ERRORS

FIELDS = {"type", "title", "status", "detail", "code", "hint"}


def answer_to(error: Exception, path: str = "/broken") -> Any:
    app = FastAPI()
    problems.install(app)

    @app.get("/broken")
    async def broken() -> None:
        raise error

    @app.get("/number/{n}")
    async def number(n: int) -> int:
        return n

    return TestClient(app, raise_server_exceptions=False).get(path)


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_is_a_problem_with_all_fields(kind: type[MamError]) -> None:
    answer = answer_to(kind("The detail."))

    assert kind.status == answer.status_code
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert {
        "type": f"urn:mam:problem:{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": "The detail.",
        "code": kind.code,
        "hint": kind.hint,
    } == answer.json()


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_who_meets_an_outage_is_told_when_to_come_back(kind: type[MamError]) -> None:
    answer = answer_to(kind("The detail."))
    assert (kind.status in (429, 503)) == ("retry-after" in answer.headers)


def test_a_recorded_failure_keeps_its_own_status_and_code() -> None:
    answer = answer_to(ConversionFailed("d", status=422, code="not_remuxable", title="t", hint="h"))
    assert (
        answer.status_code, answer.json()["code"], answer.json()["title"], answer.json()["hint"]
    ) == (422, "not_remuxable", "t", "h")  # fmt: skip


@pytest.mark.parametrize(
    ("error", "path", "status", "code"),
    [
        (ValueError("with a secret in it"), "/broken", 500, "internal_error"),
        (redis.ConnectionError("10.0.0.1:6379"), "/broken", 503, "redis_unavailable"),
        (HTTPException(418, "short and stout"), "/broken", 418, "im_a_teapot"),
        (ValueError(), "/nowhere", 404, "not_found"),
        (ValueError(), "/number/x", 422, "invalid_request"),
    ],
)
def test_what_is_no_error_of_ours_becomes_a_problem_too(error: Exception, path: str, status: int, code: str) -> None:
    answer = answer_to(error, path)

    assert (status, code) == (answer.status_code, answer.json()["code"])
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json()) == FIELDS
    assert all(str(value).strip() for value in answer.json().values())
    assert "secret" not in answer.text
    assert "10.0.0.1" not in answer.text


def test_a_method_that_a_route_does_not_have_is_a_problem_that_says_which_it_has() -> None:
    app = FastAPI()
    problems.install(app)

    @app.get("/only")
    async def only() -> None: ...

    answer = TestClient(app).post("/only")
    assert (
        answer.status_code, answer.json()["code"], answer.headers["allow"]
    ) == (405, "method_not_allowed", "GET")  # fmt: skip


def test_the_documentation_of_a_route_shows_its_problems() -> None:
    shown = problems.responses(404, 503)
    assert list(shown) == [404, 503]
    assert shown[404]["content"]["application/problem+json"]["schema"] == {"$ref": "#/components/schemas/Problem"}
    assert set(problems.Problem.model_json_schema()["required"]) == FIELDS
