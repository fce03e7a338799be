"""What both services say of themselves: a valid description, and documentation that asks nobody else for anything."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient

import video_transcoding_main_server
import vod_main_server
from mam.http.service import Service

APPS: dict[str, Any] = {"vod": vod_main_server.app, "transcoder": video_transcoding_main_server.app}


@pytest.fixture(params=APPS)
def app(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Service:
    """Not started: what is asked here needs no settings."""
    found: Service = APPS[request.param]
    monkeypatch.setattr(type(found), "__call__", Service.__call__)  # the hot path needs a started service
    found.state.services = SimpleNamespace(settings=SimpleNamespace(allowed_origins=["*"]))
    return found


def operations(app: Service) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in app.openapi()["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def references(found: Any) -> Iterator[str]:
    if isinstance(found, dict):
        yield from (value for name, value in found.items() if name == "$ref")
        found = list(found.values())
    for part in found if isinstance(found, list) else ():
        yield from references(part)


def test_every_error_is_described_as_the_problem_that_it_is(app: Service) -> None:
    for method, path, operation in operations(app):
        for status, response in operation["responses"].items():
            if status >= "400" and path != "/readyz":
                assert set(response["content"]) == {"application/problem+json"}, (method, path, status)


def test_whatever_is_referred_to_is_there(app: Service) -> None:
    schema = app.openapi()
    named = {reference.removeprefix("#/components/schemas/") for reference in references(schema)}
    assert named <= schema["components"]["schemas"].keys()
    assert "HTTPValidationError" not in schema["components"]["schemas"]


def test_what_wants_a_key_says_so_and_what_it_answers_without(app: Service) -> None:
    for _, path, operation in operations(app):
        if "security" in operation:
            assert {"403", "429"} <= operation["responses"].keys(), path
        if "requestBody" in operation:
            assert {"413", "422"} <= operation["responses"].keys(), path


def test_signing_in_and_out_names_the_header_that_it_needs() -> None:
    for method in ("post", "delete"):
        parameters = APPS["vod"].openapi()["paths"]["/session"][method]["parameters"]
        assert [found["name"] for found in parameters if found["in"] == "header"] == ["x-mam-request"]


def test_the_documentation_comes_from_here_alone_under_a_policy(app: Service) -> None:
    client = TestClient(app)
    assert client.get("/openapi.json").json()["info"]["title"] == app.title
    page = client.get("/docs")
    assert page.status_code == 200
    assert not re.search(r"https?://|//[a-z]", page.text)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    nonces = set(re.findall(r'nonce="([^"]+)"', page.text))
    assert len(nonces) == 1
    assert f"'nonce-{nonces.pop()}'" in policy
    for address in re.findall(r'(?:src|href)="(docs/[^"]+)"', page.text):
        for encoding in ("gzip", "identity"):
            file = client.get(f"/{address}", headers={"accept-encoding": encoding})
            assert (file.status_code, len(file.content) > 100_000) == (200, True)
            assert file.headers["content-type"].startswith(("text/javascript", "text/css"))
    assert client.get("/redoc").status_code == 404
    assert client.get("/docs/no.js").json()["code"] == "not_found"


def test_every_bound_is_described_by_a_word_of_json_schema(app: Service) -> None:
    """pydantic writes its own name of a bound that it cannot express: then clients do not know of the bound."""
    words = json.dumps(app.openapi()["components"]["schemas"])
    assert [word for word in ("ge", "le", "gt", "lt", "min_length", "max_length") if f'"{word}":' in words] == []
