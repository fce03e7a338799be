"""What uploads are called and cut into, for any name and size."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam.errors import InvalidName, MamError, UnsupportedFile
from mam.hls.sidecars import sidecars
from mam.naming import MEDIA_TYPES, check_key, extension, stem
from mam.settings import MAX_OBJECT_BYTES
from mam.uploads import naming
from mam.uploads.arrivals import ranges

MIB = 1 << 20
SIZES = st.integers(1, MAX_OBJECT_BYTES)


@given(SIZES)
def test_parts_are_what_every_store_takes(size: int) -> None:
    part = naming.part_size(size)
    sizes = naming.part_sizes(size, part)
    assert sum(sizes) == size
    assert 1 <= len(sizes) <= 10_000
    assert part % MIB == 0
    assert 8 * MIB <= part <= 5 << 30
    assert set(sizes[:-1]) <= {part}
    assert 0 < sizes[-1] <= part


@pytest.mark.parametrize(("size", "part"), [(1, 8), (16_000 * MIB, 8), (16_000 * MIB + 1, 9), (50 << 30, 26)])
def test_large_files_have_larger_parts(size: int, part: int) -> None:
    assert naming.part_size(size) == part * MIB


@given(st.text(max_size=300), st.sampled_from(sorted(MEDIA_TYPES)))
def test_any_name_becomes_a_usable_one_or_is_refused(base: str, kind: str) -> None:
    try:
        cleaned = naming.clean_name(f"{base}.{kind}")
    except MamError as error:
        assert isinstance(error, InvalidName | UnsupportedFile)
        return
    check_key(cleaned)
    assert "/" not in cleaned
    assert "\\" not in cleaned
    assert len(cleaned.encode()) <= 255
    assert naming.clean_name(cleaned) == cleaned
    assert extension(cleaned) == kind


@given(st.text(max_size=100))
def test_any_folder_becomes_a_usable_one_or_is_refused(folder: str) -> None:
    try:
        cleaned = naming.clean_folder(folder)
    except InvalidName:
        return
    check_key(f"{cleaned}a.mp4")
    assert naming.clean_folder(cleaned) == cleaned


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("a.mp4", "a.mp4"),
        ("/home/me/a.MOV", "a.MOV"),
        (r"C:\films\a.mp4", "a.mp4"),
        (" a .mp4 ", "a .mp4"),
        ("a\u202egpj.mp4", "agpj.mp4"),
        ("A\u0308.mp4", "\u00c4.mp4"),
        ("a.de.forced.srt", "a.de.forced.srt"),
    ],
)
def test_names_are_cleaned(given_name: str, name: str) -> None:
    assert naming.clean_name(given_name) == name


@pytest.mark.parametrize("name", ["a", "mp4", ".mp4", "a.exe", "a.mp4.html", "a.", "", "a/"])
def test_files_of_other_kinds_are_refused(name: str) -> None:
    with pytest.raises(UnsupportedFile, match=r"\.mp4"):
        naming.clean_name(name)


def test_taken_names_are_counted_before_the_extension() -> None:
    assert list(islice(naming.other_names("a.b.mp4"), 3)) == ["a.b.mp4", "a.b (2).mp4", "a.b (3).mp4"]


@pytest.mark.parametrize(
    ("name", "second"),
    [
        ("a.srt", "a (2).srt"),
        ("a.en.srt", "a (2).en.srt"),
        ("a.b.pt-BR.forced.vtt", "a.b (2).pt-BR.forced.vtt"),
        ("a.mp4.de.srt", "a (2).mp4.de.srt"),
        ("a.final.srt", "a.final (2).srt"),
        ("a.de.mp4", "a.de (2).mp4"),
        (".en.srt", ".en (2).srt"),
        ("en.srt", "en (2).srt"),
    ],
)
def test_taken_names_of_subtitles_are_counted_where_their_medium_is(name: str, second: str) -> None:
    assert list(islice(naming.other_names(name), 2)) == [name, second]


@given(st.sampled_from(["", "en.", "de.forced.", "mp4.", "mov.hi.sdh."]), st.sampled_from(["srt", "vtt"]))
def test_subtitles_with_a_number_are_of_the_medium_with_that_number(words: str, form: str) -> None:
    _, second = islice(naming.other_names(f"a.{words}{form}"), 2)
    asset = "a (2).mov" if words.startswith("mov") else "a (2).mp4"
    assert [sidecar.key for sidecar in sidecars(asset, [asset, second])] == [second]


def test_media_claim_their_stem_and_subtitles_their_name() -> None:
    assert naming.claim("x/a.mp4") == naming.claim("x/a.MOV") == "x/a" == stem("x/a.mp4")
    assert naming.claim("x/a.srt") == "x/a.srt"


@pytest.mark.parametrize(
    ("name", "wanted", "given_type"),
    [
        ("a.mp4", "", "video/mp4"),
        ("a.mov", "video/quicktime", "video/quicktime"),
        ("a.mp4", "text/html", "video/mp4"),
        ("a.mp4", "video/mp4\r\nx: y", "video/mp4"),
        ("a.mp4", "application/vnd.apple.mpegurl", "video/mp4"),
        ("a.vtt", "text/html", "text/vtt"),
    ],
)
def test_an_object_gets_a_type_that_no_browser_runs(name: str, wanted: str, given_type: str) -> None:
    assert naming.content_type(name, wanted) == given_type


def test_missing_parts_are_named_in_a_line() -> None:
    assert ranges([1, 3, 4, 5, 9]) == "1, 3-5, 9"
    assert ranges(range(1, 2000, 2)).endswith(" ...")
