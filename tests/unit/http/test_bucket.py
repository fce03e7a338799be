"""The VoD bucket is made at the start of a service, which a store that is away does not hold up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from mam.errors import Unavailable
from mam.http import bucket


def test_a_store_that_does_not_answer_does_not_hold_up_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "FIRST_SECONDS", 0)
    answers, there = threading.Event(), threading.Event()

    def ensure() -> None:
        assert answers.wait(60)
        there.set()

    async def start() -> None:
        async with bucket.ensured(ensure):
            assert not there.is_set()
            answers.set()
            assert await asyncio.to_thread(there.wait, 60)

    asyncio.run(start())


def test_the_bucket_is_there_before_a_service_starts_if_the_store_is() -> None:
    there = threading.Event()

    async def start() -> None:
        async with bucket.ensured(there.set):
            assert there.is_set()

    asyncio.run(start())


def test_a_store_that_comes_later_gets_the_bucket_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "RETRY_SECONDS", 0)
    there = threading.Event()

    def attempts() -> Iterator[None]:
        for _ in range(3):
            yield
        there.set()

    left = attempts()

    def ensure() -> None:
        for _ in left:
            raise Unavailable("The object store cannot be reached.")

    async def start() -> None:
        async with bucket.ensured(ensure):
            assert await asyncio.to_thread(there.wait, 60)

    asyncio.run(start())


def test_a_store_that_refuses_ends_the_start() -> None:
    def ensure() -> None:
        raise PermissionError

    async def start() -> None:
        async with bucket.ensured(ensure):
            raise AssertionError("The service has started.")

    with pytest.raises(PermissionError):
        asyncio.run(start())
