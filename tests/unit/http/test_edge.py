"""The edge of both services: what is refused before any route sees it, and the id that each request has."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from mam.credentials import delegation
from mam.credentials.scopes import Caller, Scope
from mam.http import audit, request_id
from mam.http.auth import require_key
from mam.http.caller import HEADER
from mam.http.logging import EventFormatter
from mam.http.service import Service
from mam.http.trail import NOTED_A_MINUTE
from tests.unit.http.permissions import permissions

KEY = "the key of the tests is no secret"
log = logging.getLogger(__name__)


@asynccontextmanager
async def nothing(_: FastAPI) -> AsyncIterator[None]:
    yield


def service() -> Service:
    app = Service("test", title="Test", description="A service.", lifespan=nothing)
    app.state.services = permissions(KEY)

    @app.get("/thing/{name:path}/end")
    async def thing(name: str, request: Request) -> dict[str, Any]:
        log.info("asked", extra={"thing": name})
        return {"name": name, "id": request_id.current()}

    @app.delete("/thing/{name:path}/end", dependencies=[require_key(Scope.READ), audit.entry("delete thing")])
    async def delete(name: str) -> str:
        return name

    @app.post("/thing/{name:path}/end", dependencies=[require_key(Scope.READ)])
    async def change(name: str) -> str:
        return name

    @app.get("/broken")
    async def broken() -> None:
        raise ValueError("a secret")

    return app


APP = service()
CLIENT = TestClient(APP, raise_server_exceptions=False, follow_redirects=False)


# paths


@settings(deadline=None)
@given(st.sampled_from([*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029]), st.integers(0, 3))
def test_no_route_sees_a_control_character_wherever_it_stands(code: int, place: int) -> None:
    parts = ["/thing/", "a", "/end", ""]
    parts[place] += "".join(f"%{byte:02x}" for byte in chr(code).encode())
    answer = CLIENT.get("".join(parts))
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_name")


@pytest.mark.parametrize("path", ["/thing/a/end/", "/broken/", "//broken", "/docs/"])
def test_nothing_is_redirected_to_the_host_that_a_request_names(path: str) -> None:
    answer = CLIENT.get(path, headers={"host": "evil.example"})
    assert answer.status_code == 404
    assert "location" not in answer.headers
    assert "evil" not in answer.text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/thing/a%2Fb/end", 200),
        ("/thing/a%2fb%2Fc/end", 200),
        ("/thing%2Fa/end", 400),
        ("/stream%2fbucket/a/status", 400),
        ("/stream/bucket%2Fa/status", 400),
        ("/assets/bucket%2fa", 400),
        ("/watch/bucket%2fa", 400),
        ("/stream/bucket/a%2Fb/status", 404),
    ],
)
def test_an_encoded_slash_stands_in_names_alone(path: str, status: int) -> None:
    assert CLIENT.get(path).status_code == status


def test_405_names_every_method_of_the_path_whichever_route_has_it() -> None:
    for method in ("PUT", "PATCH", "OPTIONS"):
        answer = CLIENT.request(method, "/thing/a/end")
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
        assert set(answer.headers["allow"].split(", ")) == {"GET", "POST", "DELETE"}


# hosts


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("vod.example.org", True),
        ("VOD.example.org:8002", True),
        ("localhost", True),
        ("[::1]:8002", True),
        ("evil.example", False),
        ("vod.example.org.evil.example", False),
        ("vod.example.org:x", False),
        ("evil.example:80@vod.example.org", False),
        ("", False),
    ],
)
def test_only_listed_hosts_are_answered_but_for_probes(host: str, known: bool) -> None:
    app = service()
    app.edge.hosts = frozenset({"vod.example.org", "localhost", "[::1]"})
    client = TestClient(app)
    answer = client.get("/thing/a/end", headers={"host": host})
    assert answer.status_code == (200 if known else 421)
    assert known or answer.json()["code"] == "unknown_host"
    assert client.get("/metrics", headers={"host": host}).status_code == 200


# request ids


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=80), st.from_regex(rb"\A[A-Za-z0-9._-]{1,64}\Z")))
def test_a_request_keeps_its_own_id_if_that_can_stand_in_a_log_line_and_else_gets_one(given_id: bytes) -> None:
    given_id = re.sub(rb"[\x00\r\n]", b"", given_id).strip(b" \t\x0b\x0c")
    answer = CLIENT.get("/thing/a/end", headers=[(b"x-request-id", given_id)])
    used = answer.headers["x-request-id"]
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", used)
    assert used == answer.json()["id"]
    assert (used.encode() == given_id) == (re.fullmatch(rb"[A-Za-z0-9._-]{1,64}", given_id) is not None)


@pytest.mark.parametrize("path", ["/broken", "/nowhere", "/thing/%01/end", f"/{'x' * 9000}"])
def test_every_problem_has_the_id_of_its_request(path: str) -> None:
    answer = CLIENT.get(path)
    assert answer.status_code >= 400
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["x-request-id"] != CLIENT.get(path).headers["x-request-id"]


def test_every_log_line_of_a_request_has_its_id(caplog: pytest.LogCaptureFixture) -> None:
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(EventFormatter("test").format(record))

    handler = Lines()
    logging.getLogger().addHandler(handler)
    try:
        with caplog.at_level(logging.INFO):
            CLIENT.get("/thing/x/end", headers={"x-request-id": "abc"})
            CLIENT.get("/broken", headers={"x-request-id": "def"})
            log.info("outside")
    finally:
        logging.getLogger().removeHandler(handler)
    assert next(line for line in lines if "asked" in line).endswith("thing=x request=abc")
    assert "request=def" in next(line for line in lines if "unexpectedly" in line).splitlines()[0]
    assert "request=" not in next(line for line in lines if "outside" in line)


# who did what


def test_what_changes_something_and_what_is_refused_is_one_line_each(caplog: pytest.LogCaptureFixture) -> None:
    def lines() -> list[tuple[str, str, str, str, str]]:
        found = [json.loads(record.getMessage()) for record in caplog.records if record.name == "mam.audit"]
        caplog.clear()
        assert all(time.time() - entry["time"] < 60 and entry["request_id"] for entry in found)
        return [(e["action"], e["object"], e["outcome"], e.get("key", ""), e["address"]) for e in found]

    ours = f"master-{hashlib.sha256(KEY.encode()).hexdigest()[:6]}"
    with caplog.at_level(logging.INFO):
        assert CLIENT.delete("/thing/a/b/end", headers={HEADER: KEY}).status_code == 200
        assert lines() == [("delete thing", "a/b", "done", ours, "testclient")]
        CLIENT.delete("/thing/a/b/end")
        assert lines() == [("delete thing", "a/b", "forbidden", "", "testclient")]
        CLIENT.post("/thing/a/end", headers={HEADER: "wrong"})
        assert lines() == [("API key", "/thing/a/end", "forbidden", "", "testclient")]
        CLIENT.get("/thing/a/end")
        assert lines() == []
        named = {HEADER: KEY, delegation.HEADER: delegation.written(Caller("ci", frozenset({Scope.READ})))}
        assert CLIENT.delete("/thing/a/b/end", headers=named).status_code == 200
        assert lines() == [], "the service that the client called records it"
        CLIENT.delete("/thing/a/b/end", headers={**named, HEADER: "wrong"})
        assert [line[2] for line in lines()] == ["forbidden"] * 2, "nobody else can hide behind that header"
    assert KEY not in caplog.text


def test_a_stranger_does_not_fill_the_log_with_refusals(caplog: pytest.LogCaptureFixture) -> None:
    """Changes are recorded all the same, and so are the refusals of clients whose key is right."""
    client = TestClient(service(), raise_server_exceptions=False)
    with caplog.at_level(logging.INFO):
        for _ in range(3 * NOTED_A_MINUTE):
            assert client.delete("/thing/a/end").status_code == 403
        assert len([record for record in caplog.records if record.name == "mam.audit"]) == NOTED_A_MINUTE
        caplog.clear()
        for _ in range(2 * NOTED_A_MINUTE):
            assert client.delete("/thing/a/end", headers={HEADER: KEY}).status_code == 200
        assert len([record for record in caplog.records if record.name == "mam.audit"]) == 2 * NOTED_A_MINUTE
