"""Whatever lies in Redis or is said there: no loop ends because of it, and without it all is well again at once."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis
import requests
from redis.client import Pipeline

from dev.servers import LOOPBACK, ROOT, Server
from mam.credentials.api_keys import KeyRecord, digest_of, written
from mam.credentials.scopes import Scope
from mam.jobs.presence import BEAT_SECONDS
from mam.jobs.progress import Progress
from mam.jobs.queues import LISTS, UNACKNOWLEDGED
from mam.jobs.state import Jobs
from tests.integration.steering import call
from tests.integration.system import API_KEY, BUCKET, S3, Stack, own_stack, until
from tests.integration.uploading import Client
from tests.media import CLIP, MediaFolder

POLL_SECONDS = 0.1
# After the garbage is gone. The beats that are put back are old: their workers are silent until their next.
WELL_SECONDS = BEAT_SECONDS + 5.0
LOOKED_AT_SECONDS = 6.0  # while it lies there: every loop looks at least once, the reaper every other time
PATIENCE = 20.0  # of whoever asks meanwhile: any answer will do, none will not
ANOTHER_TYPE = b"another type"
GARBAGE = {
    "another type": ANOTHER_TYPE,
    "not UTF-8": b"\xff\xfe\x80\n\xff\n\x1f\x8b",
    "not JSON": b"not JSON {",
    "another shape": b'[{"job": 1, "event": [], "id": {}}]',
    "fields are missing": b"{}",
    "huge": b"9" * 400,
    "infinite": b"1e999",
}
UNFINISHED = "0123456789ab"
COUNTED_KEY = "a key of the tests whose requests are counted"
# Locks: spoiled, they would keep loops from looking.
RARELY = {"mam:reaper", "mam:library:lister", "mam:library:looker", "mam:uploads:sweeper"}


@dataclass
class Used:
    """A system of which everything was used once. `keys`: all keys that it ever touched, by database."""

    stack: Stack
    video: str
    session: requests.Session
    counted: str = ""  # the token of a viewer whose devices are counted
    keys: dict[int, set[bytes]] = field(default_factory=dict)

    def client(self, db: int) -> redis.Redis:
        return redis.Redis(LOOPBACK, self.stack.settings.redis_port, db)

    @property
    def databases(self) -> tuple[int, int]:
        return self.stack.settings.redis_db, self.stack.settings.broker_db

    @property
    def services(self) -> tuple[Server, Server]:
        return self.stack.transcoder, self.stack.vod

    def channels(self) -> set[bytes]:
        """Where somebody listens; for a pattern, a channel that fits."""
        listed: Any = self.client(0).pubsub_channels()
        return {*listed, f"mam:job:{UNFINISHED}@{self.databases[0]}".encode()}

    def listeners(self) -> dict[bytes, int]:
        client: Any = self.client(0)
        return {**dict(client.pubsub_numsub(*self.channels())), b"patterns": client.pubsub_numpat()}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Notes every key that is touched."""
        client = self.client(0)
        client.config_set("notify-keyspace-events", "KEA")
        with client.pubsub(ignore_subscribe_messages=True) as subscription:  # type: ignore[no-untyped-call]

            def touched(message: dict[str, Any]) -> None:
                place, _, key = message["channel"].partition(b"__:")
                self.keys.setdefault(int(place.rpartition(b"@")[2]), set()).add(key)

            subscription.psubscribe(**{"__keyspace@*__:*": touched})
            thread = subscription.run_in_thread(sleep_time=0.05)
            try:
                yield
            finally:
                thread.stop()
                thread.join()
                client.config_set("notify-keyspace-events", "")

    # garbage

    @contextmanager
    def garbage(self, turn: int) -> Iterator[None]:
        """Garbage in every key, another kind in each turn, and in every channel."""
        kinds = list(GARBAGE.values())
        kept: list[tuple[redis.Redis, bytes, Any, int]] = []
        for db in self.databases:
            client = self.client(db)
            for at, key in enumerate(sorted(self.keys[db])):
                kept.append((client, key, client.dump(key), max(int(client.pttl(key)), 0)))
                spoil(client, key, kinds[(at + turn) % len(kinds)])
        for channel in self.channels():
            for each in kinds:
                self.client(0).publish(channel.decode(), each)
        try:
            yield
        finally:
            for client, key, content, left in kept:
                if content is None:
                    client.delete(key)
                else:  # in one command: the program may write the key at any time
                    client.restore(key, left, content, replace=True)

    def ask_everything(self) -> None:
        """Any answer will do, in time."""
        for path in ("/healthz", "/readyz", "/fleet", "/jobs", f"/jobs/{UNFINISHED}", "/metrics"):
            self.answer(f"http://{self.stack.transcoder.address}{path}")
        for path in ("/healthz", "/readyz", "/assets", "/uploads", "/session", "/metrics", "/audit", "/shares"):
            self.answer(f"http://{self.stack.vod.address}{path}")
        self.answer(self.stack.video_url(self.video))
        self.answer(self.stack.stream_url(f"{self.video}.mp4"))
        self.answer(self.stack.video_url(self.video).replace("/video/", f"/p/{self.counted}/video/"))

    def answer(self, url: str) -> requests.Response:
        return self.session.get(url, timeout=PATIENCE, headers={"x-api-key": API_KEY})

    # that all is well

    def becomes_well(self, before: dict[bytes, int]) -> None:
        deadline = time.monotonic() + WELL_SECONDS
        while (wrong := self.not_well(before)) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        assert wrong == []

    def not_well(self, before: dict[bytes, int]) -> list[str]:
        """What is not as it was before the garbage, in words."""
        listeners = self.listeners()
        missing = [channel.decode() for channel, count in before.items() if listeners.get(channel, 0) < count]
        asked = {
            **{each.name: self.answer(f"http://{each.address}/readyz") for each in self.services},
            "fleet": self.answer(f"http://{self.stack.transcoder.address}/fleet"),
            "video": self.answer(self.stack.video_url(self.video)),
        }
        refused = [f"{name}: {answer.text}" for name, answer in asked.items() if answer.status_code != 200]
        workers = asked["fleet"].json().get("workers", [])
        return [
            *(f"nobody listens to {channel}" for channel in missing),
            *refused,
            *([f"{len(workers)} workers"] if len(workers) != 2 else []),
        ]

    def failures(self) -> dict[str, str]:
        """What the services say of the loops that failed lately."""
        return {
            service.name: self.answer(f"http://{service.address}/readyz").json()["checks"]["tasks"]
            for service in self.services
        }


