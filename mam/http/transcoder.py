"""A client of the transcoding service: over HTTP, with the API key."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx

from mam.credentials import delegation
from mam.errors import ConversionFailed, Forbidden, TranscoderUnavailable
from mam.hls.recipe import profile_and_format
from mam.http import request_id
from mam.http.caller import HEADER
from mam.naming import Asset
from mam.settings import Settings

CONNECT_SECONDS = 3
KEEPALIVE_SECONDS = 4  # An unused connection is kept this long: a second less than the server keeps it.
PLAN_SECONDS = 120  # A plan may take this long: a source without an index is read whole.
STATE_SECONDS = 10  # Other requests may take this long.


@dataclass(frozen=True, slots=True)
class Accepted:
    """An accepted conversion. `job` is None when the video is live already."""

    video: str
    job: str | None


class Transcoder:
    """The client of a process, for any number of coroutines: some requests wait for minutes. `close` it at the end.

    All methods raise TranscoderUnavailable, and ConversionFailed with the service's own message.
    """

    def __init__(self, settings: Settings) -> None:
        self._client = client(settings, seconds=STATE_SECONDS)

    async def close(self) -> None:
        await self._client.aclose()

    async def convert(self, asset: Asset, kind: str, *, client: str = "") -> Accepted:
        """Requests a conversion (`kind`: profile and format); returns as soon as its plan is written.

        `client`: the viewer's place; '' for a viewer with a key.
        """
        profile, fmt = profile_and_format(kind)
        body = {
            "asset_bucket": asset.bucket,
            "asset_object": asset.key,
            "profile": profile.value,
            "format": fmt.value,
            "wait": False,
            "viewer": True,
            "client": client,
        }
        answer = await self._call("POST", "/transcode", json=body, timeout=PLAN_SECONDS)
        return Accepted(answer["video"], answer.get("job"))

    async def plan(self, asset: Asset) -> dict[str, Any]:
        """A preview of a conversion, as `POST /plan` returns it."""
        body = {"asset_bucket": asset.bucket, "asset_object": asset.key, "profile": "auto"}
        return await self._call("POST", "/plan", json=body, timeout=PLAN_SECONDS)

    async def seek(self, job: str, segment: int | None, video: str) -> str:
        """Has a segment of a video made next, or a rung's initialization section (None). Returns the job's state."""
        body = {"segment": segment, "video": video}
        return str((await self._call("POST", f"/jobs/{job}/seek", json=body))["state"])

    async def jobs(self, asset: Asset, *, limit: int) -> list[dict[str, Any]]:
        """The asset's jobs, newest first, as the service returns them."""
        query = {"bucket": asset.bucket, "object": asset.key, "limit": limit}
        jobs: list[dict[str, Any]] = (await self._call("GET", "/jobs", params=query))["jobs"]
        return jobs

    async def cancel(self, job: str) -> None:
        """Cancels an active job; its output is removed soon after."""
        await self._call("DELETE", f"/jobs/{job}")

    async def remove_rung(self, job: str, video: str) -> None:
        """Removes what the job of a ladder's rung has made; returns when that is done."""
        await self._call("DELETE", f"/jobs/{job}/segments", params={"video": video}, timeout=PLAN_SECONDS)

    async def chunks(self, job: str) -> dict[str, Any]:
        """A job's progress by chunk, as the service returns it."""
        return await self._call("GET", f"/jobs/{job}/chunks")

    async def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        try:
            response = await self._client.request(method, path, **options)
            body = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise away(error) from error
        if response.is_success and isinstance(body, dict):
            return body
        if is_refusal(response.status_code, body):
            raise refused()
        if isinstance(body, dict) and "code" in body:
            raise ConversionFailed(
                str(body.get("detail")), status=response.status_code, code=str(body["code"]),
                title=str(body.get("title")), hint=str(body.get("hint")),
            )  # fmt: skip
        raise TranscoderUnavailable(f"The transcoding service answered with status {response.status_code}.")


def client(settings: Settings, *, seconds: float) -> httpx.AsyncClient:
    """A client for any number of simultaneous requests, each of which may take `seconds`. The caller closes it."""
    return httpx.AsyncClient(
        base_url=settings.transcode_api_url,
        headers={HEADER: settings.service_keys()[0], delegation.HEADER: delegation.NOBODY},
        timeout=httpx.Timeout(seconds, connect=CONNECT_SECONDS, pool=None),
        limits=httpx.Limits(max_connections=None, keepalive_expiry=KEEPALIVE_SECONDS),
        trust_env=False,  # the environment's proxy is not for requests between the two services
        event_hooks={"request": [_name]},
    )


async def _name(request: httpx.Request) -> None:
    """Passes the request id on, so that both services log the same one."""
    if request_id.current():
        request.headers[request_id.HEADER] = request_id.current()


def is_refusal(status: int, body: object) -> bool:
    """Whether the service refuses this service's key, rather than something that a client may not do."""
    return status == HTTPStatus.FORBIDDEN and (not isinstance(body, dict) or body.get("code") == Forbidden.code)


def refused() -> TranscoderUnavailable:
    """The error for the service's 403. A 403 to the client would blame the client's own key."""
    return TranscoderUnavailable("The transcoding service refuses this service's API key.")


def away(error: Exception) -> TranscoderUnavailable:
    """The error for a failed request."""
    return TranscoderUnavailable(f"The transcoding service cannot be reached ({type(error).__name__}).")
