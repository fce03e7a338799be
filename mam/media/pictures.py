"""What is done with a video track: copied or encoded and why, and the filters that make it upright, square and SDR."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import av
import av.error
import numpy as np

from mam.errors import MediaError, NotAVideo, NotRemuxable, TooLarge, UnsupportedCodec
from mam.hls.plan import Format, Profile, VideoTrack
from mam.media.beginnings import cuttable, look_at_starts
from mam.media.cadence import cadence
from mam.media.rates import check_gaps, frame_rate
from mam.media.source import MediaSource, MediaTrack, UnsupportedEdits
from mam.media.windows import openings
from mam.media.wishes import RECODED, Wishes
from mam.mp4.codecs import H264_8BIT_420, H264_PROFILES, codec_string, h264_profile, read_av1c
from mam.mp4.h264 import read_sps
from mam.mp4.hevc import read_hvcc
from mam.mp4.index import Samples

HIDDEN = Fraction(1, 10)  # seconds of picture before the edit begins that may be shown all the same
MAX_PIXELS = 8192 * 4320
LOOKED_AT = 12  # packets given to a decoder for its first picture
PACKET_BYTES = 64 << 20
HDR_TRANSFERS = {16: "smpte2084", 18: "arib-std-b67"}  # PQ and HLG, as in ISO/IEC 23091-2
VIDEO_RANGES: dict[int, Literal["PQ", "HLG"]] = {16: "PQ", 18: "HLG"}  # of EXT-X-STREAM-INF
FULL_RANGE = 2  # AVCOL_RANGE_JPEG
HD_WIDTH, HD_HEIGHT = 1280, 576  # from here on players take a picture that does not say so for BT.709
MATRICES = {1: "bt709", 4: "fcc", 5: "bt470", 6: "smpte170m", 7: "smpte240m", 9: "bt2020"}  # as filters call them
UNIT = 1 << 16
MIN_ASPECT, MAX_ASPECT = Fraction(1, 10), Fraction(10)  # of a pixel
ALIKE = Fraction(4, 100)  # 12:11 and 16:15, as different schools have PAL's pixels, are 2 % apart: nobody sees it
DECODABLE = frozenset((
    "h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mpeg2video", "mpeg1video", "mjpeg", "prores", "dnxhd", "h263", "png",
    "qtrle", "svq3", "cinepak", "rawvideo", "dvvideo", "msmpeg4v2", "msmpeg4v3", "flv1", "vc1", "cfhd", "hap",
))  # fmt: skip

# a, b, c, d of the display matrix (in units) -> degrees clockwise, mirrored, and what turns the picture upright
ORIENTATIONS: dict[tuple[int, int, int, int], tuple[int, bool, tuple[str, ...]]] = {
    (1, 0, 0, 1): (0, False, ()),
    (0, 1, -1, 0): (90, False, ("transpose=dir=clock",)),
    (-1, 0, 0, -1): (180, False, ("hflip", "vflip")),
    (0, -1, 1, 0): (270, False, ("transpose=dir=cclock",)),
    (-1, 0, 0, 1): (0, True, ("hflip",)),
    (1, 0, 0, -1): (180, True, ("vflip",)),
    (0, 1, 1, 0): (270, True, ("transpose=dir=cclock_flip",)),
    (0, -1, -1, 0): (90, True, ("transpose=dir=clock_flip",)),
}

# H.264 levels: name, macroblocks a second, macroblocks a frame (ITU-T H.264 table A-1)
LEVELS = (("3.0", 40_500, 1_620), ("3.1", 108_000, 3_600), ("4.0", 245_760, 8_192), ("4.2", 522_240, 8_704),
          ("5.1", 983_040, 36_864), ("5.2", 2_073_600, 36_864), ("6.2", 16_711_680, 139_264))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Look:
    """What a track's pictures are like: by its headers, and by its first picture where that was decoded.

    `primaries`, `transfer`, `matrix`: as in ISO/IEC 23091-2; 2 is unknown. `field_order`: progressive, tff or bff.
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

    @property
    def interlaced(self) -> bool:
        return self.field_order in ("tff", "bff")


