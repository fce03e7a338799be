"""Subtitles as values: cues in order, with valid WebVTT text, settings and times.

Section numbers are those of the specification, https://www.w3.org/TR/webvtt1/.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from html import escape, unescape
from itertools import accumulate

from mam.errors import MediaError

TAGS = frozenset({"b", "c", "i", "lang", "ruby", "rt", "u", "v"})
_ANNOTATED = frozenset({"lang", "v"})
_TAGS_AND_TEXT = re.compile(r"(<[^<>]*>)")
_TAG = re.compile(r"<(/?)([a-z][a-z0-9]*)((?:\.[^\s.<>&/]+)*)(\s[^<>]*|/)?>", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_LINE_BREAKS = re.compile(r"[\r\n]+")

_TIME = r"(-?)(?:([0-9]{1,6}):)?([0-9]{1,3}):([0-9]{1,2})(?:[.,]([0-9]{1,9}))?"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s(.*))?$")
_ONE_TIME = re.compile(_TIME)

_PERCENTAGE = r"(?:100(?:\.0{1,9})?|[0-9]{1,2}(?:\.[0-9]{1,9})?)%"
_SETTING = re.compile(
    r"vertical:(?:rl|lr)"
    rf"|line:(?:-?[0-9]{{1,4}}|{_PERCENTAGE})(?:,(?:start|center|end))?"
    rf"|position:{_PERCENTAGE}(?:,(?:line-left|center|line-right))?"
    rf"|size:{_PERCENTAGE}"
    r"|align:(?:start|center|end|left|right)"
)


class InvalidSubtitles(MediaError):
    code, title = "invalid_subtitles", "The object is not a usable subtitle file"
    hint = "Upload SubRip (.srt) or WebVTT (.vtt), best in UTF-8."


@dataclass(frozen=True, slots=True)
class Cue:
    """A text that is shown from `start` to `end` (seconds).

    `text`: the escaped WebVTT payload, without empty lines. `settings`: valid ones, separated by single spaces.
    """

    start: Fraction
    end: Fraction
    text: str
    settings: str = ""


class Cues(tuple[Cue, ...]):
    """Cues in the order of their starts, each once; cues that are never visible are left out.

    Of cues that begin together the one that ends last comes first (HTML, "text track cue order"). An index of ends
    makes it fast to find the cues of a moment.
    """

    _latest: list[Fraction]  # for each cue, the latest end of it and all previous ones

    def __new__(cls, cues: Iterable[Cue] = ()) -> Cues:
        shown = (cue for cue in cues if cue.start < cue.end and cue.end > 0 and is_visible(cue.text))
        self = super().__new__(cls, dict.fromkeys(sorted(shown, key=lambda cue: (cue.start, -cue.end))))
        self._latest = list(accumulate((cue.end for cue in self), max))
        return self

    def overlapping(self, start: Fraction, end: Fraction) -> list[Cue]:
        """Every cue that overlaps [start, end)."""
        first = bisect_right(self._latest, start)
        last = bisect_left(self, end, key=lambda cue: cue.start)
        return [cue for cue in self[first:last] if cue.end > start]


def is_visible(text: str) -> bool:
    """Whether a payload has text besides its tags."""
    return bool(_TAGS_AND_TEXT.sub("", text).strip())


def payload(text: str, *, tags: frozenset[str] = TAGS, shift: Fraction = Fraction(0)) -> str:
    """Text with markup as a cue's payload (section 4.2.2, 4.2.6): valid WebVTT for any input.

    `tags`: the names of tags to keep; of other tags only the content is kept. Text that looks like a tag ("<3") is
    text. `shift`: seconds to add to inline timestamps.
    """
    pieces = _TAGS_AND_TEXT.split(text)
    pieces[::2] = [_text(piece) for piece in pieces[::2]]
    pieces[1::2] = [_tag(piece, tags, shift) for piece in pieces[1::2]]
    lines = (line.strip() for line in _LINE_BREAKS.split("".join(pieces)))
    return "\n".join(line for line in lines if line)  # an empty line would end the cue


def _text(text: str) -> str:
    """The text, escaped once: players know few HTML entities, and a payload must not contain "-->"."""
    return escape(_ENTITY.sub(lambda entity: unescape(entity[0]), text), quote=False)


def _tag(tag: str, tags: frozenset[str], shift: Fraction) -> str:
    if (moment := time(tag[1:-1])) is not None:
        return f"<{written(milliseconds(moment + shift))}>" if moment + shift >= 0 else ""
    match = _TAG.fullmatch(tag)
    if match is None:
        return _text(tag)
    end, name, classes, annotation = match[1], match[2].lower(), match[3], " ".join((match[4] or "").split())
    if name == "br":
        return "\n"
    if name not in tags or classes.endswith("--"):  # "-->" would end the cue here too
        return ""
    if end or name not in _ANNOTATED:
        return f"<{end}{name}{'' if end else classes}>"
    annotation = _text(annotation.rstrip("-/ "))
    return f"<{name}{classes}{' ' if annotation else ''}{annotation}>"


def settings(text: str) -> str:
    """The valid settings of a cue (section 4.4); of two for the same property the later one."""
    words = (word.replace(":middle", ":center") for word in text.split())  # drafts of the format used ":middle"
    return " ".join({word.partition(":")[0]: word for word in words if _SETTING.fullmatch(word)}.values())


def timing(line: str) -> tuple[Fraction, Fraction, str] | None:
    """(start, end, what follows) of a line such as `00:01.000 --> 00:02,5`, in seconds; None for another line."""
    if "-->" not in line or not (match := _TIMING.match(line)):
        return None
    parts = match.groups()
    return _seconds(*parts[:5]), _seconds(*parts[5:10]), parts[10] or ""


def time(text: str) -> Fraction | None:
    """The seconds of a timestamp of WebVTT or SubRip; None for other texts."""
    match = _ONE_TIME.fullmatch(text)
    return _seconds(*match.groups()) if match else None


def _seconds(sign: str | None, hours: str | None, minutes: str, whole: str, decimals: str | None) -> Fraction:
    decimals = decimals or "0"
    total = int(hours or 0) * 3600 + int(minutes) * 60 + int(whole) + Fraction(int(decimals), 10 ** len(decimals))
    return -total if sign else total


def milliseconds(seconds: Fraction) -> int:
    """Seconds as milliseconds, rounded to the nearest."""
    return (2000 * seconds.numerator + seconds.denominator) // (2 * seconds.denominator)


def written(ms: int) -> str:
    """Non-negative milliseconds as hh:mm:ss.mmm (section 4.3)."""
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"
