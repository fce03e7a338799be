"""Records what a running system leaves behind in its bucket and its Redis: `python -m dev.recording`.

It writes `tests/recorded/`, from which tests/integration/test_upgrade.py starts a later version. It is run by hand with
the version before, where a version changes what lies in the bucket or in Redis; the test does not need it.

The system is stopped with work in every queue. Workers that serve one queue each make that certain:

  live       a video that is live, with its pictures
  half       is encoded: one segment was sought, a killed worker holds a task, the rest waits
  made       has all its segments; the commit waits
  waiting    was asked for; its plan waits
  cancelled  was cancelled; the removal of what it left waits

Keys in Redis that expire within an hour are not recorded: locks, marks, cached playlists, whose signatures run out.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import redis
import requests

from dev.fingerprints import tasks
from dev.servers import LOOPBACK, ROOT, start_redis, start_s3
from tests.integration.system import ACCESS_KEY, API_KEY, S3, SECRET_KEY, Stack, own, until
from tests.integration.workers import Broker
from tests.media import ffmpeg

RECORDED = ROOT / "tests" / "recorded"
CLIP, OBJECTS, STATE = RECORDED / "clip.mp4", RECORDED / "objects", RECORDED / "redis.json"
SETTINGS = {"SEGMENT_SECONDS": "2"}  # which the test has too: they are part of a revision's name
VIDEOS = ("live", "half", "made", "waiting", "cancelled")
FOLDER = "left"
HOUR = 3600
SHORT_SECONDS = 2.0  # in which a request whose answer is not waited for has queued its task


def main() -> None:
    shutil.rmtree(RECORDED, ignore_errors=True)
    RECORDED.mkdir()
    make_clip()
    with tempfile.TemporaryDirectory(prefix="mam-recording-") as name:
        scratch = Path(name)
        with (
            start_redis(scratch / "redis", persist=False) as server,
            start_s3(scratch / "s3", access_key=ACCESS_KEY, secret_key=SECRET_KEY, kind="minio") as store,
        ):
            env = own(store.address, server.port, EMBEDDED_WORKERS="0", **SETTINGS)
            stack = Stack(S3.of("minio", store), env, scratch / "services")
            with stack.running():
                leave_work(stack, Broker(stack.env, scratch))
            for key in stack.keys(""):
                path = OBJECTS / key
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(stack.read(key))
            databases = (stack.settings.redis_db, stack.settings.broker_db)
            found = {database: state_of(redis.Redis(LOOPBACK, server.port, database)) for database in databases}
    STATE.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


def make_clip() -> None:
    """Ten seconds in small, with a key frame every two."""
    picture = ("-f", "lavfi", "-i", "testsrc=s=128x72:r=10:d=10", "-f", "lavfi", "-i", "sine=220:r=16000:d=10")
    encoded = "-c:v libx264 -preset veryfast -crf 40 -pix_fmt yuv420p -bf 2 -g 20 -sc_threshold 0 -c:a aac -b:a 12k"
    ffmpeg(*picture, *encoded.split(), "-movflags", "+faststart", "-fflags", "+bitexact", str(CLIP))


def leave_work(stack: Stack, workers: Broker) -> None:
    """Does the work of some queues, and leaves that of others."""
    keys = {video: stack.put(f"{FOLDER}/{video}.mp4", CLIP) for video in VIDEOS}
    broker = redis.Redis(LOOPBACK, stack.settings.redis_port, stack.settings.broker_db)
    with workers.worker(name="all"):
        stack.convert(keys["live"])
        until(lambda: not tasks(broker), "the pictures are made")
    with workers.worker(queues="interactive", name="interactive"):
        half = begun(stack, keys["half"], reencode=True)
        made = begun(stack, keys["made"], profile="source", format="fmp4", priority="high")
        cancelled = begun(stack, keys["cancelled"], reencode=True)
        seek(stack, half, 3)
        until(lambda: stack.making(f"{FOLDER}/half"), "the segment is made")
    with workers.worker(queues="high", name="high"):
        until(lambda: stack.hash(f"mam:job:{made}").get("finalizing"), "all segments are made")
        until(lambda: not broker.hlen("unacked"), "the commit is queued")
    with workers.worker(queues="batch", name="killed") as worker:
        until(lambda: stack.hash(f"mam:job:{half}:running"), "a task is under way")
        worker.kill()
    asked(stack, "/transcode", keys["waiting"])
    asked(stack, "/plan", keys["waiting"])
    seek(stack, half, 0)
    assert stack.delete(f"http://{stack.transcoder.address}/jobs/{cancelled}").status_code == 200


def begun(stack: Stack, key: str, **options: Any) -> str:
    answer = stack.transcode(key, wait=False, **options)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job"])


def seek(stack: Stack, job: str, segment: int) -> None:
    answer = stack.post(f"/jobs/{job}/seek", {"segment": segment})
    assert answer.status_code in (200, 202), answer.text


def asked(stack: Stack, path: str, key: str) -> None:
    """Sends a request and does not wait for its answer: no worker serves its task now."""
    url, body = f"http://{stack.transcoder.address}{path}", {"asset_bucket": "myvideos", "asset_object": key}
    with suppress(requests.Timeout):
        stack.http.post(url, json=body, headers={"x-api-key": API_KEY}, timeout=SHORT_SECONDS)


def state_of(client: Any) -> dict[str, dict[str, Any]]:
    """{key: its type, the seconds after which it expires (-1: never), its value}. Bytes are written as Latin-1."""
    found: dict[str, dict[str, Any]] = {}
    for key in sorted(client.keys("*")):
        ttl, kind = client.ttl(key), client.type(key).decode()
        if ttl == -1 or ttl > HOUR:
            found[text(key)] = {"type": kind, "ttl": ttl, "value": value_of(client, key, kind)}
    return found


def value_of(client: Any, key: bytes, kind: str) -> Any:
    if kind == "string":
        return text(client.get(key))
    if kind == "hash":
        return {text(name): text(value) for name, value in client.hgetall(key).items()}
    if kind == "zset":
        return {text(member): score for member, score in client.zrange(key, 0, -1, withscores=True)}
    return [text(item) for item in (client.lrange(key, 0, -1) if kind == "list" else sorted(client.smembers(key)))]


def text(raw: Any) -> str:
    return str(raw.decode("latin-1"))


if __name__ == "__main__":
    main()
