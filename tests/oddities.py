"""Files as people have them, each with what should come of it and how that should look and sound."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.media import MediaFolder, Recipe
from tests.mutants.tree import Node, join, parse
from tests.painted import BEEP, beeping, painted

PLAYS = "plays"
NOT_COPIED = "not_remuxable"
AS_IS = (0.7 * BEEP, 1.3 * BEEP)  # peaks of beeps that nothing was mixed into
SECONDS = 4

Patch = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Oddity:
    """A file, and what should come of it: PLAYS or an error's code; several of them, with a bar between, are all fine.

    What is expected of the stream, of both kinds unless it says otherwise: `size` of the picture as it is shown, None
    for a stream without one; `rate` of an encoded picture, None where it is only to be even (one step between all
    frames); `lag`: seconds by which beeps come after flashes, None for no sound or no beep; `peak`: of the beeps,
    encoded; `sound`: whether there is any.
    """

    recipe: Recipe
    what: str
    copied: str = PLAYS
    encoded: str = PLAYS
    patch: Patch | None = None
    size: tuple[int, int] | None = (320, 180)
    seconds: float = SECONDS
    rate: tuple[float, ...] | None = (25,)
    lag: float | None = 0
    sound: bool = True
    peak: tuple[float, float] = AS_IS
    languages: tuple[str, ...] = ()  # of the audio renditions, where there are several
    subtitles: tuple[str, ...] = ()  # languages
    interlaced: bool = False
    breaks: tuple[str, ...] = ()  # rules of HLS that whatever is copied of it breaks, because the file is so
    beeps_until: float | None = None  # seconds at which its sound ends; None: with the picture
    preroll: float = 0  # seconds that a copy may last longer: frames that nobody is to see or hear are part of it

    @property
    def name(self) -> str:
        return self.recipe.name

    def outcomes(self, *, encoded: bool) -> set[str]:
        return set((self.encoded if encoded else self.copied).split("|"))

    def bytes(self, media: MediaFolder) -> bytes:
        data = media.bytes(self.recipe)
        return self.patch(data) if self.patch else data


def write_all(folder: Path, media: MediaFolder) -> None:
    """All of them as files, and a list of what they are."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["file\twhat\twhat it should do"]
    for odd in ODDITIES:
        (folder / odd.name).write_bytes(odd.bytes(media))
        lines.append(f"{odd.name}\t{odd.what}\tcopied: {odd.copied}, encoded: {odd.encoded}")
    (folder / "media.tsv").write_text("\n".join(lines) + "\n")


# ffmpeg's arguments


def _lavfi(source: str) -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", source)


def _x264(gop: int = 50, pixels: str = "yuv420p", more: str = "open-gop=0") -> tuple[str, ...]:
    options = f"-c:v libx264 -preset veryfast -crf 26 -pix_fmt {pixels} -bf 2 -g {gop} -keyint_min {gop}"
    return (*options.split(), "-sc_threshold", "0", "-x264-params", more)


AAC = ("-c:a", "aac", "-b:a", "128k")
BOTH = ("-map", "0:v", "-map", "1:a")
COPY = ("-map", "0", "-c", "copy")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _film(
    name: str,
    *more: str,
    picture: str = painted(SECONDS),
    sound: str | None = beeping(SECONDS),
    video: tuple[str, ...] = _x264(),
    audio: tuple[str, ...] = AAC,
    of_picture: tuple[str, ...] = (),
    of_sound: tuple[str, ...] = (),
) -> Recipe:
    """`of_picture`, `of_sound`: options of the inputs; `more`: of the output."""
    inputs = (*of_picture, *_lavfi(picture), *(of_sound + _lavfi(sound) if sound else ()))
    maps = BOTH if sound else _words("-map 0:v")
    return Recipe(name, (*inputs, *maps, *video, *(audio if sound else ()), *more))


def _copy(name: str, *more: str, of: Recipe) -> Recipe:
    return Recipe(name, (*COPY, *more), of=of)


# surgery on the boxes; the index stands behind the media in these files, so that nothing else moves


def _patched(change: Callable[[Node], None]) -> Patch:
    """`change` works on the `moov` box."""

    def patch(data: bytes) -> bytes:
        nodes = parse(data)
        change(next(node for node in nodes if node.kind == b"moov"))
        return join(nodes)

    return patch


