"""What the VoD service asks the store and the transcoding service, when it runs in the process of the test."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import urllib3

import vod_main_server
from tests.integration.system import Stack


def outgoing(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that grows with each request of an application that starts from now on, over the same system."""
    for name, value in stack.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(vod_main_server, "setup_logging", lambda *_, **__: None)
    sent: list[str] = []
    urlopen, send = urllib3.connectionpool.HTTPConnectionPool.urlopen, httpx.AsyncClient.send

    def to_store(pool: Any, method: str, url: str, *arguments: Any, **options: Any) -> Any:
        if pool.port == stack.s3.server.port:  # the test itself speaks to the services
            sent.append(f"{method} {url}")
        return urlopen(pool, method, url, *arguments, **options)

    async def to_transcoder(client: Any, request: httpx.Request, **options: Any) -> Any:
        sent.append(f"{request.method} {request.url}")
        return await send(client, request, **options)

    monkeypatch.setattr(urllib3.connectionpool.HTTPConnectionPool, "urlopen", to_store)
    monkeypatch.setattr(httpx.AsyncClient, "send", to_transcoder)
    return sent
