"""What the operator set and the caller asked for, as far as planning goes by it."""

from __future__ import annotations

from dataclasses import dataclass

from mam.hls.plan import Format, Profile

RECODED = "A copy of it could not be decoded."  # why nothing is copied where `recoded` says so


@dataclass(frozen=True, slots=True)
class Wishes:
    """`audio_language`: the one sound that is wanted, RFC 5646; '' for all. Bit rates in bits, times in seconds.

    `recoded`: nothing is copied, because a copy could not be decoded.
    """

    profile: Profile
    format: Format = Format.TS
    audio_language: str = ""
    max_key_frame_seconds: int = 20
    segment_seconds: int = 6
    preset: str = "veryfast"
    crf: int = 23
    audio_bitrate: int = 128_000
    max_duration: int = 24 * 3600
    recoded: bool = False
