"""Who may watch: every route, every policy, every kind of viewer; and whoever may not leaves no trace in the store."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import jwt
import m3u8
import pytest
import requests
from fastapi.testclient import TestClient

import vod_main_server
from mam.access.grants import AUDIENCE
from mam.http.auth import PAGE_HEADER
from mam.http.caller import HEADER
from mam.naming import stem
from tests.integration.outgoing import outgoing
from tests.integration.system import API_KEY, BUCKET, S3, Stack, another_vod, is_problem, own_stack, until
from tests.media import CLIP, MediaFolder
from tests.token_keys import ED, public_jwk

POLICIES = ("public", "signed", "private", "off")
RULES = ", ".join([f"{BUCKET}/={POLICIES[0]}", *(f"{BUCKET}/{policy}/={policy}" for policy in POLICIES[1:])])
SHEET = "storyboard-00.jpg"
DOWNLOAD = "download"


@dataclass
class Guarded:
    """A system with an asset of each policy, converted, and one that never was."""

    stack: Stack
    paths: dict[tuple[str, str], str] = field(default_factory=dict)  # what is below an asset or a video, by policy

    @property
    def here(self) -> str:
        return f"http://{self.stack.vod.address}"

    def issue(self, **claims: Any) -> str:
        answer = requests.post(f"{self.here}/playback/tokens", json=claims, headers={HEADER: API_KEY}, timeout=20)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    def get(self, path: str, **options: Any) -> requests.Response:
        return requests.get(urljoin(self.here, path), timeout=30, allow_redirects=False, **options)


def key_of(policy: str, name: str = "a") -> str:
    return f"{policy}/{name}.mp4"


def ways(revision: str, file: str, policy: str) -> dict[str, str]:
    asset, video = f"/stream/{BUCKET}/{key_of(policy)}", f"/video/{stem(key_of(policy))}"
    return {
        "playlist": f"{asset}/playlist.m3u8",
        "playlist of a kind": f"{asset}/playlist.m3u8?profile=auto",
        "status": f"{asset}/status",
        "segment": f"{asset}/{revision}/{file}",
        "playlist by name": f"{video}/playlist.m3u8",
        "segment by name": f"{video}/{revision}/{file}",
        "poster": f"{video}/poster.jpg",
        "storyboard": f"{video}/storyboard.vtt?revision={revision}",
        "sheet": f"{video}/{revision}/{SHEET}",
        DOWNLOAD: f"/download/{BUCKET}/{key_of(policy)}",
    }


@pytest.fixture(scope="module")
def guarded(one_s3: S3, tmp_path_factory: pytest.TempPathFactory, media: MediaFolder) -> Iterator[Guarded]:
    with own_stack(one_s3, tmp_path_factory.mktemp("policies"), PLAYBACK_RULES=RULES) as stack:
        found = Guarded(stack)
        for policy in POLICIES:
            video = stack.convert(stack.put(key_of(policy), media.path(CLIP)))
            stack.put(key_of(policy, "cold"), media.path(CLIP))
            uri = stack.commit(video).segments[0].uri
            revision, _, file = uri.partition("/")
            found.paths |= {(policy, way): path for way, path in ways(revision, file, policy).items()}
            until(lambda video=video, revision=revision: stack.keys(f"{video}/{revision}/storyboard.vtt"), "pictures")  # type: ignore[misc]
        yield found


WAYS = tuple(ways("", "", "public"))
VIEWERS = {  # how a viewer asks, and the policies under which it is answered
    "anyone": {"public"},
    "token of the asset": {"public", "signed"},
    "token of the folder": {"public", "signed"},
    "token of another asset": {"public"},
    "link": {"public", "signed"},
    "link with download": {"public", "signed"},
    "revoked link": set[str](),
    "expired token": set[str](),
    "forged token": set[str](),
    "API key": {"public", "signed", "private"},
    "wrong API key": {"public"},
    "session": {"public", "signed", "private"},
    "session that is over": {"public"},
}


def may(viewer: str, policy: str, way: str) -> bool:
    """Whether a viewer is answered: the asset itself is for keys, sessions, and links that say so."""
    may_download = viewer in ("API key", "session", "link with download")
    return policy in VIEWERS[viewer] and (way != DOWNLOAD or may_download)


class Asking:
    """One viewer of each kind, for one policy."""

    def __init__(self, guarded: Guarded, client: Any = None) -> None:
        self._guarded = guarded
        self._client = client or guarded
        self._tokens: dict[tuple[str, str], str] = {}
        self._cookie = ""

    def ask(self, viewer: str, policy: str, path: str) -> Any:
        headers, cookies = {}, {}
        if "link" in viewer:
            path = f"/p/{self._link(viewer, policy)}{path}"
        elif "token" in viewer:
            path = f"/p/{self._token(viewer, policy)}{path}"
        elif "API key" in viewer:
            headers = {HEADER: API_KEY if viewer == "API key" else "another key of the tests"}
        elif "session" in viewer:
            cookies = {"mam_session": self._session() if viewer == "session" else 43 * "x"}
        return self._client.get(path, headers=headers, cookies=cookies)

    def _token(self, viewer: str, policy: str) -> str:
        subjects = {"token of the folder": f"{BUCKET}/{policy}/", "token of another asset": f"{BUCKET}/another.mp4"}
        subject = subjects.get(viewer, f"{BUCKET}/{key_of(policy)}")
        if (viewer, policy) not in self._tokens:
            self._tokens[viewer, policy] = self._guarded.issue(
                sub=subject, expires_in=1 if "expired" in viewer else 600
            )
        token = self._tokens[viewer, policy]
        if viewer == "forged token":
            return token[:-3] + ("AAA" if token[-3:] != "AAA" else "BBB")
        if viewer == "expired token":
            until(lambda: self._guarded.get(f"/p/{token}/stream/x/y/status").status_code == 403, "it has expired")
        return token

    def _link(self, viewer: str, policy: str) -> str:
        """The key of a link to the asset; to another one where no link opens the policy."""
        if (viewer, policy) not in self._tokens:
            opened = policy if policy in ("public", "signed") else "signed"
            wanted = {"sub": f"{BUCKET}/{key_of(opened)}", "download": viewer == "link with download"}
            shares, headers = f"{self._guarded.here}/shares", {HEADER: API_KEY}
            made = requests.post(shares, json=wanted, headers=headers, timeout=20).json()
            if viewer == "revoked link":
                assert requests.delete(f"{shares}/{made['id']}", headers=headers, timeout=20).status_code == 204
            self._tokens[viewer, policy] = made["path"].rpartition("/")[2]
        return self._tokens[viewer, policy]

    def _session(self) -> str:
        if not self._cookie:
            headers = {PAGE_HEADER: "1"}
            answer = requests.post(
                f"{self._guarded.here}/session", json={"api_key": API_KEY}, headers=headers, timeout=20
            )
            self._cookie = answer.cookies["mam_session"]
        return self._cookie


@pytest.fixture(scope="module")
def asking(guarded: Guarded) -> Asking:
    return Asking(guarded)


@pytest.mark.parametrize("viewer", VIEWERS)
@pytest.mark.parametrize("policy", POLICIES)
def test_each_viewer_gets_what_the_policy_says_on_every_way(
    guarded: Guarded, asking: Asking, policy: str, viewer: str
) -> None:
    for way in WAYS:
        for _ in range(2):  # once more: now the answer is at hand
            answer = asking.ask(viewer, policy, guarded.paths[policy, way])
            if viewer in ("expired token", "forged token", "revoked link"):
                assert is_problem(answer, 403, "invalid_token"), way
            elif may(viewer, policy, way):
                assert answer.status_code in (200, 302), (way, answer.text)
            else:
                assert answer.status_code == 404, (way, answer.text)


@pytest.mark.parametrize("policy", ["signed", "private", "off"])
def test_what_is_refused_looks_like_what_is_missing(guarded: Guarded, policy: str) -> None:
    for way in WAYS:
        path = guarded.paths[policy, way]
        refused, missing = (guarded.get(each) for each in (path, path.replace(f"{policy}/a", f"{policy}/b")))
        bodies = []
        for answer in (refused, missing):
            said = answer.json()
            said.pop("request_id")
            bodies.append(str(said).replace(f"{policy}/b", f"{policy}/a"))
        assert refused.status_code == missing.status_code == 404, way
        assert bodies[0] == bodies[1], way


def test_whoever_is_refused_leaves_no_request_to_store_or_transcoder(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = outgoing(guarded.stack, monkeypatch)
    refused = [(policy, viewer) for policy in POLICIES for viewer, open_to in VIEWERS.items() if policy not in open_to]
    with TestClient(vod_main_server.create_app(), follow_redirects=False) as client:
        asking = Asking(guarded, client)
        cold = [f"/stream/{BUCKET}/{key_of(policy, 'cold')}/playlist.m3u8" for policy in POLICIES]
        for policy, viewer in refused:
            for path in [*(guarded.paths[policy, way] for way in WAYS), cold[POLICIES.index(policy)]]:
                asking.ask(viewer, policy, path)  # what has to be issued first is issued
                before = len(sent)
                assert asking.ask(viewer, policy, path).status_code in (403, 404, 429)
                assert sent[before:] == [], (policy, viewer, path)
        for viewer in ("anyone", "token of the asset", "link"):
            asking.ask(viewer, "signed", guarded.paths["signed", DOWNLOAD])
            before = len(sent)
            assert asking.ask(viewer, "signed", guarded.paths["signed", DOWNLOAD]).status_code == 404
            assert sent[before:] == [], (viewer, "it may watch, and not download")
        assert client.get(guarded.paths["public", "poster"]).status_code == 302
        assert sent, "requests are seen"


@pytest.fixture(scope="module")
def token(guarded: Guarded) -> str:
    return guarded.issue(sub=f"{BUCKET}/{key_of('signed')}", vid="a viewer")


def test_a_signed_playlist_is_the_same_for_all_and_holds_no_secret(guarded: Guarded, token: str) -> None:
    other = guarded.issue(sub=f"{BUCKET}/signed/")
    path = guarded.paths["signed", "playlist"]
    first, second = (guarded.get(f"/p/{each}{path}") for each in (token, other))
    assert first.text == second.text
    assert first.headers["etag"] == second.headers["etag"]
    assert token not in first.text
    assert "X-Amz" not in first.text
    playlist = m3u8.loads(first.text, uri=f"{guarded.here}/p/{token}{path}")
    segments = [requests.get(segment.absolute_uri, timeout=20) for segment in playlist.segments]
    assert [segment.content[:1] for segment in segments] == [b"G"] * len(segments)
    one = [guarded.get(playlist.segments[0].absolute_uri).headers["location"] for _ in range(2)]
    if one[0] == one[1] or one[1] == guarded.get(playlist.segments[0].absolute_uri).headers["location"]:
        expires = int(dict(part.split("=") for part in urlsplit(one[1]).query.split("&"))["X-Amz-Expires"])
        assert expires <= 120
    else:
        raise AssertionError(one)


@pytest.mark.parametrize("way", ["query", "bearer"])
def test_a_token_elsewhere_leads_to_the_path(guarded: Guarded, token: str, way: str) -> None:
    path = guarded.paths["signed", "playlist"]
    if way == "query":
        answer = guarded.get(f"{path}?profile=auto&token={token}")
    else:
        answer = guarded.get(f"{path}?profile=auto", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.headers["location"]) == (302, f"/p/{token}{path}?profile=auto")
    assert guarded.get(answer.headers["location"]).status_code == 200


def test_what_is_no_token_in_a_header_is_ignored_and_in_a_query_refused(guarded: Guarded) -> None:
    path = guarded.paths["public", "playlist"]
    assert guarded.get(path, headers={"Authorization": "Bearer of.another.service"}).status_code == 200
    assert guarded.get(path, headers={"Authorization": "Basic dXNlcjpwYXNz"}).status_code == 200
    for bad in ("", "x", "%0d%0aSet-Cookie:a", "a.b.c"):
        assert is_problem(guarded.get(f"{path}?token={bad}"), 403, "invalid_token")


def test_a_token_makes_nothing_unless_it_says_so(guarded: Guarded) -> None:
    subject, stack = f"{BUCKET}/{key_of('signed', 'cold')}", guarded.stack
    path = f"/stream/{subject}/playlist.m3u8"
    jobs = f"http://{stack.transcoder.address}/jobs?bucket={BUCKET}&object={key_of('signed', 'cold')}"
    assert is_problem(guarded.get(f"/p/{guarded.issue(sub=subject)}{path}"), 404, "not_converted")
    assert requests.get(jobs, headers={HEADER: API_KEY}, timeout=20).json()["jobs"] == []
    makes = guarded.issue(sub=subject, make=["auto"])
    assert is_problem(guarded.get(f"/p/{makes}{path}?profile=h264"), 404, "not_converted")
    assert guarded.get(f"/p/{makes}{path}").status_code == 200
    until(lambda: stack.keys(f"{stem(key_of('signed', 'cold'))}/index.m3u8"), "it is live")
    assert guarded.get(f"/p/{guarded.issue(sub=subject)}{path}").status_code == 200


REVOCATIONS = {
    "token": ("DELETE", "/playback/tokens/{jti}", None),
    "viewer": ("POST", "/playback/denials", {"claim": "vid", "value": "a viewer"}),
    "asset": ("POST", "/playback/denials", {"claim": "sub", "value": f"{BUCKET}/signed/"}),
}


@pytest.mark.parametrize("what", REVOCATIONS)
def test_when_a_revocation_is_answered_no_process_lets_the_token_in(guarded: Guarded, what: str) -> None:
    stack, key = guarded.stack, {HEADER: API_KEY}
    issued = requests.post(
        f"{guarded.here}/playback/tokens", json={"sub": f"{BUCKET}/signed/", "vid": "a viewer"}, headers=key, timeout=20
    ).json()
    paths = [f"/p/{issued['token']}{guarded.paths['signed', way]}" for way in ("playlist", "segment")]
    method, path, body = REVOCATIONS[what]
    with another_vod(stack, stack.folder / f"crowded-{what}", workers=3) as crowded:
        urls = [f"http://{crowded.vod.address}{each}" for each in paths]

        def ask(url: str) -> int:
            return requests.get(url, timeout=20, allow_redirects=False).status_code

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(ask, urls * 20)) == {200, 302}
            answer = requests.request(method, guarded.here + path.format(**issued), json=body, headers=key, timeout=20)
            assert answer.status_code in (201, 204), answer.text
            assert set(pool.map(ask, urls * 20)) == {404}
    listed = requests.get(f"{guarded.here}/playback/denials", headers=key, timeout=20).json()["denials"]
    for denial in listed:
        gone = requests.delete(
            f"{guarded.here}/playback/denials/{denial['claim']}/{denial['value']}", headers=key, timeout=20
        )
        assert gone.status_code == 204
    assert listed
    assert {guarded.get(each).status_code for each in paths} == {200, 302}
    assert is_problem(
        requests.delete(f"{guarded.here}/playback/denials/vid/nobody", headers=key, timeout=20), 404, "no_denial"
    )


def test_a_key_in_a_file_signs_from_now_on_and_no_longer_once_it_is_gone(guarded: Guarded, tmp_path: Path) -> None:
    stack, file = guarded.stack, tmp_path / "keys.json"
    file.write_text('{"keys": []}')
    claims = {"sub": f"{BUCKET}/signed/", "exp": int(time.time()) + 600, "aud": AUDIENCE}
    signed = jwt.encode(claims, ED, "EdDSA", headers={"kid": "ed"})

    def put(text: str) -> None:
        replaced = tmp_path / "new.json"
        replaced.write_text(text)
        replaced.replace(file)

    with another_vod(stack, tmp_path / "vod", PLAYBACK_KEYS_FILE=str(file)) as second:
        url = f"http://{second.vod.address}/p/{signed}{guarded.paths['signed', 'playlist']}"

        def becomes(status: int) -> None:
            until(lambda: second.get(url).status_code == status, f"it is answered with {status}")

        assert second.get(url).status_code == 403
        put(json.dumps({"keys": [public_jwk("ed")]}))
        becomes(200)
        put("nonsense")
        until(lambda: "playback keys not read" in second.vod.log.read_text(), "the fault is logged")
        assert second.get(url).status_code == 200  # what cannot be read changes nothing
        put(json.dumps({"keys": [public_jwk("ed", prefixes=["another/"])]}))
        becomes(403)
        put(json.dumps({"keys": [public_jwk("ed")]}))
        becomes(200)
        put(json.dumps({"keys": []}))
        becomes(403)


def test_no_log_has_a_token(guarded: Guarded, token: str) -> None:
    for way in WAYS:
        guarded.get(f"/p/{token}{guarded.paths['signed', way]}")
        guarded.get(f"/p/{token}{guarded.paths['private', way]}")
        guarded.get(f"{guarded.paths['signed', way]}", headers={"Authorization": f"Bearer {token}"})
    signature = token.rpartition(".")[2]
    logs = [*guarded.stack.folder.rglob("*.log")]
    assert logs
    assert [path for path in logs if signature in path.read_text(errors="replace")] == []


def test_a_page_with_a_token_shows_the_video_and_a_refusal_in_words(guarded: Guarded, token: str) -> None:
    html = {"Accept": "text/html"}
    path = f"{BUCKET}/{key_of('signed')}"
    for page in ("watch", "embed"):
        answer = guarded.get(f"/p/{token}/{page}/{path}", headers=html)
        assert f'href="/p/{token}/stream/{path}/playlist.m3u8?default=ladder"' in answer.text
        refused = guarded.get(f"/p/{token[:-4]}AAAA/{page}/{path}", headers=html)
        assert refused.status_code == 403
        assert refused.headers["content-type"].startswith("text/html")
        assert "This link does not work" in refused.text
    for elsewhere in ("/assets", "/jobs", "/", "/session", "/playback/denials", "/metrics"):
        assert guarded.get(f"/p/{token}{elsewhere}").status_code == 404
    changing = requests.delete(f"{guarded.here}/p/{token}{guarded.paths['signed', 'playlist']}", timeout=20)
    assert changing.status_code == 404
