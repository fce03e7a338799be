"""What a person waits for at a page: from the click in the library to the first picture on the screen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, sync_playwright

from bench.run import Run, say
from bench.stack import API_KEY, BenchError, Stack
from bench.table import Bar, Line, Measure, Row, Rule
from tests.e2e.browser import chromium
from tests.pages.browsing import sign_in

CLICK = Bar(Rule.AT_MOST, 1.0)
PATIENCE = 30_000  # milliseconds
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip

# Notes when the next click came, and when a video's first picture was handed to the screen after it.
_STOPWATCH = """() => {
  window.firstPicture = new Promise((done) => addEventListener("click", ({ timeStamp }) => {
    const look = () => {
      const video = document.querySelector("video");
      if (!video) requestAnimationFrame(look);
      else video.requestVideoFrameCallback((moment) => done((moment - timeStamp) / 1000));
    };
    look();
  }, { capture: true, once: true }));
}"""


def first_picture(run: Run) -> Iterator[Row]:
    """From the click on a film in the library to its first picture, in headless Chromium.

    The film was never converted, and the browser has an empty cache but for what the library itself loads. Against the
    same click once the beginning is made and the scripts are cached.
    """
    film = run.feature()
    cold, again = [], []
    for number in run.times(5, quick=3):
        say(f"clicks on {film.label} in the library, round {number + 1}")
        with run.stack.fresh(film) as key, signed_in(run.stack) as (page,):
            cold.append(_click(page, run.stack, key))
            again.append(_click(page, run.stack, key))
    baseline = Measure.of(again, name="once more")
    yield Line(f"click in the library, {film.label}, to the first picture", Measure.of(cold), baseline, CLICK)


@contextmanager
def signed_in(stack: Stack, *, pages: int = 1) -> Iterator[list[Page]]:
    """Pages of a browser of their own, each for another person, signed in."""
    executable = chromium()
    if executable is None:
        raise BenchError("There is no Chromium here.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        try:
            opened = [browser.new_page() for _ in range(pages)]
            for page in opened:
                page.set_default_timeout(PATIENCE)
                sign_in(page, f"http://{stack.vod.address}/", API_KEY)
            yield opened
        finally:
            browser.close()


def _click(page: Page, stack: Stack, key: str) -> float:
    """Seconds to the first picture of a film that is found in the library and clicked."""
    name = key.rpartition("/")[2]
    stack.look(key)
    page.goto(f"http://{stack.vod.address}/?q={name}")
    link = page.locator(f'a[href="/watch/films/{key}"]').first
    link.wait_for()
    page.evaluate(_STOPWATCH)
    link.click()
    seconds: float = page.evaluate("window.firstPicture")
    return seconds
