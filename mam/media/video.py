"""Plans video tracks: copied or encoded, and why."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import numpy as np

from mam.errors import NotAVideo, NotRemuxable, TooLarge, UnsupportedCodec
from mam.hls.recipe import RECODED, Format, Profile, Recipe
from mam.hls.renditions import VideoTrack
from mam.media import apertures, colours, decoders
from mam.media.cadence import cadence, has_exact_times
from mam.media.chunk_windows import openings
from mam.media.entry_points import EntryPoints, cuttable, read_entry_points
from mam.media.first_frame import MAX_ASPECT, MIN_ASPECT, FirstFrame, picture_filters, read_first_frame
from mam.media.frame_rate import check_gaps, frame_rate
from mam.media.levels import codecs_of, h264_level
from mam.media.limits import MAX_PIXELS
from mam.media.orientation import unmet, upright
from mam.media.parameters import changes_size
from mam.media.rungs import plan_rungs, tagged
from mam.media.source import MediaSource, MediaTrack, UnsupportedEdits
from mam.mp4.codecs import H264_8BIT_420, H264_PROFILES, codec_string, h264_profile, read_av1c
from mam.mp4.h264 import read_sps
from mam.mp4.hevc import read_hvcc
from mam.mp4.nals import has_captions
from mam.mp4.samples import Samples

LADDER_GROUP_SECONDS = 10  # A player switches between rungs at key frames alone.
CAPTIONED = ("h264", "hevc", "vvc", "av1", "mpeg2video")  # Pictures of these codecs may carry closed captions.
HIDDEN = Fraction(1, 10)  # A copy may show this many seconds of picture that the edit list hides.
VIDEO_RANGES: dict[int, Literal["PQ", "HLG"]] = {16: "PQ", 18: "HLG"}  # VIDEO-RANGE of EXT-X-STREAM-INF, by transfer.
ALIKE = Fraction(4, 100)  # PAL's pixels are 12:11 or 16:15, 2 % apart: the difference is invisible.


def plan_pictures(media: MediaSource, track: MediaTrack, recipe: Recipe) -> list[VideoTrack]:
    """The pictures that are made of a video track: one. Of a ladder first the one of the base, then those of its rungs.

    Raises NotRemuxable when it cannot be copied and the profile is `source`, UnsupportedCodec, TooLarge, NotAVideo.
    """
    samples = media.samples(track.number)
    check_gaps(samples)
    check_shown(track, samples)
    entry_points = read_entry_points(media, track)
    picture = _picture(media, track, recipe, entry_points)
    if entry_points.heads:
        captions = any(has_captions(track.codec, track.configuration, head) for head in entry_points.heads)
        picture = picture.model_copy(update={"captions": captions})
    elif track.codec not in CAPTIONED:
        picture = picture.model_copy(update={"captions": False})
    if recipe.profile is not Profile.LADDER:
        return [picture]
    return plan_rungs(media, track, picture, entry_points, recipe)


def _picture(media: MediaSource, track: MediaTrack, recipe: Recipe, entry_points: EntryPoints) -> VideoTrack:
    """The picture at the source's size."""
    samples = media.samples(track.number)
    changes = _changes(media, track, samples, entry_points)
    obstacle, cut = video_obstacle(track, samples, recipe) or changes, samples
    if recipe.profile is Profile.LADDER and not obstacle:
        obstacle = ladder_obstacle(track, samples, entry_points)
    if recipe.profile is not Profile.H264 and not obstacle:
        cut = cuttable(media, track, entry_points)
        obstacle = beginning_obstacle(samples, cut, recipe)
    frame = None
    if recipe.profile.chooses and not obstacle and may_be_interlaced(track):
        frame = read_first_frame(media, track)
        obstacle = "Its picture is interlaced, which browsers do not take apart." if frame.interlaced else None
    if recipe.profile is Profile.SOURCE and obstacle:
        raise (UnsupportedEdits if samples.joins else NotRemuxable)(obstacle)
    if recipe.profile is not Profile.H264 and not obstacle:
        media.adopt({track.number: cut})
        return _copied(track, frame_rate(samples))
    if track.codec not in decoders.PICTURES:
        raise UnsupportedCodec(f"Its video is {track.codec.upper()}, which is not decoded here.")
    frame = frame or read_first_frame(media, track)
    reason = obstacle or "asked for (reencode)"
    return _encoded(media, track, recipe, frame, entry_points, reason=reason, changes=changes is not None)


