"""The library over the real system: what comes, goes, is made, plays and fails shows, in every process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from mam.library.lua import COMPLETE, HASH
from mam.naming import commit_key, unfinished_key
from tests.integration.system import API_KEY, BUCKET, OTHER_BUCKET, S3, Stack, is_problem, own_stack, until
from tests.media import CLIP, FILM, LONG, MediaFolder

JSON = dict[str, Any]


@pytest.fixture(scope="module")
def quick(one_s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A system with a Redis of its own, which lists every second."""
    with own_stack(one_s3, tmp_path_factory.mktemp("library"), LIBRARY_SECONDS="1") as stack:
        yield stack


@pytest.fixture
def fragile(one_s3: S3, tmp_path: Path) -> Iterator[Stack]:
    """The same, to be broken."""
    with own_stack(one_s3, tmp_path, LIBRARY_SECONDS="1") as stack:
        yield stack


def ask(stack: Stack, path: str = "", *, api_key: str | None = API_KEY, **query: Any) -> requests.Response:
    headers = {"x-api-key": api_key} if api_key else {}
    return stack.get(f"http://{stack.vod.address}/assets{path}", params=query, headers=headers)


def page(stack: Stack, **query: Any) -> JSON:
    answer = ask(stack, **query)
    assert answer.status_code == 200, answer.text
    found: JSON = answer.json()
    return found


def shown(stack: Stack, folder: str, **query: Any) -> dict[str, JSON]:
    return {asset["key"]: asset for asset in page(stack, bucket=BUCKET, folder=folder, **query)["assets"]}


def asset(stack: Stack, key: str) -> JSON:
    answer = ask(stack, f"/{BUCKET}/{quote(key)}")
    assert answer.status_code == 200, answer.text
    found: JSON = answer.json()
    return found


def state(stack: Stack, folder: str, key: str) -> str:
    return str(shown(stack, folder).get(key, {}).get("state"))


def test_what_is_put_into_a_bucket_shows_and_what_is_removed_goes(quick: Stack, folder: str) -> None:
    page(quick)
    key = quick.put(f"{folder}/Über uns.MP4", b"something")
    quick.put(f"{folder}/notes.txt", b"no video")
    quick.put(f"{folder}/deeper/b.mov", b"something")
    until(lambda: len(shown(quick, folder)) == 1, "it is listed")
    found = page(quick, bucket=BUCKET, folder=folder)
    (only,) = found["assets"]
    assert (only["key"], only["title"], only["size"], only["state"]) == (key, "Über uns", 9, "new")
    assert only["playlist"] == f"/stream/{BUCKET}/{quote(key)}/playlist.m3u8"
    assert (only["video"], only["job"], only["playable"], only["error"]) == (None, None, False, None)
    assert found["folders"] == [{"bucket": BUCKET, "path": f"{folder}/deeper/", "name": "deeper", "assets": 1}]
    assert set(shown(quick, folder, q="uber UNS")) == {key}
    assert len(shown(quick, folder, q="mo")) == 1
    quick.s3.client.remove_object(BUCKET, key)
    until(lambda: not shown(quick, folder), "it is gone")
    assert is_problem(ask(quick, f"/{BUCKET}/{quote(key)}"), 404, "not_found")


def test_an_asset_is_new_then_live_then_new_again(quick: Stack, media: MediaFolder, folder: str) -> None:
    key = quick.put(f"{folder}/a.mp4", media.path(FILM))
    assert asset(quick, key)["state"] == "new"
    video = quick.convert(key)
    until(lambda: state(quick, folder, key) == "live", "it is live")
    found = shown(quick, folder)[key]
    assert (found["video"], found["job"], found["playable"]) == (video, quick.revision(video), True)
    assert found["duration"] == pytest.approx(24, abs=0.1)
    assert set(shown(quick, folder, state="live")) == {key}
    assert not shown(quick, folder, state="new")
    assert quick.delete(quick.stream_url(key)).status_code == 200
    until(lambda: state(quick, folder, key) == "new", "it is new again")
    assert shown(quick, folder)[key]["duration"] is None


def test_what_is_being_made_says_so_and_goes_back_when_it_is_cancelled(
    quick: Stack, media: MediaFolder, folder: str
) -> None:
    key = quick.put(f"{folder}/a.mp4", media.path(LONG))
    job = quick.transcode(key, reencode=True, wait=False).json()["job"]
    until(lambda: (found := asset(quick, key))["state"] == "making" and found["playable"], "it is playable")
    found = asset(quick, key)
    assert (found["job"], found["video"]) == (job, f"{folder}/a")
    assert found["duration"] > 10
    assert quick.delete(f"http://{quick.transcoder.address}/jobs/{job}").status_code == 200
    until(lambda: asset(quick, key)["state"] == "new", "it is new again")


def test_a_failure_is_shown_with_its_reason_until_the_file_is_replaced(
    quick: Stack, media: MediaFolder, folder: str
) -> None:
    key = quick.put(f"{folder}/a.mp4", b"this is no video" * 100)
    refused = quick.transcode(key)
    until(lambda: asset(quick, key)["state"] == "failed", "it has failed")
    assert asset(quick, key)["error"] == {
        "code": refused.json()["code"],
        "message": refused.json()["detail"],
        "hint": refused.json()["hint"],
    }
    assert key in shown(quick, folder, state="failed")
    quick.put(key, media.path(CLIP))
    until(lambda: state(quick, folder, key) == "new", "the new file has not failed")


