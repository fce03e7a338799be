"""Bytes by hand: packets of MPEG-TS and boxes of fMP4, each wrong in one place."""

from __future__ import annotations

import struct
from fractions import Fraction

import pytest

from mam.check.fmp4 import InvalidBoxes, read_fragments, read_init
from mam.check.media import container_of, measure
from mam.check.ts import Counter, read_ts

PMT_PID, VIDEO_PID = 0x1000, 0x100


def packet(pid: int, counter: int, payload: bytes = b"", *, start: bool = False, flagged: bool = False) -> bytes:
    room = 184 - len(payload)
    adaptation = b""
    if room or flagged:
        flags = bytes([0x80 if flagged else 0])
        adaptation = bytes([room - 1]) + (flags + b"\xff" * (room - 2) if room > 1 else b"")
    control = (0x20 if adaptation else 0) | (0x10 if payload else 0)
    head = struct.pack(">BHB", 0x47, pid | (0x4000 if start else 0), control | counter)
    return head + adaptation + payload


def table(pid: int, kind: int, head: bytes, body: bytes, counter: int = 0) -> bytes:
    section = bytes([kind]) + struct.pack(">H", 0xB000 | (len(head) + len(body) + 4)) + head + body + b"\0\0\0\0"
    return packet(pid, counter, (b"\0" + section).ljust(184, b"\xff"), start=True)


PAT = table(0, 0, b"\0\1\xc1\0\0", struct.pack(">HH", 1, 0xE000 | PMT_PID))
PMT = table(PMT_PID, 2, b"\0\1\xc1\0\0", struct.pack(">HH", 0xE100, 0xF000) + struct.pack(">BHH", 27, 0xE100, 0xF000))
MEDIA = [packet(VIDEO_PID, number & 15, b"x" * 184) for number in range(20)]


def test_right_packets_break_nothing() -> None:
    facts = read_ts(PAT + PMT + b"".join(MEDIA))
    assert (facts.whole, facts.programs, facts.tables_first, facts.jumps) == (True, 1, True, 0)
    assert facts.counters[VIDEO_PID] == Counter(0, 4, False)


def test_a_lost_packet_is_a_jump_unless_it_is_flagged() -> None:
    assert read_ts(PAT + PMT + b"".join(MEDIA[:5] + MEDIA[6:])).jumps == 1
    flagged = packet(VIDEO_PID, 9, b"x" * 100, flagged=True)
    assert read_ts(PAT + PMT + b"".join([*MEDIA[:5], flagged])).jumps == 0


def test_a_packet_may_be_sent_twice_and_one_without_payload_does_not_count() -> None:
    bare = packet(VIDEO_PID, 4)
    assert read_ts(PAT + PMT + b"".join([*MEDIA[:5], MEDIA[4], bare, *MEDIA[5:]])).jumps == 0


def test_tables_after_the_media_are_late() -> None:
    assert not read_ts(MEDIA[0] + PAT + PMT + MEDIA[1]).tables_first
    assert not read_ts(PAT + MEDIA[0] + PMT + MEDIA[1]).tables_first
    assert not read_ts(b"".join(MEDIA)).tables_first


def test_what_is_cut_within_a_packet_is_not_whole() -> None:
    assert not read_ts((PAT + PMT + b"".join(MEDIA))[:-1]).whole
    assert not read_ts(PAT + PMT + b"x" * 188).whole


def test_a_flag_on_the_first_packet_is_seen() -> None:
    assert read_ts(PAT + PMT + packet(VIDEO_PID, 7, b"x" * 9, flagged=True)).counters[VIDEO_PID] == Counter(7, 8, True)


@pytest.mark.parametrize("data", [b"", b"\x47", b"\x47" * 188, PAT, PAT[:100], PAT + PMT, b"\x47" + b"\xff" * 375])
def test_odd_packets_are_measured_without_a_crash(data: bytes) -> None:
    read_ts(data)
    found = measure(data)
    assert found.trouble or not found.tracks


def box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def full(kind: bytes, flags: int, *values: int, version: int = 0, layout: str = "") -> bytes:
    return box(
        kind, struct.pack(">I", version << 24 | flags), struct.pack(">" + (layout or "I" * len(values)), *values)
    )


def init(*, samples: int = 0, lasts: int = 0, edit: bytes = b"", mvex: bool = True) -> bytes:
    media = box(b"mdia", full(b"mdhd", 0, 0, 0, 1000, 0, 0), box(b"hdlr", b"\0" * 8, b"vide", b"\0" * 13),
                box(b"minf", box(b"stbl", full(b"stsz", 0, 0, samples))))  # fmt: skip
    trak = box(b"trak", full(b"tkhd", 3, 0, 0, 1, 0, lasts), edit, media)
    trex = box(b"mvex", full(b"trex", 0, 1, 1, 40, 10, 0x10000))
    moov = box(b"moov", full(b"mvhd", 0, 0, 0, 1000, 0), trak, trex if mvex else b"")
    return box(b"ftyp", b"iso6", b"\0\0\0\0", b"mp41") + moov


