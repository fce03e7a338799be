"""Pictures of every page, light and dark, on a desktop and a phone: `make screenshots`, into docs/screenshots/.

A system of its own is started for it, with films made here: some live, one in the making, one that failed, one that was
never converted, and one on its way into the bucket.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import imageio_ffmpeg
from playwright.sync_api import Browser, Page, Route, ViewportSize, expect, sync_playwright

from dev.corpus import system
from dev.servers import ROOT, ServerError
from tests.e2e.browser import chromium
from tests.integration.system import API_KEY, BUCKET, Stack, until
from tests.pages.browsing import sign_in

OUT = ROOT / "docs" / "screenshots"
DESKTOP, PHONE = ViewportSize(width=1280, height=800), ViewportSize(width=390, height=844)
PATIENCE = 60_000  # milliseconds
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--autoplay-policy=no-user-gesture-required",
         "--force-device-scale-factor=1", "--hide-scrollbars"]  # fmt: skip
SECONDS = 20
FADES = "gradients=s=1280x720:r=25:nb_colors=4:speed=0.01:c0={}:c1={}:c2={}:c3={}:seed={}"

# key -> lavfi source, and whether it is converted
FILMS = {
    "Above the clouds.mp4": (FADES.format("0x0b3d5c", "0x2a9d8f", "0xe9c46a", "0xe76f51", 7), True),
    "Coast road.mp4": (FADES.format("0x03045e", "0x0077b6", "0x90e0ef", "0xffd166", 11), True),
    "Deep field.mp4": ("mandelbrot=s=1280x720:r=25:start_scale=0.4:end_scale=0.02", True),
    "Evening light.mp4": (FADES.format("0x6a040f", "0xd00000", "0xf48c06", "0xffba08", 3), True),
    "First snow.mp4": (FADES.format("0x1b263b", "0x415a77", "0x778da9", "0xe0e1dd", 5), True),
    "Northern line.mp4": (FADES.format("0x240046", "0x5a189a", "0x00b4a0", "0x72efdd", 9), False),
    "Patterns.mp4": ("sierpinski=s=1280x720:r=25:type=carpet", True),
    "courses/01 Introduction.mp4": (FADES.format("0x264653", "0x2a9d8f", "0x8ab17d", "0xe9c46a", 2), True),
    "courses/02 Light.mp4": (FADES.format("0x5f0f40", "0x9a031e", "0xfb8b24", "0x0f4c5c", 4), True),
}
LONG = "The long way home.mp4"  # still in the making while the pictures are taken
BROKEN = "Holiday.mp4"


def main() -> int:
    executable = chromium()
    if executable is None:
        print("There is no Chromium here.", file=sys.stderr)
        return 2
    try:
        with (
            tempfile.TemporaryDirectory(prefix="mam-screenshots-") as scratch,
            system(Path(scratch) / "system") as stack,
        ):
            fill(stack, Path(scratch))
            shutil.rmtree(OUT, ignore_errors=True)
            OUT.mkdir(parents=True)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
                for device, size in (("desktop", DESKTOP), ("phone", PHONE)):
                    for theme in ("light", "dark"):
                        take(browser, stack, device, size, theme)
                browser.close()
    except ServerError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{len(list(OUT.iterdir()))} pictures in {OUT.relative_to(ROOT)}")
    return 0


def fill(stack: Stack, scratch: Path) -> None:
    """Puts films into the bucket, and waits until those that are to be live have their pictures."""
    print("making films (a minute) …", file=sys.stderr)
    for key, (source, converted) in FILMS.items():
        stack.put(key, film(scratch / "film.mp4", source, SECONDS))
        if converted:
            stack.convert(key, profile="auto")
    stack.put(BROKEN, b"These are not the bytes of a film. " * 40_000)
    stack.transcode(BROKEN, profile="auto")
    once = film(scratch / "film.mp4", FADES.format("0x10002b", "0x3c096c", "0xff6d00", "0xff9e00", 6), SECONDS)
    long = again_and_again(once, scratch / "long.mp4", times=60)
    job = stack.transcode(stack.put(LONG, long), profile="h264", wait=False, priority="low").json()["job"]
    for name in (key.removesuffix(".mp4") for key, (_, converted) in FILMS.items() if converted):
        until(lambda name=name: _has_pictures(stack, name), f"{name} has its pictures", seconds=300)  # type: ignore[misc]
    until(lambda: stack.job(job).json()["progress"]["percent"] > 0, "the long film is under way", seconds=120)


def _has_pictures(stack: Stack, video: str) -> bool:
    return {f"{video}/{stack.revision(video)}/{name}" for name in ("poster.jpg", "storyboard.vtt")} <= stack.keys(video)


def film(path: Path, source: str, seconds: int) -> Path:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-f", "lavfi", "-i", source]
    sound = ["-f", "lavfi", "-i", "sine=220:sample_rate=48000"]
    encode = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "30", "-pix_fmt", "yuv420p", "-g", "50", "-c:a", "aac"]
    subprocess.run([*command, *sound, "-t", str(seconds), *encode, str(path)], check=True)
    return path


def again_and_again(source: Path, path: Path, *, times: int) -> Path:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-stream_loop", str(times - 1), "-i", str(source)]
    subprocess.run([*command, "-c", "copy", str(path)], check=True)
    return path


def take(browser: Browser, stack: Stack, device: str, size: ViewportSize, theme: str) -> None:
    def shot(page: Page, name: str) -> None:
        page.screenshot(path=OUT / f"{name}-{device}-{theme}.png")
        print(f"{name}, {device}, {theme}", file=sys.stderr)

    with signed_in(browser, stack, size, theme) as page:
        base = f"http://{stack.vod.address}"
        page.goto(f"{base}/?bucket={BUCKET}")
        posters = page.locator("img[src*='poster.jpg']")
        expect(posters.first).to_be_visible()
        below = "image.getBoundingClientRect().top > innerHeight"
        loaded = f"[...document.images].every((image) => image.naturalWidth || {below})"
        until(lambda: page.evaluate(loaded), "the posters are there")
        shot(page, "library")
        page.goto(f"{base}/watch/{BUCKET}/Above%20the%20clouds.mp4?t=12")
        until(lambda: page.evaluate("document.querySelector('video')?.currentTime > 12.5"), "it plays")
        page.evaluate("document.querySelector('video').pause()")
        page.wait_for_timeout(1000)  # the controls come
        shot(page, "watch")
        page.goto(f"{base}/jobs")
        page.get_by_role("button", name=LONG.removesuffix(".mp4")).first.click()
        page.wait_for_timeout(1500)  # figures of speed come once a second
        shot(page, "jobs")
        page.goto(f"{base}/?bucket={BUCKET}")
        with upload_under_way(page):
            shot(page, "uploads")


@contextmanager
def signed_in(browser: Browser, stack: Stack, size: ViewportSize, theme: str) -> Iterator[Page]:
    context = browser.new_context(viewport=size, color_scheme="dark" if theme == "dark" else "light")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    sign_in(page, f"http://{stack.vod.address}/", API_KEY)
    try:
        yield page
    finally:
        context.close()


@contextmanager
def upload_under_way(page: Page) -> Iterator[None]:
    """A file whose later parts never arrive."""
    sent = 0

    def slowly(route: Route) -> None:
        nonlocal sent
        if route.request.method == "PUT":
            sent += 1
            if sent > 1:
                return  # neither answered nor refused
        route.continue_()

    page.route("**/*partNumber=*", slowly)
    page.locator("input[type=file]").first.set_input_files(
        {"name": "Harbour.mp4", "mimeType": "video/mp4", "buffer": b"\0" * (24 << 20)}
    )
    page.wait_for_timeout(2000)
    yield
    page.get_by_role("button", name="Cancel Harbour").click()
    sure = page.get_by_role("button", name="Cancel the upload")  # it asks when much has arrived
    if sure.is_visible():
        sure.click()
    expect(page.get_by_text("Harbour.mp4")).to_be_hidden()
    page.unroute_all(behavior="ignoreErrors")


if __name__ == "__main__":
    sys.exit(main())
