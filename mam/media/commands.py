"""ffmpeg's command lines for encoding a chunk, as data from the plan and the chunk's windows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import ffmpeg

from mam.hls.plan import Chunk, Plan
from mam.hls.renditions import AudioTrack, VideoTrack
from mam.media import decoders, limits
from mam.media import ffmpeg_process as door
from mam.media.chunk_windows import Window, just_before, place
from mam.media.packets import ORIGIN
from mam.mp4.tables import Ints

LAYOUTS = {1: "mono", 2: "stereo"}
COARSE = 1000  # In a clock with fewer ticks a second, half a frame may be half a tick.
SHORTEST_HOLE = 0.005  # Shorter holes, in seconds, are not filled with silence; ffmpeg's default is 0.1.
REORDER = 2  # x264 with two B-frames in a pyramid decodes this many frames before their presentation.
X264 = {
    "c:v": "libx264", "profile:v": "high", "bf": REORDER, "g": 9999, "sc_threshold": 0, "forced-idr": 1,
    "x264-params": "open-gop=0:stitchable=1", "fps_mode": "passthrough",
}  # fmt: skip


def forced_key_frames(shown: Ints, plan: Plan, chunk: Chunk) -> str:
    """The start of each segment of the chunk, for -force_key_frames."""
    scale = plan.timeline.timescale
    cuts = (just_before(shown, plan.timeline.boundaries[number], scale) for number in chunk)
    return ",".join(_seconds(cut) for cut in cuts)


def _seconds(moment: Fraction) -> str:
    return f"{float(moment + ORIGIN):.6f}"


def encode_command(
    video: list[tuple[VideoTrack, Window, str]],
    audio: list[tuple[AudioTrack, Window]],
    *,
    codecs: list[str],
    container: str,
    threads: int,
) -> list[str]:
    """The argv of ffmpeg for one chunk. `video`: track, window and forced key frames of each output; `audio` likewise.

    The outputs are in this order, and so are the inputs: the source's video track, for all video outputs, and its audio
    tracks. `codecs`: those of the input, the only ones that may be decoded; `container`: the input's format.
    """
    allowed = ",".join(dict.fromkeys(name for codec in codecs for name in decoders.names(codec)))
    guards = {**limits.GUARDS, "codec_whitelist": allowed, "format_whitelist": container}
    if any(track.resized for track, _, _ in video):  # re-created filters would restart their frame counts
        guards["reinit_filter"] = 0
    source = ffmpeg.input("pipe:0", format=container, copyts=None, threads=threads, **guards)
    streams = []
    options: dict[str, object] = {}
    pictures = _branches(source.video, "split", len(video))
    for number, (track, window, forced) in enumerate(video):
        stream = _each_of(_timed(next(pictures), track, window), track.every, forced)
        for name, arguments in (filtering(text) for text in track.filters):
            stream = stream.filter(name, **arguments)
        streams.append(stream)
        suffix = f":v:{number}" if len(video) > 1 else ""  # selects the options of this output
        options |= _picture_options(track, window.rate, suffix) | {f"force_key_frames{suffix}": forced}
    if video:
        options |= X264 | {"threads": threads}
    sounds, sound_options = _sounds(source, audio)
    return _compiled([*streams, *sounds], options | sound_options, threads)


def initialization_command(track: VideoTrack, size: tuple[int, int], rate: int) -> list[str]:
    """The argv of ffmpeg for one black frame of the source's `size`, encoded as `track`.

    x264 writes the same parameter sets for any picture. `rate`: ticks per second of the plan's timeline.
    """
    width, height = size
    stream = ffmpeg.input(f"color=c=black:s={width}x{height}:r=25:d=0.04", format="lavfi").video
    stream = stream.filter("format", pix_fmts="yuv420p")
    for name, arguments in map(filtering, track.filters):
        stream = stream.filter(name, **arguments)
    return _compiled([stream], X264 | _picture_options(track, rate, "") | {"threads": 1}, 1)


def _picture_options(track: VideoTrack, rate: int, suffix: str) -> dict[str, object]:
    """The options of an encoded picture. `rate`: ticks per second of its times; `suffix`: selects the output."""
    capped = {"maxrate": track.maxrate, "bufsize": track.bufsize} if track.maxrate else {}
    return {
        f"level{suffix or ':v'}": track.level, f"preset{suffix}": track.preset, f"crf{suffix}": track.crf,
        f"enc_time_base{suffix or ':v'}": f"1/{rate}",
        **{f"{name}{suffix or ':v'}": value for name, value in capped.items()},
    }  # fmt: skip


def _compiled(streams: list[Any], options: dict[str, object], threads: int) -> list[str]:
    output = ffmpeg.output(
        *streams, "pipe:1", format="nut", map_metadata=-1, map_chapters=-1, max_interleave_delta=0, flush_packets=1,
        **options,
    )  # fmt: skip
    general = (*limits.GENERAL, "-filter_complex_threads", str(threads))
    return list(output.global_args(*general).compile(cmd=door.executable()))


def _sounds(source: Any, audio: list[tuple[AudioTrack, Window]]) -> tuple[list[Any], dict[str, object]]:
    """(streams, options): each sound on its grid of samples, mixed with silence where its track has none."""
    streams: list[Any] = []
    options: dict[str, object] = {}
    outputs = Counter(sound.track for sound, _ in audio)
    branches = {track: _branches(source[f"a:{index}"], "asplit", outputs[track]) for index, track in enumerate(outputs)}
    for number, (sound, window) in enumerate(audio):
        begin, end = _sample(window.begin, window.rate), _sample(window.end, window.rate)
        # first_pts: silence where the track starts late, nothing where it starts before; async: gaps become silence.
        # The filter is separate: one that also resamples counts first_pts wrongly.
        stream = next(branches[sound.track])
        stream = stream.filter("aformat", sample_rates=sound.sample_rate, channel_layouts=LAYOUTS[sound.channels])
        hole_options = {"min_hard_comp": SHORTEST_HOLE} if window.silence else {}
        stream = stream.filter("aresample", **{"async": 1, "first_pts": begin}, **hole_options)
        stream = stream.filter("atrim", end_pts=end)
        streams.append(_over_silence(stream, sound, begin, end, number) if window.silence else stream)
        options |= {"c:a": "aac", f"b:a:{number}": sound.bitrate}
        options |= {f"ac:a:{number}": sound.channels, f"ar:a:{number}": sound.sample_rate}
    return streams, options


def _branches(stream: Any, split: str, count: int) -> Iterator[Any]:
    """A source stream, once for each of its outputs. `split`: the filter that copies it."""
    if count < 2:
        return iter([stream])
    branches = stream.filter_multi_output(split, count)
    return (branches[number] for number in range(count))


def _timed(stream: Any, track: VideoTrack, window: Window) -> Any:
    """The window's frames, deinterlaced, at their presentation times."""
    weave = {"mode": "send_frame", "deint": "interlaced"}
    if track.grid is None:
        if window.rate < COARSE:  # `trim` rounds its times to the clock of its input
            stream = stream.filter("settb", expr=f"1/{window.rate * COARSE}")
        stream = stream.filter("trim", start=_seconds(window.begin), end=_seconds(window.end))
        return stream.filter("bwdif", **weave) if track.interlaced else stream
    rate, base = track.grid
    first, last = place(track, window.begin), place(track, window.end)
    stream = stream.filter("bwdif", **weave) if track.interlaced else stream
    if track.phase:
        stream = stream.filter("settb", expr=f"1/{rate}").filter("setpts", f"PTS-{track.phase}")
    # The first picture is extended to the window's start and the last one to its end; frames are counted, so that
    # rounding does not matter.
    stream = stream.filter("setpts", f"if(eq(N,0),min(PTS,{first * base}/{rate}/TB),PTS)")
    stream = stream.filter("fps", fps=f"{rate}/{base}", round="near").filter("tpad", stop_mode="clone", stop=-1)
    stream = stream.filter("trim", start_pts=first, end_pts=last)
    if track.phase:
        stream = stream.filter("settb", expr=f"1/{rate}").filter("setpts", f"PTS+{track.phase}")
    return stream


