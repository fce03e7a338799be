"""Settings: read from the environment and `.env`, checked at the start, and their rules."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from mam.settings import MAX_SIGNED_URL_SECONDS, Settings, StoreKeySettings, WorkerSettings
from mam.settings.credentials import LEAST_KEY_LENGTH, SECRETS

ROOT = Path(__file__).resolve().parents[2]
SECONDS = st.integers(1, 30 * 24 * 3600)
KEY = "the key of the tests is no secret"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of this machine: a folder without `.env`, an environment without our names."""
    monkeypatch.chdir(tmp_path)
    for name in set(os.environ):
        if name.lower() in Settings.model_fields:
            monkeypatch.delenv(name)


def with_key(**values: object) -> Settings:
    return Settings(_env_file=None, transcode_api_key=SecretStr(KEY), **values)  # type: ignore[arg-type]


def test_without_an_api_key_the_services_refuse_to_start() -> None:
    with pytest.raises(ValidationError, match="transcode_api_key"):
        Settings()


def test_an_empty_api_key_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSCODE_API_KEY", "")
    with pytest.raises(ValidationError, match="transcode_api_key"):
        Settings()


def test_an_api_key_is_all_that_must_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSCODE_API_KEY", KEY)
    assert Settings().transcode_api_key.get_secret_value() == KEY


@given(st.text("0123456789abcdefghijklmnopqrstuvwxyz-_ ", max_size=LEAST_KEY_LENGTH - 1))
def test_a_short_key_is_refused_by_an_error_that_says_how_to_make_one(key: str) -> None:
    assert "token_urlsafe" in refusal(transcode_api_key=key)
    assert "token_urlsafe" in refusal(transcode_api_key=f"{key:^40}" if key else " " * 40)


@given(st.text("ab ", min_size=LEAST_KEY_LENGTH))
def test_a_long_key_of_few_characters_is_refused_too(key: str) -> None:
    assert "token_urlsafe" in refusal(transcode_api_key=key)


@given(st.text("0123456789abcdefABCDEF", min_size=LEAST_KEY_LENGTH).filter(lambda key: len(set(key)) > 3))
def test_any_other_key_will_do(key: str) -> None:
    assert Settings(_env_file=None, transcode_api_key=SecretStr(key)).transcode_api_key.get_secret_value() == key


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("value", ["change-me", "change-me-to-32-random-characters", " Change-Me-please-change-me"])
def test_the_values_of_the_examples_are_refused_wherever_they_stand(name: str, value: str) -> None:
    said = refusal(**{"transcode_api_key": KEY, name: value})
    assert name.upper() in said
    assert "example" in said or "16 characters" in said


@pytest.mark.parametrize("file", [".env.example", "deploy/kubernetes/secrets.example.yaml"])
def test_the_examples_have_no_other_placeholders(file: str) -> None:
    lines = [line for line in (ROOT / file).read_text("utf-8").splitlines() if not line.startswith("#")]
    pairs = [re.split(r"[=:]\s*", line.strip(), maxsplit=1) for line in lines]
    secrets = {pair[0].lower(): pair[1] for pair in pairs if len(pair) == 2 and pair[0].lower() in SECRETS}
    assert secrets
    for name, value in secrets.items():
        assert name.upper() in refusal(**{"transcode_api_key": KEY, name: value})


