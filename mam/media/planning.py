"""From a source to a plan: which tracks, copied or encoded and why, and where each segment begins."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from mam.errors import NotAVideo, NotRemuxable, TooLarge
from mam.hls.plan import AudioTrack, Plan, Profile, Source, VideoTrack
from mam.hls.timeline import Timeline, cut_at
from mam.media.source import MediaSource, MediaTrack
from mam.mp4.codecs import AAC_LC, H264_8BIT_420, H264_PROFILES, aac_object_type, h264_profile
from mam.mp4.index import Samples
from mam.mp4.tables import Ints

COPYABLE_AUDIO = ("aac", "mp3", "ac3", "eac3")  # what TS carries, best first: browsers do not play the Dolby ones
LEAD_SECONDS = (2, 2, 4)  # first segments of an encode: short, so that the first picture comes early
PRIMING = Fraction(1, 10)  # seconds: audio that starts or ends this close to the video does not move the timeline
MAX_SEGMENT_BYTES = 512 << 20  # a segment is made in memory
MAX_GAP_SECONDS = 3600  # between two frames: longer is a mistake or an attack
MAX_PIXELS = 8192 * 4320
OUTPUT_RATES = (44100, 48000)
HDR_TRANSFERS = {16: "smpte2084", 18: "arib-std-b67"}  # PQ and HLG, as in ISO/IEC 23091-2
UNIT = 1 << 16

# a, b, c, d of the display matrix (in units) -> what turns the picture upright
ORIENTATIONS: dict[tuple[int, int, int, int], tuple[str, ...]] = {
    (1, 0, 0, 1): (),
    (0, 1, -1, 0): ("transpose=dir=clock",),
    (-1, 0, 0, -1): ("hflip", "vflip"),
    (0, -1, 1, 0): ("transpose=dir=cclock",),
    (-1, 0, 0, 1): ("hflip",),
    (1, 0, 0, -1): ("vflip",),
    (0, 1, 1, 0): ("transpose=dir=cclock_flip",),
    (0, -1, -1, 0): ("transpose=dir=clock_flip",),
}

# H.264 levels: name, macroblocks a second, macroblocks a frame (ITU-T H.264 table A-1)
LEVELS = (("3.0", 40_500, 1_620), ("3.1", 108_000, 3_600), ("4.0", 245_760, 8_192), ("4.2", 522_240, 8_704),
          ("5.1", 983_040, 36_864), ("5.2", 2_073_600, 36_864), ("6.2", 16_711_680, 139_264))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the operator set and the caller asked for."""

    profile: Profile
    segment_seconds: int = 6
    preset: str = "veryfast"
    crf: int = 23
    audio_bitrate: int = 128_000
    max_duration: int = 24 * 3600


def choose_tracks(media: MediaSource) -> tuple[MediaTrack | None, MediaTrack | None]:
    """The video and the audio track of the stream: the default one, else the first; AAC before other codecs."""
    video = [track for track in media.tracks if track.is_video]
    audio = [track for track in media.tracks if not track.is_video]

    def rank(track: MediaTrack) -> tuple[int, bool, int]:
        codec = COPYABLE_AUDIO.index(track.codec) if track.codec in COPYABLE_AUDIO else len(COPYABLE_AUDIO)
        return codec, not track.is_default, track.number

    return (
        min(video, key=lambda track: (not track.is_default, track.number), default=None),
        min(audio, key=rank, default=None),
    )


def make_plan(media: MediaSource, source: Source, wishes: Wishes, *, video: str, revision: str, stored: bool) -> Plan:
    """The plan of one revision. `stored`: the index lies in the bucket, the source has no sample tables.

    Raises NotRemuxable when the profile is `source` and a stream cannot be copied, NotAVideo, TooLarge.
    """
    picture, sound = choose_tracks(media)
    if picture is None and sound is None:
        raise NotAVideo("The file has neither video nor audio.")
    video_track = _plan_video(media, picture, wishes) if picture else None
    audio_track = _plan_audio(sound, wishes) if sound else None
    timeline = _plan_timeline(media, picture, sound, wishes)
    if timeline.duration > wishes.max_duration:
        raise TooLarge(f"The video lasts {float(timeline.duration):.0f} s; MAX_DURATION_SECONDS allows less.")
    plan = Plan(
        video=video,
        revision=revision,
        source=source,
        profile=wishes.profile,
        rendition="source" if wishes.profile is Profile.SOURCE else _rendition_name(video_track),
        stored_index=stored,
        video_track=video_track,
        audio_track=audio_track,
        timeline=timeline,
        frames=_frame_counts(media.samples(picture.number), timeline, copy=video_track.action == "copy")
        if picture and video_track
        else (),
    )
    _check_sizes(media, plan)
    return plan


