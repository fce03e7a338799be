"""Every codec on the list, tried through the pipe: it leaves it as what it went in, and ffmpeg decodes it."""

from __future__ import annotations

import io
import struct
import tempfile
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import pytest

from mam.hls.recipe import Profile
from mam.media import decoders, ffmpeg_io
from mam.media.encode import ChunkEncoder
from mam.media.planning import make_plan, read_index
from mam.media.source import MediaSource
from tests.media import ffmpeg
from tests.recipes import recipe_of
from tests.unit.films import opened, source_of
from tests.unit.mp4.movies import Movie, Track, box, even_chunks, full, write

PICTURE = "-f lavfi -i testsrc2=s=176x144:r=25:d=0.48"
SOUND = "-f lavfi -i sine=d=0.6:r={rate},aformat=channel_layouts={layout}"

# How ffmpeg writes it: its arguments, and the file's kind.
PICTURES = {
    "h264": ("-c:v libx264 -preset ultrafast -pix_fmt yuv420p", "mp4"),
    "hevc": ("-c:v libx265 -preset ultrafast -x265-params log-level=none", "mp4"),
    "vvc": ("-c:v libvvenc -preset faster -pix_fmt yuv420p10", "mp4"),
    "vp9": ("-c:v libvpx-vp9 -deadline realtime", "mp4"),
    "av1": ("-c:v libsvtav1 -preset 12", "mp4"),
    "mpeg4": ("-c:v mpeg4", "mp4"),
    "mpeg2video": ("-c:v mpeg2video", "mp4"),
    "mpeg1video": ("-c:v mpeg1video", "mp4"),
    "mjpeg": ("-c:v mjpeg", "mov"),
    "prores": ("-c:v prores_ks", "mov"),
    "dnxhd": ("-c:v dnxhd -profile:v dnxhr_hqx -pix_fmt yuv422p10 -s 256x128", "mov"),
    "cfhd": ("-c:v cfhd", "mov"),
    "hap": ("-c:v hap", "mov"),
    "dvvideo": ("-c:v dvvideo -s 720x576 -pix_fmt yuv420p", "mov"),
    "h263": ("-c:v h263", "mov"),
    "png": ("-c:v png", "mov"),
    "rawvideo": ("-c:v rawvideo -pix_fmt uyvy422", "mov"),
    "v210": ("-c:v v210", "mov"),
    "r210": ("-c:v r210", "mov"),
    "r10k": ("-c:v r10k", "mov"),
    "jpeg2000": ("-c:v jpeg2000", "mov"),
    "ffv1": ("-c:v ffv1", "mov"),
    "huffyuv": ("-c:v huffyuv", "mov"),
    "utvideo": ("-c:v utvideo", "mov"),
    "magicyuv": ("-c:v magicyuv", "mov"),
    "dxv": ("-c:v dxv -s 256x128", "mov"),
    "apv": ("-c:v liboapv -pix_fmt yuv422p10 -s 640x352", "mp4"),
    "speedhq": ("-c:v speedhq", "mov"),
    "svq1": ("-c:v svq1", "mov"),
    "cinepak": ("-c:v cinepak", "mov"),
    "qtrle": ("-c:v qtrle", "mov"),
    "rpza": ("-c:v rpza", "mov"),
    "smc": ("-c:v smc", "mov"),
    "msmpeg4v2": ("-c:v msmpeg4v2", "mov"),
    "msmpeg4v3": ("-c:v msmpeg4", "mov"),
    "flv1": ("-c:v flv", "mov"),
    "msvideo1": ("-c:v msvideo1", "mov"),
    "gif": ("-c:v gif", "mov"),
    "tiff": ("-c:v tiff", "mov"),
    "targa": ("-c:v targa", "mov"),
    "h261": ("-c:v h261", "mov"),
    "theora": ("-c:v libtheora", "mov"),
}
SOUNDS = {
    "aac": ("-c:a aac", 48000, "5.1", "mp4"),
    "mp3": ("-c:a libmp3lame", 48000, "stereo", "mp4"),
    "mp2": ("-c:a mp2", 48000, "stereo", "mp4"),
    "ac3": ("-c:a ac3", 48000, "5.1", "mp4"),
    "eac3": ("-c:a eac3", 48000, "5.1", "mp4"),
    "opus": ("-c:a libopus", 48000, "stereo", "mp4"),
    "vorbis": ("-c:a libvorbis", 48000, "stereo", "mp4"),
    "flac": ("-c:a flac", 96000, "stereo", "mp4"),
    "alac": ("-c:a alac", 48000, "stereo", "mov"),
    "dts": ("-c:a dca", 48000, "5.1", "mp4"),
    "truehd": ("-c:a truehd", 48000, "stereo", "mp4"),
    "amr_nb": ("-c:a libopencore_amrnb", 8000, "mono", "mov"),
    "adpcm_ima_qt": ("-c:a adpcm_ima_qt", 44100, "stereo", "mov"),
    "adpcm_ms": ("-c:a adpcm_ms", 44100, "stereo", "mov"),
    "adpcm_ima_wav": ("-c:a adpcm_ima_wav", 44100, "stereo", "mov"),
    "nellymoser": ("-c:a nellymoser", 44100, "mono", "mov"),
    "pcm_s16le": ("-c:a pcm_s16le", 48000, "stereo", "mov"),
    "pcm_s24be": ("-c:a pcm_s24be", 48000, "5.1", "mov"),
    "pcm_f32be": ("-c:a pcm_f32be", 48000, "stereo", "mov"),
    "pcm_mulaw": ("-c:a pcm_mulaw", 8000, "mono", "mov"),
    "pcm_u8": ("-c:a pcm_u8", 22050, "mono", "mov"),
}

