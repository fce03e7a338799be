"""Short scenes that show whether they are played well: a colour in each corner, and flashes with a beep."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby
from typing import Any

import av
import numpy as np

from tests.e2e.browser import Appended
from tests.media import AAC, COPY, FAST, Recipe

SECONDS = 8  # two segments of a copy, three of an encode
MARKS = (1, 7)  # seconds at which the middle turns white and a tone is heard
LATE_MARKS = (3, 7)  # where the sound begins later
LATE = 2
MARK_SECONDS = 0.4  # long enough that a browser with little time shows some of it
TONE = 1000  # Hz
SIZE = (320, 180)
CORNERS = {"red": (0, 0), "lime": (1, 0), "blue": (0, 1), "yellow": (1, 1)}  # colour -> right, down
HUES = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0))  # of the corners, in the order in which the page looks at them
AUDIBLE = 0.1  # of full scale: the tone has 0.5, the hum under it 0.01
WHITE, BLACK = 160, 60
CONTRAST = 80


def _marked(marks: Sequence[int]) -> str:
    return "+".join(f"between(t,{mark},{mark + MARK_SECONDS - 0.001:.3f})" for mark in marks)


def _picture(
    rate: str = "25", marks: Sequence[int] = MARKS, *, then: str = "", options: Sequence[str] = ()
) -> tuple[str, ...]:
    """Something that moves, colours in its corners, and a middle that is black but at the marks."""
    width, height = SIZE
    boxes = [
        f"drawbox=x={right * (width - 80)}:y={down * (height - 60)}:w=80:h=60:c={colour}:t=fill"
        for colour, (right, down) in CORNERS.items()
    ]
    middle = "drawbox=x=120:y=60:w=80:h=60:t=fill"
    boxes += [f"{middle}:c=black", f"{middle}:c=white:enable='{_marked(marks)}'"]
    graph = ",".join([f"testsrc2=s={width}x{height}:r={rate}:d={SECONDS}", *boxes, *filter(None, [then])])
    return (*options, "-f", "lavfi", "-i", graph)


def _sound(
    marks: Sequence[int] = MARKS, *, late: int = 0, rate: int = 48000, layout: str = "stereo", tone: int = TONE
) -> tuple[str, ...]:
    """A tone at the marks over a hum. `late`: seconds after the picture's begin at which the sound does."""
    beeps = f"0.5*sin(2*PI*{tone}*t)*({_marked([mark - late for mark in marks])})+0.01*sin(2*PI*100*t)"
    graph = f"aevalsrc='{beeps}':s={rate}:d={SECONDS - late},aformat=channel_layouts={layout}"
    return (*(("-itsoffset", str(late)) if late else ()), "-f", "lavfi", "-i", graph)


