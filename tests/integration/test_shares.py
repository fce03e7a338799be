"""Share links: they open one video or folder to whoever has them, until they end, in every process at once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from math import inf
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

import pytest
import requests

from mam.access import shares
from mam.access.share_links import VIEWS, VIEWS_SECONDS
from mam.access.shares import Share
from mam.hls.recipe import Profile
from mam.http.caller import HEADER
from mam.naming import SHARES
from tests.integration.system import API_KEY, BUCKET, S3, Stack, another_vod, is_problem, own_stack, until
from tests.media import CLIP, MediaFolder, ffmpeg

RULES = f"{BUCKET}/open/=public, {BUCKET}/closed/=private, {BUCKET}/off/=off, {BUCKET}/=signed"


@pytest.fixture(scope="module")
def guarded(one_s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with own_stack(one_s3, tmp_path_factory.mktemp("shares"), PLAYBACK_RULES=RULES) as stack:
        yield stack


def ask(stack: Stack, method: str, path: str, body: Any = None, *, key: str = API_KEY) -> requests.Response:
    headers = {HEADER: key} if key else {}
    url = urljoin(f"http://{stack.vod.address}", path)
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, json=body, headers=headers, timeout=60, allow_redirects=False)


def link(stack: Stack, sub: str, **more: Any) -> dict[str, Any]:
    answer = ask(stack, "POST", "/shares", {"sub": sub, **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def opened(stack: Stack, share: dict[str, Any]) -> str:
    """Where the link leads, such as `/p/sh_…/watch/…`."""
    answer = ask(stack, "GET", share["path"], key="")
    assert answer.status_code == 302, answer.text
    return str(answer.headers["location"])


def prefix(share: dict[str, Any]) -> str:
    return "/p/" + str(share["path"]).rpartition("/")[2]


def listed(stack: Stack, sub: str) -> list[dict[str, Any]]:
    return list(ask(stack, "GET", f"/shares?sub={sub}").json()["shares"])


@pytest.fixture
def film(guarded: Stack, media: MediaFolder, folder: str) -> str:
    key = guarded.put(f"{folder}/film.mp4", media.path(CLIP))
    guarded.convert(key)
    return key


def test_a_link_plays_its_video_to_whoever_has_it_and_nothing_else(
    guarded: Stack, media: MediaFolder, folder: str, film: str
) -> None:
    other = guarded.put(f"{folder}/other.mp4", media.path(CLIP))
    guarded.convert(other)
    share = link(guarded, f"{BUCKET}/{film}", start=90)
    assert opened(guarded, share) == f"{prefix(share)}/watch/{BUCKET}/{film}?t=90"
    at = prefix(share)
    playlist = f"http://{guarded.vod.address}{at}/stream/{BUCKET}/{film}/playlist.m3u8"
    ffmpeg("-i", playlist, "-f", "null", "-")
    body = requests.get(playlist, timeout=20).text
    assert at.removeprefix("/p/") not in body
    assert "X-Amz" not in body
    assert ask(guarded, "GET", f"{at}/stream/{BUCKET}/{film}/status", key="").json()["state"] == "live"
    for path in (
        f"/stream/{BUCKET}/{other}/playlist.m3u8",
        f"/contents/{BUCKET}/{folder}/",
        f"/download/{BUCKET}/{film}",
    ):
        assert ask(guarded, "GET", at + path, key="").status_code == 404, path
    assert ask(guarded, "GET", f"{at}/assets", key="").status_code == 404


def test_a_link_is_listed_without_what_opens_it_and_its_views_are_counted(
    guarded: Stack, film: str, tmp_path: Path
) -> None:
    share = link(guarded, f"{BUCKET}/{film}", expires_in=3600)
    key, playlist = share["path"].rpartition("/")[2], f"{prefix(share)}/stream/{BUCKET}/{film}/playlist.m3u8"
    (found,) = listed(guarded, f"{BUCKET}/{film}")
    assert found | {"views": 0} == {name: value for name, value in share.items() if name != "path"} | {"views": 0}
    assert abs(found["expires_at"] - time.time() - 3600) < 60
    assert found["created_by"].startswith("master-")
    for _ in range(3):
        assert ask(guarded, "GET", playlist, key="").status_code == 200
    assert ask(guarded, "HEAD", playlist, key="").status_code == 200, "this is no view"
    assert ask(guarded, "GET", f"{playlist}?rendition=main", key="").status_code in (200, 404), "neither is this"
    with another_vod(guarded, tmp_path) as other:
        assert ask(other, "GET", playlist, key="").status_code == 200
        until(lambda: listed(other, f"{BUCKET}/{film}")[0]["views"] == 4, "both processes' views are counted")
    stored = guarded.read(SHARES).decode()
    assert key not in stored, "whoever reads the bucket cannot open it"
    assert key not in guarded.vod.log.read_text()


def test_a_revoked_link_is_refused_by_every_process_when_the_call_is_answered(
    guarded: Stack, film: str, tmp_path: Path
) -> None:
    share = link(guarded, f"{BUCKET}/{film}")
    playlist = f"{prefix(share)}/stream/{BUCKET}/{film}/playlist.m3u8"
    with another_vod(guarded, tmp_path, workers=2) as other:
        for _ in range(20):
            assert ask(other, "GET", playlist, key="").status_code == 200
            assert ask(guarded, "GET", playlist, key="").status_code == 200
        assert ask(guarded, "DELETE", f"/shares/{share['id']}").status_code == 204
        for _ in range(20):
            assert is_problem(ask(other, "GET", playlist, key=""), 403, "invalid_token")
            assert is_problem(ask(guarded, "GET", playlist, key=""), 403, "invalid_token")
        assert is_problem(ask(other, "GET", share["path"], key=""), 403, "invalid_token")
    assert is_problem(ask(guarded, "DELETE", f"/shares/{share['id']}"), 404, "no_share")
    assert listed(guarded, f"{BUCKET}/{film}") == []
    time.sleep(VIEWS_SECONDS + 0.5)  # its last views may still be added up
    listed(guarded, "")
    assert guarded.redis.hget(VIEWS, share["id"]) is None, "nothing of it stays"


def test_a_link_that_has_expired_opens_nothing_and_is_not_listed(guarded: Stack, film: str) -> None:
    old = Share("0123456789ab", shares.digest_of("sh_" + "o" * 32), f"{BUCKET}/{film}", expires=time.time() + 3)
    with_file(guarded, lambda links: [*links, old])
    at = "/p/sh_" + "o" * 32
    ask(guarded, "POST", "/shares", {"sub": f"{BUCKET}/{film}"})  # so that this process reads the file again
    until(
        lambda: ask(guarded, "GET", f"{at}/stream/{BUCKET}/{film}/playlist.m3u8", key="").status_code == 403, "it ends"
    )
    assert old.id not in {one["id"] for one in listed(guarded, f"{BUCKET}/{film}")}
    link(guarded, f"{BUCKET}/{film}")
    assert old.id not in guarded.read(SHARES).decode(), "it is dropped with the next change"


def with_file(stack: Stack, change: Any) -> None:
    raw = stack.read(SHARES) if stack.keys(SHARES) else shares.written([])
    stack.put(SHARES, shares.written(change(shares.read(raw))), bucket=stack.settings.minio_bucket_vod)


def test_links_made_at_once_are_all_kept(guarded: Stack, film: str) -> None:
    with ThreadPoolExecutor(12) as pool:
        made = list(pool.map(lambda _: link(guarded, f"{BUCKET}/{film}"), range(12)))
    assert {one["id"] for one in made} <= {one["id"] for one in listed(guarded, f"{BUCKET}/{film}")}


def test_a_wiped_redis_loses_no_link(guarded: Stack, film: str) -> None:
    share = link(guarded, f"{BUCKET}/{film}")
    guarded.redis.flushall()
    playlist = f"{prefix(share)}/stream/{BUCKET}/{film}/playlist.m3u8"
    assert ask(guarded, "GET", playlist, key="").status_code == 200
    assert share["id"] in {one["id"] for one in listed(guarded, f"{BUCKET}/{film}")}


@pytest.mark.parametrize("content", [b"", b"not JSON", b'{"shares": 1}', b'{"shares": [{"id": 1}]}'])
def test_a_file_that_cannot_be_read_opens_nothing_and_is_not_overwritten(
    guarded: Stack, film: str, content: bytes, tmp_path: Path
) -> None:
    before = guarded.read(SHARES) if guarded.keys(SHARES) else None
    try:
        guarded.put(SHARES, content, bucket=guarded.settings.minio_bucket_vod)
        with another_vod(guarded, tmp_path) as fresh:
            assert is_problem(ask(fresh, "GET", f"/s/sh_{'x' * 32}", key=""), 503, "store_unavailable")
            assert is_problem(ask(fresh, "POST", "/shares", {"sub": f"{BUCKET}/{film}"}), 503, "store_unavailable")
        assert guarded.read(SHARES) == content
    finally:
        guarded.put(SHARES, before or shares.written([]), bucket=guarded.settings.minio_bucket_vod)


@pytest.mark.parametrize("key", ["", "x", "sh_", "sh_" + "y" * 31, "sh_" + "y" * 32, "sh_" + "y" * 33, "eyJ.a.b"])
def test_what_is_no_link_is_refused(guarded: Stack, film: str, key: str) -> None:
    answer = ask(guarded, "GET", f"/p/{key}/stream/{BUCKET}/{film}/playlist.m3u8", key="")
    assert answer.status_code in (403, 404)
    if key:
        assert is_problem(ask(guarded, "GET", f"/s/{key}", key=""), 403, "invalid_token")


def test_a_shared_folder_shows_what_its_viewers_may_watch_and_nothing_beside_it(
    guarded: Stack, media: MediaFolder, folder: str, film: str
) -> None:
    deeper = guarded.put(f"{folder}/deep/er/clip.mp4", media.path(CLIP))
    beside = guarded.put(f"{folder}-beside/clip.mp4", media.path(CLIP))
    guarded.convert(beside)
    share = link(guarded, f"{BUCKET}/{folder}/")
    at = prefix(share)
    assert opened(guarded, share) == f"{at}/shared/{BUCKET}/{folder}/"

    def contents() -> dict[str, Any]:
        return dict(ask(guarded, "GET", f"{at}/contents/{BUCKET}/{folder}/", key="").json())

    until(lambda: len(contents()["assets"]) == 2, "both are listed")
    found = {one["key"]: one for one in contents()["assets"]}
    assert set(found) == {film, deeper}
    assert (found[film]["title"], found[deeper]["title"]) == ("film", "deep/er/clip")
    assert found[film]["watch"] == f"{at}/watch/{BUCKET}/{film}"
    assert ask(guarded, "GET", f"{at}/stream/{BUCKET}/{deeper}/playlist.m3u8", key="").status_code == 200
    assert ask(guarded, "GET", f"{at}/contents/{BUCKET}/{folder}/deep/", key="").json()["assets"][0]["key"] == deeper
    for path in (f"/contents/{BUCKET}/", f"/contents/{BUCKET}/{folder}-beside/", f"/contents/{BUCKET}/{folder}",
                 f"/stream/{BUCKET}/{beside}/playlist.m3u8", "/contents/other/"):  # fmt: skip
        assert ask(guarded, "GET", at + path, key="").status_code == 404, path
    assert ask(guarded, "GET", f"/contents/{BUCKET}/{folder}/", key="").status_code == 404, "not without a link"


def test_a_shared_folder_leaves_out_what_no_link_opens(guarded: Stack, media: MediaFolder, folder: str) -> None:
    for policy in ("open", "closed", "off"):
        guarded.put(f"{policy}/{folder}.mp4", media.path(CLIP))
    assets = f"/assets?q={folder}"
    until(lambda: len(ask(guarded, "GET", assets).json()["assets"]) == 2, "those that are not off are listed")
    share = link(guarded, f"{BUCKET}/")
    found = ask(guarded, "GET", f"{prefix(share)}/contents/{BUCKET}/", key="").json()["assets"]
    assert [one["key"] for one in found if folder in one["key"]] == [f"open/{folder}.mp4"]
    closed = f"{prefix(share)}/stream/{BUCKET}/closed/{folder}.mp4/playlist.m3u8"
    assert ask(guarded, "GET", closed, key="").status_code == 404
    for policy in ("closed", "off"):
        for sub in (f"{BUCKET}/{policy}/{folder}.mp4", f"{BUCKET}/{policy}/"):
            assert is_problem(ask(guarded, "POST", "/shares", {"sub": sub}), 409, "not_shareable"), sub


def test_a_link_has_videos_converted_if_who_made_it_may(guarded: Stack, media: MediaFolder, folder: str) -> None:
    cold = guarded.put(f"{folder}/cold.mp4", media.path(CLIP))
    share = link(guarded, f"{BUCKET}/{cold}")
    assert ask(guarded, "GET", f"{prefix(share)}/stream/{BUCKET}/{cold}/playlist.m3u8", key="").status_code == 200
    other = guarded.put(f"{folder}/other.mp4", media.path(CLIP))
    without = Share("abcdefabcdef", shares.digest_of("sh_" + "w" * 32), f"{BUCKET}/{other}", inf, makes=())
    with_file(guarded, lambda links: [*links, without])
    link(guarded, f"{BUCKET}/{other}")  # so that this process reads the file again
    refused = ask(guarded, "GET", f"/p/sh_{'w' * 32}/stream/{BUCKET}/{other}/playlist.m3u8", key="")
    assert is_problem(refused, 404, "not_converted")


@pytest.mark.parametrize("policy", ["open", "closed", "off", "signed"])
def test_the_asset_itself_is_for_keys_and_for_links_and_tokens_that_say_so(
    guarded: Stack, media: MediaFolder, folder: str, policy: str
) -> None:
    name = 'a film, with "quotes" & ümläuts.mp4'
    key = guarded.put(f"{policy}/{folder}/{name}", media.path(CLIP))
    original = media.path(CLIP).read_bytes()
    path = f"/download/{BUCKET}/{policy}/{folder}/{quote(name)}"
    with_key, without = ask(guarded, "GET", path), ask(guarded, "GET", path, key="")
    assert (with_key.status_code, without.status_code) == (404 if policy == "off" else 302, 404)
    if policy in ("open", "signed"):
        for more, status in (({"download": True}, 302), ({}, 404)):
            share = link(guarded, f"{BUCKET}/{key}", **more)
            token = ask(guarded, "POST", "/playback/tokens", {"sub": f"{BUCKET}/{key}", **more}).json()["token"]
            for at in (prefix(share), f"/p/{token}"):
                answer = ask(guarded, "GET", at + path, key="")
                assert answer.status_code == status
                if status == 302:
                    got = requests.get(answer.headers["location"], timeout=30)
                    assert got.content == original
                    disposition = got.headers["content-disposition"]
                    assert disposition.endswith("filename*=UTF-8''" + quote(name, safe=""))
                status_view = f"{at}/stream/{BUCKET}/{policy}/{folder}/{quote(name)}/status"
                assert ask(guarded, "GET", status_view, key="").json()["download"] is (status == 302)
    missing = ask(guarded, "GET", f"/download/{BUCKET}/{policy}/{folder}/none.mp4")
    assert is_problem(missing, 404, "not_found")


def test_denials_concern_links_too(guarded: Stack, film: str) -> None:
    share = link(guarded, f"{BUCKET}/{film}")
    playlist = f"{prefix(share)}/stream/{BUCKET}/{film}/playlist.m3u8"
    for claim, value in (("sub", f"{BUCKET}/{film}"), ("kid", "share"), ("jti", share["id"])):
        assert ask(guarded, "POST", "/playback/denials", {"claim": claim, "value": value}).status_code == 201
        assert ask(guarded, "GET", playlist, key="").status_code == 404
        assert ask(guarded, "DELETE", f"/playback/denials/{claim}/{value}").status_code == 204
        assert ask(guarded, "GET", playlist, key="").status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"sub": f"{BUCKET}/none.mp4"}, 404),
        ({"sub": "other/none.mp4"}, 404),
        ({"sub": f"{BUCKET}/a//b.mp4"}, 400),
        ({"sub": BUCKET}, 400),
        ({"sub": f"{BUCKET}/x/", "expires_in": 1}, 422),
        ({"sub": f"{BUCKET}/x/", "expires_in": 10**9}, 422),
        ({"sub": f"{BUCKET}/x/", "start": -1}, 422),
        ({"sub": f"{BUCKET}/x/", "download": "yes"}, 422),
        ({}, 422),
    ],
)
def test_a_mistake_makes_no_link(guarded: Stack, body: dict[str, Any], status: int) -> None:
    before = json.dumps(ask(guarded, "GET", "/shares").json()["shares"], sort_keys=True)
    assert ask(guarded, "POST", "/shares", body).status_code == status
    assert json.dumps(ask(guarded, "GET", "/shares").json()["shares"], sort_keys=True) == before


def test_what_is_written_is_read_again() -> None:
    links = [
        Share("a" * 12, "d" * 64, "films/a.mp4", inf, 3, True, (Profile.AUTO, Profile.LADDER), 5, "ci"),
        Share("b" * 12, "e" * 64, "films/", 10.0),
    ]
    assert shares.read(shares.written(links)) == links
