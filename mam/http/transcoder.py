"""The transcoding service as others see it: over HTTP, with the API key."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx

from mam.errors import ConversionFailed, TranscoderUnavailable
from mam.hls.recipe import profile_and_format
from mam.http import request_id
from mam.http.auth import HEADER
from mam.naming import Asset
from mam.settings import Settings

CONNECT_SECONDS = 3
KEEPALIVE_SECONDS = 4  # that a connection is kept unused: a second less than the other side keeps it
PLAN_SECONDS = 120  # a source without an index is read whole before its plan stands
STATE_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Accepted:
    """A conversion that was asked for. `job` is None when the video is live already."""

    video: str
    job: str | None


class Transcoder:
    """For coroutines, any number of them: some wait for minutes. One per process; `close` it.

    All of it raises TranscoderUnavailable, and ConversionFailed with the service's own words.
    """

    def __init__(self, settings: Settings) -> None:
        self._client = client(settings, seconds=STATE_SECONDS)

    async def close(self) -> None:
        await self._client.aclose()

    async def convert(self, asset: Asset, kind: str) -> Accepted:
        """Asks for a conversion (`kind`: profile and format); answers as soon as its plan stands."""
        profile, fmt = profile_and_format(kind)
        body = {
            "asset_bucket": asset.bucket,
            "asset_object": asset.key,
            "profile": profile.value,
            "format": fmt.value,
            "wait": False,
            "viewer": True,
        }
        answer = await self._call("POST", "/transcode", json=body, timeout=PLAN_SECONDS)
        return Accepted(answer["video"], answer.get("job"))

    async def plan(self, asset: Asset) -> dict[str, Any]:
        """What a conversion would do, as `POST /plan` says it."""
        body = {"asset_bucket": asset.bucket, "asset_object": asset.key, "profile": "auto"}
        return await self._call("POST", "/plan", json=body, timeout=PLAN_SECONDS)

    async def seek(self, job: str, segment: int) -> str:
        """Asks that a segment be made next. Returns the job's state."""
        return str((await self._call("POST", f"/jobs/{job}/seek", json={"segment": segment}))["state"])

    async def jobs(self, asset: Asset, *, limit: int) -> list[dict[str, Any]]:
        """The asset's jobs, the newest first, as the service shows them."""
        query = {"bucket": asset.bucket, "object": asset.key, "limit": limit}
        found: list[dict[str, Any]] = (await self._call("GET", "/jobs", params=query))["jobs"]
        return found

    async def cancel(self, job: str) -> None:
        """Stops a job, queued or running; what it made is removed soon after."""
        await self._call("DELETE", f"/jobs/{job}")

    async def chunks(self, job: str) -> dict[str, Any]:
        """How far a job is, part by part, as the service shows it."""
        return await self._call("GET", f"/jobs/{job}/chunks")

    async def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        try:
            response = await self._client.request(method, path, **options)
            body = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise away(error) from error
        if response.is_success and isinstance(body, dict):
            return body
        if response.status_code == HTTPStatus.FORBIDDEN:
            raise refused()
        if isinstance(body, dict) and "code" in body:
            raise ConversionFailed(
                str(body.get("detail")), status=response.status_code, code=str(body["code"]),
                title=str(body.get("title")), hint=str(body.get("hint")),
            )  # fmt: skip
        raise TranscoderUnavailable(f"The transcoding service answered with status {response.status_code}.")


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
