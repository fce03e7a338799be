"""What a worker is told, and what it forgets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mam.jobs.worker_environment import environment
from mam.settings import SERVICES_ALONE, Settings, WorkerSettings

ROOT = Path(__file__).resolve().parents[3]
SECRETS = ("TRANSCODE_API_KEY", "PLAYBACK_SECRET", "WEBHOOK_SECRET", "MINIO_PLAY_PWD", "MINIO_UPLOAD_PWD")
HELD = {"MINIO_USR": "held-user", "MINIO_PWD": "held-store", "REDIS_PASSWORD": "held-redis"}
GIVEN = {name: f"given-{name.lower()}" for name in SECRETS} | {
    "WEBHOOK_URL": "https://given-webhook-url.example", "MINIO_UPLOAD_BUCKET": "given-bucket",
    "MINIO_UPLOAD_USR": "given-upload-user", "MINIO_PLAY_USR": "given-play-user",
    "MINIO_ROOT_PWD": "given-root", "AWS_SECRET_ACCESS_KEY": "given-elsewhere",
}  # fmt: skip


def test_every_secret_of_the_services_is_one_that_workers_do_not_get() -> None:
    """A new secret takes a decision: workers open strangers' files, and hold what they cannot do without."""
    secret = {name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}
    assert secret - SERVICES_ALONE == {"minio_pwd", "redis_password"}


@pytest.mark.parametrize("source", ["environment", "file"])
def test_a_workers_settings_hold_no_secret_of_the_services(
    source: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    if source == "environment":
        for name, value in (HELD | GIVEN).items():
            monkeypatch.setenv(name, value)
    else:
        monkeypatch.delenv("TRANSCODE_API_KEY")
        Path(".env").write_text("".join(f"{name}={value}\n" for name, value in (HELD | GIVEN).items()), "utf-8")

    settings = WorkerSettings(_env_file=".env")

    told = [field.get_secret_value() if hasattr(field, "get_secret_value") else str(field) for _, field in settings]
    assert [value for value in told if "given" in value] == []
    assert settings.minio_usr == "held-user"
    assert settings.minio_pwd.get_secret_value() == "held-store"


def test_a_worker_needs_no_api_key_and_has_one_that_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRANSCODE_API_KEY")
    one, other = (WorkerSettings(_env_file=None).transcode_api_key.get_secret_value() for _ in range(2))
    assert len(one) >= 32
    assert one != other


def test_the_service_gives_a_worker_its_settings_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ({"h264_crf": "20", "IMAGEIO_FFMPEG_EXE": "/x", "LC_ALL": "C"} | HELD | GIVEN).items():
        monkeypatch.setenv(name, value)
    found = environment()
    assert found.items() >= {("h264_crf", "20"), ("IMAGEIO_FFMPEG_EXE", "/x"), ("LC_ALL", "C"), *HELD.items()}
    assert not [name for name in found if name in GIVEN]
    assert "PATH" in found


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_worker_forgets_its_environment_once_it_has_read_it_and_so_do_its_children() -> None:
    code = """if True:
        import os
        from mam.settings import worker_settings
        from mam.worker import process
        before = open("/proc/self/environ").read()
        process.settle()
        pid = os.fork()
        told = [os.environ[name] for name in sorted(os.environ)], open("/proc/self/environ").read()
        print("held-store" in before, "given" in str(told), "held-" in str(told), os.environ["LC_ALL"],
              "LC_ALL=C" in told[1], worker_settings().minio_pwd.get_secret_value(), sep="|", flush=True)
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    """
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LC_ALL": "C", **HELD, **GIVEN}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd="/", env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == 2 * ["True|False|False|C|True|held-store"], done.stderr
