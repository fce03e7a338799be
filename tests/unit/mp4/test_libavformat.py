"""Our index and libavformat's demuxer say the same of the same file: where each sample lies, and when it is shown."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given

from mam.errors import MamError
from mam.media.source import demux
from mam.mp4 import index
from mam.mp4.tables import NoSampleTables
from tests.unit.films import Film, demuxed, film, opened
from tests.unit.mp4.movies import Edit, Movie, Track, even_chunks, write
from tests.unit.mp4.rows import rows_of
from tests.unit.mp4.strategies import movies, playable

ATTACHED_PICTURE = 0x0400  # AV_DISPOSITION_ATTACHED_PIC
SNAPPED = "libavformat moves an edit that begins within a frame to the next frame; we keep the time as it is written"
LEFT_OUT = "half a second of sound before its start is hidden; libavformat keeps all of it, we what a decoder wants"
KNOWN = {"iibbibb_editlist_videoonly.mp4": SNAPPED, "sample_opus.mp4": LEFT_OUT}
MEDIA = os.environ.get("MAM_TEST_MEDIA", "")
FILES = sorted(path for path in Path(MEDIA).iterdir() if path.suffix != ".tsv") if MEDIA else []

FILMS = {
    "B-frames and AAC, moov behind": Film(),
    "B-frames and AAC, moov in front": Film(movflags="faststart"),
    "no B-frames, 30000/1001": Film(b_frames=0, rate=30),
    "negative composition offsets, no edit list": Film(movflags="negative_cts_offsets"),
    "one key frame": Film(gop=1000),
    "audio alone": Film(video=None),
    "audio at 44.1 kHz": Film(sample_rate=44100, seconds=3),
    "video alone": Film(audio=None),
    "4:4:4": Film(pixels="yuv444p"),
    "VP9 and Opus": Film(video="libvpx-vp9", audio="libopus"),
    "MPEG-4 and AC-3": Film(video="mpeg4", audio="ac3"),
}


@given(movies(of=playable(), max_tracks=2))
def test_generated_files_are_read_as_libavformat_reads_them(movie: Movie) -> None:
    written = write(movie)
    for number, expected in demuxed(written.data).items():
        assert expected == rows_of(index.read_samples(written.moov, number, len(written.data)))


@pytest.mark.parametrize("what", FILMS.values(), ids=FILMS)
def test_encoded_files_are_read_as_libavformat_reads_them(what: Film) -> None:
    data = film(what)
    media = opened(data)
    actual = {track.number: rows_of(media.samples(track.number)) for track in media.tracks}
    assert demuxed(data) == actual


def test_samples_that_libavformat_made_equal_those_of_the_tables() -> None:
    data = film(Film())
    media = opened(data)
    expected = {track.number: rows_of(media.samples(track.number)) for track in media.tracks}
    assert expected == {number: rows_of(found) for number, found in demux(media, list(expected)).items()}


def test_the_fragments_of_a_file_hold_the_samples_of_the_same_file_in_one_piece() -> None:
    whole, pieces = (opened(film(Film(movflags=flags))) for flags in ("", "frag_keyframe+empty_moov+delay_moov"))
    numbers = [track.number for track in whole.tracks]
    with pytest.raises(NoSampleTables):
        pieces.samples(0)

    found = demux(pieces, numbers)

    for number in numbers:
        expected, actual = rows_of(whole.samples(number)), rows_of(found[number])
        assert [(row[1], row[2], row[3], row[5]) for row in expected] == [
            (row[1], row[2], row[3], row[5]) for row in actual
        ]


@pytest.mark.parametrize("kind", ["vide", "soun"])
def test_a_tail_that_the_edit_list_hides_is_not_shown(kind: str) -> None:
    """As trimming without re-encoding leaves it: the edit ends before the media does.

    libavformat gives one picture more, marked to be discarded.
    """
    written = _trimmed_to_half(kind)
    shown = [row[3] for row in demuxed(written)[0] if row[3] < 1.066 * 48000]
    assert shown == [row[3] for row in rows_of(opened(written).samples(0))]


def _trimmed_to_half(kind: str) -> bytes:
    track = Track(
        kind=kind,
        entry="avc1" if kind == "vide" else "mp4a",
        timescale=48000,
        sizes=(50,) * 100,
        durations=(1024,) * 100,
        sync=(True, *(False,) * 9) * 10 if kind == "vide" else None,
        chunks=even_chunks(100, 10),
    )
    return write(Movie((replace(track, edit=Edit(media_time=0, duration=1066)),))).data


@pytest.mark.media
@pytest.mark.skipif(not MEDIA, reason="MAM_TEST_MEDIA names no folder of real files")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_real_files_are_read_as_libavformat_reads_them(path: Path) -> None:
    if path.name in KNOWN:
        pytest.skip(KNOWN[path.name])
    data = path.read_bytes()
    try:
        media = opened(data)
        actual = {track.number: rows_of(media.samples(track.number)) for track in media.tracks}
    except NoSampleTables as reason:
        pytest.skip(f"left to libavformat: {reason}")
    except MamError as refused:
        pytest.skip(f"refused: {refused}")
    expected = {number: rows for number, rows in demuxed(data).items() if number in actual}
    assert expected == actual
