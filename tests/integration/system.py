"""The system under test: both services as child processes, over a real Redis and a real S3 server."""

from __future__ import annotations

import http.client
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import m3u8
import redis
import requests
import requests.adapters
import urllib3
from minio import Minio
from minio.error import S3Error
from pydantic import SecretStr

from dev.servers import LOOPBACK, ROOT, S3Kind, Server, free_port, spawn, start_redis
from mam.hls import playlist
from mam.hls.plan import Plan
from mam.jobs.keys import ACTIVE
from mam.naming import STORYBOARD, commit_key, plan_key, revision_of
from mam.settings import Settings, StoreKeySettings
from mam.store import keys
from mam.store.objects import BROKEN_READS
from mam.stored import texts

BUCKET, OTHER_BUCKET, UNLISTED_BUCKET, VOD = "myvideos", "lectures", "private", "vod"
ACCESS_KEY, SECRET_KEY, API_KEY = "test-access", "test-secret-key", "test api key that is not a secret"
ROOT_KEY = ACCESS_KEY, SecretStr(SECRET_KEY)
UPLOAD_KEY = "test-upload", "test-upload-secret"
SMALL_RUNGS = {180: 3_000_000, 120: 2_000_000, 80: 500_000}  # {side: maxrate}; cheap to encode and to decode
READY_SECONDS = 60.0
STOP_SECONDS = 40.0
GRACE_SECONDS = 3
ANSWER_SECONDS = 150.0  # a killed worker's task is given to another after 30
POLL_SECONDS = 0.05
CLIENTS = 40

T = TypeVar("T")


def until(condition: Callable[[], T], what: str, *, seconds: float = 60.0) -> T:
    """Polls until `condition` gives something true, and returns that. Fails the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"Waited {seconds:.0f} s in vain until {what}.")
        time.sleep(POLL_SECONDS)
    return found


@dataclass(frozen=True, slots=True)
class S3:
    """A running S3 server and a client of it."""

    kind: S3Kind
    server: Server
    client: Minio

    @classmethod
    def of(cls, kind: S3Kind, server: Server) -> S3:
        return cls(kind, server, client_of(server.address))


def client_of(address: str) -> Minio:
    return Minio(address, ACCESS_KEY, SECRET_KEY, secure=False, region="us-east-1")


def configuration(s3_address: str, redis_port: int, *, db: int = 0, **more: str) -> dict[str, str]:
    """The services' settings, as environment variables."""
    return {
        "MINIO_ENDPOINT": s3_address,
        "MINIO_USR": ACCESS_KEY,
        "MINIO_PWD": SECRET_KEY,
        "MINIO_BUCKET_VOD": VOD,
        "MINIO_SOURCE_BUCKETS": f"{BUCKET},{OTHER_BUCKET}",
        "MINIO_UPLOAD_BUCKET": BUCKET,
        "MINIO_UPLOAD_USR": UPLOAD_KEY[0],
        "MINIO_UPLOAD_PWD": UPLOAD_KEY[1],
        "REDIS_HOST": LOOPBACK,
        "REDIS_PORT": str(redis_port),
        "REDIS_DB": str(db),
        "TRANSCODE_API_KEY": API_KEY,
        "VIEWER_CONVERSIONS_PER_HOUR": "0",  # all tests come from one address
        "VIEWER_PROFILES": "auto,source,h264,ladder",  # tests play what they like, without a key
        "EMBEDDED_WORKERS": "1",
        "SEGMENT_WAIT_SECONDS": "30",  # ffmpeg does not come back after a 503, as players do
        "LIBRARY_SECONDS": "5",  # what tests put into the store by themselves is found soon
        **more,
    }


def own(s3_address: str, redis_port: int, **more: str) -> dict[str, str]:
    """The same for a system with a Redis of its own, which needs a VoD bucket of its own: the unfinished work in it is
    what any system over it goes on with."""
    return {**configuration(s3_address, redis_port), "MINIO_BUCKET_VOD": f"{VOD}-{redis_port}", **more}


