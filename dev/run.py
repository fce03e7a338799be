"""Runs the whole system on this machine until Ctrl-C: `make run`, or `python -m dev.run`."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import requests
from dotenv import dotenv_values

from dev import sample, servers, steps
from dev.servers import LOOPBACK, Server, ServerError, start_redis, start_s3
from mam.settings import Settings
from mam.store import keys as store_keys

ROOT = servers.ROOT
DATA = ROOT / ".data"
LOGS = DATA / "logs"
READY_SECONDS = 60.0
STOP_SECONDS = 40.0  # the transcoding service gives its workers 20 to finish what they are at
CELERY = (b"worker: ",)  # what Celery says of its own shutdown to a terminal that it does not have
FAILED, MISCONFIGURED = 1, 2  # exit statuses

HELP = """\
Settings, from the environment (`VOD_PORT=8080 make run`) or .env in this folder:
  TRANSCODER_PORT    port of the transcoding service (8001)
  VOD_PORT           port of the VoD service (8002)
  S3_PORT            port of the S3 server that this starts (9000)
  REDIS_PORT         port of the Redis that this starts (6379)
  MINIO_ENDPOINT     set: that store is used, with MINIO_USR and MINIO_PWD, and none is started
  REDIS_HOST         set: that Redis is used, and none is started
  TRANSCODE_API_KEY  the API key; otherwise one is made up once and kept in .data/
All other settings of the services (.env.example) reach them too. Everything listens on 127.0.0.1.

Data is kept in .data/; `make clean` removes it.
"""


class MisconfiguredError(Exception):
    """Nothing was started; the text says what to change."""


class ChildDiedError(Exception):
    """A part of the system ended by itself."""

    def __init__(self, server: Server) -> None:
        status = f"exit status {server.process.returncode}"
        super().__init__(f"{server.name} has ended by itself ({status}). Its last lines:\n{server.last_lines()}")


class Stopped(BaseException):
    """Ctrl-C, SIGTERM or a closed terminal. Not an Exception: it passes every `except Exception` on its way out."""


@dataclass(frozen=True)
class Ports:
    """Where everything listens; None: somebody else's server is used."""

    transcoder: int
    vod: int
    s3: int | None
    redis: int | None

    @classmethod
    def of(cls, env: dict[str, str]) -> Ports:
        return cls(
            transcoder=_port(env, "TRANSCODER_PORT", 8001),
            vod=_port(env, "VOD_PORT", 8002),
            s3=None if "MINIO_ENDPOINT" in env else _port(env, "S3_PORT", 9000),
            redis=None if "REDIS_HOST" in env else _port(env, "REDIS_PORT", 6379),
        )

    def require_free(self) -> None:
        """All of them before anything starts. Raises MisconfiguredError."""
        wanted = {
            "TRANSCODER_PORT": self.transcoder,
            "VOD_PORT": self.vod,
            "S3_PORT": self.s3,
            "REDIS_PORT": self.redis,
        }
        taken: dict[int, str] = {}
        for setting, port in wanted.items():
            if port is None:
                continue
            if port in taken:
                raise MisconfiguredError(f"{taken[port]} and {setting} are both {port}: give each a port of its own.")
            taken[port] = setting
            try:
                servers.require_free_port(port, setting=setting)
            except servers.PortBusyError as error:
                raise MisconfiguredError(str(error)) from error


@dataclass
class System:
    """The child processes, in the order of their start."""

    children: list[Server] = field(default_factory=list)
    services: list[Server] = field(default_factory=list)  # those of them whose log appears on the terminal
    stopping: bool = False

    def add(self, server: Server) -> Server:
        self.children.append(server)
        return server

    def add_service(self, name: str, app: str, *, port: int) -> Server:
        argv = [sys.executable, "-m", "uvicorn", app, "--host", LOOPBACK, "--port", str(port)]
        argv += ["--timeout-graceful-shutdown", "5"]  # who waits for a conversion must not keep it from stopping
        # Not a pipe to here: were this killed, the service would stumble over it while it stops its workers.
        service = self.add(servers.spawn(name, argv, port=port, log=LOGS / f"{name}.log"))
        self.services.append(service)
        return service

    def check(self) -> None:
        """Raises ChildDiedError for the first one that is no more."""
        for server in self.children:
            if server.process.poll() is not None:
                raise ChildDiedError(server)

    def stop(self) -> None:
        """The services together, then the servers they still need while they stop."""
        self.stopping = True
        if self.children:
            say("stopping … (Ctrl-C kills)")
        for group in (self.services, [child for child in self.children if child not in self.services]):
            for child in group:
                child.terminate()
            deadline = time.monotonic() + STOP_SECONDS
            for child in group:
                child.stop(max(0.0, deadline - time.monotonic()))

    def kill(self) -> None:
        for child in self.children:
            child.kill()

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Shows what the services log, each line behind its service's name, until the last has been shown."""
        finished = threading.Event()
        thread = threading.Thread(target=self._show, args=(finished,))
        thread.start()
        try:
            yield
        finally:
            finished.set()
            thread.join()

    def _show(self, finished: threading.Event) -> None:
        shown: dict[str, int] = {}  # bytes, by service
        while True:
            last_round = finished.wait(0.05)
            for service in tuple(self.services):
                shown[service.name] = _show_lines(service, shown.get(service.name, 0))
            if last_round:
                return


