"""Posters and storyboards: upright, in the right shape, of the right moments, and there whatever happens to workers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import requests

from dev.contacts import pixels_of
from mam.hls import webvtt
from mam.jobs.keys import PICTURES_PREFIX, PREFIX
from mam.naming import commit_key, poster_key, revision_prefix, storyboard_key
from tests import painted
from tests.integration.steering import SLOW, clear
from tests.integration.system import S3, Stack, descendants, fetch, is_problem, own_stack, until
from tests.media import AUDIO_ONLY, FILM, FRAGMENTED, LONG, MediaFolder, Recipe
from tests.oddities import ODDITIES, Oddity
from tests.painted import UPRIGHT, Pixels

SHOWN = (
    "turned-90.mp4", "turned-180.mp4", "turned-270.mp4", "mirrored.mp4", "flipped.mp4", "mirrored-90.mp4",
    "mirrored-270.mp4", "anamorphic.mp4", "odd-size.mp4", "odd-size-vp9.mp4", "hdr10.mp4", "hlg.mp4", "10-bit.mp4",
    "4-4-4.mp4", "full-range.mp4", "interlaced-tff.mp4", "open-gop.mp4", "hevc.mp4", "av1.mp4", "prores.mov",
    "mpeg4.mov", "mjpeg.mov", "sparse.mp4", "video-later.mp4", "video-trimmed.mp4", "10-and-30-fps.mp4",
    "fragmented-plain.mp4",
)  # fmt: skip
ODD = [odd for odd in ODDITIES if odd.name in SHOWN]
X264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "24", "-pix_fmt", "yuv420p", "-g", "25", "-keyint_min", "25",
        "-sc_threshold", "0")  # fmt: skip
FAST = ("-movflags", "+faststart")
UNSPECIFIED = 30  # nal_unit_type of H.264
# Brightness tells the moment: black at first, white after 30 s.
BRIGHTER = "color=black:s=320x180:r=25:d=30,format=yuv420p,geq=lum='16+219*N/750':cb=128:cr=128"
RISING = Recipe("rising.mp4", ("-f", "lavfi", "-i", BRIGHTER, *X264, *FAST))
# Ten seconds of black, ten of a title card, then ten of a film, and ten of black.
DARK = "color=black:s=320x180:r=25:d=10,format=yuv420p"
CARD = "color=0x101018:s=320x180:r=25:d=10,drawbox=x=80:y=80:w=160:h=3:color=white:t=fill,format=yuv420p"
PARTS = (DARK, CARD, f"{painted.painted(10)},format=yuv420p", DARK)
OPENING = Recipe(
    "opening.mp4",
    (*(word for part in PARTS for word in ("-f", "lavfi", "-i", part)), "-filter_complex", "concat=n=4", *X264, *FAST),
)
ONE_KEY = Recipe(
    "dark-at-first.mp4",
    ("-f", "lavfi", "-i", f"{painted.painted(4)},fade=d=2", *X264, "-g", "999", "-keyint_min", "999", *FAST),
)
INSTANT = Recipe("instant.mp4", ("-f", "lavfi", "-i", painted.painted(0.1), *X264, *FAST))
BLACK = Recipe("black.mp4", ("-f", "lavfi", "-i", "color=black:s=320x180:r=25:d=4", *X264, *FAST))


def pictured(stack: Stack, key: str, **more: Any) -> tuple[str, str]:
    """(video, revision) of an asset that was converted and has its pictures."""
    answer = stack.transcode(key, wait=False, **{"profile": "auto", **more})
    assert answer.status_code == 202, answer.text
    job = answer.json()["job"]
    until(lambda: has_pictures(stack, job), "there are pictures", seconds=60)
    return answer.json()["video"], job


def has_pictures(stack: Stack, job: str) -> bool:
    found = stack.job(job).json()
    assert not found["error"]
    return bool(found["poster"] and found["storyboard"])


def get(stack: Stack, path: str, method: str = "GET") -> requests.Response:
    return stack.http.request(method, f"http://{stack.vod.address}{path}", allow_redirects=False, timeout=30)


def image(url: str) -> Pixels:
    status, data = fetch(url)
    assert status == 200, data[:500]
    return pixels_of(data)


def poster(stack: Stack, job: str) -> Pixels:
    answer = get(stack, stack.job(job).json()["poster"])
    assert answer.status_code == 302
    return image(answer.headers["location"])


def tiles(stack: Stack, job: str) -> list[tuple[float, float, Pixels]]:
    """(begin, end, picture) of each tile, as a player finds it."""
    answer = get(stack, stack.job(job).json()["storyboard"])
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/vtt; charset=utf-8")
    sheets: dict[str, Pixels] = {}
    found = []
    for cue in webvtt.parse(answer.content):
        url, _, fragment = cue.text.replace("&amp;", "&").partition("#xywh=")
        sheet = sheets[url] = sheets[url] if url in sheets else image(url)
        x, y, width, height = map(int, fragment.split(","))
        tile = sheet[y : y + height, x : x + width]
        assert tile.shape == (height, width, 3)
        found.append((float(cue.start), float(cue.end), tile))
    return found


# what they look like


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.name)
def test_pictures_are_upright_and_have_the_shape_and_the_levels_of_the_film(
    one_stack: Stack, media: MediaFolder, folder: str, odd: Oddity
) -> None:
    video, job = pictured(one_stack, one_stack.put(f"{folder}/{odd.name}", odd.bytes(media)))
    shown = poster(one_stack, job)
    assert odd.size
    width, height = odd.size
    assert abs(shown.shape[1] - width) <= 2
    assert abs(shown.shape[0] - height) <= 2
    for picture in (shown, *(tile for _, _, tile in tiles(one_stack, job))):
        assert painted.corners(picture) == UPRIGHT
        white, black = painted.levels(picture)
        assert white > 180  # of HDR it is somewhat less than all
        assert black < 40
    assert max(tiles(one_stack, job)[0][2].shape) == 160
    assert tiles(one_stack, job)[-1][1] == pytest.approx(float(one_stack.plan(video).timeline.duration), abs=0.01)


def test_the_shown_oddities_are_there() -> None:
    assert len(ODD) == len(SHOWN)


def test_a_poster_is_neither_black_nor_a_title_card(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    _, job = pictured(one_stack, one_stack.put(f"{folder}/a.mp4", media.path(OPENING)))
    assert painted.corners(poster(one_stack, job)) == UPRIGHT


def test_a_film_whose_only_key_frame_is_black_has_a_poster_all_the_same(
    one_stack: Stack, media: MediaFolder, folder: str
) -> None:
    _, job = pictured(one_stack, one_stack.put(f"{folder}/a.mp4", media.path(ONE_KEY)))
    assert painted.corners(poster(one_stack, job)) == UPRIGHT


@pytest.mark.parametrize("recipe", [INSTANT, BLACK, FRAGMENTED], ids=lambda recipe: recipe.name)
def test_short_black_and_fragmented_films_have_pictures(
    one_stack: Stack, media: MediaFolder, folder: str, recipe: Recipe
) -> None:
    video, job = pictured(one_stack, one_stack.put(f"{folder}/a.mp4", media.path(recipe)))
    assert poster(one_stack, job).shape == (180, 320, 3)
    found = tiles(one_stack, job)
    assert found[0][0] == 0
    assert found[-1][1] == pytest.approx(float(one_stack.plan(video).timeline.duration), abs=0.002)


def test_tiles_show_the_moments_that_they_stand_for(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    _, job = pictured(one_stack, one_stack.put(f"{folder}/a.mp4", media.path(RISING)))
    found = tiles(one_stack, job)
    assert [begin for begin, _, _ in found] == list(range(0, 30, 2))
    shades = [float(tile.mean()) for _, _, tile in found]
    assert shades == pytest.approx([255 * begin / 30 for begin, _, _ in found], abs=8)


def test_what_is_stored_is_jpeg_and_webvtt_beside_the_segments(stack: Stack, media: MediaFolder, folder: str) -> None:
    video, job = pictured(stack, stack.put(f"{folder}/a.mp4", media.path(FILM)))
    prefix = revision_prefix(video, job)
    kinds = {
        key.removeprefix(prefix): stack.s3.client.stat_object(stack.settings.minio_bucket_vod, key).content_type
        for key in stack.keys(prefix)
        if key.startswith((f"{prefix}poster", f"{prefix}storyboard"))
    }
    assert kinds == {"poster.jpg": "image/jpeg", "storyboard-00.jpg": "image/jpeg", "storyboard.vtt": "text/vtt"}
    assert "storyboard-00.jpg#xywh=0,0,160,90" in stack.read(storyboard_key(video, job)).decode()
    assert poster(stack, job).shape == (180, 320, 3)


# how they are given out


def test_the_address_of_a_poster_stays_the_same_and_is_kept(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    video, job = pictured(one_stack, one_stack.put(f"{folder}/ä b/c.mp4", media.path(FILM)))
    path = one_stack.job(job).json()["poster"]
    assert path == f"/video/{folder}/%C3%A4%20b/c/poster.jpg?revision={job}"
    answers = [get(one_stack, path) for _ in range(2)] + [get(one_stack, path.partition("?")[0])]
    assert {answer.status_code for answer in answers} == {302}
    assert len({answer.headers["location"] for answer in answers}) == 1 or is_a_new_hour(answers)
    seconds = [int(answer.headers["cache-control"].removeprefix("private, max-age=")) for answer in answers]
    assert 0 < seconds[0] <= 3600
    assert seconds[2] <= 60
    for kind, status in (("poster.jpg", 302), ("storyboard.vtt", 200)):
        head = get(one_stack, path.replace("poster.jpg", kind), "HEAD")
        assert (head.status_code, head.content) == (status, b"")
    assert video in path.replace("%C3%A4%20", "ä ")


def is_a_new_hour(answers: list[requests.Response]) -> bool:
    """Whether one began between the answers."""
    return len({answer.headers["location"].partition("X-Amz-Date=")[2][:11] for answer in answers}) > 1


def test_without_pictures_the_answer_says_so(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    video = one_stack.convert(one_stack.put(f"{folder}/a.m4a", media.path(AUDIO_ONLY)))
    for kind in ("poster.jpg", "storyboard.vtt"):
        assert is_problem(get(one_stack, f"/video/{video}/{kind}"), 404, "no_pictures")
        assert is_problem(get(one_stack, f"/video/{folder}/none/{kind}"), 404, "no_pictures")
        assert is_problem(get(one_stack, f"/video/{video}/{kind}?revision=x"), 422, "invalid_request")
        assert is_problem(get(one_stack, f"/video/{video}/{kind}?revision=0123456789ab"), 404, "no_pictures")
    found = one_stack.job(one_stack.revision(video)).json()
    assert (found["poster"], found["storyboard"], found["state"]) == (None, None, "succeeded")


def test_a_live_video_that_lacks_them_gets_pictures_when_it_is_asked_for(
    one_stack: Stack, media: MediaFolder, folder: str
) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(FILM))
    video, job = pictured(one_stack, key)
    until(lambda: one_stack.job(job).json()["state"] == "succeeded", "it is live")
    keys = {poster_key(video, job), storyboard_key(video, job)}
    for each in keys:
        one_stack.s3.client.remove_object(one_stack.settings.minio_bucket_vod, each)
    one_stack.redis.delete(PICTURES_PREFIX + job)
    assert one_stack.convert(key, profile="auto") == video
    until(lambda: keys <= one_stack.keys(f"{video}/"), "they are there again")


def test_a_deleted_stream_takes_its_pictures_with_it(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(FILM))
    video, job = pictured(one_stack, key)
    until(lambda: one_stack.job(job).json()["state"] == "succeeded", "it is live")
    assert one_stack.delete(one_stack.stream_url(key)).status_code == 200
    assert one_stack.keys(f"{folder}/") == set()
    assert is_problem(get(one_stack, f"/video/{video}/poster.jpg?revision={job}"), 404, "no_pictures")


# workers and jobs that end


@pytest.fixture(scope="module")
def system(one_s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with own_stack(one_s3, tmp_path_factory.mktemp("pictures"), TASK_LEASE_SECONDS="3", **SLOW) as stack:
        yield stack


@pytest.fixture
def fragile(system: Stack) -> Iterator[Stack]:
    """A system to be broken, which is well before each test; what a dead worker held is soon another's."""
    yield system
    clear(system)
    system.wait_until_ready()


