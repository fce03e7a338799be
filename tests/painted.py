"""A picture and a sound that tell, after any conversion, which way up they are, how bright, how loud, and in sync."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

MARKS = (0.4, 1.6, 3.2, 7.2, 20.4)  # seconds: a flash and a beep begin; no two of them lie equally far apart
MARK_SECONDS = 0.2
CORNERS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "yellow": (255, 255, 0)}
UPRIGHT = ("red", "green", "blue", "yellow")  # top left, top right, bottom left, bottom right
BEEP = 0.4  # its peak; 1 is full scale
FRAMES_LOOKED_AT = 40  # for brightness and combing, which do not change


def painted(seconds: float, rate: str = "25", size: tuple[int, int] = (320, 180), *, before: str = "null") -> str:
    """A lavfi source: moving picture, coloured corners, white on the left, black on the right, a flash in the middle.

    `before`: filters for what moves, before the rest is painted on it.
    """
    boxes = {"red": (0, 0), "green": (4, 0), "blue": (0, 4), "yellow": (4, 4), "white": (0, 2), "black": (4, 2)}
    corners = ",".join(_box(color, x, y) for color, (x, y) in boxes.items())
    flash = _box("black", 2, 2) + "," + _box("white", 2, 2) + f":enable='{_marks()}'"
    width, height = size
    return f"testsrc2=s={width}x{height}:r={rate}:d={seconds},{before},format=yuv444p,{corners},{flash}"


def _box(color: str, x: int, y: int) -> str:
    """One of five by five."""
    return f"drawbox=x=iw*{x}/5:y=ih*{y}/5:w=iw/5+1:h=ih/5+1:color={color}:t=fill"


def _marks() -> str:
    return "+".join(f"between(t,{mark - 0.001},{mark + MARK_SECONDS - 0.001})" for mark in MARKS)


def beeping(
    seconds: float, rate: int = 48000, layout: str = "stereo", *, beeps: tuple[bool, ...] = (True, True)
) -> str:
    """A lavfi source: a hum, and a beep with each flash in those channels that have one."""
    hum = "0.02*sin(2*PI*220*t)"
    channels = "|".join(f"{hum}+{BEEP}*sin(2*PI*1000*t)*({_marks()})" if on else hum for on in beeps)
    return f"aevalsrc='{channels}':s={rate}:d={seconds}:c={layout}"


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found when everything was decoded. Times in seconds of the stream's own clock."""

    size: tuple[int, int] | None = None  # of the picture as it is shown: square pixels, turned by the container
    corners: tuple[str, ...] = ()
    white: float = 0  # 0 to 255
    black: float = 0
    redness: float = 0  # of the red corner: how far red stands above the other two, as a part of itself
    combing: float = 0  # how much neighbouring lines differ, against lines two apart; below 1 in a sound picture
    transfer: int = 2  # ISO/IEC 23091-2; 1 BT.709, 2 not said
    shown: tuple[Fraction, ...] = ()  # when each frame is shown
    heard: tuple[Fraction, Fraction] | None = None  # from when to when there is sound
    flashes: tuple[Fraction, ...] = ()
    beeps: tuple[Fraction, ...] = ()
    loudness: float = 0  # peak of the beeps in the louder channel

    @property
    def rate(self) -> float:
        """Frames a second."""
        return (len(self.shown) - 1) / float(self.shown[-1] - self.shown[0]) if len(self.shown) > 1 else 0

    @property
    def steps(self) -> tuple[float, float]:
        """The shortest and the longest time between two frames."""
        steps = [float(b - a) for a, b in zip(self.shown, self.shown[1:], strict=False)]
        return (min(steps), max(steps)) if steps else (0, 0)

    @property
    def seconds(self) -> float:
        """From the first that is seen or heard to the last."""
        step = 1 / self.rate if self.rate else 0
        starts = [*self.shown[:1], *(self.heard or ())[:1]]
        ends = [*(float(at) + step for at in self.shown[-1:]), *(float(at) for at in (self.heard or ())[1:])]
        return max(ends) - float(min(starts)) if starts else 0


def look(at: str | Path) -> Seen:
    """Decodes the first picture and the first sound of a file or playlist. Raises av.error.FFmpegError."""
    with av.open(str(at)) as container:
        picture = next((s for s in container.streams.video if not int(s.disposition) & 0x0400), None)
        sound = next(iter(container.streams.audio), None)
        frames, sounds = _Pictures(Fraction(picture.sample_aspect_ratio or 1) if picture else Fraction(1)), _Sounds()
        streams: list[Any] = [stream for stream in (picture, sound) if stream]
        for packet in container.demux(streams):
            if packet.stream.type == "video":
                frames.add(packet.decode())
            else:
                sounds.add(packet.decode())
    return Seen(**frames.found(), **sounds.found())