def plan_video(media: MediaSource, track: MediaTrack, wishes: Wishes) -> VideoTrack:
    """What becomes of a video track.

    Raises NotRemuxable when it cannot be copied and the profile is `source`, UnsupportedCodec, TooLarge, NotAVideo.
    """
    context = track.template.codec_context
    width, height = int(context.width), int(context.height)
    if width <= 0 or height <= 0 or width * height > MAX_PIXELS:
        raise TooLarge(f"Pictures of {width}x{height} are not converted.")
    samples = media.samples(track.number)
    check_gaps(samples)
    if not samples.key.any():
        raise NotAVideo("The index names no key frame to start at.")
    if track.dolby_vision and not track.dolby_vision.decodable:
        raise UnsupportedCodec("Its video is Dolby Vision without a base layer that other decoders can show.",
                               hint="Export it as HDR10, HLG or SDR.")  # fmt: skip
    rate = frame_rate(samples)
    obstacle, cut, starts = video_obstacle(track, samples, wishes), samples, look_at_starts(media, track)
    if wishes.profile is not Profile.H264 and not obstacle:
        cut = cuttable(media, track, starts)
        obstacle = beginning_obstacle(samples, cut, wishes)
    look = None
    if wishes.profile is Profile.AUTO and not obstacle and may_be_interlaced(track):
        look = look_at(media, track)
        obstacle = "Its picture is interlaced, which browsers do not take apart." if look.interlaced else None
    if wishes.profile is Profile.SOURCE and obstacle:
        raise (UnsupportedEdits if samples.joins else NotRemuxable)(obstacle)
    if wishes.profile is not Profile.H264 and not obstacle:
        media.adopt({track.number: cut})
        return VideoTrack(
            track=track.number, codec=track.codec, action="copy", reason=f"{track.codec.upper()} that players take",
            codecs=codec_string(track.codec, track.configuration) or "", width=width, height=height,
            frame_rate=float(rate), video_range=_video_range(track),
        )  # fmt: skip
    if track.codec not in DECODABLE:
        raise UnsupportedCodec(f"Its video is {track.codec.upper()}, which is not decoded here.")
    look = look or look_at(media, track)
    filters, width, height = picture_filters(look, orientation(track))
    shown = cadence(media, track, starts.first, doubtful=wishes.recoded)
    rate = Fraction(*shown.grid) if shown.grid else rate
    level = h264_level(width, height, float(rate))
    return VideoTrack(
        track=track.number,
        codec="h264",
        action="encode",
        reason=obstacle or "asked for (reencode)",
        codecs=f"avc1.6400{round(float(level) * 10):02x}",
        width=width,
        height=height,
        frame_rate=float(rate),
        interlaced=look.interlaced,
        grid=shown.grid,
        phase=shown.phase,
        first=shown.first,
        refreshes=starts.some_refresh,
        group_seconds=float(longest_group(samples)),
        filters=filters,
        preset=wishes.preset,
        crf=wishes.crf,
        level=level,
    )


# copied or not


def video_obstacle(track: MediaTrack, samples: Samples, wishes: Wishes) -> str | None:
    """Why the video cannot be copied into segments that players take; None when it can."""
    if wishes.recoded:
        return RECODED
    if orientation(track):
        return "Its picture is rotated by the container, which segments cannot say."
    obstacle = _fmp4_obstacle(track) if wishes.format is Format.FMP4 and track.codec != "h264" else _ts_obstacle(track)
    obstacle = obstacle or _shape_obstacle(track)
    if obstacle:
        return obstacle
    if samples.joins:
        return f"Its edit list joins {len(samples.joins) + 1} parts: a copy would show what lies between them."
    if samples.start < -HIDDEN:
        return f"Its edit list hides {-float(samples.start):.1f} s before the first key frame that can be shown whole."
    return _distance_obstacle(samples, samples, wishes)


def beginning_obstacle(samples: Samples, cuttable: Samples, wishes: Wishes) -> str | None:
    """Why its segments cannot begin where decoders can start; None when they can."""
    if not cuttable.key.any():
        return "None of its key frames is one that a decoder can start at (IDR): segments could not be decoded."
    if not cuttable.key[0]:
        return "Its first picture needs others that the file does not hold: its beginning could not be decoded."
    narrowed = int(cuttable.key.sum()) < int(samples.key.sum())
    if narrowed and wishes.profile is Profile.AUTO and longest_group(cuttable) > 2 * wishes.segment_seconds:
        return "Most of its key frames are none that a decoder can start at (IDR): it could not be sought in."
    return _distance_obstacle(samples, cuttable, wishes)


def _distance_obstacle(samples: Samples, cuttable: Samples, wishes: Wishes) -> str | None:
    seconds = longest_group(cuttable)
    if seconds <= wishes.max_key_frame_seconds:
        return None
    what = "closed groups of pictures" if len(openings(cuttable)) < int(samples.key.sum()) else "key frames"
    return f"Its {what} begin up to {float(seconds):.0f} s apart: too far for seeking (MAX_KEY_FRAME_SECONDS)."


