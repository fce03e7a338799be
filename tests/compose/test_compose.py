"""The compose file in a real engine, as README has people use it: from nothing to a picture, and what may happen then.

`make test-compose` runs them. They have images, containers, volumes and ports of their own, and remove them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import requests

from dev.servers import free_port
from mam.settings import StoreKeySettings
from tests.integration.system import until
from tests.integration.uploading import Client
from tests.media import complaints, ffmpeg

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("Dockerfile", ".dockerignore", "docker-compose.yml", "requirements.lock", "deploy", "mam")
LARGEST = 352_000_000  # bytes on top of python:3.13-slim, which has 118 of the 470 MB; cryptography takes 12
STEP_SECONDS = 300  # for one command: a build on a busy machine
GRACE_SECONDS = 40  # stop_grace_period of workers: then they would be killed
# Compose prefers what is in the environment to what is in `.env`.
SURROUNDINGS = {name: value for name, value in os.environ.items() if name.lower() not in StoreKeySettings.model_fields}
LEASE_SECONDS = 5  # so that a killed worker's chunk is soon another's

pytestmark = [
    pytest.mark.skipif("MAM_COMPOSE" not in os.environ, reason="needs a Docker engine: make test-compose"),
    pytest.mark.timeout(2 * STEP_SECONDS),
]


@cache
def told() -> list[str]:
    """The commands of README's section on containers, block by block."""
    (section,) = re.findall(
        r"^## Run it for real$(.*?)^Or by hand", (ROOT / "README.md").read_text("utf-8"), re.M | re.S
    )
    return re.findall(r"^```\n(.*?)^```$", section, re.M | re.S)


@dataclass(frozen=True)
class System:
    """A checkout of its own, and the names by which Compose calls what belongs to it."""

    folder: Path
    environment: dict[str, str]

    @property
    def image(self) -> str:
        return self.environment["MAM_IMAGE"]

    @property
    def vod(self) -> str:
        return f"http://localhost:{self.environment['VOD_PORT']}"

    @property
    def transcoder(self) -> str:
        return f"http://localhost:{self.environment['TRANSCODER_PORT']}"

    @property
    def key(self) -> dict[str, str]:
        (key,) = re.findall(r"^TRANSCODE_API_KEY=(.+)$", (self.folder / ".env").read_text(), re.M)
        return {"x-api-key": key}

    def sh(self, script: str) -> str:
        """What a shell script says that ends well. Where README names a service's port, it is this system's."""
        for service, port in (("VOD", "8002"), ("TRANSCODER", "8001")):
            script = script.replace(f"localhost:{port}", f"localhost:{self.environment[f'{service}_PORT']}")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env={**SURROUNDINGS, **self.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=STEP_SECONDS,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout[-4000:]}{done.stderr[-8000:]}"
        return done.stdout

    def containers(self, *services: str) -> list[dict[str, Any]]:
        """What the engine says of those that run or have run."""
        numbers = self.sh(f"docker compose ps -aq {' '.join(services)}").split()
        return list(json.loads(self.sh(f"docker inspect {' '.join(numbers)}")))

    def get(self, path: str) -> Any:
        """An answer of the transcoding service, as JSON."""
        return requests.get(f"{self.transcoder}{path}", headers=self.key, timeout=10).json()

    def convert(self, name: str, **options: Any) -> dict[str, Any]:
        """Has a file of `myvideos` converted; with `wait=False` says only which job does it."""
        order = {"asset_bucket": "myvideos", "asset_object": name, **options}
        answer = requests.post(f"{self.transcoder}/transcode", json=order, headers=self.key, timeout=STEP_SECONDS)
        assert answer.ok, answer.text
        return dict(answer.json())

    def bring(self, name: str) -> None:
        """Puts a file of the folder into the store, in README's way."""
        self.sh(told()[1].rpartition("\ncurl")[0].replace("film.mp4", name))


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Started with README's first commands."""
    folder = tmp_path_factory.mktemp("checkout")
    left_out = shutil.ignore_patterns("node_modules", "__pycache__", "dist")
    for path in (*(ROOT / name for name in NEEDED), *ROOT.glob("*.py")):
        if path.is_dir():
            shutil.copytree(path, folder / path.name, ignore=left_out)
        else:
            shutil.copy(path, folder)
    name = f"mam-test-{uuid.uuid4().hex[:8]}"
    ports = ("TRANSCODER_PORT", "VOD_PORT", "MINIO_PORT", "MINIO_CONSOLE_PORT")
    system = System(
        folder,
        {
            **{port: str(free_port()) for port in ports},
            "COMPOSE_PROJECT_NAME": name,
            "MAM_IMAGE": name,
            "DOCKER_BUILDKIT": "1",
        },
    )
    length = ["-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=12", "-f", "lavfi", "-i", "sine=d=12"]
    ffmpeg(*length, "-c:v", "libx264", "-g", "50", "-preset", "ultrafast", "-c:a", "aac", str(folder / "film.mp4"))
    long = ["-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=90"]
    ffmpeg(*long, "-c:v", "libx264", "-g", "50", "-preset", "ultrafast", str(folder / "long.mp4"))
    try:
        system.sh(told()[0].replace("END\ndocker", f"TASK_LEASE_SECONDS={LEASE_SECONDS}\nEND\ndocker"))
        yield system
    finally:
        if "MAM_COMPOSE_KEEP" not in os.environ:
            system.sh(f"docker compose down -v --timeout 10; docker image rm -f {name}")


