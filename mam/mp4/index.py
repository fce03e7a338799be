"""The index of a file: for each track, every sample's place, size, times and whether decoding can start there."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import chain, islice
from typing import Any

import numpy as np

from mam.errors import ChangingFormat, EncryptedMedia, ExternalMedia, NotAVideo, TruncatedMedia, readable
from mam.mp4 import pcm, tables
from mam.mp4.boxes import CONTAINERS, Box, InvalidIndex, below, boxes, header, leaves
from mam.mp4.edits import Presentation, Stretch, presentation, read_edits, stretches
from mam.mp4.fragments import Part, join
from mam.mp4.splicing import splice
from mam.mp4.tables import MAX_SAMPLES, Flags, Fragmented, Ints, NoSampleTables, unpack

VIDEO, SOUND = MEDIA = ("vide", "soun")  # handlers
MAX_TRACKS = 64
MAX_BOXES = 5_000  # in one moov, wherever they lie in it: 64 tracks have two thousand
MAX_DESCRIBED = 8  # parts of an edit list that people are told of
UNIT = 1 << 16  # of a matrix
UPRIGHT = (UNIT, 0, 0, UNIT)
PRIMING = 16  # parts of a second: what encoders of sound put before the first of it is shorter
MOMENT = 25  # parts of a second that a still picture without a duration is shown
SELF_CONTAINED = 1  # a flag of an entry of dref: the media is in this file
MAX_USER_DATA = 4096  # bytes of a track's
_EMPTY_TABLES = {b"stts": 1, b"ctts": 1, b"stss": 1, b"stsc": 1, b"stco": 1, b"co64": 1, b"stsz": 2, b"stz2": 2}
_VIDEO_RATES = re.compile(rb"btrt.{12}", re.DOTALL)
# in esds, what describes the decoder (ISO/IEC 14496-1 section 7.2.6.6): its buffer, the highest and the mean rate
_SOUND_RATES = re.compile(rb"btrt.{12}|(?<=\x40\x15).{11}(?=\x05)", re.DOTALL)
_ENCRYPTED = (b"encv", b"enca", b"encs", b"enct", b"drmi", b"drms")


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of one track in decode order; all columns have the same length.

    `offset`, `size`: bytes in the object. `dts`, `pts`, `duration`: ticks of `1 / timescale` seconds, on the
    presentation's timeline (edit list applied). `key`: decoding can start there. `shown`: False where an edit list
    hides a picture that is decoded for others; None when all are shown. `joins`: the numbers of the samples at which
    further parts of an edit list begin; each part is decoded by itself.
    """

    timescale: int
    offset: Ints
    size: Ints
    dts: Ints
    pts: Ints
    duration: Ints
    key: Flags
    shown: Flags | None = None
    joins: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.size)

    @property
    def start(self) -> Fraction:
        """Seconds at which the first sample is shown."""
        return Fraction(int(self.pts.min()), self.timescale)

    @property
    def end(self) -> Fraction:
        """Seconds at which the last sample has been shown."""
        return Fraction(int((self.pts + self.duration).max()), self.timescale)


@dataclass(frozen=True, slots=True)
class TrackHeader:
    """A track as the `moov` box describes it. `number` counts tracks from 0, as libavformat's streams do.

    `matrix`: a, b, c, d of `tkhd` and `mvhd` together, in units of 1/65536: (1, 0, 0, 1) is upright.
    """

    number: int
    kind: str  # the handler: vide, soun, text, sbtl, ...
    sample_entry: str  # avc1, mp4a, hvc1, ...
    matrix: tuple[int, int, int, int]
    size: tuple[int, int] = field(default=(0, 0), compare=False)  # by `tkhd`, in pixels as they are shown


def _payload(moov: bytes) -> int:
    """Where the boxes in the `moov` box begin: behind a header of 8 or, with a 64-bit size, 16 bytes."""
    found = header(moov, 0, len(moov))
    return found[1] if found else 8


def track_boxes(moov: bytes) -> list[Box]:
    """The `trak` boxes. Raises NotAVideo for none, InvalidIndex for a crowd."""
    found = [box for box in boxes(moov, _payload(moov), len(moov)) if box.kind == b"trak"]
    if not found:
        raise NotAVideo("The file has no tracks.")
    if len(found) > MAX_TRACKS:
        raise InvalidIndex(f"The file has {len(found)} tracks.")
    return found


