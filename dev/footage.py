"""What a file or a stream holds, measured from outside: how long, how many frames, in sync, which way up."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int16]

ATTACHED_PICTURE = 0x0400  # AV_DISPOSITION_ATTACHED_PIC
PRIMING = Fraction(1, 5)  # seconds of hidden sound that a decoder wants to have heard, and that a copy keeps
SIDE = 32  # pixels of the thumbnails that are compared
NEAR = 20  # seconds: before, everything is decoded up to the moment, because a jump into a short playlist may miss
MOMENTS = (0.15, 0.5, 0.85)  # where they are taken, as parts of the whole
DECODE_SECONDS = 600.0
# What may have been done to a picture, and what does it again to a thumbnail.
TURNS: dict[str, Callable[[Numbers], Numbers]] = {
    "upright": lambda p: p,
    "turned 90": lambda p: np.rot90(p, -1),
    "turned 180": lambda p: np.rot90(p, 2),
    "turned 270": lambda p: np.rot90(p),
    "mirrored": lambda p: p[:, ::-1],
    "upside down": lambda p: p[::-1],
    "transposed": lambda p: p.swapaxes(0, 1),
    "transposed the other way": lambda p: np.rot90(p, 2).swapaxes(0, 1),
}


@dataclass(frozen=True, slots=True)
class Footage:
    """Times in seconds, exact as far as the container's ticks are."""

    seconds: Fraction  # from the first that is seen or heard to the last
    frames: int
    offset: Fraction | None  # by how much sound begins after the picture; None where there is one of them alone


def measure(at: str | Path) -> Footage:
    """Counts packets of the first picture and the first sound. Raises av.error.FFmpegError."""
    spans: dict[str, tuple[Fraction, Fraction]] = {}
    frames = 0
    with av.open(str(at), metadata_errors="replace") as container:
        pictures = [s for s in container.streams.video if not int(s.disposition) & ATTACHED_PICTURE]
        chosen = [*pictures[:1], *container.streams.audio[:1]]
        for packet in container.demux(chosen):
            if packet.pts is None or not packet.size:
                continue
            begin = packet.pts * packet.time_base
            if packet.is_discard and (packet.stream.type == "video" or begin < -PRIMING):
                continue
            end = begin + (packet.duration or 0) * packet.time_base
            kind = packet.stream.type
            first, last = spans.get(kind, (begin, end))
            spans[kind] = (min(first, begin), max(last, end))
            frames += kind == "video"
    if not spans:
        return Footage(Fraction(0), 0, None)
    offset = spans["audio"][0] - spans["video"][0] if len(spans) == 2 else None
    begin, end = min(first for first, _ in spans.values()), max(last for _, last in spans.values())
    return Footage(end - begin, frames, offset)


def turn(source: str | Path, made: str | Path, seconds: float) -> str:
    """What was done to the picture on the way: 'upright', or how it lies; '' where nothing can be told."""
    distances = dict.fromkeys(TURNS, 0.0)
    for part in MOMENTS:
        before, after = thumbnail(source, seconds * part), thumbnail(made, seconds * part)
        if before is None or after is None:
            continue
        for name, again in TURNS.items():
            distances[name] += float(np.abs(again(before.astype(np.int16)) - after).mean())
    best = min(distances, key=lambda name: distances[name])
    return best if any(distances.values()) else ""


def thumbnail(at: str | Path, moment: float) -> Pixels | None:
    """A small square of the picture as ffmpeg shows it; None when there is none."""
    seek = ["-ss", f"{moment:.3f}"]
    near = moment < NEAR
    arguments = [*([] if near else seek), "-i", str(at), *(seek if near else []), "-map", "0:V:0", "-frames:v", "1"]
    arguments += ["-vf", f"scale={SIDE}:{SIDE}:flags=area,format=rgb24", "-f", "rawvideo", "-"]
    pixels = _ffmpeg(arguments).stdout
    return np.frombuffer(pixels, np.uint8).reshape(SIDE, SIDE, 3) if len(pixels) == SIDE * SIDE * 3 else None


def complaints(at: str | Path) -> str:
    """What ffmpeg says when it decodes everything and stops at the first error; '' when all is well."""
    done = _ffmpeg(["-xerror", "-i", str(at), "-map", "0", "-c:s", "copy", "-f", "null", "-"])
    return done.stderr.decode(errors="replace").strip() or ("" if not done.returncode else "ffmpeg gave up")


def _ffmpeg(arguments: list[str]) -> subprocess.CompletedProcess[bytes]:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-v", "error", *arguments]
    without_proxy = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return subprocess.run(command, capture_output=True, timeout=DECODE_SECONDS, check=False, env=without_proxy)
