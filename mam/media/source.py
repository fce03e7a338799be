"""A source that has been looked at: its tracks, what libavformat calls them, and where every sample lies."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

import av
import av.container
import av.error
import av.stream
import numpy as np

from mam.errors import MediaError, NotAVideo, NotRemuxable, TooLarge, TruncatedMedia, UnsupportedCodec, readable
from mam.hls import languages
from mam.hls.cues import Cues
from mam.hls.plan import Source
from mam.media.cover_art import still_tracks
from mam.media.parameters import completed
from mam.media.reader import ObjectFile, ObjectReader
from mam.media.templates import Templates, read_template, read_templates
from mam.media.tracks import MediaTrack as MediaTrack
from mam.mp4 import audio, entries, index, track_headers
from mam.mp4.boxes import InvalidIndex, header
from mam.mp4.changes import Changes, read_changes
from mam.mp4.chapters import chapter_tracks
from mam.mp4.compressed import expanded
from mam.mp4.repair import repaired
from mam.mp4.samples import Samples, from_key_frame
from mam.mp4.survey import survey
from mam.mp4.tables import MAX_SAMPLES, Fragmented, NoSampleTables
from mam.mp4.track_headers import TrackHeader
from mam.store.objects import Store

FIRST_READ = 256 << 10  # bytes: holds the whole index of most short files
TAIL_READ = 32 << 20  # what stands behind the media is read in one go up to this
MAX_MOOV = 128 << 20  # a two-hour film has 8 MB
MAX_TOP_LEVEL = 10_000  # boxes passed on the way to the index
HEAD_KINDS = frozenset(
    b"ftyp moov mdat free skip wide uuid pnot styp sidx moof pdin meta udta junk emsg prft bloc".split()
)
ATTACHED_PICTURE = 0x0400  # AV_DISPOSITION_ATTACHED_PIC: cover art is no video
TEXT_HANDLERS = ("text", "sbtl", "subt")
NAMES = {track_headers.VIDEO: "video", track_headers.SOUND: "audio"}


class UnsupportedEdits(NotRemuxable):
    code, title = "unsupported_edit_list", "The file's edit list has several parts"
    hint = "Retry with reencode=true; if that is refused too, render the file again (ffmpeg -i in.mp4 out.mp4)."


class MediaSource:
    """One version of one object. Samples are read when asked for, and kept.

    `tracks`: video and audio; `stills`: numbers of those that are pictures beside a film. `texts`: what may be
    subtitles. `left`: why a track is none of these, by number. `cues`: of subtitles beside the source, by key. `notes`:
    what was wrong with the file and passed over, in sentences. `changes`: of pictures that are described in several
    ways, by number.
    """

    def __init__(self, reader: ObjectReader, moov: bytes) -> None:
        self.reader = reader
        self._samples: dict[int, Samples] = {}
        headers, flaws = survey(moov)
        moov, self.notes = repaired(moov, headers, set(flaws))
        self._moov = moov
        self.headers = headers
        self._templates = read_templates(moov, headers, flaws)
        self.stills = still_tracks(moov, headers, self._templates)
        self.edits = track_headers.describe_edits(moov)
        self.chapters = chapter_tracks(moov)
        self.tracks = _tracks(headers, self._templates, moov, flaws, self.chapters)
        self.changes = _changes(moov, self.tracks)
        self.texts = _texts(headers, self._templates, moov)
        self.left = {number: _flaw(flaw, headers[number]) for number, flaw in flaws.items()}
        self.cues: dict[str, Cues] = {}

    @property
    def moov(self) -> bytes:
        """The `moov` box, until `settle` lets go of it."""
        return self._moov

    def track(self, number: int) -> MediaTrack:
        return next(track for track in (*self.tracks, *self.texts) if track.number == number)

    def fresh(self, number: int) -> Any:
        """A stream of a track whose decoder may be used: that of the template describes the track to muxers."""
        return read_template(self._moov, number)

    def stream(self, number: int) -> Any:
        """What libavformat makes of a track, or None."""
        return self._templates.stream(number)

    def samples(self, number: int) -> Samples:
        """Raises NoSampleTables until `adopt` has brought them from elsewhere."""
        if number not in self._samples:
            samples = self._read(number)
            if not len(samples):
                raise NotAVideo("The index names no media.")
            self._samples[number] = samples
        return self._samples[number]

    def collect(self, numbers: list[int]) -> None:
        """Reads the samples of these tracks from the `moov` box. Raises NoSampleTables where they are elsewhere."""
        for number in numbers:
            if number not in self._samples:
                self.adopt(self.take(number, partial(self._listed, number)))

    def take(self, number: int, read: Callable[[], Samples]) -> dict[int, Samples]:
        """What `read` finds of a track, by its number; nothing when the track is left out.

        So is one that holds no samples, a text whose index is damaged or more than is understood, and one of several
        sounds whose index is damaged: none is worth the rest of the film. Raises NotAVideo when there is nothing else.
        """
        try:
            samples = read()
        except Fragmented:
            raise
        except (MediaError, NoSampleTables) as error:
            if not self._may_lack(number, error):
                raise
            self.leave(number, str(error))
            return {}
        if not len(samples):
            self.leave(number, "it is empty")
            return {}
        return {number: samples}

    def _may_lack(self, number: int, error: Exception) -> bool:
        """Whether the film is one without a track in whose index that was found."""
        if any(text.number == number for text in self.texts):
            return True
        sounds = {track.number for track in self.tracks if not track.is_video}
        return number in sounds and len(sounds) > 1 and isinstance(error, MediaError)

    def _listed(self, number: int) -> Samples:
        """The samples by the `moov` box. Raises NoSampleTables when it lists no key frame: packets are looked into."""
        samples = self._read(number)
        if self.headers[number].kind == track_headers.VIDEO and len(samples) and not samples.key.any():
            self.notes.append(f"Track {number} lists no key frames: the file is read through to find them.")
            raise NoSampleTables("a picture without key frames")
        return samples

    def _read(self, number: int) -> Samples:
        return index.read_samples(self._moov, number, self.reader.size, may_change=number in self.changes)

    def leave(self, number: int, reason: str) -> None:
        """Takes a track out of what anything is made of. Raises NotAVideo when nothing is left."""
        self.left[number] = reason
        self.tracks = [track for track in self.tracks if track.number != number]
        self.texts = [track for track in self.texts if track.number != number]
        if not self.tracks:
            raise NotAVideo("The file holds no media.")

    def name_mpeg_audio(self) -> None:
        """Corrects the names of MPEG audio, whose layer the header does not tell: each frame does."""
        for at, track in enumerate(self.tracks):
            if track.codec == "mp3" and track.number in self._samples:
                first = int(self._samples[track.number].offset[0])
                if (layer := audio.mpeg_layer(self.reader.read(first, first + 4))) is not None:
                    self.tracks[at] = replace(track, codec=f"mp{layer}")

    def complete(self, numbers: list[int]) -> None:
        """Puts what the first pictures of these tracks say into their descriptions, where it stands there alone."""
        for at, track in enumerate(self.tracks):
            if track.number in numbers and track.is_video:
                self.tracks[at] = completed(track, self._moov, self.reader, self.samples(track.number))

    def adopt(self, samples: dict[int, Samples]) -> None:
        """Uses an index that was stored, or that `demux` made."""
        self._samples |= samples

    def settle(self, numbers: list[int]) -> None:
        """Reads the samples of these tracks and lets go of the rest: from here on threads may share the source."""
        for number in numbers:
            self.samples(number)
        self.complete(numbers)
        self._moov = b""


def open_source(store: Store, source: Source) -> MediaSource:
    """Reads the `moov` box, wherever it is, in one to three ranged reads.

    Raises NotAVideo, EncryptedMedia, TruncatedMedia, InvalidIndex, TooLarge.
    """
    reader = ObjectReader(store, source)
    return MediaSource(reader, read_moov(reader.read, reader.size))


def read_moov(read: Callable[[int, int], bytes], size: int) -> bytes:
    """The `moov` box of a file of `size` bytes; `read(start, stop)` gives its bytes."""
    if size < 16:
        raise NotAVideo("The object is empty." if not size else f"The object has only {size} bytes.")
    base, data = 0, read(0, min(FIRST_READ, size))
    if data[4:8] not in HEAD_KINDS:
        raise NotAVideo("The object does not begin like an MP4 file.")
    at = 0
    for _ in range(MAX_TOP_LEVEL):
        if at >= size:
            raise NotAVideo("The file has no index (moov box).")
        if at + 16 > base + len(data) and base + len(data) < size:
            rest = size - at
            base, data = at, read(at, size if rest <= TAIL_READ else at + FIRST_READ)
        found = header(data, at - base, size - base)
        if found is None:
            raise TruncatedMedia("The file ends in the middle of a box.")
        kind, _, length = found
        if at + length > size:
            raise TruncatedMedia(f"Box {readable(kind)} reaches to byte {at + length}, the object ends at byte {size}.")
        if kind == b"moov":
            if length > MAX_MOOV:
                raise TooLarge(f"The file's index has {length >> 20} MB; at most {MAX_MOOV >> 20} MB are read.")
            have = data[at - base : at - base + length]
            return expanded(have if len(have) == length else have + read(at + len(have), at + length))
        at += length
    raise InvalidIndex(f"More than {MAX_TOP_LEVEL} boxes and no index among them.")


def _tracks(
    headers: list[TrackHeader], templates: Templates, moov: bytes, flaws: dict[int, MediaError], chapters: set[int]
) -> list[MediaTrack]:
    """The video and audio tracks that libavcodec knows; cover art is left out. `flaws` gets why others are.

    Raises the flaw of what is to be seen, or heard, when nothing else of the kind is left: half a film is none.
    NotAVideo when there is nothing of either kind.
    """
    tracks = []
    for found in headers:
        stream = templates.stream(found.number)
        if found.kind not in track_headers.MEDIA or stream is None or stream.type not in ("video", "audio"):
            continue
        if int(stream.disposition) & ATTACHED_PICTURE or found.number in chapters:
            continue
        context: Any = stream.codec_context
        if context is None:  # a new codec, or one whose maker keeps it secret
            what = f"{found.sample_entry.strip()!r}, a codec that is not known here."
            flaws[found.number] = UnsupportedCodec(f"Its {NAMES[found.kind]} is {what}")
            continue
        language = languages.tag(entries.language(moov, found.number))
        entry = entries.sample_entry(moov, found.number)
        dovi = entries.dovi_profile(entry) if found.kind == track_headers.VIDEO else None
        tracks.append(MediaTrack(found, stream, context.codec.canonical_name, language, dovi, entry))
    for number, flaw in flaws.items():
        kind = headers[number].kind
        if (kind in track_headers.MEDIA or not tracks) and not any(track.header.kind == kind for track in tracks):
            raise flaw
    if not tracks:
        raise NotAVideo("The file has neither video nor audio that is known here.")
    return tracks


def _changes(moov: bytes, tracks: list[MediaTrack]) -> dict[int, Changes]:
    found = {}
    for track in tracks:
        with suppress(InvalidIndex):  # reading the track's samples meets it again
            if track.is_video and (changes := read_changes(moov, track.number)) is not None:
                found[track.number] = changes
    return found


def _flaw(flaw: MediaError, header: TrackHeader) -> str:
    """Why a track is left out, in the words of /plan."""
    if isinstance(flaw, UnsupportedCodec):
        return f"its codec ({header.sample_entry.strip()}) is not known here"
    return str(flaw)


def _texts(headers: list[TrackHeader], templates: Templates, moov: bytes) -> list[MediaTrack]:
    """Tracks of timed text."""
    return [
        MediaTrack(found, stream, found.sample_entry, languages.tag(entries.language(moov, found.number)))
        for found in headers
        if found.kind in TEXT_HANDLERS and (stream := templates.stream(found.number)) is not None
    ]


def demux(source: MediaSource, numbers: list[int], *, alive: Callable[[], None] = lambda: None) -> dict[int, Samples]:
    """The samples of those tracks by one pass of libavformat's demuxer: where edit lists have several parts, and for
    fragments or samples in numbers that are not listed here. PCM, however long, is no such case.

    Reads the whole object. `alive` is called now and then. Tracks that hold nothing are left out. Raises
    TruncatedMedia, UnsupportedEdits, InvalidIndex, NotAVideo, ChangingFormat.
    """
    for number in numbers:
        index.check_format(source.moov, number)
    columns = {number: tuple(array("q") for _ in range(6)) for number in numbers}
    hidden_later: set[int] = set()
    try:
        file = ObjectFile(source.reader)
        with av.open(file, format="mov", buffer_size=1 << 20, metadata_errors="replace") as container:
            chosen = [stream for stream in container.streams if stream.index in columns]
            scales = {stream.index: stream.time_base for stream in chosen}
            for count, packet in enumerate(container.demux(chosen)):
                if packet.size == 0 or packet.dts is None or packet.pts is None:
                    continue
                if packet.is_corrupt:
                    raise TruncatedMedia("The file ends in the middle of a sample.")
                into = columns[packet.stream_index]
                if packet.is_discard and len(into[0]):
                    hidden_later.add(packet.stream_index)
                values = (
                    packet.pos or 0,
                    packet.size,
                    packet.dts,
                    packet.pts,
                    packet.duration or 0,
                    packet.is_keyframe,
                )
                for column, value in zip(into, values, strict=True):
                    column.append(int(value))
                if len(into[0]) > MAX_SAMPLES:
                    raise TooLarge(f"A track has more than {MAX_SAMPLES} samples.")
                if count % 1024 == 0:
                    alive()
    except av.error.FFmpegError as error:
        raise InvalidIndex(f"The file cannot be read: {error}") from error
    result: dict[int, Samples] = {}
    for number, parts in columns.items():
        read = partial(_demuxed, parts, scales.get(number), source.reader.size, hidden=number in hidden_later)
        found = source.take(number, read)
        if source.headers[number].kind == track_headers.VIDEO:
            found = {number: from_key_frame(samples) for number, samples in found.items()}
        result |= found
    return result


def _demuxed(parts: tuple[array[int], ...], scale: Fraction | None, object_size: int, *, hidden: bool) -> Samples:
    """The samples of one track. `hidden`: some are not to be shown. Raises InvalidIndex, UnsupportedEdits."""
    offset, size, dts, pts, duration, key = (np.frombuffer(part, np.int64) for part in parts)
    if (offset <= 0).any() or (len(offset) and int((offset + size).max()) > object_size):
        raise InvalidIndex("The place of some samples is not known.")
    base = scale or Fraction(1)  # of MP4 1 / timescale
    times = (dts * base.numerator, pts * base.numerator)
    samples = Samples(base.denominator, offset, size, *times, duration, key.astype(bool))
    if (np.diff(samples.dts) <= 0).any() or (hidden and _splices(samples)):
        raise UnsupportedEdits("The edit list joins several parts of the media; that is not supported yet.")
    return samples


def _splices(samples: Samples) -> bool:
    """Whether samples are shown twice or out of order: the mark of an edit list with several parts."""
    return bool((np.diff(np.sort(samples.pts)) <= 0).any())
