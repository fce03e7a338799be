"""ffmpeg's command lines for encoding a chunk: data, made from the plan and the chunk's windows."""

from __future__ import annotations

from fractions import Fraction

import ffmpeg

from mam.hls.plan import AudioTrack, Chunk, Plan, VideoTrack
from mam.media import ffmpeg as door
from mam.media.packets import ORIGIN
from mam.media.windows import Window, just_before
from mam.mp4.tables import Ints

LAYOUTS = {1: "mono", 2: "stereo"}
REORDER = 2  # frames by which x264 with two B-frames in a pyramid decodes ahead of what is shown


def forced_key_frames(shown: Ints, plan: Plan, chunk: Chunk) -> str:
    """The start of each segment of the chunk, as ffmpeg takes it."""
    scale = plan.timeline.timescale
    cuts = (just_before(shown, plan.timeline.boundaries[number], scale) for number in chunk)
    return ",".join(_seconds(cut) for cut in cuts)


def _seconds(moment: Fraction) -> str:
    return f"{float(moment + ORIGIN):.6f}"


def encode_command(
    video: tuple[VideoTrack, Window, str] | None, audio: tuple[AudioTrack, Window] | None, *, threads: int
) -> list[str]:
    """The argv of ffmpeg for one chunk. `video`: its track, window and forced key frames; `audio` likewise."""
    source = ffmpeg.input("pipe:0", format="nut", copyts=None, threads=threads, **door.GUARDS)
    streams = []
    options: dict[str, object] = {}
    if video:
        track, window, forced = video
        stream = source.video.filter("trim", start=_seconds(window.begin), end=_seconds(window.end))
        for name, arguments in (filtering(text) for text in track.filters):
            stream = stream.filter(name, **arguments)
        streams.append(stream)
        options |= {
            "c:v": "libx264", "profile:v": "high", "level:v": track.level, "preset": track.preset, "crf": track.crf,
            "bf": REORDER, "g": 9999, "sc_threshold": 0, "forced-idr": 1, "force_key_frames": forced,
            "x264-params": "open-gop=0:stitchable=1", "fps_mode": "passthrough",
            "enc_time_base:v": f"1/{window.rate}", "threads": threads,
        }  # fmt: skip
    if audio:
        sound, window = audio
        # first_pts: silence where the track starts late, nothing where it starts before; async: gaps become silence.
        # A filter of its own: one that resamples too counts first_pts wrongly.
        stream = source.audio.filter("aformat", sample_rates=sound.sample_rate, channel_layouts=LAYOUTS[sound.channels])
        stream = stream.filter("aresample", **{"async": 1, "first_pts": _sample(window.begin, window.rate)})
        stream = stream.filter("atrim", end_pts=_sample(window.end, window.rate))
        streams.append(stream)
        options |= {"c:a": "aac", "b:a": sound.bitrate, "ac": sound.channels, "ar": sound.sample_rate}
    output = ffmpeg.output(
        *streams, "pipe:1", format="nut", map_metadata=-1, map_chapters=-1, max_interleave_delta=0, flush_packets=1,
        **options,
    )  # fmt: skip
    quiet = ("-hide_banner", "-nostats", "-loglevel", "error", "-filter_complex_threads", str(threads))
    return list(output.global_args(*quiet).compile(cmd=door.executable()))


def _sample(moment: Fraction, rate: int) -> int:
    """The number of the sample at `moment` on the timeline that ffmpeg sees."""
    return round((moment + ORIGIN) * rate)


def filtering(text: str) -> tuple[str, dict[str, str]]:
    """`scale=w=640:h=360` -> its name and arguments."""
    name, _, arguments = text.partition("=")
    pairs = (pair.partition("=") for pair in arguments.split(":") if pair)
    return name, {key: value for key, _, value in pairs}
