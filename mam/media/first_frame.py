"""What a track's pictures are like, and the filters that make them upright, square, SDR and 8 bit."""

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
from mam.media.source import MediaSource, MediaTrack
from mam.mp4 import entries
from mam.mp4.bits import UNSPECIFIED
from mam.mp4.repair import CODED_BLOCK

LOOKED_AT = 12  # packets given to a decoder for its first picture
PACKET_BYTES = 64 << 20
HDR_TRANSFERS = {16: "smpte2084", 18: "arib-std-b67"}  # PQ and HLG, as in ISO/IEC 23091-2
FULL_RANGE = 2  # AVCOL_RANGE_JPEG
MATRICES = {1: "bt709", 4: "fcc", 5: "bt470", 6: "smpte170m", 7: "smpte240m", 9: "bt2020"}  # as `scale` calls them
MIN_ASPECT, MAX_ASPECT = Fraction(1, 10), Fraction(10)  # of a pixel
MAX_PIXELS = 8192 * 4320


@dataclass(frozen=True, slots=True)
class FirstFrame:
    """What a track's pictures are like: by its headers, and by its first picture where that was decoded.

    `width`, `height`: of what is shown, `crop` of what is decoded. `primaries`, `transfer`, `matrix`: as in ISO/IEC
    23091-2; 2 is unknown. `field_order`: progressive, tff or bff. `coded`: the colours that the frames say themselves.
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


def look_at(media: MediaSource, track: MediaTrack) -> FirstFrame:
    """Decodes the track's first picture; goes by the headers alone where that does not work."""
    context = track.template.codec_context
    frame = _first_picture(media, track) if track.codec in decoders.PICTURES else None
    width, height = (frame.width, frame.height) if frame else apertures.stored_size(track)
    crop = apertures.crop_of(track, width, height)
    aspect = _said_aspect(track, width, height) or (frame and _aspect(frame)) or Fraction(1)
    if not MIN_ASPECT < aspect < MAX_ASPECT:  # nonsense is in use for "unknown"
        aspect = Fraction(1)

    def known(name: str, unknown: int) -> int:
        """The container's word goes before the codec's."""
        said = int(getattr(context, name) or 0)
        return said if said not in (0, unknown) or frame is None else int(getattr(frame, name) or unknown)

    return FirstFrame(
        width=crop.width if crop else width,
        height=crop.height if crop else height,
        sample_aspect_ratio=Fraction(aspect),
        pixel_format=frame.format.name if frame else (context.format.name if context.format else None),
        full_range=known("color_range", 0) == FULL_RANGE or bool(frame and frame.format.name.startswith("yuvj")),
        primaries=known("color_primaries", 2),
        transfer=known("color_trc", 2),
        field_order=_field_order(frame),
        matrix=known("colorspace", 2),
        coded=_coded(frame),
        crop=crop,
    )


def _coded(frame: Any) -> Colours:
    """The colours that a frame says, as it leaves the decoder."""
    if frame is None:
        return colours.NOT_SAID
    primaries, transfer, matrix = (
        int(getattr(frame, name) or UNSPECIFIED) for name in ("color_primaries", "color_trc", "colorspace")
    )
    ranged = int(frame.color_range or 0)
    full = ranged == FULL_RANGE or frame.format.name.startswith("yuvj")
    return Colours(primaries, transfer, matrix, full if ranged or full else None)


def _said_aspect(track: MediaTrack, width: int, height: int) -> Fraction | None:
    """The shape of pixels by the container; None where it follows from a size that the pictures do not have."""
    context, said = track.template.codec_context, track.template.sample_aspect_ratio
    wrong = context.width and (abs(context.width - width) >= CODED_BLOCK or abs(context.height - height) >= CODED_BLOCK)
    return None if wrong and entries.configuration(track.entry, b"pasp") is None else said


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
    for number in range(first, min(first + LOOKED_AT, len(samples))):
        at, size = int(samples.offset[number]), int(samples.size[number])
        if size > PACKET_BYTES:
            return
        packet = av.Packet(media.reader.read(at, at + size))
        packet.pts, packet.dts = int(samples.pts[number]), int(samples.dts[number])
        yield packet


