"""Converts every file of a folder in each profile and format, and prints a hash of all that is made.

    python -m dev.fingerprints ~/Videos --out before.txt
    python -m dev.fingerprints ~/Videos --out after.txt && diff before.txt after.txt

A change that is to change no output is shown to change none. A system of its own is started, as for `make corpus`:
nothing that runs is touched, and nothing stays. Machines with different cores may encode with different threads, so
both runs are to be made on one machine.

Each line has: the file, the profile, the format; then the job's id, which is also the revision's name, the number of
objects and a SHA-256 over their keys and contents, in the order of their keys; or the code of the error. Objects are
segments, initialization sections, subtitles, playlists, markers of kinds, pictures and stored sample indexes.

Left out of the sum:

  - `plan.json`: its form may change while what is made stays the same. With `--objects` its hash is written too.
  - what the services answer: their playlists have signatures and moments.
  - `.unfinished/` and `.replaced/`: there are none where every conversion has ended and none was made twice.

Subtitles beside a file (`film.de.srt` beside `film.mp4`) are converted with it.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import redis

from dev.corpus import AT_ONCE, files_of, system
from dev.servers import LOOPBACK, ServerError
from tests.integration.system import API_KEY, Stack, until

PROFILES, FORMATS = ("source", "auto", "h264"), ("ts", "fmp4")
PLAN = "plan.json"
CONVERT_SECONDS = 3600.0
IDLE_SECONDS = 600.0  # in which the pictures of the last videos are made


@dataclass(frozen=True, slots=True)
class Case:
    """One way to convert a file. Each has a folder of its own: one conversion would serve for several otherwise."""

    path: Path
    profile: str
    format: str

    @property
    def folder(self) -> str:
        return f"{self.profile}-{self.format}"

    def __str__(self) -> str:
        return f"{self.path.name}\t{self.profile}\t{self.format}"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What was made of a file: the revision's name, and {key: SHA-256} of the objects; or the code of an error."""

    revision: str
    objects: dict[str, str]
    error: str = ""

    def __str__(self) -> str:
        if self.error:
            return f"error\t{self.error}"
        counted = [(key, digest) for key, digest in sorted(self.objects.items()) if not key.endswith(f"/{PLAN}")]
        whole = hashlib.sha256("".join(f"{digest} {key}\n" for key, digest in counted).encode())
        return f"{self.revision}\t{len(counted)}\t{whole.hexdigest()}"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        "python -m dev.fingerprints", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="whose files are converted")
    parser.add_argument("--out", type=Path, metavar="FILE", help="writes the lines there instead")
    parser.add_argument("--objects", type=Path, metavar="FILE", help="writes each object's hash there, too")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="only files whose name matches ('*.mov')")
    given = parser.parse_args(argv)
    files = [path for path in files_of(given.folder) if path.match(given.only)]
    cases = [Case(*case) for case in product(files, PROFILES, FORMATS)]
    try:
        with tempfile.TemporaryDirectory(prefix="mam-fingerprints-") as scratch, system(Path(scratch)) as stack:
            found = dict(zip(cases, fingerprints(stack, cases), strict=True))
    except ServerError as error:
        print(error, file=sys.stderr)
        return 2
    write(given.out, [f"{case}\t{fingerprint}" for case, fingerprint in found.items()])
    if given.objects:
        lines = [f"{digest} {key}" for fingerprint in found.values() for key, digest in fingerprint.objects.items()]
        write(given.objects, lines)
    return 0


def write(path: Path | None, lines: Sequence[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    if path:
        path.write_text(text)
    else:
        print(text, end="")


def fingerprints(stack: Stack, cases: Sequence[Case]) -> Iterator[Fingerprint]:
    """Of each case, in order, once all of them are converted and every picture is made."""
    for folder in {case.path.parent for case in cases}:
        for path, profile, fmt in product(sorted(folder.iterdir()), PROFILES, FORMATS):
            if path.is_file():  # subtitles, too
                stack.put(f"{profile}-{fmt}/{path.name}", path)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(lambda case: convert(stack, case), cases))
    broker = redis.Redis(LOOPBACK, stack.settings.redis_port, stack.settings.broker_db)
    until(lambda: not tasks(broker), "all tasks are done", seconds=IDLE_SECONDS)
    for video, error in outcomes:
        yield Fingerprint("", {}, error) if error else fingerprint(stack, video)


def convert(stack: Stack, case: Case) -> tuple[str, str]:
    """(video, '') once it is live, or ('', the error's code)."""
    body = {"asset_bucket": "myvideos", "asset_object": f"{case.folder}/{case.path.name}", "profile": case.profile}
    url, headers = f"http://{stack.transcoder.address}/transcode", {"x-api-key": API_KEY}
    answer = stack.http.post(url, json={**body, "format": case.format}, headers=headers, timeout=CONVERT_SECONDS)
    found = answer.json()
    print(case, found.get("code", "live"), sep="\t", file=sys.stderr)
    return ("", str(found["code"])) if "code" in found else (str(found["video"]), "")


def tasks(broker: redis.Redis) -> int:
    """How many wait in any queue, or are with a worker."""
    return sum(broker.llen(key) for key in broker.scan_iter(_type="list")) + broker.hlen("unacked")


def fingerprint(stack: Stack, video: str) -> Fingerprint:
    keys = sorted(stack.keys(f"{video}/"))
    return Fingerprint(stack.revision(video), {key: hashlib.sha256(stack.read(key)).hexdigest() for key in keys})


if __name__ == "__main__":
    sys.exit(main())