def ladder_file(folder: Path, rungs: Mapping[int, int] = SMALL_RUNGS) -> str:
    """A LADDER_FILE in a folder. `rungs`: {side: maxrate}."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "rungs.json"
    path.write_text(json.dumps([{"side": side, "maxrate": maxrate} for side, maxrate in rungs.items()]), "utf-8")
    return str(path)


def settings_of(env: dict[str, str]) -> Settings:
    return Settings.model_validate({name.lower(): value for name, value in env.items()})


@dataclass(slots=True)
class Stack:
    """Both services with everything they need. Not started until `start`."""

    s3: S3
    env: dict[str, str]
    folder: Path
    settings: Settings = field(init=False)
    redis: redis.Redis = field(init=False)
    http: requests.Session = field(init=False)
    transcoder: Server = field(init=False)
    vod: Server = field(init=False)

    def __post_init__(self) -> None:
        self.env = {**self.env, "TRANSCODE_API_URL": f"http://{LOOPBACK}:{free_port()}"}
        self.settings = settings_of(self.env)
        self.redis = redis.Redis(LOOPBACK, self.settings.redis_port, self.settings.redis_db, decode_responses=True)
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=CLIENTS))

    # life

    def start(self) -> None:
        for bucket in (BUCKET, OTHER_BUCKET, UNLISTED_BUCKET):
            if not self.s3.client.bucket_exists(bucket):
                self.s3.client.make_bucket(bucket)
        if self.s3.kind == "minio":
            # Root's key is MINIO_USR's in most tests.
            keys.make(self.settings, root=None if self.settings.minio_usr == ACCESS_KEY else ROOT_KEY)
        self.start_transcoder()
        self.start_vod()
        self.wait_until_ready()

    def start_transcoder(self) -> None:
        port = int(self.settings.transcode_api_url.rpartition(":")[2])
        self.transcoder = self._service("transcoder", "video_transcoding_main_server:app", port)

    def start_vod(self, *, workers: int = 1) -> None:
        self.vod = self._service("vod", "vod_main_server:app", free_port(), "--workers", str(workers))

    def _service(self, name: str, app: str, port: int, *options: str) -> Server:
        argv = [sys.executable, "-m", "uvicorn", app, "--host", LOOPBACK, "--port", str(port), *options]
        argv += ["--timeout-graceful-shutdown", str(GRACE_SECONDS)]  # as in deploy/: a test may leave a request open
        return self.spawn(name, argv, port=port)

    def spawn(self, name: str, argv: Sequence[str], *, port: int) -> Server:
        """Starts a process with the services' settings."""
        self.folder.mkdir(parents=True, exist_ok=True)
        # In a folder of its own: a .env in the checkout is not ours.
        argv = ["/bin/sh", "-c", 'cd "$0" && exec "$@"', str(self.folder), *argv]
        clean = {name: value for name, value in os.environ.items() if name.lower() not in StoreKeySettings.model_fields}
        env = {**clean, **self.env, "PYTHONPATH": str(ROOT)}
        log = self.folder / f"{name}-{time.time_ns()}.log"  # one for each start
        return spawn(name, argv, port=port, log=log, env=env)

    def wait_until_ready(self) -> None:
        self.wait_for(self.transcoder)
        self.wait_for(self.vod)

    def wait_for(self, service: Server) -> None:
        until(lambda: self._is_ready(service), f"{service.name} is ready", seconds=READY_SECONDS)

    def _is_ready(self, service: Server) -> bool:
        assert service.process.poll() is None, f"{service.name} has ended:\n{service.last_lines()}"
        try:
            return self.http.get(f"http://{service.address}/readyz", timeout=10).status_code == 200
        except requests.ConnectionError:
            return False

    def stop(self) -> None:
        self.http.close()
        self.redis.close()
        for service in (self.vod, self.transcoder):
            service.terminate()
        for service in (self.vod, self.transcoder):
            service.stop(STOP_SECONDS)

    @contextmanager
    def running(self) -> Iterator[Stack]:
        try:
            self.start()
            yield self
        finally:
            self.stop()

    # the store

    def put(self, key: str, data: bytes | Path, *, bucket: str = BUCKET) -> str:
        """Puts an asset; returns its key."""
        content = data.read_bytes() if isinstance(data, Path) else data
        self.s3.client.put_object(bucket, key, io.BytesIO(content), len(content))
        return key

    def put_listed(self, key: str, data: bytes | Path) -> str:
        """Puts an asset, and asks for it by its name: then it is in the library at once. Returns its key."""
        self.put(key, data)
        answer = self.get(f"http://{self.vod.address}/assets/{BUCKET}/{quote(key)}", headers={"x-api-key": API_KEY})
        assert answer.status_code == 200, answer.text
        return key

    def keys(self, prefix: str, *, bucket: str | None = None) -> set[str]:
        """The keys below a prefix, in the VoD bucket unless another is named."""
        found = self.s3.client.list_objects(bucket or self.settings.minio_bucket_vod, prefix, recursive=True)
        return {item.object_name for item in found if item.object_name}

    def stream_keys(self, prefix: str) -> set[str]:
        """The keys below a prefix in the VoD bucket but for pictures, which come when they come."""
        return {key for key in self.keys(prefix) if not key.endswith((".jpg", f"/{STORYBOARD}"))}

    def read(self, key: str, *, bucket: str | None = None) -> bytes:
        for _ in range(BROKEN_READS):
            with suppress(
                urllib3.exceptions.ProtocolError
            ):  # rclone ends the body when the object is replaced meanwhile
                return self._read(key, bucket)
        return self._read(key, bucket)

    def _read(self, key: str, bucket: str | None) -> bytes:
        response = self.s3.client.get_object(bucket or self.settings.minio_bucket_vod, key)
        try:
            return response.read()
        finally:
            response.close()
            response.release_conn()

    def contents(self, prefix: str) -> dict[str, bytes]:
        """The objects below a prefix in the VoD bucket, without those that are removed meanwhile."""
        found = {}
        for key in self.keys(prefix):
            try:
                found[key] = self.read(key)
            except S3Error as error:
                if error.code != "NoSuchKey":
                    raise
        return found

    def commit(self, video: str) -> m3u8.M3U8:
        """The video's index.m3u8 as it lies in the bucket."""
        return m3u8.loads(self.read(commit_key(video)).decode())

    def revision(self, video: str) -> str:
        """The live revision of a video, which is also its job's id."""
        found = next(playlist.entries(self.read(commit_key(video)).decode()))
        revision = revision_of(found.uri)
        assert revision
        return revision

    def plan(self, video: str) -> Plan:
        return Plan.from_json(self.read(plan_key(video)))

    def segments(self, video: str) -> list[bytes]:
        """The live segments, in order."""
        return [self.read(f"{video}/{segment.uri}") for segment in self.commit(video).segments]

    def making(self, video: str) -> dict[str, Any]:
        """{object key: moment at which it was last written} of the video's segments."""
        found = self.s3.client.list_objects(self.settings.minio_bucket_vod, f"{video}/", recursive=True)
        return {i.object_name: i.last_modified for i in found if i.object_name and i.object_name.endswith(".ts")}

    def hash(self, key: str) -> dict[str, str]:
        """A hash in Redis."""
        return {str(name): str(value) for name, value in self.redis.hgetall(key).items()}

    # the services

    def transcode(self, key: str, *, bucket: str = BUCKET, **more: Any) -> requests.Response:
        body = {"asset_bucket": bucket, "asset_object": key, **more}
        return self.post("/transcode", body)

    def post(self, path: str, body: Any, *, api_key: str | None = API_KEY) -> requests.Response:
        headers = {"x-api-key": api_key} if api_key is not None else {}
        url = f"http://{self.transcoder.address}{path}"
        return self.http.post(url, json=body, headers=headers, timeout=ANSWER_SECONDS)

    def cancel_all(self) -> None:
        """Cancels what is under way: nobody waits for it any more."""
        for job in texts(self.redis.zrange(ACTIVE, 0, -1)):
            self.delete(f"http://{self.transcoder.address}/jobs/{job}")

    def convert(self, key: str, *, bucket: str = BUCKET, **more: Any) -> str:
        """Has an asset converted, and returns its video's name once that is live."""
        answer = self.transcode(key, bucket=bucket, **more)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["video"])

    def job(self, job_id: str, *, api_key: str | None = API_KEY) -> requests.Response:
        headers = {"x-api-key": api_key} if api_key is not None else {}
        return self.http.get(f"http://{self.transcoder.address}/jobs/{job_id}", headers=headers, timeout=30)

    def video_url(self, name: str, **query: str) -> str:
        return self._playlist_url(f"/video/{quote(name)}", query)

    def stream_url(self, key: str, *, bucket: str = BUCKET, **query: str) -> str:
        return self._playlist_url(f"/stream/{bucket}/{quote(key)}", query)

    def _playlist_url(self, path: str, query: dict[str, str]) -> str:
        tail = f"?{urlencode(query)}" if query else ""
        return f"http://{self.vod.address}{path}/playlist.m3u8{tail}"

    def get(self, url: str, **options: Any) -> requests.Response:
        return self.http.get(url, timeout=ANSWER_SECONDS, **options)

    def delete(self, url: str, *, api_key: str | None = API_KEY) -> requests.Response:
        headers = {"x-api-key": api_key} if api_key is not None else {}
        return self.http.delete(url, headers=headers, timeout=30)

    def cache_url(self, name: str) -> str:
        return f"http://{self.vod.address}/cache/{quote(name)}"

    def playlist(self, url: str) -> m3u8.M3U8:
        """The playlist at `url`, which must be there."""
        answer = self.get(url)
        assert answer.status_code == 200, answer.text
        return m3u8.loads(answer.text, uri=url)


