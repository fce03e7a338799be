"""What a task's failure means for its job, and in which order others hear of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

import redis_adapter
from mam.errors import MamError, SourceChanged, Undecodable
from mam.hls.recipe import Format, Profile, Wanted
from mam.jobs.dispatch import DISCARD
from mam.naming import Asset
from mam.worker import policies
from mam.worker.runner import Run

VIDEO, REPLACED, SUCCESSOR = "film", "0123456789ab", "ba9876543210"


@pytest.mark.parametrize("error", [SourceChanged("It was replaced."), Undecodable("A copy.")], ids=lambda e: e.code)
def test_playlists_of_a_replaced_job_are_invalidated_before_and_after_clients_hear_of_it(
    monkeypatch: pytest.MonkeyPatch, error: MamError
) -> None:
    happened: list[str] = []

    def replace(job: str, epoch: int, successor: str) -> bool:
        happened.append(successor)
        return True

    wanted = Wanted(Profile.AUTO, Format.TS)
    order = SimpleNamespace(
        job=REPLACED, epoch=1, video=VIDEO, asset=Asset("myvideos", "film.mp4"), callback="", keyed_at=0.0,
        recipe=SimpleNamespace(wanted=wanted, recoded=False),
    )  # fmt: skip
    context = SimpleNamespace(
        conversions=SimpleNamespace(request=lambda *_, **__: SimpleNamespace(job=SUCCESSOR, order=None)),
        jobs=SimpleNamespace(keyed_at=lambda job: 0.0, replace=replace),
    )
    monkeypatch.setattr(redis_adapter, "invalidate_playlist_cache", lambda video: happened.append(video))
    monkeypatch.setattr(policies, "queue", lambda task, *_, **__: happened.append(task))
    run = SimpleNamespace(name="chunk:0", order=order, context=context, fields={})
    policies.Needed().failed(cast(Run, cast(Any, run)), error, is_retried=False)
    assert happened == [VIDEO, SUCCESSOR, VIDEO, DISCARD]
