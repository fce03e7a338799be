"""Silence stands in every hole of a sound that is encoded, and a sound with holes is."""

from __future__ import annotations

import io
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam.hls.plan import Chunk
from mam.hls.recipe import Profile
from mam.media.encode import ChunkEncoder
from mam.media.holes import has_holes, holes
from mam.media.planning import make_plan
from mam.media.source import MediaSource
from mam.mp4.samples import Samples
from tests.recipes import recipe_of
from tests.unit.films import Film, film, opened, source_of

RATE = 48000
FRAME = 1024


def sound(durations: list[int]) -> Samples:
    """AAC frames that last so long by the index."""
    duration = np.array(durations, np.int64)
    dts = np.cumsum(duration) - duration
    some = np.ones(len(duration), np.int64)
    return Samples(RATE, some, some, dts, dts.copy(), duration, np.ones(len(duration), np.bool_))


# Four gaps at most among ten: most frames are as long as they are heard.
@given(st.integers(10, 60), st.lists(st.tuples(st.integers(0, 99), st.integers(500, 10_000_000)), max_size=4))
def test_every_hole_is_found_where_it_is(count: int, gaps: list[tuple[int, int]]) -> None:
    durations = [FRAME] * count
    expected: dict[int, int] = {}
    for place, length in gaps:
        at = place % (count - 1)
        expected[at] = expected.get(at, 0) + length
        durations[at] += length
    ends = np.cumsum(durations)
    found = holes(sound(durations))
    assert [
        (Fraction(int(ends[at]) - expected[at], RATE), Fraction(int(ends[at]), RATE)) for at in sorted(expected)
    ] == found


@given(st.lists(st.integers(-200, 200), min_size=20, max_size=200))
def test_the_rounding_of_a_clock_is_no_hole(jitter: list[int]) -> None:
    times = np.maximum.accumulate(np.arange(len(jitter)) * FRAME + np.array(jitter))
    assert holes(sound([*np.diff(times).tolist(), FRAME])) == []


def test_frames_that_come_in_bursts_leave_no_hole() -> None:
    assert holes(sound([0, 0, 3 * FRAME] + [FRAME] * 40 + [0, 2 * FRAME] + [FRAME] * 5)) == []


def test_priming_that_lasts_longer_is_none_to_a_listener() -> None:
    assert not has_holes(sound([FRAME + 3000, *[FRAME] * 40]))
    assert has_holes(sound([*[FRAME] * 40, FRAME + 3000, *[FRAME] * 40]))


def torn(seconds: float, at: int, hole: float) -> MediaSource:
    """A film whose sound has a hole behind sample `at`."""
    media = opened(film(Film(seconds=int(seconds))))
    samples = media.samples(1)
    later = np.arange(len(samples)) > at
    kept = samples.pts + later * round(hole * RATE)
    duration = np.append(np.diff(kept), samples.duration[-1:])
    media.adopt({1: replace(samples, dts=kept, pts=kept.copy(), duration=duration)})
    return media


@pytest.mark.parametrize("hole", [0.03, 0.09, 0.5, 2.5, 12, 100])
@pytest.mark.parametrize("profile", [Profile.AUTO, Profile.H264])
def test_silence_stands_in_a_hole_of_any_length(profile: Profile, hole: float) -> None:
    media = torn(2, 40, hole)
    plan = make_plan(media, source_of(b""), recipe_of(profile), video="film", revision="0" * 12, stored=False)
    assert [track.action for track in plan.audio_tracks] == ["encode"]
    encoder = ChunkEncoder(media, plan)
    times: list[int] = []
    for chunk in plan.chunks():
        for _, made in encoder.segments(chunk):
            with av.open(io.BytesIO(bytes(next(iter(made.values()))))) as container:
                packets = container.demux(container.streams.audio[0])
                times += [round(packet.pts * packet.time_base * RATE) for packet in packets if packet.pts is not None]
    assert len(times) == pytest.approx((2 + hole) * RATE / FRAME, abs=3)
    assert {round(step / FRAME, 1) for step in np.diff(times)} == {1.0}


def test_each_of_several_sounds_has_silence_of_its_own() -> None:
    media = torn(2, 40, 0.5)
    recipe = recipe_of(Profile.AUTO)
    plan = make_plan(media, source_of(b""), recipe, video="film", revision="0" * 12, stored=False)
    (main,) = plan.renditions
    again = main.model_copy(update={"name": "audio-1", "video": None})
    ((_, alone),) = ChunkEncoder(media, plan).segments(Chunk(0, 1))
    twice = plan.model_copy(update={"renditions": (main, again)})
    ((_, made),) = ChunkEncoder(media, twice).segments(Chunk(0, 1))

    assert made[plan.file(main, 0)] == alone[plan.file(main, 0)]
    sounds = [_sound(bytes(data)) for data in made.values()]
    assert len(sounds) == 2
    assert sounds[0] == sounds[1]


def _sound(segment: bytes) -> list[bytes]:
    with av.open(io.BytesIO(segment)) as container:
        return [bytes(packet) for packet in container.demux(container.streams.audio[0])]


@pytest.mark.parametrize("hole", [0.03, 12])
def test_a_copy_that_was_asked_for_keeps_its_holes(hole: float) -> None:
    media = torn(2, 40, hole)
    plan = make_plan(media, source_of(b""), recipe_of(Profile.SOURCE), video="film", revision="0" * 12, stored=False)
    assert [track.action for track in plan.audio_tracks] == ["copy"]