def check_crowd(moov: bytes) -> None:
    """Raises InvalidIndex for more than MAX_BOXES boxes altogether: each is passed again and again from here on.

    Of a damaged track the boxes in front of the damage count.
    """
    tracks = (_intact(below(moov, trak.payload, trak.end)) for trak in track_boxes(moov))
    if next(islice(chain(boxes(moov, _payload(moov), len(moov)), *tracks), MAX_BOXES, None), None):
        raise InvalidIndex(f"The index has more than {MAX_BOXES} boxes.")


def _intact(found: Iterator[Box]) -> Iterator[Box]:
    with suppress(InvalidIndex):
        yield from found


def check_encryption(moov: bytes) -> None:
    """Raises EncryptedMedia when a track's sample entry, or a `pssh` box, says that samples are encrypted."""
    check_protection(moov)
    for trak in track_boxes(moov):
        check_track_encryption(moov, trak)


def check_protection(moov: bytes) -> None:
    """Raises EncryptedMedia when a `pssh` box says that the file is."""
    if any(box.kind == b"pssh" for box in boxes(moov, _payload(moov), len(moov))):
        raise EncryptedMedia("The file is protected by DRM (it has a pssh box).")


def check_track_encryption(moov: bytes, trak: Box) -> None:
    """Raises EncryptedMedia when a track's sample entry says that its samples are encrypted."""
    stsd = leaves(moov, trak.payload, trak.end).get(b"stsd")
    payload = moov[stsd.payload : stsd.end] if stsd else b""
    # `sinf` stands behind the sample entry's own fields, whose length depends on the codec: look for the box.
    if payload[12:16] in _ENCRYPTED or (b"sinf" in payload and b"schm" in payload):
        raise EncryptedMedia("The file's samples are encrypted.")


def check_references(moov: bytes, trak: Box) -> None:
    """Raises ExternalMedia when a track's media lies in another file (`dref`, ISO/IEC 14496-12 section 8.7.2)."""
    dinf = leaves(moov, trak.payload, trak.end).get(b"dinf")
    dref = {box.kind: box for box in boxes(moov, dinf.payload, dinf.end)}.get(b"dref") if dinf else None
    for entry in boxes(moov, dref.payload + 8, dref.end) if dref else ():
        (flags,) = unpack(">I", moov, entry, 0)
        if not flags & SELF_CONTAINED:
            raise ExternalMedia(f"A track's media lies in another file ({entry.kind.decode('latin-1').strip()}).")


def read_headers(moov: bytes) -> list[TrackHeader]:
    """All tracks. Raises InvalidIndex when one does not say what it is, NotAVideo when there are none."""
    return [read_header(moov, number, trak) for number, trak in enumerate(track_boxes(moov))]


def read_header(moov: bytes, number: int, trak: Box) -> TrackHeader:
    """One track. Raises InvalidIndex when it does not say what it is."""
    found = leaves(moov, trak.payload, trak.end)
    kind = handler(moov, found, number)
    media = kind in ("vide", "soun", "text", "sbtl", "subt")
    entry = _sample_entry(moov, found, number) if media else ""
    return TrackHeader(number, kind, entry, _matrix(moov, found), _track_size(moov, found))


def describe_edits(moov: bytes) -> dict[int, str]:
    """For people: what each track's edit list does, by track number; tracks without one are left out."""
    top = {box.kind: box for box in boxes(moov, _payload(moov), len(moov))}
    described = {}
    for number, trak in enumerate(track_boxes(moov)):
        found = {box.kind: box for box in _intact(below(moov, trak.payload, trak.end))}
        if not {b"mdhd", b"elst"} <= found.keys() or b"mvhd" not in top:
            continue
        try:
            edits = read_edits(moov, found)
            movie, media = _timescale(moov, top[b"mvhd"]), _timescale(moov, found[b"mdhd"])
        except (NoSampleTables, InvalidIndex) as reason:
            described[number] = str(reason)
            continue
        parts = [f"{length / movie:.3f} s empty" if at < 0 else f"from {at / media:.3f} s on" for length, at in edits]
        more = [f"and {len(parts) - MAX_DESCRIBED} more"] if len(parts) > MAX_DESCRIBED else []
        described[number] = ", ".join(parts[:MAX_DESCRIBED] + more)
    return described


