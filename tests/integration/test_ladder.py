"""A ladder: the picture is copied at once, and its rungs are made when a player requests them."""

from __future__ import annotations

import asyncio
import io
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import av
import httpx
import m3u8
import pytest

from mam.check import check
from mam.jobs.keys import HOST_COUNTERS, HOSTS, PREFIX
from mam.stored import texts
from tests.integration.system import ANSWER_SECONDS, S3, Stack, is_problem, ladder_file, own_stack, until
from tests.media import MediaFolder, Recipe

# One process makes all of them: they share a system.
pytestmark = pytest.mark.xdist_group("ladders")

SECONDS = 14
_PICTURE = ("-f", "lavfi", "-i", f"testsrc2=s=320x180:r=25:d={SECONDS},noise=alls=16:allf=t")
_H264 = "-c:v libx264 -preset ultrafast -crf 24 -bf 2 -g 50 -keyint_min 50 -sc_threshold 0 -pix_fmt yuv420p"
NOISY = Recipe(
    "noisy.mp4",
    (*_PICTURE, "-f", "lavfi", "-i", f"sine=d={SECONDS}", *_H264.split(), *["-c:a", "aac", "-movflags", "+faststart"]),
)
_FAST_PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=320x180:r=60:d=9,noise=alls=16:allf=t")
FAST = Recipe(
    "noisy-60.mp4",
    (*_FAST_PICTURE, "-f", "lavfi", "-i", "sine=d=9", *_H264.replace("50", "121").split(),
     *["-c:a", "aac", "-movflags", "+faststart"]),
)  # fmt: skip


def variants(stack: Stack, url: str) -> dict[str, m3u8.Playlist]:
    """The variants of a multivariant playlist, by the rendition that they name, in their order."""
    listed = stack.playlist(url)
    return {playlist.uri.rpartition("rendition=")[2]: playlist for playlist in listed.playlists}


def cold_ladder(stack: Stack, film: Path, folder: str) -> str:
    """The URL of a film's ladder, which has just been requested for the first time."""
    url = stack.stream_url(stack.put(f"{folder}/noisy.mp4", film), profile="ladder")
    assert variants(stack, url)
    return url


def media_playlist(stack: Stack, url: str, rendition: str) -> m3u8.M3U8:
    return stack.playlist(urljoin(url, f"playlist.m3u8?profile=ladder&rendition={rendition}"))


def is_waited_for(uri: str) -> bool:
    """Whether a segment's address is the service's own, where a segment may still have to be made."""
    return "://" not in uri


def is_signed(stack: Stack, url: str, rung: str) -> bool:
    """Whether a rung's playlist names the store: the cached one is forgotten a moment after the commit is written."""
    return not is_waited_for(media_playlist(stack, url, rung).segments[0].uri)


def fragments(stack: Stack, playlist: m3u8.M3U8) -> tuple[bytes, list[bytes]]:
    init = stack.get(playlist.segments[0].init_section.absolute_uri)
    parts = [stack.get(segment.absolute_uri) for segment in playlist.segments]
    assert {200} == {answer.status_code for answer in [init, *parts]}, [a.text for a in [init, *parts] if not a.ok]
    return init.content, [part.content for part in parts]


def frames(data: bytes) -> list[tuple[Fraction, tuple[int, int]]]:
    with av.open(io.BytesIO(data)) as container:
        return [
            (Fraction(frame.pts) * frame.time_base, (frame.width, frame.height)) for frame in container.decode(video=0)
        ]


def is_listed(stack: Stack, name: str, rung: str) -> bool:
    return f"/{rung}/" in str(stack.commit(name).dumps())


def renditions(stack: Stack, name: str, key: str) -> dict[str, tuple[str, float]]:
    """State and percent of each rendition, which the job and the status of the stream agree about."""

    def agreed() -> list[dict[str, Any]]:
        seen: list[dict[str, Any]] = stack.job(stack.plan(name).revision).json()["renditions"]
        status = stack.get(stack.stream_url(key, profile="ladder").replace("/playlist.m3u8", "/status")).json()
        same = seen == [{field: rendition[field] for field in seen[0]} for rendition in status["renditions"]]
        return seen if same else []  # a rung may get on between the two answers

    seen = until(agreed, "the job and the status say the same")
    return {rendition["name"]: (rendition["state"], rendition["percent"]) for rendition in seen}


