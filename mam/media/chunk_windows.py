"""Which samples make a segment, and what goes through ffmpeg for a chunk: pure arithmetic on a source's index."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from mam.hls.plan import AudioTrack, Chunk, Plan, VideoTrack
from mam.hls.timeline import Timeline
from mam.media.holes import holes
from mam.media.packets import ORIGIN
from mam.mp4.samples import Samples
from mam.mp4.tables import Flags, Ints

VIDEO_PREROLL = 1  # seconds encoded and thrown away: after it a CRF encode equals one without a seam within 0.01 dB
AUDIO_PREROLL = 24  # AAC frames on either side: the encoder has forgotten the seam by then
AAC_FRAME = 1024  # samples
DECODE_AHEAD = Fraction(1, 2)  # seconds of audio packets before and behind what is needed: decoders need a start too


# which samples make a segment


def openings(samples: Samples) -> Ints:
    """The numbers of the key frames that a segment of copied video may open with.

    Nothing that follows them is shown before them. Of an open group of pictures something is: it needs the group
    before, and its key frame is no IDR frame, which every segment must begin with (Apple's authoring specification,
    7.4).
    """
    keys = np.flatnonzero(samples.key)
    if not len(keys):
        return keys
    closed: Flags = np.minimum.reduceat(samples.pts, keys) == samples.pts[keys]
    closed[0] = True  # there is nothing before it
    return keys[closed]


def segment_edges(samples: Samples, timeline: Timeline) -> Ints:
    """For copied video: the number of the sample that opens each segment, and of the one behind the last."""
    keys = openings(samples)
    at = np.searchsorted(samples.pts[keys], np.asarray(timeline.boundaries[1:-1], np.int64))
    inner = np.append(keys, len(samples))[at]
    return np.concatenate(([0], inner, [len(samples)])).astype(np.int64)


def edges_by_time(samples: Samples, timeline: Timeline) -> Ints:
    """For audio: the number of the first sample at or after each boundary; everything before the first comes along."""
    ticks = [-(-b * samples.timescale // timeline.timescale) for b in timeline.boundaries[1:-1]]
    inner = np.searchsorted(samples.pts, np.asarray(ticks, np.int64))
    return np.concatenate(([0], inner, [len(samples)])).astype(np.int64)


def reordering(samples: Samples) -> int:
    """Ticks between the decoding of the first sample and the moment at which the first is shown."""
    return int(samples.pts.min() - samples.dts[0]) if len(samples) else 0


# when encoded frames are shown


def shown_frames(samples: Samples, track: VideoTrack, timeline: Timeline) -> Ints:
    """The moment of each frame of an encoded track, in the timeline's ticks: the source's own, or those of a grid."""
    start, end = shown_span(samples, track)
    if track.grid is None:
        shown = seen(samples, track.first)
        return shown[shown >= timeline.boundaries[0]]
    return grid_ticks(track, max(start, timeline.start), min(end, timeline.end))


def seen(samples: Samples, first: int | None = None) -> Ints:
    """When pictures are shown, in ticks of the track, rising: those that no edit list hides, from `first` on."""
    shown = np.sort(samples.pts if samples.shown is None else samples.pts[samples.shown])
    return shown if first is None else shown[shown >= first]


def shown_span(samples: Samples, track: VideoTrack) -> tuple[Fraction, Fraction]:
    """The seconds from which and to which an encoded track is shown."""
    if samples.shown is None:
        start, end = samples.start, samples.end
    else:
        ends = (samples.pts + samples.duration)[samples.shown]
        start, end = (Fraction(int(at), samples.timescale) for at in (seen(samples)[0], ends.max()))
    return (start if track.first is None else max(start, Fraction(track.first, samples.timescale))), end


def grid_ticks(track: VideoTrack, start: Fraction, end: Fraction) -> Ints:
    """The moments of the track's grid in [start, end) in ticks of 1 / grid[0] seconds; at least one.

    It counts from where ffmpeg's clock does, which stands `ORIGIN` seconds before ours, so that every chunk has the
    same one.
    """
    assert track.grid
    rate, base = track.grid
    first = place(track, start)
    last = max(place(track, end), first + 1)
    return np.arange(first, last, dtype=np.int64) * base + track.phase - ORIGIN * rate


def place(track: VideoTrack, moment: Fraction) -> int:
    """The number of the first place of the track's grid at or after `moment`, as ffmpeg counts them."""
    assert track.grid
    rate, base = track.grid
    return math.ceil(((moment + ORIGIN) * rate - track.phase) / base)


# parts of an edit list


def part_starts(samples: Samples, track: VideoTrack) -> list[int]:
    """Ticks of the timeline at which the parts of an encoded track begin, but for the first: they begin segments."""
    if not samples.joins or not track.grid:
        return []
    shown = np.ones(len(samples), np.bool_) if samples.shown is None else samples.shown
    rate, base = track.grid
    edges = zip(samples.joins, (*samples.joins[1:], len(samples)), strict=True)
    firsts = (int(samples.pts[begin:end][shown[begin:end]].min()) for begin, end in edges)
    places = (place(track, Fraction(first, samples.timescale)) for first in firsts)
    return [number * base + track.phase - ORIGIN * rate for number in places]


