"""How high pictures are, and what is left of a multivariant playlist below a limit."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam.hls import heights, multivariant, playlist
from mam.hls.heights import ALONE, UNKNOWN
from mam.hls.plan import Plan
from mam.hls.rates import Rate
from tests.unit.hls.plans import plans
from tests.unit.hls.test_multivariant import ladder_plan

LIMITS = st.integers(0, 5000)


def text_of(plan: Plan) -> str:
    variants = multivariant.variants(plan, {r.name: Rate(1, 1) for r in plan.renditions})
    return multivariant.render(plan, lambda rendition: f"{rendition.name}.m3u8", variants)


@given(plans(), LIMITS)
def test_below_a_limit_exactly_the_pictures_that_exceed_it_are_missing(plan: Plan, most: int) -> None:
    text, sides = text_of(plan), heights.of_plan(plan)
    if not playlist.is_multivariant(text):
        return
    listed = playlist.rendition_names(text)
    left = playlist.rendition_names(heights.below(text, sides, most))
    assert set(left) == {name for name in listed if not most or sides.get(name, 0) <= most}
    assert heights.below(heights.below(text, sides, most), sides, most) == heights.below(text, sides, most)
    variants = multivariant.variants_of(text)
    fitting = heights.fitting({name: variants[listed[name]] for name in sides}, sides, most)
    assert set(fitting) == set(left) & set(sides)


@dataclass(frozen=True)
class Variant:
    """A variant of another tool's playlist. `side`: None where no RESOLUTION tells it."""

    side: int | None
    longer: int
    codecs: str
    is_upright: bool

    @property
    def known(self) -> int:
        if self.side is not None:
            return self.side
        return 0 if self.codecs == "mp4a.40.2" else UNKNOWN

    def tag(self) -> str:
        parts = ["BANDWIDTH=1", f'CODECS="{self.codecs}"' if self.codecs else "AVERAGE-BANDWIDTH=1"]
        if self.side is not None:
            sizes = (self.side, self.side + self.longer)
            parts.append("RESOLUTION={}x{}".format(*(sizes if self.is_upright else sizes[::-1])))
        return f"#EXT-X-STREAM-INF:{','.join(parts)}"


VARIANTS = st.builds(
    Variant,
    side=st.none() | st.integers(1, 5000),
    longer=st.integers(0, 5000),
    codecs=st.sampled_from(["", "avc1.64001f,mp4a.40.2", "mp4a.40.2", "hvc1.1.6.L93"]),
    is_upright=st.booleans(),
)


@given(st.lists(VARIANTS, min_size=1, max_size=6), LIMITS, st.sampled_from(["\n", "\r\n"]))
def test_the_variants_of_another_tool_are_judged_by_what_they_tell(
    variants: list[Variant], most: int, end: str
) -> None:
    """Where they tell nothing, the picture may be of any size; it is none where all codecs are sounds."""
    lines = ["#EXTM3U", '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="sound.m3u8"']
    for number, variant in enumerate(variants):
        lines += [variant.tag(), f"{number}.m3u8"]
    text = end.join([*lines, ""])
    sides = heights.of_playlist(text)
    assert sides == {str(number): variant.known for number, variant in enumerate(variants) if variant.known}
    left = heights.below(text, sides, most)
    expected = [f"{number}.m3u8" for number, variant in enumerate(variants) if not most or variant.known <= most]
    assert [entry.uri for entry in playlist.entries(left)] == ["sound.m3u8", *expected]
    assert len(multivariant.variants_of(left.replace("\r", ""))) == len(expected)


def test_our_own_playlists_tell_what_the_plan_tells() -> None:
    plan = ladder_plan()
    assert heights.of_playlist(text_of(plan)) == heights.of_plan(plan) == {"source": 720, "v360": 360}


def test_a_media_playlist_tells_nothing_of_its_picture() -> None:
    assert heights.of_playlist("#EXTM3U\n#EXTINF:6,\na.ts\n") == {ALONE: UNKNOWN}


ANGLES = """#EXTM3U
#EXT-X-MEDIA:TYPE=VIDEO,GROUP-ID="high",NAME="1",URI="angle.m3u8"
#EXT-X-MEDIA:TYPE=VIDEO,GROUP-ID="another",NAME="2",URI="stray.m3u8"
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,RESOLUTION=1920x1080,URI="images.m3u8"
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="untold.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=1280x720,VIDEO="high"
720.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=320x180
twice.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=640x360
twice.m3u8
stray-line.m3u8
"""


@pytest.mark.parametrize(
    ("most", "left"),
    [
        (1080, ["angle.m3u8", "images.m3u8", "720.m3u8", "twice.m3u8", "twice.m3u8"]),
        (720, ["angle.m3u8", "720.m3u8", "twice.m3u8", "twice.m3u8"]),
        (360, ["twice.m3u8", "twice.m3u8"]),
        (180, []),
    ],
)
def test_other_angles_images_for_seeking_and_what_is_listed_twice_are_judged_too(most: int, left: list[str]) -> None:
    limited = heights.below(ANGLES, heights.of_playlist(ANGLES), most)
    assert [entry.uri for entry in playlist.entries(limited)] == left
    assert heights.below(ANGLES, heights.of_playlist(ANGLES), 0) == ANGLES