def is_said_to_be_made(stack: Stack, name: str, key: str, rung: str) -> bool:
    return renditions(stack, name, key)[rung] == ("made", 100.0)


def test_rungs_are_promised_and_made_when_a_player_requests_them(
    ladders: Stack, media: MediaFolder, folder: str
) -> None:
    stack = ladders
    name, key = f"{folder}/noisy", stack.put(f"{folder}/noisy.mp4", media.path(NOISY))
    url = stack.stream_url(key, profile="ladder")
    listed = variants(stack, url)
    assert set(listed) == {"source", "v120", "v80"}
    assert all(playlist.stream_info.closed_captions == "NONE" for playlist in listed.values())
    stack.convert(key, profile="ladder")
    assert set(variants(stack, url)) == {"source", "v120", "v80"}
    prefix = f"{name}/{stack.revision(name)}"
    assert not stack.keys(f"{prefix}/v")  # nobody has requested a rung
    untouched = {"source": ("made", 100.0), "v120": ("promised", 0.0), "v80": ("promised", 0.0)}
    assert renditions(stack, name, key) == untouched
    top_init, top = fragments(stack, media_playlist(stack, url, "source"))
    for rung in ("v120", "v80"):
        playlist = media_playlist(stack, url, rung)
        assert is_waited_for(playlist.segments[0].uri)
        init, parts = fragments(stack, playlist)
        for number, (copied, encoded) in enumerate(zip(top, parts, strict=True)):
            above, below = frames(top_init + copied), frames(init + encoded)
            assert [moment for moment, _ in below] == [moment for moment, _ in above], number
            assert {size for _, size in below} == {tuple(int(side) for side in listed[rung].stream_info.resolution)}
        until(partial(is_listed, stack, name, rung), f"{rung} is listed in the commit")
        until(partial(is_signed, stack, url, rung), f"the playlist of {rung} is that of the store")
        until(partial(is_said_to_be_made, stack, name, key, rung), f"{rung} is said to be made")
    promised, measured = listed["v80"].stream_info, variants(stack, url)["v80"].stream_info
    assert measured.bandwidth <= promised.bandwidth


def test_an_initialization_section_is_there_before_any_segment(
    one_ladders: Stack, media: MediaFolder, folder: str
) -> None:
    url = cold_ladder(one_ladders, media.path(NOISY), folder)
    playlist = media_playlist(one_ladders, url, "v80")
    init = one_ladders.get(playlist.segments[0].init_section.absolute_uri)
    assert init.content[4:8] == b"ftyp"
    last = one_ladders.get(playlist.segments[-1].absolute_uri)
    assert frames(init.content + last.content)


def test_300_players_of_cold_rungs_do_not_have_them_made_for_each(
    one_s3: S3, media: MediaFolder, tmp_path: Path
) -> None:
    """A viewer may ask for what is under way in a chunk: the first task stores it.

    Two may be first at once, and a busy machine is slow to tell.
    """
    table = ladder_file(tmp_path, {side: 5_000 * side for side in (144, 120, 96, 72)})
    with own_stack(one_s3, tmp_path, LADDER_FILE=table) as stack:
        url = cold_ladder(stack, media.path(NOISY), "many")
        stack.convert("many/noisy.mp4", profile="ladder")
        before = segments_made(stack)
        names = [rung for rung in variants(stack, url) if rung.startswith("v")]
        assert len(names) == 4
        playlists = [media_playlist(stack, url, rung) for rung in names]
        assert asyncio.run(watched(playlists, 300)) == {200}
        for rung in names:
            until(partial(is_listed, stack, "many/noisy", rung), f"{rung} is listed in the commit")
        wanted = sum(len(playlist.segments) for playlist in playlists)
        assert wanted <= segments_made(stack) - before <= 1.5 * wanted


