"""What a viewer sees of a cold ladder over lines of different speeds: waits, stalls, and the reached quality."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Page

from bench.click import signed_in
from bench.run import Run, say
from bench.stack import BenchError, Stack
from bench.table import Bar, Line, Measure, Row, Rule, Unit
from mam.hls import ladder
from mam.hls.recipe import Profile

LINES = (1.5, 5.0, 20.0)  # megabits per second
LATENCY_MS = 40
SEGMENTS = 8  # the player reaches its quality within so many segments
MARGIN = 0.7  # A player leaves a part of the line unused; a rung's average counts.
STALLS = Bar(Rule.AT_MOST, 0.5)
REACHED = Bar(Rule.RATIO_AT_LEAST, 1)
SECONDS = SEGMENTS * 6
COPIED = 1080  # lines of the film

# Looks at the video ten times a second, and returns what it saw.
_WATCH = (
    f"""seconds => new Promise((done) => {{
  const SEGMENT = /\\/([^/]+)\\/[0-9]{{5,}}\\.(?:m4s|ts)/, COPIED = {COPIED};
"""
    """
  const begun = performance.now(), seen = { first: null, stalled: 0, height: 0 };
  let before = 0;
  const look = () => {
    const video = document.querySelector("video"), now = performance.now();
    const time = video ? video.currentTime : 0;
    if (seen.first === null && video && video.readyState >= 2 && time > 0) seen.first = (now - begun) / 1000;
    else if (seen.first !== null && time === before && !video.ended) seen.stalled += 0.1;
    before = time;
    if (now - begun <= 1000 * seconds) return setTimeout(look, 100);
    const names = performance.getEntriesByType("resource").map(({ name }) => SEGMENT.exec(name));
    const last = names.filter((name) => name && !name[1].startsWith("audio")).at(-1); // it is shown later
    if (last) seen.height = last[1].startsWith("v") ? Number(last[1].slice(1)) : COPIED;
    done(seen);
  };
  look();
})"""
)


@dataclass(frozen=True, slots=True)
class Seen:
    """`first`: seconds to the first picture; `stalled`: seconds that playback stood still after it; `height`: lines of
    the last picture that was loaded.
    """

    first: float | None
    stalled: float
    height: int


def watched(run: Run) -> Iterator[Row]:
    """From a click in the library, over a line that Chromium shapes, with the pages' own player: eight segments of a
    ladder of two minutes that nobody has converted.

    Against the copied picture alone, converted beforehand. The quality that is reached is held against the highest one
    that the line carries.
    """
    film = run.clip()
    for megabits in LINES:
        say(f"{film.label} over {megabits:g} Mbit/s")
        with run.stack.fresh(film) as key:
            ours = _watch(run.stack, key, megabits)
        with run.stack.fresh(film) as key:
            run.stack.transcode(key, profile=Profile.AUTO)
            single = _watch(run.stack, key, megabits)
        what = f"ladder over {megabits:g} Mbit/s"
        yield Line(f"{what}, first picture", _seconds(ours.first), _seconds(single.first, "one rendition"))
        yield Line(f"{what}, stalled", _seconds(ours.stalled), _seconds(single.stalled, "one rendition"), STALLS)
        carried = Measure.of([_carried(megabits)], Unit.COUNT, "lines that it carries")
        yield Line(f"{what}, lines of the picture", Measure.of([ours.height], Unit.COUNT), carried, REACHED)


def _seconds(value: float | None, name: str = "") -> Measure:
    return Measure.of([SECONDS if value is None else value], name=name)


def _carried(megabits: float) -> int:
    """The lines of the highest picture of the film that the line carries."""
    rungs = ladder.below(1920, 1080, 25, 4_700_000)
    rates = {COPIED: 4_900_000, **{rung.height: ladder.promised(rung.maxrate).average for rung in rungs}}
    fitting = [height for height, rate in rates.items() if rate <= MARGIN * megabits * 1e6]
    return max(fitting, default=min(rates))


def _watch(stack: Stack, key: str, megabits: float) -> Seen:
    stack.look(key)
    with signed_in(stack) as page:
        page.goto(f"http://{stack.vod.address}/?q={key.rpartition('/')[2]}")
        link = page.locator(f'a[href="/watch/films/{key}"]').first
        link.hover()  # loads the player
        page.wait_for_load_state("networkidle")
        _shape(page, megabits)
        link.click()
        seen: dict[str, Any] = page.evaluate(_WATCH, SECONDS)
    if not seen["height"]:
        raise BenchError(f"Nothing was shown over {megabits:g} Mbit/s.")
    return Seen(**seen)


def _shape(page: Page, megabits: float) -> None:
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    speed = megabits * 1e6 / 8
    session.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": LATENCY_MS, "downloadThroughput": speed, "uploadThroughput": speed},
    )
