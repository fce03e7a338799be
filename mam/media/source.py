"""An opened source: its tracks, their libavformat streams, and the place of every sample."""

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

FIRST_READ = 256 << 10  # The first read: it holds the whole index of most short files.
TAIL_READ = 32 << 20  # Up to this many bytes after the media are read at once.
MAX_MOOV = 128 << 20  # A larger index is refused: a two-hour film has 8 MB.
MAX_TOP_LEVEL = 10_000  # The index must be among this many top-level boxes.
HEAD_KINDS = frozenset(
    b"ftyp moov mdat free skip wide uuid pnot styp sidx moof pdin meta udta junk emsg prft bloc".split()
)
ATTACHED_PICTURE = 0x0400  # AV_DISPOSITION_ATTACHED_PIC marks cover art, which is no video.
TEXT_HANDLERS = ("text", "sbtl", "subt")
NAMES = {track_headers.VIDEO: "video", track_headers.SOUND: "audio"}


class UnsupportedEdits(NotRemuxable):
    code, title = "unsupported_edit_list", "The file's edit list has several parts"
    hint = "Retry with reencode=true; if that is refused too, render the file again (ffmpeg -i in.mp4 out.mp4)."


class MediaSource:
    """One version of one object. Samples are read on demand, and kept.

    `tracks`: video and audio; `stills`: the numbers of those that are still pictures beside a film. `texts`: possible
    subtitles. `left`: why a track is left out, by number. `cues`: of the sidecars, by key. `notes`: tolerated faults of
    the file, in sentences. `changes`: the changes of description of video tracks that have several, by number.
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
        """The `moov` box, until `settle` drops it."""
        return self._moov

    def track(self, number: int) -> MediaTrack:
        return next(track for track in (*self.tracks, *self.texts) if track.number == number)

    def fresh(self, number: int) -> Any:
        """A new stream of a track for decoding: the template's own decoder must stay unused, for muxers."""
        return read_template(self._moov, number)

    def stream(self, number: int) -> Any:
        """The libavformat stream of a track, or None."""
        return self._templates.stream(number)

    def samples(self, number: int) -> Samples:
        """The samples of a track. Raises NoSampleTables while they are not in the `moov` box and not adopted."""
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
                self.adopt(self.take(number, partial(self._listed_samples, number)))

    def take(self, number: int, read: Callable[[], Samples]) -> dict[int, Samples]:
        """The samples that `read` returns, by the track's number; empty when the track is left out.

        A track is left out when it holds no samples, when it is a text whose index is damaged or not supported, and
        when it is one of several sounds and its index is damaged. Raises NotAVideo when no track is left.
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
        """Whether the film can do without the track whose index raised the error."""
        if any(text.number == number for text in self.texts):
            return True
        sounds = {track.number for track in self.tracks if not track.is_video}
        return number in sounds and len(sounds) > 1 and isinstance(error, MediaError)

    def _listed_samples(self, number: int) -> Samples:
        """The samples of the `moov` box. Raises NoSampleTables when it lists no key frames: they are in the packets."""
        samples = self._read(number)
        if self.headers[number].kind == track_headers.VIDEO and len(samples) and not samples.key.any():
            self.notes.append(f"Track {number} lists no key frames: the file is read through to find them.")
            raise NoSampleTables("a picture without key frames")
        return samples

    def _read(self, number: int) -> Samples:
        return index.read_samples(self._moov, number, self.reader.size, may_change=number in self.changes)

    def leave(self, number: int, reason: str) -> None:
        """Leaves a track out of the film. Raises NotAVideo when no track is left."""
        self.left[number] = reason
        self.tracks = [track for track in self.tracks if track.number != number]
        self.texts = [track for track in self.texts if track.number != number]
        if not self.tracks:
            raise NotAVideo("The file holds no media.")

    def name_mpeg_audio(self) -> None:
        """Corrects the codec of MPEG audio: only its frames name the layer, not the header."""
        for position, track in enumerate(self.tracks):
            if track.codec == "mp3" and track.number in self._samples:
                first = int(self._samples[track.number].offset[0])
                if (layer := audio.mpeg_layer(self.reader.read(first, first + 4))) is not None:
                    self.tracks[position] = replace(track, codec=f"mp{layer}")

    def complete(self, numbers: list[int]) -> None:
        """Completes the descriptions of these tracks with parameter sets from their first pictures."""
        for position, track in enumerate(self.tracks):
            if track.number in numbers and track.is_video:
                self.tracks[position] = completed(track, self._moov, self.reader, self.samples(track.number))

    def adopt(self, samples: dict[int, Samples]) -> None:
        """Uses samples from a stored index, or from `demux`."""
        self._samples |= samples

    def settle(self, numbers: list[int]) -> None:
        """Reads the samples of these tracks and drops the index: from then on threads may share the source."""
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
    """The `moov` box of a file of `size` bytes; `read(start, stop)` returns its bytes."""
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
            remaining = size - at
            base, data = at, read(at, size if remaining <= TAIL_READ else at + FIRST_READ)
        box = header(data, at - base, size - base)
        if box is None:
            raise TruncatedMedia("The file ends in the middle of a box.")
        kind, _, length = box
        if at + length > size:
            raise TruncatedMedia(f"Box {readable(kind)} reaches to byte {at + length}, the object ends at byte {size}.")
        if kind == b"moov":
            if length > MAX_MOOV:
                raise TooLarge(f"The file's index has {length >> 20} MB; at most {MAX_MOOV >> 20} MB are read.")
            part = data[at - base : at - base + length]
            return expanded(part if len(part) == length else part + read(at + len(part), at + length))
        at += length
    raise InvalidIndex(f"More than {MAX_TOP_LEVEL} boxes and no index among them.")


def _tracks(
    headers: list[TrackHeader], templates: Templates, moov: bytes, flaws: dict[int, MediaError], chapters: set[int]
) -> list[MediaTrack]:
    """The video and audio tracks that libavcodec knows, without cover art. `flaws` gets the flaws of others.

    Raises the flaw of a video or audio track when no other of its kind is left: a film must not lose its picture or its
    sound. Raises NotAVideo when there is neither.
    """
    tracks = []
    for track_header in headers:
        stream = templates.stream(track_header.number)
        if track_header.kind not in track_headers.MEDIA or stream is None or stream.type not in ("video", "audio"):
            continue
        if int(stream.disposition) & ATTACHED_PICTURE or track_header.number in chapters:
            continue
        context: Any = stream.codec_context
        if context is None:  # a new or proprietary codec
            what = f"{track_header.sample_entry.strip()!r}, a codec that is not known here."
            flaws[track_header.number] = UnsupportedCodec(f"Its {NAMES[track_header.kind]} is {what}")
            continue
        language = languages.tag(entries.language(moov, track_header.number))
        entry = entries.sample_entry(moov, track_header.number)
        dovi = entries.dovi_profile(entry) if track_header.kind == track_headers.VIDEO else None
        tracks.append(MediaTrack(track_header, stream, context.codec.canonical_name, language, dovi, entry))
    for number, flaw in flaws.items():
        kind = headers[number].kind
        if (kind in track_headers.MEDIA or not tracks) and not any(track.header.kind == kind for track in tracks):
            raise flaw
    if not tracks:
        raise NotAVideo("The file has neither video nor audio that is known here.")
    return tracks


def _changes(moov: bytes, tracks: list[MediaTrack]) -> dict[int, Changes]:
    by_track = {}
    for track in tracks:
        with suppress(InvalidIndex):  # reading the track's samples raises it again
            if track.is_video and (changes := read_changes(moov, track.number)) is not None:
                by_track[track.number] = changes
    return by_track


def _flaw(flaw: MediaError, header: TrackHeader) -> str:
    """Why a track is left out, as `/plan` words it."""
    if isinstance(flaw, UnsupportedCodec):
        return f"its codec ({header.sample_entry.strip()}) is not known here"
    return str(flaw)


def _texts(headers: list[TrackHeader], templates: Templates, moov: bytes) -> list[MediaTrack]:
    """Tracks of timed text."""
    return [
        MediaTrack(
            track_header, stream, track_header.sample_entry, languages.tag(entries.language(moov, track_header.number))
        )
        for track_header in headers
        if track_header.kind in TEXT_HANDLERS and (stream := templates.stream(track_header.number)) is not None
    ]


def demux(source: MediaSource, numbers: list[int], *, alive: Callable[[], None] = lambda: None) -> dict[int, Samples]:
    """The samples of tracks from one pass of libavformat's demuxer: for edit lists with several parts, and for more
    fragments or samples than this program indexes itself. Long PCM needs no such pass.

    Reads the whole object. `alive` is called now and then. Empty tracks are left out. Raises TruncatedMedia,
    UnsupportedEdits, InvalidIndex, NotAVideo, ChangingFormat.
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
                column_set = columns[packet.stream_index]
                if packet.is_discard and len(column_set[0]):
                    hidden_later.add(packet.stream_index)
                values = (
                    packet.pos or 0,
                    packet.size,
                    packet.dts,
                    packet.pts,
                    packet.duration or 0,
                    packet.is_keyframe,
                )
                for column, value in zip(column_set, values, strict=True):
                    column.append(int(value))
                if len(column_set[0]) > MAX_SAMPLES:
                    raise TooLarge(f"A track has more than {MAX_SAMPLES} samples.")
                if count % 1024 == 0:
                    alive()
    except av.error.FFmpegError as error:
        raise InvalidIndex(f"The file cannot be read: {error}") from error
    result: dict[int, Samples] = {}
    for number, parts in columns.items():
        read = partial(_demuxed, parts, scales.get(number), source.reader.size, hidden=number in hidden_later)
        samples_by_track = source.take(number, read)
        if source.headers[number].kind == track_headers.VIDEO:
            samples_by_track = {number: from_key_frame(samples) for number, samples in samples_by_track.items()}
        result |= samples_by_track
    return result


def _demuxed(parts: tuple[array[int], ...], scale: Fraction | None, object_size: int, *, hidden: bool) -> Samples:
    """The samples of one track. `hidden`: some are not shown. Raises InvalidIndex, UnsupportedEdits."""
    offset, size, dts, pts, duration, key = (np.frombuffer(part, np.int64) for part in parts)
    if (offset <= 0).any() or (len(offset) and int((offset + size).max()) > object_size):
        raise InvalidIndex("The place of some samples is not known.")
    base = scale or Fraction(1)  # in MP4 1 / timescale
    times = (dts * base.numerator, pts * base.numerator)
    samples = Samples(base.denominator, offset, size, *times, duration, key.astype(bool))
    if (np.diff(samples.dts) <= 0).any() or (hidden and _splices(samples)):
        raise UnsupportedEdits("The edit list joins several parts of the media; that is not supported yet.")
    return samples


def _splices(samples: Samples) -> bool:
    """Whether samples are shown twice or out of order, as by an edit list with several parts."""
    return bool((np.diff(samples.times) <= 0).any())
