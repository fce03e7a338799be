"""What is read from sample tables is what was written into them."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam.errors import ChangingFormat, EncryptedMedia, NotAVideo, TruncatedMedia
from mam.media.source import demux, read_moov
from mam.mp4 import bare_file, index, track_headers
from mam.mp4.boxes import InvalidIndex
from mam.mp4.survey import survey
from mam.mp4.tables import NoSampleTables
from tests.unit.films import opened
from tests.unit.mp4.movies import Edit, Movie, Track, box, even_chunks, full, sample_entry, write
from tests.unit.mp4.rows import as_rows, first_needed, lasting, rows_of
from tests.unit.mp4.strategies import LARGEST, movies, tracks

TEN_FRAMES = Track(
    sizes=tuple(range(100, 110)),
    durations=(40,) * 10,
    timescale=1000,
    sync=(True, *(False,) * 4) * 2,
    chunks=even_chunks(10, 3),
)


def read_all(data: bytes) -> list[list[tuple[int, int, int, int, int, bool]]]:
    moov = read_moov(lambda start, stop: data[start:stop], len(data))
    return [rows_of(index.read_samples(moov, header.number, len(data))) for header in track_headers.read_headers(moov)]


@given(movies())
def test_every_sample_is_read_back_as_it_was_described(movie: Movie) -> None:
    written = write(movie)
    expected = [
        lasting(track, as_rows(samples)[first_needed(track) :])
        for track, samples in zip(movie.tracks, written.samples, strict=True)
    ]
    assert expected == read_all(written.data)


@given(st.integers(0, 2000), st.integers(0, 9), st.sampled_from((600, 1000, 90000)))
def test_an_edit_behind_a_delay_hides_as_much_as_one_without(delay: int, frame: int, movie_timescale: int) -> None:
    track = replace(TEN_FRAMES, edit=Edit(delay=delay, media_time=frame * 40))
    written = write(Movie((track,), timescale=movie_timescale))

    (actual,) = read_all(written.data)

    assert as_rows(written.samples[0])[0 if frame < 5 else 5 :] == actual


@given(tracks())
def test_the_same_samples_are_read_wherever_the_moov_box_is(track: Track) -> None:
    front, back = (read_all(write(Movie((track,), moov_first=first)).data) for first in (True, False))
    assert [row[1:] for row in front[0]] == [row[1:] for row in back[0]]


def test_a_moov_box_with_a_64_bit_size_is_read() -> None:
    written = write(Movie((TEN_FRAMES,), wide=frozenset({b"moov"})))
    assert [as_rows(written.samples[0])] == read_all(written.data)


@pytest.mark.parametrize("bits", ["4", "8", "16"])
@pytest.mark.parametrize("total", [1, 2, 3, 8, 9])
def test_compact_sizes_are_read_whatever_their_number(bits: str, total: int) -> None:
    sizes = tuple(LARGEST[bits] - n % 3 for n in range(total))
    track = Track(sizes=sizes, durations=(1,) * total, chunks=(total,), size_form=bits)
    (rows,) = read_all(write(Movie((track,))).data)
    assert list(sizes) == [row[1] for row in rows]


def test_composition_offsets_are_signed_in_version_0_too() -> None:
    track = replace(TEN_FRAMES, composition=(-40,) * 10, composition_version=0)
    (rows,) = read_all(write(Movie((track,))).data)
    assert [-40 + 40 * n for n in range(10)] == [row[3] for row in rows]


def test_no_sample_is_decoded_after_it_is_shown() -> None:
    """Writers of signed offsets let frames be shown before they are decoded; muxers refuse that."""
    track = replace(TEN_FRAMES, composition=(0, 80, -40, -40) * 2 + (0, 0), composition_version=1)
    samples = index.read_samples(write(Movie((track,))).moov, 0, 1 << 20)
    assert (samples.dts <= samples.pts).all()
    assert [-40 + 40 * n for n in range(10)] == samples.dts.tolist()


def test_samples_without_a_composition_offset_are_shown_when_they_are_decoded() -> None:
    moov = write(Movie((replace(TEN_FRAMES, composition=(0,) * 9 + (40,)),))).moov
    # the last entry of ctts says how long a run of 1 is: now the table covers nine samples
    cut = moov.replace(_ctts((9, 0), (1, 40)), _ctts((4, 80), (0, 0)))
    samples = index.read_samples(cut, 0, 1 << 20)
    assert (samples.pts - samples.dts).tolist() == [80] * 4 + [0] * 6


def _ctts(*runs: tuple[int, int]) -> bytes:
    packed = b"".join(count.to_bytes(4, "big") + offset.to_bytes(4, "big") for count, offset in runs)
    return full(b"ctts", len(runs).to_bytes(4, "big") + packed)


def test_a_duration_that_should_have_been_negative_is_a_tick() -> None:
    """As in libavformat: decode times must rise, and nothing better is known."""
    moov = write(Movie((replace(TEN_FRAMES, durations=(40,) * 9 + (80,)),))).moov
    odd = moov.replace(struct.pack(">IIII", 9, 40, 1, 80), struct.pack(">IIII", 4, 40, 6, 0xFFFFFFD8))
    assert index.read_samples(odd, 0, 1 << 20).duration.tolist() == [40] * 4 + [1] * 6


def test_without_stss_every_sample_is_a_sync_sample() -> None:
    moov = write(Movie((replace(TEN_FRAMES, sync=None),))).moov
    assert index.read_samples(moov, 0, 1 << 20).key.all()


def test_with_an_empty_stss_none_is() -> None:
    moov = write(Movie((replace(TEN_FRAMES, sync=(False,) * 10),))).moov
    assert not index.read_samples(moov, 0, 1 << 20).key.any()


def test_video_hidden_before_the_edit_is_kept_from_the_key_frame_that_the_edit_needs() -> None:
    track = replace(TEN_FRAMES, edit=Edit(media_time=7 * 40))  # within the second group of pictures
    (rows,) = read_all(write(Movie((track,))).data)
    assert [(row[3], row[5]) for row in rows] == [(-80, True), (-40, False), (0, False), (40, False), (80, False)]


def test_audio_hidden_before_the_edit_is_kept_only_as_far_as_a_decoder_wants_to_have_heard_it() -> None:
    track = replace(TEN_FRAMES, kind="soun", entry="mp4a", sync=None, edit=Edit(media_time=7 * 40))
    (rows,) = read_all(write(Movie((track,))).data)
    assert [row[3] for row in rows] == [-80, -40, 0, 40, 80]


def test_start_and_end_are_of_what_is_shown() -> None:
    track = replace(TEN_FRAMES, composition=(80, 160, 40, 40) + (80,) * 6, edit=Edit(delay=500, media_time=80))
    samples = index.read_samples(write(Movie((track,))).moov, 0, 1 << 20)
    assert (int(samples.start * 1000), int(samples.end * 1000)) == (500, 900)


def two_parts(track: Track) -> bytes:
    """The index of a film whose edit list shows 80 ms from its beginning, then all from 280 ms on."""
    moov = write(Movie((replace(track, edit=Edit(delay=80, media_time=280)),))).moov
    return moov.replace(b"\xff\xff\xff\xff\x00\x01\x00\x00", b"\x00\x00\x00\x00\x00\x01\x00\x00")  # no delay now


def test_a_part_of_a_picture_begins_with_the_key_frame_that_it_needs() -> None:
    samples = index.read_samples(two_parts(TEN_FRAMES), 0, 1 << 20)
    assert samples.joins == (2,)
    assert samples.shown is not None
    assert samples.shown.tolist() == [True, True, False, False, True, True, True]
    assert samples.key.tolist() == [True, False, True, False, False, False, False]
    assert samples.pts[samples.shown].tolist() == [0, 40, 80, 120, 160]


def test_the_parts_of_a_sound_follow_each_other() -> None:
    track = replace(TEN_FRAMES, kind="soun", entry="mp4a", sync=None)
    samples = index.read_samples(two_parts(track), 0, 1 << 20)
    assert (samples.joins, samples.shown, samples.pts.tolist()) == ((2,), None, [0, 40, 80, 120, 160])
    assert samples.offset.tolist()[2] - samples.offset.tolist()[1] > samples.size.tolist()[1]  # some are left out


def test_parts_that_go_on_where_the_one_before_ends_are_one() -> None:
    moov = write(Movie((replace(TEN_FRAMES, edit=Edit(delay=80, media_time=80)),))).moov
    whole = moov.replace(b"\xff\xff\xff\xff\x00\x01\x00\x00", b"\x00\x00\x00\x00\x00\x01\x00\x00")
    samples = index.read_samples(whole, 0, 1 << 20)
    assert (len(samples), samples.joins, samples.shown) == (10, (), None)


def test_a_fragmented_file_has_no_sample_tables() -> None:
    moov = write(Movie((TEN_FRAMES,))).moov
    with pytest.raises(NoSampleTables):
        index.read_samples(moov + box(b"mvex", b""), 0, 1 << 20)


@given(tracks(), st.data())
def test_an_index_that_points_beyond_the_object_is_truncated_media(track: Track, data: st.DataObject) -> None:
    written = write(Movie((replace(track, edit=None),)))
    needed = max(sample.offset + sample.size for sample in written.samples[0])

    index.read_samples(written.moov, 0, needed)
    with pytest.raises(TruncatedMedia):
        index.read_samples(written.moov, 0, data.draw(st.integers(0, needed - 1)))


def test_offsets_beyond_any_file_are_not_taken_for_small_ones() -> None:
    track = replace(TEN_FRAMES, chunks=(10,), wide_offsets=True)
    written = write(Movie((track,)))
    start = written.samples[0][0].offset.to_bytes(8, "big")
    wrapped = written.moov.replace(start, ((1 << 63) - 50).to_bytes(8, "big"))
    with pytest.raises((TruncatedMedia, InvalidIndex)):
        index.read_samples(wrapped, 0, 1 << 20)


def test_samples_that_overlap_to_more_than_the_object_are_refused() -> None:
    moov = write(Movie((replace(TEN_FRAMES, chunks=(1,) * 10),))).moov
    offsets = [sample.offset for sample in write(Movie((replace(TEN_FRAMES, chunks=(1,) * 10),))).samples[0]]
    for offset in offsets[1:]:
        moov = moov.replace(offset.to_bytes(4, "big"), offsets[0].to_bytes(4, "big"))
    assert len(index.read_samples(moov, 0, 2000)) == 10
    with pytest.raises(InvalidIndex):
        index.read_samples(moov, 0, 1040)


@pytest.mark.parametrize("kind", [b"mvhd", b"mdhd", b"stts", b"stsc", b"stco", b"stsz", b"hdlr", b"stsd"])
def test_an_index_without_one_of_its_boxes_is_damaged(kind: bytes) -> None:
    moov = write(Movie((TEN_FRAMES,))).moov.replace(kind, b"free")
    with pytest.raises(InvalidIndex):
        for header in track_headers.read_headers(moov):
            index.read_samples(moov, header.number, 1 << 20)


def test_headers_say_kind_codec_and_orientation() -> None:
    picture = replace(TEN_FRAMES, matrix=(0, 1, -1, 0), version=1)
    sound = replace(TEN_FRAMES, kind="soun", entry="mp4a", sync=None)
    text = replace(TEN_FRAMES, kind="text", entry="tx3g")

    headers = track_headers.read_headers(write(Movie((sound, picture, text))).moov)

    unit = 1 << 16
    assert [
        track_headers.TrackHeader(0, "soun", "mp4a", (unit, 0, 0, unit)),
        track_headers.TrackHeader(1, "vide", "avc1", (0, unit, -unit, 0)),
        track_headers.TrackHeader(2, "text", "tx3g", (unit, 0, 0, unit)),
    ] == headers


def test_no_tracks_are_no_video() -> None:
    with pytest.raises(NotAVideo):
        track_headers.read_headers(write(Movie(())).moov)


@pytest.mark.parametrize("kind", ["vide", "soun"])
def test_samples_without_a_duration_last_a_tick_so_that_no_two_are_decoded_at_once(kind: str) -> None:
    entry = "avc1" if kind == "vide" else "mp4a"
    (rows,) = read_all(
        write(
            Movie((replace(TEN_FRAMES, kind=kind, entry=entry, sync=None, durations=(40, 40, 0, 0, *(40,) * 6)),))
        ).data
    )
    assert [row[2] for row in rows] == [0, 40, 80, 81, 82, 120, 160, 200, 240, 280]
    assert [row[3] for row in rows] == [row[2] for row in rows]
    assert [row[4] for row in rows] == [40, 40, 1, 1, 38, 40, 40, 40, 40, 40]


@pytest.mark.parametrize(("empty", "kept"), [(9, 9), (4, 9), (0, 5)])
def test_a_sample_of_no_bytes_is_none_and_the_one_before_lasts_longer(empty: int, kept: int) -> None:
    sizes = tuple(0 if number == empty else 100 for number in range(10))
    written = write(Movie((replace(TEN_FRAMES, sizes=sizes),)))
    (rows,) = read_all(written.data)
    assert len(rows) == kept
    assert all(row[1] for row in rows)
    assert [row[2] + row[4] for row in rows] == [*(row[2] for row in rows[1:]), 400]
    assert {row[:4] for row in rows} <= {row[:4] for row in as_rows(written.samples[0])}


def test_gaps_in_a_text_are_samples_of_no_bytes() -> None:
    text = replace(TEN_FRAMES, kind="text", entry="tx3g", sync=None, sizes=(9, 0) * 5, durations=(40, 0) * 5)
    assert len(read_all(write(Movie((text,))).data)[0]) == 10


@pytest.mark.parametrize(("sync", "first"), [((False,) * 3 + (True,) * 7, 3), ((False,) * 10, 0), ((True,) * 10, 0)])
def test_a_picture_is_read_from_the_first_key_frame_on(sync: tuple[bool, ...], first: int) -> None:
    """As of a file that was cut in the middle of a group of pictures: what comes before cannot be decoded."""
    written = write(Movie((replace(TEN_FRAMES, sync=sync),)))
    (rows,) = read_all(written.data)
    assert rows == as_rows(written.samples[0])[first:]
    assert rows == rows_of(demux(opened(written.data), [0])[0])


AVC, AAC = sample_entry("avc1"), sample_entry("mp4a")
OTHER_AVC, OTHER_AAC = AVC.replace(b"\x64\0\x0a", b"\x4d\0\x0a"), AAC.replace(b"\x05\x02\x11\x90", b"\x05\x02\x12\x10")
SLOWER_AAC = AAC.replace(b"\x40\x15" + bytes(11), b"\x40\x15\0\x20\0\0\1\xf4\0\0\1\xe8\0")
FOUR_CHUNKS = replace(TEN_FRAMES, sync=None, described=(1, 1, 2, 2))


@pytest.mark.parametrize(
    ("kind", "entry", "other"),
    [("vide", "avc1", OTHER_AVC), ("soun", "mp4a", OTHER_AAC), ("soun", "mp4a", AVC)],
    ids=["picture", "sound", "another codec"],
)
@pytest.mark.parametrize("described", [(1, 1, 2, 2), (2, 2, 2, 2), (1, 2, 1, 1)])
def test_a_format_that_changes_in_the_middle_is_refused(
    kind: str, entry: str, other: bytes, described: tuple[int, ...]
) -> None:
    track = replace(FOUR_CHUNKS, kind=kind, entry=entry, more_entries=(other,), described=described)
    with pytest.raises(ChangingFormat, match="in 2 ways"):
        read_all(data := write(Movie((track,))).data)
    with pytest.raises(ChangingFormat):
        demux(opened(data), [0])


@pytest.mark.parametrize(
    "track",
    [
        replace(FOUR_CHUNKS, more_entries=(AVC,)),
        replace(FOUR_CHUNKS, more_entries=(OTHER_AVC,), described=(1, 1, 1, 1)),
        replace(FOUR_CHUNKS, more_entries=(OTHER_AVC,), described=(0, 0, 7, 7)),
        replace(FOUR_CHUNKS, kind="soun", entry="mp4a", more_entries=(SLOWER_AAC,)),
        replace(FOUR_CHUNKS, kind="text", entry="tx3g", more_entries=(sample_entry("text"),)),
    ],
    ids=["the same again", "another that nothing uses", "none of that number", "other bit rates", "text"],
)
def test_a_second_description_that_makes_no_difference_is_none(track: Track) -> None:
    assert len(read_all(write(Movie((track,))).data)[0]) == 10


def test_a_crowd_of_tracks_is_refused() -> None:
    with pytest.raises(InvalidIndex):
        track_headers.read_headers(write(Movie((TEN_FRAMES,) * (track_headers.MAX_TRACKS + 1))).moov)


@pytest.mark.parametrize("entry", ["encv", "enca", "drmi"])
def test_encrypted_sample_entries_are_found(entry: str) -> None:
    moov = write(Movie((TEN_FRAMES, replace(TEN_FRAMES, entry=entry)))).moov
    _, flaws = survey(moov)
    assert {number: type(flaw) for number, flaw in flaws.items()} == {1: EncryptedMedia}


def test_a_pssh_box_means_encryption() -> None:
    moov = write(Movie((TEN_FRAMES,))).moov + box(b"pssh", bytes(20))
    with pytest.raises(EncryptedMedia):
        survey(moov)


@given(movies())
def test_clear_files_are_not_taken_for_encrypted(movie: Movie) -> None:
    _, flaws = survey(write(movie).moov)
    assert not [flaw for flaw in flaws.values() if isinstance(flaw, EncryptedMedia)]


@given(movies())
def test_without_its_tables_a_file_has_the_same_tracks_and_no_samples(movie: Movie) -> None:
    moov = write(movie).moov
    emptied = bare_file.without_tables(moov)
    bare = read_moov(lambda start, stop: emptied[start:stop], len(emptied))

    assert track_headers.read_headers(moov) == track_headers.read_headers(bare)
    assert all(not len(index.read_samples(bare, n, len(emptied))) for n in range(len(movie.tracks)))
