"""The one door: whatever runs behind it ends, leaves nothing running, and its last words are heard."""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path
from queue import Queue
from typing import IO

import pytest

from mam.errors import EncoderFailed
from mam.media import ffmpeg_process as door
from mam.media import limits
from mam.media.ffmpeg_process import Encoder, Stalled, executable
from mam.sandbox.box import GIB, Sandbox, sandbox

PATIENT = 60.0  # seconds without progress that no test here reaches
COPY = "import sys, shutil; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"
FOREVER = "import signal; signal.pause()"
INSIDE = sandbox(sys.executable, sys.prefix, sys.base_prefix)  # Python in place of ffmpeg, with what it is made of
run = partial(door.run, inside=INSIDE)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def nothing(pipe: IO[bytes]) -> None:
    pipe.close()


def everything(encoder: Encoder) -> bytes:
    out = b""
    while block := encoder.stdout.read(1 << 16):
        out += block
    return out


def is_running(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_is_fed_in_comes_out() -> None:
    data = os.urandom(1 << 20)
    with run(python(COPY), stall_seconds=PATIENT, feed=lambda pipe: _write(pipe, data)) as encoder:
        assert data == everything(encoder)


def _write(pipe: IO[bytes], data: bytes) -> None:
    pipe.write(data)


def test_a_command_that_ends_badly_fails_with_its_own_words() -> None:
    code = "import sys; sys.stderr.write('first\\nno such codec\\n'); sys.exit(3)"
    with (
        pytest.raises(EncoderFailed, match=r"status 3: .*no such codec"),
        run(python(code), stall_seconds=PATIENT, feed=nothing) as encoder,
    ):
        everything(encoder)


def test_only_the_last_lines_are_kept() -> None:
    code = "import sys; [print(f'line {n}', 'x' * 9000, file=sys.stderr) for n in range(1000)]; sys.exit(1)"
    with pytest.raises(EncoderFailed) as failed, run(python(code), stall_seconds=PATIENT, feed=nothing) as encoder:
        everything(encoder)
    assert "line 999" in failed.value.detail
    assert "line 900 " not in failed.value.detail
    assert len(failed.value.detail) < 30_000


def test_words_that_are_no_utf8_are_heard_too() -> None:
    code = "import sys; sys.stderr.buffer.write(b'caf\\xe9\\n'); sys.exit(1)"
    with pytest.raises(EncoderFailed, match="caf"), run(python(code), stall_seconds=PATIENT, feed=nothing) as encoder:
        everything(encoder)


def test_a_command_that_is_killed_fails() -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    with (
        pytest.raises(EncoderFailed, match="status -11") as failed,
        door.run(python(code), inside=Sandbox(sys.executable), stall_seconds=PATIENT, feed=nothing) as encoder,
    ):
        everything(encoder)
    assert failed.value.retryable


def test_a_command_that_is_not_there_fails_and_says_so() -> None:
    with pytest.raises((EncoderFailed, OSError)), door.run(["/nowhere/ffmpeg"], stall_seconds=PATIENT, feed=nothing):
        pass


def test_a_command_that_makes_no_progress_is_stopped_and_called_stalled() -> None:
    with pytest.raises(Stalled), run(python(FOREVER), stall_seconds=0.2, feed=nothing) as encoder:
        group = encoder._process.pid
        everything(encoder)
    assert not is_running(group)


def test_a_command_that_reads_nothing_is_stopped_though_its_pipe_is_full() -> None:
    with (
        pytest.raises(Stalled),
        run(python(FOREVER), stall_seconds=0.2, feed=lambda pipe: _write(pipe, bytes(1 << 22))) as encoder,
    ):
        everything(encoder)


@pytest.mark.timeout(30)
def test_a_command_that_moved_and_then_stops_is_stalled_too() -> None:
    with pytest.raises(Stalled), run(python(FOREVER), stall_seconds=0.2, feed=nothing) as encoder:
        encoder.moved()
        everything(encoder)


def test_a_command_that_moves_is_not_stalled_however_long_it_takes() -> None:
    """Three times the stall time, with one packet after another."""
    echo = "import sys\nfor line in sys.stdin.buffer: sys.stdout.buffer.write(line); sys.stdout.buffer.flush()"
    stall = 0.5
    packets: Queue[bytes] = Queue()

    def slowly(pipe: IO[bytes]) -> None:
        while packet := packets.get():
            pipe.write(packet)
            pipe.flush()

    with run(python(echo), stall_seconds=stall, feed=slowly) as encoder:
        until = time.monotonic() + 3 * stall
        while time.monotonic() < until:
            packets.put(b"packet\n")
            assert encoder.stdout.readline() == b"packet\n"
            encoder.moved()
        packets.put(b"")


def test_what_the_feeder_raises_is_raised() -> None:
    def broken(pipe: IO[bytes]) -> None:
        raise KeyError("the source is gone")

    with (
        pytest.raises(KeyError, match="the source is gone"),
        run(python(COPY), stall_seconds=PATIENT, feed=broken) as encoder,
    ):
        everything(encoder)


def test_the_feeders_error_goes_before_what_follows_from_it() -> None:
    def broken(pipe: IO[bytes]) -> None:
        raise KeyError("the source is gone")

    code = "import sys; sys.stdin.read(); sys.exit('no input')"
    with pytest.raises(KeyError), run(python(code), stall_seconds=PATIENT, feed=broken) as encoder:
        everything(encoder)
        raise EncoderFailed("nothing came out")


def test_a_command_that_stops_reading_early_and_ends_well_is_fine() -> None:
    with run(python("pass"), stall_seconds=PATIENT, feed=lambda pipe: _write(pipe, bytes(1 << 22))) as encoder:
        assert everything(encoder) == b""


@pytest.mark.parametrize("stubborn", [False, True])
def test_whoever_leaves_early_leaves_nothing_running(stubborn: bool, tmp_path: Path) -> None:
    """A process and its child keep a FIFO open; its end is read when the last of them is gone."""
    fifo = str(tmp_path / "alive")
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    handler = "signal.signal(signal.SIGTERM, signal.SIG_IGN)" if stubborn else "pass"
    holding = f"import signal; {handler}; held = open({fifo!r}, 'w'); "
    child = holding + "print('ready', flush=True); signal.pause()"
    parent = holding + f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}]); signal.pause()"

    with (
        pytest.raises(ZeroDivisionError),
        door.run(
            python(parent),
            inside=Sandbox(sys.executable),
            stall_seconds=PATIENT,
            feed=lambda pipe: _write(pipe, bytes(1 << 22)),
        ) as encoder,
    ):
        assert encoder.stdout.readline() == b"ready\n"
        raise ZeroDivisionError

    os.set_blocking(reader, True)
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_closing_twice_is_quiet() -> None:
    encoder = Encoder(python(FOREVER), nice=0, stall_seconds=PATIENT, inside=INSIDE)
    encoder.close()
    encoder.close()
    assert not is_running(encoder._process.pid)


