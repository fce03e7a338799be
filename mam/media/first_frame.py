"""Properties of a track's pictures, and the filters that make them upright, square, SDR and 8 bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import av
import av.error
import numpy as np

from mam.errors import MediaError
from mam.media import apertures, colours, decoders
from mam.media.apertures import Crop
from mam.media.colours import Colours
from mam.media.limits import MAX_PIXELS
from mam.media.source import MediaSource, MediaTrack
from mam.mp4 import entries
from mam.mp4.bits import UNSPECIFIED
from mam.mp4.repair import CODED_BLOCK

MAX_PACKETS = 12  # At most this many packets are decoded for the first picture.
PACKET_BYTES = 64 << 20  # Larger packets are not decoded.
HDR_TRANSFERS = {16: "smpte2084", 18: "arib-std-b67"}  # PQ and HLG, as in ISO/IEC 23091-2
FULL_RANGE = 2  # AVCOL_RANGE_JPEG
MATRICES = {1: "bt709", 4: "fcc", 5: "bt470", 6: "smpte170m", 7: "smpte240m", 9: "bt2020"}  # Names of `scale`.
MIN_ASPECT, MAX_ASPECT = Fraction(1, 10), Fraction(10)  # Pixels of other shapes are taken as square.


@dataclass(frozen=True, slots=True)
class FirstFrame:
    """Properties of a track's pictures, from its headers and, where it was decoded, its first picture.

    `width`, `height`: of the shown part, which is `crop` of the decoded picture. `primaries`, `transfer`, `matrix`: as
    in ISO/IEC 23091-2; 2 is unknown. `field_order`: progressive, tff or bff. `coded`: the colours in the frames
    themselves.
    """

    width: int
    height: int
    sample_aspect_ratio: Fraction
    pixel_format: str | None
    full_range: bool
    primaries: int
    transfer: int
    field_order: str | None
    matrix: int = 2
    coded: Colours = colours.NOT_SAID
    crop: Crop | None = None

    @property
    def colours(self) -> Colours:
        return Colours(self.primaries, self.transfer, self.matrix, self.full_range)

    @property
    def interlaced(self) -> bool:
        return self.field_order in ("tff", "bff")


def read_first_frame(media: MediaSource, track: MediaTrack) -> FirstFrame:
    """The properties of a track's pictures: its first picture is decoded where possible."""
    context = track.template.codec_context
    frame = _first_picture(media, track) if track.codec in decoders.PICTURES else None
    width, height = (frame.width, frame.height) if frame else apertures.stored_size(track)
    crop = apertures.crop_of(track, width, height)
    aspect = _container_aspect(track, width, height) or (frame and _aspect(frame)) or Fraction(1)
    if not MIN_ASPECT < aspect < MAX_ASPECT:  # some files have nonsense for "unknown"
        aspect = Fraction(1)

    def value_of(name: str, unknown: int) -> int:
        """A value of the container, else of the codec."""
        value = int(getattr(context, name) or 0)
        return value if value not in (0, unknown) or frame is None else int(getattr(frame, name) or unknown)

    return FirstFrame(
        width=crop.width if crop else width,
        height=crop.height if crop else height,
        sample_aspect_ratio=Fraction(aspect),
        pixel_format=frame.format.name if frame else (context.format.name if context.format else None),
        full_range=value_of("color_range", 0) == FULL_RANGE or bool(frame and frame.format.name.startswith("yuvj")),
        primaries=value_of("color_primaries", 2),
        transfer=value_of("color_trc", 2),
        field_order=_field_order(frame),
        matrix=value_of("colorspace", 2),
        coded=_coded(frame),
        crop=crop,
    )


def _coded(frame: Any) -> Colours:
    """The colours of a decoded frame."""
    if frame is None:
        return colours.NOT_SAID
    primaries, transfer, matrix = (
        int(getattr(frame, name) or UNSPECIFIED) for name in ("color_primaries", "color_trc", "colorspace")
    )
    color_range = int(frame.color_range or 0)
    full = color_range == FULL_RANGE or frame.format.name.startswith("yuvj")
    return Colours(primaries, transfer, matrix, full if color_range or full else None)


