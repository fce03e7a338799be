"""Parameter sets among the pictures, pictures whose size changes, and stills beside a film."""

from __future__ import annotations

import io
import struct
from functools import cache

import av
import numpy as np
import pytest

from mam.errors import NotRemuxable
from mam.hls.plan import Plan
from mam.hls.recipe import Format, Profile, Recipe
from mam.media.encode import ChunkEncoder
from mam.media.planning import make_plan, read_index
from mam.media.remux import Remuxer
from mam.media.source import MediaSource
from mam.mp4.h264 import read_sps
from tests.mutants.tree import Node, join, parse
from tests.recipes import recipe_of
from tests.unit.films import opened, source_of
from tests.unit.mp4.clips import clip
from tests.unit.mp4.movies import box

X264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 5 -x264-params repeat-headers=1"
X265 = "-c:v libx265 -preset ultrafast -pix_fmt yuv420p -g 5 -x265-params log-level=none:repeat-headers=1"
CODED = {
    "avc3": f"{X264} -tag:v avc3 -flags:v -global_header",
    "avc3, interlaced": f"{X264}:tff=1 -flags:v +ildct+ilme",
    "hev1": f"{X265} -tag:v hev1",
}


def moov_of(nodes: list[Node]) -> Node:
    return next(node for node in nodes if node.kind == b"moov")


@cache
def in_band(how: str) -> bytes:
    """A film whose parameter sets stand among its pictures alone: its encoder repeats them at each key frame."""
    nodes = parse(clip(CODED[how]))
    stsd = moov_of(nodes).tracks()[0].find(b"stsd")
    entry = stsd.content[8:]
    kind = b"hvcC" if how == "hev1" else b"avcC"
    at = entry.index(kind) - 4
    (size,) = struct.unpack_from(">I", entry, at)
    record = entry[at + 8 : at + size]
    empty = record[:22] + b"\0" if how == "hev1" else record[:5] + b"\xe0\0"
    inner = entry[8:at] + box(kind, empty) + entry[at + size :]
    stsd.content = stsd.content[:8] + box(b"hev1" if how == "hev1" else b"avc3", inner)
    return join(nodes)


def made(data: bytes, recipe: Recipe) -> tuple[MediaSource, Plan, bytes]:
    """The whole of what becomes of a film's first rendition."""
    media = opened(data)
    read_index(media, recipe)
    plan = make_plan(media, source_of(data), recipe, video="film", revision="0" * 12, stored=False)
    files: dict[str, memoryview] = {}
    if plan.encodes:
        encoder = ChunkEncoder(media, plan)
        for chunk in plan.chunks():
            for _, segment in encoder.segments(chunk):
                files |= segment
    else:
        media.settle([track.track for track in plan.tracks])  # as workers do
        remuxer = Remuxer(media, plan)
        for number in range(len(plan.timeline)):
            files |= remuxer.segment(number)
    first = plan.renditions[0]
    names = [plan.init(first)] if plan.has_init(first) else []
    names += [plan.file(first, number) for number in range(len(plan.timeline))]
    return media, plan, b"".join(bytes(files[name]) for name in names)


def pictures(data: bytes) -> list[av.VideoFrame]:
    with av.open(io.BytesIO(data)) as container:
        return list(container.decode(video=0))


@pytest.mark.parametrize("how", ["avc3", "hev1"])
@pytest.mark.parametrize("fmt", list(Format))
@pytest.mark.parametrize("profile", [Profile.AUTO, Profile.H264])
def test_sets_among_the_pictures_are_found(how: str, fmt: Format, profile: Profile) -> None:
    _, plan, data = made(in_band(how), recipe_of(profile, fmt))
    assert len(pictures(data)) == 10
    assert plan.video_track
    copied = profile is Profile.AUTO and (how == "avc3" or fmt is Format.FMP4)
    assert plan.video_track.action == ("copy" if copied else "encode")
    assert plan.video_track.codecs.startswith("hvc1" if copied and how == "hev1" else "avc1.")


@pytest.mark.parametrize("fmt", list(Format))
def test_an_interlaced_picture_is_known_as_one_by_the_sets_among_its_pictures(fmt: Format) -> None:
    _, plan, data = made(in_band("avc3, interlaced"), recipe_of(Profile.AUTO, fmt))
    assert plan.video_track
    assert (plan.video_track.action, plan.video_track.interlaced) == ("encode", True)
    assert len(pictures(data)) == 10


def test_the_description_is_completed_with_what_the_pictures_bring() -> None:
    media = opened(in_band("avc3"))
    assert read_sps(media.tracks[0].configuration) is None
    media.complete([0])
    found = read_sps(media.tracks[0].configuration)
    assert found
    assert (found.width, found.height) == (180, 100)


# other pictures in the middle


