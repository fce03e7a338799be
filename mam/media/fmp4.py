"""Muxes packets into segments of fragmented MP4, and writes the header that all segments of a rendition share.

No muxer state passes from one segment to the next: a fragment contains its decode time, so any worker makes any
segment.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import av
import av.error

from mam.errors import DamagedMedia, NotRemuxable
from mam.media.packets import ORIGIN, Packet
from mam.mp4.boxes import InvalidIndex, leaves
from mam.mp4.descriptions import settled
from mam.mp4.writing import Sample, TrackEntry, TrackRun, fragment, header

OPTIONS = {
    "movflags": "empty_moov+default_base_moof+delay_moov",  # delay_moov: some codecs are described by their packets
    "fflags": "+bitexact",
}
DESCRIBED_BY_PACKETS = frozenset({"ac3", "eac3"})  # The MP4 demuxer drops dac3 and dec3 of these codecs.
NAL_PREFIXED = frozenset({"h264"})  # ffmpeg's output of these codecs is Annex B; it is stored with NAL unit lengths.
H264_PARAMETER_SETS = (7, 8)  # The nal_unit_types of SPS and PPS, which avc1 has only in the header.


@dataclass(frozen=True, slots=True)
class _Moment:
    """A packet in the track's ticks. `end`: the next packet's decode time by this one's duration; else `dts`."""

    data: memoryview | bytes
    dts: int
    pts: int
    end: int
    key: bool


@dataclass(frozen=True, slots=True)
class _Track:
    number: int
    scale: int
    annex_b: bool
    moments: list[_Moment] = field(default_factory=list)


class FragmentMuxer:
    """One segment of fragmented MP4 in memory.

    `templates`: the streams, by the keys that `mux` gets, in the order of `init_segment`. `scales`: the ticks per
    second of each track, the denominators of its packets' time base. `number`: the segment's, from 0. `delays`: ticks
    that are added to a track's decode and composition times: the first picture's reordering. With the delay a track's
    first decode time is that of its first shown picture, where players place the start of the track, and no composition
    offset is negative, which some players misread. The header's edit list subtracts the delay again, so that
    presentation times are unchanged. `signed`: composition times get no delay and offsets may be negative, as in the
    fragments of earlier planners.
    """

    def __init__(
        self,
        templates: Mapping[Any, Any],
        scales: Mapping[Any, int],
        number: int,
        delays: Mapping[Any, int] | None = None,
        *,
        signed: bool = False,
    ) -> None:
        self._signed = signed
        self._number = number
        self._delays = delays or {}
        self._tracks = {
            key: _Track(track_number, scales[key], _is_annex_b(template))
            for track_number, (key, template) in enumerate(templates.items(), 1)
        }

    def mux(self, key: Any, packet: Packet) -> None:
        """Appends a packet. A sample lasts until the next one of its track, the last one for its packet's duration."""
        track = self._tracks[key]
        if packet.pts is None or packet.dts is None:
            raise DamagedMedia("A packet does not say when it is shown.")
        base = packet.time_base
        data: memoryview | bytes = memoryview(packet)
        if track.annex_b:
            data = length_prefixed(bytes(packet))
        times = (packet.dts, packet.pts, packet.dts + (packet.duration or 0))
        dts, pts, end = (_rescaled(time, base, track.scale) for time in times)
        delay = self._delays.get(key, 0)
        dts, pts, end = dts + delay, pts if self._signed else pts + delay, end + delay
        track.moments.append(_Moment(data, dts, pts, end, bool(packet.is_keyframe)))

    def finish(self) -> memoryview:
        """The segment's bytes. Raises DamagedMedia when its times cannot be written."""
        runs = [
            TrackRun(track.number, track.moments[0].dts, list(_samples(track)))
            for track in self._tracks.values()
            if track.moments
        ]
        try:
            return memoryview(fragment(self._number + 1, runs))
        except ValueError as error:
            raise DamagedMedia(f"Segment {self._number} cannot be written: {error}") from error


def _rescaled(time: int, base: Fraction, scale: int) -> int:
    """A time in another scale, rounded to the nearest tick: the same for a sample's end and the next one's start."""
    numerator, denominator = base.numerator * scale, base.denominator
    return (2 * time * numerator + denominator) // (2 * denominator)


