"""The renditions of a plan, and the tracks that are in them."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from mam.naming import RENDITION, group_of


class Frozen(BaseModel):
    """A part of a plan: a plan never changes."""

    model_config = ConfigDict(frozen=True)


class _MediaTrack(Frozen):
    """A track of the source in a rendition, copied or encoded, and why. `codecs`: its name in CODECS."""

    track: int = Field(ge=0)
    codec: str
    action: Literal["copy", "encode"]
    reason: str
    codecs: str = ""


class VideoTrack(_MediaTrack):
    """The video of a rendition, and how it is encoded where it is not copied.

    `filters`: of libavfilter, in order: they make the picture upright, square and 8 bit.
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


class AudioTrack(_MediaTrack):
    """The audio of a rendition. `sample_rate` and `channels` are those of the output."""

    sample_rate: int = Field(gt=0)
    channels: int = Field(gt=0)
    bitrate: int | None = None


class SubtitleTrack(Frozen):
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


class Rendition(Frozen):
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
