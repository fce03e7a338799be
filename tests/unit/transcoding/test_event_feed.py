"""The seat of somebody who listens: what they miss, what they never miss, and when they are let go of."""

from __future__ import annotations

import asyncio

from mam.transcoding import event_feed
from mam.transcoding.event_feed import Subscriber

FIRST = {"a": b"a1 ", "b": b"b1 "}


async def taken(seat: Subscriber, times: int = 1) -> bytes:
    frames = seat.frames()
    return b"".join([await asyncio.wait_for(frames.__anext__(), 5) for _ in range(times)])


def test_who_sits_down_is_told_how_things_stand() -> None:
    assert asyncio.run(taken(Subscriber(FIRST, asyncio.Event()))) == b"a1 b1 "


def test_who_is_slow_misses_steps_and_never_the_last_of_them() -> None:
    seat = Subscriber({}, asyncio.Event())
    for step in range(1000):
        seat.tell("a", b"a%d " % step)
        seat.tell("b", b"b%d " % step)
    assert not seat.is_lost(2)
    assert asyncio.run(taken(seat)) == b"a999 b999 "


def test_what_is_sent_at_a_time_is_no_more_than_a_connection_takes() -> None:
    large = {str(number): b"x" * event_feed.BATCH_BYTES for number in range(3)}
    seat = Subscriber(large, asyncio.Event())
    assert len(asyncio.run(taken(seat))) == event_feed.BATCH_BYTES
    assert len(asyncio.run(taken(seat, 2))) == 2 * event_feed.BATCH_BYTES


def test_who_has_too_much_waiting_is_let_go_of() -> None:
    over = asyncio.Event()
    seat = Subscriber(FIRST, over)
    assert not seat.is_lost(2)
    seat.tell("c", b"c1 ")
    assert seat.is_lost(2)
    seat.leave()
    assert over.is_set()
    assert not seat.is_lost(0)  # nothing of it is kept
