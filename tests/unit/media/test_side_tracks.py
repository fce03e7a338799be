"""A film plays whatever stands beside it: whichever boxes of a side track are damaged, and however."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mam.errors import EncryptedMedia, ExternalMedia, MediaError
from mam.hls.plan import Plan
from mam.hls.recipe import Format, Profile, Recipe
from mam.media.encode import ChunkEncoder
from mam.media.planning import make_plan, read_index
from mam.media.remux import Remuxer
from mam.mp4.boxes import InvalidIndex
from tests.mutants.tree import Node, join, parse
from tests.recipes import recipe_of
from tests.unit.films import Film, film, opened, source_of

PICTURE, SOUND = 0, 1
HANDLERS = (
    b"vide",
    b"soun",
    b"text",
    b"sbtl",
    b"subt",
    b"subp",
    b"meta",
    b"tmcd",
    b"hint",
    b"clcp",
    b"camm",
    b"\0\0\0\0",
)
CODECS = (b"avc1", b"hvc1", b"mp4a", b"mp4s", b"mlpa", b"ec-3", b"SVQ3", b"SVQ1", b"QDM2", b"MAC3", b"ima4", b"alac",
          b"lpcm", b"sowt", b"Opus", b"fLaC", b"tmcd", b"gpmd", b"mett", b"rtp ", b"tx3g", b"wvtt", b"stpp", b"c608",
          b"encv", b"enca", b"dvh1", b"jpeg", b"raw ", b"apac", b"ms\0\x02", b".mp3", b"mp4v", b"vvc1")  # fmt: skip
BOXES = (b"tkhd", b"elst", b"mdhd", b"hdlr", b"stsd", b"stts", b"ctts", b"stss", b"stsc", b"stsz", b"stco", b"dref",
         b"smhd", b"vmhd", b"dinf")  # fmt: skip
RECIPES = [
    recipe_of(Profile.SOURCE),
    recipe_of(Profile.AUTO),
    recipe_of(Profile.AUTO, Format.FMP4),
    recipe_of(Profile.H264),
]


@dataclass(frozen=True)
class Damage:
    """What is done to a box: `content` is written at a place (a part of its length), or it ends there."""

    kind: bytes
    at: float
    content: bytes | None  # None: the box ends there

    def __call__(self, trak: Node) -> None:
        node = next((each for each in trak.all() if each.kind == self.kind), None)
        if node is None or node.children:
            return
        place = int(self.at * len(node.content))
        if self.content is None:
            node.content = node.content[:place]
        else:
            node.content = node.content[:place] + self.content + node.content[place + len(self.content) :]


NUMBERS = st.sampled_from((0, 1, 2, 255, 1 << 16, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)).map(
    lambda n: struct.pack(">I", n)
)
DAMAGE = st.builds(
    Damage,
    st.sampled_from(BOXES),
    st.floats(0, 1),
    st.one_of(st.none(), st.binary(max_size=24), NUMBERS, st.lists(NUMBERS, max_size=8).map(b"".join)),
)


@cache
def base() -> bytes:
    return film(Film(seconds=2))


def with_side_track(of: int, handler: bytes | None, codec: bytes | None, damages: tuple[Damage, ...] = ()) -> bytes:
    """The film with another track behind its own, a copy of one of them in which something is otherwise."""
    nodes = parse(base())
    moov = next(node for node in nodes if node.kind == b"moov")
    trak = parse(bytes(moov.tracks()[of]))[0]
    tkhd, hdlr, stsd = trak.find(b"tkhd"), trak.find(b"hdlr"), trak.find(b"stsd")
    tkhd.content = tkhd.content[:12] + struct.pack(">I", 9) + tkhd.content[16:]
    if handler is not None:
        hdlr.content = hdlr.content[:8] + handler + hdlr.content[12:]
    if codec is not None:
        stsd.content = stsd.content[:12] + codec + stsd.content[16:]
    for damage in damages:
        damage(trak)
    moov.children.insert(moov.children.index(moov.tracks()[-1]) + 1, trak)
    return join(nodes)


def converted(data: bytes, recipe: Recipe) -> Plan:
    """The plan, after all of its segments were made by it."""
    media = opened(data)
    read_index(media, recipe)
    plan = make_plan(media, source_of(data), recipe, video="film", revision="0" * 12, stored=False, closely=True)
    if plan.encodes:
        encoder = ChunkEncoder(media, plan)
        made = [files for chunk in plan.chunks() for _, files in encoder.segments(chunk)]
    else:
        made = [Remuxer(media, plan).segment(number) for number in range(len(plan.timeline))]
    assert all(files for files in made)
    return plan


def check_film(plan: Plan) -> None:
    assert plan.video_track and plan.video_track.track == PICTURE
    assert SOUND in {track.track for track in plan.audio_tracks}
    assert sum(plan.frames) == 50
    assert 1.9 < plan.timeline.duration <= 3.1  # a side sound may last half as long again as the film


@pytest.mark.parametrize("recipe", RECIPES, ids=["source", "auto", "auto.fmp4", "h264"])
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    of=st.sampled_from((PICTURE, SOUND)),
    handler=st.one_of(st.none(), st.sampled_from(HANDLERS), st.binary(min_size=4, max_size=4)),
    codec=st.one_of(st.none(), st.sampled_from(CODECS), st.binary(min_size=4, max_size=4)),
    damages=st.lists(DAMAGE, max_size=3).map(tuple),
)
@example(of=PICTURE, handler=b"meta", codec=None, damages=(Damage(b"stsd", 0.0, None),))
@example(of=PICTURE, handler=b"subp", codec=b"mp4s", damages=())
@example(of=PICTURE, handler=None, codec=b"SVQ3", damages=())
@example(of=SOUND, handler=None, codec=b"mlpa", damages=())
@example(of=SOUND, handler=None, codec=b"enca", damages=())
@example(of=SOUND, handler=None, codec=b"alac", damages=())
@example(of=SOUND, handler=None, codec=None, damages=(Damage(b"stts", 0.7, b"\xff" * 4),))
@example(of=SOUND, handler=None, codec=None, damages=(Damage(b"stts", 0.5, b"\x01"),))
@example(of=PICTURE, handler=None, codec=None, damages=(Damage(b"stsd", 0.4, None),))
@example(of=PICTURE, handler=None, codec=None, damages=(Damage(b"stss", 0.25, b"\x00"),))
def test_nothing_that_is_wrong_with_a_side_track_fails_the_film(
    recipe: Recipe, of: int, handler: bytes | None, codec: bytes | None, damages: tuple[Damage, ...]
) -> None:
    check_film(converted(with_side_track(of, handler, codec, damages), recipe))


def test_what_was_left_out_is_told_in_the_plan() -> None:
    for codec, damages, word in (
        (b"enca", (), "encrypted"),
        (None, (Damage(b"stsz", 0.5, None),), "stsz"),
        (None, (Damage(b"stsd", 0.0, None),), "cut off"),
    ):
        plan = converted(with_side_track(SOUND, None, codec, damages), RECIPES[1])
        assert (plan.streams[2].action, word in plan.streams[2].reason) == ("leave", True)


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (Damage(b"stsd", 0.0, None), InvalidIndex),
        (Damage(b"stsz", 0.5, None), InvalidIndex),
        (Damage(b"dref", 0.5, bytes(20)), MediaError),
    ],
)
@pytest.mark.parametrize("number", [PICTURE, SOUND])
def test_the_only_picture_and_the_only_sound_are_no_side_tracks(
    number: int, damage: Damage, error: type[MediaError]
) -> None:
    nodes = parse(base())
    damage(next(node for node in nodes if node.kind == b"moov").tracks()[number])
    with pytest.raises(error):
        converted(join(nodes), RECIPES[1])


@pytest.mark.parametrize(("codec", "error"), [(b"encv", EncryptedMedia)])
def test_an_encrypted_picture_is_refused_though_the_sound_is_not_encrypted(
    codec: bytes, error: type[MediaError]
) -> None:
    nodes = parse(base())
    stsd = next(node for node in nodes if node.kind == b"moov").tracks()[PICTURE].find(b"stsd")
    stsd.content = stsd.content[:12] + codec + stsd.content[16:]
    with pytest.raises(error):
        converted(join(nodes), RECIPES[1])


def test_media_in_another_file_is_refused_by_name_where_it_is_the_film() -> None:
    data = base().replace(b"\0\0\0\x0curl \0\0\0\1", b"\0\0\0\x0curl \0\0\0\0")
    with pytest.raises(ExternalMedia):
        opened(data)