def part_of(samples: Samples, track: VideoTrack, tick: int) -> slice:
    """The samples of the part that is shown at `tick` of the timeline."""
    if not samples.joins:
        return slice(0, len(samples))
    edges = (0, *samples.joins, len(samples))
    number = int(np.searchsorted(part_starts(samples, track), tick, side="right"))
    return slice(edges[number], edges[number + 1])


def pieces(samples: Samples, track: VideoTrack, timeline: Timeline, chunk: Chunk) -> list[Chunk]:
    """The chunk, divided where parts of an edit list are joined: each is decoded by itself."""
    starts = np.searchsorted(np.asarray(timeline.boundaries), part_starts(samples, track)).tolist()
    edges = sorted({chunk.first, chunk.last, *(start for start in starts if chunk.first < start < chunk.last)})
    return [Chunk(a, b) for a, b in pairwise(edges)]


# what goes through ffmpeg


@dataclass(frozen=True, slots=True)
class Window:
    """What of a track goes through ffmpeg for one chunk.

    Samples `first` to `last - 1` go in. `begin` (seconds) is where encoding starts, before what is kept; `keep_from`
    and `keep_to` bound what is kept, in ticks of the encoder's time base `1 / rate`. `silence`: the track has no sound
    in a part of it.
    """

    first: int
    last: int
    begin: Fraction
    end: Fraction
    keep_from: int
    keep_to: int
    rate: int
    silence: bool = False


def video_window(samples: Samples, plan: Plan, track: VideoTrack, chunk: Chunk) -> Window:
    """The frames of a chunk with their pre-roll, from the key frame that decoding must start at."""
    scale = plan.timeline.timescale
    low, high = plan.timeline.boundaries[chunk.first], plan.timeline.boundaries[chunk.last]
    shown = shown_frames(samples, track, plan.timeline)
    part = part_of(samples, track, low)
    starts = [plan.timeline.boundaries[0], *(tick for tick in part_starts(samples, track) if tick <= low)]
    at = int(np.searchsorted(shown, max(low - VIDEO_PREROLL * scale, starts[-1])))
    begin = int(shown[min(at, len(shown) - 1)])  # the last frame stands for what lies behind the picture's end
    pts = samples.pts[part]
    keys = np.flatnonzero(samples.key[part] & (pts <= begin * samples.timescale // scale))
    back = 2 if track.refreshes else 1  # from the second on, what the last one lacked has been refreshed
    first = int(keys[-min(back, len(keys))]) if len(keys) else 0
    before_end = np.flatnonzero(pts < -(-high * samples.timescale // scale))
    last = int(before_end[-1]) + 1 if len(before_end) else first + 1
    first, last = first + part.start, last + part.start
    step = track.grid[1] if track.grid else None
    return Window(
        first, last, just_before(shown, begin, scale, step), just_before(shown, high, scale), low, high, scale
    )


def just_before(shown: Ints, tick: int, scale: int, step: int | None = None) -> Fraction:
    """A moment in seconds just before the frame at `tick`, half way from the one before it, which would be `step`
    ticks earlier.

    ffmpeg takes times as decimal text and rounds them; half a frame away from any frame, no rounding matters.
    """
    at = int(np.searchsorted(shown, tick))
    # Where there is no frame before it, a thousandth of a second will do.
    before = int(shown[at - 1]) if at else tick - (step or max(2, scale // 500))
    return Fraction(before + tick, 2 * scale)


def audio_window(samples: Samples, plan: Plan, track: AudioTrack, chunk: Chunk) -> Window:
    """The audio of a chunk on the grid of AAC frames that all chunks share: frame k begins at sample 1024 k."""
    rate = track.sample_rate
    low = _frame_at(plan.timeline.time(chunk.first), rate)
    last_chunk = chunk.last == len(plan.timeline)
    high = _frame_at(max(samples.end, plan.timeline.end) if last_chunk else plan.timeline.time(chunk.last), rate)
    begin = Fraction((low - AUDIO_PREROLL) * AAC_FRAME, rate)
    end = Fraction((high + AUDIO_PREROLL) * AAC_FRAME, rate)
    scale = samples.timescale
    first = int(np.searchsorted(samples.pts, math.floor((begin - DECODE_AHEAD) * scale)))
    last = int(np.searchsorted(samples.pts, math.ceil((end + DECODE_AHEAD) * scale)))
    if first == last:  # something must go in, if only to be cut away
        first = min(max(first - 1, 0), len(samples) - 1)
        last = first + 1
    kept = Fraction(low * AAC_FRAME, rate), Fraction(high * AAC_FRAME, rate)
    silence = samples.start > kept[0] or samples.end < kept[1] - Fraction(AAC_FRAME, rate)
    silence = silence or any(start < kept[1] and kept[0] < stop for start, stop in holes(samples))
    return Window(first, last, begin, end, low * AAC_FRAME, high * AAC_FRAME, rate, silence)


def _frame_at(moment: Fraction, rate: int) -> int:
    """The first AAC frame that begins at or after `moment`."""
    return math.ceil(moment * rate / AAC_FRAME)
