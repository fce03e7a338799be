"""Logs: no line has a secret, wherever in it that stands."""

from __future__ import annotations

import logging

import jwt
import pytest

from mam.http.logging import EventFormatter

TOKEN = jwt.encode({"sub": "films/a.mp4"}, "the key of the tests is no secret", "HS256")
SIGNED = "http://store/vod/a.ts?X-Amz-Credential=user%2F1&X-Amz-Signature=0123abcd&x=1"


@pytest.mark.parametrize(
    ("text", "secrets"),
    [
        (f"GET /p/{TOKEN}/stream/films/a.mp4/playlist.m3u8", [TOKEN, TOKEN.split(".")[1], TOKEN.split(".")[2]]),
        (f"?token={TOKEN}&a=b", [TOKEN.split(".")[2]]),
        (f"Authorization: Bearer {TOKEN}", [TOKEN.split(".")[2]]),
        (SIGNED, ["0123abcd", "user%2F1"]),
        ("x-api-key: the-key-of-someone", ["the-key-of-someone"]),
    ],
    ids=["path", "query", "header", "signature", "key"],
)
def test_a_secret_is_masked_in_the_message_and_in_fields(text: str, secrets: list[str]) -> None:
    record = logging.LogRecord("mam", logging.INFO, "", 0, text, None, None)
    record.url = text
    line = EventFormatter("vod").format(record)
    assert [secret for secret in secrets if secret in line] == []
    assert line.count("...") >= 2
