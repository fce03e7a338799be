"""Descriptions of movies, for hypothesis."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate

from hypothesis import strategies as st

from tests.unit.mp4.movies import Edit, Movie, Track, composition_times

WIDE = (b"trak", b"mdia", b"minf", b"stbl", b"mdat")  # moov has a test of its own
LARGEST = {"stsz": 3000, "4": 15, "8": 255, "16": 3000}
VERSIONS = st.integers(0, 1)


@st.composite
def chunkings(draw: st.DrawFn, total: int) -> tuple[int, ...]:
    """`total` samples in chunks; some chunks may be as long as the one before."""
    out: list[int] = []
    while sum(out) < total:
        out.append(min(draw(st.integers(1, 5)), total - sum(out)))
    return tuple(out)


@st.composite
def edits(draw: st.DrawFn, track: Track) -> Edit | None:
    """None, or one edit that begins with a frame, with or without a delay before it."""
    if draw(st.booleans()):
        return None
    return Edit(
        delay=draw(st.none() | st.integers(1, 5000)),
        media_time=draw(st.sampled_from(sorted({max(0, time) for time in composition_times(track)}))),
        version=draw(VERSIONS),
    )


@st.composite
def tracks(draw: st.DrawFn, *, max_samples: int = 12) -> Track:
    """A track in any of the ways that the format allows."""
    kind = draw(st.sampled_from(("vide", "soun")))
    total = draw(st.integers(1, max_samples))
    size_form = draw(st.sampled_from(("stsz", "uniform", "4", "8", "16")))
    if size_form == "uniform":
        sizes = (draw(st.integers(1, 3000)),) * total
    else:
        sizes = tuple(draw(st.lists(st.integers(1, LARGEST[size_form]), min_size=total, max_size=total)))
    version = draw(VERSIONS)
    signed = draw(VERSIONS)
    columns = Track(
        kind=kind,
        entry="avc1" if kind == "vide" else "mp4a",
        timescale=draw(st.sampled_from((1, 600, 12800, 30000, 48000, 90000))),
        sizes=sizes,
        durations=tuple(draw(st.lists(st.integers(0, 4000), min_size=total, max_size=total))),
        composition=draw(
            st.none() | st.lists(st.integers(-9000 * signed, 9000), min_size=total, max_size=total).map(tuple)
        ),
        sync=draw(st.none() | st.lists(st.booleans(), min_size=total, max_size=total).map(tuple)),
        chunks=draw(chunkings(total)),
        size_form=size_form,
        wide_offsets=draw(st.booleans()),
        version=version,
        composition_version=signed,
        merge_runs=draw(st.booleans()),
    )
    return replace(columns, edit=draw(edits(columns)))


@st.composite
def movies(draw: st.DrawFn, *, of: st.SearchStrategy[Track] | None = None, max_tracks: int = 3) -> Movie:
    """A file of such tracks, its boxes written in any of the ways that the format allows."""
    return Movie(
        tracks=tuple(draw(st.lists(tracks() if of is None else of, min_size=1, max_size=max_tracks))),
        timescale=draw(st.sampled_from((1, 600, 1000, 90000))),
        version=draw(VERSIONS),
        moov_first=draw(st.booleans()),
        extras=draw(st.booleans()),
        wide=frozenset(draw(st.sets(st.sampled_from(WIDE)))),
        gap=draw(st.sampled_from((0, 0, 7, 5000))),
        open_ended=draw(st.booleans()),
    )


@st.composite
def playable(draw: st.DrawFn) -> Track:
    """A track as encoders write them: time moves on, B-frames are shown later than decoded, the first frame is a key.

    About such libavformat and the specification agree. (Where an edit list hides samples libavformat counts varying
    durations from the wrong one, so they vary only without.)
    """
    return draw(st.one_of(_video(), _sound()))


@st.composite
def _video(draw: st.DrawFn) -> Track:
    total = draw(st.integers(2, 16))
    step = draw(st.sampled_from((512, 1001, 3000)))
    edited = draw(st.booleans())
    steps = st.just(step) if edited else st.sampled_from((step, step, step, 2 * step))
    durations = tuple(draw(st.lists(steps, min_size=total, max_size=total)))
    reordered = draw(st.booleans())
    keys = (True, *draw(st.lists(st.booleans(), min_size=total - 1, max_size=total - 1)))
    track = Track(
        timescale=draw(st.sampled_from((12800, 24000, 90000))),
        sizes=tuple(draw(st.lists(st.integers(20, 200), min_size=total, max_size=total))),
        durations=durations,
        composition=_reordered(durations) if reordered else None,
        # of each pair that is shown in the other order, the second cannot be a key frame
        sync=tuple(key and not (reordered and n and n % 2 == 0) for n, key in enumerate(keys)),
        chunks=draw(chunkings(total)),
        size_form=draw(st.sampled_from(("stsz", "8", "16"))),
        wide_offsets=draw(st.booleans()),
        version=draw(VERSIONS),
        merge_runs=draw(st.booleans()),
    )
    return replace(track, edit=draw(edits(track))) if edited else track


@st.composite
def _sound(draw: st.DrawFn) -> Track:
    total = draw(st.integers(2, 16))
    return Track(
        kind="soun",
        entry="mp4a",
        timescale=48000,
        sizes=tuple(draw(st.lists(st.integers(20, 200), min_size=total, max_size=total))),
        durations=(1024,) * total,
        chunks=draw(chunkings(total)),
        edit=draw(st.sampled_from((None, Edit(), Edit(media_time=1024), Edit(delay=300, version=1)))),
        wide_offsets=draw(st.booleans()),
        version=draw(VERSIONS),
    )


def _reordered(durations: tuple[int, ...]) -> tuple[int, ...]:
    """Composition offsets of I B P B P: each pair is shown in the other order, two frames late."""
    starts = list(accumulate(durations, initial=0))
    shown = list(range(len(durations)))
    for n in range(1, len(shown) - 1, 2):
        shown[n], shown[n + 1] = shown[n + 1], shown[n]
    return tuple(starts[at] + 2 * max(durations) - starts[n] for n, at in enumerate(shown))
