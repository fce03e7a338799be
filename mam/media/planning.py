"""Makes the plan of a source: the renditions, their tracks, and the start of each segment."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from mam.errors import NotAVideo, NotRemuxable, TooLarge
from mam.hls import ladder, languages, multivariant
from mam.hls.plan import Plan, Source
from mam.hls.rates import measure
from mam.hls.recipe import Profile, Recipe
from mam.hls.renditions import AudioTrack, Rendition, Track, VideoTrack
from mam.hls.timeline import Timeline, cut_at
from mam.media import subtitles
from mam.media.alternatives import sift
from mam.media.audio import choose_sounds, plan_audio
from mam.media.chunk_windows import (
    edges_by_time,
    grid_ticks,
    openings,
    part_starts,
    segment_edges,
    shown_frames,
    shown_span,
    shown_times,
)
from mam.media.fragment_index import find_samples
from mam.media.holes import has_holes
from mam.media.probe import describe
from mam.media.source import MediaSource, MediaTrack, demux
from mam.media.video import picture_notes, plan_pictures
from mam.mp4.samples import Samples
from mam.mp4.tables import Ints, NoSampleTables
from mam.naming import rung_name

LEAD_SECONDS = (2, 2, 4)  # The first segments of an encode are short, so that the first picture comes early.
SHORTEST_SOUND = Fraction(1024, 48000)  # Seconds of one AAC frame, the shortest sound.
PRIMING = Fraction(1, 10)  # Audio that starts at most this many seconds before the video does not move the timeline.
EARLY = 10  # Sound may end this many seconds before the picture without added silence.
SHORTEST_LAST = 1  # Seconds: no shorter segment ends a ladder. Its sound may end earlier, and every segment needs some.
LATE = Fraction(1, 4)  # Sound may begin this many seconds after the picture without added silence.
MAX_SEGMENT_BYTES = 512 << 20  # A larger segment is refused: it is made in memory.
PACKING = 1.03  # TS adds about this factor to the bytes of the streams.
FRAME_BYTES, SOUND_BYTES = 110, 25  # TS adds about this many bytes to each video and audio frame.
BITS_PER_PIXEL = 0.08  # The approximate rate of x264 at CRF 23, for estimates before encoding.

log = logging.getLogger(__name__)


def make_plan(
    media: MediaSource,
    source: Source,
    recipe: Recipe,
    *,
    video: str,
    revision: str,
    stored: bool,
    closely: bool = False,
    max_duration: float = math.inf,
) -> Plan:
    """The plan of one revision. `stored`: the index is in the bucket, since the source has no sample tables. `closely`:
    pictures are decoded for details that headers lack. `max_duration`: the video's longest duration in seconds.

    Raises NotRemuxable when the profile is `source` and a stream cannot be copied, NotAVideo, TooLarge,
    UnsupportedCodec.
    """
    media.name_mpeg_audio()
    picture = choose_picture(media)
    if picture:
        media.complete([picture.number])
        picture = media.track(picture.number)
    sift(media, picture, recipe)
    sounds = choose_sounds(media.tracks, recipe)
    if picture is None and not sounds:
        raise NotAVideo("The file has neither video nor audio.")
    pictures = plan_pictures(media, picture, recipe) if picture else []
    video_track = pictures[0] if pictures else None
    timeline = _plan_timeline(media, video_track, sounds, recipe)
    _check_length(timeline, max_duration)
    audio = _plan_sounds(media, sounds, timeline, recipe)
    renditions = _renditions(video_track, audio, recipe)
    renditions += [Rendition(name=rung_name(min(rung.width, rung.height)), video=rung) for rung in pictures[1:]]
    renditions += subtitles.renditions(media, source)
    plan = Plan(
        video=video,
        revision=revision,
        source=source,
        profile=recipe.profile,
        format=recipe.format,
        stored_index=stored,
        recoded=recipe.recoded,
        streams=describe(media, renditions, recipe, closely=closely),
        notes=(*media.notes, *(picture_notes(picture) if picture else ())),
        renditions=tuple(_with_bandwidth(media, rendition, timeline) for rendition in renditions),
        timeline=timeline,
        frames=_frame_counts(media.samples(video_track.track), video_track, timeline) if video_track else (),
    )
    _check_sizes(media, plan)
    return plan


def _check_length(timeline: Timeline, most: float) -> None:
    """Raises TooLarge for a video of more than `most` seconds."""
    if timeline.duration > most:
        raise TooLarge(f"The video lasts {float(timeline.duration):.0f} s; MAX_DURATION_SECONDS allows less.")


def choose_picture(media: MediaSource) -> MediaTrack | None:
    """The video track of the stream: the default one, else the first; stills beside a film come last."""
    video = [track for track in media.tracks if track.is_video]
    return min(video, key=lambda t: (t.number in media.stills, not t.is_default, t.number), default=None)


def read_index(media: MediaSource, recipe: Recipe, *, alive: Callable[[], None] = lambda: None) -> dict[int, Samples]:
    """Reads the samples of a plan's tracks. Returns those that needed more than the `moov` box, by track number.

    Another track may replace one that turns out to be empty.
    """
    searched: dict[int, Samples] = {}
    done: set[int] = set()
    while numbers := [number for number in tracks_to_read(media, recipe) if number not in done]:
        done.update(numbers)
        try:
            media.collect(numbers)
        except NoSampleTables:
            searched |= _search(media, numbers, alive)
            media.adopt(searched)
    return searched


def _search(media: MediaSource, numbers: list[int], alive: Callable[[], None]) -> dict[int, Samples]:
    """The samples of tracks that the `moov` box does not list."""
    try:
        return find_samples(media, numbers, alive=alive)
    except NoSampleTables as reason:
        log.info("reading the whole source", extra={"object": media.reader.key, "reason": str(reason)})
        return demux(media, numbers, alive=alive)


def tracks_to_read(media: MediaSource, recipe: Recipe) -> list[int]:
    """The tracks whose samples a plan needs."""
    picture = choose_picture(media)
    chosen = [*([picture] if picture else []), *choose_sounds(media.tracks, recipe), *subtitles.choose(media)]
    return [track.number for track in chosen]


# renditions


def _plan_sounds(
    media: MediaSource, sounds: list[MediaTrack], timeline: Timeline, recipe: Recipe
) -> list[tuple[MediaTrack, AudioTrack]]:
    """Plans the sounds. Encoded sounds get silence in their gaps.

    A copied single sound is muxed with its gaps; of several, only sounds without gaps are copied.
    """
    alone = len(sounds) > 1 or recipe.profile is Profile.LADDER
    gaps = [_has_gaps(media.samples(track.number), timeline, alone=alone) for track in sounds]
    if recipe.profile is Profile.SOURCE:
        whole = [track for track, has_gaps in zip(sounds, gaps, strict=True) if not has_gaps] or sounds[:1]
        return [(track, plan_audio(track, recipe, gaps=False, parts=_parts(media, track))) for track in whole]
    return [
        (track, plan_audio(track, recipe, gaps=has_gaps, parts=_parts(media, track)))
        for track, has_gaps in zip(sounds, gaps, strict=True)
    ]


def _parts(media: MediaSource, track: MediaTrack) -> int:
    """The number of parts that the track's edit list joins."""
    return len(media.samples(track.number).joins) + 1


