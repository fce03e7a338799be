"""Uploads: into the bucket in signed parts, past the services, on every store."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import urllib3
from pydantic import SecretStr

from dev.servers import ROOT, start_redis
from mam.events import async_client
from mam.http.transcoder import Transcoder
from mam.naming import Asset, stem
from mam.store import keys
from mam.store.multipart import Multipart
from mam.store.objects import Store
from mam.store.signing import Place, signer_at
from mam.uploads.records import PREFIX
from mam.uploads.service import running
from tests.integration.system import (
    ACCESS_KEY,
    API_KEY,
    BUCKET,
    OTHER_BUCKET,
    S3,
    SECRET_KEY,
    UPLOAD_KEY,
    Stack,
    configuration,
    descendants,
    is_problem,
    settings_of,
    until,
)
from tests.integration.uploading import Client
from tests.media import CLIP, MediaFolder

MIB = 1 << 20
PART = 8 * MIB
BYTES = int(os.environ.get("MAM_TEST_UPLOAD_BYTES", 100 * MIB))  # of the file whose client is killed


def client_of(stack: Stack, api_key: str = API_KEY) -> Client:
    return Client(f"http://{stack.vod.address}", api_key)


def padded(clip: Path, target: Path, size: int) -> Path:
    """The clip as a video of `size` bytes: a box of random bytes behind it, which no player looks into."""
    rest = size - clip.stat().st_size
    generator = random.Random(size)
    with target.open("wb") as file:
        file.write(clip.read_bytes())
        file.write((1).to_bytes(4, "big") + b"free" + rest.to_bytes(8, "big"))
        left = rest - 16
        while left:
            left -= file.write(generator.randbytes(min(left, 4 * MIB)))
    assert target.stat().st_size == size
    return target


def sent(client: Client, data: bytes, name: str, *, folder: str) -> dict[str, Any]:
    """The view of an upload whose parts have all arrived."""
    view: dict[str, Any] = client.begin(name, len(data), folder=folder).json()
    for number, url in client.urls(view["id"], range(1, view["parts"] + 1)).items():
        status, said = client.put(url, data[(number - 1) * view["part_size"] :][: view["part_size"]])
        assert status == 200, said
    return view


def complete(client: Client, view: dict[str, Any]) -> Any:
    answer = client.call("POST", f"/{view['id']}/complete", {})
    assert answer.status_code == 200, answer.text
    return answer.json()


def verdict(client: Client, view: dict[str, Any]) -> Any:
    return until(lambda: client.call("GET", f"/{view['id']}").json()["verdict"], "the file is judged", seconds=60)


def test_a_file_is_uploaded_judged_and_watched(stack: Stack, media: MediaFolder, folder: str) -> None:
    client, data = client_of(stack), media.path(CLIP).read_bytes()
    view = sent(client, data, "my film.mp4", folder=folder)
    assert (view["key"], view["parts"], view["part_size"], view["arrived"]) == (f"{folder}/my film.mp4", 1, PART, [])
    done = complete(client, view)
    assert done["watch"] == f"/watch/{BUCKET}/{folder}/my%20film.mp4"
    assert stack.read(view["key"], bucket=BUCKET) == data
    found = verdict(client, view)
    assert found["ok"], found
    assert found["duration"] > 0
    assert "h264" in found["summary"]
    assert stack.playlist(stack.stream_url(view["key"])).segments


def test_what_is_no_video_is_named_so_and_can_be_removed(stack: Stack, folder: str) -> None:
    client = client_of(stack)
    view = sent(client, b"not at all a film" * 100, "a.mp4", folder=folder)
    complete(client, view)
    found = verdict(client, view)
    assert (found["ok"], found["code"]) == (False, "not_a_video")
    assert found["message"]
    assert found["hint"]
    assert client.call("DELETE", f"/{view['id']}").status_code == 204
    assert stack.keys(f"{folder}/", bucket=BUCKET) == set()
    assert is_problem(client.call("GET", f"/{view['id']}"), 404, "upload_not_found")


@pytest.mark.parametrize(
    "data", [b"not at all a film" * 100, b"\0\0\0\x18ftypisom" + bytes(40)], ids=["text", "a head alone"]
)
def test_the_library_keeps_what_an_upload_has_shown(one_stack: Stack, folder: str, data: bytes) -> None:
    client = client_of(one_stack)
    view = sent(client, data, "a.mp4", folder=folder)
    complete(client, view)
    found = verdict(client, view)
    assert not found["ok"]
    one_stack.redis.delete(f"{PREFIX}{view['id']}")  # as after a day
    headers = {"x-api-key": API_KEY}

    def assets(**query: str) -> dict[str, Any]:
        url = f"http://{one_stack.vod.address}/assets"
        answer = one_stack.get(url, params={"bucket": BUCKET, "folder": folder, **query}, headers=headers).json()
        return {asset["key"]: asset for asset in answer["assets"]}

    shown = until(lambda: assets(state="failed"), "the library shows it as failed")[view["key"]]
    assert shown["error"] == {name: found[name] for name in ("code", "message", "hint")}
    one_stack.put(view["key"], data + b"!")  # another version: nothing is known of it
    one = f"http://{one_stack.vod.address}/assets/{BUCKET}/{view['key']}"
    assert one_stack.get(one, headers=headers).json()["state"] == "new"


def test_a_removal_leaves_what_somebody_else_put_there(stack: Stack, folder: str) -> None:
    client = client_of(stack)
    view = sent(client, b"not at all a film" * 100, "a.mp4", folder=folder)
    complete(client, view)
    assert not verdict(client, view)["ok"]
    stack.put(view["key"], b"somebody else's")
    assert is_problem(client.call("DELETE", f"/{view['id']}"), 409, "upload_complete")
    assert stack.read(view["key"], bucket=BUCKET) == b"somebody else's"


def test_a_good_video_is_not_removed_by_its_upload(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    client = client_of(one_stack)
    view = sent(client, media.path(CLIP).read_bytes(), "a.mp4", folder=folder)
    complete(client, view)
    assert verdict(client, view)["ok"]
    assert is_problem(client.call("DELETE", f"/{view['id']}"), 409, "upload_complete")
    assert one_stack.keys(f"{folder}/", bucket=BUCKET) == {view["key"]}


def test_the_list_says_where_files_go_and_which_are_taken(one_stack: Stack) -> None:
    said = client_of(one_stack).call("GET").json()
    assert (said["bucket"], said["prefix"], said["max_bytes"]) == (BUCKET, "", 50 << 30)
    assert {"mp4", "mov", "srt", "vtt"} <= set(said["extensions"])


def test_subtitles_are_taken_and_not_judged(stack: Stack, folder: str) -> None:
    client = client_of(stack)
    view = sent(client, b"WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n", "a.de.vtt", folder=folder)
    assert complete(client, view)["watch"] is None
    assert client.call("GET", f"/{view['id']}").json()["verdict"] is None
    assert stack.s3.client.stat_object(BUCKET, view["key"]).size == 39 - 1
    assert not stack.redis.sismember("mam:uploads:unjudged", view["id"])


def test_completing_twice_gives_the_same_answer(stack: Stack, folder: str) -> None:
    client = client_of(stack)
    view = sent(client, b"x" * 100, "a.vtt", folder=folder)
    first = complete(client, view)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: complete(client, view), range(4))) == [first] * 4


def test_many_who_complete_at_once_get_the_same_answer(stack: Stack, folder: str) -> None:
    client = client_of(stack)
    view = sent(client, os.urandom(2 * PART), "a.mp4", folder=folder)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: complete(client_of(stack), view), range(8)))
    assert answers == answers[:1] * 8


def test_a_completion_whose_process_died_is_known_by_its_object(stack: Stack, folder: str) -> None:
    client = client_of(stack)
    view = sent(client, b"y" * 100, "a.mp4", folder=folder)
    done = complete(client, view)
    key = f"mam:upload:{view['id']}"
    stack.redis.hdel(key, "arrived", "verdict")  # as if it had been killed between the store's answer and this
    assert complete(client, view) == done


def test_missing_parts_are_named_and_nothing_is_changed(stack: Stack, folder: str) -> None:
    client, data = client_of(stack), os.urandom(4 * PART + 5)
    view = client.begin("a.mp4", len(data), folder=folder).json()
    assert view["parts"] == 5
    urls = client.urls(view["id"], [1, 2, 3, 4, 5])
    for number in (1, 2):
        assert client.put(urls[number], data[(number - 1) * PART : number * PART])[0] == 200
    answer = client.call("POST", f"/{view['id']}/complete", {})
    assert is_problem(answer, 409, "upload_incomplete")
    assert "3-5" in answer.json()["detail"]
    assert client.call("GET", f"/{view['id']}").json()["arrived"] == [1, 2]
    for number in (3, 4, 5):
        assert client.put(urls[number], data[(number - 1) * PART : number * PART])[0] == 200
    complete(client, view)
    assert stack.read(view["key"], bucket=BUCKET) == data


def test_a_part_of_another_size_is_refused_by_the_store(stack: Stack, folder: str) -> None:
    client = client_of(stack)
    view = client.begin("a.mp4", PART + 3, folder=folder).json()
    urls = client.urls(view["id"], [1, 2])
    for data in (b"ab", b"abcd", b""):
        assert client.put(urls[2], data)[0] == 403
    assert client.put(urls[2], b"abc")[0] == 200
    assert client.call("GET", f"/{view['id']}").json()["arrived"] == [2]


def test_the_same_file_goes_on_with_its_upload(stack: Stack, folder: str) -> None:
    client = client_of(stack)
    first = client.begin("a.mp4", 2 * PART, folder=folder, fingerprint=folder)
    assert first.status_code == 201
    view = first.json()
    client.put(client.urls(view["id"], [1])[1], bytes(PART))
    again = client.begin("a.mp4", 2 * PART, folder=folder, fingerprint=folder)
    assert (again.status_code, again.json()["id"], again.json()["arrived"]) == (200, view["id"], [1])
    other = client.begin("a.mp4", 2 * PART + 1, folder=folder, fingerprint=folder)
    assert other.status_code == 201
    assert view["id"] in [upload["id"] for upload in client.call("GET").json()["uploads"]]
    for upload in (view, other.json()):
        assert client.call("DELETE", f"/{upload['id']}").status_code == 204


def test_one_file_begun_many_times_at_once_is_one_upload(one_stack: Stack, folder: str) -> None:
    def begin(_: int) -> str:
        return str(client_of(one_stack).begin("a.mp4", PART, folder=folder, fingerprint=folder).json()["id"])

    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(begin, range(8)))
    assert len(ids) == 1
    unfinished = Multipart(one_stack.settings).unfinished(f"{folder}/")
    assert len(list(unfinished)) == 1, "the losers' uploads were aborted"


def test_many_files_of_one_name_get_names_of_their_own(one_stack: Stack, folder: str) -> None:
    def begin(number: int) -> str:
        return str(client_of(one_stack).begin("a.mp4", PART, folder=folder, fingerprint=str(number)).json()["key"])

    with ThreadPoolExecutor(6) as pool:
        keys = set(pool.map(begin, range(6)))
    assert keys == {f"{folder}/a.mp4", *(f"{folder}/a ({n}).mp4" for n in range(2, 7))}


def test_a_taken_name_gets_a_number(stack: Stack, folder: str) -> None:
    client = client_of(stack)
    stack.put(f"{folder}/a.b.mp4", b"there")
    stack.put(f"{folder}/a.b (2).MOV", b"there")
    stack.put(f"{folder}/c.vtt", b"there")
    assert client.begin("a.b.mp4", 9, folder=folder).json()["key"] == f"{folder}/a.b (3).mp4"
    assert client.begin("a.mp4", 9, folder=folder).json()["key"] == f"{folder}/a.mp4"
    assert client.begin("c.vtt", 9, folder=folder).json()["key"] == f"{folder}/c (2).vtt"
    assert client.begin("c.mp4", 9, folder=folder).json()["key"] == f"{folder}/c.mp4", "subtitles do not take its name"
    stack.put(f"{folder}/c.en.forced.srt", b"there")
    assert client.begin("c.en.forced.srt", 9, folder=folder).json()["key"] == f"{folder}/c (2).en.forced.srt"


def test_a_film_does_not_share_its_stem_with_another(stack: Stack, folder: str) -> None:
    client = client_of(stack)
    stack.put(f"{folder}/a.mp4", b"there")
    key = client.begin("a.mov", 9, folder=folder).json()["key"]
    assert (key, stem(key)) == (f"{folder}/a (2).mov", f"{folder}/a (2)")


def test_a_file_is_no_folder_and_a_folder_no_file(stack: Stack, folder: str) -> None:
    """MinIO would list one of the two alone, rclone lose the other."""
    client = client_of(stack)
    stack.put(f"{folder}/a.mp4", b"there")
    stack.put(f"{folder}/b.mp4/c.mp4", b"there")
    assert is_problem(client.begin("d.mp4", 9, folder=f"{folder}/a.mp4"), 400, "invalid_name")
    assert client.begin("b.mp4", 9, folder=folder).json()["key"] == f"{folder}/b (2).mp4"


def test_an_object_that_came_meanwhile_is_not_overwritten(stack: Stack, folder: str) -> None:
    client = client_of(stack)
    view = sent(client, b"mine" * 100, "a.mp4", folder=folder)
    stack.put(view["key"], b"somebody else's")
    assert is_problem(client.call("POST", f"/{view['id']}/complete", {}), 409, "name_taken")
    assert stack.read(view["key"], bucket=BUCKET) == b"somebody else's"
    assert client.call("GET", f"/{view['id']}").json()["arrived"] == [1], "the parts are kept"
    stack.s3.client.remove_object(BUCKET, view["key"])
    complete(client, view)
    assert stack.read(view["key"], bucket=BUCKET) == b"mine" * 100


def test_a_cancelled_upload_is_gone_from_the_store(stack: Stack, folder: str) -> None:
    client = client_of(stack)
    view = client.begin("a.mp4", 2 * PART, folder=folder).json()
    url = client.urls(view["id"], [1])[1]
    assert client.put(url, bytes(PART))[0] == 200
    assert client.call("DELETE", f"/{view['id']}").status_code == 204
    assert client.put(url, bytes(PART))[0] == 404
    assert not list(Multipart(stack.settings).unfinished(f"{folder}/"))
    for method, path in (("GET", ""), ("POST", "/complete"), ("DELETE", "")):
        assert is_problem(client.call(method, f"/{view['id']}{path}"), 404, "upload_not_found")
    assert client.begin("a.mp4", 2 * PART, folder=folder).json()["key"] == view["key"], "its name is free again"


def test_an_upload_that_the_store_has_dropped_begins_anew(stack: Stack, folder: str) -> None:
    client = client_of(stack)
    view = client.begin("a.mp4", 2 * PART, folder=folder).json()
    store = Multipart(stack.settings)
    for unfinished in store.unfinished(f"{folder}/"):
        store.abort(unfinished.key, unfinished.upload_id)
    again = client.begin("a.mp4", 2 * PART, folder=folder)
    assert (again.status_code, again.json()["key"]) == (201, view["key"])
    assert is_problem(client.call("GET", f"/{view['id']}"), 404, "upload_not_found")


def test_bad_wishes_are_refused_by_name(one_stack: Stack, folder: str) -> None:
    client = client_of(one_stack)
    assert is_problem(client.begin("a.exe", 9, folder=folder), 422, "unsupported_file")
    assert is_problem(client.begin("mp4", 9, folder=folder), 422, "unsupported_file")
    assert is_problem(client.begin("a.mp4", 9, folder="../b"), 400, "invalid_name")
    assert is_problem(client.begin("a.mp4", 9, folder="a//b"), 400, "invalid_name")
    assert is_problem(client.begin("x" * 256 + ".mp4", 9, folder=folder), 400, "invalid_name")
    assert is_problem(client.begin("a.mp4", 0, folder=folder), 422, "invalid_request")
    assert is_problem(client.begin("a.mp4", (50 << 30) + 1, folder=folder), 422, "too_large")
    assert is_problem(client.call("GET", "/nothing"), 422, "invalid_request")
    assert is_problem(client.call("POST", f"/{'0' * 32}/parts", {"numbers": [1]}), 404, "upload_not_found")
    view = client.begin("a.mp4", 9, folder=folder).json()
    for numbers in ([2], [0], [], list(range(1, 102))):
        assert is_problem(client.call("POST", f"/{view['id']}/parts", {"numbers": numbers}), 422, "invalid_request")
    assert is_problem(client_of(one_stack, "wrong").begin("a.mp4", 9), 403, "forbidden")


def test_names_are_cleaned(one_stack: Stack, folder: str) -> None:
    client = client_of(one_stack)
    name = r"C:\films\ " + "U\u0308ber\u202e uns\n.mp4 "
    assert client.begin(name, 9, folder=f"/{folder}/ a /").json()["key"] == f"{folder}/a/\u00dcber uns.mp4"


def test_a_signed_part_url_copies_no_other_object(stack: Stack, folder: str) -> None:
    """CVE-2026-97731: the header is not signed, so whoever has the URL may add it."""
    client, secret = client_of(stack), os.urandom(6 * MIB)
    stack.put(f"{folder}/secret.bin", secret, bucket=OTHER_BUCKET)
    source = {"x-amz-copy-source": f"/{OTHER_BUCKET}/{folder}/secret.bin"}
    view = client.begin("a.mp4", PART, folder=folder).json()
    status, said = client.put(client.urls(view["id"], [1])[1], b"", **source)
    assert status == 403, said
    # Nor with a URL that does not bind the length, for which an empty body would be wrong anyhow:
    upload = next(Multipart(stack.settings).unfinished(view["key"]))
    query = {"partNumber": "1", "uploadId": upload.upload_id}

    def signed_by(user: str, password: str) -> str:
        place = Place(BUCKET, stack.s3.server.address, False, "us-east-1", user, SecretStr(password))
        return signer_at(place, method="PUT", query=query, expires=60)(view["key"])

    status, said = client.put(signed_by(*UPLOAD_KEY), b"", **source)
    assert status == 403, said
    assert client.call("GET", f"/{view['id']}").json()["arrived"] == []
    if stack.s3.kind == "minio":  # with the key that reads, it would: this is what the other key is for
        status, said = client.put(signed_by(ACCESS_KEY, SECRET_KEY), b"", **source)
        assert (status, b"CopyPartResult" in said) == (200, True)


def test_the_upload_key_can_neither_read_nor_list_nor_remove(folder: str, one_stack: Stack) -> None:
    if one_stack.s3.kind != "minio":
        pytest.skip("rclone knows no policies")
    one_stack.put(f"{folder}/a.mp4", b"there")
    store = urllib3.PoolManager()
    key = SecretStr(UPLOAD_KEY[1])
    for bucket in (BUCKET, OTHER_BUCKET):
        place = Place(bucket, one_stack.s3.server.address, False, "us-east-1", UPLOAD_KEY[0], key)
        for method, name in (("GET", f"{folder}/a.mp4"), ("GET", ""), ("DELETE", f"{folder}/a.mp4")):
            answer = store.urlopen(method, signer_at(place, method=method, expires=60)(name))
            assert answer.status == 403, (bucket, method, name, answer.data)
    place = Place(OTHER_BUCKET, one_stack.s3.server.address, False, "us-east-1", UPLOAD_KEY[0], key)
    assert store.urlopen("PUT", signer_at(place, method="PUT", expires=60)(f"{folder}/a"), body=b"x").status == 403


def test_a_page_of_another_origin_may_put_parts(stack: Stack, folder: str) -> None:
    client, origin = client_of(stack), "http://localhost:8002"
    view = client.begin("a.mp4", 3, folder=folder).json()
    url = client.urls(view["id"], [1])[1]
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "content-type",
    }
    preflight = urllib3.request("OPTIONS", url, headers=asked)
    assert preflight.status in (200, 204), preflight.data
    assert preflight.headers["Access-Control-Allow-Origin"] in ("*", origin)
    assert "PUT" in preflight.headers["Access-Control-Allow-Methods"]
    assert "content-type" in preflight.headers["Access-Control-Allow-Headers"].lower()
    answer = urllib3.request("PUT", url, body=b"abc", headers={"Origin": origin, "Content-Type": "video/mp4"})
    assert answer.status == 200, answer.data
    assert answer.headers.getlist("Access-Control-Allow-Origin") in (["*"], [origin])


def outside(stack: Stack, tmp_path: Path, **more: str) -> Stack:
    """A VoD service of its own over the same stores."""
    env = {name: value for name, value in {**stack.env, **more}.items() if value}
    other = Stack(stack.s3, env, tmp_path / "outside")
    other.env["TRANSCODE_API_URL"] = stack.env["TRANSCODE_API_URL"]
    return other


def test_whoever_wants_to_know_is_told_of_an_arrival_once(stack: Stack, folder: str) -> None:
    view = sent(client_of(stack), b"z" * 100, "a.mp4", folder=folder)
    told: list[tuple[Any, ...]] = []

    class Listening:
        async def added(self, *what: Any) -> None:
            told.append(what)

        async def removed(self, *_: Any) -> None:
            raise AssertionError("nothing was removed")

        async def judged(self, *_: Any) -> None:
            pass

    async def completed() -> None:
        settings = stack.settings
        transcoder, redis = Transcoder(settings), async_client(settings)
        async with running(settings, Store(settings), redis, transcoder, Listening()) as it:
            assert it
            await asyncio.gather(*(it.complete(view["id"]) for _ in range(5)))
        await redis.aclose()

    began = time.time()
    asyncio.run(completed())
    ((asset, size, version, modified),) = told
    assert (asset, size) == (Asset(BUCKET, view["key"]), 100)
    assert version == Store(stack.settings).head(BUCKET, view["key"]).version  # type: ignore[union-attr]
    assert began - 5 < modified < time.time() + 5


def test_without_a_bucket_uploads_are_off(one_stack: Stack, tmp_path: Path) -> None:
    other = outside(one_stack, tmp_path, MINIO_UPLOAD_BUCKET="", REDIS_DB="12", CELERY_REDIS_DB="13")
    other.start_vod()
    try:
        other.wait_for(other.vod)
        client = client_of(other)
        for method, path in (("GET", ""), ("POST", ""), ("GET", "/" + "0" * 32), ("POST", f"/{'0' * 32}/complete")):
            assert is_problem(client.call(method, path, {}), 404, "uploads_off")
        assert is_problem(client_of(other, "wrong").call("GET"), 403, "forbidden")
    finally:
        other.vod.stop()


def test_stale_uploads_are_swept(stack: Stack, tmp_path: Path, folder: str) -> None:
    """Those with a record, and those of which Redis has lost all; below a prefix of their own.

    In a Redis of its own: one process sweeps for all that share a database, as often as its own settings say.
    """
    settings = {"UPLOAD_HOURS": str(3 / 3600), "MINIO_UPLOAD_PREFIX": folder, "REDIS_DB": "0", "CELERY_REDIS_DB": "1"}
    with start_redis(tmp_path / "redis", persist=False) as own:
        other = outside(stack, tmp_path, REDIS_PORT=str(own.port), **settings)
        other.start_vod()
        try:
            other.wait_for(other.vod)
            client = client_of(other)
            known, lost = (client.begin(f"{name}.mp4", PART, folder="a").json() for name in ("known", "lost"))
            assert known["key"] == f"{folder}/a/known.mp4"
            other.redis.delete(f"mam:upload:{lost['id']}")
            store = Multipart(other.settings)
            until(lambda: not list(store.unfinished(f"{folder}/")), "both are aborted")
            assert is_problem(client.call("GET", f"/{known['id']}"), 404, "upload_not_found")
            assert client.call("GET").json()["uploads"] == []
        finally:
            other.vod.stop()


def test_a_bucket_without_any_upload_has_none(s3: S3, folder: str) -> None:
    s3.client.make_bucket(folder)
    env = configuration(s3.server.address, 1, MINIO_UPLOAD_BUCKET=folder, MINIO_SOURCE_BUCKETS=folder)
    if s3.kind == "minio":  # a user of its own: that of the other tests keeps its policy
        env |= {"MINIO_UPLOAD_USR": f"only-{folder}"}
    settings = settings_of(env)
    if s3.kind == "minio":
        keys.make(settings)
    assert list(Multipart(settings).unfinished("")) == []


def test_with_redis_away_uploads_say_so(one_stack: Stack, tmp_path: Path) -> None:
    with start_redis(tmp_path / "redis", persist=False) as own:
        other = outside(one_stack, tmp_path, REDIS_PORT=str(own.port), REDIS_DB="0", CELERY_REDIS_DB="1")
        other.start_vod()
        try:
            other.wait_for(other.vod)
            own.stop()
            assert is_problem(client_of(other).begin("a.mp4", 9), 503, "redis_unavailable")
            assert is_problem(client_of(other).call("GET"), 503, "redis_unavailable")
        finally:
            other.vod.stop()


def has_nothing_to_do(stack: Stack) -> bool:
    """Whether the workers run no task, and none waits: pictures are made after a job's end."""
    fleet = stack.get(f"http://{stack.transcoder.address}/fleet", headers={"x-api-key": API_KEY}).json()
    return not any(fleet["queues"].values()) and not any(worker["tasks"] for worker in fleet["workers"])