def spoil(client: redis.Redis, key: bytes, garbage: bytes) -> None:
    """Replaces what there is by garbage: of the same type, or of another."""
    if key.decode() not in RARELY:
        # As one transaction, repeated where the program wrote the key meanwhile.
        client.transaction(lambda pipe: _spoil(pipe, key, garbage), key)


def _spoil(pipe: Pipeline, key: bytes, garbage: bytes) -> None:
    kind: Any = pipe.type(key)  # what is asked before `multi` is answered at once
    names: Any = pipe.hkeys(key) if kind == b"hash" else []
    length: Any = pipe.llen(key) if kind == b"list" else 0
    pipe.multi()
    if garbage == ANOTHER_TYPE:
        pipe.delete(key)
        if kind == b"string":
            pipe.rpush(key, garbage)
        else:
            pipe.set(key, garbage)
    elif kind == b"hash":
        pipe.hset(key, mapping=dict.fromkeys([*names, garbage], garbage))
    elif kind == b"list":
        for at in range(length):
            pipe.lset(key, at, garbage)  # type: ignore[arg-type]
        pipe.lpush(key, garbage)
    elif kind == b"zset":
        pipe.zadd(key, {garbage: 0, garbage + b" too": 1e300})
    elif kind == b"set":
        pipe.sadd(key, garbage)
    elif key.decode() in LISTS:
        pipe.lpush(key, garbage)
    elif key.decode() == UNACKNOWLEDGED:
        pipe.hset(key, "tag", garbage)
    else:
        pipe.set(key, garbage)


@pytest.fixture(scope="module")
def used(one_s3: S3, tmp_path_factory: pytest.TempPathFactory, media: MediaFolder) -> Iterator[Used]:
    more = {"WEBHOOK_SECRET": "known to the receiver", "WEBHOOK_ALLOW_PRIVATE": "true", "UPLOAD_HOURS": "0.2"}
    more |= {"VIEWER_CONVERSIONS_PER_HOUR": "1000"}
    folder = tmp_path_factory.mktemp("garbage")
    file = folder / "keys.json"
    record = KeyRecord(id="counted", sha256=digest_of(COUNTED_KEY), scopes=[Scope.READ], rate=10_000)
    file.write_text(written([record]))
    with own_stack(one_s3, folder, API_KEYS_FILE=str(file), **more) as stack:
        session = requests.Session()
        session.trust_env = False
        found = Used(stack, "garbage/a", session)
        with found.watched():
            use(found, media)
            time.sleep(8)  # what beats, beats: presence, leases, the look at the library
        yield found