# What names each codec in MP4 or QuickTime: of those too that nothing at hand encodes.
ENTRIES = {
    "h264": b"avc1", "hevc": b"hvc1", "vvc": b"vvc1", "vp8": b"vp08", "vp9": b"vp09", "av1": b"av01", "mpeg4": b"mp4v",
    "mpeg2video": b"m2v1", "mpeg1video": b"m1v ", "mjpeg": b"jpeg", "mjpegb": b"mjpb", "prores": b"apcn",
    "dnxhd": b"AVdn", "cfhd": b"CFHD", "hap": b"Hap1", "dvvideo": b"dvcp", "vc1": b"vc-1", "wmv3": b"WMV3",
    "h263": b"h263", "h261": b"H261", "png": b"png ", "rawvideo": b"2vuy", "v210": b"v210", "v410": b"v410",
    "r210": b"r210", "r10k": b"R10k", "jpeg2000": b"mjp2", "ffv1": b"FFV1", "huffyuv": b"HFYU", "utvideo": b"ULY0",
    "magicyuv": b"M8Y0", "dxv": b"DXD3", "aic": b"icod", "apv": b"apv1", "speedhq": b"SHQ0", "theora": b"theo",
    "vp6": b"VP62", "vp6f": b"VP6F", "flv1": b"FLV1", "svq1": b"SVQ1", "svq3": b"SVQ3", "cinepak": b"cvid",
    "qtrle": b"rle ", "rpza": b"rpza", "smc": b"smc ", "8bps": b"8BPS", "msmpeg4v1": b"MPG4", "msmpeg4v2": b"MP42",
    "msmpeg4v3": b"3IVD", "msvideo1": b"MSVC", "pixlet": b"pxlt", "tiff": b"tiff", "gif": b"gif ", "msrle": b"WRLE",
    "targa": b"tga ",
    "aac": b"mp4a", "mp3": b".mp3", "mp2": b".mp2", "mp1": b".mp1", "ac3": b"ac-3", "eac3": b"ec-3", "opus": b"Opus",
    "flac": b"fLaC", "alac": b"alac", "dts": b"dtsc", "truehd": b"mlpa", "amr_nb": b"samr", "amr_wb": b"sawb",
    "qcelp": b"Qclp", "evrc": b"sevc", "speex": b"spex", "nellymoser": b"nmos", "ilbc": b"ilbc", "gsm": b"agsm",
    "gsm_ms": b"ms\0\x31", "wmav1": b"ms\x01\x60", "wmav2": b"ms\x01\x61", "wmapro": b"ms\x01\x62", "qdm2": b"QDM2",
    "qdmc": b"QDMC", "mace3": b"MAC3", "mace6": b"MAC6", "adpcm_ima_qt": b"ima4", "adpcm_ms": b"ms\0\x02",
    "adpcm_ima_wav": b"ms\0\x11", "dvaudio": b"dvca",
}  # fmt: skip
NAMED_BY_RECORD = {"vorbis", "mp4als", "mlp", "tta"}  # by a number in `esds`, or in no way that libavformat writes
WITH_RECORD = {"h264", "hevc", "vvc", "mpeg4"}  # without theirs, nothing reads them; clips are tried