def test_one_image_is_built_and_it_is_not_large(system: System) -> None:
    ours = system.containers("transcoder", "vod", "worker", "viewers", "buckets", "volume")
    (image,) = json.loads(system.sh(f"docker image inspect {system.image}"))
    assert {found["Image"] for found in ours} == {image["Id"]}
    (base,) = re.findall(r"^FROM (\S+)\nENV", (ROOT / "Dockerfile").read_text("utf-8"), re.M)
    system.sh(f"docker image inspect {base} >/dev/null || docker pull -q {base}")
    (below,) = json.loads(system.sh(f"docker image inspect {base}"))
    assert image["Size"] - below["Size"] < LARGEST


def test_all_is_healthy_when_the_command_returns(system: System) -> None:
    states = {found["Config"]["Labels"]["com.docker.compose.service"]: found["State"] for found in system.containers()}
    once = {name: states.pop(name)["ExitCode"] for name in ("volume", "buckets")}
    assert once == {"volume": 0, "buckets": 0}
    assert {name: state["Health"]["Status"] for name, state in states.items()} == dict.fromkeys(states, "healthy")
    assert states.keys() == {"transcoder", "vod", "worker", "viewers", "minio", "redis"}


def test_a_newcomer_gets_a_picture(system: System) -> None:
    assert "#EXTM3U" in system.sh(told()[1])  # at once, and it converts meanwhile
    assert system.convert("film.mp4", profile="auto") == {"status": "success", "video": "film"}
    playlist = requests.get(f"{system.vod}/video/film/playlist.m3u8", timeout=10).text
    segments = [line for line in playlist.splitlines() if not line.startswith("#")]
    assert segments
    assert all(line.startswith(f"http://localhost:{system.environment['MINIO_PORT']}/vod/film/") for line in segments)
    assert all("X-Amz-Credential=mam-play%2F" in line for line in segments)
    assert complaints(f"{system.vod}/video/film/playlist.m3u8") == ""


def test_what_is_uploaded_arrives(system: System) -> None:
    copy = shutil.copy(system.folder / "film.mp4", system.folder / "dropped.mp4")
    done = Client(system.vod, system.key["x-api-key"]).upload(Path(copy))
    assert (done["bucket"], done["key"]) == ("myvideos", "dropped.mp4")


PROBE = r"""
import socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5) as there:
        there.sendall(b"PING\r\n\r\n")
        print(there.recv(100))
except OSError as error:
    print("unreachable:", error)
"""


