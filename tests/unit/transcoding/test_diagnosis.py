"""Why nothing moves: a note for each thing that may be wrong, and none when all is well."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mam.jobs.job import ActiveJob, RunningTask
from mam.jobs.presence import Worker
from mam.jobs.queues import QUEUES, VIEWERS
from mam.transcoding.diagnosis import Facts, Memory, Note, notes

NOW = 1_000_000.0
ANYTHING = Worker("anything@host", "host", 1, 1, QUEUES, NOW - 60, NOW)
FOR_VIEWERS = Worker("viewers@host", "host", 2, 2, VIEWERS, NOW - 60, NOW)
TASK = RunningTask("make:1", "host:7", NOW - 5, 1, "anything@host")
JOB = ActiveJob("0123456789ab", "courses/film", NOW - 1, (TASK,), None)
WELL = Facts(workers=(ANYTHING, FOR_VIEWERS), queues=dict.fromkeys(QUEUES, 0), started=(JOB,))


def found(facts: Facts, *, embedded: int = 1) -> list[Note]:
    return notes(facts, now=NOW, embedded=embedded, lease=30)


def only(facts: Facts, *, embedded: int = 1) -> Note:
    (note,) = found(facts, embedded=embedded)
    assert note.message and note.hint
    return note


def waiting(**lengths: int) -> dict[str, int]:
    return {**WELL.queues, **lengths}


def test_when_all_is_well_there_is_nothing_to_say() -> None:
    assert found(WELL) == []
    assert found(replace(WELL, started=())) == []


def test_without_workers_it_says_how_to_start_one() -> None:
    note = only(Facts(queues=waiting(interactive=3)), embedded=0)
    assert note.code == "no_workers"
    assert "3 tasks wait" in note.message
    assert "EMBEDDED_WORKERS" in note.hint
    assert "celery -A mam.worker.tasks worker" in note.hint
    assert "log says why" in only(Facts(), embedded=2).hint


def test_a_queue_that_no_worker_serves_is_named_with_what_waits_in_it() -> None:
    note = only(replace(WELL, workers=(FOR_VIEWERS,), started=(), queues=waiting(batch=4, low=1)))
    assert note.code == "queue_unserved"
    assert "batch, low" in note.message
    assert "5 tasks wait" in note.message
    assert note.hint.endswith("-Q batch,low.")


def test_when_all_slots_that_serve_a_queue_are_busy_it_says_how_many_tasks_wait() -> None:
    note = only(replace(WELL, queues=waiting(batch=7)))
    assert note.code == "all_busy"
    assert "7 tasks wait" in note.message
    assert "the queue batch" in note.message
    assert found(replace(WELL, queues=waiting(batch=7), started=())) == []  # a slot is free, and about to take one


def test_who_makes_pictures_is_busy_too() -> None:
    done = ActiveJob("ba9876543210", "courses/other", NOW - 100, (replace(TASK, name="storyboard"),), None)
    facts = replace(WELL, queues=waiting(batch=7), started=(), picturing=(done,))
    assert only(facts).code == "all_busy"
    assert list(facts.tasks()) == [(done, *done.running)]
    assert list(replace(facts, started=(done,)).tasks()) == [(done, *done.running)]  # once


def test_slots_that_do_not_serve_the_queue_are_not_counted_as_free() -> None:
    assert found(replace(WELL, queues=waiting(interactive=1))) == []
    assert only(replace(WELL, queues=waiting(low=1))).code == "all_busy"


def test_redis_being_away_is_all_that_can_be_said_of_the_fleet() -> None:
    assert only(Facts(redis="ConnectionError")).code == "redis_unavailable"


def test_the_store_being_away_comes_first() -> None:
    facts = replace(WELL, store="it has said nothing for 9 s", queues=waiting(batch=1))
    assert [note.code for note in found(facts)] == ["store_unavailable", "all_busy"]


def test_a_job_that_gave_no_sign_of_life_is_named_unless_it_may_be_waiting_for_a_worker() -> None:
    silent = replace(JOB, updated_at=NOW - 61)
    note = only(replace(WELL, started=(silent,)))
    assert note.code == "job_silent"
    assert "courses/film gave no sign of life for 61 s" in note.message
    unmanned = replace(silent, running=())
    assert only(replace(WELL, started=(unmanned,))).code == "job_silent"  # nowhere a task of it
    assert found(replace(WELL, started=(unmanned,), queues=waiting(batch=1))) == []


@given(st.integers(0, 1 << 40), st.integers(0, 1 << 40))
def test_a_redis_that_is_nearly_full_is_said_with_how_full_it_is(used: int, most: int) -> None:
    notes = found(replace(WELL, memory=Memory(used, most)))
    assert [note.code for note in notes] == (["redis_full"] if most and used >= 0.9 * most else [])
    assert all(f"{used / (1 << 20):.0f} MiB" in note.message and "maxmemory" in note.hint for note in notes)


def test_jobs_that_are_tried_again_are_named_with_the_reason_once_for_each_reason() -> None:
    jobs = [replace(JOB, id=f"{n:012x}", video=f"film{n}", running=(), trouble="The store is away.") for n in range(5)]
    other = replace(JOB, trouble="ffmpeg gave up.")
    first, second = found(replace(WELL, started=(*jobs, other)))
    assert {first.code, second.code} == {"job_troubled"}
    assert first.message == "film0, film1, film2 and 2 more are tried again: The store is away."
    assert second.message == "courses/film is tried again: ffmpeg gave up."
