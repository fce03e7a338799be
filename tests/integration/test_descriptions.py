"""Both services are what their OpenAPI descriptions say: Schemathesis asks what these allow, and what they do not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.servers import Server, start_redis
from tests.integration.system import API_KEY, S3, Stack, own

SECONDS = int(os.environ.get("MAM_SCHEMATHESIS_SECONDS", "12"))  # for each service; `make mutants` sets more
SEED = 20261129  # the same requests each time: what it finds here can be found again
ENDLESS = "/events"
BUCKET = "described"  # in which nothing lies: nothing is converted
# What a schema cannot say of valid requests. 400: that a name has too many bytes, or `..` between slashes. 422: that
# one parameter contradicts another, that a cursor was not given out, that a setting allows less.
CONFIG = """
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "413", "414", "415", "422", "428", "429", "431"]

[checks.positive_data_acceptance]
expected-statuses = ["2xx", "302", "400", "401", "403", "404", "409", "429"]
"""
CONTRADICTIONS = """
[[operations]]
include-path = "{path}"
checks.positive_data_acceptance.expected-statuses = ["2xx", "302", "4xx"]
"""
CONTRADICTORY = [
    "/assets",
    "/stream/{bucket}/{path}/playlist.m3u8",
    "/video/{video_name}/playlist.m3u8",
    "/stream/{bucket}/{path}/status",
    "/uploads",
    "/uploads/{upload}/parts",
    "/jobs",
    "/plan",
    "/transcode",
]

pytestmark = pytest.mark.descriptions


@pytest.fixture(scope="module")
def described(one_s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("described")
    with start_redis(folder / "redis", persist=False) as server:
        more = {"EMBEDDED_WORKERS": "0", "MINIO_SOURCE_BUCKETS": BUCKET, "MINIO_UPLOAD_BUCKET": BUCKET}
        env = own(one_s3.server.address, server.port, **more)
        if not one_s3.client.bucket_exists(BUCKET):
            one_s3.client.make_bucket(BUCKET)
        with Stack(one_s3, env, folder / "services").running() as stack:
            yield stack


@pytest.mark.timeout(SECONDS * 6)
@pytest.mark.parametrize("service", ["vod", "transcoder"])
def test_schemathesis_finds_nothing(described: Stack, service: str, tmp_path: Path) -> None:
    server: Server = getattr(described, service)
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG + "".join(CONTRADICTIONS.format(path=path) for path in CONTRADICTORY))
    program = Path(sys.executable).with_name("schemathesis")
    argv = [str(program), "--config-file", str(config), "--no-color", "run", f"http://{server.address}/openapi.json"]
    argv += ["--checks", "all", "--mode", "all", "--max-time", str(SECONDS), "--seed", str(SEED)]
    argv += ["--header", f"x-api-key: {API_KEY}", "--exclude-path", ENDLESS, "--request-timeout", "30"]
    argv += ["--continue-on-failure", "--suppress-health-check", "all", "--warnings", "off"]
    argv += ["--generation-database", "none"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