def refusal(**values: str) -> str:
    """What the services say of settings that they refuse."""
    with pytest.raises(ValidationError) as refused:
        Settings(_env_file=None, **values)  # type: ignore[arg-type]
    said = str(refused.value)
    assert "input_value" not in said, "nor anything of it"
    return said


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("MINIO_ENDPOINT", "store:9000", "store:9000"),
        ("MINIO_USR", "someone", "someone"),
        ("MINIO_PWD", "p w#=", SecretStr("p w#=")),
        ("MINIO_SECURE", "true", True),
        ("MINIO_REGION", "eu-1", "eu-1"),
        ("MINIO_BUCKET_VOD", "hls", "hls"),
        ("MINIO_SOURCE_BUCKETS", " a-b , c.d,", ["a-b", "c.d"]),
        ("MINIO_PUBLIC_ENDPOINT", "s3.example.org", "s3.example.org"),
        ("MINIO_PUBLIC_SECURE", "1", True),
        ("REDIS_HOST", "cache", "cache"),
        ("REDIS_PORT", "6380", 6380),
        ("REDIS_DB", "3", 3),
        ("REDIS_PASSWORD", "r", SecretStr("r")),
        ("CELERY_REDIS_DB", "9", 9),
        ("TRANSCODE_API_KEY", "ключ ключ ключ ключ ключ ключ ключ", SecretStr("ключ ключ ключ ключ ключ ключ ключ")),
        ("TRANSCODE_API_URL", "http://t:8001", "http://t:8001"),
        ("ALLOWED_HOSTS", "A.example.org,b", ["a.example.org", "b"]),
        ("ALLOWED_ORIGINS", "https://a.org,https://b.org", ["https://a.org", "https://b.org"]),
        ("LOG_LEVEL", "DEBUG", "DEBUG"),
        ("SIGNED_URL_TTL_SECONDS", "60", 60),
        ("PLAYLIST_CACHE_TTL_SECONDS", "30", 30),
        ("EMBEDDED_WORKERS", "0", 0),
        ("SEGMENT_SECONDS", "4", 4),
        ("H264_PRESET", "medium", "medium"),
        ("H264_CRF", "20", 20),
        ("AUDIO_BITRATE", "96000", 96_000),
        ("MAX_SOURCE_BYTES", "1000", 1000),
        ("MAX_UPLOAD_BYTES", "1000", 1000),
        ("UPLOAD_HOURS", "0.5", 0.5),
        ("MAX_DURATION_SECONDS", "60", 60),
    ],
)
def test_documented_names_are_read_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: object
) -> None:
    monkeypatch.setenv("TRANSCODE_API_KEY", KEY)
    monkeypatch.setenv(name, text)
    assert value == getattr(Settings(), name.lower())


def test_the_file_env_is_read_and_the_environment_goes_first(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "TRANSCODE_API_KEY=from the file env so long that it is a key\nREDIS_HOST=file\nSOMETHING_ELSE=1\n", "utf-8"
    )
    assert as_a_service_reads_them(tmp_path, REDIS_HOST="environment") == [
        "from the file env so long that it is a key",
        "environment",
    ]


def as_a_service_reads_them(folder: Path, **environment: str) -> list[str]:
    """API key and Redis host in a process of its own, started in a folder: the tests' own process reads no `.env`."""
    code = (
        "from mam.settings import Settings; s = Settings();"
        "print(s.transcode_api_key.get_secret_value(), s.redis_host, sep='|')"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, check=True)
    return done.stdout.decode().strip().split("|")


def test_what_is_set_to_nothing_has_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSCODE_API_KEY", KEY)
    for name in ("REDIS_PASSWORD", "MINIO_SOURCE_BUCKETS", "REDIS_PORT", "MINIO_PUBLIC_ENDPOINT"):
        monkeypatch.setenv(name, "")
    settings = Settings()
    assert (
        settings.redis_password, settings.minio_source_buckets, settings.redis_port, settings.minio_public_endpoint
    ) == (None, None, 6379, None)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("SIGNED_URL_TTL_SECONDS", "0"), ("PLAYLIST_CACHE_TTL_SECONDS", "-1"), ("SEGMENT_SECONDS", "0"),
        ("SEGMENT_SECONDS", "31"), ("H264_CRF", "52"), ("H264_PRESET", "veryfast -y /etc/x"), ("REDIS_PORT", "x"),
        ("EMBEDDED_WORKERS", "-1"), ("AUDIO_BITRATE", "1"),
    ],
)  # fmt: skip
def test_nonsense_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    monkeypatch.setenv("TRANSCODE_API_KEY", KEY)
    monkeypatch.setenv(name, text)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


@pytest.mark.parametrize(
    "given_as", ["store:9000", "http://store:9000", "https://store:9000/", "store:9000/", "http://store:9000/minio"]
)
def test_an_endpoint_may_be_given_as_a_url(given_as: str) -> None:
    assert with_key(minio_endpoint=given_as).minio_endpoint == "store:9000"
    assert with_key(minio_public_endpoint=given_as).public_endpoint == "store:9000"


@pytest.mark.parametrize(
    "given_as", ["http://t:8001", "http://t:8001/", "http://t:8001/transcode", "http://t:8001/transcode/"]
)
def test_the_transcoding_service_may_be_given_with_its_route(given_as: str) -> None:
    assert with_key(transcode_api_url=given_as).transcode_api_url == "http://t:8001"