class _Pictures:
    def __init__(self, aspect: Fraction) -> None:
        self._aspect = aspect  # of a stored pixel
        self._shown: list[Fraction] = []
        self._centres: list[tuple[Fraction, float]] = []
        self._sample: list[Pixels] = []
        self._first: Any = None

    def add(self, frames: list[Any]) -> None:
        for frame in frames:
            self._first = self._first or frame
            moment = frame.pts * frame.time_base
            pixels = _upright(frame)
            self._shown.append(moment)
            self._centres.append((moment, float(_patch(pixels, 2, 2).mean())))
            if len(self._sample) < FRAMES_LOOKED_AT:
                self._sample.append(pixels)

    def found(self) -> dict[str, Any]:
        if self._first is None:
            return {}
        middle = self._sample[len(self._sample) // 2]
        red = _patch(middle, 0, 0).reshape(-1, 3).mean(0)
        size = (round(self._first.width * self._aspect), self._first.height)
        order = sorted(self._centres)
        bright = [level > 100 for _, level in order]
        return {
            "size": size[::-1] if round(self._first.rotation / 90) % 2 else size,
            "corners": corners(middle),
            "white": float(_patch(middle, 0, 2).mean()),
            "black": float(_patch(middle, 4, 2).mean()),
            "redness": float((red[0] - max(red[1], red[2])) / max(red[0], 1)),
            "combing": max(map(_combing, self._sample)),
            "transfer": int(self._first.color_trc),
            "shown": tuple(sorted(self._shown)),
            "flashes": tuple(
                moment for (moment, _), on, before in zip(order, bright, [False, *bright], strict=False)
                if on and not before
            ),
        }  # fmt: skip


def corners(pixels: Pixels) -> tuple[str, ...]:
    """The colours of a picture's corners, by row."""
    return tuple(_name(_patch(pixels, x, y).reshape(-1, 3).mean(0)) for y in (0, 4) for x in (0, 4))


def levels(pixels: Pixels) -> tuple[float, float]:
    """How bright its white and its black are, from 0 to 255."""
    return float(_patch(pixels, 0, 2).mean()), float(_patch(pixels, 4, 2).mean())


def _upright(frame: Any) -> Pixels:
    """As a player shows it: RGB, turned by what the container says."""
    pixels: Pixels = frame.to_ndarray(format="rgb24")
    return np.rot90(pixels, round(frame.rotation / 90) % 4)


def _patch(pixels: Pixels, x: int, y: int) -> Pixels:
    """The inner part of one of five by five boxes."""
    height, width = pixels.shape[0] / 5, pixels.shape[1] / 5
    top, left = int((y + 0.3) * height), int((x + 0.3) * width)
    return pixels[top : max(top + 1, int((y + 0.7) * height)), left : max(left + 1, int((x + 0.7) * width))]


def _name(color: npt.NDArray[np.float64]) -> str:
    """The corner's colour; brightness does not matter."""
    bright = color * (255 / max(float(color.max()), 1))
    return min(CORNERS, key=lambda name: float(((bright - np.array(CORNERS[name])) ** 2).sum()))


def _combing(pixels: Pixels) -> float:
    """Between the corners, where something moves."""
    grey = pixels.astype(np.float64).mean(2)[:, pixels.shape[1] // 4 : -pixels.shape[1] // 4 or None]
    if len(grey) < 4:
        return 0
    near, far = np.abs(grey[1:-1] - grey[:-2]).mean(), np.abs(grey[2:] - grey[:-2]).mean()
    return float(near / max(float(far), 1.0))


class _Sounds:
    def __init__(self) -> None:
        self._parts: list[tuple[Fraction, npt.NDArray[np.float32]]] = []
        self._rate = 0
        self._resampler = av.AudioResampler(format="flt")  # interleaved: eight planes are more than numpy is given

    def add(self, frames: list[Any]) -> None:
        for frame in frames:
            if frame.pts is None:
                continue
            for same in self._resampler.resample(frame):
                self._rate = same.sample_rate
                samples = np.abs(same.to_ndarray()).reshape(-1, len(same.layout.channels)).max(1)
                self._parts.append((frame.pts * frame.time_base, samples))

    def found(self) -> dict[str, Any]:
        if not self._parts:
            return {}
        last, samples = self._parts[-1]
        onsets = tuple(self._onsets())
        loud = [part for _, part in self._parts if float(part.max(initial=0)) > BEEP / 20]
        return {
            "heard": (self._parts[0][0], last + Fraction(len(samples), self._rate)),
            "beeps": onsets,
            "loudness": float(np.percentile(np.concatenate(loud), 99)) if loud else 0,
        }

    def _onsets(self) -> Iterator[Fraction]:
        """Where it becomes loud after a tenth of a second that was not."""
        threshold = max(float(np.max([part.max(initial=0) for _, part in self._parts])) / 3, 0.05)
        last: Fraction | None = None  # the moment of the last loud sample
        for start, part in self._parts:
            loud = np.flatnonzero(part > threshold)
            if not len(loud):
                continue
            first = start + Fraction(int(loud[0]), self._rate)
            if last is None or first - last > Fraction(1, 10):
                yield first
            for at in loud[1:][np.diff(loud) * 10 > self._rate]:
                yield start + Fraction(int(at), self._rate)
            last = start + Fraction(int(loud[-1]), self._rate)
