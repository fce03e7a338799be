"""Sample entries and languages are read as libavformat reads them."""

from __future__ import annotations

import io
import struct
import subprocess
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam.hls import languages
from mam.mp4 import entries
from mam.mp4.boxes import InvalidIndex
from tests.media import FFMPEG
from tests.unit.mp4.clips import AUDIO, HEVC, SOUND, clip, moov_of, record
from tests.unit.mp4.movies import box, full

PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"hvc1")
HDLR = full(b"hdlr", bytes(4) + b"soun" + bytes(13))


def with_dovi(profile: int, compatibility: int, *, base: bool = True, kind: bytes = b"dvvC") -> bytes:
    """A file whose HEVC track says that it is Dolby Vision: a box at the end of its sample entry."""
    head = profile << 17 | 6 << 11 | 1 << 10 | base << 8 | compatibility << 4
    extra = box(kind, b"\1\0" + head.to_bytes(3, "big") + bytes(19))
    data = bytearray(clip(HEVC["main 10, PQ, samples 4:3"]))
    for parent in PARENTS:
        at = data.index(parent) - 4
        end = at + struct.unpack_from(">I", data, at)[0]
        struct.pack_into(">I", data, at, end - at + len(extra))
    return bytes(data[:end] + extra + data[end:])


def dovi_of(data: bytes) -> entries.Dovi | None:
    return entries.dovi_profile(entries.sample_entry(moov_of(data), 0))


@pytest.mark.parametrize(
    ("profile", "compatibility", "decodable"), [(5, 0, False), (7, 6, True), (8, 1, True), (8, 2, True), (8, 4, True)]
)
def test_dolby_vision_is_what_libavformat_says(
    tmp_path: Path, profile: int, compatibility: int, decodable: bool
) -> None:
    data = with_dovi(profile, compatibility, kind=b"dvvC" if profile > 7 else b"dvcC")
    (tmp_path / "dovi.mp4").write_bytes(data)
    said = subprocess.run([FFMPEG, "-i", tmp_path / "dovi.mp4"], capture_output=True, text=True, check=False).stderr
    assert (
        f"profile: {profile}, level: 6, rpu flag: 1, el flag: 0, bl flag: 1, compatibility id: {compatibility}" in said
    )
    dovi = dovi_of(data)
    assert dovi == entries.Dovi(profile, 6, True, False, compatibility)
    assert dovi.decodable == decodable


def test_dolby_vision_without_a_base_layer_is_for_dolby_vision_alone() -> None:
    dovi = dovi_of(with_dovi(8, 1, base=False))
    assert dovi is not None
    assert not dovi.decodable


def test_what_is_no_dolby_vision_says_nothing_of_it() -> None:
    assert dovi_of(clip(HEVC["main"])) is None
    assert dovi_of(clip(AUDIO["aac"], SOUND)) is None


def test_a_configuration_box_is_the_record_that_libavformat_gives() -> None:
    data = clip(HEVC["main"])
    assert record(data) == entries.configuration(entries.sample_entry(moov_of(data), 0), b"hvcC")


@given(st.binary(max_size=300))
def test_random_bytes_are_no_dolby_vision_and_no_exception(data: bytes) -> None:
    assert entries.dovi_profile(data) is None
    entries.dovi_profile(bytes(86) + data)


def test_a_sample_entry_cut_anywhere_is_no_exception() -> None:
    entry = entries.sample_entry(moov_of(with_dovi(5, 0)), 0)
    assert entries.dovi_profile(entry) is not None
    assert {entries.dovi_profile(entry[:at]) for at in range(len(entry))} == {None}


def coded(code: int) -> bytes:
    data = bytearray(clip(AUDIO["aac"], SOUND))
    struct.pack_into(">H", data, data.index(b"mdhd") + 24, code)
    return bytes(data)


@pytest.mark.parametrize("name", ["eng", "deu", "ger", "und", "zho", "tlh"])
def test_packed_languages_are_read_as_libavformat_reads_them(name: str) -> None:
    data = coded(sum((ord(letter) - 0x60) << shift for letter, shift in zip(name, (10, 5, 0), strict=True)))
    with av.open(io.BytesIO(data)) as container:
        assert container.streams[0].metadata["language"] == name == entries.language(moov_of(data), 0)


# libavformat's table holds letters that no list of ISO 639 has for these, or none
ODD = {5: "swe", 29: "sme", 34: "nld", 35: "gle", 58: "mon"}


@pytest.mark.parametrize("code", range(95))
def test_quicktime_numbers_are_the_languages_that_libavformat_takes_them_for(code: int) -> None:
    with av.open(io.BytesIO(coded(code))) as container:
        theirs = container.streams[0].metadata.get("language", "")
    expected = languages.tag(ODD.get(code, theirs))
    assert expected == languages.tag(entries.language(moov_of(coded(code)), 0)) != ""


@pytest.mark.parametrize("code", [0x400, 0x7FFF, 0xFFFF, 200])
def test_a_language_that_is_not_set_is_none(code: int) -> None:
    assert entries.unpacked(code) == ""


def mdia(*inner: bytes) -> bytes:
    return box(b"moov", box(b"trak", box(b"mdia", b"".join((HDLR, *inner)))))


def test_an_extended_language_goes_before_the_three_letters() -> None:
    mdhd = full(b"mdhd", struct.pack(">IIIIHH", 0, 0, 1000, 0, 0x15C7, 0))  # eng
    assert entries.language(mdia(mdhd, full(b"elng", b"en-GB\0")), 0) == "en-GB"
    assert entries.language(mdia(mdhd, full(b"elng", b"\0")), 0) == "eng"
    assert entries.language(mdia(mdhd), 0) == "eng"


def test_a_media_header_of_version_1_has_its_language_further_on() -> None:
    long = full(b"mdhd", struct.pack(">QQIQHH", 0, 0, 1000, 0, 0x10B5, 0), version=1)
    assert entries.language(mdia(long), 0) == "deu"
    assert entries.language(mdia(box(b"mdhd", b"\1")), 0) == ""
    assert entries.language(mdia(), 0) == ""


def test_a_damaged_index_is_called_so() -> None:
    moov = moov_of(clip(HEVC["main"]))
    at = moov.index(b"stbl") - 4
    with pytest.raises(InvalidIndex):
        entries.sample_entry(moov[:at] + struct.pack(">I", 1 << 30) + moov[at + 4 :], 0)
