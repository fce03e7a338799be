"""SubRip (.srt): read as leniently as players do, for no specification of it exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise

from mam.hls import cues
from mam.hls.cues import Cue

_TAGS = frozenset({"b", "i", "u"})
_INDEX = re.compile(r"\s*[0-9]+\s*")
_OVERRIDE = re.compile(r"\{\\[^{}]*\}|\{[YyCcFfSsPp]:[^{}\n]*\}")  # of Advanced SubStation Alpha; of MicroDVD
_SWITCH = re.compile(r"\\([biu])([01])(?![0-9])")
_PLACE = re.compile(r"\\an([1-9])|\\a([0-9]{1,2})(?![0-9])")
_COLUMNS = ("align:left", "", "align:right")
_ROWS = ("", "line:50%", "line:0")  # bottom, middle, top


def read(text: str) -> Iterator[Cue]:
    """The cues in the order of the file. A cue's text lasts until the next timing line, over empty lines too."""
    lines = text.split("\n")
    found = [(number, timing) for number, line in enumerate(lines) if (timing := cues.timing(line))]
    if not found:
        return
    indexed = _begins_with_index(lines[: found[0][0]])
    numbers = [number for number, _ in found]
    for (number, behind), (_, (start, end, rest)) in zip(pairwise([*numbers, len(lines)]), found, strict=True):
        last = _without_index(lines, number + 1, behind) if indexed and behind < len(lines) else behind
        yield _cue(start, end, rest, "\n".join(lines[number + 1 : last]))


def _begins_with_index(head: list[str]) -> bool:
    """Whether the cues of this file are numbered: a line of digits stands before the first timing line."""
    filled = [line for line in head if line.strip()]
    return bool(filled) and _INDEX.fullmatch(filled[-1]) is not None


def _without_index(lines: list[str], first: int, behind: int) -> int:
    """Where a cue's text, lines[first:behind], ends when the next cue's number is left out.

    In files with an empty line after every line, the number stands apart; else "42" before an empty line is text.
    """
    at = behind - 1
    while at >= first and not lines[at].strip():
        at -= 1
    if at < first or not _INDEX.fullmatch(lines[at]):
        return behind
    return at if at == behind - 1 or (at > first and not lines[at - 1].strip()) else behind


def _cue(start: Fraction, end: Fraction, rest: str, text: str) -> Cue:
    """`rest`: what stands behind the times; coordinates (X1:40 ...) are no WebVTT settings and go."""
    places = [place for override in _OVERRIDE.findall(text) if (place := _PLACE.search(override))]
    settings = cues.settings(rest) or (_settings(places[0]) if places else "")
    marked = _OVERRIDE.sub(lambda override: _switches(override[0]), text)
    return Cue(start, end, cues.payload(marked, tags=_TAGS), settings)


def _switches(override: str) -> str:
    """`{\\i1}` as `<i>`, `{\\i0}` as `</i>`; nothing else of an override can be said in WebVTT."""
    return "".join(f"<{'' if on == '1' else '/'}{name}>" for name, on in _SWITCH.findall(override))


def _settings(place: re.Match[str]) -> str:
    r"""Of `\an8` (as on a numeric keypad) or `\a6` (the older way: 1 to 3, with 4 for the top and 8 for the middle)."""
    if place[1]:
        row, column = divmod(int(place[1]) - 1, 3)
    else:
        old = int(place[2])
        row, column = 2 if old & 4 else 1 if old & 8 else 0, max((old & 3) - 1, 0) if old & 3 else 1
    return f"{_ROWS[row]} {_COLUMNS[column]}".strip()