@contextmanager
def own_stack(s3: S3, folder: Path, **settings: str) -> Iterator[Stack]:
    """A running system with a Redis of its own: nobody else's work is in its way, and it may be broken."""
    with (
        start_redis(folder / "redis", persist=False) as server,
        Stack(s3, own(s3.server.address, server.port, **settings), folder / "services").running() as stack,
    ):
        yield stack


@contextmanager
def another_vod(stack: Stack, folder: Path, *, workers: int = 1, **settings: str) -> Iterator[Stack]:
    """Another VoD service over the same system, with settings of its own, as after a restart with them."""
    other = Stack(stack.s3, {**stack.env, **settings}, folder)
    other.env["TRANSCODE_API_URL"] = stack.env["TRANSCODE_API_URL"]
    other.start_vod(workers=workers)
    try:
        other.wait_for(other.vod)
        yield other
    finally:
        other.http.close()
        other.vod.stop()


def raw(server: Server, method: str, target: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """A request whose target is sent as it stands: HTTP clients tidy up dots and percent signs."""
    connection = http.client.HTTPConnection(LOOPBACK, server.port, timeout=ANSWER_SECONDS)
    try:
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


def fetch(url: str) -> tuple[int, bytes]:
    """Status and body of a signed URL, asked for exactly as it is written."""
    answer = urllib3.request("GET", url, retries=False, timeout=30)
    return answer.status, answer.data


def descendants(pid: int) -> dict[int, str]:
    """{pid: command line} of the children of a process, and their children."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True
    )
    rows = [line.split(None, 3) for line in listed.stdout.splitlines()]
    parents = {int(row[0]): int(row[1]) for row in rows}
    commands = {int(row[0]): row[3] if len(row) > 3 else "" for row in rows if not row[2].startswith("Z")}
    found: dict[int, str] = {}
    for child in commands:
        above = parents.get(child)
        while above and above != pid:
            above = parents.get(above)
        if above == pid:
            found[child] = commands[child]
    return found


@contextmanager
def stopped(*processes: int) -> Iterator[None]:
    """Inside, these processes stand still. One that ends meanwhile is no error."""
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        until(lambda: all(map(stands_still, processes)), "the processes stand still", seconds=10)
        yield
    finally:
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)


def stands_still(process: int) -> bool:
    """Whether all threads of a process have stopped, or have ended: each gets on until it sees the signal."""
    for thread in Path(f"/proc/{process}/task").glob("*/stat"):
        with suppress(OSError):
            if thread.read_text().rpartition(")")[2].split()[0] not in "TZX":
                return False
    return True


def parent_of(process: int) -> int | None:
    """The id of a process's parent; None when it is gone."""
    with suppress(OSError):
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    return None


def is_problem(answer: requests.Response, status: int, code: str) -> bool:
    """Whether the answer is a problem (RFC 9457) of that status and code, with everything a caller needs."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    body = answer.json()
    assert set(body) == {"type", "title", "status", "detail", "code", "hint", "request_id"}, body
    assert body["request_id"] == answer.headers["x-request-id"]
    assert (body["code"], body["status"], body["type"]) == (code, status, f"urn:mam:problem:{code}"), body
    assert body["title"] and body["detail"] and body["hint"], body
    return True


def said(answer: requests.Response) -> dict[str, Any]:
    """A problem without the id of the request that met it."""
    return {name: value for name, value in answer.json().items() if name != "request_id"}
