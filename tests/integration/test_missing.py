"""Names that nobody has: each costs the store little, and one that arrives is there at once."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

import vod_main_server
from mam.http.caller import HEADER
from mam.vod.missing import CROWD
from tests.integration.outgoing import outgoing
from tests.integration.system import API_KEY, BUCKET, Stack, is_problem
from tests.media import CLIP, MediaFolder


def test_a_missing_name_is_looked_for_once_and_a_crowd_of_them_never_reaches_the_transcoding_service(
    one_stack: Stack, media: MediaFolder, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def path(name: str) -> str:
        return f"/stream/{BUCKET}/{folder}/{name}.mp4/playlist.m3u8"

    sent = outgoing(one_stack, monkeypatch)
    with TestClient(vod_main_server.create_app(), follow_redirects=False) as client:
        for number in range(CROWD + 5):
            assert is_problem(client.get(path(str(number))), 404, "not_found")
        before = len(sent)
        for _ in range(3):
            assert is_problem(client.get(path("0")), 404, "not_found")
        assert sent[before:] == []
        assert is_problem(client.get(path("another")), 404, "not_found")
        assert [each for each in sent[before:] if "/transcode" in each] == []

        one_stack.put(f"{folder}/another.mp4", media.path(CLIP))
        asset = f"/assets/{BUCKET}/{folder}/another.mp4"
        assert client.get(asset, headers={HEADER: API_KEY}).status_code == 200  # the library learns of it
        assert client.get(path("another")).status_code == 200