def _rendition_name(track: VideoTrack | None) -> str:
    return f"{min(track.width, track.height)}p" if track else "audio"


# video


def _plan_video(media: MediaSource, track: MediaTrack, wishes: Wishes) -> VideoTrack:
    context = track.template.codec_context
    width, height = int(context.width), int(context.height)
    if width <= 0 or height <= 0 or width * height > MAX_PIXELS:
        raise TooLarge(f"Pictures of {width}x{height} are not converted.")
    samples = media.samples(track.number)
    _check_gaps(samples)
    if not samples.key.any():
        raise NotAVideo("The index names no key frame to start at.")
    rate = len(samples) / max(float(samples.end - samples.start), 1e-3)
    obstacle = video_obstacle(track)
    if wishes.profile is Profile.SOURCE:
        if obstacle:
            raise NotRemuxable(obstacle)
        return VideoTrack(
            track=track.number, codec=track.codec, action="copy", reason="H.264 that every player takes",
            width=width, height=height, frame_rate=rate,
        )  # fmt: skip
    filters, width, height = picture_filters(track)
    return VideoTrack(
        track=track.number,
        codec="h264",
        action="encode",
        reason=obstacle or "asked for (reencode)",
        width=width,
        height=height,
        frame_rate=rate,
        filters=filters,
        preset=wishes.preset,
        crf=wishes.crf,
        level=h264_level(width, height, rate),
    )


def video_obstacle(track: MediaTrack) -> str | None:
    """Why the video cannot be copied into TS segments that browsers play; None when it can."""
    if track.codec != "h264":
        return f"Its video is {track.codec.upper()}; only H.264 can be copied into TS segments."
    profile = h264_profile(track.configuration)
    if profile not in H264_8BIT_420:
        name = H264_PROFILES.get(profile or 0, "of an unknown profile")
        return f"Its video is H.264 {name}; browsers decode 8-bit 4:2:0 only."
    if orientation(track):
        return "Its picture is rotated by the container, which TS segments cannot say."
    return None


def orientation(track: MediaTrack) -> tuple[str, ...]:
    """The filters that turn the picture upright; none for a matrix that is no rotation by quarters."""
    a, b, c, d = (round(value / UNIT) for value in track.header.matrix)
    return ORIENTATIONS.get((a, b, c, d), ())


