"""A library of 100,000 videos: how long its pages and searches take, as a page in a browser asks for them."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.run import Run, say
from bench.stack import FILMS, Stack, wait_until
from bench.table import Bar, Line, Measure, Row, Rule
from mam.library.catalogue import Catalogue
from mam.library.lua import COMPLETE, HASH
from mam.library.snapshot import BASE, CHANGES, LISTED_AT, Change, Position, Snapshot
from mam.library.status import AssetStatus
from mam.library.status_store import StatusStore
from mam.library.sync import LISTER
from mam.library.videos import Listed

ASSETS = 100_000
BATCH = 1000  # records that are told at once
LOADED_SECONDS = 60
BUDGET = Bar(Rule.AT_MOST, 0.1, 0.02)
WORST = Bar(Rule.AT_MOST, 0.1)
WORDS = (
    *("aufnahme", "Biologie", "camera", "Übung", "final", "interview", "kickoff"),
    *("lecture", "Montage", "Physik", "session", "take", "tour"),
)
STATES = {"new": 0.5, "live": 0.45, "failed": 0.05}


def hundred_thousand(run: Run) -> Iterator[Row]:
    """`GET /assets` over HTTP, one request after another: the first page of a folder and of everything, the pages that
    follow, searches of one letter to two words (each of them new), and other orders.

    The 100,000 entries are put into Redis as the process that lists puts them there; half of them have been converted.
    """
    stack, rounds = run.stack, run.times(20, quick=5)
    with _filled(stack):
        say(f"pages of {ASSETS:,} videos")
        chosen = random.Random(3)
        asked: dict[str, list[float]] = {}

        def timed(what: str, **query: Any) -> dict[str, Any]:
            begun = time.perf_counter()
            found = stack.ask("GET", "/assets", service=stack.vod, params=query)
            asked.setdefault(what, []).append(time.perf_counter() - begun)
            return found

        for number in rounds:
            _disturb(stack, number)  # so that no answer is one from before
            timed("first page", bucket=FILMS)
            _disturb(stack, number)
            page = timed("first page of everything by date", bucket=FILMS, state="new", sort="-date")
            for _ in range(5):
                cursor = page["next_cursor"]
                page = timed("next page", bucket=FILMS, state="new", sort="-date", cursor=cursor)
            for letters in (1, 2, 4):
                word = chosen.choice(WORDS)
                start = chosen.randrange(len(word) - letters + 1)
                _disturb(stack, number)
                timed(f"search, {letters} letter{'s' * (letters > 1)}", q=word[start : start + letters])
            timed("search, two words", q=f"{chosen.choice(WORDS)} {chosen.randrange(10, 99)}", sort="-duration")
            timed("search, one hit", q=f"{chosen.randrange(ASSETS):06d}")
    for what, seconds in asked.items():
        yield Line(f"library, {ASSETS:,} videos: {what}", Measure.of(seconds), None, BUDGET)
    slowest = [max(seconds) for seconds in asked.values()]
    yield Line(f"library, {ASSETS:,} videos: the slowest of all", Measure.of([max(slowest)]), None, WORST)


@contextmanager
def _filled(stack: Stack) -> Iterator[None]:
    """The library as though the source bucket held so much. Nobody lists it meanwhile."""
    stack.redis.set(LISTER, b"bench", ex=3600)
    snapshot, entries = Snapshot(stack.redis), list(_entries())
    catalogue = Catalogue()
    catalogue.change(entries)
    stack.redis.delete(BASE, CHANGES)
    assert snapshot.write(catalogue.listed(), Position())
    records = list(_records(entries))
    for at in range(0, len(records), BATCH):
        StatusStore(stack.redis).found(dict(records[at : at + BATCH]))
    stack.redis.hset(HASH, COMPLETE, "1")
    snapshot.confirm(time.time() + 3600)
    try:
        wait_until(lambda: _is_loaded(stack), LOADED_SECONDS, "The library was not loaded")
        yield
    finally:
        stack.redis.delete(BASE, CHANGES, LISTED_AT, HASH, LISTER)


def _entries() -> Iterator[Listed]:
    chosen = random.Random(1)
    for number in range(ASSETS):
        folder = f"{chosen.choice(WORDS)}/{chosen.choice(WORDS)} {number % 97}/" if number % 50 else ""
        name = f"{chosen.choice(WORDS)}-{chosen.choice(WORDS)} {number:06d}.mp4"
        moment = 1_700_000_000 + chosen.randrange(1 << 26)
        yield Listed(FILMS, folder + name, chosen.randrange(1 << 33), moment, chosen.randrange(1 << 32))


def _records(entries: list[Listed]) -> Iterator[tuple[str, AssetStatus]]:
    chosen = random.Random(2)
    for one in entries:
        (state,) = chosen.choices(list(STATES), list(STATES.values()))
        if state == "live":
            live = AssetStatus(video=one.key[:-4], live="0123456789ab", duration=chosen.uniform(1, 9000))
            yield f"{FILMS}/{one.key}", live
        elif state == "failed":
            yield f"{FILMS}/{one.key}", AssetStatus(video=one.key[:-4], job="0123456789ab", stage="failed")


def _is_loaded(stack: Stack) -> bool:
    found = stack.ask("GET", "/assets", service=stack.vod, params={"state": "live", "sort": "duration"})
    return bool(found["total"] > ASSETS / 3 and found["complete"])


def _disturb(stack: Stack, number: int) -> None:
    """Something arrives, and every result that was kept is out of date."""
    Snapshot(stack.redis).add(Change([Listed(FILMS, f"new/{number}-{time.time_ns()}.mp4", 1, number, 1)], []))
