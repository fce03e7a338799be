"""What a service has started is stopped again: at its end, and also when something later does not start."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import redis.asyncio
from fastapi import FastAPI

import video_transcoding_main_server
import vod_main_server
from mam.cache.memory import PlaylistMemory
from mam.events import Listener
from mam.library.sync import LibrarySync
from mam.store.objects import Store
from mam.transcoding.embedded_workers import EmbeddedWorkers
from mam.transcoding.reaper import Reaper
from mam.transcoding.webhooks import Webhooks
from mam.uploads.sweeper import Sweeper

# Each application, with what it starts in this order, and how many of its clients are to be closed.
SERVERS: dict[str, tuple[Any, list[type], int]] = {
    "vod": (vod_main_server, [Listener, PlaylistMemory, LibrarySync, Sweeper], 2),
    "transcoder": (video_transcoding_main_server, [Listener, EmbeddedWorkers, Reaper, Webhooks], 1),
}
STARTS = [(name, number) for name, (_, parts, _) in SERVERS.items() for number in range(len(parts))]


class CannotStart(Exception):
    pass


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is started, stopped and closed, in order, of parts that do nothing else."""
    entries: list[str] = []

    def replace(kind: type, method: str, word: str) -> None:
        async def noted(*_: object) -> None:
            entries.append(f"{word} {kind.__name__}")

        monkeypatch.setattr(kind, method, noted)

    for _, parts, _ in SERVERS.values():
        for part in parts:
            replace(part, "start", "start")
            replace(part, "stop", "stop")
    replace(redis.asyncio.Redis, "aclose", "close")
    monkeypatch.setattr(Store, "ensure_bucket", lambda *_: None)
    for setting in ("MINIO_SOURCE_BUCKETS", "MINIO_UPLOAD_BUCKET", "MINIO_UPLOAD_USR", "MINIO_UPLOAD_PWD"):
        monkeypatch.setenv(setting, "myvideos")
    for server, _, _ in SERVERS.values():
        monkeypatch.setattr(server, "setup_logging", lambda *_, **__: None)
    return entries


def live(app: FastAPI) -> None:
    async def life() -> None:
        async with app.router.lifespan_context(app):
            pass

    asyncio.run(life())


@pytest.mark.parametrize("name", SERVERS)
def test_a_service_stops_what_it_has_started_in_reverse_order(name: str, log: list[str]) -> None:
    server, parts, clients = SERVERS[name]
    live(server.create_app())
    names = [part.__name__ for part in parts]
    assert log[: len(parts)] == [f"start {part}" for part in names]
    assert log[len(parts) :] == [*(f"stop {part}" for part in reversed(names)), *["close Redis"] * clients]


@pytest.mark.parametrize(("name", "failing"), STARTS)
def test_what_was_started_is_stopped_when_something_later_does_not_start(
    name: str, failing: int, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, parts, clients = SERVERS[name]

    async def fail(_: object) -> None:
        raise CannotStart

    monkeypatch.setattr(parts[failing], "start", fail)
    with pytest.raises(CannotStart):
        live(server.create_app())
    started = [part.__name__ for part in parts[:failing]]
    assert [entry for entry in log if entry.startswith("start")] == [f"start {part}" for part in started]
    stopped = [entry.removeprefix("stop ") for entry in log if entry.startswith("stop")]
    assert [part for part in stopped if part in started] == started[::-1]
    assert log[-clients:] == ["close Redis"] * clients
