"""Reads SubRip (.srt) as leniently as players: it has no specification."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise

from mam.hls import cues
from mam.hls.cues import Cue

_TAGS = frozenset({"b", "i", "u"})
_INDEX = re.compile(r"\s*[0-9]+\s*")
_OVERRIDE = re.compile(r"\{\\[^{}]*\}|\{[YyCcFfSsPp]:[^{}\n]*\}")  # Of Advanced SubStation Alpha and of MicroDVD.
_SWITCH = re.compile(r"\\([biu])([01])(?![0-9])")
_PLACE = re.compile(r"\\an([1-9])|\\a([0-9]{1,2})(?![0-9])")
_COLUMNS = ("align:left", "", "align:right")
_ROWS = ("", "line:50%", "line:0")  # bottom, middle, top


def read(text: str) -> Iterator[Cue]:
    """The cues in the order of the file. A cue's text ends at the next timing line, even after empty lines."""
    lines = text.split("\n")
    timings = [(number, timing) for number, line in enumerate(lines) if (timing := cues.timing(line))]
    if not timings:
        return
    indexed = _begins_with_index(lines[: timings[0][0]])
    numbers = [number for number, _ in timings]
    for (number, next_line), (_, (start, end, tail)) in zip(pairwise([*numbers, len(lines)]), timings, strict=True):
        last = _without_index(lines, number + 1, next_line) if indexed and next_line < len(lines) else next_line
        yield _cue(start, end, tail, "\n".join(lines[number + 1 : last]))


def _begins_with_index(head: list[str]) -> bool:
    """Whether the cues of this file are numbered: a line of digits precedes the first timing line."""
    filled = [line for line in head if line.strip()]
    return bool(filled) and _INDEX.fullmatch(filled[-1]) is not None


def _without_index(lines: list[str], first: int, end: int) -> int:
    """The end of a cue's text, lines[first:end], without the next cue's number.

    In files with an empty line after every line, the number is a paragraph by itself; otherwise "42" before an empty
    line is text.
    """
    last = end - 1
    while last >= first and not lines[last].strip():
        last -= 1
    if last < first or not _INDEX.fullmatch(lines[last]):
        return end
    return last if last == end - 1 or (last > first and not lines[last - 1].strip()) else end


def _cue(start: Fraction, end: Fraction, tail: str, text: str) -> Cue:
    """A cue. `tail`: the text after the times; coordinates (X1:40 ...) are dropped, they are no WebVTT settings."""
    places = [place for override in _OVERRIDE.findall(text) if (place := _PLACE.search(override))]
    settings = cues.settings(tail) or (_settings(places[0]) if places else "")
    marked = _OVERRIDE.sub(lambda override: _switches(override[0]), text)
    return Cue(start, end, cues.payload(marked, tags=_TAGS), settings)


def _switches(override: str) -> str:
    """`{\\i1}` as `<i>`, `{\\i0}` as `</i>`; WebVTT has no equivalent for the other overrides."""
    return "".join(f"<{'' if on == '1' else '/'}{name}>" for name, on in _SWITCH.findall(override))


def _settings(place: re.Match[str]) -> str:
    r"""The settings for `\an8` (a numeric keypad) or `\a6` (an older form: 1 to 3, plus 4 for top, 8 for middle)."""
    if place[1]:
        row, column = divmod(int(place[1]) - 1, 3)
    else:
        old = int(place[2])
        row, column = 2 if old & 4 else 1 if old & 8 else 0, max((old & 3) - 1, 0) if old & 3 else 1
    return f"{_ROWS[row]} {_COLUMNS[column]}".strip()
