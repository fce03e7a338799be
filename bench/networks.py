"""What a viewer sees of a cold ladder over lines of different speeds: waits, stalls, and the reached quality."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import CDPSession, Page

from bench import SCRATCH
from bench.click import signed_in
from bench.media import Film
from bench.run import Run, say
from bench.stack import Stack
from bench.table import Bar, Line, Measure, Row, Rule, Unit
from mam.hls import ladder
from mam.hls.recipe import Profile
from mam.rung_table import RUNGS, Rung

LATENCY_MS = 40
SEGMENTS = 8  # the player reaches its quality within so many segments
MARGIN = 0.7  # A player leaves a part of the line unused; a rung's average counts.
STALLS = Bar(Rule.AT_MOST, 0.5)
REACHED = Bar(Rule.RATIO_AT_LEAST, 1)
SECONDS = SEGMENTS * 6
TURN = 16  # A line that changes does so after this many seconds.
COPIED = 1080  # lines of the film
TABLE = (*RUNGS, Rung(240, 250_000))  # that of an operator with viewers on thin lines

# Looks at the video ten times a second.
_WATCH = (
    f"""() => {{
  const SEGMENT = /\\/([^/]+)\\/[0-9]{{5,}}\\.(?:m4s|ts)/, COPIED = {COPIED};
"""
    """
  performance.setResourceTimingBufferSize(10000);
  const begun = performance.now();
  const seen = (window.seen = { first: null, stalled: 0, height: 0, heights: [] });
  let before = 0;
  setInterval(() => {
    const video = document.querySelector("video"), now = performance.now();
    const time = video ? video.currentTime : 0;
    if (seen.first === null && video && video.readyState >= 2 && time > 0) seen.first = (now - begun) / 1000;
    else if (seen.first !== null && time === before && !video.ended) seen.stalled += 0.1;
    before = time;
    const names = performance.getEntriesByType("resource").map(({ name }) => SEGMENT.exec(name));
    const heights = names.filter((name) => name && !name[1].startsWith("audio")) // those of the picture
      .map(([, name]) => name.startsWith("v") ? Number(name.slice(1)) : COPIED);
    seen.height = heights.at(-1) ?? 0; // it is shown later
    seen.heights = heights;
  }, 100);
}"""
)


@dataclass(frozen=True, slots=True)
class Network:
    """A line in megabits per second. `then`: its rate after TURN seconds, if it changes."""

    megabits: float
    then: float | None = None

    @property
    def label(self) -> str:
        return f"{self.megabits:g} Mbit/s" + (f", then {self.then:g}" if self.then else "")

    @property
    def last(self) -> float:
        return self.then or self.megabits


NETWORKS = (Network(0.4), Network(1.5), Network(5), Network(20), Network(20, then=1.5), Network(1.5, then=20))
THREE = (Network(1.5), Network(5), Network(20))


@dataclass(frozen=True, slots=True)
class Seen:
    """`first`: seconds to the first picture; `stalled`: seconds that playback stood still after it; `height`: lines of
    the last picture that was loaded; `heights`: those of all.
    """

    first: float | None
    stalled: float
    height: int
    heights: list[int]


def watched(run: Run) -> Iterator[Row]:
    """From a click in the library, over a line that Chromium shapes, with the pages' own player: eight segments of a
    ladder that nobody has converted. Each viewer has a browser without a history.

    Against the copied picture alone, converted beforehand. The quality that is reached is held against the highest one
    that the line carries.
    """
    table = SCRATCH / "rungs.json"
    table.write_text(json.dumps([{"side": rung.side, "maxrate": rung.maxrate} for rung in TABLE]), "utf-8")
    stack = run.stack_with(LADDER_FILE=str(table))
    film = run.clip()
    for network in NETWORKS:
        (ours,) = _viewed(stack, film, [network])
        (single,) = _viewed(stack, film, [network], profile=Profile.AUTO)
        what = f"ladder over {network.label}"
        yield Line(f"{what}, first picture", _seconds(ours.first), _seconds(single.first, "one rendition"))
        yield Line(f"{what}, stalled", _seconds(ours.stalled), _seconds(single.stalled, "one rendition"), STALLS)
        yield _reached(what, ours, network)
    for network, seen in zip(THREE, _viewed(stack, film, THREE), strict=True):
        what = f"three viewers, over {network.label}"
        yield Line(f"{what}, first picture", _seconds(seen.first))
        yield Line(f"{what}, stalled", _seconds(seen.stalled), bar=STALLS)
        yield _reached(what, seen, network)


def _reached(what: str, seen: Seen, network: Network) -> Line:
    carried = Measure.of([_carried(network.last)], Unit.COUNT, "lines that it carries")
    return Line(f"{what}, lines of the picture", Measure.of([seen.height], Unit.COUNT), carried, REACHED)


def _seconds(value: float | None, name: str = "") -> Measure:
    return Measure.of([SECONDS if value is None else value], name=name)


def _carried(megabits: float) -> int:
    """The lines of the highest picture of the film that the line carries."""
    rungs = ladder.below(1920, 1080, 25, 4_700_000, TABLE)
    rates = {COPIED: 4_900_000, **{rung.height: ladder.promised(rung.maxrate).average for rung in rungs}}
    fitting = [height for height, rate in rates.items() if rate <= MARGIN * megabits * 1e6]
    return max(fitting, default=min(rates))


def _viewed(stack: Stack, film: Film, networks: Sequence[Network], *, profile: Profile | None = None) -> list[Seen]:
    """What viewers see who watch a film at the same time, one over each line.

    `profile`: that of a conversion beforehand; without it nobody has converted the film.
    """
    say(f"{film.label} over {' and '.join(network.label for network in networks)}")
    with stack.fresh(film) as key, signed_in(stack, pages=len(networks)) as pages:
        if profile:
            stack.transcode(key, profile=profile)
        stack.look(key)
        viewers = list(zip(pages, networks, strict=True))
        lines = [_opened(page, stack, key, network) for page, network in viewers]
        for page, _ in viewers:
            page.evaluate(_WATCH)
            page.locator(f'a[href="/watch/films/{key}"]').first.click()
        pages[0].wait_for_timeout(1000 * TURN)
        for line, network in zip(lines, networks, strict=True):
            _shape(line, network.last)
        pages[0].wait_for_timeout(1000 * (SECONDS - TURN))
        found: list[dict[str, Any]] = [page.evaluate("window.seen") for page in pages]
    for network, seen in zip(networks, found, strict=True):
        say(f"  {network.label}: {seen['heights']}")
    return [Seen(**seen) for seen in found]


def _opened(page: Page, stack: Stack, key: str, network: Network) -> CDPSession:
    """The line of a page that shows the film in the library, and has loaded the player."""
    page.goto(f"http://{stack.vod.address}/?q={key.rpartition('/')[2]}")
    page.locator(f'a[href="/watch/films/{key}"]').first.hover()
    page.wait_for_load_state("networkidle")
    line = page.context.new_cdp_session(page)
    line.send("Network.enable")
    _shape(line, network.megabits)
    return line


def _shape(line: CDPSession, megabits: float) -> None:
    speed = megabits * 1e6 / 8
    line.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": LATENCY_MS, "downloadThroughput": speed, "uploadThroughput": speed},
    )
