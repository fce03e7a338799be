"""A refused video and a missing one are alike: by what is answered, and by how long that takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.faults.proxy import Mood, StoreProxy
from tests.integration.system import BUCKET, S3, UNLISTED_BUCKET, Stack, another_vod, own_stack
from tests.media import CLIP, MediaFolder

SLOW_SECONDS = 0.15
TIMES = 20
AT_A_TIME = 4
LIKE = 0.1  # The medians differ by this part at most.
REVISION = "0123456789ab"
WAYS = {
    "playlist": "/stream/{bucket}/{name}.mp4/playlist.m3u8",
    "status": "/stream/{bucket}/{name}.mp4/status",
    "segment": f"/stream/{{bucket}}/{{name}}.mp4/{REVISION}/main/00000.ts",
    "file of another tool's tree": "/stream/{bucket}/{name}.mp4/~/a.ts",
    "playlist by name": "/video/{name}/playlist.m3u8",
    "segment by name": f"/video/{{name}}/{REVISION}/main/00000.ts",
    "poster": "/video/{name}/poster.jpg",
    "storyboard": "/video/{name}/storyboard.vtt",
}


@dataclass
class Veiled:
    """A system with a live video in a folder that is off, and a proxy before the store of its VoD service."""

    stack: Stack
    proxy: StoreProxy
    number: int = 0

    def ask(self, way: str, name: str, *, bucket: str = BUCKET) -> tuple[float, int, str]:
        """Seconds, status, and what is said and sent, but for what differs by name and request."""
        path = WAYS[way].format(bucket=bucket, name=name)
        began = time.perf_counter()
        answer = self.stack.get(f"http://{self.stack.vod.address}{path}", allow_redirects=False)
        seconds = time.perf_counter() - began
        differing = {"request_id": "", "x-request-id": "", "date": ""}
        body = {**answer.json(), **differing}
        headers = {**{header.lower(): value for header, value in answer.headers.items()}, **differing}
        said = f"{body} {sorted((key, value) for key, value in headers.items() if key != 'content-length')}"
        return seconds, answer.status_code, said.replace(bucket, "BUCKET").replace(name, "NAME")

    def seconds(self, way: str, names: list[str]) -> list[float]:
        """How long the answer about each of the names takes. They are asked for a few at a time."""
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            return list(pool.map(lambda name: self.ask(way, name)[0], names))

    def missing(self) -> str:
        self.number += 1
        return f"public/missing-{self.number}"

    def refused(self) -> str:
        self.number += 1
        return f"off/live-{self.number}"


@pytest.fixture(scope="module")
def veiled(one_s3: S3, tmp_path_factory: pytest.TempPathFactory, media: MediaFolder) -> Iterator[Veiled]:
    folder = tmp_path_factory.mktemp("concealment")
    rules = f"{BUCKET}/off/=off, {BUCKET}/public/=public, {BUCKET}/=signed"
    with own_stack(one_s3, folder, PLAYBACK_RULES=rules) as stack, StoreProxy(one_s3.server.address).running() as proxy:
        stack.convert(stack.put("off/live.mp4", media.path(CLIP)))
        with another_vod(stack, folder / "vod", MINIO_ENDPOINT=proxy.address) as vod:
            yield Veiled(vod, proxy)


@pytest.mark.parametrize("way", WAYS)
def test_a_refused_video_and_a_missing_one_get_the_same_answer(veiled: Veiled, way: str) -> None:
    answers = [
        veiled.ask(way, veiled.missing()),
        veiled.ask(way, veiled.refused()),
        veiled.ask(way, "off/live"),
        veiled.ask(way, "signed/any"),
    ]
    if "{bucket}" in WAYS[way]:
        answers.append(veiled.ask(way, "any", bucket=UNLISTED_BUCKET))
    assert {status for _, status, _ in answers} == {404}
    assert len({said for _, _, said in answers}) == 1, answers


@pytest.mark.parametrize("way", WAYS)
def test_a_refused_video_and_a_missing_one_take_the_same_time_and_no_request_is_made_for_the_refused(
    veiled: Veiled, way: str
) -> None:
    with veiled.proxy.bad(Mood(answer_seconds=SLOW_SECONDS)):
        veiled.ask(way, veiled.missing())  # the first one opens connections
        missing = veiled.seconds(way, [veiled.missing() for _ in range(TIMES)])
        before = list(veiled.proxy.asked)
        refused = veiled.seconds(way, [veiled.refused() for _ in range(TIMES)])
        assert veiled.proxy.asked == before
    assert min(missing) >= SLOW_SECONDS
    expected, actual = statistics.median(missing), statistics.median(refused)
    assert expected * (1 - LIKE) <= actual <= expected * (1 + LIKE), (missing, refused)
