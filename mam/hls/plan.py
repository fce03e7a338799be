"""The plan of a conversion: what is made, from what, in which segments. `plan.json` is this, as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from itertools import pairwise
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mam.errors import InvalidPlan
from mam.hls.timeline import Timeline

PLANNER_VERSION = 1  # part of every revision: raise it when the same source would be planned differently

OPENING_SEGMENTS = 3  # what a player asks for before it shows anything, and a little more
REMUX_CHUNK_SEGMENTS = 50  # a second or two of work, some 250 MB of a full-HD film
ENCODE_CHUNK_SECONDS = 30  # long enough that the pre-roll is a few per cent, short enough to spread over workers


class Profile(str, Enum):
    """What is to be made. The values are the API's."""

    SOURCE = "source"
    H264 = "h264"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Source(_Frozen):
    """Which version of which asset. `version`: its ETag, or size and modification time where the store has none."""

    bucket: str
    key: str
    version: str
    etag: str | None = None
    size: int = Field(ge=0)


class VideoTrack(_Frozen):
    """The video of a rendition. `command` is what `encode` needs to know beyond the source's own parameters."""

    track: int = Field(ge=0)
    codec: str
    action: Literal["copy", "encode"]
    reason: str
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    frame_rate: float = Field(gt=0)
    filters: tuple[str, ...] = ()  # of libavfilter, in order: what makes the picture upright, square and 8 bit
    preset: str | None = None
    crf: int | None = None
    level: str | None = None


class AudioTrack(_Frozen):
    """The audio of a rendition. `sample_rate` and `channels` are those of the output."""

    track: int = Field(ge=0)
    codec: str
    action: Literal["copy", "encode"]
    reason: str
    sample_rate: int = Field(gt=0)
    channels: int = Field(gt=0)
    bitrate: int | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Segments `first` to `last - 1` of a plan: the work of one task."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.first, self.last))


class Plan(_Frozen):
    """All that follows from one look at a source's index.

    `frames[n]`: video frames in segment n, which whoever makes it checks (empty without video). `stored_index`: the
    samples' places are in `samples.npz` beside the segments, because the source has no sample tables of its own.
    """

    planner: int = PLANNER_VERSION
    video: str
    revision: str
    source: Source
    profile: Profile
    rendition: str
    stored_index: bool = False
    video_track: VideoTrack | None = None
    audio_track: AudioTrack | None = None
    timeline: Timeline
    frames: tuple[int, ...] = ()

    @property
    def encodes(self) -> bool:
        """Whether ffmpeg has work to do."""
        return any(track is not None and track.action == "encode" for track in (self.video_track, self.audio_track))

    def chunks(self) -> list[Chunk]:
        """The segments, divided among tasks. The first chunk is the opening, which whoever planned makes at once."""
        opening = min(OPENING_SEGMENTS, len(self.timeline))
        if not self.encodes:
            rest = _runs(opening, len(self.timeline), REMUX_CHUNK_SEGMENTS)
        else:
            rest = _spans(self.timeline, opening, ENCODE_CHUNK_SECONDS)
        return [Chunk(0, opening), *rest]

    def to_json(self) -> bytes:
        return self.model_dump_json(indent=None, exclude_defaults=False).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Plan:
        """Raises InvalidPlan for anything but what `to_json` wrote."""
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise InvalidPlan(f"plan.json: {error.errors()[0]['msg']}") from error


def _runs(start: int, total: int, length: int) -> list[Chunk]:
    return [Chunk(first, min(first + length, total)) for first in range(start, total, length)]


def _spans(timeline: Timeline, start: int, seconds: int) -> list[Chunk]:
    """Runs of segments of at least `seconds`, but for the last, which joins its neighbour when it is short."""
    if start == len(timeline):
        return []
    edges = [start]
    for number in range(start + 1, len(timeline)):
        if timeline.time(number) - timeline.time(edges[-1]) >= seconds:
            edges.append(number)
    if len(edges) > 1 and timeline.end - timeline.time(edges[-1]) < Fraction(seconds, 3):
        edges.pop()
    edges.append(len(timeline))
    return [Chunk(a, b) for a, b in pairwise(edges)]
