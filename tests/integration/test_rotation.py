"""Keys and addresses are changed while everything runs: no request fails, and none is answered with what is old."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
import requests

from mam.http.caller import HEADER
from mam.settings import Settings
from mam.store import keys as store_keys
from tests.conftest import KINDS, StartS3
from tests.integration.system import BUCKET, S3, Stack, another_vod, own_stack, settings_of, until
from tests.media import CLIP, MediaFolder

OLD, NEW = "the old key of a system that is tested", "the new key of a system that is tested"


def test_while_one_api_key_replaces_another_both_are_accepted(one_s3: S3, media: MediaFolder, tmp_path: Path) -> None:
    """First the services accept both, then they send the new one, then the old one goes."""
    with own_stack(one_s3, tmp_path / "system", TRANSCODE_API_KEY=f"{OLD},{NEW}") as stack:
        for number, sent in enumerate((f"{NEW},{OLD}", NEW)):
            with another_vod(stack, tmp_path / sent[-8:], TRANSCODE_API_KEY=sent) as vod:
                key = stack.put(f"rotated/{number}.mp4", media.path(CLIP))
                url = f"http://{vod.vod.address}/stream/{BUCKET}/{key}/playlist.m3u8"
                assert vod.get(url).status_code == 200  # it has the other service convert it
                for known in (OLD, NEW):
                    answer = requests.get(f"http://{vod.vod.address}/assets", headers={HEADER: known}, timeout=20)
                    assert answer.status_code == (200 if known in sent else 403)
                    jobs = requests.get(f"http://{stack.transcoder.address}/jobs", headers={HEADER: known}, timeout=20)
                    assert jobs.status_code == 200


def test_a_process_with_another_public_address_hands_out_no_cached_playlist_of_the_old_one(
    one_stack: Stack, media: MediaFolder, folder: str, tmp_path: Path
) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(CLIP))
    one_stack.convert(key)
    path = f"/stream/{BUCKET}/{key}/playlist.m3u8"

    def hosts(address: str) -> set[str]:
        lines = requests.get(f"http://{address}{path}", timeout=20).text.splitlines()
        return {urlsplit(line).netloc for line in lines if not line.startswith("#")}

    with another_vod(one_stack, tmp_path, MINIO_PUBLIC_ENDPOINT="cdn.example.com:9443") as vod:
        for _ in range(3):  # in turns: neither takes what the other has cached
            assert hosts(one_stack.vod.address) == {one_stack.s3.server.address}
            assert hosts(vod.vod.address) == {"cdn.example.com:9443"}


class Load:
    """Clients that ask two VoD services in turn, as behind a load balancer: whichever is up answers.

    `refused`: answers that no client should have got, while secrets were changed.
    """

    def __init__(self, asks: Callable[[str], requests.Response]) -> None:
        self._asks = asks
        self.up: list[str] = []
        self.answers = 0
        self.refused: list[str] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(6)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)

    def _run(self, number: int) -> None:
        turn = number
        while not self._over.is_set():
            turn += 1
            up = list(self.up)
            if not up:
                continue
            try:
                answer = self._asks(up[turn % len(up)])
            except requests.ConnectionError:
                continue  # a service that is being stopped: the balancer asks the other one
            self.answers += 1
            if answer.status_code != 200:
                self.refused.append(f"{answer.status_code} {answer.text[:200]}")

    def go_on(self) -> None:
        """Returns once there were many more answers."""
        goal = self.answers + 60
        until(lambda: self.answers >= goal, "the load goes on")


ROTATIONS: dict[str, list[dict[str, str]]] = {
    "API key": [{"TRANSCODE_API_KEY": f"{OLD},{NEW}"}, {"TRANSCODE_API_KEY": f"{NEW},{OLD}"}],
    "playback key": [{"PLAYBACK_SECRET": f"{NEW},{OLD}"}],
    "store key": [{"MINIO_PLAY_USR": "other-player", "MINIO_PLAY_PWD": "other-player-secret"}],
    "public endpoint": [{"MINIO_PUBLIC_ENDPOINT": "localhost:{port}"}],
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("what", ROTATIONS)
def test_a_secret_is_changed_under_load_and_no_request_fails(
    start_store: StartS3, media: MediaFolder, tmp_path: Path, what: str
) -> None:
    """Each VoD service is restarted with the new one while the other answers. Segments are read to their end, from the
    store, at whichever address and with whichever key the playlist gave; the token was signed with the old key.
    """
    if "minio" not in KINDS:
        pytest.skip("users are MinIO's: `make minio` builds it where Go is")
    store = start_store("minio")
    before = {
        "TRANSCODE_API_KEY": OLD,
        "PLAYBACK_SECRET": OLD,
        "PLAYBACK_RULES": f"{BUCKET}/signed/=signed, {BUCKET}/=public",
        "MINIO_PLAY_USR": "first-player",
        "MINIO_PLAY_PWD": "first-player-secret",
    }  # fmt: skip
    steps = [{name: value.format(port=store.server.port) for name, value in step.items()} for step in ROTATIONS[what]]
    # The transcoding service accepts both keys from the beginning: it is restarted before the VoD services are.
    transcoding = {"TRANSCODE_API_KEY": f"{OLD},{NEW}"}
    with own_stack(store, tmp_path / "system", **{**before, **transcoding}) as stack:
        for step in steps:
            store_keys.make(settings_of({**stack.env, **step}))
        keys = [stack.put(f"{place}/film.mp4", media.path(CLIP)) for place in ("open", "signed")]
        headers = {HEADER: OLD}
        for key in keys:
            body = {"asset_bucket": BUCKET, "asset_object": key}
            done = requests.post(f"http://{stack.transcoder.address}/transcode", json=body, headers=headers, timeout=60)
            assert done.status_code == 200, done.text
        issued = requests.post(
            f"http://{stack.vod.address}/playback/tokens",
            json={"sub": f"{BUCKET}/{keys[1]}"},
            headers=headers,
            timeout=9,
        )
        paths = [f"/stream/{BUCKET}/{keys[0]}/", f"/p/{issued.json()['token']}/stream/{BUCKET}/{keys[1]}/", None]

        def ask(address: str) -> requests.Response:
            path = random.choice(paths)
            if path is None:
                return requests.get(f"http://{address}/assets", headers=headers, timeout=30)
            playlist = requests.get(f"http://{address}{path}playlist.m3u8", timeout=30)
            if playlist.status_code != 200:
                return playlist
            segments = [line for line in playlist.text.splitlines() if not line.startswith("#")]
            return requests.get(urljoin(playlist.url, random.choice(segments)), timeout=30)

        with ExitStack() as running, Load(ask) as load:
            now = [running.enter_context(ExitStack()) for _ in range(2)]
            for number, place in enumerate(now):
                vod = place.enter_context(another_vod(stack, tmp_path / f"first-{number}", workers=1, **before))
                load.up.append(vod.vod.address)
            load.go_on()
            for at, step in enumerate(steps):
                for number, place in enumerate(now):
                    load.up.pop(0)
                    place.close()
                    folder = tmp_path / f"step-{at}-{number}"
                    vod = place.enter_context(another_vod(stack, folder, workers=1, **{**before, **step}))
                    load.up.append(vod.vod.address)
                    load.go_on()
        assert load.refused == []
        assert load.answers >= 200


@pytest.mark.parametrize(
    "change",
    [
        {"minio_public_endpoint": "another:9000"},
        {"minio_public_secure": True},
        {"minio_usr": "another"},
        {"minio_pwd": "another"},
        {"minio_play_usr": "another", "minio_play_pwd": "minioadmin"},
        {"minio_region": "another"},
        {"minio_bucket_vod": "another"},
        {"signed_url_ttl_seconds": 7},
        {"playback_rules": "films/=public"},
    ],
)
def test_the_form_of_playlists_changes_with_all_that_is_baked_into_them(change: dict[str, object]) -> None:
    before = {"transcode_api_key": OLD}
    assert Settings.model_validate(before).playlist_form() == Settings.model_validate(before).playlist_form()
    assert Settings.model_validate(before | change).playlist_form() != Settings.model_validate(before).playlist_form()


def test_with_a_play_key_the_form_of_playlists_is_that_keys() -> None:
    def form(**given: str) -> str:
        settings = {"transcode_api_key": OLD, "minio_play_usr": "player", "minio_play_pwd": "one", **given}
        return Settings.model_validate(settings).playlist_form()

    assert form(minio_usr="another", minio_pwd="another") == form()
    assert len({form(), form(minio_play_usr="another"), form(minio_play_pwd="another")}) == 3
