"""The claim `max_height`: every rendition on every way, with a limit below, at and above its height, hot and cold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import m3u8
import pytest
import requests

from mam.hls.heights import of_plan
from mam.hls.plan import Plan
from mam.http.caller import HEADER
from mam.naming import INIT, commit_key, segment_name
from tests.integration.system import API_KEY, BUCKET, S3, Stack, is_problem, ladder_file, own_stack, raw
from tests.integration.test_ladder import NOISY
from tests.media import MediaFolder

# One process makes all of them: they share a system.
pytestmark = pytest.mark.xdist_group("ladders")

NAME = "heights/noisy"
KEY = f"{NAME}.mp4"
TREES = "heights-vod"  # the VoD bucket, of which another tool's trees are objects
RENDITIONS = {"source": 180, "v120": 120, "v80": 80, "audio-0": 0}


@dataclass
class Ladder:
    """A signed video with a live ladder, whose every rung is made."""

    stack: Stack
    plan: Plan

    def token(self, most: int | None, *, subject: str = f"{BUCKET}/{KEY}", **claims: object) -> str:
        body = {"sub": subject, **({"max_height": most} if most else {}), **claims}
        url = f"http://{self.stack.vod.address}/playback/tokens"
        answer = requests.post(url, json=body, headers={HEADER: API_KEY}, timeout=20)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    def ask(self, token: str, path: str) -> tuple[int, str, str]:
        """Status, where it leads to, and body or the code of a problem. The path is sent as it stands."""
        status, headers, body = raw(self.stack.vod, "GET", f"/p/{token}{path}")
        if status >= 400:
            return status, "", str(json.loads(body)["code"])
        return status, headers.get("location", ""), body.decode()

    def forget(self) -> None:
        assert self.stack.delete(self.stack.cache_url(NAME)).status_code == 200


@pytest.fixture(scope="module")
def ladder(one_s3: S3, tmp_path_factory: pytest.TempPathFactory, media: MediaFolder) -> Iterator[Ladder]:
    folder = tmp_path_factory.mktemp("heights")
    more = {"LADDER_FILE": ladder_file(folder), "LADDER_FILL": "all", "MINIO_BUCKET_VOD": TREES}
    more |= {"PLAYBACK_RULES": f"{BUCKET}/=signed, {TREES}/=public"}
    with own_stack(one_s3, folder, **more) as stack:
        assert stack.convert(stack.put(KEY, media.path(NOISY)), profile="ladder") == NAME
        plan = stack.plan(NAME)
        yield Ladder(stack, plan)


def spelled(path: str, spelling: int) -> str:
    """The same path in another spelling: the redirects that are remembered for others are not for it."""
    letters = "".join(f"%{ord(letter):02x}" if spelling >> at & 1 else letter for at, letter in enumerate("heights"))
    return path.replace("heights/", f"{letters}/", 1)


def files(ladder: Ladder, rendition: str) -> dict[str, list[str]]:
    """The ways to what is in a rendition, by kind: each by asset and by name."""
    found = ladder.plan.named(rendition)
    folder = f"{ladder.plan.revision}/{rendition}"
    below = {
        "media playlist": f"playlist.m3u8?profile=ladder&rendition={rendition}",
        "segment": f"{folder}/{segment_name(1, ladder.plan.extension(found))}",
        "init": f"{folder}/{INIT}",
    }
    return {kind: [f"/stream/{BUCKET}/{KEY}/{path}", f"/video/{NAME}/{path}"] for kind, path in below.items()}


CASES = [(name, most) for name, side in RENDITIONS.items() for most in (side - 1, side, side + 1) if most > 0]


@pytest.mark.parametrize(("rendition", "most"), CASES)
def test_a_rendition_is_played_exactly_where_it_keeps_to_the_limit(ladder: Ladder, rendition: str, most: int) -> None:
    assert {**of_plan(ladder.plan), "audio-0": 0} == RENDITIONS
    limited, free = ladder.token(most), ladder.token(None)
    spelling = 1 + CASES.index((rendition, most))
    for kind, ways in files(ladder, rendition).items():
        for way in ways:
            path = spelled(way, spelling)
            ladder.forget()
            cold = ladder.ask(limited, path)
            unlimited = [ladder.ask(free, path) for _ in range(2)]
            hot = [ladder.ask(limited, path) for _ in range(2)]
            assert {status for status, _, _ in unlimited} <= {200, 302}, (kind, way)
            if RENDITIONS[rendition] <= most:
                assert {answer[0] for answer in [cold, *hot]} == {unlimited[0][0]}, (kind, way)
                assert {answer[2] for answer in [cold, *hot]} == {unlimited[0][2]}, (kind, way)
            else:
                assert {(403, "", "too_high")} == {cold, *hot}, (kind, way)


@pytest.mark.parametrize("most", sorted({most for _, most in CASES}))
def test_a_multivariant_playlist_lists_what_keeps_to_the_limit(ladder: Ladder, most: int) -> None:
    limited, free = ladder.token(most), ladder.token(None)
    fits = {name for name, side in RENDITIONS.items() if side and side <= most}
    for way in (f"/stream/{BUCKET}/{KEY}/playlist.m3u8?profile=ladder", f"/video/{NAME}/playlist.m3u8"):
        ladder.forget()
        cold = ladder.ask(limited, way)
        whole = [ladder.ask(free, way) for _ in range(2)]
        hot = [ladder.ask(limited, way) for _ in range(2)]
        assert {len(m3u8.loads(body).playlists) for _, _, body in whole} == {3}
        for status, _, body in [cold, *hot]:
            if not fits:
                assert (status, body) == (403, "too_high")
                continue
            listed = m3u8.loads(body)
            assert {each.uri.rpartition("=")[2] for each in listed.playlists} == fits
            assert [each.uri.rpartition("=")[2] for each in listed.media] == ["audio-0"]


def test_a_cold_ladder_lists_and_makes_only_what_keeps_to_the_limit(ladder: Ladder, media: MediaFolder) -> None:
    key = ladder.stack.put("heights/cold.mp4", media.path(NOISY))
    token = ladder.token(120, subject=f"{BUCKET}/{key}", make=["ladder"])
    path = f"/stream/{BUCKET}/{key}/playlist.m3u8?profile=ladder"
    listed = m3u8.loads(ladder.ask(token, path)[2])
    assert {each.uri.rpartition("=")[2] for each in listed.playlists} == {"v120", "v80"}
    assert ladder.ask(token, f"{path}&rendition=source") == (403, "", "too_high")
    assert ladder.ask(token, f"{path}&rendition=v120")[0] == 200


def test_the_only_rendition_is_refused_with_a_way_out_and_pictures_are_not(ladder: Ladder, media: MediaFolder) -> None:
    stack = ladder.stack
    key = stack.put("heights/alone.mp4", media.path(NOISY))
    video = stack.convert(key, profile="auto")
    token = ladder.token(120, subject=f"{BUCKET}/heights/", make=["ladder"])
    path = f"http://{stack.vod.address}/p/{token}/stream/{BUCKET}/{key}/playlist.m3u8"
    refused = stack.get(path)
    assert is_problem(refused, 403, "too_high")
    assert "180" in refused.json()["detail"] and "120" in refused.json()["detail"]
    assert "profile=ladder" in refused.json()["hint"]
    assert stack.get(f"{path}?profile=ladder").status_code == 200
    poster = f"http://{stack.vod.address}/p/{token}/video/{video}/poster.jpg"
    assert stack.get(poster, allow_redirects=False).status_code == 302
    too_low = ladder.token(79)
    hint = stack.get(f"http://{stack.vod.address}/p/{too_low}/video/{NAME}/playlist.m3u8").json()["hint"]
    assert "max_height" in hint


def test_what_another_tool_made_is_judged_by_what_its_playlist_tells(ladder: Ladder) -> None:
    stack = ladder.stack
    text = "#EXTM3U\n"
    for side in (180, 720):
        text += f"#EXT-X-STREAM-INF:BANDWIDTH={side},RESOLUTION=1280x{side}\n{side}/index.m3u8\n"
        part = b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\na.ts\n#EXT-X-ENDLIST\n"
        stack.put(f"heights/foreign/{side}/index.m3u8", part, bucket=TREES)
    stack.put(commit_key("heights/foreign"), text.encode(), bucket=TREES)
    stack.put(commit_key("heights/untold"), part, bucket=TREES)
    token = ladder.token(180, subject=f"{BUCKET}/heights/")
    path = "/video/heights/foreign/playlist.m3u8"
    for _ in range(2):  # once more: now the playlists are cached
        listed = m3u8.loads(ladder.ask(token, path)[2]).playlists
        assert [each.uri for each in listed] == ["playlist.m3u8?rendition=180"]
        assert ladder.ask(token, f"{path}?rendition=180")[0] == 200
        assert ladder.ask(token, f"{path}?rendition=720") == (403, "", "too_high")
    assert ladder.ask(token, "/video/heights/untold/playlist.m3u8") == (403, "", "too_high")
