"""The codecs that are decoded here, with ffmpeg's decoders: no others may be opened (docs/streams.md)."""

from __future__ import annotations

PICTURES = frozenset((
    # codecs of cameras, phones, editors and the web
    "h264", "hevc", "vvc", "vp8", "vp9", "av1", "mpeg4", "mpeg2video", "mpeg1video", "mjpeg", "prores", "dnxhd", "cfhd",
    "hap", "dvvideo", "vc1", "wmv3", "h263", "png", "rawvideo", "v210", "r210", "r10k", "jpeg2000", "ffv1",
    "huffyuv", "utvideo", "magicyuv", "dxv", "aic", "apv", "speedhq", "theora", "vp6", "vp6f", "flv1",
    # older codecs of QuickTime
    "svq1", "svq3", "cinepak", "qtrle", "rpza", "smc", "8bps", "mjpegb", "msmpeg4v1", "msmpeg4v2", "msmpeg4v3", "h261",
    "msvideo1", "pixlet", "msrle", "tiff", "gif", "targa",
))  # fmt: skip
SOUNDS = frozenset((
    "aac", "mp3", "mp2", "mp1", "ac3", "eac3", "opus", "vorbis", "flac", "alac", "dts", "truehd", "mlp", "mp4als",
    "amr_nb", "amr_wb", "qcelp", "evrc", "speex", "nellymoser", "ilbc", "gsm", "gsm_ms", "wmav1", "wmav2", "wmapro",
    "tta", "qdm2", "qdmc", "mace3", "mace6", "adpcm_ima_qt", "adpcm_ms", "adpcm_ima_wav",
))  # fmt: skip
# NUT preserves these codecs. Decoders of others need four-character codes or block sizes, which NUT lacks.
NUT = frozenset((
    "h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mpeg2video", "mpeg1video", "mjpeg", "dnxhd", "h263", "png", "qtrle",
    "svq3", "cinepak", "rawvideo", "dvvideo", "msmpeg4v2", "msmpeg4v3", "flv1", "vc1", "cfhd", "hap",
    "aac", "mp3", "mp2", "mp1", "ac3", "opus", "vorbis", "flac", "dts", "amr_nb", "amr_wb",
))  # fmt: skip
STILLS = frozenset(("mjpeg", "png", "gif", "tiff", "targa", "jpeg2000"))  # Covers are in these codecs.

_MPEG_AUDIO = ("mp3float", "mp3", "mp2float", "mp2", "mp1float", "mp1")  # Headers do not distinguish these.
_NAMES = {  # decoders whose names differ from the codec's
    "av1": ("libdav1d", "av1"), "mp3": _MPEG_AUDIO, "mp2": _MPEG_AUDIO, "mp1": _MPEG_AUDIO,
    "opus": ("opus", "libopus"), "vp9": ("vp9", "libvpx-vp9"), "vp8": ("vp8", "libvpx"), "dts": ("dca",),
    "vorbis": ("vorbis", "libvorbis"), "flv1": ("flv",), "mp4als": ("als",), "msmpeg4v3": ("msmpeg4",),
    "amr_nb": ("amrnb", "libopencore_amrnb"), "amr_wb": ("amrwb", "libopencore_amrwb"),
}  # fmt: skip


def is_decoded(codec: str) -> bool:
    """Whether a codec, by libavcodec's name, is decoded here."""
    return codec in PICTURES or codec in SOUNDS or codec.startswith("pcm_")


def names(codec: str) -> tuple[str, ...]:
    """The names of ffmpeg's decoders of a codec."""
    return _NAMES.get(codec, (codec,))
