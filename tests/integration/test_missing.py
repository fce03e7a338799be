"""Names that nobody has: each costs the store little, and one that arrives is there at once."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import urllib3
from fastapi.testclient import TestClient

import vod_main_server
from mam.http.auth import HEADER
from mam.vod.missing import CROWD
from tests.integration.system import API_KEY, BUCKET, Stack, is_problem
from tests.media import CLIP, MediaFolder


@pytest.fixture
def requests_of(one_stack: Stack, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What an application in this process asks the store and the transcoding service."""
    for name, value in one_stack.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(vod_main_server, "setup_logging", lambda *_, **__: None)
    sent: list[str] = []
    urlopen, send = urllib3.connectionpool.HTTPConnectionPool.urlopen, httpx.AsyncClient.send

    def to_store(pool: Any, method: str, url: str, *arguments: Any, **options: Any) -> Any:
        sent.append(f"{method} {url}")
        return urlopen(pool, method, url, *arguments, **options)

    async def to_transcoder(client: Any, request: httpx.Request, **options: Any) -> Any:
        sent.append(f"{request.method} {request.url}")
        return await send(client, request, **options)

    monkeypatch.setattr(urllib3.connectionpool.HTTPConnectionPool, "urlopen", to_store)
    monkeypatch.setattr(httpx.AsyncClient, "send", to_transcoder)
    return sent


def test_a_missing_name_is_looked_for_once_and_a_crowd_of_them_never_reaches_the_transcoding_service(
    one_stack: Stack, media: MediaFolder, folder: str, requests_of: list[str]
) -> None:
    def path(name: str) -> str:
        return f"/stream/{BUCKET}/{folder}/{name}.mp4/playlist.m3u8"

    with TestClient(vod_main_server.create_app(), follow_redirects=False) as client:
        for number in range(CROWD + 5):
            assert is_problem(client.get(path(str(number))), 404, "not_found")
        before = len(requests_of)
        for _ in range(3):
            assert is_problem(client.get(path("0")), 404, "not_found")
        assert requests_of[before:] == []
        assert is_problem(client.get(path("another")), 404, "not_found")
        assert [each for each in requests_of[before:] if "/transcode" in each] == []

        one_stack.put(f"{folder}/another.mp4", media.path(CLIP))
        asset = f"/assets/{BUCKET}/{folder}/another.mp4"
        assert client.get(asset, headers={HEADER: API_KEY}).status_code == 200  # the library learns of it
        assert client.get(path("another")).status_code == 200
