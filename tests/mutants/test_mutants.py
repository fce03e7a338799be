"""Mutants of real files: none of them stops the system, and whatever of them is live is a stream by the book.

What may be wrong with a live one. Its form never: the rules of HLS that `python -m mam check` knows, the frames that
the plan promises. What was encoded here never: each picture of it was made by our own encoder, whatever that was given.
What was copied may hold damage of the source's own, since copying is not decoding: it may have gaps, as the file has,
and it may fail to decode where FFmpeg fails at the mutant itself, and nowhere else.

MAM_MUTANTS: how many (20; `make mutants`: 500). MAM_TEST_MEDIA: a folder of more files to damage.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from dev.servers import start_redis
from mam.check import check
from tests.integration.system import S3, Stack, descendants, own, until
from tests.media import FFMPEG, MediaFolder, probe
from tests.mutants.mutator import Mutant, Part, mutate
from tests.oddities import ODDITIES

COUNT = int(os.environ.get("MAM_MUTANTS") or 20)
BATCH = 10
END_SECONDS = 60.0
DECODE_SECONDS = 60.0
LARGEST = 4 << 20  # bytes of a file that is worth damaging here
POLL_SECONDS = 0.1
# Errors that say that the system did not know what to do: none of them is an answer to a damaged file.
NO_ANSWERS = ("internal_error", "worker_crashed")
SOURCES = (
    "ordinary.mp4", "index-first.mp4", "fragmented-plain.mp4", "fragmented-dash.mp4", "two-languages.mp4",
    "open-gop.mp4", "video-later.mp4", "hevc.mp4", "pcm.mov", "audio-only.m4a", "10-and-30-fps.mp4", "turned-90.mp4",
)  # fmt: skip
BATCHES = [range(first, min(first + BATCH, COUNT)) for first in range(0, COUNT, BATCH)]


@dataclass(frozen=True, slots=True)
class Case:
    """A mutant on its way: `seed` and `source` make it again."""

    seed: int
    source: str
    part: Part
    profile: str
    mutant: Mutant

    def __str__(self) -> str:
        return f"mutant {self.seed} of {self.source} ({self.profile}): {'; '.join(self.mutant.accidents)}"


@pytest.fixture(scope="module")
def sources(media: MediaFolder) -> dict[str, bytes]:
    made = {odd.name: odd.bytes(media) for odd in ODDITIES if odd.name in SOURCES}
    folder = os.environ.get("MAM_TEST_MEDIA")
    found = sorted(Path(folder).iterdir()) if folder else []
    return made | {
        path.name: path.read_bytes()
        for path in found
        if path.suffix in (".mp4", ".mov", ".m4a") and 0 < path.stat().st_size <= LARGEST
    }


@pytest.fixture(scope="module")
def system(one_s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("mutants")
    with start_redis(folder / "redis", persist=False) as server:
        env = own(one_s3.server.address, server.port, EMBEDDED_WORKERS=str(os.cpu_count() or 1))
        with Stack(one_s3, env, folder / "services").running() as stack:
            yield stack


def case_of(seed: int, sources: dict[str, bytes]) -> Case:
    chance = random.Random(seed)
    name = chance.choice(sorted(sources))
    part: Part = "media" if seed % 2 else "index"
    profile = chance.choice(("source", "h264"))
    try:
        return Case(seed, name, part, profile, mutate(sources[name], seed, part))
    except IndexError:  # a file that is damaged already and has no such part
        return case_of(seed + 1_000_000, sources)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seeds", BATCHES, ids=lambda seeds: f"{seeds.start}-{seeds.stop - 1}")
def test_mutants_end_live_or_failed_leave_nothing_and_harm_nobody(
    system: Stack, sources: dict[str, bytes], folder: str, tmp_path: Path, seeds: range
) -> None:
    cases = [case_of(seed, sources) for seed in seeds]
    before = workers(system)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda case: objection(system, case, f"{folder}/{case.seed}", tmp_path), cases))
    wrong = [f"{case}: {what}" for case, (_, what) in zip(cases, found, strict=True) if what]
    print(dict(Counter(outcome for outcome, _ in found)))
    assert not wrong, "\n".join(wrong)
    assert workers(system) == before, "a worker process ended"


def workers(system: Stack) -> set[int]:
    """The worker processes, but for the ffmpegs that they run."""
    below = descendants(system.transcoder.process.pid)
    return {pid for pid, command in below.items() if "celery" in command}


def objection(system: Stack, case: Case, folder: str, scratch: Path) -> tuple[str, str]:
    """(outcome, what is wrong with it) of a mutant; '' when all is as it must be."""
    key = system.put(f"{folder}/{case.source}", case.mutant.data)
    outcome = end_of(system, key, case.profile)
    if outcome in ("", *NO_ANSWERS):
        return outcome, f"ended with {outcome}" if outcome else f"had not ended after {END_SECONDS:.0f} s"
    if outcome != "live":
        try:
            until(lambda: not system.keys(f"{folder}/"), "nothing is left of it", seconds=10)
        except AssertionError:
            return outcome, f"{outcome}, and left {sorted(system.keys(f'{folder}/'))}"
        return outcome, ""
    (video,) = {k.split("/")[2] for k in system.keys(f"{folder}/")}
    path = scratch / f"{case.seed}-{case.source}"
    path.write_bytes(case.mutant.data)
    url = system.stream_url(key, profile=case.profile)
    return outcome, form(system, url, f"{folder}/{video}") or decoding(url, case.profile, path)


def end_of(system: Stack, key: str, profile: str) -> str:
    """'live', an error's code, or '' when it did not end in time."""
    deadline = time.monotonic() + END_SECONDS
    try:
        answer = system.transcode(key, profile=profile, wait=False)
    except requests.ConnectionError:  # the service may close a connection just when it is used again; asked twice, it
        answer = system.transcode(key, profile=profile, wait=False)  # converts once
    body = answer.json()
    if answer.status_code != 202:
        return "live" if answer.status_code == 200 else str(body["code"])
    while time.monotonic() < deadline:
        job = system.job(body["job"]).json()
        if job["state"] == "succeeded":
            return "live"
        if job["error"]:
            return str(job["error"]["code"])
        time.sleep(POLL_SECONDS)
    return ""


