"""Chunks and segments made alone equal those of a full run: what retries, races and many workers rest on."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from mam.hls.plan import Chunk, Source
from mam.hls.recipe import Profile
from mam.media.encode import ChunkEncoder
from mam.media.packets import ORIGIN
from mam.media.planning import make_plan
from mam.media.remux import Remuxer
from mam.media.source import MediaSource, open_source
from mam.store.objects import Store
from tests.media import (
    FILM,
    LATE_AUDIO,
    LONG_AUDIO,
    NTSC,
    SURROUND,
    VIDEO_ONLY,
    VP9,
    WITH_AC3,
    WITH_MP2,
    WITH_OPUS,
    Frame,
    MediaFolder,
    Recipe,
    ffmpeg,
    frames,
)
from tests.recipes import recipe_of
from tests.unit.media.test_encode import only

TICK = Fraction(1, 90_000)
AAC_FRAME = 1024
CLICK = 4096  # values at the end, where the tone stops: no two encoders agree on a click
Made = dict[int, bytes]
BUCKET = "myvideos"


def name(recipe: Recipe) -> str:
    return recipe.name


class Film:
    """A source in the store with a plan, opened anew as often as asked."""

    def __init__(self, store: Store, path: Path, profile: Profile) -> None:
        self._store, key = store, f"chunks/{path.name}"
        store.put(BUCKET, key, path.read_bytes(), "video/mp4")
        found = store.head(BUCKET, key)
        assert found
        self._source = Source(bucket=BUCKET, key=key, version=found.version, etag=found.etag, size=found.size)
        recipe = recipe_of(profile=profile)
        self.plan = make_plan(self.open(), self._source, recipe, video="v", revision="0" * 12, stored=False)
        self.numbers = range(len(self.plan.timeline))

    def open(self) -> MediaSource:
        return open_source(self._store, self._source)

    def remux(self, number: int) -> bytes:
        """A segment made by somebody who made no other."""
        return only(Remuxer(self.open(), self.plan).segment(number))

    @cached_property
    def whole(self) -> Made:
        """The segments, all encoded in one chunk."""
        return self._encode(Chunk(0, len(self.numbers)))

    @cached_property
    def alone(self) -> Made:
        """The segments, each encoded by somebody who encoded no other; the last one first."""
        return self._encode(*(Chunk(number, number + 1) for number in reversed(self.numbers)))

    @cached_property
    def planned(self) -> Made:
        """The segments, encoded in the chunks that the plan says."""
        return self._encode(*self.plan.chunks())

    def _encode(self, *chunks: Chunk) -> Made:
        return {
            number: only(data)
            for chunk in chunks
            for number, data in ChunkEncoder(self.open(), self.plan).segments(chunk)
        }


Encoding = Callable[[Recipe], Film]


@pytest.fixture(scope="module")  # so that one process makes all tests of it
def encoding(store: Store, media: MediaFolder) -> Encoding:
    """The film of a recipe, to be re-encoded; what was encoded for one test is there for the next."""
    return cache(lambda recipe: Film(store, media.path(recipe), Profile.H264))


@pytest.mark.parametrize("recipe", [FILM, NTSC, LATE_AUDIO, WITH_AC3], ids=name)
def test_a_copied_segment_made_alone_equals_that_of_a_full_run_byte_for_byte(
    store: Store, media: MediaFolder, recipe: Recipe
) -> None:
    film = Film(store, media.path(recipe), Profile.SOURCE)
    numbers = range(len(film.plan.timeline))
    remuxer = Remuxer(film.open(), film.plan)
    whole = [only(remuxer.segment(number)) for number in numbers]
    assert len(whole) >= 3
    assert [film.remux(number) for number in reversed(numbers)] == whole[::-1]
    assert len(set(whole)) == len(whole)


ENCODED = [FILM, NTSC, VIDEO_ONLY, WITH_MP2, WITH_AC3, WITH_OPUS, SURROUND, LATE_AUDIO, LONG_AUDIO, VP9]


@pytest.mark.parametrize("recipe", ENCODED, ids=name)
def test_a_chunk_made_alone_equals_the_same_chunk_of_a_full_run(encoding: Encoding, recipe: Recipe) -> None:
    film = encoding(recipe)
    whole, alone = film.whole, film.alone
    assert sorted(alone) == sorted(whole) == list(range(len(film.plan.timeline)))
    for number in whole:
        for kind in ("video", "audio"):
            expected, actual = frames(whole[number], kind), frames(alone[number], kind)
            assert times(actual) == times(expected), (number, kind)
            assert [frame.is_key for frame in actual] == [frame.is_key for frame in expected], (number, kind)
    assert [len(frames(alone[number], "video")) for number in sorted(alone)] == list(film.plan.frames)


def times(found: list[Frame]) -> list[tuple[Fraction, Fraction]]:
    return [(frame.pts, frame.dts) for frame in found]


@pytest.mark.parametrize("recipe", ENCODED, ids=name)
def test_encoded_pictures_keep_the_times_of_the_source(encoding: Encoding, media: MediaFolder, recipe: Recipe) -> None:
    film = encoding(recipe)
    made = joined(film.planned, "video")
    shown = sorted(frame.pts for frame in frames(media.path(recipe), "video"))
    assert len(made) == len(shown)
    assert all(abs(frame - ORIGIN - wanted) <= TICK for frame, wanted in zip(sorted(made), shown, strict=True))


@pytest.mark.parametrize("recipe", ENCODED, ids=name)
def test_decode_times_rise_from_chunk_to_chunk_and_are_never_after_the_presentation(
    encoding: Encoding, recipe: Recipe
) -> None:
    made = encoding(recipe).alone
    for kind in ("video", "audio"):
        found = [frame for number in sorted(made) for frame in frames(made[number], kind)]
        assert all(before.dts < after.dts for before, after in itertools.pairwise(found))
        assert all(frame.dts <= frame.pts for frame in found)


@pytest.mark.parametrize("recipe", [WITH_MP2, WITH_AC3, WITH_OPUS, SURROUND], ids=name)
def test_encoded_audio_lies_on_one_grid_without_gap_or_overlap(encoding: Encoding, recipe: Recipe) -> None:
    film = encoding(recipe)
    (track,) = film.plan.audio_tracks
    assert track.action == "encode"
    made = joined(film.alone, "audio")
    steps = [round((moment - ORIGIN) * track.sample_rate / AAC_FRAME) for moment in made]
    assert steps == list(range(steps[0], steps[0] + len(steps)))
    grid = [Fraction(step * AAC_FRAME, track.sample_rate) + ORIGIN for step in steps]
    assert all(abs(moment - wanted) <= TICK for moment, wanted in zip(made, grid, strict=True))
    assert float(made[-1] - ORIGIN) == pytest.approx(float(film.plan.timeline.end), abs=0.05)


@pytest.mark.parametrize("recipe", [WITH_MP2, WITH_OPUS, SURROUND], ids=name)
def test_the_seams_between_chunks_are_not_to_be_heard(encoding: Encoding, tmp_path: Path, recipe: Recipe) -> None:
    film = encoding(recipe)
    whole, apart = waveform(film.whole, tmp_path / "whole.ts"), waveform(film.alone, tmp_path / "apart.ts")
    assert whole.shape == apart.shape
    difference = np.abs(whole.astype(np.int32) - apart.astype(np.int32))[: -2 * CLICK]
    assert np.abs(whole).max() > 5_000, "there is something to be heard"
    assert difference.max() < 500  # of 32,768; what is left is how encoders spread their bits


@pytest.mark.parametrize("recipe", [FILM, NTSC, VP9], ids=name)
def test_encoded_pictures_are_those_of_the_source(
    encoding: Encoding, media: MediaFolder, tmp_path: Path, recipe: Recipe
) -> None:
    film = encoding(recipe)
    made = tmp_path / "made.ts"
    made.write_bytes(b"".join(data for _, data in sorted(film.planned.items())))
    compared = "[0:v]setpts=PTS-STARTPTS[a];[1:v]setpts=PTS-STARTPTS,scale=320:180[b];[a][b]psnr=stats_file=-"
    said = ffmpeg("-i", str(made), "-i", str(media.path(recipe)), "-lavfi", compared, "-f", "null", "-")
    likeness = [float(line.partition("psnr_avg:")[2].split()[0]) for line in said.splitlines() if "psnr_avg" in line]
    assert len(likeness) == sum(film.plan.frames)
    assert min(likeness) > 26  # dB; one frame earlier or later, the test picture is at 21


@pytest.mark.parametrize("recipe", [FILM, NTSC, WITH_OPUS], ids=name)
def test_encoded_segments_begin_with_a_key_frame_and_last_as_planned(encoding: Encoding, recipe: Recipe) -> None:
    film = encoding(recipe)
    made = film.planned
    for number, data in made.items():
        pictures = frames(data, "video")
        assert pictures[0].is_key
        assert abs(min(frame.pts for frame in pictures) - ORIGIN - film.plan.timeline.time(number)) <= TICK
        assert pictures[0].pts == min(frame.pts for frame in pictures), "closed: nothing is shown before it"


def joined(made: Made, kind: str) -> list[Fraction]:
    """The presentation times of all frames of a kind, segment after segment."""
    return list(itertools.chain.from_iterable([f.pts for f in frames(made[n], kind)] for n in sorted(made)))


def waveform(made: Made, path: Path) -> npt.NDArray[np.int16]:
    path.write_bytes(b"".join(made[number] for number in sorted(made)))
    raw = path.with_suffix(".raw")
    ffmpeg("-i", str(path), "-map", "0:a", "-f", "s16le", str(raw))
    return np.fromfile(raw, np.int16)