def _container_aspect(track: MediaTrack, width: int, height: int) -> Fraction | None:
    """The container's pixel aspect; None where it derives from a wrong picture size."""
    context, stated = track.template.codec_context, track.template.sample_aspect_ratio
    wrong = context.width and (abs(context.width - width) >= CODED_BLOCK or abs(context.height - height) >= CODED_BLOCK)
    return None if wrong and entries.configuration(track.entry, b"pasp") is None else stated


def _field_order(frame: Any) -> str | None:
    if frame is None:
        return None
    if not frame.interlaced_frame:
        return "progressive"
    return "tff" if getattr(frame, "top_field_first", True) else "bff"


def _aspect(frame: Any) -> Fraction | None:
    return getattr(frame, "sample_aspect_ratio", None)


def _first_picture(media: MediaSource, track: MediaTrack) -> Any:
    """The first picture that a decoder makes of the track's first key frame, or None."""
    decoder = av.CodecContext.create(track.template.codec_context.codec.name, "r")
    decoder.extradata = track.template.codec_context.extradata
    decoder.thread_count = 1
    decoder.options = {"max_pixels": str(MAX_PIXELS)}
    try:
        for packet in _first_packets(media, track):
            for frame in decoder.decode(packet):
                return frame
        return next(iter(decoder.decode(None)), None)
    except (av.error.FFmpegError, MediaError, ValueError):
        return None


def _first_packets(media: MediaSource, track: MediaTrack) -> Iterator[Any]:
    samples = media.samples(track.number)
    first = int(np.flatnonzero(samples.key)[0])
    for number in range(first, min(first + MAX_PACKETS, len(samples))):
        offset, size = int(samples.offset[number]), int(samples.size[number])
        if size > PACKET_BYTES:
            return
        packet = av.Packet(media.reader.read(offset, offset + size))
        packet.pts, packet.dts = int(samples.pts[number]), int(samples.dts[number])
        yield packet


