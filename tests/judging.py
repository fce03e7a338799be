"""What is wrong with a stream that was made of an oddity: measured on what a player would decode."""

from __future__ import annotations

from collections.abc import Iterator

import m3u8

from tests.oddities import Oddity
from tests.painted import UPRIGHT, Seen, look

WHITE, BLACK = 170, 40  # of 255: HDR's white would be at 148 if it were shown as it is
RED = 0.6  # how far a red that is not washed out stands above green and blue
EVEN = 0.004  # seconds by which steps of a fixed frame rate may differ: milliseconds, rounded up and down
COMBED = 1.0  # 0.6 in a sound picture, 3 to 5 where lines are of two moments
PADDING = 0.1  # seconds of audio frames at the ends
SECOND_LANGUAGES = {"eng": "en", "deu": "de", "ger": "de", "fra": "fr", "fre": "fr"}


def objections(odd: Oddity, url: str, master: str, *, encoded: bool) -> list[str]:
    """`master`: the text of the playlist at `url`. Nothing to object: an empty list."""
    if odd.name == "1x1.mp4":
        return []  # nothing is to be seen in it
    seen = look(url)
    found = [*_picture(odd, seen, encoded=encoded), *_sound(odd, seen, encoded=encoded), *_renditions(odd, master)]
    spare = PADDING + (1 / seen.rate if seen.rate else 0)
    if not -spare < seen.seconds - odd.seconds < spare + (0 if encoded else odd.preroll):
        found.append(f"lasts {seen.seconds:.2f} s, not {odd.seconds:.2f} s")
    return found


def _picture(odd: Oddity, seen: Seen, *, encoded: bool) -> Iterator[str]:
    if odd.size is None or seen.size is None:
        if odd.size != seen.size:
            yield f"a picture of {seen.size}, not {odd.size}"
        return
    if seen.size != odd.size:
        yield f"shown at {seen.size[0]}x{seen.size[1]}, not {odd.size[0]}x{odd.size[1]}"
    if seen.corners != UPRIGHT:
        yield f"its corners are {', '.join(seen.corners)}"
    if seen.white < WHITE or seen.black > BLACK or seen.redness < RED:
        yield f"washed out: white {seen.white:.0f}, black {seen.black:.0f}, redness {seen.redness:.2f}"
    if not encoded:
        return
    if seen.transfer not in (1, 2, 6):
        yield f"says that its transfer characteristic is {seen.transfer}"
    shortest, longest = seen.steps
    if longest - shortest > EVEN:
        yield f"between two frames lie {shortest * 1000:.1f} to {longest * 1000:.1f} ms"
    if odd.rate and not any(abs(seen.rate - rate) < 0.02 for rate in odd.rate):
        yield f"{seen.rate:.3f} frames a second"
    if odd.interlaced and seen.combing > COMBED:
        yield f"combed ({seen.combing:.1f})"


def _sound(odd: Oddity, seen: Seen, *, encoded: bool) -> Iterator[str]:
    if odd.sound != (seen.heard is not None):
        yield "there is no sound" if odd.sound else "there is sound"
    if encoded and odd.sound and not odd.peak[0] <= seen.loudness <= odd.peak[1]:
        yield f"beeps at {seen.loudness:.2f}, not {odd.peak[0]:.2f} to {odd.peak[1]:.2f}"
    if odd.lag is None or not seen.heard or not seen.shown:
        return
    until = float(seen.heard[1] if odd.beeps_until is None else seen.shown[0] + odd.beeps_until)
    allowed = max(1.5 * seen.steps[1], 0.05)  # a flash is seen with the next frame
    pairs = [
        (float(flash), min((float(beep) - float(flash) - odd.lag for beep in seen.beeps), key=abs, default=9.0))
        for flash in seen.flashes
        if float(seen.heard[0]) < float(flash) + odd.lag < until - PADDING
    ]
    if not pairs:
        yield "no flash has a beep"
    off = [f"{lag * 1000:+.0f} ms at {flash:.1f} s" for flash, lag in pairs if abs(lag) > allowed]
    if off:
        yield f"out of sync: {', '.join(off)}"


def _renditions(odd: Oddity, master: str) -> Iterator[str]:
    listed = m3u8.loads(master).media
    for kind, wanted in (("AUDIO", odd.languages), ("SUBTITLES", odd.subtitles)):
        languages = {SECOND_LANGUAGES.get(item.language, item.language) for item in listed if item.type == kind}
        if wanted and languages != set(wanted):
            yield f"{kind}: {sorted(map(str, languages)) or 'none'}, not {sorted(wanted)}"