def check_shown(track: MediaTrack, samples: Samples) -> None:
    """Raises NotAVideo, TooLarge or UnsupportedCodec for a track of which no pictures can be shown."""
    width, height = apertures.size(track)
    if width <= 0 or height <= 0:
        raise NotAVideo("The video track does not say how large its pictures are.")
    if width * height > MAX_PIXELS:
        raise TooLarge(f"Pictures of {width}x{height} are not converted.")
    if not samples.key.any():
        raise NotAVideo("The index names no key frame to start at.")
    if track.dolby_vision and not track.dolby_vision.decodable:
        raise UnsupportedCodec("Its video is Dolby Vision without a base layer that other decoders can show.",
                               hint="Export it as HDR10, HLG or SDR.")  # fmt: skip


def _copied(track: MediaTrack, rate: Fraction) -> VideoTrack:
    width, height = apertures.size(track)
    return VideoTrack(
        track=track.number, codec=track.codec, action="copy", reason=f"{track.codec.upper()} that players take",
        codecs=codec_string(track.codec, track.configuration) or "", width=width, height=height,
        frame_rate=float(rate), video_range=_video_range(track),
    )  # fmt: skip


def _encoded(
    media: MediaSource,
    track: MediaTrack,
    recipe: Recipe,
    frame: FirstFrame,
    entry_points: EntryPoints,
    *,
    reason: str,
    changes: bool,
) -> VideoTrack:
    """The plan of an encoded track. `changes`: the pictures change in the middle."""
    samples = media.samples(track.number)
    frame = tagged(frame) if recipe.profile is Profile.LADDER else frame
    filters, width, height = picture_filters(frame, orientation(track), changes=changes)
    timing = cadence(media, track, entry_points.first, doubtful=recipe.recoded)
    rate = Fraction(*timing.grid) if timing.grid else frame_rate(samples)
    level = h264_level(width, height, float(rate))
    return VideoTrack(
        track=track.number,
        codec="h264",
        action="encode",
        reason=reason,
        codecs=codecs_of(level),
        width=width,
        height=height,
        frame_rate=float(rate),
        interlaced=frame.interlaced,
        grid=timing.grid,
        phase=timing.phase,
        first=timing.first,
        refreshes=entry_points.some_refresh,
        group_seconds=float(longest_group(samples)),
        filters=filters,
        resized=changes,
        preset=recipe.preset,
        crf=recipe.crf,
        level=level,
    )


# copied or not


def video_obstacle(track: MediaTrack, samples: Samples, recipe: Recipe) -> str | None:
    """Why the video cannot be copied into playable segments; None when it can."""
    if recipe.recoded:
        return RECODED
    if orientation(track):
        return "Its picture is rotated by the container, which segments cannot say."
    obstacle = _fmp4_obstacle(track) if recipe.format is Format.FMP4 and track.codec != "h264" else _ts_obstacle(track)
    obstacle = obstacle or _shape_obstacle(track) or _crop_obstacle(track) or _colour_obstacle(track, recipe)
    if obstacle:
        return obstacle
    if samples.joins:
        return f"Its edit list joins {len(samples.joins) + 1} parts: a copy would show what lies between them."
    if samples.start < -HIDDEN:
        return f"Its edit list hides {-float(samples.start):.1f} s before the first key frame that can be shown whole."
    return _distance_obstacle(samples, samples, recipe)


def ladder_obstacle(track: MediaTrack, samples: Samples, entry_points: EntryPoints) -> str | None:
    """Why a copy cannot be the top of a ladder: its rungs have its frames, at its times, in the codec of all rungs."""
    if track.codec != "h264":
        return f"Its video is {track.codec.upper()}: the rungs of a ladder are all H.264."
    if _video_range(track) != "SDR":
        return "Its picture is HDR: the rungs of a ladder are all SDR."
    if longest_group(samples) > LADDER_GROUP_SECONDS:
        return f"Its key frames begin more than {LADDER_GROUP_SECONDS} s apart: too far for switching between rungs."
    if not has_exact_times(track, samples, entry_points.first):
        return "Its pictures do not have times of their own: rungs would not have the same."
    return None


def beginning_obstacle(samples: Samples, cuttable: Samples, recipe: Recipe) -> str | None:
    """Why segments of a copy cannot begin at decodable frames; None when they can."""
    if not cuttable.key.any():
        return "None of its key frames is one that a decoder can start at (IDR): segments could not be decoded."
    if not cuttable.key[0]:
        return "Its first picture needs others that the file does not hold: its beginning could not be decoded."
    narrowed = int(cuttable.key.sum()) < int(samples.key.sum())
    if narrowed and recipe.profile.chooses and longest_group(cuttable) > 2 * recipe.segment_seconds:
        return "Most of its key frames are none that a decoder can start at (IDR): it could not be sought in."
    return _distance_obstacle(samples, cuttable, recipe)


