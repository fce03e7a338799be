"""Keys and addresses are changed while everything runs: no request fails, and none is answered with what is old."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from mam.http.caller import HEADER
from mam.settings import Settings
from tests.integration.system import BUCKET, S3, Stack, another_vod, own_stack
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