def _show_lines(service: Server, start: int) -> int:
    """Shows the whole lines of its log from byte `start` on; returns where the next one will begin."""
    with service.log.open("rb") as log:
        log.seek(start)
        whole = log.read().rpartition(b"\n")[0]
    for line in whole.splitlines():
        if line and not line.startswith(CELERY):
            say(line.decode(errors="replace"), name=service.name)
    return start + len(whole) + (1 if whole else 0)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        "make run", description=__doc__, epilog=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args(argv)
    system = System()
    stop_on_signals(system)
    with system.shown():
        status, reason = live(system)
    say(reason)
    return status


def live(system: System) -> tuple[int, str]:
    """From the start to the end; returns the exit status and why it ended."""
    try:
        with the_only_one():
            try:
                start(system, given_environment())
                while True:
                    system.check()
                    time.sleep(0.2)
            finally:
                system.stop()
    except Stopped:
        return 0, "stopped"
    except MisconfiguredError as error:
        return MISCONFIGURED, str(error)
    except (ChildDiedError, ServerError) as error:
        return FAILED, str(error)


def given_environment() -> dict[str, str]:
    """What the user set: the environment over .env, as in Settings; an empty value is none.

    Without root's key: neither the services nor the S3 server that this starts have a use for it.
    """
    given = {**dotenv_values(ROOT / ".env"), **os.environ}
    return {name: value for name, value in given.items() if value and not name.startswith("MINIO_ROOT_")}


def start(system: System, given: dict[str, str]) -> None:
    """Everything, in order; returns when both services say that they are ready."""
    ports = Ports.of(given)
    ports.require_free()
    kinds = servers.available_s3()
    store = "external" if ports.s3 is None else kinds[0] if kinds else "none"
    folder = DATA / store  # Redis remembers what is in the store: another store, another memory
    env = service_environment(given, ports)
    os.environ.update(env)  # for Settings, and for every child
    settings = Settings()

    if ports.redis is None:
        require_reachable("REDIS_HOST", settings.redis_host, settings.redis_port)
    else:
        system.add(start_redis(folder / "redis", port=ports.redis, persist=True, log=LOGS / "redis.log"))
    if ports.s3 is None:
        host, _, port = settings.minio_endpoint.partition(":")
        require_reachable("MINIO_ENDPOINT", host, int(port or (443 if settings.minio_secure else 80)))
    else:
        others = [key for key in (settings.play_key, settings.upload_key) if key and key != settings.store_key]
        system.add(
            start_s3(
                folder / "s3",
                port=ports.s3,
                access_key=settings.minio_usr,
                secret_key=settings.minio_pwd.get_secret_value(),
                more_keys=[(user, secret.get_secret_value()) for user, secret in others],
                log=LOGS / "s3.log",
            )
        )
        fill_store(settings)
        if store == "minio":
            store_keys.make(settings)

    services = [
        system.add_service("transcoder", "video_transcoding_main_server:app", port=ports.transcoder),
        system.add_service("vod", "vod_main_server:app", port=ports.vod),
    ]
    wait_until_ready(system, services, key=settings.api_keys()[0])
    say_what_to_try(settings, ports, store)


def service_environment(given: dict[str, str], ports: Ports) -> dict[str, str]:
    """What the services are told: what the user set, and where the servers are that this starts."""
    env = {
        "TRANSCODE_API_KEY": given.get("TRANSCODE_API_KEY") or kept_secret(DATA / "api-key"),
        "SERVICE_KEY": given.get("SERVICE_KEY") or kept_secret(DATA / "service-key"),
        "API_KEYS_FILE": str(DATA / "api-keys.json"),  # it need not exist: `python3 -m mam keys` writes it
        "TRANSCODE_API_URL": f"http://localhost:{ports.transcoder}",
        "MINIO_BUCKET_VOD": "vod",
        "PYTHONUNBUFFERED": "1",
        # Who tries this as root on their own machine, as in a container, need not be told with each start.
        "PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges",
    }
    if ports.s3 is not None:
        env |= {
            "MINIO_ENDPOINT": f"localhost:{ports.s3}",
            "MINIO_USR": "mam",
            "MINIO_PWD": given.get("MINIO_PWD") or kept_secret(DATA / "s3-secret"),
            "MINIO_PLAY_USR": "mam-play",
            "MINIO_PLAY_PWD": given.get("MINIO_PLAY_PWD") or kept_secret(DATA / "s3-play-secret"),
        }
        if sample.BUCKET in given.get("MINIO_SOURCE_BUCKETS", sample.BUCKET).split(","):
            env |= {
                "MINIO_UPLOAD_BUCKET": sample.BUCKET,
                "MINIO_UPLOAD_USR": "mam-upload",
                "MINIO_UPLOAD_PWD": given.get("MINIO_UPLOAD_PWD") or kept_secret(DATA / "s3-upload-secret"),
            }
    if ports.redis is not None:
        env |= {"REDIS_HOST": "localhost", "REDIS_PORT": str(ports.redis), "REDIS_DB": "0"}
    return {**env, **given}


