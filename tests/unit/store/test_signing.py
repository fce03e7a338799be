"""Signed URLs: the same as those of the SDK, for any key and endpoint."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from minio import Minio
from pydantic import SecretStr

from mam.settings import MAX_SIGNED_URL_SECONDS, Settings
from mam.store.signing import Place, signer, signer_at
from tests.unit.test_naming import USABLE

NOW = datetime(2026, 1, 31, 23, 59, 59, tzinfo=timezone.utc)
SECRETS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=40)


def settings_for(endpoint: str, secure: bool, *, secret: str = "minioadmin", user: str = "minioadmin") -> Settings:
    return Settings(
        _env_file=None,
        transcode_api_key=SecretStr("the key of the tests is no secret"),
        minio_public_endpoint=endpoint,
        minio_public_secure=secure,
        minio_endpoint="private:9000",
        minio_usr=user,
        minio_pwd=SecretStr(secret),
    )


def of_the_sdk(settings: Settings, key: str, *, expires: int, now: datetime = NOW) -> str:
    client = Minio(
        settings.public_endpoint,
        settings.minio_usr,
        settings.minio_pwd.get_secret_value(),
        secure=settings.public_secure,
        region=settings.minio_region,
    )
    return client.presigned_get_object(
        settings.minio_bucket_vod, key, expires=timedelta(seconds=expires), request_date=now
    )


@given(USABLE)
@example("a b/c+d&e=f?g#h%20i.ts")
@example("~!*'();:@$,[]-_.ts")
@example("ümläut/日本語/\N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN}.ts")
def test_the_url_of_any_key_is_that_of_the_sdk(key: str) -> None:
    settings = settings_for("store.example.org:9000", False)
    assert of_the_sdk(settings, key, expires=6300) == signer(settings, expires=6300, now=NOW)(key)


@pytest.mark.parametrize("secure", [True, False])
@pytest.mark.parametrize("host", ["store.example.org", "localhost", "10.0.0.7"])
@pytest.mark.parametrize("port", ["", ":80", ":443", ":9000", ":8443"])
def test_the_url_at_any_endpoint_is_that_of_the_sdk(host: str, port: str, secure: bool) -> None:
    settings = settings_for(host + port, secure)
    assert of_the_sdk(settings, "a/0.ts", expires=60) == signer(settings, expires=60, now=NOW)("a/0.ts")


@given(
    SECRETS, SECRETS, st.integers(1, MAX_SIGNED_URL_SECONDS), st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1))
)
def test_the_url_for_any_credentials_time_and_lifetime_is_that_of_the_sdk(
    user: str, secret: str, expires: int, moment: datetime
) -> None:
    settings = settings_for("store:9000", True, user=user, secret=secret)
    now = moment.replace(tzinfo=timezone.utc)
    expected = of_the_sdk(settings, "a/0.ts", expires=expires, now=now)
    assert expected == signer(settings, expires=expires, now=now)("a/0.ts")


def test_urls_are_made_for_the_public_endpoint() -> None:
    url = signer(settings_for("public.example.org", True), expires=60, now=NOW)("a/0.ts")
    assert url.startswith("https://public.example.org/vod/a/0.ts?X-Amz-Algorithm=AWS4-HMAC-SHA256&")


def test_the_secret_is_not_in_the_url() -> None:
    settings = settings_for("store:9000", True, secret="verysecret")
    assert "verysecret" not in signer(settings, expires=60)("a/0.ts")


def parted(url: str) -> tuple[str, dict[str, list[str]]]:
    return url.partition("?")[0], parse_qs(urlsplit(url).query, strict_parsing=True)


@given(
    USABLE, st.integers(1, 10_000), st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1)
)
def test_the_url_of_a_part_is_that_of_the_sdk(key: str, number: int, upload: str) -> None:
    client = Minio("store:9000", "u", "secret", secure=True, region="eu-1")
    query: dict[str, str | list[str] | tuple[str]] = {"partNumber": str(number), "uploadId": upload}
    place = Place("uploads", "store:9000", True, "eu-1", "u", SecretStr("secret"))
    expected = client.get_presigned_url(
        "PUT", "uploads", key, expires=timedelta(hours=1), request_date=NOW, extra_query_params=query
    )
    ours = signer_at(place, method="PUT", query={"partNumber": str(number), "uploadId": upload}, expires=3600, now=NOW)
    assert parted(expected) == parted(ours(key)), "the SDK has its query in another order"


def test_a_signed_length_is_named_in_the_url() -> None:
    place = Place("in", "store:9000", True, "eu-1", "u", SecretStr("hidden"))
    urls = [signer_at(place, method="PUT", length=length, expires=60, now=NOW)("a") for length in (1, 2)]
    assert all("&X-Amz-SignedHeaders=content-length%3Bhost&" in url for url in urls)
    assert urls[0] != urls[1]
    assert "hidden" not in repr(place)