def read_samples(
    moov: bytes, number: int, object_size: int, fragments: Sequence[Part] | None = None, *, may_change: bool = False
) -> Samples:
    """The samples of track `number`: those of the `moov` box, then those of the track's `fragments`.

    `may_change`: all of its descriptions are known to whoever decodes it.

    Raises NoSampleTables when the samples are in fragments that are not given or need more than one edit,
    TruncatedMedia when the index points beyond `object_size`, InvalidIndex when it contradicts itself, ChangingFormat.
    """
    top = {box.kind: box for box in boxes(moov, _payload(moov), len(moov))}
    if b"mvex" in top and fragments is None:
        raise Fragmented("a fragmented file")
    if b"mvhd" not in top:
        raise InvalidIndex("The file has no movie header.")
    trak = track_boxes(moov)[number]
    found = leaves(moov, trak.payload, trak.end)
    if b"mdhd" not in found:
        raise InvalidIndex(f"Track {number} has no media header.")
    if not may_change:
        check_format(moov, number, fragments or ())
    kind = handler(moov, found, number)
    edits = read_edits(moov, found)
    scales = {"timescale": _timescale(moov, found[b"mdhd"]), "movie_timescale": _timescale(moov, top[b"mvhd"])}
    parts = [] if fragments or kind not in MEDIA or len(edits) < 2 else stretches(edits, **scales)
    if len(parts) > 1:
        whole = _samples_of_media(moov, found, Presentation(), object_size, (), kind)
        return _spliced(whole, parts, video=kind == VIDEO)
    shown = _of_part(parts[0]) if parts else presentation(edits, **scales)
    if fragments:  # an edit's length is what was known of the media when the moov was written: nothing, or a beginning
        shown = replace(shown, end=None)
    samples = _samples_of_media(moov, found, shown, object_size, fragments or (), kind)
    return _without_hidden(samples, shown, video=kind == VIDEO)


def _samples_of_media(
    moov: bytes, found: dict[bytes, Box], shown: Presentation, object_size: int, fragments: Sequence[Part], kind: str
) -> Samples:
    """All that can be decoded, whatever an edit list hides."""
    samples = _read_samples(moov, found, shown, object_size, fragments, kind)
    if kind in MEDIA:
        samples = _without_empty(samples)
    if kind == VIDEO:
        samples = _with_last_duration(from_key_frame(samples))
    return samples


def _of_part(part: Stretch) -> Presentation:
    return Presentation(part.begin - part.media, part.begin, part.end)


def _spliced(samples: Samples, parts: list[Stretch], *, video: bool) -> Samples:
    """What an edit list of several parts makes of a track."""
    found = splice(samples.pts, samples.duration, samples.key, parts, video=video)
    whole = select(samples, found.number)
    dts, pts, duration = whole.dts + found.shift, whole.pts + found.shift, whole.duration
    if not video:  # which is shown when it is decoded
        dts, duration = tables.without_ties(dts, duration)
        pts = dts
    shown = None if found.shown.all() else found.shown
    return replace(whole, dts=dts, pts=pts, duration=duration, shown=shown, joins=found.joins)