@cache
def clip(arguments: str, source: str, kind: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"clip.{kind}"
        ffmpeg(*source.split(), *arguments.split(), "-strict", "-2", str(path))
        return path.read_bytes()


def encoded(data: bytes) -> dict[str, int]:
    """Frames of pictures and samples of sound that come out of what is encoded, by the kind of stream."""
    media = opened(data)
    read_index(media, recipe := recipe_of(Profile.H264))
    plan = make_plan(media, source_of(data), recipe, video="film", revision="0" * 12, stored=False)
    found = {"video": 0, "audio": 0}
    for chunk in plan.chunks() if plan.encodes else ():
        for _, made in ChunkEncoder(media, plan).segments(chunk):
            for segment in made.values():
                with av.open(io.BytesIO(bytes(segment))) as container:
                    for frame in container.decode():
                        found["video" if isinstance(frame, av.VideoFrame) else "audio"] += (
                            1 if isinstance(frame, av.VideoFrame) else frame.samples
                        )
    return found


@pytest.mark.parametrize("codec", sorted(PICTURES))
def test_pictures_of_a_codec_come_through_the_pipe(codec: str) -> None:
    arguments, kind = PICTURES[codec]
    data = clip(arguments, PICTURE, kind)
    assert opened(data).tracks[0].codec == codec
    assert encoded(data)["video"] == 12


@pytest.mark.parametrize("codec", sorted(set(SOUNDS) - {"aac"}))
def test_sound_of_a_codec_comes_through_the_pipe(codec: str) -> None:
    arguments, rate, layout, kind = SOUNDS[codec]
    data = clip(arguments, SOUND.format(rate=rate, layout=layout), kind)
    media = opened(data)
    media.samples(0)
    media.name_mpeg_audio()
    assert media.tracks[0].codec == codec
    assert encoded(data)["audio"] >= 0.55 * 44100


def described(codec: str) -> MediaSource:
    """A file whose track is described as being in a codec; it holds nothing that could be decoded."""
    is_picture = codec in decoders.PICTURES
    picture = struct.pack(">6xH16xHHIIIH32xHh", 1, 64, 48, 72 << 16, 72 << 16, 0, 1, 24, -1)
    sound = struct.pack(">6xH8xHHIHH", 1, 2, 16, 0, 44100, 0)
    extra = full(b"dvc1", bytes(7)) if codec == "vc1" else b""
    entry = box(ENTRIES[codec], (picture if is_picture else sound) + extra)
    track = Track(kind="vide" if is_picture else "soun", entry="free", timescale=1000, sizes=(64,) * 3,
                  durations=(40,) * 3, chunks=even_chunks(3, 3))  # fmt: skip
    whole = write(Movie((track,), moov_first=False))
    old = box(b"free", struct.pack(">6xH", 1) + bytes(8))
    grown = len(entry) - len(old)
    moov = whole.moov.replace(old, entry)
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"):
        at = moov.index(kind) - 4
        moov = moov[:at] + struct.pack(">I", struct.unpack_from(">I", moov, at)[0] + grown) + moov[at + 4 :]
    return opened(whole.data.replace(whole.moov, moov))


@pytest.mark.parametrize("codec", sorted((decoders.PICTURES | decoders.SOUNDS) - NAMED_BY_RECORD - WITH_RECORD))
def test_a_codec_leaves_the_pipe_as_what_it_went_in(codec: str) -> None:
    """So the only decoder that ffmpeg may open is the one that it needs."""
    (track,) = described(codec).tracks
    assert track.codec == codec
    form = ffmpeg_io.container([track])
    file = io.BytesIO()
    packet = av.Packet(bytes(64))
    packet.time_base, packet.pts, packet.dts, packet.is_keyframe = Fraction(1, 1000), 0, 0, True
    ffmpeg_io.write(file, {0: track}, {0: 1000}, [(0, packet)])
    with av.open(io.BytesIO(file.getvalue()), format=form) as read:
        context = read.streams[0].codec_context
        assert context is not None
        assert context.codec.canonical_name == codec


def test_every_decoder_on_the_list_is_one_of_the_ffmpeg_at_hand() -> None:
    listed = {line.split()[1] for line in ffmpeg("-decoders").splitlines() if len(line.split()) > 1}
    for codec in decoders.PICTURES | decoders.SOUNDS:
        assert set(decoders.names(codec)) & listed, codec


@pytest.mark.parametrize("codec", ["h264", "aac", "pcm_s16le"])
def test_what_nut_names_goes_in_nut(codec: str) -> None:
    arguments, kind = PICTURES[codec] if codec in PICTURES else (SOUNDS[codec][0], SOUNDS[codec][3])
    source = PICTURE if codec in PICTURES else SOUND.format(rate=48000, layout="stereo")
    assert ffmpeg_io.container(opened(clip(arguments, source, kind)).tracks) == ffmpeg_io.NUT
