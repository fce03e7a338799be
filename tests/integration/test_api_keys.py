"""API keys with scopes and prefixes: what each may do, on every route of both services, and who is told about it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import requests

from dev.servers import Server
from mam.credentials.api_keys import KeyRecord, digest_of, new_key, written
from mam.credentials.scopes import Scope
from mam.http.auth import PAGE_HEADER
from mam.http.caller import HEADER
from mam.http.tries import PREFIX, TRIES
from tests.integration.system import API_KEY, BUCKET, OTHER_BUCKET, S3, Stack, another_vod, is_problem, own_stack, until
from tests.integration.test_hanging import CALLS, UNKNOWN, Call, bodies
from tests.media import CLIP, MediaFolder

SERVICE_KEY = "the key between the services of these tests"

# The scope that each call needs. A call that is not here needs no key.
NEEDS = {
    Scope.READ: {
        "GET vod /assets", "GET vod /assets/{bucket}/{path}", "GET vod /api/jobs", "GET vod /api/jobs/{job_id}",
        "GET vod /api/jobs/{job_id}/chunks", "GET vod /api/fleet", "GET vod /api/events", "POST vod /api/plan",
        "POST transcoder /plan", "GET transcoder /fleet", "GET transcoder /events", "GET transcoder /jobs",
        "GET transcoder /jobs/{job_id}", "GET transcoder /jobs/{job_id}/events",
        "GET transcoder /jobs/{job_id}/chunks",
    },
    Scope.CONVERT: {
        "POST transcoder /transcode", "POST vod /api/transcode", "DELETE transcoder /jobs/{job_id}",
        "DELETE vod /api/jobs/{job_id}", "PATCH transcoder /jobs/{job_id}", "PATCH vod /api/jobs/{job_id}",
        "POST transcoder /jobs/{job_id}/retry", "POST vod /api/jobs/{job_id}/retry",
        "POST transcoder /jobs/{job_id}/seek",
    },
    Scope.UPLOAD: {
        "GET vod /uploads", "POST vod /uploads", "GET vod /uploads/{upload}", "DELETE vod /uploads/{upload}",
        "POST vod /uploads/{upload}/parts", "POST vod /uploads/{upload}/complete",
    },
    Scope.EDIT: {"DELETE vod /cache/{video_name}"},
    Scope.DELETE: {"DELETE vod /stream/{bucket}/{path}/playlist.m3u8", "DELETE transcoder /jobs/{job_id}/segments"},
    Scope.SIGN: {
        "POST vod /playback/tokens", "DELETE vod /playback/tokens/{jti}", "GET vod /playback/denials",
        "GET vod /shares", "POST vod /shares", "DELETE vod /shares/{share}",
        "POST vod /playback/denials", "DELETE vod /playback/denials/{claim}/{value}",
    },
    Scope.ADMIN: {"GET vod /audit"},
}  # fmt: skip
SCOPE_OF = {call: scope for scope, calls in NEEDS.items() for call in calls}
GUARDED = [call for call in CALLS if str(call) in SCOPE_OF]
ASKED = 20  # So many requests at most find out that a service knows a key.
STREAMS = re.compile(r"/events$")


@dataclass
class Keyed:
    """A system whose services read the same file of keys."""

    stack: Stack
    file: Path
    records: list[KeyRecord] = field(default_factory=list)

    def key(self, *scopes: Scope, **more: Any) -> str:
        """A new key, which both services know."""
        text = new_key()
        more.setdefault("id", f"key-{len(self.records)}")
        self.records.append(KeyRecord(sha256=digest_of(text), scopes=list(scopes), **more))
        self.write()
        for server in (self.stack.vod, self.stack.transcoder):
            until(lambda server=server: self.is_known(server, text), "the key is known")  # type: ignore[misc]
        return text

    def write(self) -> None:
        self.file.write_text(written(self.records))

    def is_known(self, server: Server, key: str) -> bool:
        """Asked with care: too many wrong keys from an address are refused."""
        for counter in self.stack.redis.keys(PREFIX + "*"):
            self.stack.redis.delete(counter)
        answer = send(server, "DELETE", "/cache/none" if server is self.stack.vod else f"/jobs/{UNKNOWN}", key)
        return answer.status_code not in (403, 429) or answer.json()["code"] == "not_permitted"

    def ask(self, call: Call, key: str, *, asset: str = "none/none.mp4") -> requests.Response:
        server = self.stack.vod if call.service == "vod" else self.stack.transcoder
        path = call.path.format(
            bucket=BUCKET, path=asset, video_name="none", job_id=UNKNOWN, upload=32 * "0", jti="id", claim="vid",
            value="viewer", name="x.js", revision=UNKNOWN, rendition="main", file="00000.ts",
            sheet="storyboard-00.jpg", token="x", key="x", folder="none/", share=UNKNOWN,
        )  # fmt: skip
        body = bodies(asset).get(f"{call.method} {call.path}")
        return send(server, call.method, f"{path}?video=none" if path.endswith("/segments") else path, key, body)

    def entries(self, **wanted: str) -> list[dict[str, Any]]:
        """The entries of the audit trail with these fields, the newest first."""
        answer = send(self.stack.vod, "GET", "/audit?limit=1000", API_KEY).json()["entries"]
        return [entry for entry in answer if entry.items() >= wanted.items()]


def send(server: Server, method: str, path: str, key: str, body: Any = None, **headers: str) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.request(
            method, f"http://{server.address}{path}", json=body, timeout=60, allow_redirects=False,
            headers={HEADER: key, **headers} if key else headers,
        )  # fmt: skip


@pytest.fixture(scope="module")
def keyed(one_s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    folder = tmp_path_factory.mktemp("keys")
    file = folder / "keys.json"
    file.write_text(written([]))
    with own_stack(one_s3, folder, API_KEYS_FILE=str(file), SERVICE_KEY=SERVICE_KEY) as stack:
        yield Keyed(stack, file)


def test_every_call_that_needs_a_key_names_its_scope(keyed: Keyed) -> None:
    asked = [call for call in CALLS if not STREAMS.search(call.path) and call.path != "/session"]
    without = {str(call) for call in asked if is_refusal(keyed.ask(call, ""), "forbidden")}
    assert without == {str(call) for call in GUARDED if not STREAMS.search(call.path)}


def is_refusal(answer: requests.Response, code: str) -> bool:
    """HEAD has no body: what it is for has a GET too."""
    return answer.status_code == 403 and bool(answer.content) and answer.json()["code"] == code


@pytest.mark.parametrize("scope", Scope)
def test_a_key_may_do_what_its_scope_says_and_nothing_else(keyed: Keyed, scope: Scope) -> None:
    key, permitted = keyed.key(scope), set()
    for call in GUARDED:
        needed = SCOPE_OF[str(call)]
        if STREAMS.search(call.path) and scope in (needed, Scope.ADMIN):
            continue  # an endless answer; that others are refused is asked here
        if not is_refusal(keyed.ask(call, key), "not_permitted"):
            permitted.add(str(call))
    ours = {str(call) for call in GUARDED if not STREAMS.search(call.path)}
    assert permitted == (ours if scope is Scope.ADMIN else NEEDS[scope] & ours)


def test_a_key_with_prefixes_sees_and_changes_its_own_assets_alone(
    keyed: Keyed, media: MediaFolder, folder: str
) -> None:
    stack, vod, transcoder = keyed.stack, keyed.stack.vod, keyed.stack.transcoder
    own, other = (stack.put(f"{folder}/{name}/a.mp4", media.path(CLIP)) for name in ("own", "other"))
    for key in (own, other):
        stack.convert(key)
    own_job, other_job = (
        send(transcoder, "GET", f"/jobs?bucket={BUCKET}&object={key}", API_KEY).json()["jobs"][0]["id"]
        for key in (own, other)
    )
    key = keyed.key(*(set(Scope) - {Scope.ADMIN}), prefixes=[f"{BUCKET}/{folder}/own/"])
    until(lambda: len(send(vod, "GET", f"/assets?q={folder}", API_KEY).json()["assets"]) == 2, "both are listed")

    found = send(vod, "GET", f"/assets?q={folder}", key).json()
    assert [asset["key"] for asset in found["assets"]] == [own]
    assert found["total"] == 1
    folders = send(vod, "GET", f"/assets?bucket={BUCKET}&folder={folder}", key).json()["folders"]
    assert [one["path"] for one in folders] == [f"{folder}/own/"]
    assert send(vod, "GET", f"/assets/{BUCKET}/{own}", key).status_code == 200
    assert is_problem(send(vod, "GET", f"/assets/{BUCKET}/{other}", key), 403, "not_permitted")
    for service, prefix in ((transcoder, ""), (vod, "/api")):
        listed = send(service, "GET", f"{prefix}/jobs?limit=500", key).json()["jobs"]
        assert {job["asset_object"] for job in listed} == {own}
        assert send(service, "GET", f"{prefix}/jobs/{own_job}", key).status_code == 200
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/retry"), ("GET", "/chunks")):
            refused = send(service, method, f"{prefix}/jobs/{other_job}{path}", key)
            assert is_problem(refused, 404, "job_not_found"), (method, path)
        for path in ("/transcode", "/plan"):
            asset = {"asset_bucket": BUCKET, "asset_object": other}
            assert is_problem(send(service, "POST", prefix + path, key, asset), 403, "not_permitted"), path
            mine = {"asset_bucket": BUCKET, "asset_object": own}
            assert send(service, "POST", prefix + path, key, mine).status_code == 200, path
        assert is_problem(send(service, "GET", f"{prefix}/fleet", key), 403, "not_permitted")
        assert is_problem(send(service, "GET", f"{prefix}/events", key), 403, "not_permitted")
    refused = send(vod, "DELETE", f"/stream/{BUCKET}/{other}/playlist.m3u8", key)
    assert is_problem(refused, 403, "not_permitted")
    assert is_problem(send(vod, "DELETE", f"/cache/{folder}/other/a", key), 403, "not_permitted")
    assert send(vod, "DELETE", f"/cache/{folder}/own/a", key).status_code == 200
    for subject in (f"{BUCKET}/{other}", f"{BUCKET}/", f"{OTHER_BUCKET}/{own}", f"{BUCKET}/{folder}/"):
        assert is_problem(send(vod, "POST", "/playback/tokens", key, {"sub": subject}), 403, "not_permitted"), subject
    assert send(vod, "POST", "/playback/tokens", key, {"sub": f"{BUCKET}/{own}"}).status_code == 201
    for claim, value in (("vid", "somebody"), ("kid", "mam"), ("sub", f"{BUCKET}/{other}")):
        denial = {"claim": claim, "value": value}
        assert is_problem(send(vod, "POST", "/playback/denials", key, denial), 403, "not_permitted"), claim
    for place, status in ((f"{folder}/other", 403), (f"{folder}/own", 201)):
        file = {"name": "b.mp4", "size": 100, "folder": place, "fingerprint": f"{place} b"}
        begun = send(vod, "POST", "/uploads", key, file)
        assert begun.status_code == status, begun.text
    theirs = {"name": "c.mp4", "size": 100, "folder": f"{folder}/other", "fingerprint": f"{folder} c"}
    upload = send(vod, "POST", "/uploads", API_KEY, theirs).json()["id"]
    assert {one["key"] for one in send(vod, "GET", "/uploads", key).json()["uploads"]} == {f"{folder}/own/b.mp4"}
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/complete")):
        refused = send(vod, method, f"/uploads/{upload}{path}", key)
        assert is_problem(refused, 404, "upload_not_found"), (method, path)
    assert send(vod, "DELETE", f"/stream/{BUCKET}/{own}/playlist.m3u8", key).status_code == 200


def test_private_assets_are_watched_with_a_key_that_reads_them(
    keyed: Keyed, media: MediaFolder, folder: str, tmp_path: Path
) -> None:
    stack = keyed.stack
    key = stack.put(f"{folder}/a/a.mp4", media.path(CLIP))
    stack.convert(key)
    reader, signer = keyed.key(Scope.READ), keyed.key(Scope.SIGN)
    inside = keyed.key(Scope.READ, prefixes=[f"{BUCKET}/{folder}/a/"])
    outside = keyed.key(Scope.READ, prefixes=[f"{BUCKET}/{folder}/b/"])
    with another_vod(stack, tmp_path, PLAYBACK_RULES=f"{BUCKET}/=private") as private:
        for path in (f"/stream/{BUCKET}/{key}/playlist.m3u8", f"/video/{key.removesuffix('.mp4')}/playlist.m3u8"):
            found = [send(private.vod, "GET", path, text).status_code for text in (reader, inside, signer, outside, "")]
            assert found == [200, 200, 404, 404, 404], path


def test_keys_come_and_go_while_the_services_run_and_take_their_sessions_with_them(keyed: Keyed) -> None:
    vod = keyed.stack.vod
    key = keyed.key(Scope.READ, id="comes-and-goes")
    signed_in = send(vod, "POST", "/session", "", {"api_key": key}, **{PAGE_HEADER: "1"})
    assert signed_in.json() | {"ends_at": 0} == {
        "signed_in": True, "ends_at": 0, "uploads": True, "key": "comes-and-goes", "scopes": ["read"], "prefixes": []
    }  # fmt: skip
    cookie = {"cookie": f"mam_session={signed_in.cookies['mam_session']}"}
    assert send(vod, "GET", "/assets", "", **cookie).status_code == 200
    refused = send(
        vod, "POST", "/api/transcode", "", bodies("none.mp4")["POST /transcode"], **cookie, **{PAGE_HEADER: "1"}
    )
    assert is_problem(refused, 403, "not_permitted")
    keyed.records = [record for record in keyed.records if record.id != "comes-and-goes"]
    keyed.write()
    until(lambda: send(vod, "GET", "/assets", "", **cookie).status_code == 401, "the session ended with its key")
    assert send(vod, "GET", "/session", "", **cookie).json()["signed_in"] is False
    assert is_problem(send(vod, "GET", "/assets", key), 403, "forbidden")
    keyed.file.write_text("not JSON")
    other = keyed.records[0].id
    assert other, "a file that cannot be read changes nothing"
    keyed.write()


def test_a_key_that_has_expired_says_so(keyed: Keyed) -> None:
    ends = datetime.now(timezone.utc) + timedelta(seconds=6)
    key = keyed.key(Scope.READ, expires=ends)
    assert send(keyed.stack.vod, "GET", "/assets", key).status_code == 200
    until(lambda: is_refusal(send(keyed.stack.vod, "GET", "/assets", key), "forbidden"), "it expires")
    assert send(keyed.stack.vod, "GET", "/assets", key).json()["detail"] == "The API key has expired."
    assert is_problem(send(keyed.stack.transcoder, "GET", "/jobs", key), 403, "forbidden")


def test_a_key_with_a_rate_sends_no_more_to_both_services_together(keyed: Keyed) -> None:
    stack, rate = keyed.stack, 40
    key = keyed.key(Scope.READ, rate=rate)
    began = time.time()
    answers = [send(server, "GET", path, key) for _ in range(rate)
               for server, path in ((stack.vod, "/assets"), (stack.transcoder, "/jobs"))]  # fmt: skip
    minutes = int(time.time() // 60) - int(began // 60) + 1
    passed = sum(answer.status_code == 200 for answer in answers)
    assert rate - ASKED <= passed <= rate * minutes
    refused = [answer for answer in answers if answer.status_code != 200]
    assert all(is_problem(answer, 429, "too_many_requests") for answer in refused)
    assert all(1 <= int(answer.headers["retry-after"]) <= 60 for answer in refused)


@pytest.mark.parametrize("last", range(3))
def test_wrong_keys_are_counted_for_both_services_and_the_sign_in_alike(keyed: Keyed, last: int) -> None:
    """Whichever way they come: no way gives an address more tries, and the last one refuses a right key too."""
    vod, transcoder = keyed.stack.vod, keyed.stack.transcoder
    address = {"x-forwarded-for": f"203.0.113.{last}"}  # uvicorn believes it, since it comes from this machine

    def ask(way: int, key: str) -> requests.Response:
        if way == 2:
            return send(vod, "POST", "/session", "", {"api_key": key}, **{PAGE_HEADER: "1"}, **address)
        return send((vod, transcoder)[way], "GET", ("/assets", "/jobs")[way], key, **address)

    assert {ask(number % 3, "wrong").status_code for number in range(TRIES)} == {403}
    assert is_problem(ask(last, "wrong"), 429, "too_many_attempts")
    assert is_problem(ask(last, API_KEY), 429, "too_many_attempts")
    assert send(vod, "GET", "/assets", API_KEY).status_code == 200, "another address is not concerned"


def test_the_trail_says_who_did_what(keyed: Keyed, media: MediaFolder, folder: str) -> None:
    stack, vod, transcoder = keyed.stack, keyed.stack.vod, keyed.stack.transcoder
    asset = stack.put(f"{folder}/a.mp4", media.path(CLIP))
    key = keyed.key(Scope.CONVERT, Scope.READ, Scope.DELETE, id=f"worker-{len(keyed.records)}")
    name = keyed.records[-1].id
    body = {"asset_bucket": BUCKET, "asset_object": asset}
    direct = send(transcoder, "POST", "/transcode", key, body, **{"x-request-id": f"direct-{name}"})
    assert direct.status_code == 200
    (entry,) = until(lambda: keyed.entries(request_id=f"direct-{name}"), "it is in the trail")
    assert entry | {"time": 0} == {
        "time": 0, "action": "convert", "object": f"{BUCKET}/{asset}", "outcome": "done", "key": name, "session": "",
        "address": "127.0.0.1", "request_id": f"direct-{name}",
    }  # fmt: skip
    job = send(transcoder, "GET", f"/jobs?bucket={BUCKET}&object={asset}", key).json()["jobs"][0]
    assert job["request_id"] == f"direct-{name}", "the job knows the request that began it"
    signed_in = send(vod, "POST", "/session", "", {"api_key": key}, **{PAGE_HEADER: "1"})
    cookie = {"cookie": f"mam_session={signed_in.cookies['mam_session']}", PAGE_HEADER: "1"}
    passed = send(vod, "POST", "/api/transcode", "", body, **cookie, **{"x-request-id": f"passed-{name}"})
    assert passed.status_code == 200
    (entry,) = until(lambda: keyed.entries(request_id=f"passed-{name}"), "one entry, though two services saw it")
    assert (entry["action"], entry["object"], entry["key"]) == ("convert", f"{BUCKET}/{asset}", name)
    assert re.fullmatch("[0-9a-f]{8}", entry["session"])
    send(vod, "DELETE", f"/stream/{BUCKET}/{asset}/playlist.m3u8", key)
    send(vod, "POST", "/playback/tokens", key, {"sub": f"{BUCKET}/{asset}"})
    send(vod, "DELETE", "/session", "", **cookie)
    until(lambda: keyed.entries(key=name, action="sign out"), "the last one is there")
    found = {
        (entry["action"], entry["outcome"])
        for entry in keyed.entries(key=name)
        if entry["object"] not in ("none", UNKNOWN)  # how it was found that the services know the key
    }
    assert found == {
        ("convert", "done"), ("sign in", "done"), ("delete stream", "done"), ("issue token", "not_permitted"),
        ("sign out", "done"),
    }  # fmt: skip
    everything = json.dumps(keyed.entries()) + vod.log.read_text() + transcoder.log.read_text()
    for secret in (key, API_KEY, SERVICE_KEY, signed_in.cookies["mam_session"]):
        assert secret not in everything
    lines = [line for line in vod.log.read_text().splitlines() if line.startswith('{"time"')]
    assert any(json.loads(line).get("key") == name for line in lines), "the log has the same, as JSON"


def test_refusals_push_no_change_out_of_the_trail(keyed: Keyed) -> None:
    stack = keyed.stack
    stack.delete(stack.cache_url("kept-in-the-trail"))
    until(lambda: keyed.entries(object="kept-in-the-trail"), "the change is there")
    stack.redis.lpush("mam:audit:refusals", *["{}"] * 6000)
    send(stack.vod, "DELETE", "/cache/refused", "", **{"x-forwarded-for": "203.0.113.99"})
    until(lambda: stack.redis.llen("mam:audit:refusals") <= 5000, "only the last refusals are kept")
    assert keyed.entries(object="kept-in-the-trail")
    stack.redis.delete("mam:audit:refusals")


def test_the_key_between_the_services_opens_nothing_to_clients_of_the_vod_service(keyed: Keyed) -> None:
    stack = keyed.stack
    for headers in ({}, {"x-mam-caller": "{}"}):
        assert is_problem(send(stack.vod, "GET", "/assets", SERVICE_KEY, **headers), 403, "forbidden")
    plain = send(stack.transcoder, "GET", "/jobs", SERVICE_KEY)
    assert is_problem(plain, 403, "forbidden"), "without a caller it is no client's key there either"
    for header in ("{}", '{"key": "x", "scopes": ["admin"]}'):
        answer = send(stack.vod, "GET", "/audit", keyed.key(Scope.READ), **{"x-mam-caller": header})
        assert is_problem(answer, 403, "not_permitted"), "a client cannot speak for another one"
        answer = send(stack.transcoder, "DELETE", f"/jobs/{UNKNOWN}", keyed.key(Scope.READ), **{"x-mam-caller": header})
        assert is_problem(answer, 403, "not_permitted")