def _with_last_duration(samples: Samples) -> Samples:
    """Some writers give the last picture no duration: it is shown as long as the one before it, or for a moment."""
    if not len(samples) or samples.duration[-1]:
        return samples
    duration = samples.duration.copy()
    duration[-1] = duration[-2] if len(samples) > 1 and duration[-2] else max(samples.timescale // MOMENT, 1)
    return replace(samples, duration=duration)


def sample_count(moov: bytes, number: int) -> int | None:
    """How many samples the `moov` box lists of a track; None where fragments may hold more."""
    if any(box.kind == b"mvex" for box in boxes(moov, _payload(moov), len(moov))):
        return None
    trak = track_boxes(moov)[number]
    found = leaves(moov, trak.payload, trak.end)
    box = found.get(b"stsz") or found.get(b"stz2")
    return int(unpack(">I", moov, box, 8)[0]) if box and box.end - box.payload >= 12 else 0


def check_format(moov: bytes, number: int, fragments: Sequence[Part] = ()) -> None:
    """Raises ChangingFormat when a picture or a sound has samples that the track's first description does not describe.

    A decoder gets the first; the other's pictures it cannot decode, or not rightly. To text it makes no difference.
    """
    trak = track_boxes(moov)[number]
    found = leaves(moov, trak.payload, trak.end)
    kind = handler(moov, found, number)
    used = tables.used_descriptions(moov, found) | {p.description for p in fragments if p.columns.shape[1]}
    if kind not in MEDIA or b"stsd" not in found or max(used, default=1) <= 1:
        return
    stsd = found[b"stsd"]
    listed = [_without_rates(moov[b.start : b.end], kind) for b in boxes(moov, stsd.payload + 8, stsd.end)]
    if any(listed[each - 1] != listed[0] for each in used if 0 < each <= len(listed)):
        what = "picture" if kind == VIDEO else "sound"
        raise ChangingFormat(f"Its {what} is coded in {len(listed)} ways, one after the other.")


def _without_rates(entry: bytes, kind: str) -> bytes:
    """A sample entry without its bit rates, which say nothing to a decoder: they differ where files were joined."""
    return (_VIDEO_RATES if kind == VIDEO else _SOUND_RATES).sub(b"", entry)


def handler(moov: bytes, found: dict[bytes, Box], number: int) -> str:
    """`vide`, `soun` or another kind of track. Raises InvalidIndex when the track does not say."""
    if b"hdlr" not in found:
        raise InvalidIndex(f"Track {number} has no handler.")
    return bytes(unpack(">4s", moov, found[b"hdlr"], 8)[0]).decode("latin-1")


def _matrix(moov: bytes, found: dict[bytes, Box]) -> tuple[int, int, int, int]:
    """a, b, c, d of `tkhd`'s matrix and then of `mvhd`'s: what is shown passes through both (section 6.2.2).

    They stand 40 or (version 1) 52 bytes into `tkhd`, and 36 or 48 into `mvhd`.
    """
    mvhd = next((box for box in boxes(moov, _payload(moov), len(moov)) if box.kind == b"mvhd"), None)
    a, b, c, d = _one_matrix(moov, found.get(b"tkhd"), 40)
    e, f, g, h = _one_matrix(moov, mvhd, 36)
    product = (a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h)
    first, second, third, fourth = (value / UNIT for value in product)
    return (round(first), round(second), round(third), round(fourth))


def _track_size(moov: bytes, found: dict[bytes, Box]) -> tuple[int, int]:
    """Width and height, the last words of `tkhd`: 16.16 numbers."""
    tkhd = found.get(b"tkhd")
    if tkhd is None or tkhd.end - tkhd.payload < 84:
        return (0, 0)
    width, height = struct.unpack_from(">2I", moov, tkhd.end - 8)
    return (width >> 16, height >> 16)


def _one_matrix(moov: bytes, box: Box | None, at: int) -> tuple[int, int, int, int]:
    """Upright where there is none, or where it is all zeros, as some writers leave it."""
    if box is None:
        return UPRIGHT
    (version,) = unpack(">B", moov, box, 0)
    a, b, _, c, d = unpack(">5i", moov, box, at + 12 if version == 1 else at)
    return (a, b, c, d) if a or b or c or d else UPRIGHT


def _timescale(moov: bytes, box: Box) -> int:
    """Ticks a second, from `mvhd` or `mdhd`: both have it behind two times, of 4 or (version 1) 8 bytes."""
    (version,) = unpack(">B", moov, box, 0)
    (timescale,) = unpack(">I", moov, box, 20 if version == 1 else 12)
    if not 0 < timescale < 1 << 31:
        raise InvalidIndex(f"Box {readable(box.kind)} has a time scale of {timescale}.")
    return int(timescale)


def _sample_entry(moov: bytes, found: dict[bytes, Box], number: int) -> str:
    if b"stsd" not in found:
        raise InvalidIndex(f"Track {number} does not say how it is coded (it has no stsd box).")
    return bytes(unpack(">4s", moov, found[b"stsd"], 12)[0]).decode("latin-1")


def _read_samples(
    moov: bytes, found: dict[bytes, Box], shown: Presentation, object_size: int, fragments: Sequence[Part], kind: str
) -> Samples:
    timescale = _timescale(moov, found[b"mdhd"])
    packed = pcm.find_packed(moov, found, object_size) if kind == SOUND else None
    if packed:
        runs = pcm.read_runs(moov, found, packed, end=None if shown.end is None else shown.end - shown.shift)
        offset, size, dts, duration = runs.offset, runs.size, runs.dts, runs.duration
        total = len(size)
        composition, key = np.zeros(total, np.int64), np.ones(total, np.bool_)
    else:
        size = tables.sample_sizes(moov, found, object_size)
        total = len(size)
        offset = tables.sample_offsets(moov, found, size)
        dts, duration = tables.decode_times(moov, found, total)
        composition = tables.composition_offsets(moov, found, total)
        key = tables.sync_samples(moov, found, total)
    if fragments:
        more = join(fragments, begin=int(duration.sum()), room=MAX_SAMPLES - total)
        if total and len(more) and more.dts[0] < dts[-1]:
            raise InvalidIndex("The fragments begin before the media in front of them has.")
        if total:
            offset, size = np.append(offset, more.offset), np.append(size, more.size)
            dts, duration = np.append(dts, more.dts), np.append(duration, more.duration)
            composition = np.append(composition, more.composition)
        else:
            offset, size, dts, duration, composition = more.offset, more.size, more.dts, more.duration, more.composition
        key = np.append(key, more.sync if kind == VIDEO else np.ones(len(more), np.bool_))  # sound begins anywhere
        del more
    if kind in MEDIA:
        dts, duration = tables.without_ties(dts, duration)
    # Writers of signed offsets let frames be shown before they are decoded; muxers refuse that.
    early = max(0, -int(composition.min())) if len(dts) else 0
    pts = composition  # in place here and below: there may be millions
    pts += dts
    pts += shown.shift
    dts += shown.shift - early
    end = int((offset + size).max()) if len(dts) else 0
    if end > object_size:
        raise TruncatedMedia(f"The index names media up to byte {end}, the object ends at byte {object_size}.")
    if int(size.sum()) > object_size:
        raise InvalidIndex("The samples together are larger than the object.")
    return Samples(timescale, offset, size, dts, pts, duration, key)


def _without_empty(samples: Samples) -> Samples:
    """Without samples of no bytes, which muxers refuse: the one before lasts as much longer."""
    full = samples.size > 0
    if full.all():
        return samples
    kept = select(samples, full)
    return replace(kept, duration=np.add.reduceat(samples.duration, np.flatnonzero(full))) if len(kept) else kept


def from_key_frame(samples: Samples) -> Samples:
    """Without what comes before the first key frame, and needs what the file has no longer; all where there is none."""
    return select(samples, slice(int(np.argmax(samples.key)), None)) if samples.key.any() else samples


def _without_hidden(samples: Samples, shown: Presentation, *, video: bool) -> Samples:
    """Without what the edit list hides at either end, as libavformat's demuxer leaves it out.

    Whole groups of pictures before the start; samples that later ones need to be decoded stay, and so does what
    comes just before the first sound, which a decoder wants to have heard.
    """
    if not len(samples):
        return samples
    first, last = 0, len(samples)
    if shown.end is not None:
        # Some writers give the last sample no duration: it begins where the edit ends, and is shown all the same.
        visible = np.flatnonzero((samples.pts < shown.end) | (samples.duration == 0))
        last = int(visible[-1]) + 1 if len(visible) else 0
    if video and shown.begin is not None:
        seen = (samples.pts >= shown.begin) & ((samples.pts < shown.end) if shown.end is not None else True)
        if not seen.any():
            return _frozen(samples, shown.begin)
        if not seen.all():
            samples = replace(samples, shown=seen)
    if video and shown.begin is not None:
        starts = np.flatnonzero(samples.key & (samples.pts <= shown.begin))
        first = int(starts[-1]) if len(starts) else 0
    elif shown.begin is not None:
        heard = np.flatnonzero(samples.pts + samples.duration >= shown.begin - samples.timescale // PRIMING)
        first = int(heard[0]) if len(heard) else last
    return samples if (first, last) == (0, len(samples)) else select(samples, slice(first, max(first, last)))


def _frozen(samples: Samples, begin: int) -> Samples:
    """Of an edit that lies between two pictures or behind the last one: the picture before it, or the first."""
    order = np.argsort(samples.pts, kind="stable")
    number = int(order[max(int(np.searchsorted(samples.pts[order], begin, side="right")) - 1, 0)])
    keys = np.flatnonzero(samples.key[: number + 1])
    kept = select(samples, slice(int(keys[-1]) if len(keys) else 0, number + 1))
    shift = begin - int(kept.pts[-1])
    shown = np.arange(len(kept)) == len(kept) - 1
    return replace(kept, dts=kept.dts + shift, pts=kept.pts + shift, shown=None if shown.all() else shown)


def select(samples: Samples, part: slice | Flags | Ints) -> Samples:
    """Some of the samples, by their place or number."""
    columns = ("offset", "size", "dts", "pts", "duration", "key")
    shown = None if samples.shown is None else samples.shown[part]
    return replace(samples, shown=shown, joins=(), **{name: getattr(samples, name)[part] for name in columns})


def without_tables(moov: bytes, number: int | None = None, entry: bytes | None = None) -> bytes:
    """A file of the same tracks that holds no media: what libavformat needs to name the codecs, in a few kilobytes.

    `number`: of the one track that it is to have; None: all. `entry`: in place of that track's sample entries.
    """
    ftyp = struct.pack(">I4s4sI4s", 20, b"ftyp", b"isom", 512, b"isom")
    if number is None:
        return ftyp + _emptied(moov, 0, len(moov), 0)
    mvhd = next((box for box in boxes(moov, _payload(moov), len(moov)) if box.kind == b"mvhd"), None)
    trak = track_boxes(moov)[number]
    inner = (moov[mvhd.start : mvhd.end] if mvhd else b"") + _emptied(moov, trak.start, trak.end, 1, entry)
    return ftyp + struct.pack(">I4s", len(inner) + 8, b"moov") + inner


def _emptied(data: bytes, start: int, end: int, depth: int, entry: bytes | None = None) -> bytes:
    out = []
    for box in boxes(data, start, end):
        if box.kind in CONTAINERS and depth < 8:
            inner = _emptied(data, box.payload, box.end, depth + 1, entry)
            out.append(struct.pack(">I4s", len(inner) + 8, box.kind) + inner)
        elif box.kind in _EMPTY_TABLES:
            # stz2 cannot be empty without a field size; an empty stsz says the same
            kind = b"stsz" if box.kind == b"stz2" else box.kind
            inner = data[box.payload : box.payload + 4] + bytes(4 * _EMPTY_TABLES[box.kind])
            out.append(struct.pack(">I4s", len(inner) + 8, kind) + inner)
        elif box.kind == b"stsd" and entry is not None:
            out.append(struct.pack(">I4sII", len(entry) + 16, b"stsd", 0, 1) + entry)
        elif box.kind == b"udta":
            if depth and box.end - box.start <= MAX_USER_DATA:  # a track's title
                out.append(data[box.start : box.end])
        elif box.kind not in (b"meta", b"mvex", b"sgpd", b"sbgp", b"sdtp"):
            out.append(data[box.start : box.end])
    return b"".join(out)


def dump(tracks: dict[int, Samples]) -> bytes:
    """Samples by track number as bytes (npz), for indexes that were dear to make."""
    arrays = {}
    for number, samples in tracks.items():
        arrays[f"{number}/timescale"] = np.array(samples.timescale)
        for name in ("offset", "size", "dts", "pts", "duration", "key"):
            arrays[f"{number}/{name}"] = getattr(samples, name)
        if samples.shown is not None:
            arrays[f"{number}/shown"] = samples.shown
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def load(data: bytes) -> dict[int, Samples]:
    """What `dump` wrote. Raises InvalidIndex for anything else."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            numbers = sorted({int(name.partition("/")[0]) for name in arrays.files})
            return {number: _stored(arrays, number) for number in numbers}
    except Exception as error:
        raise InvalidIndex(f"The stored index cannot be read: {error}") from error


def _stored(arrays: Any, number: int) -> Samples:
    """One track of a stored index. Raises ValueError when its columns are none."""
    timescale = int(arrays[f"{number}/timescale"])
    offset, size, dts, pts, duration = numbers = [
        arrays[f"{number}/{name}"] for name in ("offset", "size", "dts", "pts", "duration")
    ]
    key = arrays[f"{number}/key"]
    shown = arrays[f"{number}/shown"] if f"{number}/shown" in arrays.files else None
    if shown is not None and (shown.dtype != np.bool_ or shown.shape != key.shape):
        raise ValueError("not columns of samples")
    if timescale <= 0 or key.dtype != np.bool_ or any(c.dtype != np.int64 or c.shape != (len(key),) for c in numbers):
        raise ValueError("not columns of samples")
    return Samples(timescale, offset, size, dts, pts, duration, key, shown)
