"""The API key: without the right one nothing happens, whatever is sent in its place."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from mam.http import problems
from mam.http.auth import HEADER, require_api_key

KEY = "the key"


def client(key: str = KEY) -> TestClient:
    app = FastAPI()
    problems.install(app)
    app.state.settings = SimpleNamespace(transcode_api_key=SecretStr(key))

    @app.post("/", dependencies=[require_api_key])
    async def guarded() -> str:
        return "done"

    return TestClient(app, raise_server_exceptions=False)


def test_the_right_key_opens() -> None:
    assert client().post("/", headers={HEADER: KEY}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {HEADER: ""},
        {HEADER: "wrong"},
        {HEADER: KEY.upper()},
        {HEADER: KEY + "x"},
        {HEADER: KEY[:-1]},
        {HEADER: f'"{KEY}"'},
        {"authorization": KEY},
        {"x_api_key": KEY},
    ],
)
def test_a_missing_or_wrong_key_is_forbidden(headers: dict[str, str]) -> None:
    answer = client().post("/", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert KEY not in answer.text


@given(st.binary(min_size=1, max_size=40).filter(lambda raw: not {0, 10, 13} & set(raw)))
def test_any_bytes_in_place_of_the_key_are_forbidden_and_no_failure(raw: bytes) -> None:
    answer = CLIENT.post("/", headers={HEADER.encode(): raw})
    assert (200 if raw.strip(b" \t") == KEY.encode() else 403) == answer.status_code


CLIENT = client()


def test_a_key_beyond_ascii_never_fails() -> None:
    answer = client("ключ").post("/", headers={HEADER.encode(): "ключ".encode()})
    assert answer.status_code in (200, 403)


def test_the_key_may_stand_in_the_query_nowhere() -> None:
    assert client().post(f"/?{HEADER}={KEY}&api_key={KEY}").status_code == 403
