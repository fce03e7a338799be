"""Whether a video's level allows its size and frame rate (ITU-T H.264 annex A, ITU-T H.265 annex A). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from mam.check.media import SegmentFacts, TrackFacts
from mam.check.report import Finding, error

MACROBLOCK = 16  # pixels
LONGEST = 8  # A side squared is at most this many times the area that a level allows.
SLACK = Fraction(51, 50)  # Frame rates are measured by rounded timestamps, and vary a little.
# level_idc: macroblocks per second (MaxMBPS), macroblocks per frame (MaxFS): H.264 table A-1.
H264 = {
    9: (1_485, 99), 10: (1_485, 99), 11: (3_000, 396), 12: (6_000, 396), 13: (11_880, 396), 20: (11_880, 396),
    21: (19_800, 792), 22: (20_250, 1_620), 30: (40_500, 1_620), 31: (108_000, 3_600), 32: (216_000, 5_120),
    40: (245_760, 8_192), 41: (245_760, 8_192), 42: (522_240, 8_704), 50: (589_824, 22_080), 51: (983_040, 36_864),
    52: (2_073_600, 36_864), 60: (4_177_920, 139_264), 61: (8_355_840, 139_264), 62: (16_711_680, 139_264),
}  # fmt: skip
# general_level_idc: luma samples per second (MaxLumaSr), luma samples per picture (MaxLumaPs): H.265 tables A.8, A.9.
HEVC = {
    30: (552_960, 36_864), 60: (3_686_400, 122_880), 63: (7_372_800, 245_760), 90: (16_588_800, 552_960),
    93: (33_177_600, 983_040), 120: (66_846_720, 2_228_224), 123: (133_693_440, 2_228_224),
    150: (267_386_880, 8_912_896), 153: (534_773_760, 8_912_896), 156: (1_069_547_520, 8_912_896),
    180: (1_069_547_520, 35_651_584), 183: (2_139_095_040, 35_651_584), 186: (4_278_190_080, 35_651_584),
}  # fmt: skip
_AVC = re.compile(r"avc[13]\.[0-9A-F]{4}([0-9A-F]{2})$", re.IGNORECASE)
_HVC = re.compile(r"h(?:vc|ev)1\.[^.]+\.[^.]+\.[LH]([0-9]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Limits:
    """The limits of a level. `unit`: the side of the square that is counted, in pixels. `speed`: units per second.
    `area`: units per picture."""

    unit: int
    speed: int
    area: int


def level_rules(segments: Sequence[SegmentFacts], where: str) -> Iterator[Finding]:
    """Compares the level in the parameter sets with the pictures of all measured segments."""
    tracks = [track for facts in segments for track in facts.tracks if track.kind == "video" and track.width]
    seconds = sum((track.end - track.first for track in tracks), Fraction(0))
    rate = sum(track.frames for track in tracks) / seconds if seconds else Fraction(0)
    for track in {(track.codec, track.width, track.height): track for track in tracks}.values():
        limits = _limits(track.codec)
        if limits and (reason := _exceeded(limits, track, rate)):
            yield error("level", where, f"Its level ({track.codec}) is too low for {reason}.")


def _limits(codec: str) -> _Limits | None:
    if (found := _AVC.match(codec)) and (row := H264.get(int(found[1], 16))):
        return _Limits(MACROBLOCK, *row)
    if (found := _HVC.match(codec)) and (row := HEVC.get(int(found[1]))):
        return _Limits(1, *row)
    return None


def _exceeded(limits: _Limits, track: TrackFacts, rate: Fraction) -> str:
    """The property of a picture that exceeds the limits; '' for none."""
    width, height = -(-track.width // limits.unit), -(-track.height // limits.unit)
    if width * height > limits.area or max(width, height) ** 2 > LONGEST * limits.area:
        return f"{track.width}x{track.height}"
    if width * height * rate > limits.speed * SLACK:
        return f"{track.width}x{track.height} at {float(rate):.3f} frames a second"
    return ""
