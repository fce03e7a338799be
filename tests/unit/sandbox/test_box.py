"""Sandboxes on this kernel: what a program can do inside one, by Landlock alone, by seccomp alone, and by both."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from mam.media.ffmpeg_process import executable
from mam.sandbox import box, landlock, seccomp
from mam.sandbox.box import Sandbox, sandbox

if sys.platform != "linux":
    pytest.skip("sandboxes are Linux's", allow_module_level=True)

NOBODY = 65534
PYTHON = (sys.prefix, sys.base_prefix)
no_landlock = pytest.mark.skipif(not landlock.version(), reason="this kernel, or this container, has no Landlock")
no_filters = pytest.mark.skipif(not box.filters(), reason="this kernel takes no filters for this machine")
LAYERS = [pytest.param("landlock", marks=no_landlock), pytest.param("seccomp", marks=no_filters)]


def layer(name: str) -> Sandbox:
    """Python's sandbox, with one of its layers."""
    whole = sandbox(sys.executable, *PYTHON)
    return replace(whole, program=b"") if name == "landlock" else replace(whole, ruleset=None)


def run(inside: Sandbox, argv: list[str], **more: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        inside.command(argv), env=inside.environment, pass_fds=inside.passed, stdin=subprocess.DEVNULL,
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip


def attempt(inside: Sandbox, code: str) -> str:
    """What becomes of a piece of Python: `done`, or the name of its error."""
    text = f"try:\n    {code}\n    print('done')\nexcept Exception as error:\n    print(type(error).__name__)"
    done = run(inside, [sys.executable, "-I", "-S", "-c", "import os, socket, subprocess, resource\n" + text])
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().strip()


@contextmanager
def listening(address: object, family: int) -> Iterator[None]:
    with socket.socket(family) as server:
        server.bind(address)  # type: ignore[arg-type]
        server.listen()
        yield


def forbidden(tmp_path: Path) -> dict[str, str]:
    """What code that took a decoder over would try, and what all of it must fail by: {code: layers}."""
    fork = "pid = os.fork()\n    os._exit(0) if pid == 0 else os.waitpid(pid, 0)"
    both = "landlock seccomp"
    return {
        "open('/etc/passwd').read()": "landlock",
        f"open('/proc/{os.getpid()}/environ').read()": "landlock",
        f"open('/proc/{os.getpid()}/mem', 'rb').read(1)": "landlock",
        f"open({str(tmp_path / 'x')!r}, 'w')": both,
        f"os.mkdir({str(tmp_path / 'x')!r})": both,
        "open('/dev/shm/mam-sandbox', 'w')": both,
        "os.execve('/bin/sh', ['sh', '-c', 'echo done'], {})": both,
        "subprocess.run(['/bin/sh', '-c', 'true'], check=True)": both,
        fork: "seccomp",
        "socket.socket(socket.AF_INET, socket.SOCK_STREAM)": "seccomp",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))": "seccomp",
        "socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)": "seccomp",
        "socket.socketpair()": "seccomp",
        f"os.kill({os.getpid()}, 0)": "landlock seccomp" if landlock.version() >= landlock.SCOPES_SINCE else "seccomp",
        f"resource.prlimit({os.getpid()}, resource.RLIMIT_CORE)": "seccomp",
        "os.chmod('/tmp', 0o777)": "seccomp",
        "os.memfd_create('x')": "seccomp",
        "os.pidfd_open(os.getppid())": "seccomp",
        "os.sched_setaffinity(os.getppid(), {0})": "seccomp",
    }


@pytest.mark.parametrize("name", LAYERS)
def test_code_that_took_a_decoder_over_gets_nowhere(name: str, tmp_path: Path) -> None:
    inside = layer(name)
    got = {code: attempt(inside, code) for code, layers in forbidden(tmp_path).items() if name in layers}
    assert got
    assert {code: found for code, found in got.items() if found not in ("OSError", "PermissionError")} == {}


