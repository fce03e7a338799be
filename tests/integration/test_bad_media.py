"""Files that cannot become a stream: a clear answer, nothing published, and a worker that goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.system import Stack, is_problem, said, until
from tests.media import CLIP, FILM, VP9, WITH_MP2, WITH_OPUS, MediaFolder, Recipe, complaints, frames, probe

Broken = Callable[[MediaFolder], bytes]
PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
CONCAT = b"ffconcat version 1.0\nfile /etc/passwd\n"
SUBTITLES = b"1\n00:00:00,000 --> 00:00:01,000\nno film\n"


def cut(fraction: float) -> Broken:
    return lambda media: (whole := media.bytes(FILM))[: int(len(whole) * fraction)]


def text(content: bytes) -> Broken:
    return lambda _: content


def patched(recipe: Recipe, old: bytes, new: bytes) -> Broken:
    def patch(media: MediaFolder) -> bytes:
        assert old in media.bytes(recipe)
        return media.bytes(recipe).replace(old, new)

    return patch


def scrambled(media: MediaFolder) -> bytes:
    """The index is whole, the media behind it is not media."""
    whole = media.bytes(FILM)
    start = whole.index(b"mdat") + 4
    return whole[:start] + bytes(len(whole) - start)


BROKEN: dict[str, tuple[Broken, str]] = {
    "empty": (text(b""), "not_a_video"),
    "one byte": (text(b"\x00"), "not_a_video"),
    "text": (text(SUBTITLES), "not_a_video"),
    "zeros": (text(bytes(100_000)), "not_a_video"),
    "a playlist that calls itself MP4": (text(PLAYLIST), "not_a_video"),
    "a concat script that calls itself MP4": (text(CONCAT), "not_a_video"),
    "half of its media": (cut(0.5), "truncated_media"),
    "nearly all of its media": (cut(0.99), "truncated_media"),
    "the beginning of its index": (cut(0.005), "truncated_media"),
    "encrypted video": (patched(FILM, b"avc1\x00", b"encv\x00"), "encrypted_media"),
    "encrypted audio": (patched(FILM, b"mp4a\x00", b"enca\x00"), "encrypted_media"),
    "no index": (patched(FILM, b"moov", b"free"), "not_a_video"),
}


@pytest.mark.parametrize("reencode", [False, True], ids=["copied", "encoded"])
@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_file_gets_a_clear_answer_and_leaves_nothing(
    one_stack: Stack, media: MediaFolder, folder: str, what: str, reencode: bool
) -> None:
    make, code = BROKEN[what]
    key = one_stack.put(f"{folder}/a.mp4", make(media))
    answer = one_stack.transcode(key, reencode=reencode)
    assert is_problem(answer, 422, code)
    until(lambda: one_stack.keys(f"{folder}/") == set(), "what was made before is removed")

    again, streamed = one_stack.transcode(key, reencode=reencode), one_stack.get(
        one_stack.stream_url(key, reencode=str(reencode).lower())
    )  # fmt: skip
    assert is_problem(again, 422, code)
    assert is_problem(streamed, 422, code)
    assert said(again) == said(answer)
    assert is_problem(one_stack.get(one_stack.video_url(f"{folder}/a")), 404, "video_not_found")


@pytest.mark.parametrize("reencode", [False, True], ids=["copied", "encoded"])
def test_an_index_over_no_media_is_damaged_and_nothing_of_it_is_published(
    one_stack: Stack, media: MediaFolder, folder: str, reencode: bool
) -> None:
    key = one_stack.put(f"{folder}/a.mp4", scrambled(media))
    assert is_problem(one_stack.transcode(key, reencode=reencode), 422, "damaged_media")
    until(lambda: one_stack.keys(f"{folder}/") == set(), "what was made before is removed")


def test_a_failure_is_remembered_without_another_attempt(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    key = one_stack.put(f"{folder}/a.mp4", cut(0.5)(media))
    assert is_problem(one_stack.transcode(key), 422, "truncated_media")
    (job,) = (key for key in one_stack.redis.scan_iter("mam:job:*") if one_stack.redis.type(key) == "hash"
              and one_stack.redis.hget(key, "key") == f"{folder}/a.mp4")  # fmt: skip
    before = one_stack.hash(job)
    assert (before["state"], before["epoch"]) == ("failed", "1")
    for _ in range(3):
        assert is_problem(one_stack.transcode(key), 422, "truncated_media")
        assert is_problem(one_stack.get(one_stack.stream_url(key)), 422, "truncated_media")
    assert one_stack.hash(job) == before
    view = one_stack.job(job.rpartition(":")[2]).json()
    assert (view["state"], view["playable"], view["error"]["code"]) == ("failed", False, "truncated_media")
    assert view["error"]["message"]
    assert view["error"]["hint"]


def test_a_repaired_file_is_converted_at_once(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    key = one_stack.put(f"{folder}/a.mp4", cut(0.5)(media))
    assert is_problem(one_stack.transcode(key), 422, "truncated_media")
    one_stack.put(key, media.path(FILM))
    assert one_stack.convert(key) == f"{folder}/a"
    assert complaints(one_stack.stream_url(key)) == ""


@pytest.mark.parametrize("recipe", [VP9, WITH_OPUS, WITH_MP2], ids=lambda recipe: recipe.name)
def test_what_cannot_be_copied_is_refused_with_a_hint_that_helps(
    one_stack: Stack, media: MediaFolder, folder: str, recipe: Recipe
) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(recipe))
    answer = one_stack.transcode(key)
    assert is_problem(answer, 422, "not_remuxable")
    assert "reencode=true" in answer.json()["hint"]
    until(lambda: one_stack.keys(f"{folder}/") == set(), "what was made before is removed")
    assert is_problem(one_stack.get(one_stack.stream_url(key, profile="source")), 422, "not_remuxable")

    video = one_stack.convert(key, reencode=True)  # as the hint says
    url = one_stack.stream_url(key, reencode="true")
    assert complaints(url) == ""
    assert (probe(url)["video"], probe(url)["audio"]) == ("h264", "aac")
    made = sum(len(frames(data, "video")) for data in one_stack.segments(video))
    assert made == len(frames(media.path(recipe), "video"))


def test_a_failed_reencode_does_not_touch_what_is_live(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(CLIP))
    video = one_stack.convert(key)
    live = one_stack.keys(f"{folder}/")
    one_stack.put(key, cut(0.3)(media))
    assert is_problem(one_stack.transcode(key), 422, "truncated_media")
    assert complaints(one_stack.video_url(video)) == ""
    assert {made for made in live if not made.endswith("/plan.json")} <= one_stack.keys(f"{folder}/")


def test_a_worker_goes_on_after_every_failure(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    for number, (make, _) in enumerate(BROKEN.values()):
        key = one_stack.put(f"{folder}/{number}.mp4", make(media))
        assert one_stack.transcode(key).status_code == 422
    good = one_stack.put(f"{folder}/good.mp4", media.path(CLIP))
    assert one_stack.convert(good) == f"{folder}/good"
