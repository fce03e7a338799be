"""The index of a file: each sample's place, size and times, and whether decoding can start there."""

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

PRIMING = 16  # Audio encoders add less than this fraction of a second before the first sound.
MOMENT = 25  # A single picture without a duration is shown for this fraction of a second.
_VIDEO_RATES = re.compile(rb"btrt.{12}", re.DOTALL)
# In esds the decoder's buffer, maximum and average rate (ISO/IEC 14496-1 section 7.2.6.6).
_SOUND_RATES = re.compile(rb"btrt.{12}|(?<=\x40\x15).{11}(?=\x05)", re.DOTALL)


def read_samples(
    moov: bytes, number: int, object_size: int, fragments: Sequence[Part] | None = None, *, may_change: bool = False
) -> Samples:
    """The samples of track `number`: those of the `moov` box, then those of the track's `fragments`.

    `may_change`: the decoder gets all descriptions of the track.

    Raises NoSampleTables when the samples are in fragments that are not passed or need more than one edit,
    TruncatedMedia when the index points beyond `object_size`, InvalidIndex when it contradicts itself, ChangingFormat.
    """
    top = {box.kind: box for box in boxes(moov, payload_of(moov), len(moov))}
    if b"mvex" in top and fragments is None:
        raise Fragmented("a fragmented file")
    if b"mvhd" not in top:
        raise InvalidIndex("The file has no movie header.")
    trak = track_boxes(moov)[number]
    children = leaves(moov, trak.payload, trak.end)
    if b"mdhd" not in children:
        raise InvalidIndex(f"Track {number} has no media header.")
    if not may_change:
        check_format(moov, number, fragments or ())
    kind = handler(moov, children, number)
    edits = read_edits(moov, children)
    scales = {"timescale": timescale_of(moov, children[b"mdhd"]), "movie_timescale": timescale_of(moov, top[b"mvhd"])}
    parts = [] if fragments or kind not in MEDIA or len(edits) < 2 else stretches(edits, **scales)
    if len(parts) > 1:
        whole = _samples_of_media(moov, children, Presentation(), object_size, (), kind)
        return _spliced(whole, parts, video=kind == VIDEO)
    shown = _of_part(parts[0]) if parts else presentation(edits, **scales)
    if fragments:  # an edit's duration only covers the media that existed when the moov was written
        shown = replace(shown, end=None)
    samples = _samples_of_media(moov, children, shown, object_size, fragments or (), kind)
    return _without_hidden(samples, shown, video=kind == VIDEO)


def _samples_of_media(
    moov: bytes, children: dict[bytes, Box], shown: Presentation, object_size: int, fragments: Sequence[Part], kind: str
) -> Samples:
    """All decodable samples, including those that an edit list hides."""
    samples = _read_samples(moov, children, shown, object_size, fragments, kind)
    if kind in MEDIA:
        samples = _without_empty(samples)
    if kind == VIDEO:
        samples = _with_last_duration(from_key_frame(samples))
    return samples


def _of_part(part: Stretch) -> Presentation:
    return Presentation(part.begin - part.media, part.begin, part.end)


def _spliced(samples: Samples, parts: list[Stretch], *, video: bool) -> Samples:
    """The samples of a track by an edit list of several parts."""
    spliced = splice(samples.pts, samples.duration, samples.key, parts, video=video)
    selected = select(samples, spliced.number)
    dts, pts, duration = selected.dts + spliced.shift, selected.pts + spliced.shift, selected.duration
    if not video:  # sound is shown when it is decoded
        dts, duration = tables.without_ties(dts, duration)
        pts = dts
    shown = None if spliced.shown.all() else spliced.shown
    return replace(selected, dts=dts, pts=pts, duration=duration, shown=shown, joins=spliced.joins)


