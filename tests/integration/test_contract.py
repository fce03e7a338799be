"""What the documentation promises of both services' HTTP, on every kind of S3 server."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from mam.hls.playlist import CONTENT_TYPE, TYPES
from mam.naming import commit_key, plan_key
from tests.integration.system import (
    API_KEY,
    BUCKET,
    OTHER_BUCKET,
    SECRET_KEY,
    UNLISTED_BUCKET,
    VOD,
    Stack,
    is_problem,
    raw,
    until,
)
from tests.media import CLIP, FILM, LONG, MediaFolder, complaints, frames, picture_hashes, probe

VIEWERS = 20


# POST /transcode, GET /jobs


def test_a_conversion_answers_exactly_what_is_documented(stack: Stack, media: MediaFolder) -> None:
    stack.put("sample.mp4", media.path(CLIP))
    answer = stack.transcode("sample.mp4", reencode=False)
    assert answer.status_code == 200
    assert answer.text == '{"status":"success","video":"sample"}'
    assert stack.get(stack.video_url("sample")).status_code == 200


def test_a_repeated_conversion_answers_at_once_and_makes_nothing(stack: Stack, media: MediaFolder, folder: str) -> None:
    key = stack.put(f"{folder}/a.mp4", media.path(CLIP))
    video = stack.convert(key)
    made = stack.making(video)
    answers = [stack.transcode(key) for _ in range(3)]
    assert [answer.text for answer in answers] == [f'{{"status":"success","video":"{folder}/a"}}'] * 3
    assert stack.making(video) == made
    assert every_task_was_done_once(stack, video)


def every_task_was_done_once(stack: Stack, video: str) -> bool:
    """By the workers' log: none of the live revision's tasks was done twice, and it was planned.

    Pictures are apart: who asks for a live video that lacks them has them made, also when somebody is about to.
    """
    revision = stack.revision(video)

    def done() -> Counter[str]:
        lines = stack.transcoder.log.read_text().splitlines()
        own = [line for line in lines if f"revision={revision}" in line and "task done" in line]
        names = [match[1] for line in own if (match := re.search(r"task=(\S+)", line))]
        return Counter(name for name in names if name not in ("poster", "storyboard"))

    until(lambda: {"plan", "commit"} <= done().keys(), "the log says so")
    assert set(done().values()) == {1}, done()
    return True


def test_many_requests_at_once_make_one_job(stack: Stack, media: MediaFolder, folder: str) -> None:
    key = stack.put(f"{folder}/a.mp4", media.path(FILM))
    with ThreadPoolExecutor(VIEWERS) as callers:
        answers = list(callers.map(stack.transcode, [key] * VIEWERS))
    assert {(answer.status_code, answer.json()["video"]) for answer in answers} == {(200, f"{folder}/a")}
    assert every_task_was_done_once(stack, f"{folder}/a")
    assert stack.redis.hget(f"mam:job:{stack.revision(f'{folder}/a')}", "epoch") == "1"


def test_who_does_not_wait_gets_a_job_that_ends_well(stack: Stack, media: MediaFolder, folder: str) -> None:
    key = stack.put(f"{folder}/a.mp4", media.path(FILM))
    answer = stack.transcode(key, wait=False)
    body = answer.json()
    assert answer.status_code == 202
    assert body == {"status": "accepted", "video": f"{folder}/a", "job": body["job"]}
    assert answer.headers["location"] == f"/jobs/{body['job']}"
    assert stack.keys(f"{folder}/a/") >= {plan_key(f"{folder}/a")}, "the plan stands when it is accepted"

    assert stack.convert(key) == body["video"]  # joins it, and waits
    job = stack.job(body["job"])
    assert job.status_code == 200
    view = job.json()
    assert (view["state"], view["playable"], view["error"]) == ("succeeded", True, None)
    assert view["progress"] == {"percent": 100.0, "segments_done": 4, "segments_total": 4} | {
        name: view["progress"][name] for name in set(view["progress"]) - {"percent", "segments_done", "segments_total"}
    }
    assert (view["id"], view["video"], view["profile"]) == (body["job"], f"{folder}/a", "source")
    assert (view["asset_bucket"], view["asset_object"]) == (BUCKET, key)
    assert view["created_at"] <= view["started_at"] <= view["finished_at"]
    assert stack.revision(f"{folder}/a") == body["job"]


def test_a_job_that_never_was_is_not_found(one_stack: Stack) -> None:
    assert is_problem(one_stack.job("0123456789ab"), 404, "job_not_found")


@pytest.mark.parametrize("api_key", [None, "", "wrong", API_KEY + "x", API_KEY[:-1]])
def test_without_the_right_key_nothing_is_converted_told_or_deleted(
    one_stack: Stack, folder: str, api_key: str
) -> None:
    body = {"asset_bucket": BUCKET, "asset_object": f"{folder}.mp4"}
    assert is_problem(one_stack.post("/transcode", body, api_key=api_key), 403, "forbidden")
    assert is_problem(one_stack.job("0123456789ab", api_key=api_key), 403, "forbidden")
    assert is_problem(one_stack.delete(one_stack.cache_url("sample"), api_key=api_key), 403, "forbidden")
    assert is_problem(one_stack.delete(one_stack.stream_url("sample.mp4"), api_key=api_key), 403, "forbidden")


def test_what_is_not_in_a_bucket_is_not_found(stack: Stack, folder: str) -> None:
    assert is_problem(stack.transcode(f"{folder}.mp4"), 404, "not_found")
    assert is_problem(stack.get(stack.stream_url(f"{folder}.mp4")), 404, "not_found")
    assert is_problem(stack.get(stack.video_url(folder)), 404, "video_not_found")


@pytest.mark.parametrize("bucket", [VOD, UNLISTED_BUCKET, "no-such-bucket"])
def test_buckets_that_may_not_be_streamed_look_like_buckets_that_are_not_there(
    stack: Stack, media: MediaFolder, folder: str, bucket: str
) -> None:
    key = f"{folder}/a.mp4"
    if bucket != "no-such-bucket":
        stack.put(key, media.path(CLIP), bucket=bucket)
    converted = stack.transcode(key, bucket=bucket)
    streamed = stack.get(stack.stream_url(key, bucket=bucket))
    assert is_problem(converted, 404, "not_found")
    assert is_problem(streamed, 404, "not_found")
    assert is_problem(stack.delete(stack.stream_url(key, bucket=bucket)), 404, "not_found")
    assert converted.json()["detail"] == streamed.json()["detail"] == f"There is no object {bucket}/{key}."
    if bucket == UNLISTED_BUCKET:
        assert stack.keys(folder) == set()


@pytest.mark.parametrize(
    "key", ["../a.mp4", "a/../b.mp4", "./a.mp4", "a//b.mp4", "/a.mp4", "a\x00.mp4", "a\nb.mp4", "a\x7f.mp4", ".."]
)
def test_names_that_no_store_and_url_carries_are_refused(one_stack: Stack, key: str) -> None:
    assert is_problem(one_stack.transcode(key), 400, "invalid_name")


@pytest.mark.parametrize("bucket", ["..", "My Videos", "a", "-x-", "x..y", "UPPER", ""])
def test_names_that_no_bucket_has_are_refused(one_stack: Stack, bucket: str) -> None:
    assert is_problem(one_stack.transcode("a.mp4", bucket=bucket), 400, "invalid_name")


@pytest.mark.parametrize(
    "path",
    [
        "/video/../sample/playlist.m3u8",
        "/video/%2e%2e/sample/playlist.m3u8",
        "/video/a%2f..%2fb/playlist.m3u8",
        "/video/a//b/playlist.m3u8",
        "/video/a%00b/playlist.m3u8",
        f"/stream/{BUCKET}/../{VOD}/x.mp4/playlist.m3u8",
        f"/stream/{BUCKET}/%2e%2e/{VOD}/x.mp4/playlist.m3u8",
        "/stream/%2e%2e/x.mp4/playlist.m3u8",
        f"/stream/{BUCKET}/{'a' * 1100}.mp4/playlist.m3u8",
    ],
)
def test_raw_paths_that_lead_elsewhere_are_refused(one_stack: Stack, path: str) -> None:
    status, headers, body = raw(one_stack.vod, "GET", path)
    assert (status, headers["content-type"]) == (400, "application/problem+json")
    assert b'"invalid_name"' in body


@pytest.mark.parametrize("path", ["/video/a%0ab/playlist.m3u8", f"/stream/{BUCKET}/a%0d%0ab.mp4/playlist.m3u8"])
def test_raw_paths_with_line_breaks_are_refused(one_stack: Stack, path: str) -> None:
    status, headers, _ = raw(one_stack.vod, "GET", path)
    assert status in (400, 404)  # 404: the router's `path` holds no line break, so no route is found
    assert headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "change",
    [
        {"extra": 1},
        {"profile": "best"},
        {"reencode": "perhaps"},
        {"profile": "source", "reencode": True},
        {"asset_object": None},
        {"asset_object": 7},
    ],
)
def test_requests_that_cannot_be_understood_are_refused(one_stack: Stack, change: dict[str, object]) -> None:
    body = {"asset_bucket": BUCKET, "asset_object": "a.mp4", **change}
    assert is_problem(one_stack.post("/transcode", body), 422, "invalid_request")


# playlists


def test_a_playlist_comes_with_the_headers_that_players_and_browsers_need(
    one_stack: Stack, media: MediaFolder, folder: str
) -> None:
    one_stack.convert(one_stack.put(f"{folder}/a.mp4", media.path(CLIP)))
    url = one_stack.video_url(f"{folder}/a")
    answer = one_stack.get(url, headers={"Origin": "https://example.org"})
    assert answer.headers["content-type"].partition(";")[0] == CONTENT_TYPE
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["content-encoding"] == "gzip"
    assert "accept-encoding" in answer.headers["vary"].lower()
    assert "private" in answer.headers["cache-control"]
    preflight = one_stack.http.options(
        url, headers={"Origin": "https://example.org", "Access-Control-Request-Method": "GET"}, timeout=30
    )
    assert preflight.status_code == 200


def test_a_playlist_is_the_same_packed_and_plain_and_head_tells_of_it(
    one_stack: Stack, media: MediaFolder, folder: str
) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(CLIP))
    one_stack.convert(key)
    for path in (f"/video/{folder}/a/playlist.m3u8", f"/stream/{BUCKET}/{key}/playlist.m3u8"):
        plain_status, plain_headers, plain = raw(one_stack.vod, "GET", path)
        packed_status, packed_headers, packed = raw(one_stack.vod, "GET", path, accept_encoding="gzip")
        head_status, head_headers, head = raw(one_stack.vod, "HEAD", path, accept_encoding="gzip")
        assert (plain_status, packed_status, head_status) == (200, 200, 200)
        assert "content-encoding" not in plain_headers
        assert (plain[:7], gzip.decompress(packed), head) == (b"#EXTM3U", plain, b"")
        assert head_headers["content-length"] == packed_headers["content-length"] == str(len(packed))
        assert head_headers["content-type"] == packed_headers["content-type"]


def test_a_live_playlist_is_complete_and_every_segment_of_it_is_signed(
    stack: Stack, media: MediaFolder, folder: str
) -> None:
    key = stack.put(f"{folder}/a.mp4", media.path(FILM))
    stack.convert(key)
    by_name, by_asset = stack.playlist(stack.video_url(f"{folder}/a")), stack.playlist(stack.stream_url(key))
    for found in (by_name, by_asset):
        assert (found.playlist_type, found.is_endlist, found.target_duration) == ("vod", True, 6)
        assert len(found.segments) == 4
        prefix = f"http://{stack.s3.server.address}/{VOD}/{folder}/a/{stack.revision(f'{folder}/a')}/"
        assert all(segment.uri.startswith(prefix) for segment in found.segments)
        assert all("X-Amz-Signature=" in segment.uri for segment in found.segments)


def test_what_lies_in_the_bucket_says_what_it_is(stack: Stack, media: MediaFolder, folder: str) -> None:
    video = stack.convert(stack.put(f"{folder}/a.mp4", media.path(CLIP)))
    commit = stack.s3.client.stat_object(VOD, commit_key(video))
    segment = stack.s3.client.stat_object(VOD, f"{video}/{stack.commit(video).segments[0].uri}")
    plan = stack.s3.client.stat_object(VOD, plan_key(video))
    assert (commit.content_type, segment.content_type) == (CONTENT_TYPE, TYPES["ts"])
    assert plan.content_type == "application/json"


def test_a_cleared_cache_is_rebuilt_by_the_next_request(stack: Stack, media: MediaFolder, folder: str) -> None:
    video = stack.convert(stack.put(f"{folder}/a.mp4", media.path(CLIP)))
    first = stack.get(stack.video_url(video)).text
    mark = "#EXT-X-MAM-TEST:1"
    stack.put(
        commit_key(video), stack.read(commit_key(video)).replace(b"#EXTINF", mark.encode() + b"\n#EXTINF"), bucket=VOD
    )
    assert stack.get(stack.video_url(video)).text == first, "from the cache: in the bucket lies another one"

    answer = stack.delete(stack.cache_url(video))
    assert (answer.status_code, answer.json()) == (200, {"message": f"Cache cleared for '{video}'"})
    rebuilt = stack.get(stack.video_url(video)).text
    assert mark in rebuilt
    assert complaints(stack.video_url(video)) == ""


# /stream


def test_a_cold_stream_is_converted_once_however_many_ask(stack: Stack, media: MediaFolder, folder: str) -> None:
    key = stack.put(f"{folder}/a.mp4", media.path(FILM))
    with ThreadPoolExecutor(VIEWERS) as viewers:
        answers = list(viewers.map(stack.get, [stack.stream_url(key)] * VIEWERS))
    assert {answer.status_code for answer in answers} == {200}
    video = stack.convert(key)
    revisions = {made.removeprefix(f"{video}/").partition("/")[0] for made in stack.making(video)}
    assert revisions == {stack.revision(video)}
    assert every_task_was_done_once(stack, video)
    assert stack.redis.hget(f"mam:job:{stack.revision(video)}", "epoch") == "1"
    assert complaints(stack.stream_url(key)) == ""


def test_a_cold_playlist_is_complete_at_once_and_its_segments_lead_to_signed_ones(
    stack: Stack, media: MediaFolder, folder: str
) -> None:
    key = stack.put(f"{folder}/a.mp4", media.path(FILM))
    cold = stack.playlist(stack.stream_url(key))
    assert (len(cold.segments), cold.playlist_type, cold.is_endlist) == (4, "vod", True)
    pictures = []
    for segment in reversed(cold.segments):  # a seek to the end first
        answer = stack.get(segment.absolute_uri, allow_redirects=False)
        if answer.status_code == 302:  # while it was in the making
            answer = stack.get(answer.headers["location"])
        assert answer.status_code == 200
        pictures.append([frame.payload for frame in frames(answer.content, "video")])
    made = [payload for segment in reversed(pictures) for payload in segment]
    assert made == [frame.payload for frame in frames(media.path(FILM), "video")]
    stack.convert(key)
    assert [s.duration for s in stack.playlist(stack.stream_url(key)).segments] == [s.duration for s in cold.segments]


def test_a_stream_is_reencoded_when_asked_for_and_flips_back_without_making_segments_anew(
    stack: Stack, media: MediaFolder, folder: str
) -> None:
    key = stack.put(f"{folder}/a.mp4", media.path(CLIP))
    stack.convert(key)
    copied = stack.revision(f"{folder}/a")
    assert stack.get(stack.stream_url(key, reencode="true")).status_code == 200
    stack.convert(key, reencode=True)
    encoded = stack.revision(f"{folder}/a")
    made = stack.making(f"{folder}/a")
    assert encoded != copied
    assert {name.split("/")[2] for name in made} == {copied, encoded}
    assert encoded in stack.playlist(stack.stream_url(key, reencode="true")).segments[0].uri
    assert encoded in stack.playlist(stack.stream_url(key)).segments[0].uri, "what a key asked for last"

    assert stack.get(stack.stream_url(key, profile="source")).status_code == 200
    stack.convert(key, profile="source")
    assert stack.revision(f"{folder}/a") == copied
    assert copied in stack.playlist(stack.stream_url(key, profile="source")).segments[0].uri
    assert copied in stack.playlist(stack.video_url(f"{folder}/a")).segments[0].uri
    assert stack.making(f"{folder}/a") == made, "no segment was written again"


def test_a_reencoded_stream_is_h264_and_aac_with_all_pictures(stack: Stack, media: MediaFolder, folder: str) -> None:
    key = stack.put(f"{folder}/a.mp4", media.path(FILM))
    video = stack.convert(key, reencode=True)
    url = stack.stream_url(key, reencode="true")
    found = probe(url)
    assert (found["video"], found["audio"], found["width"], found["height"]) == ("h264", "aac", 320, 180)
    assert complaints(url) == ""
    assert len(picture_hashes(url)) == len(frames(media.path(FILM), "video"))
    assert sum(len(frames(data, "video")) for data in stack.segments(video)) == sum(stack.plan(video).frames)


def test_contradictory_or_unknown_wishes_are_refused(one_stack: Stack, folder: str) -> None:
    both = one_stack.get(one_stack.stream_url(f"{folder}.mp4", reencode="true", profile="source"))
    assert is_problem(both, 422, "invalid_request")
    unknown = one_stack.get(one_stack.stream_url(f"{folder}.mp4", profile="best"))
    assert is_problem(unknown, 422, "invalid_request")


# DELETE /stream


def test_deleting_a_stream_deletes_its_hls_and_nothing_else(stack: Stack, media: MediaFolder, folder: str) -> None:
    names = ["sample", "sample2", "sample/b", "sample-x/c"]
    keys = [stack.put(f"{folder}/{name}.mp4", media.path(CLIP)) for name in names]
    videos = [stack.convert(key) for key in keys]
    assert videos == [f"{folder}/{name}" for name in names]
    stack.convert(keys[0], reencode=True)
    deleted = stack.revision(videos[0])
    assert stack.get(stack.video_url(videos[0])).status_code == 200  # and is in the cache
    before = stack.stream_keys(f"{folder}/")
    neighbours = {key for video in videos[1:] for key in stack.stream_keys(f"{video}/")}

    answer = stack.delete(stack.stream_url(keys[0]))
    assert answer.status_code == 200
    assert answer.json()["message"] == f"Stream deleted for '{videos[0]}'"
    assert stack.stream_keys(f"{folder}/") == neighbours < before
    until(lambda: not stack.keys(f"{videos[0]}/{deleted}/"), "its pictures are gone too")
    assert stack.keys(f"{folder}/", bucket=BUCKET) == set(keys), "the assets stay"
    assert is_problem(stack.get(stack.video_url(videos[0])), 404, "video_not_found")
    for video in videos[1:]:
        assert complaints(stack.video_url(video)) == ""
    assert is_problem(stack.delete(stack.stream_url(keys[0])), 404, "video_not_found")


def test_deleting_a_stream_stops_what_is_being_made_of_it(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(LONG))
    video = one_stack.convert(key)
    job = one_stack.transcode(key, reencode=True, wait=False).json()["job"]
    until(lambda: one_stack.job(job).json()["progress"]["segments_done"], "the other profile is being made")
    assert one_stack.delete(one_stack.stream_url(key)).status_code == 200
    assert one_stack.job(job).json()["state"] == "cancelled"
    until(lambda: not one_stack.job(job).json()["running"], "nobody is at it any more")
    until(lambda: not one_stack.keys(f"{video}/"), "nothing is left of either")
    until(lambda: f".unfinished/{job}.json" not in one_stack.keys(".unfinished/"), "it is not gone on with")
    assert is_problem(one_stack.get(one_stack.video_url(video)), 404, "video_not_found")


def test_a_stream_that_never_was_live_is_deleted_too(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(LONG))
    job = one_stack.transcode(key, reencode=True, wait=False).json()["job"]
    answer = one_stack.delete(one_stack.stream_url(key))
    assert (answer.status_code, answer.json()["message"]) == (200, f"Stream deleted for '{folder}/a'")
    assert one_stack.job(job).json()["state"] == "cancelled"
    until(lambda: not one_stack.keys(f"{folder}/"), "nothing is left of it")
    assert is_problem(one_stack.delete(one_stack.stream_url(key)), 404, "video_not_found")


def test_a_deletion_that_was_interrupted_can_be_repeated(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    """As it is when the store fails after the first of its steps: no commit any more, and everything else is there."""
    key = one_stack.put(f"{folder}/a.mp4", media.path(CLIP))
    video = one_stack.convert(key)
    one_stack.s3.client.remove_object(one_stack.settings.minio_bucket_vod, commit_key(video))
    assert one_stack.delete(one_stack.stream_url(key)).status_code == 200
    until(lambda: not one_stack.keys(f"{folder}/"), "nothing is left of it")
    assert is_problem(one_stack.get(one_stack.video_url(video)), 404, "video_not_found")


def test_a_deleted_stream_is_made_again_when_asked_for(stack: Stack, media: MediaFolder, folder: str) -> None:
    key = stack.put(f"{folder}/a.mp4", media.path(CLIP))
    stack.convert(key)
    assert stack.delete(stack.stream_url(key)).status_code == 200
    assert stack.get(stack.stream_url(key)).status_code == 200
    assert stack.convert(key) == f"{folder}/a"
    assert complaints(stack.stream_url(key)) == ""


# operations


def test_how_playlists_came_about_is_counted(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    url = one_stack.video_url(one_stack.convert(one_stack.put(f"{folder}/a.mp4", media.path(CLIP))))

    def counted(outcome: str) -> float:
        one_stack.get(url)
        shown = one_stack.get(f"http://{one_stack.vod.address}/metrics").text
        found = re.search(rf'^mam_vod_playlists_total{{outcome="{outcome}"}} (\S+)', shown, re.MULTILINE)
        assert found
        return float(found[1])

    before = counted("memory")
    assert counted("built") >= 1
    until(lambda: counted("memory") > before, "it is at hand")
    one_stack.delete(one_stack.cache_url(f"{folder}/a"))
    built = counted("built")
    assert counted("built") == built


def test_both_services_tell_of_their_health_their_metrics_and_their_api(one_stack: Stack) -> None:
    for service in (one_stack.transcoder, one_stack.vod):
        base = f"http://{service.address}"
        assert one_stack.get(f"{base}/healthz").json()["status"] == "ok"
        ready = one_stack.get(f"{base}/readyz")
        assert ready.status_code == 200
        assert set(ready.json()["checks"]) >= {"store", "redis"}
        assert set(ready.json()["checks"].values()) == {"ok"}
        assert re.search(r"^mam_\w+_requests_total\{", one_stack.get(f"{base}/metrics").text, re.MULTILINE)
        assert one_stack.get(f"{base}/docs").status_code == 200
        assert is_problem(one_stack.get(f"{base}/no-such-page"), 404, "not_found")


def test_the_logs_tell_what_was_done_and_no_secrets(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    video = one_stack.convert(one_stack.put(f"{folder}/a.mp4", media.path(CLIP)))
    signed = one_stack.playlist(one_stack.video_url(video)).segments[0].uri
    live = f"video is live video={video} revision={one_stack.revision(video)}"
    until(lambda: live in one_stack.transcoder.log.read_text(), "the worker's log says that the video is live")
    logs = one_stack.transcoder.log.read_text() + one_stack.vod.log.read_text()
    for secret in (API_KEY, SECRET_KEY, signed.rpartition("=")[2]):
        assert secret not in logs


def test_two_buckets_may_be_streamed(stack: Stack, media: MediaFolder, folder: str) -> None:
    key = stack.put(f"{folder}/a.mp4", media.path(CLIP), bucket=OTHER_BUCKET)
    assert stack.get(stack.stream_url(key, bucket=OTHER_BUCKET)).status_code == 200