@pytest.mark.parametrize(
    "code", ["open('/etc/passwd').read()", "socket.socket()", "os.mkdir({folder!r})", "os.kill({pid}, 0)"]
)
def test_without_a_sandbox_it_does(code: str, tmp_path: Path) -> None:
    """So that the test above says something."""
    code = code.format(folder=str(tmp_path / "x"), pid=os.getpid())
    subprocess.run([sys.executable, "-I", "-S", "-c", f"import os, socket\n{code}"], check=True)


@no_landlock
@pytest.mark.skipif(landlock.version() < landlock.NET_SINCE, reason="Landlock knows nothing of TCP here")
def test_landlock_alone_lets_nothing_connect() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        code = f"socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), timeout=5)"
        assert attempt(layer("landlock"), code) == "PermissionError"


@no_landlock
@pytest.mark.skipif(landlock.version() < landlock.SCOPES_SINCE, reason="Landlock knows no scopes here")
def test_landlock_alone_lets_nothing_reach_an_abstract_socket() -> None:
    with listening(f"\0mam-{os.getpid()}", socket.AF_UNIX):
        code = f"socket.socket(socket.AF_UNIX).connect('\\0mam-{os.getpid()}')"
        assert attempt(layer("landlock"), code) == "PermissionError"


@no_landlock
def test_a_wrapped_cat_shows_no_file() -> None:
    assert b"root" in run(Sandbox("/bin/cat"), ["cat", "/etc/passwd"]).stdout
    done = run(sandbox("/bin/cat"), ["cat", "/etc/passwd"])
    assert done.returncode == 1
    assert done.stdout == b""
    assert b"Permission denied" in done.stderr


@no_filters
def test_threads_are_computed_with() -> None:
    code = (
        "import threading\n"
        "found = []\n"
        "threads = [threading.Thread(target=found.append, args=(n,)) for n in range(8)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\n"
        "print(sorted(found))"
    )
    done = run(sandbox(sys.executable, *PYTHON), [sys.executable, "-I", "-S", "-c", code])
    assert done.stdout.decode().strip() == str(list(range(8))), done.stderr


def test_a_program_keeps_its_arguments_and_finds_no_environment_and_no_files_open() -> None:
    held = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(held, True)
    code = "import os, sys\nprint(sys.argv, dict(os.environ), [f for f in range(1024) if not closed(f)])"
    closed = "def closed(f):\n    try: os.fstat(f)\n    except OSError: return True\n"
    argv = [sys.executable, "-I", "-S", "-c", closed + code, "a b", "é", ""]
    done = run(sandbox(sys.executable, *PYTHON), argv)
    os.close(held)
    said = done.stdout.decode("utf-8").strip()
    assert said == "['-c', 'a b', 'é', ''] {} [0, 1, 2]", done.stderr


def test_pipes_that_break_end_a_program_as_they_do_elsewhere() -> None:
    """Python ignores SIGPIPE, and what it becomes would inherit that."""
    shown = run(Sandbox("/bin/grep"), ["grep", "SigIgn", "/proc/self/status"]).stdout
    ignored = int(shown.split()[1], 16)
    assert ignored & (1 << (signal.SIGPIPE - 1)) == 0


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(FileNotFoundError, match="no-such-ffmpeg"):
        sandbox("/no-such-ffmpeg")


def test_a_library_path_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/nowhere")
    done = run(Sandbox("/usr/bin/env"), ["env"])
    assert done.stdout == b"LD_LIBRARY_PATH=/nowhere\n"


