"""The status of a live ladder: what is live is told without the transcoding service too."""

from __future__ import annotations

import asyncio
from unittest.mock import create_autospec

import pytest

from mam.access.viewers import ANYONE
from mam.errors import Unavailable
from mam.http.transcoder import Transcoder
from mam.origin.tree import Trees
from mam.settings import Settings
from mam.store.objects import Store
from mam.vod.access import Access
from mam.vod.status import Statuses
from tests.unit.hls.test_multivariant import ladder_plan

COMMIT = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=4130000\nsource/index.m3u8\n"


@pytest.mark.parametrize("is_away", [False, True], ids=["at work", "away"])
def test_renditions_that_are_not_live_are_told_by_jobs_or_count_as_promised(is_away: bool) -> None:
    plan = ladder_plan()
    settings = Settings(transcode_api_key="the key of the tests is no secret", _env_file=None)
    trees, transcoder = create_autospec(Trees, instance=True), create_autospec(Transcoder, instance=True)
    trees.by_asset.return_value.configure_mock(name=plan.video, plan=plan, text=COMMIT)
    making = {"name": "v360", "state": "making", "percent": 50.0}
    transcoder.jobs.side_effect = Unavailable("It is away.") if is_away else None
    transcoder.jobs.return_value = [{"id": plan.revision, "renditions": [making]}]
    statuses = Statuses(settings, Access(settings), create_autospec(Store, instance=True), trees, transcoder)
    status = asyncio.run(statuses.of(plan.source.asset, "", ANYONE))
    (rung,) = [rendition for rendition in status.renditions if rendition.name == "v360"]
    assert status.state == "live"
    assert (rung.state, rung.percent) == (("promised", 0.0) if is_away else ("making", 50.0))
