"""Chapters: the text tracks that another track names as its chapters are told from subtitles."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import imageio_ffmpeg
import pytest

from mam.mp4.boxes import boxes
from mam.mp4.chapters import chapter_tracks
from mam.mp4.track_headers import read_headers
from tests.unit.mp4.movies import box, full


def trak(identity: int, *chapters: int, version: int = 0, tref: bytes | None = None) -> bytes:
    tkhd = full(b"tkhd", bytes(16 if version else 8) + struct.pack(">I", identity) + bytes(68), version=version)
    if tref is None:
        tref = box(
            b"tref", box(b"hint", struct.pack(">I", 1)) + box(b"chap", struct.pack(f">{len(chapters)}I", *chapters))
        )
    return box(b"trak", tkhd + tref)


def moov(*traks: bytes) -> bytes:
    return box(b"moov", box(b"mvhd", bytes(100)) + b"".join(traks))


@pytest.mark.parametrize("version", [0, 1])
def test_tracks_that_another_names_are_chapters_by_their_place_in_the_file(version: int) -> None:
    assert chapter_tracks(moov(trak(7, 9, 3), trak(3, version=version), trak(8), trak(9, version=version))) == {1, 3}


def test_a_track_is_no_chapter_of_itself_and_other_references_do_not_count() -> None:
    assert chapter_tracks(moov(trak(1, 1), trak(2, 99), trak(3, tref=b""))) == set()


def test_a_damaged_reference_names_nothing() -> None:
    broken = box(b"tref", struct.pack(">I4sI", 99, b"chap", 2))
    odd = box(b"tref", box(b"chap", struct.pack(">I", 3) + b"\0\0"))
    assert chapter_tracks(moov(trak(1, tref=broken), trak(2, tref=odd), trak(3))) == {2}


def test_a_track_whose_header_is_cut_off_neither_names_chapters_nor_hides_those_of_others() -> None:
    cut_off = box(b"trak", box(b"tkhd", bytes(8)))
    assert chapter_tracks(moov(cut_off, trak(1, 2), trak(2))) == {2}


def test_of_a_film_with_chapters_and_subtitles_ffmpeg_wrote_the_chapters_are_found(tmp_path: Path) -> None:
    subtitles, chapters, film = tmp_path / "a.srt", tmp_path / "chapters.txt", tmp_path / "a.mp4"
    subtitles.write_text("1\n00:00:00,100 --> 00:00:00,900\nHello\n")
    chapters.write_text(";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=One\n")
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", "anullsrc=d=1", "-i", str(subtitles),
         "-i", str(chapters), "-map", "0", "-map", "1", "-map_chapters", "2", "-c:s", "mov_text", str(film)],
        check=True,
    )  # fmt: skip
    data = film.read_bytes()
    (index,) = (data[found.start : found.end] for found in boxes(data, 0, len(data)) if found.kind == b"moov")
    assert [header.kind for header in read_headers(index)] == ["soun", "sbtl", "text"]
    assert chapter_tracks(index) == {2}