def kept_secret(path: Path) -> str:
    """A random one, the same at each start."""
    if not path.exists() or not path.stat().st_size:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(24))
    return path.read_text().strip()


def require_reachable(setting: str, host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError as error:
        raise MisconfiguredError(
            f"Nothing answers at {host}:{port}, which {setting} names ({error}): start it, or unset {setting} "
            "(environment, .env) and one is started here."
        ) from error


def fill_store(settings: Settings) -> None:
    client = sample.client_for(settings)
    if not client.bucket_exists(settings.minio_bucket_vod):
        client.make_bucket(settings.minio_bucket_vod)
    if not (DATA / sample.OBJECT).exists():
        say("making a sample video, once (about 10 s) …")
    sample.put_sample(client, DATA)


def wait_until_ready(system: System, services: list[Server], *, key: str) -> None:
    """Polls /readyz. Raises ServerError with its last answer when that never becomes 200."""
    began = said = time.monotonic()
    deadline = began + READY_SECONDS
    with requests.Session() as session:
        session.trust_env = False  # no proxy between here and here
        session.headers["x-api-key"] = key  # with it, the answer says why
        for service in services:
            while (answer := readiness(session, service)) != "ready":
                system.check()
                if time.monotonic() > deadline:
                    raise ServerError(f"{service.name} was not ready in {READY_SECONDS:.0f} s: {answer}")
                if time.monotonic() - said > steps.SILENCE_SECONDS:
                    said = time.monotonic()
                    say(f"waiting until {service.name} is ready, {said - began:.0f} s")
                time.sleep(0.2)


def readiness(session: requests.Session, service: Server) -> str:
    try:
        answer = session.get(f"http://localhost:{service.port}/readyz", timeout=5)
    except requests.RequestException as error:
        return str(error)
    return "ready" if answer.status_code == 200 else f"{answer.status_code} {answer.text}"


def say_what_to_try(settings: Settings, ports: Ports, store: str) -> None:
    transcoder, vod = f"http://localhost:{ports.transcoder}", f"http://localhost:{ports.vod}"
    key = settings.api_keys()[0]
    bucket, name = (sample.BUCKET, "sample") if ports.s3 else ("BUCKET", "NAME")
    asset = f'{{"asset_bucket":"{bucket}","asset_object":"{name}.mp4","reencode":false}}'
    stream = f"{vod}/stream/{bucket}/{name}.mp4/playlist.m3u8"
    with_store = (
        f"{settings.minio_endpoint} ({store}; access key {settings.minio_usr}, secret key in .data/s3-secret)"
        if ports.s3
        else f"{settings.minio_endpoint} (yours: `python -m dev.sample` puts a sample video there)"
    )
    print(
        f"""
Running. Ctrl-C stops everything.

  Open       {vod}/      and sign in with {key}
  Watch      {vod}/watch/{bucket}/{name}.mp4

  Play       ffplay '{stream}'
             vlc '{stream}'
  Playlist   curl '{stream}'
             curl '{vod}/video/{name}/playlist.m3u8'
  Convert    curl {transcoder}/transcode -H 'x-api-key: {key}' \\
               -H 'content-type: application/json' -d '{asset}'
  Forget     curl -X DELETE '{vod}/cache/{name}' -H 'x-api-key: {key}'

  API        {transcoder}/docs
             {vod}/docs
  Store      {with_store}
  Redis      {settings.redis_host}:{settings.redis_port}
""",
        flush=True,
    )


def say(line: str, *, name: str = "run") -> None:
    """One line in one write, because several threads speak."""
    sys.stdout.write(f"{name:<10} | {line}\n")
    sys.stdout.flush()


def stop_on_signals(system: System) -> None:
    """The first signal raises Stopped in the main thread, wherever that is; one more kills the children."""

    def handle(number: int, frame: FrameType | None) -> None:
        if system.stopping:
            system.kill()
            return
        system.stopping = True
        raise Stopped

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # which nohup sees to
            signal.signal(number, handle)


@contextlib.contextmanager
def the_only_one() -> Iterator[None]:
    """Raises MisconfiguredError where this already runs: two Redis servers on one folder spoil it."""
    DATA.mkdir(exist_ok=True)
    with (DATA / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise MisconfiguredError("It runs already, in this folder: stop the other `make run` first.") from None
        yield


def _port(env: dict[str, str], setting: str, default: int) -> int:
    value = env.get(setting, str(default))
    if not (value.isdecimal() and 0 < int(value) < 65536):
        raise MisconfiguredError(f"{setting}={value} is no port: give a number from 1 to 65535.")
    return int(value)


if __name__ == "__main__":
    sys.exit(main())
