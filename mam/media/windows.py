"""What goes through ffmpeg for one chunk, and what of it is kept: pure arithmetic on a source's index."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from mam.hls.plan import Chunk, Plan
from mam.mp4.index import Samples
from mam.mp4.tables import Ints

VIDEO_PREROLL = 1  # seconds encoded and thrown away: after it a CRF encode equals one without a seam within 0.01 dB
AUDIO_PREROLL = 24  # AAC frames on either side: the encoder has forgotten the seam by then
AAC_FRAME = 1024  # samples
DECODE_AHEAD = Fraction(1, 2)  # seconds of audio packets before and behind what is needed: decoders need a start too


@dataclass(frozen=True, slots=True)
class Window:
    """What of a track goes through ffmpeg for one chunk.

    Samples `first` to `last - 1` go in. `begin` (seconds) is where encoding starts, before what is kept; `keep_from`
    and `keep_to` bound what is kept, in ticks of the encoder's time base `1 / rate`.
    """

    first: int
    last: int
    begin: Fraction
    end: Fraction
    keep_from: int
    keep_to: int
    rate: int


def video_window(samples: Samples, plan: Plan, chunk: Chunk) -> Window:
    """The frames of a chunk with their pre-roll, from the key frame that decoding must start at."""
    scale = plan.timeline.timescale
    low, high = plan.timeline.boundaries[chunk.first], plan.timeline.boundaries[chunk.last]
    shown = np.sort(samples.pts)
    at = int(np.searchsorted(shown, max(low - VIDEO_PREROLL * scale, plan.timeline.boundaries[0])))
    begin = shown[min(at, len(shown) - 1)]  # the last frame stands for what lies behind the picture's end
    keys = np.flatnonzero(samples.key & (samples.pts <= begin))
    first = int(keys[-1]) if len(keys) else 0
    last = int(np.flatnonzero(samples.pts < high)[-1]) + 1
    return Window(first, last, just_before(shown, int(begin), scale), just_before(shown, high, scale), low, high, scale)


def just_before(shown: Ints, tick: int, scale: int) -> Fraction:
    """A moment in seconds just before the frame at `tick`, half way from the one before it.

    ffmpeg takes times as decimal text and rounds them; half a frame away from any frame, no rounding matters.
    """
    at = int(np.searchsorted(shown, tick))
    before = int(shown[at - 1]) if at else tick - max(2, scale // 500)  # no frame: a thousandth of a second will do
    return Fraction(before + tick, 2 * scale)


def audio_window(samples: Samples, plan: Plan, chunk: Chunk, rate: int) -> Window:
    """The audio of a chunk on the grid of AAC frames that all chunks share: frame k begins at sample 1024 k."""
    low = _frame_at(plan.timeline.time(chunk.first), rate)
    last_chunk = chunk.last == len(plan.timeline)
    high = _frame_at(samples.end if last_chunk else plan.timeline.time(chunk.last), rate)
    begin = Fraction((low - AUDIO_PREROLL) * AAC_FRAME, rate)
    end = Fraction((high + AUDIO_PREROLL) * AAC_FRAME, rate)
    scale = samples.timescale
    first = int(np.searchsorted(samples.pts, math.floor((begin - DECODE_AHEAD) * scale)))
    last = int(np.searchsorted(samples.pts, math.ceil((end + DECODE_AHEAD) * scale)))
    return Window(first, last, begin, end, low * AAC_FRAME, high * AAC_FRAME, rate)


def _frame_at(moment: Fraction, rate: int) -> int:
    """The first AAC frame that begins at or after `moment`."""
    return math.ceil(moment * rate / AAC_FRAME)
