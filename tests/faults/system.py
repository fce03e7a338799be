"""A system to be broken: everything in it is its own, and a proxy sees what is written to the store."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import redis

from dev.servers import LOOPBACK, S3Kind, Server, start_redis, start_s3
from mam.jobs.queues import QUEUES
from mam.naming import commit_key, kind_key, plan_key, revision_commit_key, revision_plan_key
from mam.transcoding import embedded_workers
from tests.faults.proxy import Mood, StoreProxy
from tests.integration.system import ACCESS_KEY, S3, SECRET_KEY, Stack, client_of, descendants, own, parent_of, until
from tests.media import LONG, TALK, MediaFolder, complaints, frames

LEASE_SECONDS = 4  # so that what a killed worker held is another's soon; 30 by default
SLOTS = 1  # so that nobody else gets on while it lasts
IN_HAND = 4  # segments that a task may have written, and not told of, when it was killed
PUT_SECONDS = 0.15  # so that a remux takes long enough to be met at work
ON_THEIR_WAY = 2 * PUT_SECONDS  # what was written until then was in the proxy already
LIVE_SECONDS = 120.0
SETTINGS = {
    "TASK_LEASE_SECONDS": str(LEASE_SECONDS),
    "EMBEDDED_WORKERS": str(SLOTS),
    "SEGMENT_SECONDS": "1",
    "H264_PRESET": "medium",
    "ENCODER_THREADS": "1",
}
FAULTS = int(os.environ.get("MAM_FAULTS", "1"))  # of each kind, for each profile; `make test-faults` sets more
SOURCE = LONG if FAULTS > 1 else TALK
REPORT = os.environ.get("MAM_FAULTS_REPORT")  # a file that each fault adds a line to


@dataclass
class Fragile:
    """A running system, and the means to break it."""

    stack: Stack
    proxy: StoreProxy
    folder: Path
    kind: S3Kind
    redis: Server
    store: Server
    media: MediaFolder

    # what is broken

    def workers(self) -> dict[int, str]:
        """Celery's main processes, but for those that serve viewers alone."""
        below = self._below().items()
        return {pid: command for pid, command in below if parent_of(pid) == self._service and "anything" in command}

    def pool(self) -> dict[int, str]:
        """Their children, which run the chunks."""
        mains = self.workers()
        return {pid: command for pid, command in self._below().items() if parent_of(pid) in mains}

    def encoders(self) -> dict[int, str]:
        return {pid: command for pid, command in self._below().items() if "-filter_complex" in command}

    @property
    def _service(self) -> int:
        return self.stack.transcoder.process.pid

    def _below(self) -> dict[int, str]:
        return descendants(self._service)

    def kill_worker(self, chance: random.Random) -> None:
        _kill(chance.choice(sorted(self.workers())))

    def kill_child(self, chance: random.Random) -> None:
        _kill(chance.choice(sorted(self.pool())))

    def kill_encoder(self, chance: random.Random) -> None:
        _kill(chance.choice(sorted(until(self.encoders, "an ffmpeg runs"))))

    def kill_service(self, _: random.Random) -> None:
        self.stack.transcoder.kill()
        self.stack.transcoder.process.wait()
        self.stack.start_transcoder()

    def kill_redis(self, _: random.Random) -> None:
        self.redis.kill()
        self.redis.process.wait()
        self._start_redis()

    def kill_store(self, _: random.Random) -> None:
        self.store.kill()
        self.store.process.wait()
        self._start_store()

    def _start_redis(self) -> None:
        self.redis = start_redis(self.folder / "redis", port=self.redis.port, persist=True)

    def _start_store(self) -> None:
        self.store = _store(self.folder, self.kind, self.store.port)

    def wipe_redis(self) -> None:
        for database in (self.stack.settings.redis_db, self.stack.settings.broker_db):
            with redis.Redis(LOOPBACK, self.redis.port, database) as client:
                client.flushdb()

    def kill_everything(self) -> None:
        """As when the machine loses its power, and is started again."""
        victims = (self.stack.vod, self.stack.transcoder, self.redis, self.store)
        for server in victims:
            server.kill()
        for server in victims:
            server.process.wait()
        self._start_redis()
        self._start_store()
        self.stack.start_transcoder()
        self.stack.start_vod()
        self.stack.wait_until_ready()

    @contextmanager
    def another_worker(self) -> Iterator[None]:
        """As it is started on a machine of its own."""
        command = embedded_workers.command(",".join(QUEUES), SLOTS, "another")
        server = self.stack.spawn("another", command, port=0)
        try:
            yield
        finally:
            server.stop(40)

    # what is converted

    def begin(self, name: str, *, reencode: bool) -> Job:
        key = self.stack.put(f"{name}.mp4", self.media.path(SOURCE))
        answer = self.stack.transcode(key, reencode=reencode, wait=False)
        assert answer.status_code == 202, answer.text
        return Job(self, name, answer.json()["job"])


