"""The index of a file: for each track, every sample's place, size, times and whether decoding can start there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mam.errors import ChangingFormat, TruncatedMedia
from mam.mp4 import pcm, tables
from mam.mp4.boxes import Box, InvalidIndex, boxes, leaves
from mam.mp4.edits import Presentation, Stretch, presentation, read_edits, stretches
from mam.mp4.fragments import Part, join
from mam.mp4.samples import Samples, from_key_frame, select
from mam.mp4.splicing import splice
from mam.mp4.tables import MAX_SAMPLES, Fragmented, unpack
from mam.mp4.track_headers import MEDIA, SOUND, VIDEO, handler, payload_of, timescale_of, track_boxes

PRIMING = 16  # parts of a second: what encoders of sound put before the first of it is shorter
MOMENT = 25  # parts of a second that a still picture without a duration is shown
_VIDEO_RATES = re.compile(rb"btrt.{12}", re.DOTALL)
# in esds, what describes the decoder (ISO/IEC 14496-1 section 7.2.6.6): its buffer, the highest and the mean rate
_SOUND_RATES = re.compile(rb"btrt.{12}|(?<=\x40\x15).{11}(?=\x05)", re.DOTALL)


def read_samples(
    moov: bytes, number: int, object_size: int, fragments: Sequence[Part] | None = None, *, may_change: bool = False
) -> Samples:
    """The samples of track `number`: those of the `moov` box, then those of the track's `fragments`.

    `may_change`: its decoder knows all of its descriptions.

    Raises NoSampleTables when the samples are in fragments that are not given or need more than one edit,
    TruncatedMedia when the index points beyond `object_size`, InvalidIndex when it contradicts itself, ChangingFormat.
    """
    top = {box.kind: box for box in boxes(moov, payload_of(moov), len(moov))}
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
    scales = {"timescale": timescale_of(moov, found[b"mdhd"]), "movie_timescale": timescale_of(moov, top[b"mvhd"])}
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
    if any(box.kind == b"mvex" for box in boxes(moov, payload_of(moov), len(moov))):
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


def _read_samples(
    moov: bytes, found: dict[bytes, Box], shown: Presentation, object_size: int, fragments: Sequence[Part], kind: str
) -> Samples:
    timescale = timescale_of(moov, found[b"mdhd"])
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
