"""Very short films in every codec that the ffmpeg at hand encodes, and what libavcodec makes of one picture of them."""

from __future__ import annotations

import io
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import av

from mam.mp4 import entries
from mam.mp4.boxes import boxes
from tests.media import ffmpeg

PICTURE = "-f lavfi -i testsrc2=s=180x100:r=25:d=0.4"
SOUND = "-f lavfi -i sine=d=0.4:r=48000"
X264 = "-c:v libx264 -preset ultrafast -pix_fmt"
X265 = "-c:v libx265 -preset ultrafast -tag:v hvc1 -pix_fmt"
LISTS = "lists.txt"  # stands for a file of scaling lists, which x265 takes from a file alone
BT2020_PQ = "-color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc"

H264 = {
    "baseline": f"{X264} yuv420p -profile:v baseline",
    "main, B-frames": f"{X264} yuv420p -profile:v main -bf 3",
    "high, 8x8": "-c:v libx264 -pix_fmt yuv420p -profile:v high",
    "high 10": f"{X264} yuv420p10",
    "4:2:2, 8 bit": f"{X264} yuv422p",
    "4:2:2, 10 bit": f"{X264} yuv422p10",
    "4:4:4": f"{X264} yuv444p",
    "monochrome": f"{X264} gray",
    "full range": f"{X264} yuvj420p",
    "BT.709, samples 16:11": f"{X264} yuv420p -vf setsar=16/11 -x264-params "
    "colorprim=bt709:transfer=bt709:colormatrix=bt709",
    "samples 1137:800": f"{X264} yuv420p -vf setsar=1137/800",
    "BT.2020, PQ": f"{X264} yuv420p10 -x264-params colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc",
    "HRD": f"{X264} yuv420p -x264-params nal-hrd=vbr:vbv-maxrate=500:vbv-bufsize=500:aud=1",
    "overscan, chroma location": f"{X264} yuv420p -x264-params overscan=show:chromaloc=2:videoformat=pal",
    "interlaced": "-c:v libx264 -pix_fmt yuv420p -flags +ildct+ilme -x264-params tff=1",
    "interlaced, 4:2:2": "-c:v libx264 -pix_fmt yuv422p -flags +ildct+ilme -x264-params bff=1",
    "4:2:0 of a profile that says so, BT.709": f"{X264} yuv420p -profile:v high "
    "-x264-params 8x8dct=1:colormatrix=bt709:range=pc",
    "4:4:4, BT.709": f"{X264} yuv444p -x264-params 8x8dct=1:colormatrix=bt709:range=pc",
    "two lines": f"{X264} yuv420p -vf crop=64:2",
    "1080 lines": f"{X264} yuv420p -vf scale=1920:1080",
}
HEVC = {
    "main": f"{X265} yuv420p -x265-params log-level=none",
    "main 10, PQ, samples 4:3": f"{X265} yuv420p10 -vf setsar=4/3 -x265-params "
    "log-level=none:colorprim=9:transfer=16:colormatrix=9:range=limited",
    "full range": f"{X265} yuv420p -x265-params log-level=none:range=full:colorprim=1:transfer=1:colormatrix=1",
    "4:2:2, 10 bit": f"{X265} yuv422p10 -x265-params log-level=none",
    "4:4:4": f"{X265} yuv444p -x265-params log-level=none:bframes=0",
    "monochrome": f"{X265} gray -x265-params log-level=none",
    "B-frames in a pyramid": "-c:v libx265 -tag:v hvc1 -pix_fmt yuv420p -x265-params log-level=none:bframes=4:ref=5",
    "high tier": f"{X265} yuv420p -x265-params "
    "log-level=none:high-tier=1:level-idc=51:vbv-maxrate=200000:vbv-bufsize=200000",
    "scaling lists of the standard": f"{X265} yuv420p -x265-params log-level=none:scaling-list=default",
    "scaling lists": f"{X265} yuv420p -x265-params log-level=none:scaling-list={LISTS}:colorprim=9:transfer=16:"
    "colormatrix=9",
    "temporal layers": f"{X265} yuv420p -x265-params log-level=none:temporal-layers=3:bframes=3:b-adapt=0",
    "fields": f"{X265} yuv420p -x265-params log-level=none:interlace=tff",
    "HRD": f"{X265} yuv420p -x265-params log-level=none:hrd=1:vbv-maxrate=500:vbv-bufsize=500:overscan=show",
    "1080 lines": f"{X265} yuv420p -vf scale=1920:1080 -x265-params log-level=none",
    "kvazaar": "-vf scale=192:104 -c:v libkvazaar -tag:v hvc1 -pix_fmt yuv420p",
}
AV1 = {
    "8 bit": "-c:v libaom-av1 -cpu-used 8 -pix_fmt yuv420p",
    "10 bit": f"-c:v libaom-av1 -cpu-used 8 -pix_fmt yuv420p10 {BT2020_PQ}",
    "monochrome": "-c:v libaom-av1 -cpu-used 8 -pix_fmt gray",
    "4:2:2": "-c:v libaom-av1 -cpu-used 8 -pix_fmt yuv422p",
    "4:2:2, 12 bit": "-c:v libaom-av1 -cpu-used 8 -pix_fmt yuv422p12",
    "4:4:4": "-c:v libaom-av1 -cpu-used 8 -pix_fmt yuv444p",
}
VP9 = {
    "8 bit": "-c:v libvpx-vp9 -cpu-used 8 -deadline realtime -pix_fmt yuv420p",
    "10 bit": f"-c:v libvpx-vp9 -cpu-used 8 -deadline realtime -pix_fmt yuv420p10 {BT2020_PQ}",
    "4:4:4": "-c:v libvpx-vp9 -cpu-used 8 -deadline realtime -pix_fmt yuv444p",
}
AUDIO = {
    "aac": "-c:a aac",
    "mp3": "-c:a libmp3lame",
    "ac3": "-c:a ac3",
    "eac3": "-c:a eac3",
    "opus": "-c:a libopus",
    "flac": "-c:a flac",
}
CHROMA = {"gray": 0, "yuv420p": 1, "yuvj420p": 1, "yuv422p": 2, "yuv444p": 3, "yuvj444p": 3}


