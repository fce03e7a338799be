"""The state of a ladder's renditions: each rung is made by a job of its own, beside that of the base."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import redis

from mam import stored
from mam.jobs import keys
from mam.jobs.job import Job, Making, RenditionState, State, percentage
from mam.naming import group_of, job_id


def with_renditions(client: redis.Redis, jobs: Sequence[Job | None]) -> list[Job | None]:
    """The jobs; those of a ladder's base have the state of each rendition. One more read for all of them."""
    rungs = [(job.id, name) for job in jobs if job for name in job.ladder if group_of(name)]
    if not rungs:
        return list(jobs)
    with client.pipeline(transaction=False) as pipe:
        for revision, name in rungs:
            pipe.hmget(keys.PREFIX + job_id(revision, name), ["state", "segments"])
            pipe.bitcount(keys.made_key(job_id(revision, name)))
        rows = stored.answers(pipe.execute(raise_on_error=False))
    states = {rung: _rung(rung[1], *rows[2 * place : 2 * place + 2]) for place, rung in enumerate(rungs)}
    return [job and replace(job, renditions=_renditions(job, states)) for job in jobs]


def _renditions(job: Job, rungs: dict[tuple[str, str], RenditionState]) -> tuple[RenditionState, ...]:
    base = _making(job.state)
    return tuple(rungs.get((job.id, name)) or RenditionState(name, base, job.percent) for name in job.ladder)


def _rung(name: str, fields: Any, made: int | None) -> RenditionState:
    state, segments = fields or (None, None)
    making = _making(State.read(stored.text(state)))
    percent = 100.0 if making is Making.MADE else percentage(made or 0, stored.whole(segments))
    return RenditionState(name, making, percent)


def _making(state: State | None) -> Making:
    if state is State.SUCCEEDED:
        return Making.MADE
    return Making.PROMISED if state is None or state.is_final else Making.MAKING