@pytest.mark.parametrize("missing", ["landlock", "seccomp", "both"])
def test_a_kernel_without_it_runs_the_program_all_the_same_and_says_what_is_missing(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if missing != "seccomp":
        monkeypatch.setattr(landlock, "version", lambda: 0)
    if missing != "landlock":
        monkeypatch.setattr(box, "filters", lambda: False)
    inside = sandbox.__wrapped__(executable())
    assert run(inside, [executable(), "-version"]).returncode == 0
    said = " ".join(box.weaknesses(executable()))
    assert ("Landlock" in said, "system calls" in said) == (missing != "seccomp", missing != "landlock")


@no_landlock
@no_filters
def test_where_all_is_well_nothing_is_said() -> None:
    assert list(box.weaknesses(executable())) == []


def test_where_the_loader_does_not_tell_its_libraries_they_are_found_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(box, "libraries", lambda path: [])
    assert run(sandbox.__wrapped__(executable()), [executable(), "-version"]).returncode == 0


def test_a_script_in_the_place_of_ffmpeg_runs_with_less_and_it_is_said(tmp_path: Path) -> None:
    script = tmp_path / "ffmpeg"
    script.write_text(f'#!/bin/sh\nexec "{executable()}" "$@"\n')
    script.chmod(0o755)
    assert run(sandbox(str(script)), [str(script), "-version"]).returncode == 0
    assert ["is a script" in weakness for weakness in box.weaknesses(str(script))] == [True]


def test_a_program_dies_with_the_process_that_started_it() -> None:
    """Also when that is killed while the program is still being confined."""
    code = (
        "import os, subprocess, sys, time\n"
        "from mam.sandbox.box import Sandbox\n"
        "inside = Sandbox('/bin/sleep')\n"
        "child = subprocess.Popen(inside.command(['sleep', '600']), env={}, start_new_session=True)\n"
        "print(child.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    root = Path(__file__).resolve().parents[3]
    started = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env={"PYTHONPATH": str(root)},
        stdout=subprocess.PIPE, timeout=60, check=False,
    )  # fmt: skip
    pid = int(started.stdout)
    until(lambda: not alive(pid))


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(600):
        if condition():
            return
        pause.wait(0.05)
    raise AssertionError("waited in vain")


# workers


def python(code: str) -> str:
    """What a Python says that can import the project."""
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def settled(code: str) -> str:
    """What a process says that gave up what workers give up."""
    return python("import ctypes, socket, subprocess\nfrom mam.sandbox import box\nbox.hide()\nbox.settle()\n" + code)


def test_a_worker_still_opens_sockets_and_starts_ffmpeg_in_its_sandbox() -> None:
    code = (
        "socket.socket().close()\n"
        "inside = box.sandbox(FFMPEG)\n"
        "argv = [FFMPEG, '-v', 'error', '-f', 'lavfi', '-i', 'testsrc2=d=1', '-c:v', 'libx264', '-f', 'null', '-']\n"
        "done = subprocess.run(inside.command(argv), env={}, pass_fds=inside.passed, capture_output=True)\n"
        "print(done.returncode, done.stderr)"
    )
    assert settled(f"FFMPEG = {executable()!r}\n{code}") == "0 b''"


@no_filters
@pytest.mark.parametrize("name", ["ptrace", "process_vm_readv", "keyctl", "bpf", "unshare", "mount", "io_uring_setup"])
def test_a_worker_calls_nothing_that_meddles(name: str) -> None:
    number = seccomp.MEDDLING[name][seccomp.MACHINES.index(seccomp.machine())]
    code = f"libc = ctypes.CDLL(None, use_errno=True)\nprint(libc.syscall({number}, 0, 0, 0, 0, 0), ctypes.get_errno())"
    assert settled(code) == "-1 1"


@no_landlock
@pytest.mark.skipif(os.getuid() != 0, reason="takes root, to become nobody")
@pytest.mark.parametrize("settles", [True, False])
def test_a_worker_cannot_look_into_its_service(settles: bool) -> None:
    """Which runs as the same user; processes that are not apart look into each other."""
    victim = subprocess.Popen(["/bin/sleep", "600"], env={"SECRET": "s"}, user=NOBODY, group=NOBODY, extra_groups=[])
    code = (
        "import os, sys\n"
        "from mam.sandbox import box\n"
        f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        f"{'box.settle()' if settles else 'pass'}\n"
        "try:\n"
        f"    print('SECRET=s' in open('/proc/{victim.pid}/environ').read())\n"
        "except OSError as error:\n"
        "    print(type(error).__name__)"
    )
    try:
        until(lambda: b"SECRET=s" in Path(f"/proc/{victim.pid}/environ").read_bytes())
        assert python(code) == ("PermissionError" if settles else "True")
    finally:
        victim.send_signal(signal.SIGKILL)
        victim.wait()