def _distance_obstacle(samples: Samples, cuttable: Samples, recipe: Recipe) -> str | None:
    seconds = longest_group(cuttable)
    if seconds <= recipe.max_key_frame_seconds:
        return None
    group_kind = "closed groups of pictures" if len(openings(cuttable)) < int(samples.key.sum()) else "key frames"
    return f"Its {group_kind} begin up to {float(seconds):.0f} s apart: too far for seeking (MAX_KEY_FRAME_SECONDS)."


def _changes(media: MediaSource, track: MediaTrack, samples: Samples, entry_points: EntryPoints) -> str | None:
    """How the pictures change in the middle; None where they do not."""
    if track.number in media.changes:
        return f"Its pictures are coded in {len(media.changes[track.number].sets)} ways, one after the other."
    if changes_size(track, media.reader, samples, entry_points.heads):
        return "Its pictures change their size in the middle."
    return None


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
    """A copy has the pixel aspect of the codec, or square pixels where the codec has none."""
    container_aspect, codec_aspect = track.template.sample_aspect_ratio, _coded_aspect(track)
    if (
        not container_aspect
        or codec_aspect is None
        or not MIN_ASPECT < container_aspect < MAX_ASPECT
        or abs(container_aspect - codec_aspect) <= ALIKE * codec_aspect
    ):
        return None
    shape = f"{container_aspect.numerator}:{container_aspect.denominator}"
    return f"The shape of its pixels ({shape}) stands in the container alone: segments would lose it."


def _crop_obstacle(track: MediaTrack) -> str | None:
    if apertures.crop_of(track, *apertures.stored_size(track)) is None:
        return None
    return "The container alone says which part of its picture is shown: segments would show all of it."


def _colour_obstacle(track: MediaTrack, recipe: Recipe) -> str | None:
    """TS loses colours that only the container has. Fragments keep them."""
    sps = read_sps(track.configuration) if track.codec == "h264" and recipe.format is Format.TS else None
    if sps is None:
        return None
    coded = colours.of_codec(sps.colour)
    stated = colours.of_container(track.entry).over(coded)
    size = (sps.width, sps.height)
    if not colours.differ(stated.completed(*size), coded.completed(*size)):
        return None
    return "The container alone says what colours its picture has: segments would lose it."


def _coded_aspect(track: MediaTrack) -> Fraction | None:
    """The pixel aspect in the codec's configuration; None when the configuration cannot be read."""
    if track.codec == "h264":
        sps = read_sps(track.configuration)
        return (sps.sample_aspect or Fraction(1)) if sps else None
    if track.codec == "hevc":
        hevc = read_hvcc(track.configuration)
        return (hevc.picture.sample_aspect or Fraction(1)) if hevc and hevc.picture else None
    return Fraction(1) if track.codec == "av1" else None  # AV1 has no pixel aspect


def _video_range(track: MediaTrack) -> Literal["SDR", "PQ", "HLG"]:
    """VIDEO-RANGE, from the container or the codec."""
    hevc = read_hvcc(track.configuration) if track.codec == "hevc" else None
    transfers = {
        int(track.template.codec_context.color_trc),
        hevc.picture.colour.transfer if hevc and hevc.picture else 0,
    }
    return next((name for transfer, name in VIDEO_RANGES.items() if transfer in transfers), "SDR")


def may_be_interlaced(track: MediaTrack) -> bool:
    """Whether the codec's configuration allows interlaced pictures."""
    sps = read_sps(track.configuration) if track.codec == "h264" else None
    return sps is not None and not sps.frame_mbs_only


def longest_group(samples: Samples) -> Fraction:
    """Seconds of the longest run from one key frame that may start a segment to the next, or to the end.

    The duration of the track where it has no such key frame.
    """
    keys = np.sort(samples.pts[openings(samples)])
    if not keys.size:
        return samples.end - samples.start
    ends = np.append(keys[1:], int((samples.pts + samples.duration).max()))
    return Fraction(int((ends - keys).max()), samples.timescale)


def orientation(track: MediaTrack) -> tuple[str, ...]:
    """The filters that turn the picture upright; none for a matrix that is no quarter turn."""
    return quarter_turn(track)[2]


def picture_notes(track: MediaTrack) -> list[str]:
    """The properties of a picture that are lost, in sentences."""
    lost = unmet(track.header.matrix)
    return [f"Track {track.number}: {lost}."] if lost else []


def quarter_turn(track: MediaTrack) -> tuple[int, bool, tuple[str, ...]]:
    """Degrees clockwise, whether the picture is mirrored, and the filters for both."""
    return upright(track.header.matrix)