@dataclass(frozen=True, slots=True)
class Decoded:
    """What libavcodec says of a picture. Colours: numbers of ISO/IEC 23091-2; `reorder`: seen in the time stamps."""

    width: int
    height: int
    chroma_format: int
    bit_depth: int
    interlaced: bool
    sample_aspect: Fraction | None
    full_range: bool
    primaries: int
    transfer: int
    matrix: int
    reorder: int


@cache
def clip(arguments: str, source: str = PICTURE) -> bytes:
    """The bytes of an MP4 file that ffmpeg makes, its moov box at the end."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        lists = Path(folder) / LISTS
        lists.write_text(_scaling_lists())
        ffmpeg(*source.split(), *arguments.replace(LISTS, str(lists)).split(), "-strict", "-2", str(path))
        return path.read_bytes()


def moov_of(data: bytes) -> bytes:
    return next(data[box.start : box.end] for box in boxes(data, 0, len(data)) if box.kind == b"moov")


@cache
def record(data: bytes) -> bytes:
    """The first track's configuration record, as libavformat gives it; VP9's, which it keeps, from the box."""
    if (found := entries.configuration(entries.sample_entry(moov_of(data), 0), b"vpcC")) is not None:
        return found
    with av.open(io.BytesIO(data)) as container:
        return bytes(container.streams[0].codec_context.extradata or b"")


@cache
def decoded(data: bytes) -> Decoded:
    with av.open(io.BytesIO(data)) as container:
        stream: Any = container.streams.video[0]
        times = [packet.pts for packet in container.demux(stream) if packet.size]
        container.seek(0)
        frame: Any = next(container.decode(stream))
        name, depth = _layout(frame.format)
        return Decoded(
            frame.width,
            frame.height,
            CHROMA[name],
            depth,
            frame.interlaced_frame,
            stream.codec_context.sample_aspect_ratio or None,
            frame.color_range == 2,
            frame.color_primaries,
            frame.color_trc,
            frame.colorspace,
            max(sum(before > time for before in times[:n]) for n, time in enumerate(times)),
        )


def _layout(pixels: Any) -> tuple[str, int]:
    """(name without depth, depth) of a pixel format: yuv420p10le is yuv420p of 10 bits."""
    depth = pixels.components[0].bits
    return pixels.name.removesuffix("le").removesuffix(str(depth) if depth > 8 else ""), depth


def _scaling_lists() -> str:
    out: list[str] = []
    for size, mode, plane in product((4, 8, 16, 32), ("INTRA", "INTER"), ("LUMA", "CHROMAU", "CHROMAV")):
        name = f"{mode}{size}X{size}_{plane}"
        out.append(f"{name} =\n{','.join(str(10 + (7 * n + len(out)) % 90) for n in range(min(64, size * size)))},\n")
        if size >= 16:
            out.append(f"{name}_DC =\n{20 + len(out)},\n")
    return "\n".join(out)