def test_the_public_endpoint_is_the_private_one_unless_set() -> None:
    assert _public(with_key(minio_endpoint="a:1", minio_secure=True)) == ("a:1", True)
    assert _public(
        with_key(minio_endpoint="a:1", minio_secure=True, minio_public_endpoint="b:2", minio_public_secure=False)
    ) == ("b:2", False)


def _public(settings: Settings) -> tuple[str, bool]:
    return settings.public_endpoint, settings.public_secure


def test_celery_has_a_database_of_its_own() -> None:
    assert with_key(redis_db=3).broker_db == 4
    assert with_key(redis_db=3, celery_redis_db=0).broker_db == 0


def test_only_listed_buckets_may_be_streamed_and_never_that_of_the_streams() -> None:
    anything, listed = with_key(), with_key(minio_source_buckets=["films", "vod"])
    assert anything.may_stream("films")
    assert not anything.may_stream("vod")
    assert listed.may_stream("films")
    assert not listed.may_stream("other")
    assert not listed.may_stream("vod")


def test_an_empty_list_of_buckets_allows_none() -> None:
    assert not with_key(minio_source_buckets=[]).may_stream("films")


def test_secrets_are_not_shown() -> None:
    shown = repr(with_key(minio_pwd=SecretStr("hidden one"), redis_password=SecretStr("hidden two")))
    assert "hidden" not in shown


@given(SECONDS, SECONDS, st.floats(0, 14 * 24 * 3600))
def test_no_cached_playlist_is_given_out_that_cannot_be_played_to_its_end(
    signed: int, cached: int, duration: float
) -> None:
    settings = with_key(signed_url_ttl_seconds=signed, playlist_cache_ttl_seconds=cached)

    ttl = settings.signature_ttl(duration)

    assert 0 < ttl <= MAX_SIGNED_URL_SECONDS
    assert ttl == MAX_SIGNED_URL_SECONDS or ttl - cached >= max(signed, 2 * duration)


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_longer_videos_have_no_shorter_signatures(one: float, other: float) -> None:
    settings = with_key()
    assert settings.signature_ttl(min(one, other)) <= settings.signature_ttl(max(one, other))


def test_the_example_names_every_setting_and_nothing_else() -> None:
    text = (ROOT / ".env.example").read_text("utf-8")
    named = re.findall(r"^#?[ ]?([A-Z][A-Z0-9_]*)=", text, re.MULTILINE)
    assert sorted(name.upper() for name in StoreKeySettings.model_fields) == sorted(named)


def test_the_example_is_a_working_set_of_settings(tmp_path: Path) -> None:
    """Once the API key is in it, and whatever is commented out is not."""
    text = (ROOT / ".env.example").read_text("utf-8")
    chosen = re.sub(r"^TRANSCODE_API_KEY=.*$", f"TRANSCODE_API_KEY={KEY}", text, flags=re.MULTILINE)
    (tmp_path / ".env").write_text(chosen, "utf-8")
    assert as_a_service_reads_them(tmp_path) == [KEY, "localhost"]


UPLOADS = {"minio_upload_bucket": "in", "minio_upload_usr": "u", "minio_upload_pwd": SecretStr("p")}


def test_uploads_need_a_key_of_their_own() -> None:
    assert with_key().minio_upload_bucket is None
    assert with_key(**UPLOADS).minio_upload_bucket == "in"
    for name in ("minio_upload_usr", "minio_upload_pwd"):
        with pytest.raises(ValidationError, match="MINIO_UPLOAD_BUCKET needs MINIO_UPLOAD_USR and MINIO_UPLOAD_PWD"):
            with_key(**{**UPLOADS, name: None})
    with pytest.raises(ValidationError, match="must not be MINIO_USR"):
        with_key(**UPLOADS, minio_usr="u")


PLAY = {"minio_play_usr": "player", "minio_play_pwd": SecretStr("p")}


def test_the_play_key_signs_for_viewers_where_there_is_one() -> None:
    plain, apart = with_key(minio_usr="worker"), with_key(minio_usr="worker", **PLAY)
    assert plain.play_key == plain.store_key
    assert apart.play_key == ("player", SecretStr("p"))
    assert apart.store_key == plain.store_key