def _options(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _h264(gop: int, more: str = "") -> tuple[str, ...]:
    """With B-frames and a key frame every `gop` frames."""
    x264 = f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes=2{more}"
    return _options(f"-c:v libx264 -preset veryfast -crf 30 -pix_fmt yuv420p -x264-params {x264}")


H264 = _h264(50)
VP9_FAST = _options("-c:v libvpx-vp9 -cpu-used 8 -deadline realtime -b:v 400k")


def _hdr(transfer: str) -> tuple[str, ...]:
    tags = f"setparams=color_primaries=bt2020:color_trc={transfer}:colorspace=bt2020nc:range=limited"
    tagged = f"-color_primaries bt2020 -color_trc {transfer} -colorspace bt2020nc"
    hevc = f"-c:v libx265 -preset ultrafast -pix_fmt yuv420p10le -x265-params log-level=error {tagged} -tag:v hvc1"
    return (*_picture(then=f"format=yuv420p10le,{tags}"), *_sound(), *_options(hevc), *AAC, *FAST)


PLAIN = Recipe("scene.mp4", (*_picture(), *_sound(), *H264, *AAC, *FAST))
FRAGMENTED = Recipe("scene-fragmented.mp4", (*COPY, "-movflags", "frag_keyframe+delay_moov+default_base_moof"), PLAIN)
AUDIO_ONLY = Recipe("scene.m4a", ("-map", "0:a", *COPY, *FAST), PLAIN)
LATE_AUDIO = Recipe("scene-late.mp4", (*_picture(marks=LATE_MARKS), *_sound(LATE_MARKS, late=LATE), *H264, *AAC, *FAST))
NTSC = Recipe("scene-ntsc.mp4", (*_picture("30000/1001"), *_sound(rate=44100), *_h264(60), *AAC, *FAST))
ROTATED = Recipe(  # lies on its side, and says so
    "scene-rotated.mp4",
    (*_picture(then="transpose=clock", options=("-noautorotate", "-display_rotation", "90")), *_sound(), *H264, *AAC,
     *FAST),
)  # fmt: skip
VP9 = Recipe(
    "scene-vp9.mp4",
    (*_picture(), *_sound(), *VP9_FAST, *AAC, *FAST),
)
HLG = Recipe("scene-hlg.mp4", _hdr("arib-std-b67"))
PQ = Recipe("scene-pq.mp4", _hdr("smpte2084"))
SURROUND = Recipe("scene-surround.mp4", (*_picture(), *_sound(layout="5.1"), *H264, *AAC, *FAST))
OPEN_GOP = Recipe("scene-open-gop.mp4", (*_picture(), *_sound(), *_h264(50, ":open-gop=1"), *AAC, *FAST))
TWO_LANGUAGES = Recipe(
    "scene-languages.mp4",
    (*_picture(), *_sound(), *_sound(tone=2 * TONE), "-map", "0:v", "-map", "1:a", "-map", "2:a", *H264, *AAC, *FAST,
     *_options("-metadata:s:a:0 language=eng -metadata:s:a:1 language=deu")),
)  # fmt: skip
CUES = ("the first mark", "the last mark")
_SRT = "".join(
    f"{number}\n00:00:0{mark},000 --> 00:00:0{mark},800\n{text}\n\n"
    for number, (mark, text) in enumerate(zip(MARKS, CUES, strict=True), 1)
)
SUBTITLED = Recipe(
    "scene-subtitled.mp4",
    (*_picture(), *_sound(), "-f", "srt", "-i", f"data:text/plain;base64,{b64encode(_SRT.encode()).decode()}",
     *_options("-map 0:v -map 1:a -map 2:s -c:s mov_text -metadata:s:s:0 language=eng"), *H264, *AAC, *FAST),
)  # fmt: skip
VARIABLE_RATE = Recipe(  # every third frame is missing in its first half, every second one in the other
    "scene-vfr.mp4",
    (*_picture("50", then="select='if(lt(t,4),mod(n,3),mod(n,2)-1)'"), *_sound(), "-fps_mode", "vfr", *H264, *AAC,
     *FAST),
)  # fmt: skip
INTERLACED = Recipe(
    "scene-interlaced.mp4",
    (*_picture("50", then="tinterlace=interleave_top,setfield=tff"), *_sound(), *_h264(50, ":tff=1"),
     *AAC, *FAST),
)  # fmt: skip


def is_upright(colours: Sequence[Sequence[int]]) -> bool:
    """Whether each corner has its own colour: the channels that make it up outshine the others."""
    return all(_has(colour, hue) for colour, hue in zip(colours, HUES, strict=False))


def _has(colour: Sequence[int], hue: Sequence[int]) -> bool:
    lit = [channel for channel, on in zip(colour, hue, strict=True) if on]
    dark = [channel for channel, on in zip(colour, hue, strict=True) if not on]
    return min(lit) > max(dark) + CONTRAST


def shown(frames: Sequence[tuple[float, Sequence[Sequence[int]]]]) -> dict[float, bool]:
    """{moment: whether it is white in the middle} of the pictures of a report, without those half way between."""
    brightness = {moment: (min(colours[4]), max(colours[4])) for moment, colours in frames}
    return {moment: low > WHITE for moment, (low, high) in brightness.items() if low > WHITE or high < BLACK}


def beeps(appended: Sequence[Appended]) -> list[Fraction]:
    """The moments, on the player's timeline, at which a tone begins in what a browser was given to decode."""
    found: list[Fraction] = []
    for _, parts in groupby(sorted(appended, key=lambda part: (part.buffer, part.number)), lambda part: part.buffer):
        found += _onsets(list(parts))
    return sorted(found)


def _onsets(parts: Sequence[Appended]) -> list[Fraction]:
    """Of one SourceBuffer. Media segments that share an offset are decoded behind the initialisation before them."""
    init, runs = b"", list[tuple[Fraction, bytes]]()
    for part in parts:
        if part.data[4:8] == b"ftyp":
            init = part.data[: part.data.find(b"moof") - 4] if b"moof" in part.data else part.data
            runs.append((part.offset, part.data))
        elif runs and runs[-1][0] == part.offset:
            runs[-1] = (part.offset, runs[-1][1] + part.data)
        else:
            runs.append((part.offset, init + part.data))
    return [offset + moment for offset, data in runs if b"moof" in data for moment in _tones(data)]


def _tones(data: bytes) -> list[Fraction]:
    """Seconds at which the sound in an MP4 becomes audible after having been quiet for a mark's time."""
    with av.open(io.BytesIO(data)) as container:
        if not container.streams.audio:
            return []
        found, heard = list[Fraction](), Fraction(-1)
        for frame in container.decode(audio=0):
            at = Fraction(frame.pts or 0) * Fraction(frame.time_base or 1)
            loud = np.flatnonzero(np.abs(_mono(frame)) > AUDIBLE)
            if not len(loud):
                continue
            if at + Fraction(int(loud[0]), frame.sample_rate) - heard > MARK_SECONDS:
                found.append(at + Fraction(int(loud[0]), frame.sample_rate))
            heard = at + Fraction(int(loud[-1]), frame.sample_rate)
        return found


def _mono(frame: Any) -> Any:
    samples = frame.to_ndarray()
    return samples[0] if frame.format.is_planar else samples.reshape(-1, len(frame.layout.channels))[:, 0]
