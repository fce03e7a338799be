"""Recipes: the wanted output of a source, and whether an existing output satisfies a request.

An encode setting has its default in mam/settings/settings.py and its field here, which the rest of the program uses.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import Enum
from typing import Protocol

from mam.rung_table import RUNGS, Rung

RECODED = "A copy of it could not be decoded."  # Plans give this reason where the recipe is `recoded`.


class Profile(str, Enum):
    """How streams are converted. The values are those of the API."""

    SOURCE = "source"  # copies streams, or refuses the file
    H264 = "h264"  # encodes the picture, and sound other than AAC
    AUTO = "auto"  # copies streams where possible, and encodes the others
    LADDER = "ladder"  # as `auto`, with further renditions of the picture that are made when they are requested

    @property
    def chooses(self) -> bool:
        """Whether streams are copied where possible, and else encoded."""
        return self in (Profile.AUTO, Profile.LADDER)


class Format(str, Enum):
    """The container format of segments. The values are those of the API."""

    TS = "ts"
    FMP4 = "fmp4"


def kind_of(profile: Profile, fmt: Format) -> str:
    """The kind of a profile and a format: `h264`, `auto.fmp4`. A ladder has one format."""
    if profile is Profile.LADDER:
        fmt = Format.TS  # which kinds do not name
    return str(profile.value) if fmt is Format.TS else f"{profile.value}.{fmt.value}"


def profile_and_format(kind: str) -> tuple[Profile, Format]:
    """The profile and format of a kind."""
    profile, _, fmt = kind.partition(".")
    if profile == Profile.LADDER.value:
        return Profile.LADDER, Format.FMP4
    return Profile(profile), Format(fmt) if fmt else Format.TS


def satisfies(kinds: str, kind: str) -> bool:
    """Whether an output of these kinds, separated by spaces, satisfies a request for a kind.

    An empty `kind` is satisfied by any output, and empty `kinds` satisfy any request.
    """
    return not kind or not kinds or kind in kinds.split(" ")


class RecipeSettings(Protocol):
    """The settings that complete a recipe. They are documented in `.env.example`."""

    segment_seconds: int
    max_key_frame_seconds: int
    h264_preset: str
    h264_crf: int
    audio_bitrate: int

    @property
    def rungs(self) -> tuple[Rung, ...]: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """The part of a recipe that a request chooses; the settings supply the other values.

    `audio_language`: the only wanted sound; '' for all. `recoded`: nothing is copied, because a copy could not be
    decoded.
    """

    profile: Profile
    format: Format = Format.TS
    audio_language: str = ""
    recoded: bool = False

    @property
    def kind(self) -> str:
        return kind_of(self.profile, self.format)

    def recipe(self, settings: RecipeSettings) -> Recipe:
        return Recipe(
            profile=self.profile,
            format=self.format,
            audio_language=self.audio_language,
            recoded=self.recoded,
            segment_seconds=settings.segment_seconds,
            max_key_frame_seconds=settings.max_key_frame_seconds,
            preset=settings.h264_preset,
            crf=settings.h264_crf,
            audio_bitrate=settings.audio_bitrate,
            rungs=settings.rungs if self.profile is Profile.LADDER else (),
        )


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that determines the output of a source. Orders have these names in their JSON.

    `preset`, `crf`: those of x264. `audio_bitrate`: bits per second. `audio_language`: the only wanted sound, RFC 5646;
    '' for all. `max_key_frame_seconds`: the longest distance of key frames for a copy. `recoded`: nothing is copied,
    because a copy could not be decoded. `rungs`: the table of a ladder's; () for the one of this program.
    """

    profile: Profile
    segment_seconds: int
    preset: str
    crf: int
    audio_bitrate: int
    format: Format = Format.TS
    audio_language: str = ""
    max_key_frame_seconds: int = 20
    recoded: bool = False
    rungs: tuple[Rung, ...] = ()

    @property
    def kind(self) -> str:
        return kind_of(self.profile, self.format)

    @property
    def wanted(self) -> Wanted:
        """The request that the recipe came from."""
        return Wanted(self.profile, self.format, self.audio_language, self.recoded)

    def identity(self) -> str:
        """The recipe's part of a revision's identity: only values that change the output of the profile."""
        options = f"segment={self.segment_seconds}"
        if self.profile is not Profile.H264:
            options += f":keys={self.max_key_frame_seconds}"
        if self.profile is not Profile.SOURCE:
            options += f":crf={self.crf}:preset={self.preset}:audio={self.audio_bitrate}"
        if self.profile is Profile.LADDER:
            options += f":rungs={','.join(f'{r.side}/{r.maxrate}/{r.crf}' for r in self.rungs or RUNGS)}"
        if self.recoded:
            options += ":recoded"
        return f"{self.profile.value}:{self.format.value}:{self.audio_language}:{options}"

    def alternatives(self) -> list[Recipe]:
        """The recipes whose output may satisfy a request for this one, itself included.

        Where a copy could not be decoded, they copy no picture.
        """
        every = (replace(self, profile=profile, recoded=recoded) for profile in Profile for recoded in (False, True))
        return [r for r in every if not self.recoded or r.recoded or r.profile is Profile.H264]

    def to_dict(self) -> dict[str, object]:
        fields = {**asdict(self), "profile": self.profile.value, "format": self.format.value}
        if not self.rungs:
            del fields["rungs"]
        return fields
