"""Describes a source: every stream, its outcome and the reason."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mam.errors import MediaError
from mam.hls.plan import StreamInfo
from mam.hls.recipe import Recipe
from mam.hls.renditions import Rendition
from mam.media.audio import flaw
from mam.media.first_frame import read_first_frame
from mam.media.frame_rate import frame_rate, is_constant
from mam.media.source import ATTACHED_PICTURE, MediaSource, MediaTrack
from mam.media.video import longest_group, quarter_turn
from mam.mp4.codecs import H264_PROFILES, h264_profile
from mam.mp4.tables import NoSampleTables
from mam.mp4.track_headers import TrackHeader

PRIMARIES = {1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 9: "bt2020", 11: "smpte431", 12: "smpte432"}
TRANSFERS = {1: "bt709", 4: "gamma22", 5: "gamma28", 6: "smpte170m", 8: "linear", 13: "srgb", 14: "bt2020-10",
             15: "bt2020-12", 16: "smpte2084", 18: "arib-std-b67"}  # fmt: skip
KINDS = {"vide": "video", "soun": "audio", "text": "subtitles", "sbtl": "subtitles", "subt": "subtitles"}


def describe(
    media: MediaSource, renditions: Iterable[Rendition], recipe: Recipe, *, closely: bool = False
) -> tuple[StreamInfo, ...]:
    """Every stream of the source. `closely`: pictures are decoded for details that headers lack."""
    # The first rendition of a stream says what becomes of it: a ladder's rungs follow the base.
    uses = {track.track: track for rendition in reversed([*renditions]) for track in rendition.tracks}
    texts = {r.subtitles.track: r.subtitles for r in renditions if r.subtitles}
    streams = []
    for header in media.headers:
        info = _stream(media, header, closely)
        if header.number in uses:
            use = uses[header.number]
            info |= {"action": use.action, "reason": use.reason}
        elif header.number in texts:
            info |= {"action": "encode", "reason": texts[header.number].reason}
        else:
            info |= {"reason": _why_left(media, header) or _left_out(info["kind"], recipe)}
        streams.append(StreamInfo(**info))
    return tuple(streams)


def _why_left(media: MediaSource, header: TrackHeader) -> str | None:
    """The fault of a track that was left out."""
    sound = next((t for t in media.tracks if t.number == header.number and not t.is_video), None)
    if header.number in media.stills:
        return "a still picture beside the film"
    return media.left.get(header.number) or (flaw(sound) if sound else None)


def _left_out(kind: str, recipe: Recipe) -> str:
    reasons = {
        "video": "another video track is the default one",
        "audio": f"not the sound in {recipe.audio_language!r}" if recipe.audio_language
        else "cannot be copied beside the others, or has no sound in some segments",
        "chapters": "chapters are not carried over",
        "image": "cover art is no video",
        "subtitles": "no text, or of a kind that is not understood",
    }  # fmt: skip
    return reasons.get(kind, "neither video, audio nor text")


def _stream(media: MediaSource, header: TrackHeader, closely: bool) -> dict[str, Any]:
    stream = media.stream(header.number)
    kind = "chapters" if header.number in media.chapters else KINDS.get(header.kind, "other")
    if stream is not None and kind == "video" and int(stream.disposition) & ATTACHED_PICTURE:
        kind = "image"
    info: dict[str, Any] = {"number": header.number, "kind": kind, "codec": header.sample_entry.strip()}
    info["edit_list"] = media.edits.get(header.number)
    track = next((t for t in (*media.tracks, *media.texts) if t.number == header.number), None)
    if track is None:
        return info
    info |= {"codec": track.codec, "language": track.language, "title": track.title, "default": track.is_default}
    info |= _extent(media, track)
    if kind == "video":
        info |= _picture(media, track, closely)
    elif kind == "audio":
        context = track.template.codec_context
        info |= {
            "profile": str(context.profile) if context.profile else None,
            "sample_rate": int(context.sample_rate or 0) or None,
            "channels": int(context.layout.nb_channels) if context.layout else None,
        }
    return info


def _extent(media: MediaSource, track: MediaTrack) -> dict[str, Any]:
    """A track's start, duration and size."""
    try:
        samples = media.samples(track.number)
    except (MediaError, NoSampleTables):
        return {}
    return {
        "start_seconds": round(float(samples.start), 6),
        "duration_seconds": round(float(samples.end - samples.start), 6),
        "bytes": int(samples.size.sum()),
    }


def _picture(media: MediaSource, track: MediaTrack, closely: bool) -> dict[str, Any]:
    context = track.template.codec_context
    rotation, mirrored, _ = quarter_turn(track)
    info: dict[str, Any] = {
        "width": int(context.width),
        "height": int(context.height),
        "rotation": rotation,
        "mirrored": mirrored,
        "profile": H264_PROFILES.get(h264_profile(track.configuration) or 0) if track.codec == "h264" else None,
    }
    try:
        samples = media.samples(track.number)
    except (MediaError, NoSampleTables):
        return info
    info |= {
        "frame_rate": round(float(frame_rate(samples)), 3),
        "constant_frame_rate": is_constant(samples),
        "key_frames": int(samples.key.sum()),
        "longest_group_seconds": round(float(longest_group(samples)), 3),
    }
    if closely and samples.key.any():
        frame = read_first_frame(media, track)
        aspect = frame.sample_aspect_ratio
        info |= {
            "sample_aspect_ratio": f"{aspect.numerator}:{aspect.denominator}",
            "pixel_format": frame.pixel_format,
            "field_order": frame.field_order,
            "primaries": PRIMARIES.get(frame.primaries),
            "transfer": TRANSFERS.get(frame.transfer),
            "color_range": "full" if frame.full_range else "limited",
        }
    return info