def _has_gaps(samples: Samples, timeline: Timeline, *, alone: bool) -> bool:
    """Whether a sound needs silence: some players drop the picture where a sound has a gap.

    Muxed with a picture it may end a little early; in its own rendition (`alone`) it needs media in every segment.
    """
    empty = np.flatnonzero(np.diff(edges_by_time(samples, timeline)) == 0)
    trailing = len(empty) > 0 and int(empty[0]) == len(timeline) - len(empty)
    early = trailing and timeline.end - samples.end < EARLY
    late = samples.start > timeline.start + LATE
    return late or has_holes(samples) or (bool(len(empty)) and (alone or not early))


def _main_name(video: VideoTrack | None, sounds: list[tuple[MediaTrack, AudioTrack]], recipe: Recipe) -> str:
    tracks: list[Track] = [*([video] if video else []), *(audio for _, audio in sounds)]
    if recipe.profile is Profile.SOURCE or all(track.action == "copy" for track in tracks):
        return "source"
    return f"{min(video.width, video.height)}p" if video else "audio"


def _renditions(
    video: VideoTrack | None, sounds: list[tuple[MediaTrack, AudioTrack]], recipe: Recipe
) -> list[Rendition]:
    """The renditions of the base: a single sound is muxed with the picture; several, and those of a ladder, get
    renditions of their own.
    """
    name = _main_name(video, sounds, recipe)
    if len(sounds) <= 1 and not (recipe.profile is Profile.LADDER and video and sounds):
        return [Rendition(name=name, video=video, audio=sounds[0][1] if sounds else None)]
    renditions = [Rendition(name=name, video=video)] if video else []
    titles: set[str] = set()
    for number, (track, audio) in enumerate(sounds):
        default_title = languages.display(track.language) if track.language else f"Audio {number + 1}"
        title = multivariant.unique_name(track.title or default_title, titles)
        renditions.append(
            Rendition(name=f"audio-{number}", audio=audio, language=track.language, title=title, default=number == 0)
        )
    return renditions


def _with_bandwidth(media: MediaSource, rendition: Rendition, timeline: Timeline) -> Rendition:
    """The rendition with its expected bit rates: exact for copied streams, apart from the container's overhead; those
    of a capped picture are promised.
    """
    if rendition.video and rendition.video.maxrate and not rendition.audio:
        promise = ladder.promised(rendition.video.maxrate)
        return rendition.model_copy(update={"bandwidth": promise.peak, "average_bandwidth": promise.average})
    sizes = sum((_expected_sizes(media, track, timeline) for track in rendition.tracks), np.zeros(len(timeline)))
    rate = measure(list(timeline.durations()), (sizes * PACKING).astype(np.int64).tolist())
    return rendition.model_copy(update={"bandwidth": rate.peak, "average_bandwidth": rate.average})


