"""The services without pages: WEB=0."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.servers import Server
from tests.integration.system import API_KEY, S3, Stack, configuration, is_problem


@pytest.fixture(scope="module")
def plain(one_s3: S3, redis_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    env = configuration(one_s3.server.address, redis_server.port, db=10, WEB="0", EMBEDDED_WORKERS="0")
    folder: Path = tmp_path_factory.mktemp("plain")
    with Stack(one_s3, env, folder).running() as stack:
        yield stack


@pytest.mark.parametrize(
    "path", ["/", "/jobs", "/watch/myvideos/a.mp4", "/embed/myvideos/a.mp4", "/session", "/api/jobs"]
)
def test_there_are_no_pages(plain: Stack, path: str) -> None:
    answer = plain.http.get(f"http://{plain.vod.address}{path}", headers={"x-api-key": API_KEY}, timeout=10)
    assert is_problem(answer, 404, "not_found")


def test_the_rest_is_there(plain: Stack) -> None:
    headers = {"x-api-key": API_KEY}
    assert plain.http.delete(plain.cache_url("none"), headers=headers, timeout=10).status_code == 200
    assert is_problem(plain.get(plain.video_url("none")), 404, "video_not_found")