def _with_last_duration(samples: Samples) -> Samples:
    """Gives the last picture a duration where it has none: that of the previous one, or a moment."""
    if not len(samples) or samples.duration[-1]:
        return samples
    duration = samples.duration.copy()
    duration[-1] = duration[-2] if len(samples) > 1 and duration[-2] else max(samples.timescale // MOMENT, 1)
    return replace(samples, duration=duration)


def sample_count(moov: bytes, number: int) -> int | None:
    """The number of a track's samples in the `moov` box; None where fragments may have more."""
    if any(box.kind == b"mvex" for box in boxes(moov, payload_of(moov), len(moov))):
        return None
    trak = track_boxes(moov)[number]
    children = leaves(moov, trak.payload, trak.end)
    box = children.get(b"stsz") or children.get(b"stz2")
    return int(unpack(">I", moov, box, 8)[0]) if box and box.end - box.payload >= 12 else 0


def check_format(moov: bytes, number: int, fragments: Sequence[Part] = ()) -> None:
    """Raises ChangingFormat when a video or audio track has samples with another description than the first.

    A decoder gets the first description, and decodes the other samples wrongly or not at all. Text is not affected.
    """
    trak = track_boxes(moov)[number]
    children = leaves(moov, trak.payload, trak.end)
    kind = handler(moov, children, number)
    used = tables.used_descriptions(moov, children) | {p.description for p in fragments if p.columns.shape[1]}
    if kind not in MEDIA or b"stsd" not in children or max(used, default=1) <= 1:
        return
    stsd = children[b"stsd"]
    descriptions = [_without_rates(moov[b.start : b.end], kind) for b in boxes(moov, stsd.payload + 8, stsd.end)]
    if any(descriptions[n - 1] != descriptions[0] for n in used if 0 < n <= len(descriptions)):
        kind_name = "picture" if kind == VIDEO else "sound"
        raise ChangingFormat(f"Its {kind_name} is coded in {len(descriptions)} ways, one after the other.")


def _without_rates(entry: bytes, kind: str) -> bytes:
    """A sample entry without its bit rates, which decoders ignore: they differ where files were joined."""
    return (_VIDEO_RATES if kind == VIDEO else _SOUND_RATES).sub(b"", entry)


def _read_samples(
    moov: bytes, children: dict[bytes, Box], shown: Presentation, object_size: int, fragments: Sequence[Part], kind: str
) -> Samples:
    timescale = timescale_of(moov, children[b"mdhd"])
    packed = pcm.find_packed(moov, children, object_size) if kind == SOUND else None
    if packed:
        runs = pcm.read_runs(moov, children, packed, end=None if shown.end is None else shown.end - shown.shift)
        offset, size, dts, duration = runs.offset, runs.size, runs.dts, runs.duration
        total = len(size)
        composition, key = np.zeros(total, np.int64), np.ones(total, np.bool_)
    else:
        size = tables.sample_sizes(moov, children, object_size)
        total = len(size)
        offset = tables.sample_offsets(moov, children, size)
        dts, duration = tables.decode_times(moov, children, total)
        composition = tables.composition_offsets(moov, children, total)
        key = tables.sync_samples(moov, children, total)
    if fragments:
        fragment_samples = join(fragments, begin=int(duration.sum()), room=MAX_SAMPLES - total)
        if total and len(fragment_samples) and fragment_samples.dts[0] < dts[-1]:
            raise InvalidIndex("The fragments begin before the media in front of them has.")
        if total:
            offset, size = np.append(offset, fragment_samples.offset), np.append(size, fragment_samples.size)
            dts, duration = np.append(dts, fragment_samples.dts), np.append(duration, fragment_samples.duration)
            composition = np.append(composition, fragment_samples.composition)
        else:
            offset, size, dts, duration, composition = (
                fragment_samples.offset,
                fragment_samples.size,
                fragment_samples.dts,
                fragment_samples.duration,
                fragment_samples.composition,
            )
        # Sound can start anywhere.
        key = np.append(key, fragment_samples.sync if kind == VIDEO else np.ones(len(fragment_samples), np.bool_))
        del fragment_samples
    if kind in MEDIA:
        dts, duration = tables.without_ties(dts, duration)
    # With signed offsets some files show frames before they are decoded; muxers refuse that.
    early = max(0, -int(composition.min())) if len(dts) else 0
    pts = composition  # changed in place, here and below: there may be millions
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
    """The samples without empty ones, which muxers refuse: the previous sample lasts longer instead."""
    full = samples.size > 0
    if full.all():
        return samples
    remaining = select(samples, full)
    return (
        replace(remaining, duration=np.add.reduceat(samples.duration, np.flatnonzero(full)))
        if len(remaining)
        else remaining
    )


def _without_hidden(samples: Samples, shown: Presentation, *, video: bool) -> Samples:
    """The samples without those that the edit list hides at either end, like libavformat's demuxer.

    Before the start whole groups of pictures are dropped: samples that later ones need for decoding stay, and so does
    the audio just before the first sound, which a decoder needs.
    """
    if not len(samples):
        return samples
    first, last = 0, len(samples)
    if shown.end is not None:
        # A last sample without a duration begins where the edit ends, and is still shown.
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
    """The samples for an edit between two pictures or after the last one: it shows the previous or first picture."""
    order = np.argsort(samples.pts, kind="stable")
    number = int(order[max(int(np.searchsorted(samples.pts[order], begin, side="right")) - 1, 0)])
    keys = np.flatnonzero(samples.key[: number + 1])
    needed = select(samples, slice(int(keys[-1]) if len(keys) else 0, number + 1))
    shift = begin - int(needed.pts[-1])
    shown = np.arange(len(needed)) == len(needed) - 1
    return replace(needed, dts=needed.dts + shift, pts=needed.pts + shift, shown=None if shown.all() else shown)