@dataclass
class Job:
    """A conversion under way. `faults`: what was broken, and when (time.monotonic())."""

    system: Fragile
    video: str
    id: str
    faults: list[tuple[str, float]] = field(default_factory=list)

    def made(self) -> int:
        """How many segments were written, each counted once."""
        return len(self.system.proxy.put_counts(f"{self.video}/{self.id}/"))

    @property
    def total(self) -> int:
        return len(self.system.stack.plan(self.video).timeline)

    def is_live(self) -> bool:
        with suppress(Exception):  # whoever is asked may be the one that was killed
            return commit_key(self.video) in self.system.stack.keys(f"{self.video}/")
        return False

    def await_made(self, count: int) -> None:
        until(lambda: self.made() >= count, f"{count} segments are made", seconds=LIVE_SECONDS)

    def fault(self, kind: str, inject: Callable[[], None]) -> None:
        """Breaks something, and waits until the conversion gets on."""
        self.faults.append((kind, time.monotonic()))
        inject()
        injected = time.monotonic()

        def is_on() -> bool:
            prefix = f"{self.video}/"
            puts = list(self.system.proxy.puts)
            return any(put.at > injected + ON_THEIR_WAY and put.key.startswith(prefix) for put in reversed(puts))

        until(lambda: is_on() or self.is_live(), f"the conversion gets on after {kind}", seconds=LIVE_SECONDS)

    def pauses(self) -> list[float]:
        """For each fault, the longest time in which nothing was written between it and the next one, or the end."""
        written = [put.at for put in list(self.system.proxy.puts) if put.key.startswith(f"{self.video}/")]
        moments = [moment for _, moment in self.faults] + [max(written)]
        pauses = []
        for begin, end in pairwise(moments):
            between = [begin, *(at for at in written if begin < at < end), max(begin, end)]
            pauses.append(max(after - before for before, after in pairwise(sorted(between))))
        return pauses

    def is_whole(self, *, faults: int) -> bool:
        """Live with every frame of its source once, nothing made again that need not be, nothing left behind."""
        system, stack = self.system, self.system.stack
        until(self.is_live, "it is live", seconds=LIVE_SECONDS)
        self._report()
        until(self._has_ended, "its job has ended", seconds=LIVE_SECONDS)
        assert stack.revision(self.video) == self.id
        shown = sorted(frame.pts for data in stack.segments(self.video) for frame in frames(data, "video"))
        assert len(shown) == len(set(shown)) == len(frames(system.media.path(SOURCE), "video"))
        assert complaints(stack.video_url(self.video)) == ""

        counts = system.proxy.put_counts(f"{self.video}/{self.id}/")
        assert len(counts) == self.total
        again = sum(count - 1 for count in counts.values())
        assert again <= faults * SLOTS * IN_HAND, f"{again} segments were made again after {faults} faults"

        plan = stack.plan(self.video)
        expected = {
            commit_key(self.video), plan_key(self.video), revision_plan_key(self.video, self.id),
            revision_commit_key(self.video, self.id), *(kind_key(self.video, kind) for kind in plan.kinds), *counts,
        }  # fmt: skip
        until(lambda: stack.stream_keys(f"{self.video}/") == expected, "nothing else lies there")
        assert plan.revision == self.id
        until(lambda: not stack.keys(".unfinished/"), "no order is left")
        until(lambda: not system.encoders(), "no ffmpeg is left")
        assert not {path for path in system.folder.joinpath("tmp").rglob("*") if path.is_file() and not _is_lock(path)}
        return True

    def _report(self) -> None:
        if REPORT:
            with Path(REPORT).open("a") as report:
                for (kind, _), pause in zip(self.faults, self.pauses(), strict=True):
                    report.write(json.dumps({"fault": kind, "pause": round(pause, 3)}) + "\n")

    def _has_ended(self) -> bool:
        with suppress(Exception):
            return bool(self.system.stack.job(self.id).json()["state"] == "succeeded")
        return False


@contextmanager
def fragile(folder: Path, kind: S3Kind, media: MediaFolder, **settings: str) -> Iterator[Fragile]:
    with ExitStack() as children:
        redis_server = start_redis(folder / "redis", persist=True)
        children.callback(redis_server.stop)
        store = _store(folder, kind, None)
        children.callback(store.stop)
        proxy = children.enter_context(StoreProxy(store.address, mood=Mood(put_seconds=PUT_SECONDS)).running())
        tmp = folder / "tmp"
        tmp.mkdir()
        more = {**SETTINGS, "MINIO_PUBLIC_ENDPOINT": store.address, **settings}
        env = own(proxy.address, redis_server.port, **more)
        s3 = S3(kind, store, client_of(store.address))
        stack = Stack(s3, {**env, "TMPDIR": str(tmp)}, folder / "services")
        children.enter_context(stack.running())
        system = Fragile(stack, proxy, folder, kind, redis_server, store, media)
        children.callback(lambda: (system.redis.stop(), system.store.stop()))
        yield system


def _store(folder: Path, kind: S3Kind, port: int | None) -> Server:
    return start_s3(folder / "s3", port=port, access_key=ACCESS_KEY, secret_key=SECRET_KEY, kind=kind)


def _is_lock(path: Path) -> bool:
    return path.name.startswith("mam-") and ".lock" in path.name and not path.stat().st_size


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
