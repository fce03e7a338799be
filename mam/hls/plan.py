"""The plan of a conversion: source, renditions and segments. `plan.json` is its JSON."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mam.errors import InvalidPlan
from mam.hls.recipe import Format, Profile, kind_of
from mam.hls.timeline import Timeline
from mam.naming import INIT, RENDITION, Asset, group_of, segment_name

PLANNER_VERSION = 4  # Part of every revision: raise it when the same source would be planned differently.

OPENING_SEGMENTS = 3  # The first chunk: slightly more than a player requests before it shows anything.
REMUX_CHUNK_SEGMENTS = 50  # A copied chunk: a second or two of work, some 250 MB of a full-HD film.
ENCODE_CHUNK_SECONDS = 30  # An encoded chunk: the pre-roll is a few per cent, and chunks spread over workers.
DECODED_AGAIN = 4  # A chunk is at least this fraction of a group of pictures: all is decoded three times on average.
MAX_CHUNK_SECONDS = 300  # The longest chunk: a worker that dies loses this much.


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Sidecar(_Frozen):
    """Subtitles in an object beside the asset."""

    key: str
    version: str
    size: int = Field(ge=0)
    language: str = ""
    forced: bool = False
    hearing_impaired: bool = False


class Source(_Frozen):
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


class VideoTrack(_Frozen):
    """The video of a rendition, and how it is encoded where it is not copied.

    `codecs`: its name in CODECS. `filters`: of libavfilter, in order: they make the picture upright, square and 8 bit.
    `resized`: later pictures may have another size, and the filters fit them into that of the first. `captions`:
    whether the pictures carry closed captions; None where that is unknown. `whole`: pictures that the edit list hides
    are shown too, as in a copy. `grid`: frames per second, as a fraction, where the source's own times are not kept;
    `phase`: ticks of 1 / grid[0] seconds by which the grid is later than one from ffmpeg's zero. `first`: the
    presentation time of the first decodable picture, in ticks of the source's track, where that is not the first
    picture. `maxrate`, `bufsize`: the cap of the bit rate in bits per second, and the decoder's buffer in bits.
    `refreshes`: some key frames need earlier frames. `group_seconds`: the longest distance of key frames. `every`: of
    the source's frames (or the grid's), only each `every`th of a segment is shown, counted from the segment's first;
    `frame_rate` counts the shown ones.
    """

    track: int = Field(ge=0)
    codec: str
    action: Literal["copy", "encode"]
    reason: str
    codecs: str = ""
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    frame_rate: float = Field(gt=0)
    video_range: Literal["SDR", "PQ", "HLG"] = "SDR"
    interlaced: bool = False
    grid: tuple[int, int] | None = None
    phase: int = 0
    first: int | None = None
    every: int = Field(default=1, ge=1)
    refreshes: bool = False
    group_seconds: float = 0
    filters: tuple[str, ...] = ()
    resized: bool = False
    captions: bool | None = None
    whole: bool = False
    maxrate: int | None = None
    bufsize: int | None = None
    preset: str | None = None
    crf: int | None = None
    level: str | None = None

    def shown(self, frames: int) -> int:
        """The number of shown frames of a segment that has `frames` frames in all."""
        return -(-frames // self.every)


class AudioTrack(_Frozen):
    """The audio of a rendition. `sample_rate` and `channels` are those of the output."""

    track: int = Field(ge=0)
    codec: str
    action: Literal["copy", "encode"]
    reason: str
    codecs: str = ""
    sample_rate: int = Field(gt=0)
    channels: int = Field(gt=0)
    bitrate: int | None = None


class SubtitleTrack(_Frozen):
    """Subtitles, which become WebVTT: a track of the source, or an object beside it."""

    track: int | None = None
    sidecar: str | None = None  # its key
    codec: str
    reason: str


Track = VideoTrack | AudioTrack


class OutputId(NamedTuple):
    """An output: the video or audio of a rendition. Several outputs may come from one track of the source."""

    rendition: str
    kind: Literal["video", "audio"]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Segments `first` to `last - 1` of a plan: the work of one task."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.first, self.last))


class Rendition(_Frozen):
    """The media of one media playlist: the picture with or without sound, an alternative sound, or subtitles.

    `bandwidth`, `average_bandwidth`: expected bits per second; those of live playlists are measured.
    """

    name: str = Field(pattern=f"^{RENDITION.pattern}$")
    video: VideoTrack | None = None
    audio: AudioTrack | None = None
    subtitles: SubtitleTrack | None = None
    language: str = ""  # RFC 5646
    title: str = ""
    default: bool = False
    forced: bool = False
    characteristics: str = ""
    bandwidth: int = 0
    average_bandwidth: int = 0

    @property
    def group(self) -> str:
        """The group that it is made with: '' for the base."""
        return group_of(self.name)

    @property
    def outputs(self) -> dict[OutputId, Track]:
        """The audio and video tracks, by output."""
        outputs: dict[OutputId, Track] = {}
        if self.video:
            outputs[OutputId(self.name, "video")] = self.video
        if self.audio:
            outputs[OutputId(self.name, "audio")] = self.audio
        return outputs

    @property
    def tracks(self) -> list[Track]:
        return list(self.outputs.values())


class StreamInfo(_Frozen):
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


class Plan(_Frozen):
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