def _ts_obstacle(track: MediaTrack) -> str | None:
    if track.codec != "h264":
        return f"Its video is {track.codec.upper()}; only H.264 can be copied into TS segments."
    profile = h264_profile(track.configuration)
    if profile not in H264_8BIT_420:
        name = H264_PROFILES.get(profile or 0, "of an unknown profile")
        return f"Its video is H.264 {name}; browsers decode 8-bit 4:2:0 only."
    sps = read_sps(track.configuration)
    if sps and (sps.chroma_format != 1 or sps.bit_depth != 8):
        return "Its video is not 8-bit 4:2:0, which is all that browsers decode."
    return None


def _fmp4_obstacle(track: MediaTrack) -> str | None:
    if track.codec == "hevc":
        hevc = read_hvcc(track.configuration)
        if hevc is None or not hevc.complete:
            return "Its HEVC parameter sets stand between the pictures, where HLS does not allow them (hev1)."
        return None if hevc.chroma_format == 1 else "Its HEVC is not 4:2:0, which is all that browsers decode."
    if track.codec == "av1":
        av1 = read_av1c(track.configuration)
        return None if av1 and av1.profile == 0 else "Its AV1 is not of the main profile."
    return f"Its video is {track.codec.upper()}; fMP4 segments carry H.264, HEVC and AV1."


def _shape_obstacle(track: MediaTrack) -> str | None:
    """What is copied has the shape that the codec states, or square pixels where it states none."""
    said, coded = track.template.sample_aspect_ratio, _coded_aspect(track)
    if not said or coded is None or not MIN_ASPECT < said < MAX_ASPECT or abs(said - coded) <= ALIKE * coded:
        return None
    shape = f"{said.numerator}:{said.denominator}"
    return f"The shape of its pixels ({shape}) stands in the container alone: segments would lose it."


def _coded_aspect(track: MediaTrack) -> Fraction | None:
    """A pixel's width by its height as the codec's configuration has it; None when there is none that can be read."""
    if track.codec == "h264":
        sps = read_sps(track.configuration)
        return (sps.sample_aspect or Fraction(1)) if sps else None
    if track.codec == "hevc":
        hevc = read_hvcc(track.configuration)
        return (hevc.picture.sample_aspect or Fraction(1)) if hevc and hevc.picture else None
    return Fraction(1) if track.codec == "av1" else None  # AV1 has no word for it


def _video_range(track: MediaTrack) -> Literal["SDR", "PQ", "HLG"]:
    """VIDEO-RANGE, by the container's word or the codec's."""
    hevc = read_hvcc(track.configuration) if track.codec == "hevc" else None
    said = {int(track.template.codec_context.color_trc), hevc.picture.colour.transfer if hevc and hevc.picture else 0}
    return next((name for transfer, name in VIDEO_RANGES.items() if transfer in said), "SDR")


def may_be_interlaced(track: MediaTrack) -> bool:
    """Whether the codec's configuration leaves it open."""
    sps = read_sps(track.configuration) if track.codec == "h264" else None
    return sps is not None and not sps.frame_mbs_only


def longest_group(samples: Samples) -> Fraction:
    """Seconds of the longest run from one key frame at which a segment may open to the next, or to the end."""
    keys = np.sort(samples.pts[openings(samples)])
    ends = np.append(keys[1:], int((samples.pts + samples.duration).max()))
    return Fraction(int((ends - keys).max()), samples.timescale)


def orientation(track: MediaTrack) -> tuple[str, ...]:
    """The filters that turn the picture upright; none for a matrix that is no rotation by quarters."""
    return quarter_turn(track)[2]


def quarter_turn(track: MediaTrack) -> tuple[int, bool, tuple[str, ...]]:
    """Degrees clockwise and whether it is mirrored, with the filters that do it."""
    a, b, c, d = (round(value / UNIT) for value in track.header.matrix)
    return ORIENTATIONS.get((a, b, c, d), (0, False, ()))


# how it looks


def look_at(media: MediaSource, track: MediaTrack) -> Look:
    """Decodes the track's first picture; goes by the headers alone where that does not work."""
    context = track.template.codec_context
    frame = _first_picture(media, track) if track.codec in DECODABLE else None
    aspect = track.template.sample_aspect_ratio or (frame and _aspect(frame)) or Fraction(1)
    if not MIN_ASPECT < aspect < MAX_ASPECT:  # nonsense is in use for "unknown"
        aspect = Fraction(1)

    def known(name: str, unknown: int) -> int:
        """The container's word goes before the codec's."""
        said = int(getattr(context, name) or 0)
        return said if said not in (0, unknown) or frame is None else int(getattr(frame, name) or unknown)

    return Look(
        width=int(context.width),
        height=int(context.height),
        sample_aspect_ratio=Fraction(aspect),
        pixel_format=frame.format.name if frame else (context.format.name if context.format else None),
        full_range=known("color_range", 0) == FULL_RANGE or bool(frame and frame.format.name.startswith("yuvj")),
        primaries=known("color_primaries", 2),
        transfer=known("color_trc", 2),
        field_order=_field_order(frame),
        matrix=known("colorspace", 2),
    )


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


