"""Webhooks as a receiver meets them: signed, once each, again where they were not taken."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dev.servers import LOOPBACK, ROOT, start_redis
from tests.integration.system import S3, Stack, is_problem, own, until
from tests.media import CLIP, VP9, MediaFolder

SECRET, WHSEC = "the receiver knows it too", "whsec_dGhlIHN0YW5kYXJkJ3M="
Verify = Callable[[dict[str, str], bytes, str], bool]


@dataclass
class Receiver:
    """A web server that writes down what it is told. `refusals`: how many it answers with 500 first."""

    url: str = ""
    refusals: int = 0
    told: list[tuple[dict[str, str], bytes]] = field(default_factory=list)  # headers and body of what was taken
    refused: list[bytes] = field(default_factory=list)

    def events(self, job: str) -> list[dict[str, Any]]:
        return [event for _, body in self.told if (event := json.loads(body))["data"]["id"] == job]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    received = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if received.refusals:
                received.refusals -= 1
                received.refused.append(body)
                self.send_error(500)
                return
            received.told.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    received.url = f"http://{LOOPBACK}:{server.server_address[1]}/hook?from=mam"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield received
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def telling(one_s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A system that tells, also receivers on this machine."""
    folder = tmp_path_factory.mktemp("telling")
    with start_redis(folder / "redis", persist=False) as server:
        env = own(one_s3.server.address, server.port, WEBHOOK_SECRET=f"{SECRET},{WHSEC}", WEBHOOK_ALLOW_PRIVATE="true")
        with Stack(one_s3, env, folder / "services").running() as stack:
            yield stack


@pytest.fixture(scope="module")
def verify() -> Verify:
    """The ten lines that the README gives receivers."""
    blocks = re.findall(r"```python\n(.*?)```", Path(ROOT, "README.md").read_text("utf-8"), re.DOTALL)
    (block,) = [block for block in blocks if "webhook-signature" in block]
    assert len(block.strip().splitlines()) <= 10
    names: dict[str, Any] = {}
    exec(block, names)
    found: Verify = names["is_ours"]
    return found


def is_ours_by_the_old_header(header: str, body: bytes, secret: str) -> bool:
    """What receivers did before, and may do for a release: whether it was signed in the last five minutes."""
    moment, *signatures = [part.partition("=")[2] for part in header.split(",")]
    signed = hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()
    fresh = abs(time.time() - int(moment)) < 300
    return fresh and any(hmac.compare_digest(signed, each) for each in signatures)


def test_a_video_is_told_of_once_when_it_plays_and_once_when_it_is_live(
    telling: Stack, media: MediaFolder, folder: str, receiver: Receiver, verify: Verify
) -> None:
    key = telling.put(f"{folder}/a.mp4", media.path(CLIP))
    assert telling.convert(key, callback_url=receiver.url) == f"{folder}/a"
    job = telling.revision(f"{folder}/a")
    until(lambda: len(receiver.events(job)) >= 2, "both have arrived")
    assert telling.convert(key, callback_url=receiver.url)  # live already: nothing more to tell
    playable, ready = sorted(receiver.events(job), key=lambda event: str(event["type"]))
    assert (playable["type"], ready["type"]) == ("video.playable", "video.ready")
    assert playable["id"] != ready["id"]
    assert (ready["data"]["state"], ready["data"]["video"]) == ("succeeded", f"{folder}/a")
    for headers, body in receiver.told:
        assert headers["webhook-id"] == json.loads(body)["id"]
        assert verify(headers, body, SECRET)
        assert verify(headers, body, WHSEC)
        assert not verify(headers, body + b" ", SECRET)
        assert not verify(headers, body, "a wrong secret")
        assert not verify({**headers, "webhook-timestamp": "1"}, body, SECRET)
        assert not verify({**headers, "webhook-id": "evt_1"}, body, SECRET)
        old = headers["mam-signature"]
        assert is_ours_by_the_old_header(old, body, SECRET)
        assert not is_ours_by_the_old_header(old, body + b" ", SECRET)
        assert not is_ours_by_the_old_header(old, body, "a wrong secret")
        assert not is_ours_by_the_old_header(re.sub(r"t=\d+", "t=1", old), body, SECRET)
    assert telling.redis.zcard("mam:webhooks") == 0


def test_a_failure_is_told_with_its_reason_and_again_until_it_is_taken(
    telling: Stack, media: MediaFolder, folder: str, receiver: Receiver
) -> None:
    receiver.refusals = 1
    key = telling.put(f"{folder}/a.mp4", media.path(VP9))
    answer = telling.transcode(key, callback_url=receiver.url)
    assert is_problem(answer, 422, "not_remuxable")
    (event,) = until(lambda: [json.loads(body) for _, body in receiver.told], "it was taken at last")
    (first,) = [json.loads(body) for body in receiver.refused]
    assert (first["id"], first["attempt"], event["attempt"]) == (event["id"], 1, 2)
    assert event["type"] == "video.failed"
    assert event["data"]["error"]["code"] == "not_remuxable"


def test_everyone_who_joined_a_conversion_is_told(
    telling: Stack, media: MediaFolder, folder: str, receiver: Receiver
) -> None:
    key = telling.put(f"{folder}/a.mp4", media.path(CLIP))
    urls = [f"{receiver.url}&who={number}" for number in range(3)]
    jobs = {telling.transcode(key, reencode=True, wait=False, callback_url=url).json()["job"] for url in urls}
    (job,) = jobs
    until(lambda: [event["type"] for event in receiver.events(job)].count("video.ready") == 3, "all three were told")


def test_a_private_or_unusable_callback_is_refused_and_nothing_is_converted(
    one_stack: Stack, telling: Stack, media: MediaFolder, folder: str
) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(CLIP))
    refused = one_stack.transcode(key, callback_url="http://192.0.2.1/hook")
    assert is_problem(refused, 422, "invalid_callback")  # no secret to sign with
    assert is_problem(telling.transcode(key, callback_url="file:///etc/passwd"), 422, "invalid_callback")
    assert one_stack.keys(f"{folder}/") == set()
