"""Real media for the tests: made with the ffmpeg that the services use, once per test session, and looked at again."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np

FFMPEG: str = imageio_ffmpeg.get_ffmpeg_exe()
MAKING_SECONDS = 120.0
SLICES = (1, 5)  # nal_unit_type of H.264: what pictures are made of, the rest describes them
ADTS_HEADER = 7  # bytes; ffmpeg writes no checksum


@dataclass(frozen=True, slots=True)
class Recipe:
    """A file and the ffmpeg arguments that make it. `of`: another one, which is its first input."""

    name: str
    arguments: tuple[str, ...]
    of: Recipe | None = None


def _picture(seconds: float, rate: str = "25", size: str = "320x180") -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d={seconds}")


def _sound(seconds: float, rate: int = 48000, layout: str = "stereo") -> tuple[str, ...]:
    """A tone that rises, so that no two frames are the same."""
    tone = "0.3*sin(2*PI*t*(220+20*t))"
    return ("-f", "lavfi", "-i", f"aevalsrc={tone}:s={rate}:d={seconds},aformat=channel_layouts={layout}")


def _h264(gop: int) -> tuple[str, ...]:
    """With B-frames and a key frame every `gop` frames."""
    options = f"-c:v libx264 -preset veryfast -crf 30 -pix_fmt yuv420p -bf 2 -g {gop} -keyint_min {gop}"
    return (*options.split(), "-sc_threshold", "0")


AAC = ("-c:a", "aac", "-b:a", "96k")
COPY = ("-c", "copy")
FAST = ("-movflags", "+faststart")
FILM_SECONDS = 24

CLIP = Recipe("clip.mp4", (*_picture(5), *_sound(5), *_h264(25), *AAC, *FAST))
FILM = Recipe("film.mp4", (*_picture(FILM_SECONDS), *_sound(FILM_SECONDS), *_h264(50), *AAC, *FAST))
OTHER = Recipe("other.mp4", (*_picture(9, "24", "256x144"), *_sound(9, 44100), *_h264(48), *AAC, *FAST))
NTSC = Recipe(
    "ntsc.mp4", (*_picture(FILM_SECONDS, "30000/1001"), *_sound(FILM_SECONDS, 44100), *_h264(60), *AAC, *FAST)
)
MOOV_AT_END = Recipe("moov-at-end.mp4", COPY, of=FILM)
FRAGMENTED = Recipe("fragmented.mp4", (*COPY, "-movflags", "frag_keyframe+empty_moov+default_base_moof"), of=FILM)
QUICKTIME = Recipe("film.mov", (*COPY, "-f", "mov"), of=FILM)
VIDEO_ONLY = Recipe("video-only.mp4", ("-map", "0:v", *COPY, *FAST), of=FILM)
AUDIO_ONLY = Recipe("audio-only.m4a", ("-map", "0:a", *COPY, *FAST), of=FILM)
LONG_AUDIO = Recipe("long-audio.mp4", (*_picture(8), *_sound(27), *_h264(50), *AAC, *FAST))
LATE_AUDIO = Recipe(
    "late-audio.mp4", (*_picture(16), "-itsoffset", "3", *_sound(12), *_h264(50), *AAC, "-map", "0:v", "-map", "1:a")
)
LATE_VIDEO = Recipe(
    "late-video.mp4", ("-itsoffset", "2", *_picture(12), *_sound(15), *_h264(50), *AAC, "-map", "0:v", "-map", "1:a")
)
WITH_MP2 = Recipe("mp2.mp4", ("-map", "0:v", "-map", "0:a", "-c:v", "copy", "-c:a", "mp2"), of=FILM)
WITH_AC3 = Recipe("ac3.mp4", ("-map", "0:v", "-map", "0:a", "-c:v", "copy", "-c:a", "ac3"), of=FILM)
WITH_OPUS = Recipe("opus.mp4", ("-map", "0:v", "-map", "0:a", "-c:v", "copy", "-c:a", "libopus"), of=NTSC)
SURROUND = Recipe(
    "surround.mp4", (*_picture(FILM_SECONDS), *_sound(FILM_SECONDS, 48000, "5.1"), *_h264(50), *AAC, *FAST)
)
VP9 = Recipe(
    "vp9.mp4", (*_picture(4), *_sound(4), "-c:v", "libvpx-vp9", "-cpu-used", "8", "-deadline", "realtime", *AAC)
)
TWO_LANGUAGES = Recipe(
    "two-languages.mp4",
    (*_picture(14), *_sound(14), "-itsoffset", "8", *_sound(4, 44100), *_h264(50), "-map", "0:v", "-map", "1:a", "-map",
     "2:a", *AAC, "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=fra", "-metadata:s:a:1",
     "title=Commentaire", "-disposition:a:0", "default", "-disposition:a:1", "0", *FAST),
)  # fmt: skip
SPARSE = Recipe("sparse.mp4", (*_picture(25), *_sound(25), *_h264(100_000), *AAC, *FAST))
X265 = "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=50:min-keyint=50 -pix_fmt yuv420p -tag:v hev1"
HEVC = Recipe("hevc.mp4", (*_picture(14), *_sound(14), *X265.split(" "), *AAC, *FAST))
AV1 = Recipe("av1.mp4", (*_picture(8), *_sound(8), *(["-c:v", "libsvtav1", "-preset", "12", "-g", "50"]), *AAC, *FAST))
LONG = Recipe("long.mp4", (*_picture(90), *_sound(90), *_h264(50), *AAC, *FAST))
# Long enough to be met at work where an encode is slowed down, and soon decoded frame by frame.
TALK = Recipe("talk.mp4", (*_picture(45), *_sound(45), *_h264(50), *AAC, *FAST))


SUBTITLES = """1
00:00:01,000 --> 00:00:02,500
One & only

