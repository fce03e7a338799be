"""Recipes: what is to be made of a source, and when something that exists satisfies a request.

An encode setting has its default in mam/settings.py and its field here; the rest of the program has it from here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import Enum
from typing import Protocol

RECODED = "A copy of it could not be decoded."  # The reason that plans give where a recipe says `recoded`.


class Profile(str, Enum):
    """What is to be made. The values are the API's."""

    SOURCE = "source"  # streams are copied, or the file is refused
    H264 = "h264"  # the picture is encoded, and whatever sound is not AAC already
    AUTO = "auto"  # what can be copied is copied, the rest is encoded


class Format(str, Enum):
    """What segments are packed in. The values are the API's."""

    TS = "ts"
    FMP4 = "fmp4"


def kind_of(profile: Profile, fmt: Format) -> str:
    """A profile and a format in a word: `h264`, `auto.fmp4`."""
    return profile.value if fmt is Format.TS else f"{profile.value}.{fmt.value}"


def profile_and_format(kind: str) -> tuple[Profile, Format]:
    """What `kind_of` made a word of."""
    profile, _, fmt = kind.partition(".")
    return Profile(profile), Format(fmt) if fmt else Format.TS


def satisfies(kinds: str, kind: str) -> bool:
    """Whether something that serves as these kinds, separated by spaces, serves a request for a kind.

    An empty `kind` asks for anything, and empty `kinds` serve as anything.
    """
    return not kind or not kinds or kind in kinds.split(" ")


class RecipeSettings(Protocol):
    """The settings that complete a recipe. They are documented in `.env.example`."""

    segment_seconds: int
    max_key_frame_seconds: int
    h264_preset: str
    h264_crf: int
    audio_bitrate: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks for: it leaves the rest of the recipe to the settings.

    `audio_language`: the one sound that is wanted; '' for all. `recoded`: nothing is copied, because a copy could not
    be decoded.
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
        )


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what is made of a source. Orders have these names in their JSON.

    `preset`, `crf`: those of x264. `audio_bitrate`: bits a second. `audio_language`: the one sound that is wanted, RFC
    5646; '' for all. `max_key_frame_seconds`: the longest distance of key frames that is copied. `recoded`: nothing is
    copied, because a copy could not be decoded.
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

    @property
    def kind(self) -> str:
        return kind_of(self.profile, self.format)

    @property
    def wanted(self) -> Wanted:
        """The request that it came from."""
        return Wanted(self.profile, self.format, self.audio_language, self.recoded)

    def identity(self) -> str:
        """The part of a revision's identity that is the recipe's: only what changes the outcome of the profile."""
        made = f"segment={self.segment_seconds}"
        if self.profile is not Profile.H264:
            made += f":keys={self.max_key_frame_seconds}"
        if self.profile is not Profile.SOURCE:
            made += f":crf={self.crf}:preset={self.preset}:audio={self.audio_bitrate}"
        if self.recoded:
            made += ":recoded"
        return f"{self.profile.value}:{self.format.value}:{self.audio_language}:{made}"

    def alternatives(self) -> list[Recipe]:
        """The recipes whose outcome may satisfy a request for this one, itself included.

        Where a copy could not be decoded, they copy no picture.
        """
        every = (replace(self, profile=profile, recoded=recoded) for profile in Profile for recoded in (False, True))
        return [each for each in every if not self.recoded or each.recoded or each.profile is Profile.H264]

    def to_dict(self) -> dict[str, object]:
        return {**asdict(self), "profile": self.profile.value, "format": self.format.value}