def read_and_written(pids: Iterable[int]) -> dict[int, int]:
    """Bytes that each process has passed to and from read(2), write(2) and the like, sockets too.

    A process that has ended meanwhile is left out: a worker's decoder may be among the children of a service.
    """
    found = {}
    for pid in pids:
        with suppress(OSError):
            lines = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
            found[pid] = int(lines["rchar"]) + int(lines["wchar"])
    return found


def since(before: dict[int, int]) -> int:
    """Bytes that these processes have passed since then."""
    return sum(now - before[pid] for pid, now in read_and_written(before).items())


@pytest.mark.timeout(1800)
@pytest.mark.skipif(sys.platform != "linux", reason="counts bytes by /proc")
def test_an_upload_killed_twice_arrives_whole_and_past_the_services(
    stack: Stack, media: MediaFolder, tmp_path: Path, folder: str
) -> None:
    film = padded(media.path(CLIP), tmp_path / "film.mp4", BYTES)
    parts = -(-BYTES // PART)
    argv = [sys.executable, "-m", "tests.integration.uploading", f"http://{stack.vod.address}", API_KEY]
    argv += [str(film), folder]
    vod = {stack.vod.process.pid, *descendants(stack.vod.process.pid)}
    transcoder = {stack.transcoder.process.pid, *descendants(stack.transcoder.process.pid)}
    until(lambda: has_nothing_to_do(stack), "no other test's work is under way")
    before, began = (read_and_written(vod), read_and_written(transcoder)), time.monotonic()
    said: list[str] = []
    for last, status in ((str(parts // 4), -signal.SIGKILL), (str(parts // 4), -signal.SIGKILL), ("", 0)):
        client = subprocess.run([*argv, last], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        said += client.stdout.splitlines()
        assert client.returncode == status, said[-5:]
    seconds = time.monotonic() - began
    resumed = [line for line in said if line.startswith("upload ")]
    assert len(resumed) == 3
    assert len({line.split(":")[0] for line in resumed}) == 1, "one upload, gone on with"
    held = [int(line.split()[2]) for line in resumed]
    assert held[0] == 0 < held[1] < held[2] < parts, "killed on its way, twice"
    key = f"{folder}/film.mp4"
    assert said[-1] == f"complete {BUCKET} {key}"
    stored, wanted = hashlib.sha256(), hashlib.sha256(film.read_bytes())
    response = stack.s3.client.get_object(BUCKET, key)
    for block in response.stream(MIB):
        stored.update(block)
    response.close()
    assert stored.hexdigest() == wanted.hexdigest()
    upload = resumed[0].split()[1].rstrip(":")
    found = until(lambda: client_of(stack).call("GET", f"/{upload}").json()["verdict"], "it is judged", seconds=60)
    assert found["ok"], found
    assert stack.vod.process.pid in read_and_written(vod)
    passed = since(before[0]), since(before[1])
    print(
        f"{stack.s3.kind}: {BYTES} bytes in {parts} parts, {seconds:.1f} s; "
        f"bytes read and written: VoD service {passed[0]}, transcoding service {passed[1]}; {resumed}; {found}"
    )
    assert passed[0] < 4 * MIB + BYTES // 100, "the VoD service signs and lists"
    assert passed[1] < 16 * MIB + BYTES // 100, "the transcoding service reads the index"