async def watched(playlists: list[m3u8.M3U8], players: int) -> set[int]:
    """The status codes that so many players get, who watch at once: each one all segments of one of the playlists."""
    limits = httpx.Limits(max_connections=players)
    async with httpx.AsyncClient(limits=limits, timeout=ANSWER_SECONDS, follow_redirects=True) as client:

        async def watch(playlist: m3u8.M3U8) -> set[int]:
            first = playlist.segments[0]
            urls = [first.init_section.absolute_uri, *(segment.absolute_uri for segment in playlist.segments)]
            return {(await client.get(url)).status_code for url in urls}

        watching = [watch(playlists[number % len(playlists)]) for number in range(players)]
        return set().union(*await asyncio.gather(*watching))


def segments_made(stack: Stack) -> int:
    """What all workers count."""
    counters = [stack.hash(f"{HOST_COUNTERS}{host}") for host in texts(stack.redis.zrange(HOSTS, 0, -1))]
    return sum(int(float(counter.get("segments|ladder", 0))) for counter in counters)


def test_a_ladder_in_transport_streams_is_refused(one_ladders: Stack, media: MediaFolder, folder: str) -> None:
    key = one_ladders.put(f"{folder}/noisy.mp4", media.path(NOISY))
    assert is_problem(
        one_ladders.get(one_ladders.stream_url(key, profile="ladder", format="ts")), 422, "invalid_request"
    )
    assert is_problem(one_ladders.transcode(key, profile="ladder", format="ts"), 422, "invalid_request")


@pytest.mark.parametrize("rung", ["v999", "v1"])
def test_a_rung_that_the_plan_does_not_have_is_not_waited_for(
    one_ladders: Stack, media: MediaFolder, folder: str, rung: str
) -> None:
    url = cold_ladder(one_ladders, media.path(NOISY), folder)
    good = media_playlist(one_ladders, url, "v80").segments[0].absolute_uri
    assert is_problem(one_ladders.get(good.replace("/v80/", f"/{rung}/")), 404, "not_found")


def test_a_live_ladder_is_found_to_be_right(one_ladders: Stack, media: MediaFolder, folder: str) -> None:
    """By `mam check`, which fetches every segment: with rungs that are whole, and with promised ones."""
    key = one_ladders.put(f"{folder}/noisy.mp4", media.path(NOISY))
    url = one_ladders.stream_url(key, profile="ladder")
    one_ladders.convert(key, profile="ladder")
    rules = {finding.rule for finding in check(url).findings if finding.level == "error"}
    assert rules <= {"average-bandwidth", "peak-bandwidth", "bandwidth"}  # they are promises
    for rung in ("v120", "v80"):
        until(partial(is_listed, one_ladders, f"{folder}/noisy", rung), f"{rung} is listed in the commit")
    assert [finding for finding in check(url).findings if finding.level == "error"] == []


def test_a_rung_of_few_bits_shows_each_second_frame_of_a_fast_picture(
    one_ladders: Stack, media: MediaFolder, folder: str
) -> None:
    url = one_ladders.stream_url(one_ladders.put(f"{folder}/noisy.mp4", media.path(FAST)), profile="ladder")
    one_ladders.convert(f"{folder}/noisy.mp4", profile="ladder")
    rates = {name: playlist.stream_info.frame_rate for name, playlist in variants(one_ladders, url).items()}
    assert rates == {"source": 60, "v120": 60, "v80": 30}
    (top_init, top), (init, parts) = (
        fragments(one_ladders, media_playlist(one_ladders, url, rendition)) for rendition in ("source", "v80")
    )
    for copied, encoded in zip(top, parts, strict=True):
        above, below = frames(top_init + copied), frames(init + encoded)
        assert [moment for moment, _ in below] == [moment for moment, _ in above][::2]
    fragments(one_ladders, media_playlist(one_ladders, url, "v120"))
    for rung in ("v120", "v80"):
        until(partial(is_listed, one_ladders, f"{folder}/noisy", rung), f"{rung} is listed in the commit")
    assert [finding for finding in check(url).findings if finding.level == "error"] == []


