"""Jobs as callers steer them, for tests of what becomes of them."""

from __future__ import annotations

from typing import Any

import requests

from tests.integration.system import API_KEY, Stack, descendants, until

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


def encoders(stack: Stack) -> list[str]:
    return [command for command in descendants(stack.transcoder.process.pid).values() if "-filter_complex" in command]


def running(stack: Stack, key: str) -> str:
    """The job of a re-encode that an ffmpeg is at."""
    job = begun(stack, key, reencode=True)
    until(lambda: encoders(stack) and stack.job(job).json()["command"], "ffmpeg is at it")
    return job
