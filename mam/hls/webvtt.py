"""WebVTT: reads subtitle files, and writes the segments of a subtitle rendition."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice

from mam.hls import cues as rules
from mam.hls import encodings, subrip
from mam.hls.cues import Cue as Cue
from mam.hls.cues import Cues as Cues
from mam.hls.cues import InvalidSubtitles as InvalidSubtitles

CONTENT_TYPE = "text/vtt"
MAX_BYTES = 20_000_000  # A larger subtitle file is refused: two hours of speech are 200 kB.
MAX_CUES = 100_000  # A file may have this many cues: ten a second for nearly three hours.
MAX_LINES = 1_000_000  # A file may have this many lines: short lines take far more memory than bytes.
MPEGTS = 90_000  # The clock of MPEGTS has this many ticks per second.
_HEADER = re.compile(r"WEBVTT(?:[ \t]|$)")
_LEFT_OUT = re.compile(r"(?:NOTE|STYLE|REGION)(?:[ \t]|$)")
_LINE_BREAK = re.compile(r"\r+\n|\r")  # "\r\r\n" comes from text files that were converted twice.
_MAP = "X-TIMESTAMP-MAP="


def parse(data: bytes, *, origin: int | None = None, language: str = "") -> Cues:
    """The cues of a SubRip or WebVTT file, which are distinguished by content.

    `origin`: the MPEG-TS time, in seconds, of the presentation's zero, for files with an X-TIMESTAMP-MAP (RFC 8216
    section 3.5). A file beside an MP4 has no such time: with None, the map's LOCAL time is the presentation's zero.
    `language`: from the file's name, a hint for files that are not Unicode.
    Raises InvalidSubtitles when no cues are found, or too many.
    """
    if len(data) > MAX_BYTES:
        raise InvalidSubtitles(f"The file has {len(data)} bytes; at most {MAX_BYTES} are read.")
    text = _LINE_BREAK.sub("\n", encodings.decode(data, language)).replace("\0", "\ufffd").lstrip("\ufeff \t\n")
    if text.count("\n") > MAX_LINES:
        raise InvalidSubtitles(f"It has more than {MAX_LINES} lines.")
    is_webvtt = _HEADER.match(text.partition("\n")[0]) is not None
    cues = list(islice(_read(text, origin) if is_webvtt else subrip.read(text), MAX_CUES + 1))
    if not cues and not is_webvtt:
        raise InvalidSubtitles("It has no line such as 00:00:01,000 --> 00:00:02,000.")
    if len(cues) > MAX_CUES:
        raise InvalidSubtitles(f"It has more than {MAX_CUES} cues.")
    return Cues(cues)


def segment(cues: Cues, *, start: Fraction, end: Fraction, origin: int) -> str:
    """The segment from `start` to `end`: every cue that overlaps it, with its full times.

    `start`, `end`: seconds on the presentation's timeline, whose zero is `origin` seconds of MPEG-TS time. A cue that
    began before zero begins at zero: WebVTT has no negative times.
    """
    head = f"WEBVTT\n{_MAP}MPEGTS:{origin * MPEGTS},LOCAL:00:00:00.000\n"
    shown = (_written(cue) for cue in cues.overlapping(start, end))
    return "\n".join((head, *shown))


def _written(cue: Cue) -> str:
    begin = max(rules.milliseconds(cue.start), 0)
    end = max(rules.milliseconds(cue.end), begin + 1)  # a shorter cue would be invalid
    settings = f" {cue.settings}" if cue.settings else ""
    return f"{rules.written(begin)} --> {rules.written(end)}{settings}\n{cue.text}\n"


def _read(text: str, origin: int | None) -> Iterator[Cue]:
    """The cues of a WebVTT file in order. A header in the middle, where files were joined, resets the time map."""
    lines = text.split("\n")
    shift, line_number = Fraction(0), 0
    while line_number < len(lines):
        line, first = lines[line_number], line_number + 1
        line_number = first
        if _HEADER.match(line):
            line_number = _end_of_block(lines, first)
            shift = _shift(lines[first:line_number], origin)
        elif _LEFT_OUT.match(line):
            while line_number < len(lines) and lines[line_number]:
                line_number += 1
        elif timing := rules.timing(line):
            line_number = _end_of_block(lines, first)
            start, end, settings = timing
            text = rules.payload("\n".join(lines[first:line_number]), shift=shift)
            yield Cue(start + shift, end + shift, text, rules.settings(settings))


def _end_of_block(lines: list[str], line_number: int) -> int:
    """The next line that is empty or has the timing of the next cue (section 6.1)."""
    while line_number < len(lines) and lines[line_number] and "-->" not in lines[line_number]:
        line_number += 1
    return line_number


def _shift(header: list[str], origin: int | None) -> Fraction:
    """The offset in seconds from a file's times to the presentation's, by X-TIMESTAMP-MAP; 0 without a valid one."""
    line = next((line for line in header if line.startswith(_MAP)), "")
    values = dict(part.strip().partition(":")[::2] for part in line.removeprefix(_MAP).split(","))
    local, ticks = rules.time(values.get("LOCAL", "")), values.get("MPEGTS", "")
    if local is None or not re.fullmatch(r"[0-9]{1,12}", ticks):
        return Fraction(0)
    return (Fraction(int(ticks), MPEGTS) - origin if origin is not None else Fraction(0)) - local
