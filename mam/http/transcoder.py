"""Connections to the transcoding service."""

from __future__ import annotations

import httpx

from mam.errors import TranscoderUnavailable
from mam.http import request_id
from mam.http.auth import HEADER
from mam.settings import Settings

CONNECT_SECONDS = 3
KEEPALIVE_SECONDS = 4  # that a connection is kept unused: a second less than the other side keeps it


def client(settings: Settings, *, seconds: float) -> httpx.AsyncClient:
    """For any number of requests at a time, each of which may take `seconds`. To be closed."""
    return httpx.AsyncClient(
        base_url=settings.transcode_api_url,
        headers={HEADER: settings.transcode_api_key.get_secret_value()},
        timeout=httpx.Timeout(seconds, connect=CONNECT_SECONDS, pool=None),
        limits=httpx.Limits(max_connections=None, keepalive_expiry=KEEPALIVE_SECONDS),
        trust_env=False,  # a proxy of the environment is not for services that stand side by side
        event_hooks={"request": [_name]},
    )


async def _name(request: httpx.Request) -> None:
    """What one request makes the other service do is found in both logs by one id."""
    if request_id.current():
        request.headers[request_id.HEADER] = request_id.current()


def refused() -> TranscoderUnavailable:
    """What its 403 means. Passed on as it is, it would say that who asks here has no key."""
    return TranscoderUnavailable("The transcoding service refuses this service's API key.")


def away(error: Exception) -> TranscoderUnavailable:
    """What a failed request means."""
    return TranscoderUnavailable(f"The transcoding service cannot be reached ({type(error).__name__}).")