def test_a_ladder_is_deleted_with_its_rungs(one_ladders: Stack, media: MediaFolder, folder: str) -> None:
    name, key = f"{folder}/noisy", one_ladders.put(f"{folder}/noisy.mp4", media.path(NOISY))
    url = one_ladders.stream_url(key, profile="ladder")
    one_ladders.convert(key, profile="ladder")
    one_ladders.get(media_playlist(one_ladders, url, "v80").segments[-1].absolute_uri)
    assert one_ladders.keys(f"{name}/")
    assert one_ladders.delete(one_ladders.stream_url(key)).ok
    until(lambda: not one_ladders.keys(f"{name}/"), "nothing is left")


@pytest.mark.parametrize("is_known", [True, False], ids=["known", "forgotten"])
def test_a_rung_is_taken_out_and_made_again(
    one_ladders: Stack, media: MediaFolder, folder: str, is_known: bool
) -> None:
    """Also when Redis does not know its job any more."""
    name, key = f"{folder}/noisy", one_ladders.put(f"{folder}/noisy.mp4", media.path(NOISY))
    url = one_ladders.stream_url(key, profile="ladder")
    one_ladders.convert(key, profile="ladder")
    _, made = fragments(one_ladders, media_playlist(one_ladders, url, "v80"))
    fragments(one_ladders, media_playlist(one_ladders, url, "v120"))
    for rung in ("v120", "v80"):
        until(partial(is_listed, one_ladders, name, rung), f"{rung} is listed in the commit")
    prefix = f"{name}/{one_ladders.revision(name)}"
    if not is_known:
        one_ladders.redis.delete(*one_ladders.redis.keys(f"{PREFIX}{one_ladders.revision(name)}-v80*"))
    answer = one_ladders.delete(one_ladders.stream_url(key, rendition="v80"))
    assert answer.json() == {"message": f"Rung v80 deleted for '{name}'"}
    assert not one_ladders.keys(f"{prefix}/v80/")
    assert one_ladders.keys(f"{prefix}/v120/")
    assert (is_listed(one_ladders, name, "v120"), is_listed(one_ladders, name, "v80")) == (True, False)
    states = {rung: state for rung, (state, _) in renditions(one_ladders, name, key).items()}
    assert states == {"source": "made", "v120": "made", "v80": "promised"}
    assert set(variants(one_ladders, url)) == {"source", "v120", "v80"}
    _, again = fragments(one_ladders, media_playlist(one_ladders, url, "v80"))
    assert len(again) == len(made)
    until(partial(is_listed, one_ladders, name, "v80"), "v80 is listed again")


def test_a_rung_in_the_making_is_taken_out_too(one_ladders: Stack, media: MediaFolder, folder: str) -> None:
    name, key = f"{folder}/noisy", one_ladders.put(f"{folder}/noisy.mp4", media.path(NOISY))
    url = one_ladders.stream_url(key, profile="ladder")
    one_ladders.convert(key, profile="ladder")
    first = media_playlist(one_ladders, url, "v80").segments[0].absolute_uri
    assert one_ladders.get(first).ok
    assert one_ladders.delete(one_ladders.stream_url(key, rendition="v80")).ok
    assert renditions(one_ladders, name, key)["v80"] == ("promised", 0.0)
    assert not one_ladders.keys(f"{name}/{one_ladders.revision(name)}/v80/")
    assert one_ladders.get(first).ok, "it is made again"


@pytest.mark.parametrize("rendition", ["source", "audio-0", "v999", "../v80"])
def test_only_a_rung_of_a_ladder_can_be_taken_out(
    one_ladders: Stack, media: MediaFolder, folder: str, rendition: str
) -> None:
    name, key = f"{folder}/noisy", one_ladders.put(f"{folder}/noisy.mp4", media.path(NOISY))
    one_ladders.convert(key, profile="ladder")
    before = one_ladders.keys(f"{name}/")
    assert is_problem(one_ladders.delete(one_ladders.stream_url(key, rendition=rendition)), 404, "video_not_found")
    assert one_ladders.keys(f"{name}/") == before