def picture_filters(track: MediaTrack) -> tuple[tuple[str, ...], int, int]:
    """(filters, width, height): upright, square pixels, even sizes, standard range, 8-bit 4:2:0."""
    context = track.template.codec_context
    width, height = int(context.width), int(context.height)
    aspect = track.template.sample_aspect_ratio or Fraction(1)
    if not Fraction(1, 10) < aspect < 10:  # nonsense is in use for "unknown"
        aspect = Fraction(1)
    turn = orientation(track)
    tone = _tone_mapping(int(context.color_trc))
    width = width * aspect.numerator // aspect.denominator if aspect > 1 else width
    height = height * aspect.denominator // aspect.numerator if aspect < 1 else height
    width, height = max(2, width // 2 * 2), max(2, height // 2 * 2)
    scale = f"scale=w={width}:h={height}:out_range=limited"
    if any(name.startswith("transpose") for name in turn):
        width, height = height, width
    return (*tone, scale, "setsar=sar=1", *turn, "format=pix_fmts=yuv420p"), width, height


def _tone_mapping(transfer: int) -> tuple[str, ...]:
    """HDR to BT.709, by the usual chain: linear light, BT.709 primaries, the Hable curve, back."""
    if transfer not in HDR_TRANSFERS:
        return ()
    name = HDR_TRANSFERS[transfer]
    return (
        # NUT carries no colour tags, so what comes in must be said
        f"zscale=transferin={name}:primariesin=bt2020:matrixin=bt2020nc:transfer=linear:npl=100",
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


def _check_gaps(samples: Samples) -> None:
    gap = int(samples.duration.max())
    if gap > MAX_GAP_SECONDS * samples.timescale:
        raise TooLarge(f"Two frames lie {gap // samples.timescale} s apart.")


# audio


def _plan_audio(track: MediaTrack, wishes: Wishes) -> AudioTrack:
    context = track.template.codec_context
    rate, channels = int(context.sample_rate or 0), int(context.layout.nb_channels if context.layout else 0)
    if rate <= 0 or channels <= 0:
        raise NotAVideo("The audio track does not say its sample rate or channels.")
    if wishes.profile is Profile.SOURCE:
        if track.codec not in COPYABLE_AUDIO:
            raise NotRemuxable(f"Its audio is {track.codec.upper()}, which TS segments cannot carry to browsers.")
        return AudioTrack(track=track.number, codec=track.codec, action="copy", reason=f"{track.codec.upper()} fits TS",
                          sample_rate=rate, channels=channels)  # fmt: skip
    if _is_plain_aac(track, channels, rate):
        return AudioTrack(track=track.number, codec="aac", action="copy", reason="AAC-LC, mono or stereo, fine already",
                          sample_rate=rate, channels=channels)  # fmt: skip
    return AudioTrack(
        track=track.number,
        codec="aac",
        action="encode",
        reason=f"{track.codec.upper()}, {channels} channels, {rate} Hz",
        sample_rate=rate if rate in OUTPUT_RATES else OUTPUT_RATES[-1],
        channels=2,
        bitrate=wishes.audio_bitrate,
    )


def _is_plain_aac(track: MediaTrack, channels: int, rate: int) -> bool:
    lc = track.codec == "aac" and aac_object_type(track.configuration) == AAC_LC
    return lc and channels <= 2 and 16_000 <= rate <= 48_000


# segments


def _plan_timeline(
    media: MediaSource, picture: MediaTrack | None, sound: MediaTrack | None, wishes: Wishes
) -> Timeline:
    main = picture or sound
    assert main is not None
    samples = media.samples(main.number)
    encode = wishes.profile is Profile.H264 and picture is not None
    start, end = samples.start, samples.end
    if picture is None or encode:
        start = max(start, Fraction(0))  # what the edit list hides is not shown, but when whole pictures are copied
    if picture and sound:
        other = media.samples(sound.number)
        start = min(start, max(other.start, Fraction(0))) if other.start < start - PRIMING else start
        end = other.end if other.end > end + PRIMING else end
    points = _cut_points(samples, any_frame=encode or picture is None)
    points = _beyond(points, samples, end, wishes.segment_seconds)
    return cut_at(
        points.tolist(),
        timescale=samples.timescale,
        start=start,
        end=end,
        target=wishes.segment_seconds,
        lead=LEAD_SECONDS if encode else (),
    )


def _cut_points(samples: Samples, *, any_frame: bool) -> Ints:
    return np.unique(samples.pts if any_frame else samples.pts[samples.key])


def _beyond(points: Ints, samples: Samples, end: Fraction, target: int) -> Ints:
    """More points where audio goes on after the last picture: every `target` seconds."""
    step = target * samples.timescale
    if not len(points):
        return points
    last, stop = int(points[-1]), end.numerator * samples.timescale // end.denominator
    shown = int((samples.pts + samples.duration).max())
    if stop - shown < 2 * step:
        return points
    return np.append(points, np.arange(max(shown, last + step), stop - step // 2, step, dtype=np.int64))


def _frame_counts(samples: Samples, timeline: Timeline, *, copy: bool) -> tuple[int, ...]:
    """Video frames in each segment: of the decode-order runs when copied, by presentation time when encoded."""
    if copy:
        return tuple(np.diff(segment_edges(samples, timeline)).tolist())
    edges = np.searchsorted(np.sort(samples.pts), np.asarray(timeline.boundaries))
    return tuple(np.diff(edges).tolist())


def segment_edges(samples: Samples, timeline: Timeline) -> Ints:
    """For copied video: the number of the sample that opens each segment, and of the one behind the last."""
    keys = np.flatnonzero(samples.key)
    at = np.searchsorted(samples.pts[keys], np.asarray(timeline.boundaries[1:-1], np.int64))
    inner = np.append(keys, len(samples))[at]
    return np.concatenate(([0], inner, [len(samples)])).astype(np.int64)


def edges_by_time(samples: Samples, timeline: Timeline) -> Ints:
    """For audio: the number of the first sample at or after each boundary; everything before the first comes along."""
    ticks = [-(-b * samples.timescale // timeline.timescale) for b in timeline.boundaries[1:-1]]
    inner = np.searchsorted(samples.pts, np.asarray(ticks, np.int64))
    return np.concatenate(([0], inner, [len(samples)])).astype(np.int64)


def _check_sizes(media: MediaSource, plan: Plan) -> None:
    """Raises NotRemuxable when a copied segment would not fit into memory: its key frames lie too far apart."""
    if plan.video_track is None or plan.video_track.action != "copy":
        return
    samples = media.samples(plan.video_track.track)
    edges = segment_edges(samples, plan.timeline)
    total = np.append(0, np.cumsum(samples.size))
    largest = int(np.diff(total[edges]).max())
    if largest > MAX_SEGMENT_BYTES:
        raise NotRemuxable(f"Its key frames lie so far apart that a segment would have {largest >> 20} MB.")