def picture_filters(look: Look, turn: tuple[str, ...]) -> tuple[tuple[str, ...], int, int]:
    """(filters, width, height): upright, square pixels, even sizes, standard range, 8-bit 4:2:0.

    What comes in as RGB is given the matrix that players take the size for, and says so.
    """
    tone = _tone_mapping(look.transfer, look.full_range)
    width, height = (max(2, pixels // 2 * 2) for pixels in _square(look))
    given = "" if tone or not look.full_range else "in_range=full:"
    scale: tuple[str, ...] = (f"scale=w={width}:h={height}:{given}out_range=limited",)
    if not tone and _is_rgb(look.pixel_format):
        matrix = _usual_matrix(look)
        scale = (
            f"{scale[0]}:out_color_matrix={matrix}",
            f"setparams=colorspace={matrix}:color_primaries=bt709:color_trc=bt709",
        )
    if any(name.startswith("transpose") for name in turn):
        width, height = height, width
    return (*tone, *scale, "setsar=sar=1", *turn, "format=pix_fmts=yuv420p"), width, height


def still_filters(look: Look, turn: tuple[str, ...], *, longest: int) -> tuple[tuple[str, ...], int, int]:
    """(filters, width, height): upright, square pixels, even sizes of at most `longest` a side, SDR; 8-bit RGB.

    Made small first: what follows costs little then, however large the picture is.
    """
    tone = _tone_mapping(look.transfer, look.full_range)
    width, height = _square(look)
    part = min(Fraction(1), Fraction(longest, max(width, height)))
    width, height = (max(2, round(pixels * part / 2) * 2) for pixels in (width, height))
    given = "" if tone else f":in_color_matrix={MATRICES.get(look.matrix, _usual_matrix(look))}"
    given += ":in_range=full" if look.full_range and not tone else ""
    small = f"scale=w={width}:h={height}:flags=bilinear{given}"
    colours = ("scale=in_color_matrix=bt709:in_range=limited",) if tone else ()
    if any(name.startswith("transpose") for name in turn):
        width, height = height, width
    return (small, *tone, *colours, "format=pix_fmts=rgb24", *turn), width, height


def _usual_matrix(look: Look) -> str:
    """What players take a picture of that size for when it does not say."""
    return MATRICES[1] if look.width >= HD_WIDTH or look.height > HD_HEIGHT else MATRICES[6]


def _is_rgb(pixel_format: str | None) -> bool:
    """Whether a picture has no matrix of its own: RGB in any order and depth, or a palette of it."""
    if pixel_format is None:
        return False
    known = av.VideoFormat(pixel_format)
    return known.is_rgb or known.has_palette


def _square(look: Look) -> tuple[int, int]:
    """Width and height with square pixels, before it is turned."""
    width, height, aspect = look.width, look.height, look.sample_aspect_ratio
    width = width * aspect.numerator // aspect.denominator if aspect > 1 else width
    return width, height * aspect.denominator // aspect.numerator if aspect < 1 else height


def _tone_mapping(transfer: int, full_range: bool) -> tuple[str, ...]:
    """HDR to BT.709, by the usual chain: linear light, BT.709 primaries, the Hable curve, back."""
    if transfer not in HDR_TRANSFERS:
        return ()
    name, given = HDR_TRANSFERS[transfer], "full" if full_range else "limited"
    return (
        # NUT carries no colour tags, so what comes in must be said
        f"zscale=transferin={name}:primariesin=bt2020:matrixin=bt2020nc:rangein={given}:transfer=linear:npl=100",
        "format=pix_fmts=gbrpf32le",
        "zscale=primaries=bt709",
        "tonemap=tonemap=hable:desat=0",
        "zscale=transfer=bt709:matrix=bt709:range=limited",
    )


def h264_level(width: int, height: int, rate: float) -> str:
    """The lowest level that allows the picture; said outright, so that all chunks write the same SPS."""
    blocks = -(-width // 16) * -(-height // 16)
    return next((name for name, per_second, per_frame in LEVELS if blocks <= per_frame and blocks * rate <= per_second),
                LEVELS[-1][0])  # fmt: skip
