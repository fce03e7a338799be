"""What is read from configuration records is what libavcodec finds when it decodes, and never an exception."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import astuple
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam.mp4.bits import Bits, unescape
from mam.mp4.codecs import AAC_LC, aac_frame_length, aac_object_type, codec_string, h264_profile, read_av1c, read_vpcc
from mam.mp4.h264 import Sps, read_sps
from mam.mp4.hevc import Hevc, Picture, read_hvcc
from tests.unit.mp4.clips import AUDIO, AV1, H264, HEVC, SOUND, VP9, clip, decoded, record

READERS: tuple[Callable[[bytes], object], ...] = (
    read_sps, read_hvcc, read_av1c, read_vpcc, h264_profile, aac_object_type,
    *(lambda data, codec=codec: codec_string(codec, data) for codec in ("h264", "hevc", "av1", "vp9", "aac", "?")),
)  # fmt: skip
MONOCHROME = {"monochrome"}  # libavcodec gives H.264's a chroma of its own
# Written down from the ISO specifications; FFmpeg's HLS muxer and Shaka Packager say the same of such files.
STRINGS = {
    ("h264", H264["baseline"]): "avc1.42c00b",
    ("h264", H264["main, B-frames"]): "avc1.4d400b",
    ("h264", H264["high 10"]): "avc1.6e000b",
    ("hevc", HEVC["main"]): "hvc1.1.6.L30.90",
    ("hevc", HEVC["main 10, PQ, samples 4:3"]): "hvc1.2.4.L30.90",
    ("hevc", HEVC["high tier"]): "hvc1.1.6.H153.90",
    ("hevc", HEVC["4:2:2, 10 bit"]): "hvc1.4.10.L30.9D.8",
    ("hevc", HEVC["fields"]): "hvc1.1.6.L30.40",
    ("av1", AV1["8 bit"]): "av01.0.00M.08",
    ("av1", AV1["10 bit"]): "av01.0.00M.10",
    ("av1", AV1["4:4:4"]): "av01.1.00M.08",
    ("av1", AV1["4:2:2, 12 bit"]): "av01.2.00M.12",
    ("vp9", VP9["8 bit"]): "vp09.00.10.08",
    ("vp9", VP9["10 bit"]): "vp09.02.10.10",
}


def sps_of(name: str) -> Sps:
    found = read_sps(record(clip(H264[name])))
    assert found is not None
    return found


def hevc_of(name: str) -> tuple[Hevc, Picture]:
    found = read_hvcc(record(clip(HEVC[name])))
    assert found is not None
    assert found.picture is not None
    return found, found.picture


@pytest.mark.parametrize("name", H264)
def test_h264_is_described_as_it_is_decoded(name: str) -> None:
    sps, seen = sps_of(name), decoded(clip(H264[name]))
    assert (seen.width, seen.height, seen.bit_depth) == (sps.width, sps.height, sps.bit_depth)
    assert (0 if name in MONOCHROME else seen.chroma_format) == sps.chroma_format
    assert (seen.full_range, seen.primaries, seen.transfer, seen.matrix) == astuple(sps.colour)
    assert seen.sample_aspect == sps.sample_aspect
    assert seen.interlaced != sps.frame_mbs_only
    assert seen.reorder == sps.reorder


@pytest.mark.parametrize("name", HEVC)
def test_hevc_is_described_as_it_is_decoded(name: str) -> None:
    (hevc, picture), seen = hevc_of(name), decoded(clip(HEVC[name]))
    assert (seen.chroma_format, seen.bit_depth) == (hevc.chroma_format, hevc.bit_depth)
    assert (seen.width, seen.height) == (picture.width, picture.height)
    assert (seen.full_range, seen.primaries, seen.transfer, seen.matrix) == astuple(picture.colour)
    assert (seen.sample_aspect, seen.interlaced) == (picture.sample_aspect, picture.interlaced)
    assert seen.reorder <= picture.reorder
    assert hevc.complete


@pytest.mark.parametrize("name", AV1)
def test_av1_is_described_as_it_is_decoded(name: str) -> None:
    av1, seen = read_av1c(record(clip(AV1[name]))), decoded(clip(AV1[name]))
    assert av1 is not None
    assert (seen.chroma_format, seen.bit_depth) == (av1.chroma_format, av1.bit_depth)
    assert (seen.chroma_format == 0) == av1.monochrome


@pytest.mark.parametrize("name", VP9)
def test_vp9_is_described_as_it_is_decoded(name: str) -> None:
    vp9, seen = read_vpcc(record(clip(VP9[name]))), decoded(clip(VP9[name]))
    assert vp9 is not None
    assert (seen.chroma_format, seen.bit_depth) == (max(1, vp9.subsampling), vp9.bit_depth)
    assert seen.matrix == vp9.colour.matrix


@pytest.mark.parametrize(("made", "expected"), STRINGS.items(), ids=STRINGS.values())
def test_video_is_named_as_rfc_6381_has_it(made: tuple[str, str], expected: str) -> None:
    codec, arguments = made
    assert expected == codec_string(codec, record(clip(arguments)))


def test_vp9_names_colours_that_its_record_names() -> None:
    hdr10 = bytes((1, 0, 0, 0, 2, 51, 10 << 4 | 1 << 1, 9, 16, 9, 0, 0))
    assert codec_string("vp9", hdr10) == "vp09.02.51.10.01.09.16.09.00"


@pytest.mark.parametrize(
    ("codec", "expected"),
    {"aac": "mp4a.40.2", "mp3": "mp4a.40.34", "ac3": "ac-3", "eac3": "ec-3", "opus": "opus", "flac": "fLaC"}.items(),
)
def test_sound_is_named_as_rfc_6381_has_it(codec: str, expected: str) -> None:
    assert expected == codec_string(codec, record(clip(AUDIO[codec], SOUND)))


@pytest.mark.parametrize(
    ("config", "expected"),
    {
        "1190": "mp4a.40.2",
        "118856e500": "mp4a.40.2",  # says that there is no SBR
        "118856e598": "mp4a.40.5",
        "138856e5a54880": "mp4a.40.29",
        "138856e5a54800": "mp4a.40.5",  # says that there is no parametric stereo
        "2b118800": "mp4a.40.5",
        "eb098800": "mp4a.40.29",
        "f9464000": "mp4a.40.42",  # xHE-AAC, by the escape
        "0000": None,
        "11": None,
        "": None,
    }.items(),
)
def test_he_aac_is_named_whether_it_stands_in_front_or_behind(config: str, expected: str | None) -> None:
    assert expected == codec_string("aac", bytes.fromhex(config))


def test_where_he_aac_is_hidden_the_object_type_stays_that_of_its_core() -> None:
    assert aac_object_type(bytes.fromhex("118856e598")) == AAC_LC


def test_a_codec_that_hls_has_no_name_for_gets_none() -> None:
    assert codec_string("mpeg4", b"\1" * 30) is None


def test_tiers_of_av1_begin_at_level_4() -> None:
    below, above = bytes((0x81, 7, 0x8C, 0)), bytes((0x81, 8, 0x8C, 0))
    assert (codec_string("av1", below), codec_string("av1", above)) == ("av01.0.07M.08", "av01.0.08H.08")


def test_hevc_without_its_parameter_sets_is_not_complete() -> None:
    whole = record(clip(HEVC["main"]))
    bare = whole[:22] + b"\0"
    hevc = read_hvcc(bare)
    assert hevc is not None
    assert (hevc.complete, hevc.picture) == (False, None)
    assert codec_string("hevc", whole) == codec_string("hevc", bare)


def test_hevc_reference_sets_that_follow_from_others_are_passed_over() -> None:
    """No encoder at hand writes such: by hand, with full range behind them as the proof of having come through."""
    predicted = "1" + "0" + _ue(0) + "1" + "01" + "00"  # of two pictures and their own: two are kept
    sets = _ue(3) + _ue(2) + _ue(0) + (_ue(0) + "1") * 2 + predicted + predicted
    tools = _ue(0) * 6 + "0" + "00" + "0" + sets + "0" + "00"
    vui = "1" + "0" + "0" + "1" + "101" + "1" + "0" + "0" + "0" + "1"
    head = "0000" + "000" + "1" + "0" * 96 + _ue(0) + _ue(1) + _ue(64) + _ue(48) + "0" + _ue(0) * 2 + _ue(4)
    bits = head + "1" + _ue(4) + _ue(2) + _ue(0) + tools + vui + "1"
    escaped = b"\x42\x01" + _bytes(bits).replace(b"\0\0\0", b"\0\0\3\0")
    whole = bytes((1, *bytes(21), 1, 33, 0, 1)) + len(escaped).to_bytes(2, "big") + escaped
    hevc = read_hvcc(whole)
    assert hevc is not None
    assert hevc.picture is not None
    assert (hevc.picture.width, hevc.picture.height, hevc.picture.reorder) == (64, 48, 2)
    assert (hevc.picture.colour.full_range, hevc.picture.interlaced) == (True, True)


@pytest.mark.parametrize(("name", "lists"), [("4:2:0 of a profile that says so, BT.709", 8), ("4:4:4, BT.709", 12)])
def test_scaling_lists_of_h264_are_passed_over_as_libavcodec_passes_over_them(name: str, lists: int) -> None:
    """x264 puts them elsewhere: they are set into what it wrote, and libavcodec still finds what is behind them."""
    whole = record(clip(H264[name]))
    size = int.from_bytes(whole[6:8], "big")
    sps = "".join(f"{byte:08b}" for byte in unescape(whole[9 : 8 + size]))
    in_front = 24 + len(_ue(0) + _ue(1) + _ue(0) * 2) + 1 + (2 * (lists == 12) + (lists == 12))
    assert sps[in_front] == "0"  # seq_scaling_matrix_present_flag
    full = ["1" + (_se(1) + _se(-1)) * (8 if n < 6 else 32) for n in range(lists)]
    ends = ["1" + _se(2) + _se(-10)] * lists
    chosen = [(full[n], "0", ends[n], "1" + _se(-8))[n % 4] for n in range(lists - 1)] + [full[-1]]
    with_lists = b"\x67" + _bytes(sps[:in_front] + "1" + "".join(chosen) + sps[in_front + 1 :].rstrip("0"))
    changed = whole[:6] + len(with_lists).to_bytes(2, "big") + with_lists + whole[8 + size :]
    assert read_sps(changed) == sps_of(name)
    assert described(changed, clip(H264[name])) == described(whole, clip(H264[name]))


def described(configuration: bytes, data: bytes) -> tuple[object, ...]:
    """What libavcodec says of the first picture of a film when it is given this record."""
    with av.open(io.BytesIO(data)) as container:
        packet = next(container.demux(container.streams.video[0]))
        decoder: Any = av.CodecContext.create("h264", "r")
        decoder.extradata = configuration
        frame = [*decoder.decode(packet), *decoder.decode(None)][0]
        return (frame.width, frame.height, frame.format.name, frame.color_range, frame.colorspace)


def _ue(value: int) -> str:
    return f"{value + 1:b}".rjust(2 * (value + 1).bit_length() - 1, "0")


def _se(value: int) -> str:
    return _ue(2 * value - 1 if value > 0 else -2 * value)


def _bytes(bits: str) -> bytes:
    size = -(-len(bits) // 8)
    return int(bits.ljust(size * 8, "0"), 2).to_bytes(size, "big")


@given(st.lists(st.integers(0, (1 << 32) - 2), max_size=20), st.integers(0, 7))
def test_exp_golomb_numbers_come_back_and_then_the_bits_end(values: list[int], lead: int) -> None:
    text = "1" * lead + "".join(_ue(value) for value in values)
    padded = text.ljust(-(-len(text) // 8) * 8, "0")
    bits = Bits(bytes(int(padded[at : at + 8], 2) for at in range(0, len(padded), 8)))
    assert bits.u(lead) == (1 << lead) - 1
    assert values == [bits.ue() for _ in values]
    with pytest.raises(ValueError, match="end early"):
        bits.ue()


def test_bytes_that_prevent_emulation_are_left_out() -> None:
    assert unescape(bytes.fromhex("000003000003010000030000")) == bytes.fromhex("00000000010000" + "0000")


@given(st.binary(max_size=200))
def test_random_bytes_are_a_value_or_none(data: bytes) -> None:
    for read in READERS:
        read(data)


@given(st.sampled_from([*H264]), st.data())
def test_damaged_h264_is_a_value_or_none(name: str, data: st.DataObject) -> None:
    damaged = bytearray(record(clip(H264[name])))
    for at in data.draw(st.lists(st.integers(6, len(damaged) - 1), min_size=1, max_size=4)):
        damaged[at] = data.draw(st.integers(0, 255))
    sps = read_sps(bytes(damaged))
    assert sps is None or (sps.width > 0 and sps.height > 0)


@given(st.sampled_from([*HEVC]), st.data())
def test_damaged_hevc_is_a_value_or_none(name: str, data: st.DataObject) -> None:
    damaged = bytearray(record(clip(HEVC[name])))
    for at in data.draw(st.lists(st.integers(22, min(200, len(damaged) - 1)), min_size=1, max_size=4)):
        damaged[at] = data.draw(st.integers(0, 255))
    hevc = read_hvcc(bytes(damaged))
    assert hevc is None or hevc.picture is None or (hevc.picture.width > 0 and hevc.picture.height > 0)


@pytest.mark.parametrize("name", H264)
def test_h264_cut_off_within_its_parameter_set_is_none(name: str) -> None:
    whole = record(clip(H264[name]))
    end = 8 + int.from_bytes(whole[6:8], "big")
    assert read_sps(whole[:end]) == read_sps(whole) is not None
    assert {read_sps(whole[:at]) for at in range(end)} == {None}


@pytest.mark.parametrize("name", H264)
def test_an_h264_parameter_set_that_is_shorter_than_it_says_is_none(name: str) -> None:
    """The record is whole, the set in it is not: all but its last byte, which may be padding, is needed."""
    whole = record(clip(H264[name]))
    nal = whole[8 : 8 + int.from_bytes(whole[6:8], "big")]
    cut = [whole[:6] + at.to_bytes(2, "big") + nal[:at] for at in range(len(nal) - 1)]
    assert {read_sps(short) for short in cut} == {None}


@pytest.mark.parametrize("name", ["main", "temporal layers", "kvazaar", "scaling lists"])
def test_hevc_cut_off_is_none(name: str) -> None:
    whole = record(clip(HEVC[name]))
    assert all(read_hvcc(whole[:at]) is None for at in range(len(whole)))


@pytest.mark.parametrize(
    ("record", "samples"),
    [("1190", 1024), ("1194", 960), ("1214", 960), ("2b1188", 1024), ("2b118a", 960), ("eb0988", 1024),
     ("", None), ("11", None), ("f8e85000", None)],
)  # fmt: skip
def test_the_length_of_a_frame_of_aac(record: str, samples: int | None) -> None:
    assert aac_frame_length(bytes.fromhex(record)) == samples
