"""Precedence between tasks of a machine: encodes that viewers wait for take turns."""

from __future__ import annotations

import multiprocessing
import time
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from mam.worker.priority import TURN_SECONDS, Precedence, Urgency

SPAWN = multiprocessing.get_context("spawn")
LONG = 60.0  # seconds


def hold(path: Path, cores: int, began: Event, over: Event) -> None:
    with Precedence(path).turn(cores):
        began.set()
        over.wait(LONG)


class Encode:
    """An encode in a process of its own."""

    def __init__(self, path: Path, cores: int) -> None:
        self.began, self.over = SPAWN.Event(), SPAWN.Event()
        self.process = SPAWN.Process(target=hold, args=(path, cores, self.began, self.over))
        self.process.start()

    def end(self) -> None:
        self.over.set()
        self.process.join(LONG)


@pytest.mark.parametrize(("cores", "at_once"), [(1, 1), (2, 1), (3, 1), (4, 2)])
def test_one_encode_runs_for_each_two_cores(tmp_path: Path, cores: int, at_once: int) -> None:
    path = tmp_path / "precedence"
    first = [Encode(path, cores) for _ in range(at_once)]
    assert all(encode.began.wait(LONG) for encode in first)
    last = Encode(path, cores)
    assert not last.began.wait(1.0), "it waits for its turn"
    first[0].end()
    assert last.began.wait(LONG)
    for encode in (*first[1:], last):
        encode.end()


def test_a_turn_ends_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "precedence"
    killed = Encode(path, 2)
    assert killed.began.wait(LONG)
    killed.process.kill()
    killed.process.join(LONG)
    begun = time.monotonic()
    with Precedence(path).turn(2):
        assert time.monotonic() - begun < TURN_SECONDS


def test_nobody_waits_for_a_turn_without_end(tmp_path: Path) -> None:
    path = tmp_path / "precedence"
    endless = Encode(path, 2)
    assert endless.began.wait(LONG)
    with Precedence(path).turn(2):
        assert not endless.over.is_set()
    endless.end()


def test_less_urgent_work_feels_more_urgent_work_alone(tmp_path: Path) -> None:
    mine, other = Precedence(tmp_path / "precedence"), Precedence(tmp_path / "precedence")
    with other.held(Urgency.AHEAD):
        assert [mine.is_felt(urgency) for urgency in Urgency] == [False, False, True]
    assert not any(mine.is_felt(urgency) for urgency in Urgency)