def _edits(number: int, *edits: tuple[float | None, float]) -> Patch:
    """Gives track `number` an edit list. An edit: where it begins in the media, in seconds (None: nothing is shown),
    and how many seconds it lasts."""

    def change(moov: Node) -> None:
        track = moov.tracks()[number]
        (movie_scale,) = struct.unpack_from(">I", moov.find(b"mvhd").content, 12)
        (scale,) = struct.unpack_from(">I", track.find(b"mdhd").content, 12)
        elst = track.find(b"elst")
        (first,) = struct.unpack_from(">i", elst.content, 12)  # what ffmpeg wrote: B-frames' delay, or AAC's priming
        rows = [
            (round(seconds * movie_scale), -1 if begin is None else first + round(begin * scale), 1, 0)
            for begin, seconds in edits
        ]
        elst.content = struct.pack(">II", 0, len(rows)) + b"".join(struct.pack(">IiHH", *row) for row in rows)

    return _patched(change)


def _matrix(a: int, b: int, c: int, d: int) -> Patch:
    """The picture's display matrix, with the shift that brings it back to where it is seen."""

    def change(moov: Node) -> None:
        tkhd = moov.tracks()[0].find(b"tkhd")
        width, height = (size >> 16 for size in struct.unpack(">II", tkhd.content[-8:]))
        x, y = -min(0, a * width + c * height), -min(0, b * width + d * height)
        unit = 1 << 16
        rows = (a * unit, b * unit, 0, c * unit, d * unit, 0, x * unit, y * unit, 1 << 30)
        tkhd.content = tkhd.content[:-44] + struct.pack(">9i", *rows) + tkhd.content[-8:]

    return _patched(change)


def _claims(width: int, height: int) -> Patch:
    """The picture's size in `tkhd`, `stsd` and, for JPEG, in the media."""

    def change(moov: Node) -> None:
        track = moov.tracks()[0]
        tkhd, stsd = track.find(b"tkhd"), track.find(b"stsd")
        tkhd.content = tkhd.content[:-8] + struct.pack(">II", width << 16 & 0xFFFFFFFF, height << 16 & 0xFFFFFFFF)
        stsd.content = stsd.content[:40] + struct.pack(">HH", width, height) + stsd.content[44:]

    jpeg = b"\xff\xc0\x00\x11\x08"  # SOF0, 8 bits; height and width follow
    size = struct.pack(">HH", height, width)

    def patch(data: bytes) -> bytes:
        return _patched(change)(data).replace(jpeg + struct.pack(">HH", 180, 320), jpeg + size)

    return patch


