"""Plans, for hypothesis."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import strategies as st

from mam.hls.plan import Plan, Source
from mam.hls.recipe import Format, Profile
from mam.hls.renditions import AudioTrack, Rendition, SubtitleTrack, VideoTrack
from mam.hls.timeline import Timeline
from tests.unit.hls.test_timeline import timelines

ACTIONS = st.sampled_from(("copy", "encode"))
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
SOURCES = st.builds(Source, bucket=TEXT, key=TEXT, version=TEXT, etag=st.none() | TEXT, size=st.integers(0, 1 << 50))
VIDEOS = st.builds(
    VideoTrack,
    track=st.integers(0, 63), codec=TEXT, action=ACTIONS, reason=TEXT,
    width=st.integers(1, 8192), height=st.integers(1, 8192), frame_rate=st.floats(0.01, 1000),
    filters=st.lists(TEXT, max_size=3).map(tuple), preset=st.none() | TEXT, crf=st.none() | st.integers(0, 51),
    level=st.none() | TEXT,
)  # fmt: skip
AUDIOS = st.builds(
    AudioTrack,
    track=st.integers(0, 63), codec=TEXT, action=ACTIONS, reason=TEXT, sample_rate=st.integers(1, 384_000),
    channels=st.integers(1, 64), bitrate=st.none() | st.integers(1, 1 << 30),
)  # fmt: skip
NAMES = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,9}", fullmatch=True)
SUBTITLES = st.builds(SubtitleTrack, track=st.none() | st.integers(0, 63), codec=TEXT, reason=TEXT)
RENDITIONS = st.builds(Rendition, name=NAMES, video=st.none() | VIDEOS, audio=st.none() | AUDIOS) | st.builds(
    Rendition, name=NAMES, subtitles=SUBTITLES, language=TEXT, title=TEXT, forced=st.booleans()
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    timeline = draw(timelines())
    counts = st.lists(st.integers(0, 1000), min_size=len(timeline), max_size=len(timeline)).map(tuple)
    return Plan(
        video=draw(TEXT),
        revision=draw(TEXT),
        source=draw(SOURCES),
        profile=draw(st.sampled_from(Profile)),
        format=draw(st.sampled_from(Format)),
        stored_index=draw(st.booleans()),
        renditions=draw(st.lists(RENDITIONS, min_size=1, max_size=4, unique_by=lambda r: r.name).map(tuple)),
        timeline=timeline,
        frames=draw(counts),
    )


def plan_of(timeline: Timeline, *, encode: bool = False, rate: int = 25) -> Plan:
    """A plan of video alone."""
    action = "encode" if encode else "copy"
    track = VideoTrack(
        track=0, codec="h264", action=action, reason="", width=64, height=48, frame_rate=rate, preset="veryfast",
        crf=23, level="3.0", filters=("scale=w=64:h=48:out_range=limited", "setsar=sar=1", "format=pix_fmts=yuv420p"),
    )  # fmt: skip
    return Plan(
        video="film", revision="0123456789ab", renditions=(Rendition(name="source", video=track),), timeline=timeline,
        profile=Profile.H264 if encode else Profile.SOURCE,
        source=Source(bucket="films", key="film.mp4", version="1", size=1),
    )  # fmt: skip


def every(seconds: Fraction | int, segments: int, *, timescale: int = 1000) -> Timeline:
    """Segments of equal length."""
    step = Fraction(seconds) * timescale
    return Timeline(timescale=timescale, boundaries=tuple(int(n * step) for n in range(segments + 1)))
