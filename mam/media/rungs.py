"""The encoded renditions of a ladder: smaller pictures with the frames and times of the one above them.

Those of few bits have only some of its frames.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from mam.hls import ladder
from mam.hls.ladder import FittedRung
from mam.hls.recipe import Recipe
from mam.hls.renditions import VideoTrack
from mam.media import apertures, colours
from mam.media.entry_points import EntryPoints
from mam.media.first_frame import FirstFrame, picture_filters
from mam.media.levels import codecs_of, h264_level
from mam.media.source import MediaSource, MediaTrack
from mam.mp4.h264 import read_sps
from mam.rung_table import RUNGS

CHROMA = "setparams=chroma_location=left"  # As players assume; parameter sets say nothing of it then.
# A codec's bits for a picture are worth this many times as many of H.264.
EFFICIENCY = {"hevc": 1.6, "vp9": 1.6, "av1": 2.0}


def plan_rungs(
    media: MediaSource, track: MediaTrack, top: VideoTrack, entry_points: EntryPoints, recipe: Recipe
) -> list[VideoTrack]:
    """The pictures of a ladder: the one of the base, then those of the rungs, the largest first.

    A copied picture is the first; else all are encoded, and the first is one that most lines carry. `top`: the planned
    picture at the source's size.
    """
    samples = media.samples(track.number)
    seconds = max(float(samples.end - samples.start), 1.0)
    rate = 8 * int(samples.size.sum()) / seconds * EFFICIENCY.get(track.codec, 1)
    if top.action == "copy":
        encoded = _encoded_beside(track, top, entry_points, recipe)
        rungs = ladder.below(encoded.width, encoded.height, top.frame_rate, rate, recipe.rungs or RUNGS)
        return [top, *(_rung(encoded, rung) for rung in rungs)]
    rungs = ladder.whole(top.width, top.height, top.frame_rate, rate, recipe.rungs or RUNGS)
    start = ladder.start_of(rungs)
    return [_rung(top, start), *(_rung(top, rung) for rung in rungs if rung is not start)]


def _encoded_beside(track: MediaTrack, top: VideoTrack, entry_points: EntryPoints, recipe: Recipe) -> VideoTrack:
    """An encode of a copied picture, with all of its frames at their own times."""
    filters, width, height = picture_filters(tagged(_frame_of_headers(track)), ())
    return top.model_copy(
        update={
            "action": "encode",
            "reason": "for slower lines",
            "width": width,
            "height": height,
            "whole": True,
            "refreshes": entry_points.some_refresh,
            "filters": filters,
            "preset": recipe.preset,
        }
    )


def _frame_of_headers(track: MediaTrack) -> FirstFrame:
    """The properties of pictures that can be copied: 8-bit 4:2:0, upright, progressive. Nothing is decoded."""
    width, height = apertures.size(track)
    sps = read_sps(track.configuration)
    coded = colours.of_codec(sps.colour) if sps else colours.NOT_SAID
    stated = colours.of_container(track.entry).over(coded)
    return FirstFrame(
        width=width,
        height=height,
        sample_aspect_ratio=track.template.sample_aspect_ratio or (sps and sps.sample_aspect) or Fraction(1),
        pixel_format="yuv420p",
        full_range=bool(stated.full_range),
        primaries=stated.primaries,
        transfer=stated.transfer,
        field_order="progressive",
        matrix=stated.matrix,
        coded=coded,
    )


def tagged(frame: FirstFrame) -> FirstFrame:
    """The picture with the colours that players assume where it does not say any.

    They assume others for smaller pictures: without tags a rung would have other colours than the picture above it.
    What the codec says counts as unsaid, so that all tags are set: those of a black frame are then the same.
    """
    shown = frame.colours.completed(frame.width, frame.height)
    return replace(
        frame, primaries=shown.primaries, transfer=shown.transfer, matrix=shown.matrix, coded=colours.NOT_SAID
    )


def _rung(picture: VideoTrack, rung: FittedRung) -> VideoTrack:
    """An encoded picture at the size and rate of a rung."""
    frame_rate = picture.frame_rate / rung.every
    level = h264_level(rung.width, rung.height, frame_rate)
    is_smaller = (rung.width, rung.height) != (picture.width, picture.height)
    return picture.model_copy(
        update={
            "codec": "h264",
            "codecs": codecs_of(level),
            "width": rung.width,
            "height": rung.height,
            "frame_rate": frame_rate,
            "every": rung.every,
            "filters": (*picture.filters, *([f"scale=w={rung.width}:h={rung.height}"] if is_smaller else []), CHROMA),
            "maxrate": rung.maxrate,
            "bufsize": rung.bufsize,
            "crf": rung.crf,
            "level": level,
        }
    )