def form(system: Stack, url: str, video: str) -> str:
    """What is wrong with a stream by the rules of HLS, whatever its pictures show."""
    report, plan = check(url), system.plan(video)
    excused = {"decode", "stereo"}  # the first is judged below, and a mutant may have any channels
    excused |= {"audio-gap"} if any(track.action == "copy" for track in plan.audio_tracks) else set()
    excused |= {"video-gap"} if plan.video_track and plan.video_track.action == "copy" else set()
    broken = [str(finding) for finding in report.errors if finding.rule not in excused]
    if broken:
        return "; ".join(broken)
    seen, planned = report.video_frames, sum(plan.frames)
    return "" if seen == planned else f"{seen} frames, and {planned} in the plan"


def decoding(url: str, profile: str, mutant: Path) -> str:
    """What is wrong with what a decoder makes of it, by the rule above."""
    for kind in sorted(probe(url).keys() & {"audio", "video"}):
        said = says(url, kind)
        if said and (profile == "h264" and kind == "video"):
            return f"its encoded picture does not decode: {said}"
        if said and not says(str(mutant), kind):
            return f"does not decode ({said}), although the mutant does"
    return ""


def says(at: str, kind: str) -> str:
    """The first thing that ffmpeg says of the first stream of a kind while it decodes that; '' when all is well."""
    command = [FFMPEG, "-hide_banner", "-nostdin", "-v", "error", "-i", at, "-map", f"0:{kind[0]}:0", "-f", "null", "-"]
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=DECODE_SECONDS, check=False, env=environment, text=True,
            errors="replace",
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "decoding did not end"
    # Not what is said of the output's own clock, which counts in steps of a frame rate that was guessed.
    quiet = ("[null @", "    Last message repeated")
    return next((line for line in done.stderr.splitlines() if line and not line.startswith(quiet)), "")
