"""Signed URLs: the store itself lets the right ones in, and keeps everybody else out."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit, urlunsplit

import pytest

from mam.settings import MAX_SIGNED_URL_SECONDS
from mam.store.signing import signer
from tests.integration.system import S3, VOD, Stack, configuration, fetch, settings_of
from tests.media import CLIP, FILM, FILM_SECONDS, MediaFolder, complaints

KEYS = ["a/b.ts", "with space/ü+&=#%?.ts", "🎬/~'()*!,;:@$.ts", "deep/er/and/deep/er.ts"]


def put(s3: S3, key: str, data: bytes = b"signed for") -> None:
    if not s3.client.bucket_exists(VOD):
        s3.client.make_bucket(VOD)
    s3.client.put_object(VOD, key, io.BytesIO(data), len(data))


def is_refused(s3: S3, url: str) -> bool:
    """Whether the store gives nothing out. rclone calls some of these requests bad instead of forbidden."""
    status, body = fetch(url)
    assert b"signed for" not in body
    return status == 403 or (status == 400 and s3.kind == "rclone")


@pytest.mark.parametrize("key", KEYS)
def test_a_signed_url_fetches_its_object(s3: S3, folder: str, key: str) -> None:
    put(s3, f"{folder}/{key}", key.encode())
    sign = signer(settings_of(configuration(s3.server.address, 1)), expires=60)
    assert fetch(sign(f"{folder}/{key}")) == (200, key.encode())


def test_without_a_signature_nothing_is_given_out(s3: S3, folder: str) -> None:
    put(s3, f"{folder}/a")
    url = signer(settings_of(configuration(s3.server.address, 1)), expires=60)(f"{folder}/a")
    assert is_refused(s3, url.partition("?")[0])


def changed_signature(url: str) -> str:
    return url[:-1] + ("0" if url[-1] != "0" else "1")


def longer_life(url: str) -> str:
    return url.replace("X-Amz-Expires=60", "X-Amz-Expires=6000")


def another_object(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path + "2"))


def another_day(url: str) -> str:
    return url.replace(f"X-Amz-Date={datetime.now(timezone.utc):%Y}", "X-Amz-Date=2001")


@pytest.mark.parametrize("alter", [changed_signature, longer_life, another_object, another_day])
def test_an_altered_url_is_refused_by_the_store(s3: S3, folder: str, alter: Callable[[str], str]) -> None:
    put(s3, f"{folder}/a")
    put(s3, f"{folder}/a2")
    url = signer(settings_of(configuration(s3.server.address, 1)), expires=60)(f"{folder}/a")
    assert alter(url) != url
    assert is_refused(s3, alter(url))
    assert fetch(url)[0] == 200


def test_an_altered_signature_of_a_playlist_is_forbidden(stack: Stack, media: MediaFolder, folder: str) -> None:
    video = stack.convert(stack.put(f"{folder}/a.mp4", media.path(CLIP)))
    url = stack.playlist(stack.video_url(video)).segments[0].uri
    assert fetch(url)[0] == 200
    assert fetch(changed_signature(url))[0] == 403


def test_an_expired_url_is_refused_by_the_store(s3: S3, folder: str) -> None:
    put(s3, f"{folder}/a")
    settings = settings_of(configuration(s3.server.address, 1))
    a_minute_ago = datetime.now(timezone.utc) - timedelta(minutes=1)
    assert is_refused(s3, signer(settings, expires=1, now=a_minute_ago)(f"{folder}/a"))
    assert fetch(signer(settings, expires=600, now=a_minute_ago)(f"{folder}/a"))[0] == 200


def test_a_url_signed_with_another_secret_is_refused_by_the_store(s3: S3, folder: str) -> None:
    put(s3, f"{folder}/a")
    settings = settings_of(configuration(s3.server.address, 1, MINIO_PWD="not the secret key"))
    assert fetch(signer(settings, expires=60)(f"{folder}/a"))[0] == 403


def test_urls_are_those_of_the_sdk(s3: S3, folder: str) -> None:
    settings = settings_of(configuration(s3.server.address, 1))
    now = datetime.now(timezone.utc)
    for key in KEYS:
        ours = signer(settings, expires=60, now=now)(key)
        theirs = s3.client.presigned_get_object(VOD, key, timedelta(seconds=60), request_date=now)
        assert parse_qs(urlsplit(ours).query) == parse_qs(urlsplit(theirs).query)
        assert fetch(ours)[0] == fetch(theirs)[0] == 404, "signed right, for nothing"


def test_urls_are_made_for_the_public_endpoint_and_for_no_other(s3: S3, folder: str) -> None:
    put(s3, f"{folder}/a", b"public")
    port = s3.server.port
    public = settings_of(configuration(s3.server.address, 1, MINIO_PUBLIC_ENDPOINT=f"localhost:{port}"))
    url = signer(public, expires=60)(f"{folder}/a")
    assert urlsplit(url).netloc == f"localhost:{port}"
    assert fetch(url) == (200, b"public")
    assert fetch(url.replace("localhost", "127.0.0.1"))[0] == 403, "the host is signed"


def test_a_playlist_is_made_for_the_public_endpoint(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    video = one_stack.convert(one_stack.put(f"{folder}/a.mp4", media.path(CLIP)))
    public = f"localhost:{one_stack.s3.server.port}"
    env = {**one_stack.env, "MINIO_PUBLIC_ENDPOINT": f"http://{public}/", "REDIS_DB": "14", "CELERY_REDIS_DB": "15"}
    outside = Stack(one_stack.s3, env, one_stack.folder / "public")
    outside.start_vod()
    try:
        outside.wait_for(outside.vod)
        uri = outside.playlist(outside.video_url(video)).segments[0].uri
        assert urlsplit(uri).netloc == public
        assert fetch(uri)[0] == 200
        assert complaints(outside.video_url(video)) == ""
    finally:
        outside.vod.stop()


def test_a_signature_outlives_the_cached_playlist_and_the_video(stack: Stack, media: MediaFolder, folder: str) -> None:
    video = stack.convert(stack.put(f"{folder}/a.mp4", media.path(FILM)))
    uri = stack.playlist(stack.video_url(video)).segments[0].uri
    lives = int(parse_qs(urlsplit(uri).query)["X-Amz-Expires"][0])
    cached = stack.redis.ttl(f"mam:playlist:{video}")
    assert isinstance(cached, int)
    assert 0 < cached <= stack.settings.playlist_cache_ttl_seconds
    assert cached + 2 * FILM_SECONDS < lives <= MAX_SIGNED_URL_SECONDS
    assert lives == 3600 + 2700
