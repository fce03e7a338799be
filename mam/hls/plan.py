"""The plan of a conversion: source, renditions and segments. `plan.json` is its JSON."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Literal

from pydantic import Field, ValidationError

from mam.errors import InvalidPlan
from mam.hls.recipe import Format, Profile, kind_of
from mam.hls.renditions import AudioTrack, Frozen, OutputId, Rendition, Track, VideoTrack
from mam.hls.timeline import Timeline
from mam.naming import INIT, Asset, segment_name

PLANNER_VERSION = 4  # Part of every revision: raise it when the same source would be planned differently.

OPENING_SEGMENTS = 3  # The first chunk: slightly more than a player requests before it shows anything.
REMUX_CHUNK_SEGMENTS = 50  # A copied chunk: a second or two of work, some 250 MB of a full-HD film.
ENCODE_CHUNK_SECONDS = 30  # An encoded chunk: the pre-roll is a few per cent, and chunks spread over workers.
DECODED_AGAIN = 4  # A chunk is at least this fraction of a group of pictures: all is decoded three times on average.
MAX_CHUNK_SECONDS = 300  # The longest chunk: a worker that dies loses this much.


class Sidecar(Frozen):
    """Subtitles in an object beside the asset."""

    key: str
    version: str
    size: int = Field(ge=0)
    language: str = ""
    forced: bool = False
    hearing_impaired: bool = False


class Source(Frozen):
    """A version of an asset. `version`: its ETag, or size and modification time where the store has none."""

    bucket: str
    key: str
    version: str
    etag: str | None = None
    size: int = Field(ge=0)
    sidecars: tuple[Sidecar, ...] = ()

    @property
    def asset(self) -> Asset:
        return Asset(self.bucket, self.key)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Segments `first` to `last - 1` of a plan: the work of one task."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.first, self.last))


class StreamInfo(Frozen):
    """A stream of the source, its outcome, and the reason. Unknown values are null."""

    number: int
    kind: str  # video, audio, subtitles, chapters, image, other
    codec: str
    action: Literal["copy", "encode", "leave"] = "leave"
    reason: str = ""
    language: str = ""
    title: str = ""
    default: bool = False
    profile: str | None = None
    width: int | None = None
    height: int | None = None
    sample_aspect_ratio: str | None = None
    rotation: int | None = None  # degrees clockwise to turn it upright
    mirrored: bool | None = None
    pixel_format: str | None = None
    frame_rate: float | None = None
    constant_frame_rate: bool | None = None
    field_order: str | None = None
    primaries: str | None = None
    transfer: str | None = None
    color_range: str | None = None
    key_frames: int | None = None
    longest_group_seconds: float | None = None  # between two key frames
    sample_rate: int | None = None
    channels: int | None = None
    edit_list: str | None = None
    start_seconds: float | None = None
    duration_seconds: float | None = None
    bytes: int | None = None


class Plan(Frozen):
    """Everything that follows from a source's index.

    All renditions have the same segments. Those of one number are made together within a group: the base ('') and each
    rung of a ladder. `frames[n]`: the number of the source's video frames in segment n (empty without video);
    `frames_of` a rendition's video, which workers verify, may be fewer.
    `stored_index`: the index is in `samples.npz` beside the segments, because the source has no sample tables.
    `recoded`: nothing is copied, because a copy could not be decoded. `notes`: tolerated faults of the source and lost
    properties, in sentences.
    """

    planner: int = PLANNER_VERSION
    video: str
    revision: str
    source: Source
    profile: Profile
    format: Format = Format.TS
    stored_index: bool = False
    recoded: bool = False
    streams: tuple[StreamInfo, ...] = ()
    notes: tuple[str, ...] = ()
    renditions: tuple[Rendition, ...] = Field(min_length=1)
    timeline: Timeline
    frames: tuple[int, ...] = ()

    @property
    def kind(self) -> str:
        """The requested kind."""
        return kind_of(self.profile, self.format)

    @property
    def kinds(self) -> list[str]:
        """The kinds that the output satisfies: `auto` without an encode satisfies `source` too."""
        profiles = [self.profile]
        if self.profile is Profile.AUTO and not self.encodes:
            profiles.append(Profile.SOURCE)
        elif self.profile is Profile.AUTO and self.video_tracks and not self.copied_video_tracks:
            profiles.append(Profile.H264)
        elif self.profile is Profile.SOURCE:
            profiles.append(Profile.AUTO)
        return [kind_of(profile, self.format) for profile in profiles]

    @property
    def groups(self) -> list[str]:
        """The groups of renditions that are made together, the base ('') first."""
        return list(dict.fromkeys(rendition.group for rendition in self.renditions))

    @property
    def ladder(self) -> list[str]:
        """The names of a ladder's renditions with a picture, that of the base first; empty for any other plan."""
        return [rendition.name for rendition in self.renditions if rendition.video] if len(self.groups) > 1 else []

    def of_groups(self, *groups: str) -> Plan:
        """The plan with the renditions of these groups alone. Raises KeyError where it has none of them."""
        renditions = tuple(rendition for rendition in self.renditions if rendition.group in groups)
        if not renditions:
            raise KeyError(groups)
        return self if len(renditions) == len(self.renditions) else self.model_copy(update={"renditions": renditions})

    @property
    def outputs(self) -> dict[OutputId, Track]:
        """The audio and video tracks, by output."""
        return {output: track for rendition in self.renditions for output, track in rendition.outputs.items()}

    @property
    def tracks(self) -> list[Track]:
        return list(self.outputs.values())

    @property
    def video_tracks(self) -> list[VideoTrack]:
        return [rendition.video for rendition in self.renditions if rendition.video]

    @property
    def video_track(self) -> VideoTrack | None:
        """The first video track, which represents the source's picture."""
        return next(iter(self.video_tracks), None)

    @property
    def copied_video_tracks(self) -> list[VideoTrack]:
        return [video for video in self.video_tracks if video.action == "copy"]

    @property
    def encoded_video_tracks(self) -> list[VideoTrack]:
        return [video for video in self.video_tracks if video.action == "encode"]

    @property
    def audio_tracks(self) -> list[AudioTrack]:
        return [rendition.audio for rendition in self.renditions if rendition.audio]

    @property
    def text_tracks(self) -> list[int]:
        """The source's tracks that become subtitles."""
        return [r.subtitles.track for r in self.renditions if r.subtitles and r.subtitles.track is not None]

    def frames_of(self, video: VideoTrack) -> tuple[int, ...]:
        """The number of shown frames in each segment of a rendition with this video."""
        return tuple(map(video.shown, self.frames))

    @property
    def encodes(self) -> bool:
        """Whether the plan needs ffmpeg."""
        return any(track.action == "encode" for track in self.tracks)

    @property
    def is_short(self) -> bool:
        """Whether a chunk takes only a second or two: no picture is encoded."""
        return not self.encoded_video_tracks

    def rendition(self, name: str) -> Rendition | None:
        return next((rendition for rendition in self.renditions if rendition.name == name), None)

    def named(self, name: str) -> Rendition:
        """The rendition of that name. Raises KeyError for an unknown one."""
        return {rendition.name: rendition for rendition in self.renditions}[name]

    def file(self, rendition: Rendition, number: int) -> str:
        """The name of a segment below the revision."""
        return f"{rendition.name}/{segment_name(number, self.extension(rendition))}"

    def init(self, rendition: Rendition) -> str:
        """The name of the initialization section below the revision."""
        return f"{rendition.name}/{INIT}"

    def files(self, number: int) -> list[str]:
        """The files that are made with segment `number`. The initialization section of a rung is made before them."""
        inits = [self.init(r) for r in self.renditions if self.has_init(r)] if number == 0 else []
        return inits + [self.file(rendition, number) for rendition in self.renditions]

    def extension(self, rendition: Rendition) -> str:
        """The extension of the rendition's segments."""
        if rendition.subtitles:
            return "vtt"
        return "m4s" if self.format is Format.FMP4 else "ts"

    def has_init(self, rendition: Rendition) -> bool:
        """Whether the rendition's segments need a media initialization section (EXT-X-MAP)."""
        return self.extension(rendition) == "m4s"

    def seconds(self, numbers: Collection[int]) -> dict[int, float]:
        """The durations of these segments, by number."""
        time = self.timeline.time
        return {number: float(time(number + 1) - time(number)) for number in sorted(numbers)}

    def chunks(self) -> list[Chunk]:
        """The segments, divided among tasks. For a viewer the first chunk, the opening, is made at once."""
        opening = min(OPENING_SEGMENTS, len(self.timeline))
        if not self.encodes:
            chunks = _runs(opening, len(self.timeline), REMUX_CHUNK_SEGMENTS)
        else:
            chunks = _spans(self.timeline, opening, self._chunk_seconds())
        return [Chunk(0, opening), *chunks]

    def _chunk_seconds(self) -> int:
        """The length of an encoded chunk, which is decoded from the preceding key frame: longer where key frames are
        far apart, since long groups of pictures would be decoded repeatedly."""
        distance = max((video.group_seconds for video in self.video_tracks), default=0)
        return max(ENCODE_CHUNK_SECONDS, min(int(distance / DECODED_AGAIN), MAX_CHUNK_SECONDS))

    def to_json(self) -> bytes:
        return self.model_dump_json(indent=None, exclude_defaults=False).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Plan:
        """Reads what `to_json` wrote. Raises InvalidPlan for anything else."""
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise InvalidPlan(f"plan.json: {error.errors()[0]['msg']}") from error


def _runs(start: int, total: int, length: int) -> list[Chunk]:
    return [Chunk(first, min(first + length, total)) for first in range(start, total, length)]


def _spans(timeline: Timeline, start: int, seconds: int) -> list[Chunk]:
    """Runs of segments of at least `seconds`; a short last run joins its neighbour."""
    if start == len(timeline):
        return []
    edges = [start]
    for number in range(start + 1, len(timeline)):
        if timeline.time(number) - timeline.time(edges[-1]) >= seconds:
            edges.append(number)
    if len(edges) > 1 and timeline.end - timeline.time(edges[-1]) < Fraction(seconds, 3):
        edges.pop()
    edges.append(len(timeline))
    return [Chunk(first, last) for first, last in pairwise(edges)]
