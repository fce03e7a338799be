"""Any name at all, in every route that takes one: refused or not found, never a failure of ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from dev.servers import S3Kind, start_redis
from tests.conftest import KINDS, StartS3
from tests.integration.system import API_KEY, BUCKET, Stack, own

PATHS = [
    "GET /video/{name}/playlist.m3u8",
    "GET /video/{name}/playlist.m3u8?rendition={name}",
    "GET /video/{name}/poster.jpg",
    "GET /video/{name}/storyboard.vtt",
    "GET /stream/{bucket}/{name}/playlist.m3u8",
    "GET /stream/{name}/a.mp4/playlist.m3u8",
    "GET /stream/{bucket}/{name}/status",
    "GET /assets/{bucket}/{name}",
    "GET /assets?bucket={bucket}&folder={name}&q={name}",
    "GET /assets?cursor={name}",
    "GET /video/{name}/0123456789ab/0/00000.ts",
    "GET /stream/myvideos/{name}.mp4/0123456789ab/0/00000.ts",
    "GET /watch/{bucket}/{name}",
    "GET /embed/{bucket}/{name}",
    "GET /static/{name}",
    "GET /uploads/{name}",
    "GET /{name}",
    "DELETE /cache/{name}",
    "DELETE /stream/{bucket}/{name}/playlist.m3u8",
]
JOBS = ["GET /jobs/{name}", "GET /jobs/{name}/chunks", "GET /jobs?bucket={bucket}&object={name}", "DELETE /jobs/{name}"]
BODIES = [
    ("/transcode", ["asset_bucket", "asset_object", "audio_language", "callback_url"]),
    ("/plan", ["asset_bucket", "asset_object", "audio_language"]),
]
PARTS = st.one_of(
    st.sampled_from(
        ["", " ", "\u3000", ".", "..", "~", "a", "index.m3u8", "%2e%2e", "\\", "\ufffd", "\u202e", "CON", "a:b"]
    ),
    st.text(st.characters(), max_size=12),
    st.builds(
        lambda letter, count: letter * count, st.sampled_from(["a", "é", "映", "🎬", " ", "."]), st.integers(1, 400)
    ),
)
NAMES = st.builds(
    lambda parts, ending: "/".join(parts) + ending, st.lists(PARTS, max_size=4), st.sampled_from(["", ".mp4"])
)
EXAMPLES = 60
each = settings(
    max_examples=EXAMPLES, deadline=None, phases=[Phase.explicit, Phase.generate], database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip


@pytest.fixture(scope="module", params=KINDS)
def named(
    request: pytest.FixtureRequest, start_store: StartS3, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A system without workers: nothing here is a video."""
    kind: S3Kind = request.param
    folder, s3 = tmp_path_factory.mktemp(f"named-{kind}"), start_store(kind)
    with start_redis(folder / "redis", persist=False) as server:
        env = own(s3.server.address, server.port, EMBEDDED_WORKERS="0")
        with Stack(s3, env, folder / "services").running() as stack:
            yield stack


def test_no_name_in_a_path_makes_a_service_fail(named: Stack) -> None:
    headers = {"x-api-key": API_KEY}

    @each
    @given(NAMES, st.sampled_from(PATHS + JOBS), st.sampled_from([BUCKET, "vod", "192.168.0.1", "a-.b"]))
    @example(" ", "GET /stream/{bucket}/{name}/playlist.m3u8", BUCKET)
    @example("a" * 300, "GET /video/{name}/playlist.m3u8", BUCKET)
    @example(f"{'a' * 300}.mp4", "GET /stream/{bucket}/{name}/status", BUCKET)
    @example(" ", "GET /assets/{bucket}/{name}", BUCKET)
    def holds(name: str, route: str, bucket: str) -> None:
        method, _, path = route.partition(" ")
        written = quote(name.encode("utf-8", "surrogatepass"), safe="/")
        service = named.transcoder if route in JOBS else named.vod
        url = f"http://{service.address}{path.format(name=written, bucket=bucket)}"
        answer = named.http.request(method, url, headers=headers, timeout=60, allow_redirects=False)
        assert answer.status_code < 500, (answer.status_code, route, name, answer.text)
        assert answer.status_code < 300 or answer.headers["content-type"] == "application/problem+json", route

    holds()


def test_no_text_in_a_body_makes_a_service_fail(named: Stack) -> None:
    headers = {"x-api-key": API_KEY, "content-type": "application/json"}

    @each
    @given(NAMES, st.sampled_from(BODIES), st.data())
    @example("\ud800.mp4", BODIES[0], None)
    @example(" ", BODIES[1], None)
    def holds(name: str, route: tuple[str, list[str]], data: st.DataObject | None) -> None:
        path, fields = route
        field = data.draw(st.sampled_from(fields)) if data else "asset_object"
        body = {"asset_bucket": BUCKET, "asset_object": "no-such-thing.mp4", field: name}
        url = f"http://{named.transcoder.address}{path}"
        answer = named.http.post(url, data=json.dumps(body), headers=headers, timeout=60)
        assert 400 <= answer.status_code < 500, (answer.status_code, path, body, answer.text)

    @each
    @given(NAMES, st.sampled_from(["name", "folder", "type", "fingerprint"]))
    @example("\ud800", "fingerprint")
    @example("a" * 300, "folder")
    def uploads(name: str, field: str) -> None:
        body = {"name": "a.mp4", "size": 10, "fingerprint": "f", field: name}
        url = f"http://{named.vod.address}/uploads"
        answer = named.http.post(url, data=json.dumps(body), headers=headers, timeout=60)
        assert answer.status_code < 500, (answer.status_code, body, answer.text)

    holds()
    uploads()
