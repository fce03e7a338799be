"""What the processes that open media hold, in a running system: no secret of the services, and ffmpeg none at all."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mam.media.ffmpeg_process import executable
from mam.sandbox import box, landlock
from tests.integration.system import API_KEY, S3, SECRET_KEY, UPLOAD_KEY, Stack, descendants, own_stack, until
from tests.media import LONG, MediaFolder

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
PLAYBACK, WEBHOOK, ELSEWHERE = "playback-secret-of-the-test", "webhook-secret-of-the-test", "secret-of-another-program"
OF_THE_SERVICES = (API_KEY, UPLOAD_KEY[1], PLAYBACK, WEBHOOK, ELSEWHERE)


@pytest.fixture(scope="module")
def system(one_s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    more = {"PLAYBACK_SECRET": PLAYBACK, "WEBHOOK_SECRET": WEBHOOK, "GITHUB_TOKEN": ELSEWHERE}
    with own_stack(one_s3, tmp_path_factory.mktemp("contained"), **more) as stack:
        yield stack


def environ(pid: int) -> str:
    return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def workers(system: Stack) -> dict[int, str]:
    found = descendants(system.transcoder.process.pid)
    return {pid: command for pid, command in found.items() if "celery" in command}


def encoder(system: Stack) -> dict[str, object] | None:
    """What an ffmpeg that encodes has; none while there is only what becomes one, or tells its version."""
    for pid, command in descendants(system.transcoder.process.pid).items():
        if command.startswith(executable()) and "pipe:0" in command:
            with suppress(OSError, KeyError):  # it has just ended
                return {
                    "environ": environ(pid),
                    "files": {str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()},
                    "NoNewPrivs": status(pid)["NoNewPrivs"],
                    "Seccomp": status(pid)["Seccomp"],
                    "limits": limits(pid),
                }
    return None


def limits(pid: int) -> dict[str, str]:
    rows = Path(f"/proc/{pid}/limits").read_text("utf-8").splitlines()
    return {row[:26].strip(): row[26:47].strip() for row in rows}


def test_workers_hold_no_secret_of_the_services(system: Stack) -> None:
    found = workers(system)
    assert len(found) >= 4  # two main processes, and their children
    service = environ(system.transcoder.process.pid)
    assert all(secret in service for secret in (API_KEY, PLAYBACK, WEBHOOK))  # where they are looked for
    for pid, command in found.items():
        held = environ(pid)
        assert [secret for secret in (*OF_THE_SERVICES, SECRET_KEY) if secret in held] == [], command
        assert "PATH=" in held


def test_processes_that_run_tasks_gave_up_what_no_task_needs(system: Stack) -> None:
    found = workers(system)
    children = [status(pid) for pid in found if int(status(pid)["PPid"]) in found]
    assert len(children) >= 2
    assert {child["NoNewPrivs"] for child in children} == {"1"}
    assert {child["Seccomp"] for child in children} == {"2" if box.filters() else "0"}


def test_an_encoder_has_an_empty_environment_and_nothing_open_but_its_pipes(system: Stack, media: MediaFolder) -> None:
    key = system.put("contained.mp4", media.path(LONG))
    system.transcode(key, reencode=True, wait=False)
    found = until(lambda: encoder(system), "ffmpeg encodes") or {}
    system.delete(system.stream_url(key))

    limits, files = found.pop("limits"), found.pop("files")
    assert isinstance(limits, dict)
    assert isinstance(files, set)
    assert {file.partition(":")[0] for file in files} == {"pipe"}
    assert len(files) == 3
    assert found == {
        "environ": "", "NoNewPrivs": "1", "Seccomp": "2" if box.filters() else "0",
    }  # fmt: skip
    assert {limits[f"Max {what}"] for what in ("file size", "core file size")} == {"0"}
    assert (limits["Max open files"], limits["Max cpu time"]) == ("32", "86400")


def test_a_worker_that_forgot_its_settings_does_not_begin_again_without_them(system: Stack) -> None:
    main = next(pid for pid in workers(system) if int(status(pid)["PPid"]) == system.transcoder.process.pid)
    children = {pid for pid in workers(system) if int(status(pid)["PPid"]) == main}
    os.kill(main, signal.SIGHUP)
    until(lambda: "SIGHUP is ignored" in system.transcoder.log.read_text("utf-8"), "the worker says so")
    assert children <= workers(system).keys()


@pytest.mark.skipif(not box.filters() or not landlock.version(), reason="nothing is missing to be told of, or all")
def test_workers_do_not_complain_where_nothing_is_missing(system: Stack) -> None:
    assert "not fully contained" not in "".join(
        path.read_text("utf-8") for path in system.folder.glob("transcoder-*.log")
    )