2
00:00:05,500 --> 00:00:08,000
Across a <i>boundary</i>

3
00:00:12,000 --> 00:00:13,000
The last
"""


class MediaFolder:
    """Files by recipe, made when first asked for. Several processes may share one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, recipe: Recipe) -> Path:
        # Other tests may have another film of that name.
        path = self._folder / hashlib.sha256(repr(recipe).encode()).hexdigest()[:10] / recipe.name
        if path.exists():
            return path
        path.parent.mkdir(exist_ok=True)
        inputs = ("-i", str(self.path(recipe.of))) if recipe.of else ()
        with tempfile.TemporaryDirectory(dir=self._folder) as scratch:
            made = Path(scratch) / recipe.name
            ffmpeg(*inputs, *recipe.arguments, "-fflags", "+bitexact", str(made))
            return made.replace(path)  # whole or not at all

    def subtitled(self) -> Path:
        """FILM with SUBTITLES in a track of timed text, in German."""
        path = self._folder / "subtitled.mp4"
        if not path.exists():
            with tempfile.TemporaryDirectory(dir=self._folder) as scratch:
                text, made = Path(scratch) / "a.srt", Path(scratch) / "a.mp4"
                text.write_text(SUBTITLES)
                german = ("-metadata:s:s:0", "language=deu")
                ffmpeg("-i", str(self.path(FILM)), "-i", str(text), *COPY, "-c:s", "mov_text", *german, str(made))
                made.replace(path)
        return path

    def bytes(self, recipe: Recipe) -> bytes:
        return self.path(recipe).read_bytes()


def ffmpeg(*arguments: str) -> str:
    """Runs ffmpeg and returns what it wrote to its standard output. Fails the test when it fails."""
    command = [FFMPEG, "-hide_banner", "-nostdin", "-y", "-v", "error", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=MAKING_SECONDS, check=False, env=_no_proxy(), errors="replace"
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stderr[-2000:]}"
    return done.stdout


def complaints(url: str | Path) -> str:
    """What ffmpeg says when it decodes everything at `url`, and stops at the first error; '' when all is well."""
    streams = ("-map", "0:v?", "-map", "0:a?")
    command = [FFMPEG, "-hide_banner", "-nostdin", "-v", "error", "-xerror", "-i", str(url), *streams, "-f", "null"]
    done = subprocess.run(
        [*command, "-"], capture_output=True, text=True, timeout=MAKING_SECONDS, check=False, env=_no_proxy(),
        errors="replace",
    )  # fmt: skip
    return done.stderr.strip() or ("" if done.returncode == 0 else f"exit status {done.returncode}")


def _no_proxy() -> dict[str, str]:
    """A proxy that the environment names is not asked for what is on this machine."""
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


def picture_hashes(path: str | Path) -> list[str]:
    """MD5 of every decoded picture, in the order in which they are shown."""
    text = ffmpeg("-i", str(path), "-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framemd5", "-")
    return [line.rpartition(",")[2].strip() for line in text.splitlines() if line and not line.startswith("#")]


def loudness(media: bytes) -> list[float]:
    """The root mean square of the sound in each second, 1.0 being full scale."""
    with tempfile.TemporaryDirectory() as folder:
        source, raw = Path(folder) / "a", Path(folder) / "raw"
        source.write_bytes(media)
        ffmpeg("-i", str(source), "-map", "0:a:0", "-ac", "1", "-ar", "8000", "-f", "f32le", str(raw))
        samples = np.fromfile(raw, np.float32)
    return [float(np.sqrt(np.mean(samples[at : at + 8000] ** 2))) for at in range(0, len(samples), 8000)]


@dataclass(frozen=True, slots=True)
class Frame:
    """A coded frame as a container holds it. Times in seconds, exact as far as the container's ticks are."""

    pts: Fraction
    dts: Fraction
    is_key: bool
    payload: bytes


def frames(media: Path | bytes, kind: str) -> list[Frame]:
    """The coded frames of the first track of a kind ('video' or 'audio'), without what the container adds.

    Video: the slices of each picture, whether length-prefixed or in Annex B; audio: raw AAC, without ADTS.
    """
    opened: Any = str(media) if isinstance(media, Path) else io.BytesIO(media)
    with av.open(opened) as container:
        streams = [stream for stream in container.streams if stream.type == kind]
        if not streams:
            return []
        stream: Any = streams[0]
        return [
            Frame(
                packet.pts * packet.time_base,
                packet.dts * packet.time_base,
                bool(packet.is_keyframe),
                _bare(bytes(packet), stream.codec_context.name, container.format.name),
            )
            for packet in container.demux(stream)
            if packet.pts is not None and packet.size
        ]


def _bare(data: bytes, codec: str, container: str) -> bytes:
    if codec == "h264":
        units = _annex_b(data) if container == "mpegts" else _length_prefixed(data)
        return b"".join(unit for unit in units if unit and unit[0] & 0x1F in SLICES)
    if codec == "aac" and container == "mpegts":
        return data[ADTS_HEADER:]
    return data


def _length_prefixed(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 4 + size]
        at += 4 + size


def _annex_b(data: bytes) -> Iterable[bytes]:
    """NAL units between start codes; the zero of a four-byte start code belongs to it."""
    return (unit.rstrip(b"\x00") for unit in data.split(b"\x00\x00\x01")[1:])


def probe(path: str | Path) -> dict[str, Any]:
    """{'video': codec, 'audio': codec, 'width': ..., 'height': ...} of what is at `path`."""
    with av.open(str(path)) as container:
        found: dict[str, Any] = {s.type: s.codec_context.codec.canonical_name for s in container.streams}
        for stream in container.streams.video:
            found |= {"width": stream.codec_context.width, "height": stream.codec_context.height}
        return found
