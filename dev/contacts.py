"""Makes the pictures of every file of a folder, and one contact sheet of them all, to be looked at.

    make contacts CORPUS=~/Videos                   the poster and the first storyboard sheet of all files below it
    make contacts                                   of the oddities of the tests
    make contacts CORPUS=~/Videos ARGS="--out contacts.jpg --only '*.mov'"

A system of its own converts them, as `make corpus` has it: nothing that runs is touched, and nothing stays but the
contact sheet. On it each file has a row: its poster on the left, the storyboard beside it; the list that is printed has
the files in that order, with what was found: the sizes, how bright the poster is, and what is wrong with it.

The exit status is 1 when a file that plays and has a picture got none, or one that is all black.
"""

from __future__ import annotations

import argparse
import fnmatch
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np

from dev.corpus import Patience, convert, files_of, system
from dev.servers import ServerError
from mam.media.sheets import jpeg
from mam.media.stills import Pixels
from mam.naming import poster_key, sheet_key
from tests.integration.system import Stack
from tests.media import MediaFolder
from tests.oddities import write_all

ROW, POSTER_COLUMN, SHEET_COLUMN, GAP = 180, 330, 900, 6  # pixels of the contact sheet
PICTURE_SECONDS = 20.0  # after a conversion, in which its pictures must have come
BLACK = 10  # mean of 0 to 255: darker is nothing to look at
POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Contact:
    """What came of a file: that it does not play, or its pictures."""

    file: str
    outcome: str
    has_picture: bool = False
    poster: Pixels | None = field(default=None, repr=False)
    sheet: Pixels | None = field(default=None, repr=False)

    @property
    def is_fine(self) -> bool:
        if not self.has_picture:
            return True
        return self.poster is not None and self.sheet is not None and float(self.poster.mean()) > BLACK

    def __str__(self) -> str:
        if self.poster is None or self.sheet is None:
            return f"{self.file}: {self.outcome}, {'PICTURES MISSING' if self.has_picture else 'no pictures'}"
        (height, width), (below, across) = self.poster.shape[:2], self.sheet.shape[:2]
        found = f"poster {width}x{height}, mean {self.poster.mean():.0f}; storyboard {across}x{below}"
        return f"{self.file}: {found}{'' if self.is_fine else ' BLACK'}"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        "make contacts", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, help="whose files are shown; the tests' oddities without")
    parser.add_argument("--out", type=Path, default=Path("contacts.jpg"), metavar="FILE", help="(%(default)s)")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="only files whose name matches ('*.mov')")
    given = parser.parse_args(argv)
    if given.folder and not given.folder.is_dir():
        parser.error(f"{given.folder} is no folder")
    try:
        with tempfile.TemporaryDirectory(prefix="mam-contacts-") as scratch:
            contacts = list(run(given.folder, Path(scratch), given.only))
    except ServerError as error:
        print(error, file=sys.stderr)
        return 2
    shown = [contact for contact in contacts if contact.poster is not None]
    if shown:
        given.out.write_bytes(jpeg(contact_sheet(shown)))
        print(f"\n{given.out}: {len(shown)} of {len(contacts)} files")
    return 0 if shown and all(contact.is_fine for contact in contacts) else 1


def run(folder: Path | None, scratch: Path, only: str) -> Iterator[Contact]:
    if folder is None:
        folder = scratch / "oddities"
        print("making the oddities (half a minute) …", file=sys.stderr)
        write_all(folder, MediaFolder(scratch / "media"))
    files = [path for path in files_of(folder) if fnmatch.fnmatch(path.name, only)]
    with system(scratch / "system") as stack:
        for number, path in enumerate(files):
            contact = contact_of(stack, path, number)
            print(contact, flush=True)
            yield contact


def contact_of(stack: Stack, path: Path, number: int) -> Contact:
    key = stack.put(f"{number}/{path.name}", path)
    outcome, _ = convert(stack, key, "auto", Patience(60))
    if outcome != "live":
        return Contact(path.name, outcome)
    plan = stack.plan(f"{number}/{path.name.rpartition('.')[0]}")
    if plan.video_track is None:
        return Contact(path.name, outcome)
    deadline = time.monotonic() + PICTURE_SECONDS
    while not (job := stack.job(plan.revision).json())["storyboard"] or not job["poster"]:
        if time.monotonic() > deadline:
            return Contact(path.name, outcome, has_picture=True)
        time.sleep(POLL_SECONDS)
    keys = poster_key(plan.video, plan.revision), sheet_key(plan.video, plan.revision, 0)
    return Contact(path.name, outcome, True, *(pixels_of(stack.read(key)) for key in keys))


def pixels_of(image: bytes) -> Pixels:
    """A JPEG's pixels."""
    decoder = av.CodecContext.create("mjpeg", "r")
    frame = next(frame for packet in (av.Packet(image), None) for frame in decoder.decode(packet))
    return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


# the contact sheet


def contact_sheet(contacts: Sequence[Contact]) -> Pixels:
    """A row for each, on grey."""
    width = POSTER_COLUMN + SHEET_COLUMN + 3 * GAP
    paper = np.full((len(contacts) * (ROW + GAP) + GAP, width // 2 * 2, 3), 96, np.uint8)
    for number, contact in enumerate(contacts):
        top = GAP + number * (ROW + GAP)
        for left, room, pixels in (
            (GAP, POSTER_COLUMN, contact.poster),
            (2 * GAP + POSTER_COLUMN, SHEET_COLUMN, contact.sheet),
        ):
            if pixels is not None:
                small = fitted(pixels, room, ROW)
                paper[top : top + small.shape[0], left : left + small.shape[1]] = small
    return paper


def fitted(pixels: Pixels, width: int, height: int) -> Pixels:
    """As large as there is room, and no larger than it is."""
    part = min(width / pixels.shape[1], height / pixels.shape[0], 1.0)
    size = max(1, int(pixels.shape[1] * part)), max(1, int(pixels.shape[0] * part))
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    return np.asarray(frame.reformat(*size, format="rgb24").to_ndarray(), np.uint8)


if __name__ == "__main__":
    sys.exit(main())
