"""Playlists are read by parsers that nobody here wrote: m3u8 (Python) and hls-parser (JavaScript), both strict."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import m3u8
import pytest

from mam.naming import commit_key
from tests.integration.system import VOD, Stack
from tests.media import AUDIO_ONLY, FILM, LONG_AUDIO, NTSC, MediaFolder, Recipe

HLS_PARSER = "hls-parser@0.13.5"
READ = """
const HLS = require('hls-parser');
HLS.setOptions({strictMode: true});
let text = '';
process.stdin.on('data', part => text += part).on('end', () => {
  const found = HLS.parse(text);
  console.log(JSON.stringify({
    isMasterPlaylist: found.isMasterPlaylist, version: found.version, targetDuration: found.targetDuration,
    playlistType: found.playlistType, endlist: found.endlist,
    segments: found.segments.map(segment => ({uri: segment.uri, duration: segment.duration})),
  }));
});
"""


@pytest.fixture(scope="session")
def hls_parser(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with hls-parser in it."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("no node and npm here")
    folder = tmp_path_factory.mktemp("node")
    (folder / "package.json").write_text("{}")
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), HLS_PARSER]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=folder)
    if done.returncode != 0:
        pytest.skip(f"npm cannot install {HLS_PARSER} here: {done.stderr.strip()[-200:]}")
    return folder


def parsed_by_javascript(folder: Path, text: str) -> dict[str, Any]:
    done = subprocess.run(["node", "-e", READ], input=text, capture_output=True, text=True, timeout=60, check=False,
                          cwd=folder, env={**os.environ, "NODE_PATH": str(folder / "node_modules")})  # fmt: skip
    assert done.returncode == 0, done.stderr[-1000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


CASES = [(FILM, False), (NTSC, False), (NTSC, True), (AUDIO_ONLY, False), (LONG_AUDIO, False)]


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0].name}-{'encoded' if case[1] else 'copied'}")
def texts(request: pytest.FixtureRequest, one_stack: Stack, media: MediaFolder, folder: str) -> list[str]:
    """The playlist of a video as it is given out, and as it lies in the bucket."""
    recipe, reencode = request.param
    assert isinstance(recipe, Recipe)
    video = one_stack.convert(one_stack.put(f"{folder}/{recipe.name}", media.path(recipe)), reencode=reencode)
    return [one_stack.get(one_stack.video_url(video)).text, one_stack.read(commit_key(video), bucket=VOD).decode()]


def test_a_playlist_is_understood_by_m3u8(texts: list[str]) -> None:
    for text in texts:
        found = m3u8.loads(text)
        assert (found.is_variant, found.is_endlist, found.playlist_type) == (False, True, "vod")
        assert (found.media_sequence, found.is_independent_segments) == (0, True)
        assert all(segment.uri and segment.duration > 0 for segment in found.segments)
        assert max(int(segment.duration + 0.5) for segment in found.segments) <= found.target_duration


def test_a_playlist_is_understood_by_hls_parser(texts: list[str], hls_parser: Path) -> None:
    for text in texts:
        found, ours = parsed_by_javascript(hls_parser, text), m3u8.loads(text)
        assert (found["isMasterPlaylist"], found["endlist"], found["playlistType"]) == (False, True, "VOD")
        assert (found["version"], found["targetDuration"]) == (int(ours.version), ours.target_duration)
        assert found["segments"] == [{"uri": s.uri, "duration": s.duration} for s in ours.segments]


def test_hls_parser_refuses_what_is_wrong(hls_parser: Path) -> None:
    wrong = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:9.5,\na.ts\n#EXT-X-ENDLIST\n"
    with pytest.raises(AssertionError, match="EXTINF"):
        parsed_by_javascript(hls_parser, wrong)