def picture_filters(
    look: FirstFrame, turn: tuple[str, ...], *, changes: bool = False
) -> tuple[tuple[str, ...], int, int]:
    """(filters, width, height): upright, square pixels, even sizes, standard range, 8-bit 4:2:0.

    What comes in as RGB is given the matrix that players take the size for, and says so. `changes`: later pictures may
    be of another size; they are fitted into that of the first, between bars.
    """
    tone = _tone_mapping(look)
    before = (*(look.crop.filters if look.crop else ()), *(tone or _told(look)))
    width, height = (max(2, pixels // 2 * 2) for pixels in _square(look))
    given = "" if tone or not look.full_range else "in_range=full:"
    scale: tuple[str, ...] = (f"scale=w={width}:h={height}:{given}out_range=limited",)
    if changes:
        scale = _fitting(look, width, height, given)
    if not tone and _is_rgb(look.pixel_format):
        matrix = MATRICES[colours.usual_matrix(look.width, look.height)]
        scale = (
            f"{scale[0]}:out_color_matrix={matrix}",
            *scale[1:],
            f"setparams=colorspace={matrix}:color_primaries=bt709:color_trc=bt709",
        )
    if any(name.startswith("transpose") for name in turn):
        width, height = height, width
    return (*before, *scale, "setsar=sar=1", *turn, "format=pix_fmts=yuv420p"), width, height


def _fitting(look: FirstFrame, width: int, height: int, given: str) -> tuple[str, ...]:
    """Pictures of any size into one, with bars where the shapes differ."""
    square = ("scale=w=trunc(iw*sar/2)*2:h=ih", "setsar=sar=1") if look.sample_aspect_ratio != 1 else ()
    within = f"force_original_aspect_ratio=decrease:force_divisible_by=2:{given}out_range=limited"
    return (
        *square,
        f"scale=w={width}:h={height}:{within}",
        f"pad=w={width}:h={height}:x=(ow-iw)/2:y=(oh-ih)/2:eval=frame",
    )


def still_filters(look: FirstFrame, turn: tuple[str, ...], *, longest: int) -> tuple[tuple[str, ...], int, int]:
    """(filters, width, height): upright, square pixels, even sizes of at most `longest` a side, SDR; 8-bit RGB.

    Made small first: what follows costs little then, however large the picture is.
    """
    tone = _tone_mapping(look)
    crop = look.crop.filters if look.crop else ()
    width, height = _square(look)
    part = min(Fraction(1), Fraction(longest, max(width, height)))
    width, height = (max(2, round(pixels * part / 2) * 2) for pixels in (width, height))
    usual = colours.usual_matrix(look.width, look.height)
    given = "" if tone else f":in_color_matrix={MATRICES.get(look.matrix, MATRICES[usual])}"
    given += ":in_range=full" if look.full_range and not tone else ""
    small = f"scale=w={width}:h={height}:flags=bilinear{given}"
    mapped = ("scale=in_color_matrix=bt709:in_range=limited",) if tone else ()
    if any(name.startswith("transpose") for name in turn):
        width, height = height, width
    return (*crop, small, *tone, *mapped, "format=pix_fmts=rgb24", *turn), width, height


def _told(look: FirstFrame) -> tuple[str, ...]:
    """What the container says of colours, told to filters and encoder: frames say what their codec does alone."""
    said = replace(look.colours, matrix=UNSPECIFIED) if _is_rgb(look.pixel_format) else look.colours
    return colours.retagged(look.coded, replace(said, full_range=None))  # `scale` is given the range


def _is_rgb(pixel_format: str | None) -> bool:
    """Whether a picture has no matrix of its own: RGB in any order and depth, or a palette of it."""
    if pixel_format is None:
        return False
    known = av.VideoFormat(pixel_format)
    return known.is_rgb or known.has_palette


def _square(look: FirstFrame) -> tuple[int, int]:
    """Width and height with square pixels, before it is turned."""
    width, height, aspect = look.width, look.height, look.sample_aspect_ratio
    width = width * aspect.numerator // aspect.denominator if aspect > 1 else width
    return width, height * aspect.denominator // aspect.numerator if aspect < 1 else height


def _tone_mapping(look: FirstFrame) -> tuple[str, ...]:
    """HDR to BT.709, by the usual chain: linear light, BT.709 primaries, the Hable curve, back.

    What is not said of HDR takes the usual values: BT.2020.
    """
    if look.transfer not in HDR_TRANSFERS:
        return ()
    said = look.colours.completed(look.width, look.height)
    name, given = HDR_TRANSFERS[look.transfer], "full" if look.full_range else "limited"
    primaries = colours.PRIMARIES.get(said.primaries, "bt2020")
    matrix = "gbr" if _is_rgb(look.pixel_format) else colours.MATRICES.get(said.matrix, "bt2020nc")
    told = () if matrix == "gbr" else colours.retagged(look.coded, replace(said, full_range=None))
    return (
        *told,
        # NUT carries no colour tags, so what comes in must be said
        f"zscale=transferin={name}:primariesin={primaries}:matrixin={matrix}:rangein={given}:transfer=linear:npl=100",
        "format=pix_fmts=gbrpf32le",
        "zscale=primaries=bt709",
        "tonemap=tonemap=hable:desat=0",
        "zscale=transfer=bt709:matrix=bt709:range=limited",
    )
