"""The one place that runs ffmpeg: packets in, packets out, sandboxed, and killed when it stalls."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import IO, cast

import imageio_ffmpeg

from mam.errors import DamagedMedia, EncoderFailed
from mam.processes import stand_back
from mam.sandbox import box
from mam.sandbox.box import Sandbox, sandbox

SAID_LINES = 40  # This many lines of stderr are kept.
TOO_MANY_ERRORS = 69  # ffmpeg's exit status when more than two thirds of the media was broken (-max_error_rate).
PASSING = ("Cannot allocate memory", "Resource temporarily unavailable")  # The machine caused these, not the media.

_running: set[Encoder] = set()  # The encoders of this process.


def interrupt() -> None:
    """Kills every ffmpeg of this process: readers see the end of the stream."""
    for encoder in list(_running):
        encoder.signal(signal.SIGKILL)


def pause() -> None:
    """Stops every ffmpeg of this process until `resume`."""
    for encoder in list(_running):
        encoder.signal(signal.SIGSTOP)


def resume() -> None:
    """Continues every ffmpeg of this process."""
    for encoder in list(_running):
        encoder.moved()
        encoder.signal(signal.SIGCONT)


@cache
def executable() -> str:
    """The ffmpeg binary that came with imageio-ffmpeg, or IMAGEIO_FFMPEG_EXE."""
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def weaknesses() -> list[str]:
    """The missing protections of ffmpeg on this machine. It also creates the sandbox for the first run."""
    try:
        sandbox(executable())
        return list(box.weaknesses(executable()))
    except (OSError, RuntimeError) as error:  # without ffmpeg copies still work
        return [str(error)]


class Stalled(EncoderFailed):
    code, title = "encoder_stalled", "ffmpeg stopped making progress"
    retryable = True


class Killed(EncoderFailed):
    """ffmpeg was ended from outside. Unlike its own errors, that may not happen again with the same packets."""

    code, title = "encoder_killed", "ffmpeg was killed, or ran out of memory"
    retryable = True


class Encoder:
    """A running ffmpeg that reads packets on its standard input and writes NUT on its standard output."""

    def __init__(self, argv: list[str], *, nice: int, stall_seconds: float, inside: Sandbox | None = None) -> None:
        """`inside`: another sandbox than the program's own. Raises OSError when the program does not exist."""
        inside = inside or sandbox(argv[0])
        self.argv = argv
        self.said: deque[str] = deque(maxlen=SAID_LINES)
        self._stall_seconds = stall_seconds
        self._moved = 0
        self._stalled = False
        self._ended = threading.Event()
        self._process = subprocess.Popen(
            inside.command(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=inside.environment,
            pass_fds=inside.passed,
        )
        stand_back(nice, self._process.pid)
        assert self._process.stdin and self._process.stdout and self._process.stderr
        self.stdin: IO[bytes] = self._process.stdin
        # Unbuffered: a buffered read waits for a full block, but each packet is needed as soon as it is written.
        self.stdout: IO[bytes] = self._process.stdout.raw  # type: ignore[attr-defined]
        self._threads = [
            threading.Thread(target=self._listen, args=(self._process.stderr,), name="ffmpeg-stderr", daemon=True),
            threading.Thread(target=self._watch, name="ffmpeg-watchdog", daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        _running.add(self)

    @property
    def command(self) -> str:
        """The command line for a shell."""
        return shlex.join(self.argv)

    def moved(self) -> None:
        """Tells the watchdog that packets were written or read."""
        self._moved += 1

    def stop(self) -> None:
        """Kills the process group; does nothing when it has ended. That is safe, since ffmpeg writes only to pipes.

        SIGTERM does not suffice: ffmpeg does not react to it while it waits for packets.
        """
        self.signal(signal.SIGKILL)
        self._process.wait()

    def wait(self) -> None:
        """Raises EncoderFailed with ffmpeg's last lines unless it succeeded; Stalled if the watchdog killed it."""
        status = self._process.wait()
        self._ended.set()
        for thread in self._threads:
            thread.join()
        if self._stalled:
            raise Stalled(f"No progress for {self._stall_seconds:.0f} s.")
        lines = "; ".join(self.said) or "it said nothing"
        if status == TOO_MANY_ERRORS:
            raise DamagedMedia(f"Most of the media cannot be decoded: {lines}")
        if status != 0:
            is_temporary = status < 0 or any(words in lines for words in PASSING)
            raise (Killed if is_temporary else EncoderFailed)(f"ffmpeg ended with status {status}: {lines}")

    def close(self) -> None:
        """Kills ffmpeg if it runs, and frees its resources."""
        _running.discard(self)
        self.stop()
        self._ended.set()
        for pipe in (self.stdin, self.stdout):
            with suppress(OSError):  # a broken pipe may still hold unwritten bytes
                pipe.close()
        for thread in self._threads:
            thread.join()

    def signal(self, number: int) -> None:
        """Sends a signal to the process group; does nothing when it has ended."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _listen(self, stderr: IO[bytes]) -> None:
        with stderr:
            for line in stderr:
                self.said.append(line.decode(errors="replace").strip()[:500])

    def _watch(self) -> None:
        seen = self._moved
        while not self._ended.wait(self._stall_seconds):
            if self._moved == seen:
                self._stalled = True
                self.signal(signal.SIGKILL)
                return
            seen = self._moved


class _Watched:
    """An encoder's standard input. A write counts as progress: ffmpeg may decode a lot before its first frame."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def write(self, data: bytes) -> int:
        written = self._encoder.stdin.write(data)
        self._encoder.moved()
        return written

    def flush(self) -> None:
        self._encoder.stdin.flush()

    def close(self) -> None:
        self._encoder.stdin.close()


@contextmanager
def run(
    argv: list[str],
    *,
    stall_seconds: float,
    feed: Callable[[IO[bytes]], None],
    nice: int = 0,
    inside: Sandbox | None = None,
) -> Iterator[Encoder]:
    """An encoder whose standard input `feed` fills from a thread of its own; an error of `feed` is raised here."""
    encoder = Encoder(argv, nice=nice, stall_seconds=stall_seconds, inside=inside)
    failed: list[BaseException] = []

    def fill() -> None:
        try:
            feed(cast(IO[bytes], _Watched(encoder)))
        except BrokenPipeError:
            pass  # ffmpeg has ended, and its own error says why
        except BaseException as error:  # noqa: BLE001 - raised again in the waiting thread
            failed.append(error)
        finally:
            with suppress(OSError):
                encoder.stdin.close()

    feeder = threading.Thread(target=fill, name="ffmpeg-feeder", daemon=True)
    feeder.start()
    try:
        yield encoder
        feeder.join()
        if failed:
            raise failed[0]
        encoder.wait()
    except Exception:
        cause = failed[:1]  # taken before closing the pipe, which causes further errors
        encoder.close()
        feeder.join()
        if cause:
            raise cause[0] from None
        raise
    finally:
        encoder.close()
        feeder.join()