def reached(system: System, service: str, host: str, port: int) -> str:
    """What a process in that service's container hears from there."""
    return system.sh(f"docker compose exec -T {service} python - {host} {port} <<'END'\n{PROBE}\nEND")


def test_what_opens_media_reaches_the_store_and_the_queues_alone(system: System) -> None:
    assert reached(system, "worker", "minio", 9000).startswith("b'HTTP")
    assert "NOAUTH" in reached(system, "worker", "redis", 6379)
    gateway = system.sh("docker network inspect bridge -f '{{(index .IPAM.Config 0).Gateway}}'").strip() or "172.17.0.1"
    for host, port in ((gateway, 22), ("1.1.1.1", 443), ("example.org", 80)):
        assert reached(system, "viewers", host, port).startswith("unreachable")


def test_nothing_that_is_secret_is_on_a_command_line(system: System) -> None:
    lines = system.sh("docker compose top")
    values = re.findall(r"^\w+_(?:PWD|KEY|PASSWORD)=(.+)$", (system.folder / ".env").read_text(), re.M)
    assert len(values) == 7
    assert not [value for value in values if value in lines]


def test_the_administrator_of_the_store_is_known_to_it_and_to_what_creates_users_alone(system: System) -> None:
    (secret,) = re.findall(r"^MINIO_ROOT_PWD=(.+)$", (system.folder / ".env").read_text(), re.M)
    holders = [found for found in system.containers() if secret in str(found["Config"]["Env"])]
    assert {found["Config"]["Labels"]["com.docker.compose.service"] for found in holders} == {"minio", "buckets"}


def test_a_key_with_scopes_is_made_with_one_command(system: System) -> None:
    key = system.sh("docker compose run --rm -T keys add ci --scopes read").split()[0]
    for url in (f"{system.transcoder}/jobs", f"{system.vod}/assets"):
        until(lambda url=url: requests.get(url, headers={"x-api-key": key}, timeout=10).ok, "the service knows the key")  # type: ignore[misc]
    refused = requests.delete(f"{system.vod}/cache/none", headers={"x-api-key": key}, timeout=10)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_permitted")
    assert "ci  read" in system.sh("docker compose run --rm -T keys list")


def test_workers_become_more(system: System) -> None:
    system.sh(told()[2].splitlines()[0])
    until(lambda: len(system.get("/fleet")["workers"]) == 4, "three workers and one for viewers")


def test_a_worker_that_is_killed_is_started_again_and_its_work_is_done(system: System) -> None:
    system.bring("long.mp4")
    job = system.convert("long.mp4", reencode=True, wait=False)["job"]
    until(lambda: "running" in str(system.get(f"/jobs/{job}/chunks")), "a chunk under way")
    for number in (1, 2, 3):
        system.sh(f"docker compose exec -T --index {number} worker sh -c 'kill -9 -1' || true")
    ended = ("succeeded", "failed", "cancelled")
    until(lambda: system.get(f"/jobs/{job}")["state"] in ended, "the end of the job", seconds=STEP_SECONDS)
    assert system.get(f"/jobs/{job}")["state"] == "succeeded"
    assert [found["RestartCount"] for found in system.containers("worker")] == [1, 1, 1]


def test_what_stops_all_at_once_has_stopped_soon(system: System) -> None:
    """As when a machine is shut down: Redis goes in the same second as those who speak to it."""
    system.sh("docker kill -s TERM $(docker compose ps -q)")
    nothing_runs = "the end of all containers"
    until(lambda: not system.sh("docker compose ps -q").strip(), nothing_runs, seconds=GRACE_SECONDS)
    assert {found["State"]["ExitCode"] for found in system.containers("worker", "viewers")} == {0}


def test_what_was_there_is_there_again(system: System) -> None:
    *_, down = told()[2].splitlines()
    system.sh(down)
    assert system.sh("docker compose ps -aq") == ""
    *_, up = told()[0].splitlines()
    system.sh(up)
    assert complaints(f"{system.vod}/video/film/playlist.m3u8") == ""
    assert {"film.mp4", "long.mp4"} <= {job["asset_object"] for job in system.get("/jobs")["jobs"]}