def joined(first: bytes, second: bytes, *, described: bool) -> bytes:
    """Two films one after the other, each in one chunk. `described`: the second has a sample description of its own."""
    ours, theirs = parse(first), parse(second)
    one, two = moov_of(ours).tracks()[0], moov_of(theirs).tracks()[0]
    media = [next(node for node in nodes if node.kind == b"mdat").content for nodes in (ours, theirs)]
    ftyp = bytes(next(node for node in ours if node.kind == b"ftyp"))
    counts = [struct.unpack_from(">I", trak.find(b"stsz").content, 8)[0] for trak in (one, two)]

    def table(trak: Node, kind: bytes) -> bytes:
        return trak.find(kind).content[8:] if any(node.kind == kind for node in trak.all()) else b""

    def put(kind: bytes, rows: bytes, width: int) -> None:
        one.find(kind).content = bytes(4) + struct.pack(">I", len(rows) // width) + rows

    begin = len(ftyp) + 8
    for kind in (b"stts", b"ctts"):
        if any(node.kind == kind for node in one.all()):
            put(kind, table(one, kind) + table(two, kind), 8)
    keys = [key + counts[0] for (key,) in struct.iter_unpack(">I", table(two, b"stss"))]
    put(b"stss", table(one, b"stss") + struct.pack(f">{len(keys)}I", *keys), 4)
    put(b"stco", struct.pack(">II", begin, begin + len(media[0])), 4)
    put(b"stsc", struct.pack(">6I", 1, counts[0], 1, 2, counts[1], 2 if described else 1), 12)
    sizes = one.find(b"stsz").content[12:] + two.find(b"stsz").content[12:]
    one.find(b"stsz").content = struct.pack(">3I", 0, 0, sum(counts)) + sizes
    if described:
        stsd = one.find(b"stsd")
        stsd.content = struct.pack(">II", 0, 2) + stsd.content[8:] + two.find(b"stsd").content[8:]
    for node in one.all():
        node.kind = b"free" if node.kind == b"edts" else node.kind
    return ftyp + bytes(Node(b"mdat", b"".join(media))) + bytes(moov_of(ours))


RED, BLUE = ("drawbox=w=iw:h=ih:color=red:t=fill", "drawbox=w=iw:h=ih:color=blue:t=fill")
VARIABLE = "-fps_mode vfr"


def film_of(size: str, colour: str, *, variable: bool, headers: bool) -> bytes:
    uneven = ",select=not(eq(mod(n\\,4)\\,1))" if variable else ""
    params = "-x264-params repeat-headers=1" if headers else ""
    return clip(f"-c:v libx264 -preset ultrafast -pix_fmt yuv420p -bf 0 -g 5 {params} {VARIABLE if variable else ''}"
                f" -vf scale={size},setsar=1,{colour}{uneven} -flags:v +bitexact")  # fmt: skip


@pytest.mark.parametrize("described", [False, True], ids=["in band", "described"])
@pytest.mark.parametrize("variable", [False, True], ids=["constant rate", "variable rate"])
@pytest.mark.parametrize("profile", [Profile.AUTO, Profile.H264])
def test_pictures_of_another_size_are_fitted_into_that_of_the_first(
    described: bool, variable: bool, profile: Profile
) -> None:
    parts = [film_of(size, colour, variable=variable, headers=not described)
             for size, colour in (("320:180", RED), ("180:320", BLUE))]  # fmt: skip
    media, plan, data = made(joined(*parts, described=described), recipe_of(profile))
    frames = pictures(data)
    assert {(frame.width, frame.height) for frame in frames} == {(320, 180)}
    assert len(frames) == sum(plan.frames)
    left, middle = (frames[-1].to_ndarray(format="rgb24")[80:100, at : at + 20].mean((0, 1)) for at in (0, 150))
    assert left.max() < 40  # a bar
    assert middle[2] > 2 * middle[0]
    assert np.asarray(frames[0].to_ndarray(format="rgb24"))[90, 5, 0] > 100  # the first fills its own size
    assert len(media.tracks) == 1


@pytest.mark.parametrize("described", [False, True], ids=["in band", "described"])
def test_a_copy_of_pictures_that_change_is_refused(described: bool) -> None:
    parts = [film_of(size, RED, variable=False, headers=not described) for size in ("320:180", "180:320")]
    with pytest.raises(NotRemuxable, match=r"change|ways"):
        made(joined(*parts, described=described), recipe_of(Profile.SOURCE))


def test_sets_that_are_repeated_and_say_the_same_are_no_change() -> None:
    _, plan, _ = made(clip(X264), recipe_of(Profile.AUTO))
    assert plan.video_track and plan.video_track.action == "copy"


# stills

COVER = "-f lavfi -i testsrc2=s=180x100:r=25:d=0.4 -f lavfi -i color=red:s=64x64:r=25:d={seconds}"


@pytest.mark.parametrize(("first", "codec"), [(True, "mjpeg"), (False, "mjpeg"), (True, "png")])
@pytest.mark.parametrize("default", [True, False])
def test_a_still_beside_a_film_is_not_the_film(first: bool, codec: str, default: bool) -> None:
    order, still = ("-map 1:v -map 0:v", 0) if first else ("-map 0:v -map 1:v", 1)
    disposition = f"-disposition:v:{still} {'default' if default else '0'}"
    data = clip(f"{order} -c:v:{1 - still} libx264 -c:v:{still} {codec} -pix_fmt:v:{1 - still} yuv420p {disposition}"
                " -f mov", COVER.format(seconds=0.04))  # fmt: skip
    media = opened(data)
    read_index(media, recipe := recipe_of(Profile.AUTO))
    plan = make_plan(media, source_of(data), recipe, video="film", revision="0" * 12, stored=False)
    assert plan.video_track and plan.video_track.track == 1 - still
    assert (plan.streams[still].action, plan.streams[still].reason) == ("leave", "a still picture beside the film")


def test_motion_jpeg_beside_a_film_in_motion_jpeg_is_chosen_as_any() -> None:
    data = clip("-map 0:v -map 1:v -c:v mjpeg -pix_fmt yuvj420p -f mov", COVER.format(seconds=0.4))
    assert opened(data).stills == set()