def at_work(stack: Stack, key: str, task: str, **more: Any) -> tuple[str, str]:
    """(video, job) of a conversion whose task of that name has just begun."""
    answer = stack.transcode(key, wait=False, **more)
    assert answer.status_code == 202, answer.text
    job = answer.json()["job"]
    until(lambda: seen(stack, job, task), f"{task} is being made", seconds=60)
    return answer.json()["video"], job


def seen(stack: Stack, job: str, task: str) -> bool:
    """Looks closely: it does not take long."""
    return any(stack.redis.hexists(f"{PREFIX}{job}:running", task) for _ in range(500))


@pytest.mark.parametrize("task", ["poster", "storyboard"])
def test_pictures_come_though_the_worker_that_was_at_them_is_killed(
    fragile: Stack, media: MediaFolder, folder: str, task: str
) -> None:
    video, job = at_work(fragile, fragile.put(f"{folder}/a.mp4", media.path(LONG)), task)
    for pid in descendants(fragile.transcoder.process.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until(lambda: has_pictures(fragile, job), "there are pictures", seconds=90)
    until(lambda: commit_key(video) in fragile.keys(f"{video}/"), "it is live", seconds=90)
    assert len(tiles(fragile, job)) == 45
    until(lambda: not fragile.job(job).json()["running"], "nobody is at it")


def test_a_cancelled_job_leaves_no_pictures(fragile: Stack, media: MediaFolder, folder: str) -> None:
    video, job = at_work(fragile, fragile.put(f"{folder}/a.mp4", media.path(LONG)), "poster", reencode=True)
    url = f"http://{fragile.transcoder.address}/jobs/{job}"
    assert fragile.delete(url).status_code == 200
    until(lambda: not fragile.keys(f"{folder}/"), "what was made is gone")
    until(lambda: not fragile.job(job).json()["running"], "nobody is at it")
    assert fragile.keys(f"{folder}/") == set()
    assert fragile.job(job).json()["poster"] is None
    assert is_problem(get(fragile, f"/video/{video}/poster.jpg?revision={job}"), 404, "no_pictures")


def test_a_film_that_cannot_be_decoded_is_not_published(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    """Copying does not ask what is inside of a frame: here, units of a kind that means nothing to decoders."""
    data = bytearray(media.bytes(FILM))
    with av.open(str(media.path(FILM))) as container:
        for packet in container.demux(video=0):
            at = packet.pos or 0
            end = at + packet.size
            while packet.size and at < end:
                data[at + 4] = UNSPECIFIED
                at += 4 + int.from_bytes(data[at : at + 4], "big")
    key = one_stack.put(f"{folder}/a.mp4", bytes(data))
    assert is_problem(one_stack.transcode(key, profile="source"), 422, "undecodable")
    until(lambda: one_stack.keys(f"{folder}/") == set(), "what was made before is removed")


# odd real files

FOLDER = os.environ.get("MAM_TEST_MEDIA", "")
PLAYABLE = sorted(path.name for path in Path(FOLDER).glob("*.m*")) if FOLDER else []
ALL_BLACK = ("edit_list_positive_shift.mp4", "long_1080p_lowbitrate.mp4", "long_1080p_videoonly_lowbitrate.mp4")


@pytest.mark.media
@pytest.mark.skipif(not FOLDER, reason="MAM_TEST_MEDIA names no folder of odd media files")
@pytest.mark.parametrize("name", PLAYABLE)
def test_an_odd_real_file_that_plays_has_an_upright_poster_that_shows_something(
    one_stack: Stack, folder: str, name: str
) -> None:
    key = one_stack.put(f"{folder}/{name}", Path(FOLDER) / name)
    answer = one_stack.transcode(key, profile="auto", wait=False)
    if answer.status_code != 202:
        assert answer.status_code == 422
        return
    plan = one_stack.plan(answer.json()["video"])
    if plan.video_track is None:
        return
    until(lambda: has_pictures(one_stack, plan.revision), "there are pictures", seconds=60)
    shown = poster(one_stack, plan.revision)
    stream = next(stream for stream in plan.streams if stream.number == plan.video_track.track)
    assert stream.width
    assert stream.height
    lying = stream.width > stream.height
    assert shown.shape[:2] == (2, 2) or (shown.shape[1] > shown.shape[0]) == (lying ^ (stream.rotation in (90, 270)))
    assert name in ALL_BLACK or float(np.percentile(shown, 90)) > 30