def _expected_sizes(media: MediaSource, track: Track, timeline: Timeline) -> Ints:
    """Bytes of the track in each segment, with the container's overhead for frames."""
    if track.action == "copy":
        samples = media.samples(track.track)
        edges = segment_edges(samples, timeline) if isinstance(track, VideoTrack) else edges_by_time(samples, timeline)
        overhead = FRAME_BYTES if isinstance(track, VideoTrack) else SOUND_BYTES
        total: Ints = np.append(0, np.cumsum(samples.size + overhead))[edges]
        return np.diff(total)
    if isinstance(track, VideoTrack):
        bits = BITS_PER_PIXEL * track.width * track.height * track.frame_rate
    else:
        bits = float(track.bitrate or 0)
    return np.array([int(bits * microseconds / 8e6) for microseconds in timeline.durations()], np.int64)


# segments


def _plan_timeline(media: MediaSource, video: VideoTrack | None, sounds: list[MediaTrack], recipe: Recipe) -> Timeline:
    number = video.track if video else sounds[0].number
    samples = media.samples(number)
    encodes = video is not None and video.action == "encode"
    start, end = shown_span(samples, video) if video and encodes else (samples.start, samples.end)
    if video is None or encodes:
        start = max(start, Fraction(0))  # only copies show pictures that the edit list hides
    shown_start, shown_end = start, end
    for other in (media.samples(sound.number) for sound in sounds):
        start = min(start, max(other.start, Fraction(0))) if other.start < start - PRIMING else start
        end = max(end, other.end)
    if video is None:
        end = max(end, start + SHORTEST_SOUND)
    if video and video.grid:
        scale, points = video.grid[0], grid_ticks(video, shown_start, shown_end)
        if points[-1] >= end * scale:  # it is shorter than a step of its grid: its only picture lasts a step
            end = Fraction(int(points[-1]) + video.grid[1], scale)
    else:
        scale = samples.timescale
        points = np.unique(samples.pts[openings(samples)] if video and not encodes else shown_times(samples))
    points = _beyond(points, scale, shown_end, end, recipe.segment_seconds)
    if recipe.profile is Profile.LADDER:
        points = points[points <= int((end - SHORTEST_LAST) * scale)]
    timeline = cut_at(
        points.tolist(),
        timescale=scale,
        start=start,
        end=end,
        target=recipe.segment_seconds,
        lead=LEAD_SECONDS if encodes else (),
    )
    return _cut_too(timeline, part_starts(samples, video), recipe.segment_seconds) if video and encodes else timeline


def _cut_too(timeline: Timeline, marks: list[int], target: int) -> Timeline:
    """The timeline with additional boundaries at `marks`, and no other boundary close to one."""
    first, *inner, last = timeline.boundaries
    marks = [mark for mark in marks if first < mark < last]
    if not marks:
        return timeline
    near = target * timeline.timescale // 2
    kept = [cut for cut in inner if min(abs(cut - mark) for mark in marks) > near]
    return Timeline(timescale=timeline.timescale, boundaries=tuple(sorted({first, *kept, *marks, last})))


def _beyond(points: Ints, scale: int, shown_end: Fraction, end: Fraction, target: int) -> Ints:
    """The points, with further ones every `target` seconds where audio continues after the last picture."""
    step = target * scale
    if not len(points):
        return points
    last, stop = int(points[-1]), end.numerator * scale // end.denominator
    shown = -(-shown_end.numerator * scale // shown_end.denominator)
    if stop - shown < 2 * step:
        return points
    return np.append(points, np.arange(max(shown, last + step), stop - step // 2, step, dtype=np.int64))


def _frame_counts(samples: Samples, video: VideoTrack, timeline: Timeline) -> tuple[int, ...]:
    """Video frames in each segment: by decode order when copied, by presentation time when encoded."""
    if video.action == "copy":
        return tuple(np.diff(segment_edges(samples, timeline)).tolist())
    edges = np.searchsorted(shown_frames(samples, video, timeline), np.asarray(timeline.boundaries))
    return tuple(np.diff(edges).tolist())


def _check_sizes(media: MediaSource, plan: Plan) -> None:
    """Raises NotRemuxable when a copied segment would not fit into memory: its key frames are too far apart."""
    for video in plan.copied_video_tracks:
        largest = int(_expected_sizes(media, video, plan.timeline).max())
        if largest > MAX_SEGMENT_BYTES:
            raise NotRemuxable(f"Its key frames lie so far apart that a segment would have {largest >> 20} MB.")
