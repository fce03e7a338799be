"""Connections to the store that are kept open."""

from __future__ import annotations

import urllib3

CONNECT_SECONDS = 5


def pool(size: int, *, read_seconds: float) -> urllib3.PoolManager:
    """`size`: connections that are kept; more threads may use it. `read_seconds`: of silence, after which it is tried
    again, as it is when the store answers that it is not well.
    """
    return urllib3.PoolManager(
        maxsize=size,
        timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=read_seconds),
        retries=urllib3.Retry(total=3, backoff_factor=0.1, status_forcelist=[500, 502, 503, 504]),
    )
