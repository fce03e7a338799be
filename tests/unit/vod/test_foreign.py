"""Files of other tools' trees: which have an address, where it leads, and that no other file is given out."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import create_autospec
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.routing import Match

import vod_main_server
from mam.errors import MamError, NotFound, VideoNotFound
from mam.hls.heights import UNKNOWN
from mam.naming import Asset, file_below, video_names
from mam.origin.tree import MediaPlaylist, Tree, Trees
from mam.vod.file_routes import STREAM_FILE, VIDEO_FILE
from mam.vod.foreign import ForeignTrees
from mam.vod.heights import TooHigh
from tests.integration.test_hanging import routes
from tests.unit.hls.test_multivariant import ladder_plan

PARTS = st.sampled_from(
    ["a", "~", "720p", "a.ts", "0123456789ab", "main", "00000.ts", "init.mp4", "poster.jpg", "status", "playlist.m3u8",
     "storyboard.vtt", "storyboard-00.jpg", "ä b", "%7e", "?", "#", "a\nb", ":", "~~"]
) | st.text(max_size=5)  # fmt: skip
PATHS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
NAMES = st.lists(st.sampled_from(["a", "~", "film", "0123456789ab~", "status"]), min_size=1, max_size=3).map("/".join)


def route_of(path: str) -> tuple[str, dict[str, Any]]:
    """The first route that matches a path, and the parameters that it takes."""
    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "root_path": ""}
    for route in routes(vod_main_server.app.routes):
        matched, found = route.matches(scope)
        if matched is Match.FULL:
            return str(route.path), dict(found["path_params"])
    raise AssertionError(path)


@given(NAMES, PATHS)
@example("film", "~/a.ts")
@example("film/~", "a.ts")
@example("film", "0123456789ab/main/00000.ts")
def test_an_address_of_a_file_leads_to_that_file_whatever_it_is_called(name: str, path: str) -> None:
    address = file_below(name, f"{name}/{path}")
    if address is None:
        return
    decoded = unquote(address)
    assert route_of(f"/video/{name}/{decoded}") == (VIDEO_FILE, {"video_name": name, "file": path})
    expected = {"bucket": "films", "path": f"{name}.mp4", "file": path}
    assert route_of(f"/stream/films/{name}.mp4/{decoded}") == (STREAM_FILE, expected)
    assert address.startswith("~/")
    assert not {"?", "#", "\n"} & set(address)


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("index0.ts", "~/index0.ts"),
        ("720p/segment 1.ts", "~/720p/segment%201.ts"),
        ("main/00000.ts", "~/main/00000.ts"),
        ("key.bin", "~/key.bin"),
        ("~/a.ts", None),
        ("a/poster.jpg", None),
        ("0123456789ab/main/00000.ts", None),
        ("a\nb.ts", None),
    ],
)
def test_files_have_addresses_unless_those_are_of_other_routes(path: str, address: str | None) -> None:
    assert file_below("film", f"film/{path}") == address
    assert file_below("film", f"another/{path}") is None


LOW = "#EXTM3U\n#EXTINF:6,\nlow/a.ts\n#EXTINF:6,\nshared.ts\n#EXT-X-ENDLIST\n"
HIGH = """#EXTM3U
#EXT-X-MAP:URI="high/init.mp4"
#EXTINF:6,
high/b.ts
#EXTINF:6,
shared.ts
#EXTINF:6,
https://far/c.ts
"""
OUTSIDE = "#EXTM3U\n#EXTINF:6,\nd.ts\n#EXTINF:6,\n../another/d.ts\n"
TOP = """#EXTM3U
#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=640x360
low.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=2,RESOLUTION=1280x720
high.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=3,RESOLUTION=1920x1080
missing.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=3,RESOLUTION=1920x1080
outside.m3u8
"""


def foreign(tree: Tree | None) -> tuple[ForeignTrees, Any]:
    trees = create_autospec(Trees, instance=True)
    trees.by_name.side_effect = lambda name: tree if tree and name == tree.name else None

    def media_playlist(found: Tree, rendition: str) -> MediaPlaylist:
        if rendition == "missing":
            raise VideoNotFound("It is missing.")
        text = {"": found.text, "low": LOW, "high": HIGH, "outside": OUTSIDE}[rendition]
        return MediaPlaylist(found.name, text, found.name)

    trees.media_playlist.side_effect = media_playlist
    return ForeignTrees(trees), trees


def refusal(found: ForeignTrees, path: str, *, name: str = "film", most: int = 0) -> type[MamError] | None:
    async def look() -> None:
        (await found.file(name, path)).check_height(most)

    try:
        asyncio.run(look())
    except MamError as error:
        return type(error)
    return None


def test_only_files_that_a_playlist_names_are_given_out() -> None:
    found, trees = foreign(Tree("film", TOP, None))
    for path in ("low/a.ts", "high/b.ts", "high/init.mp4", "shared.ts"):
        assert refusal(found, path) is None, path
    for path in ("low.m3u8", "index.m3u8", "notes.txt", "d.ts", "c.ts", "low/../high/b.ts", "", "../film/low/a.ts"):
        assert refusal(found, path) is NotFound, path
    assert refusal(found, "a.ts", name="another") is VideoNotFound
    assert trees.by_name.call_count == 2, "the files of a tree are remembered"


def test_a_tree_of_our_own_has_no_such_files() -> None:
    found, _ = foreign(Tree("film", TOP, ladder_plan()))
    assert refusal(found, "low/a.ts") is VideoNotFound


def test_a_file_is_as_high_as_the_highest_picture_that_it_belongs_to() -> None:
    found, _ = foreign(Tree("film", TOP, None))
    for path, side in (("low/a.ts", 360), ("high/b.ts", 720), ("shared.ts", 720)):
        assert refusal(found, path, most=side) is None, path
        assert refusal(found, path, most=side - 1) is TooHigh, path
    alone, _ = foreign(Tree("film", LOW, None))
    assert refusal(alone, "low/a.ts") is None
    assert refusal(alone, "low/a.ts", most=UNKNOWN - 1) is TooHigh


def test_a_tree_stands_for_an_asset_of_its_name() -> None:
    asset = Asset("films", "film.mp4")
    found, _ = foreign(Tree(video_names(asset)[0], TOP, None))
    assert asyncio.run(found.name_of(asset)) == "film"
    assert asyncio.run(found.name_of(Asset("films", "another.mp4"))) is None