def test_a_rung_that_redis_has_forgotten_goes_on(one_ladders: Stack, media: MediaFolder, folder: str) -> None:
    key = one_ladders.put(f"{folder}/noisy.mp4", media.path(NOISY))
    url = one_ladders.stream_url(key, profile="ladder")
    one_ladders.convert(key, profile="ladder")
    first, *_, last = media_playlist(one_ladders, url, "v120").segments
    assert one_ladders.get(last.absolute_uri).ok
    job = f"{one_ladders.revision(f'{folder}/noisy')}-v120"
    one_ladders.redis.delete(*one_ladders.redis.keys(f"{PREFIX}{job}*"))
    assert one_ladders.get(first.absolute_uri).ok
    assert one_ladders.job(job).json()["rendition"] == "v120"


def test_a_rung_is_made_again_after_its_video_was_deleted(one_ladders: Stack, media: MediaFolder, folder: str) -> None:
    """Redis and the workers still know it as it was before."""
    key = one_ladders.put(f"{folder}/noisy.mp4", media.path(NOISY))
    url = one_ladders.stream_url(key, profile="ladder")
    for _ in range(2):
        one_ladders.convert(key, profile="ladder")
        fragments(one_ladders, media_playlist(one_ladders, url, "v80"))
        until(partial(is_listed, one_ladders, f"{folder}/noisy", "v80"), "v80 is listed in the commit")
        assert one_ladders.delete(one_ladders.stream_url(key)).ok


def test_a_rung_that_nobody_watches_is_left_as_it_is(one_s3: S3, media: MediaFolder, tmp_path: Path) -> None:
    """It is not taken up again and again, and goes on when a player requests more of it."""
    small = ladder_file(tmp_path)
    more = {"LADDER_FILE": small, "TASK_LEASE_SECONDS": "3", "LADDER_FILL": "none", "SEGMENT_SECONDS": "2"}
    with own_stack(one_s3, tmp_path, **more) as stack:
        key = stack.put("idle/noisy.mp4", media.path(NOISY))
        url = stack.stream_url(key, profile="ladder")
        stack.convert(key, profile="ladder")
        first, *_, last = media_playlist(stack, url, "v80").segments
        assert stack.get(first.absolute_uri).ok
        job = f"{stack.revision('idle/noisy')}-v80"
        until(lambda: stack.job(job).json()["state"] == "cancelled", "the rung has been given up")
        made = stack.job(job).json()["progress"]["segments_done"]
        states = renditions(stack, "idle/noisy", key)
        assert states["v80"][0] == states["v120"][0] == "promised"
        assert 0 < states["v80"][1] < 100
        assert 0 < made < len(media_playlist(stack, url, "v80").segments)
        assert stack.get(first.absolute_uri).ok
        assert stack.get(last.absolute_uri).ok


def test_all_rungs_are_made_by_one_decode_where_all_are_wanted(one_s3: S3, media: MediaFolder, tmp_path: Path) -> None:
    with own_stack(
        one_s3, tmp_path, LADDER_FILE=ladder_file(tmp_path), LADDER_FILL="all", SEGMENT_SECONDS="2"
    ) as stack:
        key = stack.put("all/noisy.mp4", media.path(NOISY))
        url = stack.stream_url(key, profile="ladder")
        stack.convert(key, profile="ladder")
        for rung in ("v120", "v80"):
            until(partial(is_listed, stack, "all/noisy", rung), f"{rung} is listed in the commit", seconds=150)
        revision = stack.revision("all/noisy")
        commands = [stack.job(f"{revision}-{rung}").json()["command"] for rung in ("v120", "v80")]
        (command,) = filter(None, commands)  # of the job whose tasks made the segments of both
        assert "split" in command
        top_init, top = fragments(stack, media_playlist(stack, url, "source"))
        times = [[moment for moment, _ in frames(top_init + part)] for part in top]
        for rung in ("v120", "v80"):
            init, parts = fragments(stack, media_playlist(stack, url, rung))
            assert [[moment for moment, _ in frames(init + part)] for part in parts] == times