def fragment(tfdt: int | None, count: int = 3, *, flags: int = 0x20000, track: int = 1) -> bytes:
    def moof(offset: int) -> bytes:
        base = [0] if flags & 1 else []
        header = full(b"tfhd", flags, track, *base, layout="I" + "Q" * len(base))
        time = full(b"tfdt", 0, tfdt) if tfdt is not None else b""
        # data offset, flags of the first sample, composition offsets
        run = full(b"trun", 0x805, count, offset, 0, *([80] * count), version=1, layout="Iii" + "i" * count)
        return box(b"moof", full(b"mfhd", 0, 1), box(b"traf", header, time, run))

    return moof(len(moof(0)) + 8) + box(b"mdat", b"0123456789" * count)


def test_an_initialization_section_is_read() -> None:
    facts = read_init(init())
    assert (facts.brands, facts.extended, facts.samples, facts.timed) == (("iso6", "mp41"), True, 0, False)
    track = facts.tracks[1]
    assert (track.kind, track.timescale, track.duration, track.size) == ("video", 1000, 40, 10)


def test_what_an_initialization_section_must_not_have_is_seen() -> None:
    assert read_init(init(samples=7)).samples == 7
    assert read_init(init(lasts=5)).timed
    assert not read_init(init(mvex=False)).extended


def test_samples_get_their_times_from_boxes_alone() -> None:
    edit = box(b"edts", full(b"elst", 0, 2, 500, -1, 1, 0, 0, 80, 1, 0, layout="IIihhIihh"))
    facts = read_init(init(edit=edit))
    part = read_fragments(fragment(6000), facts)[1]
    assert (part.tfdt, part.end, part.relative, part.broken) == (6000, 6120, True, 0)
    assert [sample.pts for sample in part.samples] == [Fraction(6500 + 40 * n, 1000) for n in range(3)]
    assert [sample.key for sample in part.samples] == [True, False, False]
    assert [fragment(6000)[sample.data] for sample in part.samples] == [b"0123456789"] * 3


def test_fragments_of_one_segment_are_joined() -> None:
    facts = read_init(init())
    assert read_fragments(fragment(0) + fragment(120), facts)[1].broken == 0
    joined = read_fragments(fragment(0) + fragment(121), facts)[1]
    assert (joined.broken, joined.tfdt, joined.end, len(joined.samples)) == (1, 0, 241, 6)
    assert fragment(120) in (whole := fragment(0) + fragment(120))
    assert whole[read_fragments(whole, facts)[1].samples[3].data] == b"0123456789"


def test_a_fragment_without_a_time_or_with_an_absolute_place_is_seen() -> None:
    facts = read_init(init())
    assert read_fragments(fragment(None), facts)[1].tfdt is None
    assert not read_fragments(fragment(0, flags=0x1), facts)[1].relative
    assert not read_fragments(fragment(0, flags=0), facts)[1].relative


@pytest.mark.parametrize(
    "data", [fragment(0)[:-1], fragment(0)[:50], fragment(0, track=2), fragment(0) + box(b"moov"), b"\0\0\0\1moof"]
)
def test_fragments_that_contradict_themselves_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidBoxes):
        read_fragments(data, read_init(init()))


def test_an_initialization_section_cut_anywhere_is_refused_or_lacks_its_movie() -> None:
    whole = [size for size in range(len(init())) if not lacks_movie(init()[:size])]
    assert whole == []


def lacks_movie(data: bytes) -> bool:
    try:
        return not read_init(data).extended
    except InvalidBoxes:
        return True


def test_a_run_of_endless_samples_is_refused() -> None:
    run = full(b"trun", 0, 0xFFFFFFFF)
    with pytest.raises(InvalidBoxes, match="4294967295 samples"):
        read_fragments(box(b"moof", box(b"traf", full(b"tfhd", 0x20000, 1), run)), read_init(init()))


@pytest.mark.parametrize(
    ("data", "container"),
    [
        (PAT, "ts"),
        (fragment(0), "mp4"),
        (b"\xef\xbb\xbfWEBVTT\n", "vtt"),
        (b"ID3\4", "packed"),
        (b"<html>", ""),
        (b"", ""),
    ],
)
def test_containers_are_known_by_their_first_bytes(data: bytes, container: str) -> None:
    assert container_of(data) == container
