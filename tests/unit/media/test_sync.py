"""Fragments of MP4 say when a picture is shown in a way that all readers understand: at the same times as TS."""

from __future__ import annotations

import io
import struct

import av
import pytest

from mam.hls.recipe import Format, Profile
from mam.media.encode import ChunkEncoder
from mam.media.planning import make_plan
from mam.media.remux import Remuxer
from tests.recipes import recipe_of
from tests.unit.films import Film, film, opened, source_of


def made(profile: Profile, form: Format, data: bytes) -> list[bytes]:
    """The initialization section, or nothing, and the segments."""
    media = opened(data)
    recipe = recipe_of(profile, format=form, segment_seconds=1)
    plan = make_plan(media, source_of(data), recipe, video="film", revision="0" * 12, stored=False)
    if plan.encodes:
        encoder = ChunkEncoder(media, plan)
        files = [segment for chunk in plan.chunks() for _, segment in encoder.segments(chunk)]
    else:
        remuxer = Remuxer(media, plan)
        files = [remuxer.segment(number) for number in range(len(plan.timeline))]
    init = bytes(files[0].get(plan.init(plan.renditions[0]), b""))
    return [init, *(bytes(each[plan.file(plan.renditions[0], n)]) for n, each in enumerate(files))]


def moments(segment: bytes) -> dict[str, list[float]]:
    """When libavformat shows what: seconds, by kind."""
    found: dict[str, list[float]] = {}
    with av.open(io.BytesIO(segment)) as container:
        for packet in container.demux():
            if packet.pts is not None:
                found.setdefault(packet.stream.type, []).append(float(packet.pts * packet.time_base))
    return {kind: sorted(times) for kind, times in found.items()}


@pytest.mark.parametrize("profile", [Profile.SOURCE, Profile.H264])
@pytest.mark.parametrize("b_frames", [0, 1, 2, 4])
def test_both_formats_show_everything_at_the_same_moments(profile: Profile, b_frames: int) -> None:
    data = film(Film(seconds=3, b_frames=b_frames, gop=25))
    _, *transport = made(profile, Format.TS, data)
    init, *fragments = made(profile, Format.FMP4, data)
    assert len(transport) == len(fragments)
    for one, other in zip(transport, fragments, strict=True):
        expected, actual = moments(one), moments(init + other)
        for kind in ("video", "audio"):
            assert actual[kind] == pytest.approx(expected[kind], abs=0.001)


@pytest.mark.parametrize("profile", [Profile.SOURCE, Profile.H264])
def test_no_composition_offset_is_negative(profile: Profile) -> None:
    _, *fragments = made(profile, Format.FMP4, film(Film(seconds=3, gop=25)))
    for fragment in fragments:
        at = fragment.index(b"trun") + 4
        flags, count = struct.unpack_from(">II", fragment, at)
        columns = [flag for flag in (0x100, 0x200, 0x400, 0x800) if flags & flag]
        assert columns[-1] == 0x800
        rows = struct.iter_unpack(f">{len(columns) - 1}Ii", fragment[at + 12 : at + 12 + 4 * len(columns) * count])
        assert all(row[-1] >= 0 for row in rows)


def test_a_segment_of_a_few_packets_is_known_for_what_it_is() -> None:
    _, *segments = made(Profile.SOURCE, Format.TS, film(Film(video=None, seconds=1)))
    assert moments(segments[-1])["audio"]
    assert all(len(segment) >= 16 * 188 for segment in segments)