def use(used: Used, media: MediaFolder) -> None:
    """Everything that leaves something in Redis."""
    stack = used.stack
    key = stack.put(f"{used.video}.mp4", media.path(CLIP))
    answer = call(
        stack, "POST", "/transcode", headers={"Idempotency-Key": "once"},
        json={"asset_bucket": BUCKET, "asset_object": key, "callback_url": "http://127.0.0.1:9/never"},
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    assert call(stack, "POST", "/plan", json={"asset_bucket": BUCKET, "asset_object": key}).status_code == 200
    cold = stack.playlist(stack.stream_url(stack.put("garbage/cold.mp4", media.path(CLIP))))
    assert stack.get(cold.segments[-1].absolute_uri).status_code in (200, 404)
    assert used.answer(stack.video_url(used.video)).status_code == 200
    assert stack.delete(stack.cache_url("garbage/cold")).status_code == 200
    until(lambda: used.answer(f"http://{stack.vod.address}/assets").json()["assets"] is not None, "it is listed")
    sign_in = {"api_key": API_KEY}
    entered = used.session.post(
        f"http://{stack.vod.address}/session", json=sign_in, headers={"x-mam-request": "1"}, timeout=PATIENCE
    )
    assert entered.status_code == 200, entered.text
    denial = {"claim": "vid", "value": "nobody"}
    denied = used.session.post(
        f"http://{stack.vod.address}/playback/denials", json=denial, headers={"x-api-key": API_KEY}
    )
    assert denied.status_code == 201, denied.text
    for api_key, status in (("a wrong key", 403), (COUNTED_KEY, 200)):
        # From another address: this one is trusted. uvicorn believes the header, since it comes from this machine.
        headers = {"x-api-key": api_key, "x-forwarded-for": "203.0.113.1"}
        asked = requests.get(f"http://{stack.transcoder.address}/jobs", headers=headers, timeout=PATIENCE)
        assert asked.status_code == status, asked.text
    linked = used.session.post(
        f"http://{stack.vod.address}/shares", json={"sub": f"{BUCKET}/{key}"}, headers={"x-api-key": API_KEY}
    )
    assert linked.status_code == 201, linked.text
    token = linked.json()["path"].rpartition("/")[2]
    shared = f"http://{stack.vod.address}/p/{token}/stream/{BUCKET}/{key}/playlist.m3u8"
    assert used.session.get(shared, timeout=PATIENCE).status_code == 200
    limited = {"sub": f"{BUCKET}/garbage/", "vid": "somebody", "max": 1}
    issued = used.session.post(
        f"http://{stack.vod.address}/playback/tokens", json=limited, headers={"x-api-key": API_KEY}
    )
    used.counted = issued.json()["token"]
    used.ask_everything()
    upload = Client(f"http://{stack.vod.address}", API_KEY)
    upload.begin("begun.mp4", 1000, folder="garbage")
    with suppress(AssertionError):  # where the store has no key for uploads
        upload.upload(media.path(CLIP), folder="garbage")
    client = redis.Redis(LOOPBACK, stack.settings.redis_port, stack.settings.redis_db)
    jobs, progress = Jobs(client), Progress(client)
    asset = {"video": "garbage/never", "bucket": BUCKET, "key": "garbage/never.mp4"}
    _, epoch = jobs.claim(UNFINISHED, asset, viewer=True)
    progress.divide(UNFINISHED, epoch, range(4))
    progress.next_chunks(UNFINISHED, epoch, "plan", 2)
    progress.attempt(UNFINISHED, epoch, "make:1", "host:1", parent="worker@host")
    progress.attempt_picture(UNFINISHED, epoch, "poster", "host:1")
    jobs.claim_name("garbage/never", "myvideos/garbage/never.mp4")
    client.hset("mam:overtaken", "batch", 1)
    client.set("mam:pictures:" + UNFINISHED, "1", ex=3600)
    client.sadd("mam:library:listing:0:0", "0")
    client.delete("mam:library:listing:0:0")


def test_every_kind_of_key_that_the_program_has_is_spoiled(used: Used) -> None:
    named = {
        name
        for path in [*(ROOT / "mam").rglob("*.py"), ROOT / "redis_adapter.py"]
        for name in re.findall(r'"(mam:[a-z:-]+)"', path.read_text("utf-8"))
    }
    touched = {key.decode(errors="replace") for key in used.keys[used.databases[0]]}
    channels = {channel.decode(errors="replace") for channel in used.channels()}
    missed = {name for name in named if not any(each.startswith(name) for each in touched | channels)}
    assert len(named) > 30
    assert missed == set()


@pytest.mark.parametrize("turn", range(len(GARBAGE)))
@pytest.mark.timeout(300)
def test_with_garbage_in_every_key_and_channel_no_loop_ends_and_without_it_all_is_well(
    used: Used, media: MediaFolder, turn: int
) -> None:
    before, over = used.listeners(), threading.Event()
    address = used.stack.transcoder.address

    def listen() -> None:  # so that the feed has somebody to read for
        with (
            suppress(requests.RequestException),
            requests.get(
                f"http://{address}/events", headers={"x-api-key": API_KEY}, stream=True, timeout=PATIENCE
            ) as stream,
        ):
            for _ in stream.iter_content(1 << 16):
                if over.is_set():
                    return

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        with used.garbage(turn):
            used.ask_everything()
            time.sleep(LOOKED_AT_SECONDS)
            used.ask_everything()
        used.becomes_well(before)
        assert set(used.failures().values()) == {"ok"}  # no loop even had to be begun again
        assert "worker ended" not in used.stack.transcoder.log.read_text()
        key = used.stack.put(f"garbage/{turn}.mp4", media.path(CLIP))
        assert used.stack.convert(key) == f"garbage/{turn}"
        assert used.answer(used.stack.stream_url(key)).status_code == 200
        assert used.answer(f"http://{used.stack.vod.address}/session").json()["signed_in"] is True
    finally:
        over.set()
        listener.join(PATIENCE)