def test_a_live_video_stays_so_while_it_is_made_anew(quick: Stack, media: MediaFolder, folder: str) -> None:
    key = quick.put(f"{folder}/a.mp4", media.path(LONG))
    quick.convert(key)
    job = quick.transcode(key, reencode=True, wait=False).json()["job"]
    until(lambda: asset(quick, key)["job"] == job, "the job shows")
    assert asset(quick, key)["state"] == "live"
    quick.delete(f"http://{quick.transcoder.address}/jobs/{job}")
    until(lambda: asset(quick, key)["job"] != job, "what is live shows again")
    assert asset(quick, key)["state"] == "live"


def test_a_tree_of_another_tool_is_live_for_every_asset_of_its_name(quick: Stack, folder: str) -> None:
    vod = quick.settings.minio_bucket_vod
    keys = [quick.put(f"{folder}/a.{extension}", b"something") for extension in ("mp4", "mov")]
    quick.put(
        commit_key(f"{folder}/a"), b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\na0.ts\n#EXT-X-ENDLIST\n", bucket=vod
    )
    assert asset(quick, keys[0])["state"] == "live"
    until(lambda: len(shown(quick, folder, state="live")) == 2, "both are live")
    assert quick.delete(quick.stream_url(keys[0])).status_code == 200
    until(lambda: len(shown(quick, folder, state="new")) == 2, "neither is")


def test_after_redis_was_wiped_no_page_is_wrong_and_all_is_known_again(
    fragile: Stack, media: MediaFolder, folder: str
) -> None:
    live, new = (fragile.put(f"{folder}/{name}.mp4", media.path(CLIP)) for name in ("live", "new"))
    video = fragile.convert(live)
    until(lambda: state(fragile, folder, live) == "live" and fragile.redis.hexists(HASH, COMPLETE), "all is known")
    fragile.redis.flushall()
    expected = {live: "live", new: "new"}

    def known_again() -> bool:
        assert {key: found["state"] for key, found in shown(fragile, folder).items()} == expected
        return bool(fragile.redis.hexists(HASH, COMPLETE))

    until(known_again, "the bucket is looked through")
    found = until(lambda: shown(fragile, folder, state="live"), "what is live is found")
    assert set(found) == {live}
    assert (found[live]["video"], found[live]["job"]) == (video, fragile.revision(video))


def test_before_the_bucket_is_looked_through_an_unfinished_conversion_shows_as_such(
    fragile: Stack, media: MediaFolder, folder: str
) -> None:
    key = fragile.put(f"{folder}/a.mp4", media.path(LONG))
    job = fragile.transcode(key, reencode=True, wait=False).json()["job"]
    fragile.transcoder.stop()
    assert unfinished_key(job) in fragile.keys(".unfinished/")
    fragile.redis.flushall()
    found = until(
        lambda: (found := asset(fragile, key))["state"] == "making" and found, "it is looked for in the bucket"
    )
    assert found["job"] == job


def test_two_processes_show_the_same_and_one_that_starts_answers_at_once(
    fragile: Stack, media: MediaFolder, folder: str
) -> None:
    key = fragile.put(f"{folder}/a.mp4", media.path(CLIP))
    until(lambda: key in shown(fragile, folder), "it is listed")
    first = fragile.vod
    fragile.start_vod()
    try:
        fragile.wait_for(fragile.vod)
        assert key in shown(fragile, folder)
        fragile.convert(key)
        second = fragile.vod
        for fragile.vod in (first, second):
            until(lambda: state(fragile, folder, key) == "live", "it is live in both")
    finally:
        fragile.vod.stop()
        fragile.vod = first


def test_a_page_that_is_asked_for_before_anything_is_listed_is_answered_from_the_store(
    one_s3: S3, tmp_path: Path, folder: str
) -> None:
    with own_stack(one_s3, tmp_path) as stack:
        key = stack.put(f"{folder}/a.mp4", b"something")
        stack.put(f"{folder}/b/c.mp4", b"something")
        assert key in shown(stack, folder)


def test_the_library_is_for_those_with_the_key(one_stack: Stack) -> None:
    for path in ("", f"/{BUCKET}/a.mp4"):
        assert is_problem(ask(one_stack, path, api_key=None), 403, "forbidden")
        assert is_problem(ask(one_stack, path, api_key="wrong"), 403, "forbidden")


@pytest.mark.parametrize("query", [{"sort": "colour"}, {"limit": 201}, {"cursor": "x"}, {"state": "lost"}])
def test_a_question_that_makes_no_sense_is_refused(one_stack: Stack, query: JSON) -> None:
    until(lambda: page(one_stack)["listed_at"], "the buckets are listed")
    assert is_problem(ask(one_stack, **query), 422, "invalid_request")


def test_buckets_that_may_not_be_streamed_are_not_there(one_stack: Stack, folder: str) -> None:
    one_stack.put(f"{folder}.mp4", b"something", bucket="private")
    assert is_problem(ask(one_stack, bucket="private"), 404, "not_found")
    assert is_problem(ask(one_stack, f"/private/{folder}.mp4"), 404, "not_found")
    until(lambda: page(one_stack)["listed_at"], "the buckets are listed")
    shown = {(found["bucket"], found["path"], found["name"]) for found in page(one_stack)["folders"]}
    assert shown == {(BUCKET, "", BUCKET), (OTHER_BUCKET, "", OTHER_BUCKET)}
