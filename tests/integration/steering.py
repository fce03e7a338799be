"""Jobs as callers steer them, for tests of what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from tests.integration.system import API_KEY, Stack, descendants, parent_of, stopped, until

HEADERS = {"x-api-key": API_KEY}
SLOW = {"H264_PRESET": "veryslow", "H264_CRF": "10"}  # a conversion that is still under way when it is looked at


def call(stack: Stack, method: str, path: str, **options: Any) -> requests.Response:
    url = f"http://{stack.transcoder.address}{path}"
    return stack.http.request(method, url, headers={**HEADERS, **options.pop("headers", {})}, timeout=60, **options)


def begun(stack: Stack, key: str, **more: Any) -> str:
    """The job of a conversion that is not waited for."""
    answer = stack.transcode(key, wait=False, **more)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job"])


def encoders(stack: Stack) -> dict[int, str]:
    """The ffmpegs that encode for the system's own workers: their command lines by process id."""
    commands = descendants(stack.transcoder.process.pid)
    return {process: command for process, command in commands.items() if "-filter_complex" in command}


@contextmanager
def standing_still(stack: Stack) -> Iterator[None]:
    """Inside, the chunks that are being encoded do not get on, however busy the machine is: their slots stay taken.

    It must not last as long as a lease (TASK_LEASE_SECONDS): nobody renews it.
    """

    def at_work() -> list[int]:
        return [process for process, command in encoders(stack).items() if "libx264" in command]

    chunks = until(at_work, "a chunk is being encoded")
    # First the worker's process that runs the task: it has its ffmpeg go on when no viewer waits.
    with stopped(*(parent for process in chunks if (parent := parent_of(process))), *chunks):
        yield


def clear(stack: Stack) -> None:
    """Cancels what is under way; returns when nothing of it is left. For systems that several tests share."""

    def is_idle() -> bool:
        active = call(stack, "GET", "/jobs", params={"state": ["queued", "running"]}).json()["jobs"]
        for job in active:
            call(stack, "DELETE", f"/jobs/{job['id']}")
        return not active and not encoders(stack) and not stack.keys(".unfinished/")

    until(is_idle, "the system is idle")


def running(stack: Stack, key: str) -> str:
    """The job of a re-encode that an ffmpeg is at."""
    job = begun(stack, key, reencode=True)
    until(lambda: encoders(stack) and stack.job(job).json()["command"], "ffmpeg is at it")
    return job
