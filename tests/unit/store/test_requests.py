"""Requests of our own: what the store answers is what was asked for, or an error."""

from __future__ import annotations

import io
from typing import Any

import pytest
import urllib3
from pydantic import SecretStr

from mam.store.errors import Refused
from mam.store.requests import send
from mam.store.signing import Place

PLACE = Place("films", "store:9000", False, "eu-1", "u", SecretStr("secret"))


class Pool(urllib3.PoolManager):
    """A store that gives one answer."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__()
        self.asked: list[str] = []
        self._answer = urllib3.HTTPResponse(io.BytesIO(body), status=status)

    def urlopen(self, method: str, url: str, redirect: bool = True, **options: Any) -> Any:  # type: ignore[override]
        self.asked.append(f"{method} {url.partition('?')[0]}")
        return self._answer


def refusal_of(status: int, body: bytes) -> tuple[str, str]:
    with pytest.raises(Refused) as raised:
        send(Pool(status, body), PLACE, "GET")
    return raised.value.code, raised.value.message


def test_a_request_is_signed_for_its_key() -> None:
    pool = Pool(200, b"found")
    assert send(pool, PLACE, "PUT", "a/ü b", body=b"x") == b"found"
    assert pool.asked == ["PUT http://store:9000/films/a/%C3%BC%20b"]


@pytest.mark.parametrize("status", [200, 404])
def test_an_error_is_one_whatever_its_status(status: int) -> None:
    body = b'<?xml version="1.0"?>\n <Error xmlns="s3"><Code>NoSuchUpload</Code>\n<Message>a &amp; b</Message></Error>'
    assert refusal_of(status, body) == ("NoSuchUpload", "a & b")


@pytest.mark.parametrize("body", [b"", b"<html>no S3</html>", b"<Error></Error>"])
def test_an_answer_without_a_code_is_called_by_its_status(body: bytes) -> None:
    assert refusal_of(502, body) == ("status 502", "")


@pytest.mark.parametrize("key", ["a/../b", ".", "a/."])
def test_a_key_that_leads_elsewhere_is_not_asked_for(key: str) -> None:
    pool = Pool(200, b"")
    with pytest.raises(ValueError, match="path"):
        send(pool, PLACE, "GET", key)
    assert not pool.asked