def _cut(percent: int) -> Patch:
    return lambda data: data[: len(data) * percent // 100]


# the files

BASE = _film("ordinary.mp4")
FAST = _words("-movflags +faststart")
TO_PQ, TO_HLG = (  # white is 203 cd/m2 in the one and 75 % in the other, as ITU-R BT.2408 has it
    "setparams=colorspace=bt470bg:color_primaries=bt709:color_trc=bt709:range=tv,zscale=primaries=bt2020"
    f":transfer={name}:matrix=bt2020nc:range=limited:npl=203,format=yuv420p10le"
    for name in ("smpte2084", "arib-std-b67")
)
SUBTITLES = base64.b64encode(
    b"1\n00:00:00,500 --> 00:00:01,500\nThe first.\n\n2\n00:00:02,000 --> 00:00:03,500\nThe <i>second</i>.\n"
).decode()
TWO_SOUNDS = (
    *_lavfi(painted(SECONDS)), *_lavfi(beeping(SECONDS)), *_lavfi(beeping(SECONDS)),
    *_words("-map 0:v -map 1:a -map 2:a"), *_x264(),
)  # fmt: skip
VP9 = _words("-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 400k -g 50")
QUICK_HEVC = _words("-c:v libx265 -preset ultrafast -tag:v hvc1 -g 50")
INTERLACED = _words("-flags +ilme+ildct")
MOVING = "scroll=h=0.02"  # more than a pixel from field to field


def _hdr(name: str, filters: str, transfer: str) -> Recipe:
    tags = f"log-level=error:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc:range=limited:repeat-headers=0"
    if transfer == "smpte2084":
        tags += ":hdr10=1:max-cll=1000,400:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)"
        tags += "L(10000000,50)"
    colours = f"-color_primaries bt2020 -color_trc {transfer} -colorspace bt2020nc"
    return _film(
        name, *_words(colours), picture=f"{painted(SECONDS)},{filters}",
        video=(*QUICK_HEVC, "-x265-params", tags),
    )  # fmt: skip


def _interlaced(name: str, mode: str, params: str) -> Recipe:
    return _film(
        name, *INTERLACED, picture=f"{painted(SECONDS, '50', before=MOVING)},format=yuv420p,tinterlace={mode}",
        video=_x264(more=f"{params}:open-gop=0"),
    )  # fmt: skip


def _at(name: str, rate: str) -> Recipe:
    return _film(name, picture=painted(SECONDS, rate), video=_x264(gop=60))


RATES = (
    Oddity(_at("23.976-fps.mp4", "24000/1001"), "24000/1001 frames a second", rate=(24000 / 1001,)),
    Oddity(_at("29.97-fps.mp4", "30000/1001"), "30000/1001 frames a second", rate=(30000 / 1001,)),
    Oddity(_at("50-fps.mp4", "50"), "50 frames a second", rate=(50,)),
    Oddity(_at("59.94-fps.mp4", "60000/1001"), "60000/1001 frames a second", rate=(60000 / 1001,)),
    Oddity(_at("120-fps.mp4", "120"), "120 frames a second: halved", rate=(60,)),
    Oddity(
        _film("milliseconds.mp4", *_words("-enc_time_base 1:1000 -video_track_timescale 1000 -fps_mode passthrough"),
              picture=f"{painted(SECONDS, '30000/1001')},settb=1/1000"),
        "29.97 frames a second told in milliseconds", rate=(30000 / 1001, 30),
    ),
    Oddity(
        _film("10-and-30-fps.mp4", *_words("-fps_mode passthrough"),
              picture=f"{painted(6, '30')},select='lt(mod(t,2),1)+not(mod(n,3))'", sound=beeping(6)),
        "a second of 30, a second of 10 frames, and so on", seconds=6, rate=None,
    ),
    Oddity(
        _film("jitter.mp4", *_words("-enc_time_base 1:1000 -video_track_timescale 1000 -fps_mode passthrough"),
              picture=f"{painted(6)},settb=1/1000,setpts='N*40+floor(random(0)*20)'", sound=beeping(6)),
        "25 frames a second that come up to half a frame late", seconds=6, rate=None,
    ),
)  # fmt: skip

# What the container says to do with the stored picture: a, b, c, d of the matrix; and the opposite of that.
TURNS = {
    "turned-90.mp4": ("clockwise by a quarter", (0, 1, -1, 0), "transpose=cclock"),
    "turned-180.mp4": ("upside down", (-1, 0, 0, -1), "hflip,vflip"),
    "turned-270.mp4": ("counter-clockwise by a quarter", (0, -1, 1, 0), "transpose=clock"),
    "mirrored.mp4": ("mirrored", (-1, 0, 0, 1), "hflip"),
    "flipped.mp4": ("mirrored top to bottom", (1, 0, 0, -1), "vflip"),
    "mirrored-90.mp4": ("mirrored and turned by a quarter", (0, 1, 1, 0), "transpose=cclock_flip"),
    "mirrored-270.mp4": ("mirrored and turned by three", (0, -1, -1, 0), "transpose=clock_flip"),
}
ORIENTED = tuple(
    Oddity(
        _film(name, picture=f"{painted(SECONDS, size=(180, 320) if 'transpose' in undone else (320, 180))},{undone}"),
        f"to be shown {how}", NOT_COPIED, patch=_matrix(*matrix),
        size=(180, 320) if "transpose" in undone else (320, 180),
    )
    for name, (how, matrix, undone) in TURNS.items()
)  # fmt: skip

EDITED = (
    Oddity(_film("video-later.mp4", of_picture=_words("-itsoffset 1.5")), "an empty edit of 1.5 s before the picture",
           seconds=5.5, lag=-1.5),
    Oddity(_film("audio-later.mp4", of_sound=_words("-itsoffset 1.5")), "an empty edit of 1.5 s before the sound",
           seconds=5.5, lag=1.5),
    Oddity(_copy("video-trimmed.mp4", of=BASE), "an edit that begins 1 s into the picture, between key frames",
           copied="not_remuxable", patch=_edits(0, (1, 3)), lag=1),
    Oddity(_copy("audio-trimmed.mp4", of=BASE), "an edit that begins 1 s into the sound",
           patch=_edits(1, (1, 3)), lag=-1),
    Oddity(_copy("both-trimmed.mp4", of=BASE), "edits that begin 2 s in, at a key frame",
           patch=lambda data: _edits(1, (2, 2))(_edits(0, (2, 2))(data)), seconds=2),
    Oddity(_copy("cut-at-end.mp4", of=BASE), "edits that end after 2.5 s",
           patch=lambda data: _edits(1, (0, 2.5))(_edits(0, (0, 2.5))(data)), seconds=2.5),
    Oddity(_copy("spliced.mp4", of=BASE), "an edit list that leaves out the second second",
           "unsupported_edit_list",
           patch=lambda data: _edits(1, (0, 1), (2, 2))(_edits(0, (0, 1), (2, 2))(data)), seconds=3, lag=0),
    Oddity(_copy("shown-twice.mp4", of=BASE), "an edit list that shows the first second twice",
           "unsupported_edit_list",
           patch=lambda data: _edits(1, (0, 1), (0, 4))(_edits(0, (0, 1), (0, 4))(data)), seconds=5, lag=0),
    Oddity(_copy("parted.mp4", of=BASE), "an edit list that shows nothing for a second in the middle",
           "unsupported_edit_list",
           patch=lambda data: _edits(1, (0, 1), (None, 1), (1, 3))(_edits(0, (0, 1), (None, 1), (1, 3))(data)),
           seconds=5, lag=0),
    Oddity(_copy("other-way-round.mp4", of=BASE), "an edit list that shows the second half first",
           "unsupported_edit_list",
           patch=lambda data: _edits(1, (2, 2), (0, 2))(_edits(0, (2, 2), (0, 2))(data)), lag=0),
)  # fmt: skip

PICTURES = (
    Oddity(_interlaced("interlaced-tff.mp4", "interleave_top", "tff=1"), "interlaced, the upper field first",
           rate=(25, 50), interlaced=True),
    Oddity(_interlaced("interlaced-bff.mp4", "interleave_bottom", "bff=1"), "interlaced, the lower field first",
           rate=(25, 50), interlaced=True),
    Oddity(_film("4-4-4.mp4", video=_x264(pixels="yuv444p")), "H.264 4:4:4", NOT_COPIED),
    Oddity(_film("4-2-2.mp4", video=_x264(pixels="yuv422p")), "H.264 4:2:2", NOT_COPIED),
    Oddity(_film("10-bit.mp4", video=_x264(pixels="yuv420p10le")), "H.264 with ten bits", NOT_COPIED),
    Oddity(_hdr("hdr10.mp4", TO_PQ, "smpte2084"), "HEVC, HDR10 (PQ)", NOT_COPIED),
    Oddity(_hdr("hlg.mp4", TO_HLG, "arib-std-b67"), "HEVC, HLG", NOT_COPIED),
    Oddity(_film("full-range.mp4", *_words("-color_range pc"), picture=f"{painted(SECONDS)},scale=out_range=full",
                 video=_x264(pixels="yuvj420p")), "full range"),
    Oddity(_film("anamorphic.mp4", picture=f"{painted(SECONDS)},scale=240:180,setsar=4/3"), "pixels of 4:3"),
    Oddity(_film("odd-size.mp4", picture=painted(SECONDS, size=(321, 181)), video=_x264(pixels="yuv444p")),
           "321x181 pixels", NOT_COPIED, size=(320, 180)),
    Oddity(_film("odd-size-vp9.mp4", picture=painted(SECONDS, size=(321, 181)), video=VP9), "321x181 pixels of VP9",
           NOT_COPIED, size=(320, 180)),
    Oddity(_film("1x1.mp4", picture="color=red:s=1x1:r=25:d=4", video=_x264(pixels="yuv444p")), "one pixel",
           NOT_COPIED, size=(2, 2), lag=None),
    Oddity(_film("16k.mov", picture=painted(1), sound=None, video=_words("-c:v mjpeg -q:v 9")),
           "claims 16384x16384 pixels", "too_large|not_remuxable", "too_large", patch=_claims(16384, 16384)),
    Oddity(_film("16k-index.mp4"), "an index that claims 16384x16384 pixels over H.264 of 320x180",
           "plays|too_large", "plays|too_large", patch=_claims(16384, 16384)),
    Oddity(_film("gap.mp4", *_words("-fps_mode passthrough"), sound=None,
                 picture="color=red:s=160x90:r=1:d=2,settb=1,setpts=N*79200"), "two frames 22 hours apart",
           "too_large", "too_large"),
    Oddity(_film("sparse.mp4", picture=painted(25), sound=beeping(25), video=_x264(gop=9999)),
           "one key frame in 25 s", "plays|not_remuxable", seconds=25),
    Oddity(_film("open-gop.mp4", picture=painted(8, before=MOVING), sound=beeping(8),
                 video=_x264(gop=25, more="open-gop=1:bframes=3:b-pyramid=normal:scenecut=0")),
           "open groups of pictures", seconds=8),
    Oddity(_film("hevc.mp4", video=(*QUICK_HEVC, "-pix_fmt", "yuv420p", "-x265-params", "log-level=error")), "HEVC",
           NOT_COPIED),
    Oddity(_film("vp9.mp4", video=(*VP9, "-pix_fmt", "yuv420p")), "VP9", NOT_COPIED),
    Oddity(_film("av1.mp4", *_words("-svtav1-params lp=2"), video=_words("-c:v libsvtav1 -preset 12 -crf 40 -g 50"
                                                                         " -pix_fmt yuv420p")), "AV1", NOT_COPIED),
    Oddity(_film("prores.mov", video=_words("-c:v prores_ks -profile:v 0 -pix_fmt yuv422p10le")), "ProRes", NOT_COPIED),
    Oddity(_film("mpeg4.mov", video=_words("-c:v mpeg4 -q:v 4 -pix_fmt yuv420p")), "MPEG-4 part 2", NOT_COPIED),
    Oddity(_film("mjpeg.mov", video=_words("-c:v mjpeg -q:v 4 -pix_fmt yuvj420p -color_range pc")), "Motion JPEG",
           NOT_COPIED),
)  # fmt: skip

SOUNDS = (
    Oddity(_film("mono.mp4", sound=beeping(SECONDS, layout="mono", beeps=(True,))), "mono"),
    Oddity(_film("5.1.mp4", sound=beeping(SECONDS, layout="5.1", beeps=(False, False, True, False, False, False))),
           "5.1; the beeps are in the centre", peak=(0.3 * BEEP, 1.05 * BEEP)),
    Oddity(_film("7.1.mp4", sound=beeping(SECONDS, layout="7.1",
                                          beeps=(False, False, True, False, False, False, False, False))),
           "7.1; the beeps are in the centre", "plays|not_remuxable", peak=(0.3 * BEEP, 1.05 * BEEP)),
    Oddity(_film("longer-audio.mp4", sound=beeping(7)), "3 s of sound after the picture", seconds=7),
    Oddity(_film("shorter-audio.mp4", sound=beeping(2)), "no sound in the second half", beeps_until=2),
    Oddity(_film("silent.mp4", sound=None), "no sound", lag=None, sound=False),
    Oddity(_film("opus.mp4", audio=_words("-c:a libopus -b:a 96k")), "Opus", NOT_COPIED),
    Oddity(_film("mp3.mp4", audio=_words("-c:a libmp3lame -b:a 128k")), "MP3"),
    Oddity(_film("alac.mp4", audio=_words("-c:a alac")), "Apple Lossless", NOT_COPIED),
    Oddity(_film("flac.mp4", audio=_words("-c:a flac -strict -2")), "FLAC", NOT_COPIED),
    Oddity(_film("pcm.mov", audio=_words("-c:a pcm_s16le")), "PCM", NOT_COPIED),
    Oddity(_film("pcm-24.mov", audio=_words("-c:a pcm_s24be")), "PCM with 24 bits", NOT_COPIED),
    Oddity(_film("96-khz.mov", sound=beeping(SECONDS, 96000), audio=_words("-c:a pcm_s16le")), "PCM at 96 kHz",
           NOT_COPIED),
    Oddity(_film("8-khz.mp4", sound=beeping(SECONDS, 8000, "mono", beeps=(True,)), audio=_words("-c:a aac -b:a 24k")),
           "AAC at 8 kHz", preroll=0.128),
    Oddity(Recipe("ac3-and-aac.mp4", (*TWO_SOUNDS, *_words("-c:a:0 ac3 -c:a:1 aac -disposition:a:0 default"))),
           "AC-3, and the same in AAC"),
    Oddity(
        Recipe("two-languages.mp4", (*TWO_SOUNDS, *AAC, *_words(
            "-metadata:s:a:0 language=eng -metadata:s:a:0 title=English -metadata:s:a:1 language=deu"
            " -metadata:s:a:1 title=Deutsch -disposition:a:0 0 -disposition:a:1 default"))),
        "English and German; German is the default", languages=("de", "en"),
    ),
    Oddity(
        Recipe("subtitles.mp4", (
            *_lavfi(painted(SECONDS)), *_lavfi(beeping(SECONDS)),
            *("-f", "srt", "-i", f"data:text/plain;base64,{SUBTITLES}"),
            *_words("-map 0:v -map 1:a -map 2:s"), *_x264(), *AAC,
            *_words("-c:s mov_text -metadata:s:s:0 language=eng"))),
        "tx3g subtitles", subtitles=("en",),
    ),
    Oddity(Recipe("audio-only.m4a", (*_lavfi(beeping(SECONDS)), *AAC)), "sound alone", size=None, rate=None, lag=None),
    Oddity(
        Recipe("cover.m4a", (
            *_lavfi(beeping(SECONDS)), *_lavfi("color=red:s=300x300:d=1:r=1"),
            *_words("-map 0:a -map 1:v -c:v mjpeg -disposition:v:0 attached_pic"), *AAC)),
        "sound with cover art", size=None, rate=None, lag=None,
    ),
    Oddity(
        Recipe("two-tracks.m4a", (
            *_lavfi(beeping(SECONDS)), *_lavfi(beeping(SECONDS)), *_words("-map 0:a -map 1:a"), *AAC,
            *_words("-metadata:s:a:0 language=eng -metadata:s:a:1 language=fra -disposition:a:0 default"))),
        "two languages and no picture", size=None, rate=None, lag=None, languages=("en", "fr"),
    ),
)  # fmt: skip

LONGER = _film("longer.mp4", picture=painted(8), sound=beeping(8))
CONTAINERS = (
    Oddity(BASE, "the index at the end"),
    Oddity(_copy("index-first.mp4", *FAST, of=BASE), "the index at the beginning"),
    Oddity(_copy("quicktime.mov", of=BASE), "QuickTime"),
    *(
        Oddity(
            _copy(f"fragmented-{name}.mp4", "-movflags", flags, *more, of=LONGER),
            f"fragmented: {flags}",
            seconds=8,
            breaks=("audio-gap",),
        )  # ffmpeg lets the sound wait for the reordered picture, where no edit list can
        for name, flags, more in (
            ("plain", "frag_keyframe+empty_moov+default_base_moof", ()),
            ("first-in-moov", "frag_keyframe", ()),
            ("delayed", "frag_keyframe+delay_moov", ()),
            ("cmaf", "cmaf+frag_keyframe", ()),
            ("dash", "dash+frag_keyframe+global_sidx", ()),
            ("frames", "frag_every_frame+empty_moov+default_base_moof", ()),
            ("short", "empty_moov+separate_moof+omit_tfhd_offset", _words("-frag_duration 500000")),
            ("hybrid", "hybrid_fragmented+frag_keyframe", ()),
            ("no-mfra", "frag_keyframe+empty_moov+skip_trailer", ()),
        )
    ),
)
TRUNCATED = "truncated_media|not_a_video|invalid_index"
BROKEN = (
    Oddity(_copy("empty.mp4", of=BASE), "no bytes at all", "not_a_video", "not_a_video", patch=lambda _: b""),
    *(
        Oddity(_copy(f"{what}-{percent}-percent.mp4", *flags, of=BASE), f"the first {percent} % of a file, {words}",
               TRUNCATED, TRUNCATED, patch=_cut(percent))
        for percent in (10, 50, 90)
        for what, words, flags in (("first", "index first", FAST), ("last", "index last", ()))
    ),
    Oddity(_copy("fragments-50-percent.mp4", "-movflags", "frag_keyframe+empty_moov", of=LONGER),
           "the first half of a fragmented file: what was recorded until then", patch=_cut(50), seconds=2,
           breaks=("audio-gap",)),
    Oddity(_copy("fragments-10-percent.mp4", "-movflags", "frag_keyframe+empty_moov", of=LONGER),
           "less than one fragment", TRUNCATED, TRUNCATED, patch=_cut(10)),
)  # fmt: skip

ODDITIES: tuple[Oddity, ...] = (*RATES, *ORIENTED, *EDITED, *PICTURES, *SOUNDS, *CONTAINERS, *BROKEN)
