"""When the pictures of an encoded track are shown: at their samples' times, or on a grid where samples are no pictures.

Samples and pictures differ where a decoder outputs nothing for some samples (pictures before the first decodable one,
uncoded VOPs, the second field of a pair), and where an edit list joins parts. Then the plan uses the moments of a fixed
rate, and ffmpeg fills them: each shows the last picture up to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import av
import av.error
import numpy as np

from mam.errors import MediaError
from mam.media.chunk_windows import shown_times
from mam.media.frame_rate import MAX_RATE, STANDARD_RATES, frame_grid, frame_rate, halved, is_constant, standard
from mam.media.packets import ORIGIN, Packet
from mam.media.source import MediaSource, MediaTrack
from mam.mp4.h264 import read_sps
from mam.mp4.hevc import read_hvcc
from mam.mp4.nals import Opening
from mam.mp4.samples import Samples, select
from mam.mp4.tables import Ints

DECODED = 24  # This many packets are decoded: half a second even of field pictures, quick to decode.
PACKET_BYTES = 64 << 20  # Larger packets are not decoded.
LEADING = 64  # Samples that are shown before the first one are among this many after it.
MAX_TIMESCALE = 1 << 30  # The timescale of a grid is limited: libavutil's time bases have 31 bits.
# In these codecs every sample is a complete picture.
WHOLE = frozenset((
    "mjpeg", "png", "prores", "dnxhd", "qtrle", "cinepak", "rawvideo", "dvvideo", "cfhd", "hap", "av1", "vp9",
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cadence:
    """`grid`: frames per second, as a fraction; None for the samples' own times. `phase`: ticks of 1 / grid[0] seconds
    by which the grid is later than one from ffmpeg's zero. `first`: the presentation time of the first decodable
    picture, in ticks of the track; None for that of the index."""

    grid: tuple[int, int] | None = None
    phase: int = 0
    first: int | None = None


def cadence(media: MediaSource, track: MediaTrack, start: Opening, *, doubtful: bool = False) -> Cadence:
    """The cadence of a track. `start`: whether a decoder can start at its first sample. `doubtful`: some samples could
    not be decoded.
    """
    samples = media.samples(track.number)
    doubtful = doubtful or _is_doubtful(track, samples, start)
    if not doubtful and not _has_ties(samples) and not samples.joins:
        rate = frame_grid(samples)
        return Cadence((rate.numerator, rate.denominator) if rate else None)
    shown = _decoded(media, track) if doubtful else np.zeros(0, np.int64)
    rate = _rate(_first_part(samples), shown)
    visible = shown_times(samples)
    shown = shown[np.isin(shown, visible)]
    first = int(shown[0]) if len(shown) else None
    begin = Fraction(int(visible[0]) if first is None else first, samples.timescale)
    scale = lcm(rate.numerator, samples.timescale)
    if scale > MAX_TIMESCALE:
        return Cadence((rate.numerator, rate.denominator), 0, first)
    step = rate.denominator * (scale // rate.numerator)
    return Cadence((scale, step), int((begin + ORIGIN) * scale % step), first)


def has_exact_times(track: MediaTrack, samples: Samples, start: Opening) -> bool:
    """Whether every sample is a picture, with a time that no other one has."""
    return not _is_doubtful(track, samples, start) and not _has_ties(samples)


def _has_ties(samples: Samples) -> bool:
    """Whether two pictures have the same time: a coarse clock gives them that."""
    return bool((np.diff(shown_times(samples)) == 0).any())


def _is_doubtful(track: MediaTrack, samples: Samples, start: Opening) -> bool:
    """Whether some samples may have no picture."""
    if track.codec in WHOLE:
        return False
    if track.codec == "h264":
        sps = read_sps(track.configuration)
        fields = sps is not None and not sps.frame_mbs_only
    elif track.codec == "hevc":
        hevc = read_hvcc(track.configuration)
        fields = bool(hevc and hevc.picture and hevc.picture.interlaced)
    else:
        return True
    leading = bool(samples.pts[:LEADING].min() < samples.pts[0])
    return fields or start is Opening.NONE or (leading and start is not Opening.CLEAN)


def _first_part(samples: Samples) -> Samples:
    """The samples before the first join."""
    return select(samples, slice(samples.joins[0])) if samples.joins else samples


def _rate(samples: Samples, shown: Ints) -> Fraction:
    """Pictures per second. `shown`: the times of the first decoded pictures, as far as they are known."""
    places = np.searchsorted(samples.times, shown)
    per_picture = int(np.quantile(np.diff(places), 0.1)) if len(places) > 1 else 1  # samples of a picture
    if is_constant(samples):
        rate = frame_rate(samples) / max(per_picture, 1)
        return halved(standard(rate).limit_denominator(1001))
    gaps = np.diff(shown if len(shown) > 1 else samples.times)
    gaps = gaps[gaps > 0]
    usual = Fraction(samples.timescale, max(1, int(np.quantile(gaps, 0.1)))) if len(gaps) else Fraction(MAX_RATE)
    return min(STANDARD_RATES, key=lambda rate: abs(rate - usual))


def _decoded(media: MediaSource, track: MediaTrack) -> Ints:
    """The times of the pictures that a decoder outputs for the first samples; empty where it outputs none."""
    decoder = av.CodecContext.create(track.template.codec_context.codec.name, "r")
    decoder.extradata = track.template.codec_context.extradata
    decoder.thread_count = 1
    shown = []
    for packet in (*_packets(media, track), None):
        try:
            shown += [frame.pts for frame in decoder.decode(packet) if frame.pts is not None]
        except (av.error.FFmpegError, ValueError):
            continue
    return np.unique(np.array(shown, np.int64))


def _packets(media: MediaSource, track: MediaTrack) -> Iterator[Packet]:
    samples = media.samples(track.number)
    for number in range(min(DECODED, len(samples))):
        offset, size = int(samples.offset[number]), int(samples.size[number])
        if size > PACKET_BYTES:
            return
        try:
            packet = av.Packet(media.reader.read(offset, offset + size))
        except MediaError:
            return
        packet.pts, packet.dts = int(samples.pts[number]), int(samples.dts[number])
        yield packet
