"""The API key: without the right one nothing happens, whatever is sent in its place."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from mam.credentials.scopes import Scope
from mam.http import problems
from mam.http.auth import require_key
from mam.http.caller import HEADER
from mam.http.routing import Route
from mam.http.tries import TRIES, TRIES_SECONDS, TooManyAttempts, Tries
from tests.unit.http.permissions import away, permissions

KEY = "the key"
HOSTILE = [
    b'{"a": "\\ud800"}', b'{"a": "\\udc00\\ud800"}', b'{"\\udfff": "x", "a": "x"}', b'{"a": NaN}', b"[" * 50_000,
    b'{"a": ' + b"9" * 5000 + b"}", b"\xff", b"\xef\xbb\xbf{}", b"{", b"null",
]  # fmt: skip


def client(key: str = KEY) -> TestClient:
    app = FastAPI()
    app.router.route_class = Route
    problems.install(app)
    app.state.services = permissions(key)

    @app.post("/", dependencies=[require_key(Scope.READ)])
    async def guarded() -> str:
        return "done"

    return TestClient(app, raise_server_exceptions=False)


class Body(BaseModel):
    a: str


def with_body() -> TestClient:
    guarded = client()
    app = guarded.app
    assert isinstance(app, FastAPI)

    @app.post("/body", dependencies=[require_key(Scope.READ)])
    async def body(body: Body) -> str:
        return body.a

    return guarded


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


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=40).filter(lambda raw: not {0, 10, 13} & set(raw)))
def test_any_bytes_in_place_of_the_key_are_forbidden_and_no_failure(raw: bytes) -> None:
    answer = client().post("/", headers={HEADER.encode(): raw})
    assert (200 if raw.strip(b" \t") == KEY.encode() else 403) == answer.status_code


def test_a_key_beyond_ascii_never_fails() -> None:
    answer = client("ключ").post("/", headers={HEADER.encode(): "ключ".encode()})
    assert answer.status_code in (200, 403)


def test_the_key_may_stand_in_the_query_nowhere() -> None:
    assert client().post(f"/?{HEADER}={KEY}&api_key={KEY}").status_code == 403


# before the body


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["application/json", "text/plain", ""]))
def test_without_the_key_no_body_is_read_whatever_is_in_it(body: bytes, kind: str) -> None:
    refused = with_body().post("/body", content=body, headers={"content-type": kind})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert refused.headers["cache-control"] == "no-store"


@settings(deadline=None)
@given(st.one_of(st.binary(min_size=1, max_size=200), st.sampled_from(HOSTILE)))
def test_with_it_any_body_is_understood_or_refused_as_documented(body: bytes) -> None:
    answer = with_body().post("/body", content=body, headers={HEADER: KEY, "content-type": "application/json"})
    assert answer.status_code == 200 or (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.headers["cache-control"] == "no-store"


def test_a_body_that_is_understood_holds_no_half_characters() -> None:
    for body in HOSTILE:
        answer = with_body().post("/body", content=body, headers={HEADER: KEY, "content-type": "application/json"})
        assert answer.status_code == 422, body[:80]
    whole = with_body().post("/body", json={"a": "\N{GRINNING FACE}"}, headers={HEADER: KEY})
    assert (whole.status_code, whole.json()) == (200, "\N{GRINNING FACE}")


# tries


def test_the_eleventh_wrong_key_of_a_minute_is_told_to_wait_and_the_right_one_with_it() -> None:
    guessing = client()
    wrong = [guessing.post("/", headers={HEADER: f"guess {n}"}).status_code for n in range(TRIES + 5)]
    assert wrong == [403] * TRIES + [429] * 5
    refused = guessing.post("/", headers={HEADER: KEY})
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_attempts")
    assert int(refused.headers["retry-after"]) == TRIES_SECONDS
    assert guessing.post("/").status_code == 403


def test_an_address_that_has_the_key_is_not_locked_out_by_others_who_share_it() -> None:
    shared = client()
    assert shared.post("/", headers={HEADER: KEY}).status_code == 200
    assert {shared.post("/", headers={HEADER: "guess"}).status_code for _ in range(3 * TRIES)} == {403}
    assert shared.post("/", headers={HEADER: KEY}).status_code == 200


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.floats(0, 50)), max_size=80))
def test_an_untrusted_address_never_has_more_tries_in_a_minute(tries: list[tuple[str, bool, float]]) -> None:
    now, counting, looked = 1.0, Tries(away()), dict[str, list[float]]()
    trusted: set[str] = set()

    async def send() -> None:
        nonlocal now
        for address, right, pause in tries:
            now += pause
            with suppress(TooManyAttempts):
                await counting.count(address, is_right=right)
                trusted.update({address} if right else ())
                if address not in trusted:
                    looked.setdefault(address, []).append(now)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mam.http.tries.time.monotonic", lambda: now)
        asyncio.run(send())
    for address in set(looked) - trusted:
        moments = looked[address]
        assert all(late - early >= TRIES_SECONDS for early, late in zip(moments, moments[2 * TRIES :], strict=False))
