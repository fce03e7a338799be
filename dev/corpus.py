"""Converts every file of a folder, copied and re-encoded, judges what comes of it, and prints a table.

    make corpus CORPUS=~/Videos                     all files below the folder
    make corpus                                     the oddities of the tests: some eighty files, made here
    make corpus CORPUS=~/Videos ARGS="--json r.json --only '*.mov'"

A system of its own is started for it on free ports of this machine, with a store in a temporary folder: nothing that
runs is touched, and nothing stays. The files are read and never changed.

Every file gets a line for each profile: whether it is live or the code of the error, with the reason that a caller
gets; then what differs from the file: seconds, frames, milliseconds by which the sound shifted against the picture,
and how the picture lies. An error is an answer, not a failure. The exit status is 1 when something went wrong:

  - a conversion had not ended, and nothing got on, for 60 seconds (--patience);
  - a live stream did not pass the judges: it does not decode, is no HLS by the book, or does not stand upright;
  - of the tests' oddities: another outcome than the one that is written down, or a wrong picture or sound.

Where the folder holds a list `media.tsv` (columns: file, what it is, what it should do), its last column stands beside.
"""

from __future__ import annotations

import argparse
import fnmatch
import importlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import av.error
import requests

from dev.footage import complaints, measure, turn
from dev.servers import ServerError, available_s3, start_redis, start_s3
from tests.integration.system import ACCESS_KEY, S3, SECRET_KEY, Stack, own
from tests.judging import objections
from tests.media import MediaFolder
from tests.oddities import ODDITIES, PLAYS, Oddity, write_all

PROFILES = ("source", "h264")
LIVE = "live"
NO_ANSWER = "no answer"
PATIENCE = 60.0  # seconds in which something must get on, or end
CLEARED_SECONDS = 10.0  # in which what was made of a file that failed must have been removed
POLL_SECONDS = 0.1
AT_ONCE = 2  # files; each also keeps a judge busy
ENDINGS = (".mp4", ".m4v", ".mov", ".m4a", ".qt", ".3gp")
COLUMNS = ("file", "profile", "outcome", "seconds", "frames", "A/V ms", "picture", "objections", "reason", "should")


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one file in one profile. The differences are None where there is nothing to compare."""

    file: str
    profile: str
    outcome: str  # LIVE, NO_ANSWER or an error's code
    reason: str = ""
    seconds: float | None = None  # longer than the file
    frames: int | None = None  # more than in the file
    offset: float | None = None  # milliseconds by which the sound comes later than in the file
    turn: str = ""
    objections: tuple[str, ...] = ()
    should: str = ""

    @property
    def is_fine(self) -> bool:
        return self.outcome != NO_ANSWER and not self.objections


class Patience:
    """When to give up: conversions that wait for one another have all the time while one of them gets on."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._last = time.monotonic()
        self._percent: dict[str, float] = {}

    def lasts(self, job: str, percent: float) -> bool:
        """`percent`: how far that job is."""
        if self._percent.get(job) != percent:
            self._percent[job] = percent
            self._last = time.monotonic()
        return time.monotonic() < self._last + self.seconds


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        "make corpus", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, help="whose files are converted; the tests' oddities without")
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes the table as JSON, too")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="only files whose name matches ('*.mov')")
    parser.add_argument("--profiles", default=",".join(PROFILES), help="comma-separated (%(default)s)")
    parser.add_argument("--patience", type=float, default=PATIENCE, help="seconds (%(default).0f)")
    given = parser.parse_args(argv)
    if given.folder and not given.folder.is_dir():
        parser.error(f"{given.folder} is no folder")
    try:
        with tempfile.TemporaryDirectory(prefix="mam-corpus-") as scratch:
            rows = run(given.folder, Path(scratch), given.only, given.profiles.split(","), given.patience)
    except ServerError as error:
        print(error, file=sys.stderr)
        return 2
    print(table(rows))
    if given.json:
        given.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    bad = [row for row in rows if not row.is_fine]
    print(
        f"\n{len(rows)} conversions, {sum(row.outcome == LIVE for row in rows)} live, {len(bad)} not as they should be"
    )
    return 1 if bad or not rows else 0


