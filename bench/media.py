"""The films that are measured with: made once, kept in the cache, as long as they need to be.

A minute of real footage is encoded as cameras and editors do it (1080p, H.264 High with B-frames, a key frame every
2 s, 4.7 Mbit/s, AAC stereo); longer films are that minute over and over, its packets copied.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import imageio_ffmpeg

from bench import CACHE
from dev.sample import footage

UNIT_SECONDS = 64  # 1600 frames at 25 fps and 3000 AAC frames at 48 kHz: both end here, so that rounds join exactly
VIDEO_BITRATE, AUDIO_BITRATE = "4600k", "128k"
GOP = 50  # frames: 2 s

MINUTE, HOUR = 60, 3600


class Moov(Enum):
    """Where the file's index stands."""

    FRONT = "front"
    END = "end"


@dataclass(frozen=True, slots=True)
class Film:
    """A file to measure with. `seconds`: its duration."""

    seconds: int
    moov: Moov = Moov.FRONT

    @property
    def name(self) -> str:
        return f"{self.seconds:05d}s-{self.moov.value}.mp4"

    @property
    def label(self) -> str:
        """For people: `10 min`."""
        if self.seconds % HOUR == 0:
            return f"{self.seconds // HOUR} h"
        return f"{self.seconds // MINUTE} min" if self.seconds % MINUTE == 0 else f"{self.seconds} s"


def file(film: Film) -> Path:
    """The film on the local disk, made unless it is there."""
    path = CACHE / "media" / film.name
    if not path.exists():
        _make(path, _loop_command, _unit(), film)
    return path


def ffmpeg() -> str:
    """The binary that the product uses too."""
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def _unit() -> Path:
    path = CACHE / "media" / f"unit-{UNIT_SECONDS}s.mp4"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            _make(path, _encode_command, footage(Path(scratch)))
    return path


def _make(path: Path, command: Callable[..., list[str]], *arguments: object) -> None:
    """Whole or not at all."""
    unfinished = path.with_name(f"unfinished-{path.name}")
    unfinished.unlink(missing_ok=True)
    subprocess.run(command(unfinished, *arguments), check=True, stdin=subprocess.DEVNULL)
    unfinished.replace(path)


def _encode_command(made: Path, real: Path | None) -> list[str]:
    """`real`: footage that is looped, scaled and given some grain; without it (no network), a moving pattern."""
    if real:
        source = ["-stream_loop", "-1", "-i", str(real)]
        sound = "[0:a]aformat=channel_layouts=stereo:sample_rates=48000,aresample=async=1[a]"
    else:
        source = ["-f", "lavfi", "-i", "mandelbrot=s=1280x720:r=25", "-f", "lavfi", "-i", "anoisesrc=a=0.1:r=48000"]
        sound = "[1:a]aformat=channel_layouts=stereo[a]"
    picture = "[0:v]fps=25,scale=1920:1080,noise=alls=6:allf=t,format=yuv420p,setsar=1[v]"
    return [
        *(ffmpeg(), "-v", "error", "-nostdin", "-y", *source),
        *("-filter_complex", f"{picture};{sound}", "-map", "[v]", "-map", "[a]", "-t", str(UNIT_SECONDS)),
        *("-c:v", "libx264", "-profile:v", "high", "-preset", "veryfast", "-bf", "2"),
        *("-b:v", VIDEO_BITRATE, "-maxrate", "5500k", "-bufsize", "9200k"),
        *("-g", str(GOP), "-keyint_min", str(GOP), "-sc_threshold", "0"),
        *("-c:a", "aac", "-b:a", AUDIO_BITRATE),
        *("-bsf:a", "noise=drop=lt(pts\\,0)"),  # the encoder's priming would overlap the end of the round before
        str(made),
    ]


def _loop_command(made: Path, unit: Path, film: Film) -> list[str]:
    flags = ["-movflags", "+faststart"] if film.moov is Moov.FRONT else []
    return [
        *(ffmpeg(), "-v", "error", "-nostdin", "-y", "-stream_loop", str(film.seconds // UNIT_SECONDS)),
        *("-i", str(unit), "-t", str(film.seconds), "-c", "copy", *flags, str(made)),
    ]