def _each_of(stream: Any, every: int, firsts: str) -> Any:
    """Each `every`th frame of every segment, at its own time. `firsts`: the forced key frames, one for each segment.

    The count restarts there, whatever the number of earlier frames: a chunk's pre-roll does not shift its frames.
    """
    if every == 1:
        return stream
    restarts = [f"lt(prev_t,{moment})*gte(t,{moment})" for moment in firsts.split(",")]
    return stream.filter("select", _sum(["isnan(prev_selected_t)", f"gte(n-prev_selected_n,{every})", *restarts]))


def _sum(terms: list[str]) -> str:
    """The sum as an expression of ffmpeg, in balanced parentheses: a plain one of more than 99 terms is refused."""
    if len(terms) == 1:
        return terms[0]
    middle = len(terms) // 2
    return f"({_sum(terms[:middle])}+{_sum(terms[middle:])})"


def _over_silence(stream: Any, sound: AudioTrack, begin: int, end: int, number: int) -> Any:
    """The sound from sample `begin` to `end`, with silence in its gaps. `number`: the sound's among all sounds.

    Equal inputs would be merged, together with their filters, which have only one output.
    """
    source = f"anullsrc@{number}" if number else "anullsrc"
    layout = LAYOUTS[sound.channels]
    silence = ffmpeg.input(f"{source}=r={sound.sample_rate}:cl={layout}", format="lavfi")
    silence = silence.audio.filter("atrim", end_sample=end - begin).filter("asetpts", f"PTS+{begin}")
    return ffmpeg.filter([silence, stream], "amix", inputs=2, duration="first", normalize=0)


def _sample(moment: Fraction, rate: int) -> int:
    """The number of the sample at `moment` on ffmpeg's timeline."""
    return round((moment + ORIGIN) * rate)


def filtering(text: str) -> tuple[str, dict[str, str]]:
    """`scale=w=640:h=360` -> its name and arguments."""
    name, _, arguments = text.partition("=")
    pairs = (pair.partition("=") for pair in arguments.split(":") if pair)
    return name, {key: value for key, _, value in pairs}
