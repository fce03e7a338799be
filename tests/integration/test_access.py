"""Who may watch what is asked on every way: by asset, by name, by picture, by segment, and in the library."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fastapi.testclient import TestClient

import vod_main_server
from dev.servers import LOOPBACK, Server, free_port
from mam.access.viewers import Viewer
from mam.errors import NotFound
from mam.http.caller import HEADER
from mam.naming import Asset, segment_key
from mam.vod.access import Access
from tests.integration.system import API_KEY, BUCKET, OTHER_BUCKET, VOD, Stack, is_problem, until
from tests.integration.test_hanging import calls
from tests.media import CLIP, MediaFolder

# Routes that play no video and show nothing of one. Every other route must ask.
NEITHER = {
    "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/docs/{name}", "/session", "/static/{name}",
    "/", "/jobs", "/watch/{bucket}/{path}", "/embed/{bucket}/{path}",  # pages: they say what their address says
    "/uploads", "/uploads/{upload}",  # what clients send
    "/playback/denials", "/audit", "/shares", "/shares/{share}",  # what operators say and did
    "/s/{key}", "/shared/{bucket}/{path}",  # they lead to one of the others, which ask
    "/contents/{bucket}/{folder}",  # it needs a link: tests/integration/test_shares.py asks
    "/segment/{token}/{video_name}/{revision}/{rendition}/{file}",  # it leads to one of the others
    "/api/jobs", "/api/jobs/{job_id}", "/api/jobs/{job_id}/chunks", "/api/fleet", "/api/events",  # what workers do
}  # fmt: skip
FOREIGN = b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\na.ts\n#EXT-X-ENDLIST\n"  # of another tool


class Gate(Access):
    """Lets every viewer watch everything until it is shut."""

    is_shut = False

    @property
    def is_open(self) -> bool:
        return not self.is_shut

    def check_bucket(self, bucket: str) -> None:
        if self.is_shut:
            raise NotFound("shut")

    def check_asset(self, asset: Asset, viewer: Viewer) -> None:
        self.check_listed(asset)

    def check_listed(self, asset: Asset) -> None:
        if self.is_shut:
            raise NotFound("shut")

    def may_watch(self, source: str, viewer: Viewer) -> bool:
        return not self.is_shut


@contextmanager
def second_vod(stack: Stack, **settings: str) -> Iterator[Server]:
    """Another VoD service over the same system, with settings of its own."""
    port, before = free_port(), stack.env
    stack.env = {**before, **settings}
    try:
        argv = [sys.executable, "-m", "uvicorn", "vod_main_server:app", "--host", LOOPBACK, "--port", str(port)]
        server = stack.spawn("vod-of-others", argv, port=port)
    finally:
        stack.env = before
    try:
        stack.wait_for(server)
        yield server
    finally:
        server.stop(30)


@pytest.mark.parametrize("cached", [True, False])
def test_a_bucket_off_the_list_is_out_of_reach_on_every_way(
    one_stack: Stack, media: MediaFolder, folder: str, cached: bool
) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(CLIP))
    video = one_stack.convert(key)
    revision = one_stack.revision(video)
    name = next(iter(one_stack.making(video))).rpartition("/")[2]
    rendition = next(iter(one_stack.making(video))).split("/")[-2]
    assert segment_key(video, revision, rendition, name) in one_stack.making(video)
    ways = [
        f"/video/{video}/playlist.m3u8",
        f"/video/{video}/playlist.m3u8?profile=source",
        f"/video/{video}/poster.jpg",
        f"/video/{video}/poster.jpg?revision={revision}",
        f"/video/{video}/storyboard.vtt",
        f"/video/{video}/storyboard.vtt?revision={revision}",
        f"/stream/{BUCKET}/{key}/playlist.m3u8",
        f"/stream/{BUCKET}/{key}/playlist.m3u8?profile=source",
        f"/stream/{BUCKET}/{key}/status",
        f"/stream/{BUCKET}/{key}/{revision}/{rendition}/{name}",
        f"/video/{video}/{revision}/{rendition}/{name}",
        f"/video/{video}/{revision}/storyboard-00.jpg",
    ]
    here = f"http://{one_stack.vod.address}"
    for way in ways:
        until(lambda way=way: one_stack.get(here + way, allow_redirects=False).status_code in (200, 302), way)  # type: ignore[misc]
    if not cached:
        one_stack.delete(one_stack.cache_url(video))
    with second_vod(one_stack, MINIO_SOURCE_BUCKETS=OTHER_BUCKET, MINIO_UPLOAD_BUCKET="") as others:
        for way in ways:
            answer = one_stack.get(f"http://{others.address}{way}", allow_redirects=False)
            assert is_problem(answer, 404, answer.json()["code"]), way
            missing = one_stack.get(f"http://{others.address}{way.replace(folder, 'missing')}", allow_redirects=False)
            assert (answer.status_code, answer.json()["code"]) == (404, missing.json()["code"]), "alike"


def test_every_route_that_plays_or_shows_a_video_asks_who_may_watch(
    one_stack: Stack, media: MediaFolder, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the answer is at hand already: in memory, in Redis, or kept for a moment."""
    key = one_stack.put(f"{folder}/a.mp4", media.path(CLIP))
    video = one_stack.convert(key)
    revision = one_stack.revision(video)
    rendition, file = next(iter(one_stack.making(video))).split("/")[-2:]
    one_stack.put(f"{folder}/foreign/index.m3u8", FOREIGN, bucket=VOD)
    one_stack.put(f"{folder}/foreign/a.ts", b"G", bucket=VOD)
    foreign = {"path": f"{folder}/foreign.mp4", "video_name": f"{folder}/foreign", "file": "a.ts"}
    names = {
        "bucket": BUCKET, "path": key, "video_name": video, "revision": revision, "rendition": rendition, "file": file,
        "sheet": "storyboard-00.jpg", "token": "x",
    }  # fmt: skip
    for name, value in one_stack.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(vod_main_server, "setup_logging", lambda *_, **__: None)
    monkeypatch.setattr("mam.vod.services.Access", Gate)
    monkeypatch.setattr(Gate, "is_shut", False)
    app = vod_main_server.create_app()
    asking = [
        (
            call.method,
            call.path.format(**names | (foreign if "/~/" in call.path else {}))
            + (f"?bucket={BUCKET}" if call.path == "/assets" else ""),
        )
        for call in calls("vod", app)
        if call.method in ("GET", "HEAD") and call.path not in NEITHER
    ]
    assert len(asking) >= 10
    everywhere = f"/assets?q={folder}"
    with TestClient(app, headers={HEADER: API_KEY}, follow_redirects=False) as client:
        until(lambda: client.get(everywhere).json()["assets"], "the library shows it")
        for method, address in asking:
            until(lambda: client.request(method, address).status_code in (200, 302), f"{method} {address}")  # noqa: B023
        for method, address in asking:  # once more: now the answers are at hand
            assert client.request(method, address).status_code in (200, 302), (method, address)
        monkeypatch.setattr(Gate, "is_shut", True)
        for method, address in [*asking, ("DELETE", f"/stream/{BUCKET}/{key}/playlist.m3u8")]:
            assert client.request(method, address).status_code == 404, (method, address)
        assert client.get(everywhere).json()["assets"] == []