def test_the_command_can_be_pasted_into_a_shell() -> None:
    encoder = Encoder(python("'a b'"), nice=0, stall_seconds=PATIENT, inside=INSIDE)
    encoder.close()
    assert encoder.command.endswith("""-c ''"'"'a b'"'"''""")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_all_commands_stand_still_until_they_may_go_on() -> None:
    code = "import sys\nfor line in sys.stdin.buffer: sys.stdout.buffer.write(line); sys.stdout.buffer.flush()"
    encoder = Encoder(python(code), nice=0, stall_seconds=PATIENT, inside=INSIDE)

    def state() -> str:
        return Path(f"/proc/{encoder._process.pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]

    def echo() -> bytes:
        encoder.stdin.write(b"packet\n")
        encoder.stdin.flush()
        return encoder.stdout.readline()

    assert echo() == b"packet\n"
    door.pause()
    os.waitid(os.P_PID, encoder._process.pid, os.WSTOPPED | os.WNOWAIT)
    assert state() == "T"
    door.resume()
    assert echo() == b"packet\n"
    encoder.close()


@pytest.mark.skipif(sys.platform != "linux", reason="limits are set on Linux")
def test_the_command_is_contained() -> None:
    code = """if True:
        import os, resource
        limits = [resource.getrlimit(getattr(resource, name)) for name in ("RLIMIT_CORE", "RLIMIT_FSIZE", "RLIMIT_AS")]
        print(os.getpgrp() == os.getpid(), *limits, sep="|")"""
    with run(python(code), stall_seconds=PATIENT, feed=nothing) as encoder:
        said = everything(encoder).decode().strip()
    assert f"True|(0, 0)|(0, 0)|({6 * GIB}, {6 * GIB})" == said


def test_ffmpeg_opens_nothing_but_its_pipe() -> None:
    argv = [executable(), "-v", "error"]
    argv += ["-protocol_whitelist", str(limits.GUARDS["protocol_whitelist"]), "-format_whitelist", "nut"]
    for source in ("file:/etc/hostname", "http://127.0.0.1:9/x", "concat:/etc/hostname"):
        with (
            pytest.raises(EncoderFailed, match=r"(?i)whitelist|invalid argument|not allowed"),
            door.run([*argv, "-i", source, "-f", "null", "-"], stall_seconds=PATIENT, feed=nothing) as encoder,
        ):
            everything(encoder)


@pytest.mark.parametrize(
    ("code", "may_pass"),
    [
        ("import sys; sys.stderr.write('no path between colorspaces'); sys.exit(1)", False),
        ("import sys; sys.stderr.write('Decoder not found'); sys.exit(8)", False),
        ("import sys; sys.stderr.write('Cannot allocate memory'); sys.exit(1)", True),
    ],
)
def test_what_ffmpeg_says_each_time_is_not_tried_again(code: str, may_pass: bool) -> None:
    with pytest.raises(EncoderFailed) as failed, run(python(code), stall_seconds=PATIENT, feed=nothing) as encoder:
        everything(encoder)
    assert failed.value.retryable is may_pass


def test_a_command_that_takes_in_but_says_nothing_yet_does_not_stall() -> None:
    """It may have ten minutes to decode before the first frame that is wanted."""
    code = "import sys, time; [(sys.stdin.buffer.read(1 << 16), time.sleep(0.1)) for _ in range(20)]; print('done')"

    def feed(pipe: IO[bytes]) -> None:
        for _ in range(20):
            pipe.write(bytes(1 << 16))

    with run(python(code), stall_seconds=1, feed=feed) as encoder:
        assert everything(encoder).strip() == b"done"