def run(folder: Path | None, scratch: Path, only: str, profiles: Iterable[str], seconds: float) -> list[Row]:
    odd = {} if folder else {oddity.name: oddity for oddity in ODDITIES}
    if folder is None:
        folder = scratch / "oddities"
        print("making the oddities (half a minute) …", file=sys.stderr)
        write_all(folder, MediaFolder(scratch / "media"))
    files = [path for path in files_of(folder) if fnmatch.fnmatch(path.name, only)]
    should = wishes(folder)
    patience = Patience(seconds)
    with system(scratch / "system") as stack, ThreadPoolExecutor(AT_ONCE) as pool:

        def judge(case: tuple[int, Path, str]) -> Row:
            number, path, profile = case
            row = judged(stack, path, number, profile, patience, odd.get(path.name))
            print(f"{path.name}, {profile}: {row.outcome}", file=sys.stderr)
            return replace(row, file=str(path.relative_to(folder)), should=should.get(path.name, ""))

        cases = [(number, path, profile) for number, path in enumerate(files) for profile in profiles]
        return list(pool.map(judge, cases))


def files_of(folder: Path) -> list[Path]:
    """The files that are listed in `media.tsv`, else those that look like what is converted here."""
    listed = wishes(folder)
    return sorted(
        path for path in folder.rglob("*") if path.is_file() and (path.name in listed or path.suffix.lower() in ENDINGS)
    )


def wishes(folder: Path) -> dict[str, str]:
    """{file: what it should do} of the folder's list."""
    listed = folder / "media.tsv"
    if not listed.exists():
        return {}
    lines = (line.split("\t") for line in listed.read_text().splitlines()[1:] if line)
    return {columns[0]: columns[-1] for columns in lines}


@contextmanager
def system(folder: Path) -> Iterator[Stack]:
    """Both services with their defaults, over servers of their own."""
    kind = next(iter(available_s3()), None)
    if kind is None:
        raise ServerError("No S3 server here: run `make minio` or `pip install -r requirements-dev.txt`.")
    with (
        start_redis(folder / "redis", persist=False) as redis_server,
        start_s3(folder / "s3", access_key=ACCESS_KEY, secret_key=SECRET_KEY, kind=kind) as server,
    ):
        workers = str(os.cpu_count() or 1)
        env = own(server.address, redis_server.port, EMBEDDED_WORKERS=workers, MAX_WAITING_CONVERSIONS="1024")
        with Stack(S3.of(kind, server), env, folder / "services").running() as stack:
            yield stack


# one conversion


def judged(stack: Stack, path: Path, number: int, profile: str, patience: Patience, odd: Oddity | None) -> Row:
    """Converts a file under a key of its own, and looks at what came of it."""
    key = stack.put(f"{profile}/{number}/{path.name}", path)
    outcome, reason = convert(stack, key, profile, patience)
    row = Row(path.name, profile, outcome, reason)
    encoded = profile == "h264"
    if outcome == LIVE:
        row = compared(row, path, stack, stack.stream_url(key, profile=profile), odd)
    elif outcome != NO_ANSWER and (left := left_of(stack, f"{profile}/{number}/")):
        row = replace(row, objections=(f"{len(left)} objects are left of it",))
    if odd and profile in PROFILES:
        expected = odd.outcomes(encoded=encoded)
        if (PLAYS if outcome == LIVE else outcome) not in expected:
            return replace(row, objections=(f"expected: {' or '.join(sorted(expected))}", *row.objections))
    return row