def _samples(track: _Track) -> Iterator[Sample]:
    """Raises DamagedMedia when decode times fall."""
    moments, last = track.moments, track.moments[-1]
    previous_duration = last.dts - moments[-2].dts if len(moments) > 1 else 0
    last_end = last.end if last.end > last.dts else last.dts + previous_duration  # audio from NUT has no durations
    for moment, end in zip(moments, [*(later.dts for later in moments[1:]), last_end], strict=True):
        if end < moment.dts:
            raise DamagedMedia(f"The media near {moment.dts / track.scale - ORIGIN:.1f} s is out of order.")
        yield Sample(moment.data, end - moment.dts, moment.pts - moment.dts, moment.key)


def length_prefixed(data: bytes) -> bytes:
    """An Annex B picture of H.264 in the form of avc1: each NAL unit after its length, without parameter sets.

    A NAL unit contains no bytes 0 0 1 and does not end with a zero: such zeros belong to the next start code or
    padding.
    """
    units = (unit.rstrip(b"\0") for unit in data.split(b"\0\0\1")[1:])
    kept = (unit for unit in units if unit and unit[0] & 0x1F not in H264_PARAMETER_SETS)
    return b"".join(struct.pack(">I", len(unit)) + unit for unit in kept)


def _is_annex_b(template: Any) -> bool:
    """Whether a stream's packets have start codes: it lacks an avcC, which begins with 1 and gives the length size."""
    return _codec(template) in NAL_PREFIXED and _extradata(template)[:1] != b"\1"


def _extradata(template: Any) -> bytes:
    context = template.codec_context
    return bytes(context.extradata or b"") if context is not None else b""


def _codec(template: Any) -> str:
    context = template.codec_context
    return str(context.codec.canonical_name) if context is not None else "unknown"


def _needs_packet(template: Any) -> bool:
    """Whether libavformat must read a packet before it can describe the stream."""
    return _codec(template) in DESCRIBED_BY_PACKETS or (_is_annex_b(template) and not _extradata(template))


# the header


def init_segment(
    templates: Mapping[Any, Any],
    scales: Mapping[Any, int],
    first: Mapping[Any, Packet] | None = None,
    *,
    delays: Mapping[Any, int] | None = None,
    container: str = "mp4",
) -> bytes:
    """The header of a rendition (EXT-X-MAP), the same bytes for the same streams.

    `first`: a track's first packet, for codecs that libavformat describes from one (AC-3, E-AC-3), and for encoded
    H.264 whose template has no extradata. `delays`: those of the segments. `container`: the format whose codec
    descriptions are used. Raises NotRemuxable for streams that fragments cannot carry.
    """
    entries = {
        key: _entry(template, scales[key], (first or {}).get(key), container) for key, template in templates.items()
    }
    return header([replace(entry, media_time=(delays or {}).get(key, 0)) for key, entry in entries.items()])


def _entry(template: Any, scale: int, packet: Packet | None, container: str) -> TrackEntry:
    file = _written_by_libavformat(template, packet, container)
    try:
        boxes = leaves(file, 0, len(file))
        stsd, tkhd = boxes[b"stsd"], boxes[b"tkhd"]
        description = settled(file[stsd.start : stsd.end], encoded=_is_annex_b(template))
    except (InvalidIndex, KeyError, IndexError, struct.error) as error:
        raise NotRemuxable(f"Its {_codec(template).upper()} cannot be described in fragments of MP4.") from error
    width, height = struct.unpack_from(">2I", file, tkhd.end - 8)
    return TrackEntry("vide" if template.type == "video" else "soun", scale, description, width, height)


def _written_by_libavformat(template: Any, packet: Packet | None, form: str) -> bytes:
    """A file of one track, of which only the `stsd` is used."""
    file = io.BytesIO()
    try:
        with av.open(file, "w", format=form, options=OPTIONS) as container:
            stream = container.add_stream_from_template(template, opaque=True)
            if packet is not None and _needs_packet(template):
                sample: Packet = av.Packet(bytes(packet))  # a copy: muxing changes it
                sample.stream, sample.time_base = stream, Fraction(1, 1000)
                sample.dts = sample.pts = 0
                sample.is_keyframe = True
                container.mux(sample)
            else:
                container.start_encoding()
    except (av.error.FFmpegError, ValueError) as error:
        raise NotRemuxable(f"Its {_codec(template).upper()} does not fit into fragments of MP4.") from error
    return file.getvalue()
