"""Trees of HLS to check: made by ffmpeg from the tests' media, completed to what the rules ask, and spoiled."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from mam.check import check
from tests.conformance.serving import serving
from tests.media import FILM, MediaFolder, ffmpeg

HLS = ("-c", "copy", "-f", "hls", "-hls_time", "6", "-hls_playlist_type", "vod", "-hls_flags", "independent_segments")
FMP4 = ("-hls_segment_type", "fmp4")
ORIGIN = 10  # seconds: where the timestamps of such a tree start
VARIANT = (
    'BANDWIDTH=0,AVERAGE-BANDWIDTH=0,CODECS="avc1.64000c,mp4a.40.2",RESOLUTION=320x180,FRAME-RATE=25.000,'
    'AUDIO="a",SUBTITLES="s"'
)
LADDER = """#EXTM3U
#EXT-X-VERSION:7
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="2.m3u8"
"""
RUNG = (
    'BANDWIDTH={rate},AVERAGE-BANDWIDTH={rate},CODECS="{codec},mp4a.40.2",RESOLUTION={size},FRAME-RATE=25.000,'
    'CLOSED-CAPTIONS=NONE,AUDIO="a"'
)
CUES = {1: (1, 3), 2: (5, 8), 3: (14, 15)}  # number: seconds from the start; the second reaches over a boundary


def media_tree(media: MediaFolder, folder: Path, *options: str) -> Path:
    """`index.m3u8` and its segments, four of 6 s."""
    return _copied(media, folder, _media_tree, options)


def multivariant_tree(media: MediaFolder, folder: Path, *options: str) -> Path:
    """`master.m3u8` with one variant, demuxed audio and subtitles; its timestamps start at ORIGIN."""
    return _copied(media, folder, _multivariant_tree, options)


def _copied(media: MediaFolder, folder: Path, make: Callable[..., None], options: tuple[str, ...]) -> Path:
    """A copy that may be spoiled of what is made once."""
    name = "-".join(["tree", make.__name__, *options]).replace("/", "")
    kept = media.path(FILM).parent / name
    if not kept.exists():
        with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
            made = Path(scratch) / name
            make(media, made, *options)
            try:
                made.replace(kept)
            except OSError:
                if not kept.exists():  # else another process was first
                    raise
    shutil.copytree(kept, folder)
    return folder


def _media_tree(media: MediaFolder, folder: Path, *options: str) -> None:
    folder.mkdir()
    ffmpeg("-i", str(media.path(FILM)), *HLS, *options, str(folder / "index.m3u8"))


def _multivariant_tree(media: MediaFolder, folder: Path, *options: str) -> None:
    folder.mkdir()
    ffmpeg("-i", str(media.path(FILM)), "-map", "0:v", "-map", "0:a", *HLS, "-output_ts_offset", str(ORIGIN), *options,
           "-muxdelay", "0", "-muxpreload", "0", "-var_stream_map", "v:0 a:0", str(folder / "%v.m3u8"))  # fmt: skip
    _subtitles(folder)
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:6",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,URI="1.m3u8"',
        '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="English",LANGUAGE="en",AUTOSELECT=YES,URI="text.m3u8"',
        f"#EXT-X-STREAM-INF:{VARIANT}",
        "0.m3u8",
        "",
    ]
    (folder / "master.m3u8").write_text("\n".join(lines))
    _tell_rates(folder)


def ladder_tree(media: MediaFolder, folder: Path, *options: str) -> Path:
    """`master.m3u8` with a copied picture, a smaller one, and the sound apart, in fMP4. `options`: of the smaller."""
    return _copied(media, folder, _ladder_tree, options)


def _ladder_tree(media: MediaFolder, folder: Path, *options: str) -> None:
    folder.mkdir()
    smaller = "-c:v:1 libx264 -preset ultrafast -level:v:1 1.1 -crf:v:1 30 -g:v:1 50 -pix_fmt yuv420p"
    sized = () if "-filter:v:1" in options else ("-filter:v:1", "scale=160:90")
    ffmpeg("-i", str(media.path(FILM)), "-map", "0:v", "-map", "0:v", "-map", "0:a", *HLS, *FMP4, *smaller.split(),
           *sized, *options, "-hls_fmp4_init_filename", "init-%v.mp4",
           "-var_stream_map", "v:0 v:1 a:0", str(folder / "%v.m3u8"))  # fmt: skip
    sound = _rate(folder, "2.m3u8")
    first, second = (
        RUNG.format(rate=sound + _rate(folder, f"{number}.m3u8"), codec=codec, size=size)
        for number, codec, size in ((0, "avc1.64000c", "320x180"), (1, "avc1.42c00b", "160x90"))
    )
    lines = [f"#EXT-X-STREAM-INF:{first}", "0.m3u8", f"#EXT-X-STREAM-INF:{second}", "1.m3u8", ""]
    (folder / "master.m3u8").write_text(LADDER + "\n".join(lines))


def _subtitles(folder: Path) -> None:
    """A WebVTT segment beside each of the video's."""
    durations = [float(each) for each in re.findall(r"#EXTINF:([\d.]+)", (folder / "0.m3u8").read_text())]
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:6", "#EXT-X-PLAYLIST-TYPE:VOD"]
    at = 0.0
    for number, duration in enumerate(durations):
        cues = [
            f"{name}\n00:00:{start:02}.000 --> 00:00:{end:02}.000\nCue {name}\n"
            for name, (start, end) in CUES.items()
            if start < at + duration and end > at
        ]
        header = f"WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:{ORIGIN * 90_000}\n"
        (folder / f"text{number}.vtt").write_text("\n".join([header, *cues]))
        lines += [f"#EXTINF:{duration:.6f},", f"text{number}.vtt"]
        at += duration
    (folder / "text.m3u8").write_text("\n".join([*lines, "#EXT-X-ENDLIST", ""]))


def _tell_rates(folder: Path) -> None:
    """Writes the bit rates into the list: sums of files over seconds, as segments here are about equal."""
    average = sum(_rate(folder, name) for name in ("0.m3u8", "1.m3u8"))
    edit(folder / "master.m3u8", "BANDWIDTH=0,AVERAGE", f"BANDWIDTH={average},AVERAGE")
    edit(folder / "master.m3u8", "AVERAGE-BANDWIDTH=0", f"AVERAGE-BANDWIDTH={average}")


def _rate(folder: Path, name: str) -> int:
    text = (folder / name).read_text()
    files = [line for line in text.splitlines() if line and not line.startswith("#")]
    seconds = sum(float(each) for each in re.findall(r"#EXTINF:([\d.]+)", text))
    return round(8 * sum((folder / each).stat().st_size for each in files) / seconds)


def edit(path: Path, old: str, new: str) -> None:
    """Replaces the first occurrence, which must be there."""
    text = path.read_text()
    assert old in text, f"{path.name} does not hold {old!r}: {text}"
    path.write_text(text.replace(old, new, 1))


def segments(folder: Path, suffix: str = ".ts", stem: str = "index") -> list[Path]:
    return sorted(folder.glob(f"{stem}*{suffix}"))


def rules(folder: Path, playlist: str = "index.m3u8", spoil: Callable[[Path], object] | None = None) -> set[str]:
    """The rules that a folder's stream breaks, once it was spoiled."""
    if spoil:
        spoil(folder)
    with serving(folder) as url:
        return check(f"{url}/{playlist}").rules
