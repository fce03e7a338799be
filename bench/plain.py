"""What the product is held against: the plain way to convert a film, one ffmpeg alone, and the store by itself."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from threading import local
from urllib.parse import urlsplit

from bench import SCRATCH, media
from bench.stack import FILMS, BenchError, Stack
from dev.sample import client_for

THREADS = 8
SEGMENT_SECONDS = 6  # as the product's default
PREFIX = "plain/"  # of keys in the VoD bucket
ENCODE = [
    *("-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-profile:v", "high", "-pix_fmt", "yuv420p"),
    *("-c:a", "copy"),
]
PRIORITY = ["nice", "-n", "10"]  # as the product runs what no viewer waits for: others take from both alike
TRACKS = ["-map", "0:v:0", "-map", "0:a:0"]


def pipeline(stack: Stack, key: str) -> float:
    """Seconds of the plain pipeline: download, `ffmpeg -c copy -f hls`, upload one by one. The files go afterwards."""
    client, bucket = client_for(stack.settings), stack.settings.minio_bucket_vod
    with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
        source, made = Path(folder) / "source.mp4", Path(folder) / "hls"
        made.mkdir()
        begun = time.perf_counter()
        client.fget_object(FILMS, key, str(source))
        run([*_ffmpeg(), "-i", str(source), *TRACKS, "-c", "copy", *hls(made)])
        for path in sorted(made.iterdir(), key=lambda path: path.suffix == ".m3u8"):
            client.fput_object(bucket, PREFIX + path.name, str(path))
        seconds = time.perf_counter() - begun
    stack.remove(bucket, PREFIX)
    return seconds


def encode(source: Path) -> float:
    """Seconds of one `ffmpeg` on the local file, with all its threads and the product's settings, to local disk."""
    with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
        return run([*PRIORITY, *_ffmpeg(), "-i", str(source), *TRACKS, *ENCODE, *hls(Path(folder))])


def encode_part(source: Path, *, start: float, end: float, options: Sequence[str] = ()) -> float:
    """Seconds of one `ffmpeg` for the frames from `start` to `end` (seconds) alone, as one TS file.

    `options`: more of its options for the output.
    """
    with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
        seek = ["-ss", f"{start:.3f}", "-t", f"{end - start:.3f}", "-i", str(source), *TRACKS]
        return run([*_ffmpeg(), *seek, *ENCODE, *options, "-f", "mpegts", str(Path(folder) / "part.ts")])


def _ffmpeg() -> list[str]:
    return [media.ffmpeg(), "-v", "error", "-nostdin", "-y"]


def hls(folder: Path) -> list[str]:
    """The options that make HLS in `folder`."""
    names = ["-hls_segment_filename", str(folder / "%05d.ts"), str(folder / "index.m3u8")]
    return ["-f", "hls", "-hls_time", str(SEGMENT_SECONDS), "-hls_playlist_type", "vod", *names]


def run(argv: list[str]) -> float:
    """Seconds that a program takes. Raises BenchError with what it said when it fails."""
    begun = time.perf_counter()
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    seconds = time.perf_counter() - begun
    if done.returncode:
        raise BenchError(f"{Path(argv[0]).name} ended with {done.returncode}: {done.stderr.decode()[-300:]}")
    return seconds


class StoreAlone:
    """The store read and written as fast as it goes: eight kept-alive connections and nothing else to do.

    Requests are presigned before the clock starts, and bodies are neither hashed nor copied: not the SDK's pace, but
    the store's.
    """

    def __init__(self, stack: Stack, key: str, pieces: int) -> None:
        self._stack = stack
        self._size = stack.minio.stat_object(FILMS, key).size or 0
        self._pieces = pieces
        self._source = stack.minio.presigned_get_object(FILMS, key, timedelta(hours=1))
        self._threads = local()

    def read(self) -> float:
        """Seconds to read the whole object once, by ranges of a segment's size."""
        step = -(-self._size // self._pieces)

        def one(start: int) -> None:
            stop = min(start + step, self._size)
            body = self._ask("GET", self._source, headers={"Range": f"bytes={start}-{stop - 1}"})
            if body != stop - start:
                raise BenchError(f"A range of {stop - start} bytes came with {body}.")

        return self._timed(one, range(0, self._size, step))

    def put(self) -> float:
        """Seconds to put as many bytes as the object has, as objects of a segment's size. They go afterwards."""
        bucket = self._stack.settings.minio_bucket_vod
        body = os.urandom(-(-self._size // self._pieces))
        urls = [
            self._stack.minio.presigned_put_object(bucket, f"{PREFIX}{number:05d}.ts", timedelta(hours=1))
            for number in range(self._pieces)
        ]
        seconds = self._timed(lambda url: self._ask("PUT", url, body=body), urls)
        self._stack.remove(bucket, PREFIX)
        return seconds

    def _timed(self, one: Callable[..., object], items: Iterable[object]) -> float:
        with ThreadPoolExecutor(THREADS) as pool:
            begun = time.perf_counter()
            for _ in pool.map(one, items):
                pass
            return time.perf_counter() - begun

    def _ask(self, method: str, url: str, *, body: bytes | None = None, headers: dict[str, str] | None = None) -> int:
        """One request on this thread's connection; returns the length of the answer's body."""
        parts = urlsplit(url)
        if not hasattr(self._threads, "connection"):
            self._threads.connection = HTTPConnection(parts.netloc, timeout=60)
        connection: HTTPConnection = self._threads.connection
        connection.request(method, f"{parts.path}?{parts.query}", body=body, headers=headers or {})
        answer = connection.getresponse()
        data = answer.read()
        if answer.status not in (200, 206):
            raise BenchError(f"The store answered {answer.status} to a {method}: {data[:200]!r}")
        return len(data)