def test_the_play_key_is_a_pair_and_no_other_key() -> None:
    for name in PLAY:
        with pytest.raises(ValidationError, match="MINIO_PLAY_USR and MINIO_PLAY_PWD belong together"):
            with_key(**{**PLAY, name: None})
    for other in ({"minio_usr": "player"}, {**UPLOADS, "minio_upload_usr": "player"}):
        with pytest.raises(ValidationError, match="MINIO_PLAY_USR must be neither"):
            with_key(**PLAY, **other)


ROOT_KEY = {"minio_root_usr": "root", "minio_root_pwd": "r"}


def store_key_settings(**values: Any) -> StoreKeySettings:
    return StoreKeySettings(_env_file=None, **values)


def test_roots_key_is_known_to_the_command_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither services nor workers have a field for it, wherever it stands."""
    monkeypatch.setenv("MINIO_ROOT_PWD", "of the environment")
    (tmp_path / ".env").write_text("MINIO_ROOT_USR=root\nMINIO_ROOT_PWD=of-the-file\n", "utf-8")
    for kind in (Settings, WorkerSettings):
        told = repr(kind(_env_file=tmp_path / ".env", transcode_api_key=KEY).model_dump())
        assert "root" not in told.lower()
    assert store_key_settings(**ROOT_KEY).root_key == ("root", SecretStr("r"))


def test_the_command_needs_no_api_key_and_no_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRANSCODE_API_KEY", raising=False)
    assert store_key_settings().root_key is None


def test_roots_key_is_a_pair_and_no_other_key() -> None:
    for name in ROOT_KEY:
        with pytest.raises(ValidationError, match="MINIO_ROOT_USR and MINIO_ROOT_PWD belong together"):
            store_key_settings(**{**ROOT_KEY, name: None})
    for other in ({"minio_usr": "root"}, {**PLAY, "minio_play_usr": "root"}, {**UPLOADS, "minio_upload_usr": "root"}):
        with pytest.raises(ValidationError, match="MINIO_ROOT_USR must be none of"):
            store_key_settings(**ROOT_KEY, **other)
    with pytest.raises(ValidationError, match="MINIO_ROOT_PWD still has the example's value"):
        store_key_settings(**{**ROOT_KEY, "minio_root_pwd": "change-me"})


def test_uploads_go_where_they_can_be_streamed_from() -> None:
    assert with_key(**UPLOADS, minio_source_buckets=["a", "in"])
    with pytest.raises(ValidationError, match="must be one of MINIO_SOURCE_BUCKETS"):
        with_key(**UPLOADS, minio_source_buckets=["a"])
    with pytest.raises(ValidationError, match="not the VoD bucket"):
        with_key(**UPLOADS, minio_bucket_vod="in")


@pytest.mark.parametrize(("given_prefix", "prefix"), [("", ""), ("a", "a/"), ("/a/b/", "a/b/")])
def test_the_upload_prefix_is_a_folder(given_prefix: str, prefix: str) -> None:
    assert with_key(**UPLOADS, minio_upload_prefix=given_prefix).minio_upload_prefix == prefix


@pytest.mark.parametrize(
    ("default", "named", "profiles"),
    [
        ("auto", None, {"auto", "ladder", "h264"}),
        ("source", "", {"source", "ladder", "h264"}),
        ("ladder", None, {"ladder", "h264"}),
        ("auto", "source, auto", {"source", "auto"}),
    ],
)
def test_viewers_have_videos_converted_by_the_profiles_that_they_need(
    monkeypatch: pytest.MonkeyPatch, default: str, named: str | None, profiles: set[str]
) -> None:
    monkeypatch.setenv("TRANSCODE_API_KEY", KEY)
    monkeypatch.setenv("DEFAULT_PROFILE", default)
    if named is not None:
        monkeypatch.setenv("VIEWER_PROFILES", named)
    assert Settings().profiles_of_viewers == profiles


@pytest.mark.parametrize(("named", "words"), [(",", "must name a profile"), ("auto,1080p", "'1080p' is no profile")])
def test_profiles_of_viewers_that_do_not_exist_are_refused_in_words(named: str, words: str) -> None:
    said = refusal(viewer_profiles=named)
    assert words in said
    assert "auto, source, h264, ladder" in said
