"""The times of an encoded picture's frames: when each is shown and decoded."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from mam.hls.plan import Plan
from mam.hls.renditions import VideoTrack
from mam.media.chunk_windows import each_of
from mam.media.commands import REORDER
from mam.media.packets import ORIGIN, Packet
from mam.mp4.tables import Ints


@dataclass(frozen=True, slots=True)
class PictureClock:
    """The frames of one output, in ticks of the timeline. They depend only on the plan, so those of a chunk do not
    depend on the chunk before it.

    `shown`: their presentation times; `firsts`: the number of each segment's first frame; `step`: the ticks between
    frames before the first one; `scale`: ticks per second.
    """

    shown: Ints
    firsts: Ints
    step: int
    scale: int

    @classmethod
    def of(cls, frames: Ints, plan: Plan, video: VideoTrack) -> PictureClock:
        """The clock of an encoded track. `frames`: the times of all frames, of which it may show only some."""
        scale = plan.timeline.timescale
        shown = each_of(frames, video.every, plan.timeline)
        step = int(shown[1] - shown[0]) if len(shown) > 1 else scale // 30
        return cls(shown, np.cumsum((0, *plan.frames_of(video))), step, scale)

    @property
    def delay(self) -> int:
        """Ticks from the first decode time to the first presentation time."""
        return REORDER * self.step

    def stamp(self, number: int, packets: list[Packet]) -> None:
        """Gives the packets of segment `number` decode times, which NUT lacks."""
        for frame, packet in enumerate(packets, int(self.firsts[number])):
            packet.pts = round((packet.pts or 0) * packet.time_base * self.scale)
            packet.time_base = Fraction(1, self.scale)
            packet.dts = self._decoded_at(frame) + ORIGIN * self.scale
            packet.duration = self._decoded_at(frame + 1) - self._decoded_at(frame)

    def _decoded_at(self, frame: int) -> int:
        """The presentation time of the frame REORDER earlier."""
        if frame < REORDER:
            return int(self.shown[0]) - (REORDER - frame) * self.step
        return int(self.shown[frame - REORDER])