def convert(stack: Stack, key: str, profile: str, patience: Patience) -> tuple[str, str]:
    """(outcome, reason) of a conversion that has ended, or that does not get on any more."""
    try:
        answer = begun(stack, key, profile)
    except requests.Timeout:
        return NO_ANSWER, "the request timed out"
    body = answer.json()
    if answer.status_code == 200:
        return LIVE, ""
    if answer.status_code != 202:
        return str(body["code"]), str(body["detail"])
    while True:
        job = stack.job(body["job"]).json()
        if job["state"] == "succeeded":
            return LIVE, ""
        if job["error"]:
            return str(job["error"]["code"]), str(job["error"]["message"])
        percent = float(job["progress"]["percent"])
        if not patience.lasts(job["id"], percent):
            stack.delete(f"http://{stack.transcoder.address}/jobs/{job['id']}")  # others wait for its worker
            return NO_ANSWER, f"{job['state']} at {percent} % for {patience.seconds:.0f} s; {job['trouble']}"
        time.sleep(POLL_SECONDS)


def begun(stack: Stack, key: str, profile: str) -> requests.Response:
    try:
        return stack.transcode(key, profile=profile, wait=False)
    except requests.ConnectionError:  # the service may close a connection just when it is used again
        return stack.transcode(key, profile=profile, wait=False)


def left_of(stack: Stack, folder: str) -> set[str]:
    """What of a failed conversion has not been removed in time."""
    deadline = time.monotonic() + CLEARED_SECONDS
    while (left := stack.keys(folder)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return left


def compared(row: Row, path: Path, stack: Stack, url: str, odd: Oddity | None) -> Row:
    """With what differs from the file, and what the judges object to."""
    found = list(verdict(url))
    try:
        made = measure(url)
        row = differing(row, path, made)
        if made.frames:
            row = replace(row, turn=turn(path, url, float(made.seconds)))
        if odd:
            master = stack.get(url).text
            found += objections(odd, url, master, encoded=row.profile == "h264")
    except (av.error.FFmpegError, ValueError) as error:
        found.append(f"cannot be looked at: {error}")
    if not odd and row.turn not in ("", "upright"):
        found.append(f"lies {row.turn}")
    return replace(row, objections=(*row.objections, *found))


def differing(row: Row, path: Path, made: Any) -> Row:
    try:
        source = measure(path)
    except av.error.FFmpegError:
        return row
    shift = made.offset - source.offset if made.offset is not None and source.offset is not None else None
    return replace(
        row,
        seconds=round(float(made.seconds - source.seconds), 3),
        frames=made.frames - source.frames,
        offset=None if shift is None else round(float(shift) * 1000, 1),
    )


def verdict(url: str) -> Iterator[str]:
    """What the judges object to in the stream."""
    check = checker()
    if check:
        report = check(url)
        if not report.ok:
            yield from map(str, report.findings)
    elif said := complaints(url):
        yield said.splitlines()[0]


def checker() -> Callable[[str], Any] | None:
    """`mam.check.check`, where there is one."""
    try:
        found: Callable[[str], Any] = importlib.import_module("mam.check").check
    except ModuleNotFoundError:
        return None
    return found


# the table


def table(rows: Sequence[Row]) -> str:
    """In Markdown, aligned."""
    cells = [list(COLUMNS), *map(cells_of, rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(COLUMNS))]
    cells.insert(1, ["-" * width for width in widths])
    padded = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in cells]
    return "\n".join("| " + " | ".join(line).rstrip() + " |" for line in padded)


def cells_of(row: Row) -> list[str]:
    numbers = [f"{row.seconds:+.3f}" if row.seconds is not None else "", signed(row.frames), signed(row.offset)]
    texts = (row.turn, "; ".join(row.objections), row.reason, row.should)
    return [row.file, row.profile, row.outcome, *numbers, *(text.replace("|", "/")[:160] for text in texts)]


def signed(value: float | None) -> str:
    return "" if value is None else f"{value:+g}"


if __name__ == "__main__":
    sys.exit(main())
