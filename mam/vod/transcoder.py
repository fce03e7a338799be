"""The transcoding service, as the VoD service sees it: over HTTP, with the API key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from mam.errors import ConversionFailed, TranscoderUnavailable
from mam.hls.plan import profile_and_format
from mam.http.auth import HEADER
from mam.naming import Asset
from mam.settings import Settings

CONNECT_SECONDS = 3
PLAN_SECONDS = 120  # a source without an index is read whole before its plan stands
STATE_SECONDS = 10
CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Accepted:
    """A conversion that was asked for. `job` is None when the video is live already."""

    video: str
    job: str | None


class Transcoder:
    """Blocking: call it from a thread."""

    def __init__(self, settings: Settings) -> None:
        self._base = settings.transcode_api_url
        self._session = requests.Session()
        self._session.headers[HEADER] = settings.transcode_api_key.get_secret_value()
        self._session.trust_env = False  # a proxy of the environment is not for services that stand side by side
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=CONNECTIONS))

    def convert(self, asset: Asset, kind: str) -> Accepted:
        """Asks for a conversion (`kind`: profile and format); answers as soon as its plan stands.

        Raises ConversionFailed with the service's own words, TranscoderUnavailable.
        """
        profile, fmt = profile_and_format(kind)
        body = {
            "asset_bucket": asset.bucket,
            "asset_object": asset.key,
            "profile": profile.value,
            "format": fmt.value,
            "wait": False,
            "viewer": True,
        }
        answer = self._call("POST", "/transcode", PLAN_SECONDS, json=body)
        return Accepted(answer["video"], answer.get("job"))

    def plan(self, asset: Asset) -> dict[str, Any]:
        """What a conversion would do, as `POST /plan` says it. Raises ConversionFailed, TranscoderUnavailable."""
        body = {"asset_bucket": asset.bucket, "asset_object": asset.key, "profile": "auto"}
        return self._call("POST", "/plan", PLAN_SECONDS, json=body)

    def seek(self, job: str, segment: int) -> str:
        """Asks that a segment be made next. Returns the job's state.

        Raises ConversionFailed with the job's own failure, or with code `job_not_found`; TranscoderUnavailable.
        """
        return str(self._call("POST", f"/jobs/{job}/seek", STATE_SECONDS, json={"segment": segment})["state"])

    def jobs(self, asset: Asset, *, limit: int) -> list[dict[str, Any]]:
        """The asset's jobs, the newest first, as the service shows them. Raises TranscoderUnavailable."""
        query = {"bucket": asset.bucket, "object": asset.key, "limit": limit}
        found: list[dict[str, Any]] = self._call("GET", "/jobs", STATE_SECONDS, params=query)["jobs"]
        return found

    def chunks(self, job: str) -> dict[str, Any]:
        """How far a job is, part by part, as the service shows it.

        Raises ConversionFailed with code `job_not_found`, TranscoderUnavailable.
        """
        return self._call("GET", f"/jobs/{job}/chunks", STATE_SECONDS)

    def _call(self, method: str, path: str, seconds: float, **options: Any) -> dict[str, Any]:
        try:
            response = self._session.request(
                method, self._base + path, timeout=(CONNECT_SECONDS, seconds), allow_redirects=False, **options
            )
            body = response.json()
        except (requests.RequestException, ValueError) as error:
            raise TranscoderUnavailable(
                f"The transcoding service cannot be reached ({type(error).__name__})."
            ) from error
        if response.ok and isinstance(body, dict):
            return body
        if isinstance(body, dict) and "code" in body and response.status_code != requests.codes.forbidden:
            raise ConversionFailed(
                str(body.get("detail")), status=response.status_code, code=str(body["code"]),
                title=str(body.get("title")), hint=str(body.get("hint")),
            )  # fmt: skip
        raise TranscoderUnavailable(f"The transcoding service answered with status {response.status_code}.")
