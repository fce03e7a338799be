"""The status of a stream: new, in the making, live or failed; and looking begins nothing."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.integration.steering import SLOW, begun, call
from tests.integration.system import BUCKET, S3, UNLISTED_BUCKET, VOD, Stack, is_problem, own_stack, until
from tests.media import CLIP, LONG, VP9, MediaFolder


def ask(stack: Stack, key: str, *, bucket: str = BUCKET, **query: str) -> requests.Response:
    url = stack.stream_url(key, bucket=bucket).replace("/playlist.m3u8", "/status")
    return stack.http.get(url, params=query, timeout=30)


def status(stack: Stack, key: str, **query: str) -> dict[str, Any]:
    answer = ask(stack, key, **query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
def slow(one_s3: S3, tmp_path: Path) -> Iterator[Stack]:
    """A system of one's own that encodes slowly, on one slot."""
    with own_stack(one_s3, tmp_path, **SLOW) as stack:
        yield stack


def test_what_was_never_converted_is_new_and_stays_so(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(CLIP))
    assert status(one_stack, key)["state"] == "new"
    assert status(one_stack, key, profile="h264", format="fmp4")["state"] == "new"
    assert call(one_stack, "GET", "/jobs", params={"bucket": BUCKET, "object": key}).json()["jobs"] == []


def test_a_stream_is_live_with_all_of_it_made(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(CLIP))
    one_stack.convert(key)
    found = until(lambda: (shown := status(one_stack, key))["state"] == "live" and shown, "it is live")
    assert (found["video"], found["revision"]) == (f"{folder}/a", one_stack.revision(f"{folder}/a"))
    assert (found["profile"], found["format"], found["percent"]) == ("source", "ts", 100.0)
    assert found["made"] == [[0.0, found["duration"]]]
    assert {stream["action"] for stream in found["streams"]} == {"copy"}
    assert status(one_stack, key, profile="auto")["state"] == "live"  # that would be the same
    assert status(one_stack, key, reencode="true")["state"] == "new"
    assert one_stack.delete(one_stack.stream_url(key)).status_code == 200
    until(lambda: status(one_stack, key)["state"] == "new", "what was deleted is new again")


def test_a_stream_of_another_tool_is_live(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(CLIP))
    text = "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:4.5,\nhttps://example.com/0.ts\n#EXT-X-ENDLIST\n"
    one_stack.put(f"{folder}/a/index.m3u8", text.encode(), bucket=VOD)
    found = status(one_stack, key)
    assert (found["state"], found["duration"], found["made"]) == ("live", 4.5, [[0.0, 4.5]])
    assert found["revision"] is None


def test_while_a_stream_is_made_its_status_says_what_of_it_is_there(
    slow: Stack, media: MediaFolder, folder: str
) -> None:
    key = slow.put(f"{folder}/a.mp4", media.path(LONG))
    job = begun(slow, key, reencode=True)
    found = until(lambda: (shown := status(slow, key, profile="h264"))["made"] and shown, "some is made", seconds=60)
    assert (found["state"], found["revision"], found["profile"]) == ("making", job, "h264")
    assert 0 < found["percent"] < 100
    assert found["duration"] == pytest.approx(90, abs=0.1)
    assert 0 <= found["made"][0][0] < found["made"][-1][1] <= found["duration"]
    assert {stream["action"] for stream in found["streams"]} >= {"encode"}
    assert status(slow, key, profile="source")["state"] == "new"  # of that, there is none

    def requests_for_jobs() -> float:
        shown = slow.get(f"http://{slow.transcoder.address}/metrics").text.splitlines()
        lines = [line for line in shown if line.startswith("mam_transcoder_requests_total") and '"/jobs"' in line]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    before = requests_for_jobs()
    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(lambda _: status(slow, key, profile="h264")["state"], range(200))) == {"making"}
    assert requests_for_jobs() - before < 20  # one a second, however many ask

    call(slow, "DELETE", f"/jobs/{job}")
    until(lambda: status(slow, key, profile="h264")["state"] == "new", "what was cancelled is new")


def test_a_failure_is_told_until_the_file_is_another(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(VP9))
    refused = one_stack.transcode(key)
    assert is_problem(refused, 422, "not_remuxable")
    found = until(lambda: (shown := status(one_stack, key, profile="source"))["error"] and shown, "it has failed")
    assert found["state"] == "failed"
    assert found["error"] == {
        "code": "not_remuxable",
        "message": refused.json()["detail"],
        "hint": refused.json()["hint"],
    }
    assert status(one_stack, key)["state"] == "new"  # by default it is encoded
    one_stack.put(key, media.path(CLIP))
    until(lambda: status(one_stack, key, profile="source")["state"] == "new", "another file has not failed yet")


def test_what_there_is_not_is_not_found_as_by_the_playlist(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    assert is_problem(ask(one_stack, f"{folder}/none.mp4"), 404, "not_found")
    hidden = one_stack.put(f"{folder}/a.mp4", media.path(CLIP), bucket=UNLISTED_BUCKET)
    assert is_problem(ask(one_stack, hidden, bucket=UNLISTED_BUCKET), 404, "not_found")
    assert is_problem(ask(one_stack, f"{folder}/a.mp4", bucket=VOD), 404, "not_found")
    assert is_problem(ask(one_stack, "a\tb"), 400, "invalid_name")
    key = one_stack.put(f"{folder}/a.mp4", media.path(CLIP))
    assert is_problem(ask(one_stack, key, reencode="true", profile="source"), 422, "invalid_request")
    assert is_problem(ask(one_stack, key, profile="nonsense"), 422, "invalid_request")