def picture_filters(
    frame: FirstFrame, turn: tuple[str, ...], *, changes: bool = False
) -> tuple[tuple[str, ...], int, int]:
    """(filters, width, height): upright, square pixels, even sizes, standard range, 8-bit 4:2:0.

    RGB is converted with the matrix that players assume for the size, and tagged with it. `changes`: later pictures may
    have another size; they are fitted into that of the first, with bars.
    """
    tone = _tone_mapping(frame)
    prepare = (*(frame.crop.filters if frame.crop else ()), *(tone or _tagged(frame)))
    width, height = (max(2, pixels // 2 * 2) for pixels in _square(frame))
    in_range = "" if tone or not frame.full_range else "in_range=full:"
    scale: tuple[str, ...] = (f"scale=w={width}:h={height}:{in_range}out_range=limited",)
    if changes:
        scale = _fitting(frame, width, height, in_range)
    if not tone and _is_rgb(frame.pixel_format):
        matrix = MATRICES[colours.usual_matrix(frame.width, frame.height)]
        scale = (
            f"{scale[0]}:out_color_matrix={matrix}",
            *scale[1:],
            f"setparams=colorspace={matrix}:color_primaries=bt709:color_trc=bt709",
        )
    if any(name.startswith("transpose") for name in turn):
        width, height = height, width
    return (*prepare, *scale, "setsar=sar=1", *turn, "format=pix_fmts=yuv420p"), width, height


def _fitting(frame: FirstFrame, width: int, height: int, in_range: str) -> tuple[str, ...]:
    """Filters that fit pictures of any size into one size, with bars where the shapes differ."""
    square = ("scale=w=trunc(iw*sar/2)*2:h=ih", "setsar=sar=1") if frame.sample_aspect_ratio != 1 else ()
    within = f"force_original_aspect_ratio=decrease:force_divisible_by=2:{in_range}out_range=limited"
    return (
        *square,
        f"scale=w={width}:h={height}:{within}",
        f"pad=w={width}:h={height}:x=(ow-iw)/2:y=(oh-ih)/2:eval=frame",
    )


def still_filters(frame: FirstFrame, turn: tuple[str, ...], *, longest: int) -> tuple[tuple[str, ...], int, int]:
    """(filters, width, height): upright, square pixels, even sizes of at most `longest` a side, SDR; 8-bit RGB.

    The picture is scaled first, so that the other filters cost little.
    """
    tone = _tone_mapping(frame)
    crop = frame.crop.filters if frame.crop else ()
    width, height = _square(frame)
    ratio = min(Fraction(1), Fraction(longest, max(width, height)))
    width, height = (max(2, round(pixels * ratio / 2) * 2) for pixels in (width, height))
    usual = colours.usual_matrix(frame.width, frame.height)
    scale_options = "" if tone else f":in_color_matrix={MATRICES.get(frame.matrix, MATRICES[usual])}"
    scale_options += ":in_range=full" if frame.full_range and not tone else ""
    downscale = f"scale=w={width}:h={height}:flags=bilinear{scale_options}"
    from_bt709 = ("scale=in_color_matrix=bt709:in_range=limited",) if tone else ()
    if any(name.startswith("transpose") for name in turn):
        width, height = height, width
    return (*crop, downscale, *tone, *from_bt709, "format=pix_fmts=rgb24", *turn), width, height


def _tagged(frame: FirstFrame) -> tuple[str, ...]:
    """The filter that tags frames with the container's colours: decoded frames only have those of the codec."""
    shown = replace(frame.colours, matrix=UNSPECIFIED) if _is_rgb(frame.pixel_format) else frame.colours
    return colours.retagged(frame.coded, replace(shown, full_range=None))  # `scale` sets the range


def _is_rgb(pixel_format: str | None) -> bool:
    """Whether a pixel format is RGB of any order and depth, or a palette: it has no matrix."""
    if pixel_format is None:
        return False
    video_format = av.VideoFormat(pixel_format)
    return video_format.is_rgb or video_format.has_palette


def _square(frame: FirstFrame) -> tuple[int, int]:
    """Width and height with square pixels, before rotation."""
    width, height, aspect = frame.width, frame.height, frame.sample_aspect_ratio
    width = width * aspect.numerator // aspect.denominator if aspect > 1 else width
    return width, height * aspect.denominator // aspect.numerator if aspect < 1 else height


def _tone_mapping(frame: FirstFrame) -> tuple[str, ...]:
    """The filters from HDR to BT.709, the usual chain: linear light, BT.709 primaries, the Hable curve, back.

    Unspecified properties of HDR are taken as BT.2020.
    """
    if frame.transfer not in HDR_TRANSFERS:
        return ()
    completed = frame.colours.completed(frame.width, frame.height)
    name, in_range = HDR_TRANSFERS[frame.transfer], "full" if frame.full_range else "limited"
    primaries = colours.PRIMARIES.get(completed.primaries, "bt2020")
    matrix = "gbr" if _is_rgb(frame.pixel_format) else colours.MATRICES.get(completed.matrix, "bt2020nc")
    tags = () if matrix == "gbr" else colours.retagged(frame.coded, replace(completed, full_range=None))
    return (
        *tags,
        # NUT carries no colour tags, so the input's must be given
        f"zscale=transferin={name}:primariesin={primaries}:matrixin={matrix}:rangein={in_range}:transfer=linear:npl=100",
        "format=pix_fmts=gbrpf32le",
        "zscale=primaries=bt709",
        "tonemap=tonemap=hable:desat=0",
        "zscale=transfer=bt709:matrix=bt709:range=limited",
    )
