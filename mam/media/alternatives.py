"""Drops unusable sounds of several: a damaged side track must not fail the film.

The only sound of a film is never dropped here: its fault fails the film.
"""

from __future__ import annotations

from fractions import Fraction

import av
import av.error

from mam.errors import MediaError
from mam.hls.recipe import Profile, Recipe
from mam.media.audio import choose_sounds
from mam.media.packets import Packet
from mam.media.source import MediaSource, MediaTrack
from mam.mp4.tables import NoSampleTables

MAX_PACKETS = 12  # At most this many packets are decoded for the first sound.
PACKET_BYTES = 1 << 20  # Larger packets are not decoded: a second of 32 channels of PCM has six times as many bytes.
RATES = range(1_000, 768_001)  # Other sample rates are implausible.
SPARE = 600  # A sound may last this many seconds longer than the film, and at most half of the film longer.


def sift(media: MediaSource, picture: MediaTrack | None, recipe: Recipe) -> None:
    """Leaves out unusable sounds while there are others."""
    sounds = choose_sounds(media.tracks, recipe)
    if len(sounds) < 2:
        return
    faults = {track.number: _fault(media, track) for track in sounds}
    heard = [track for track in sounds if not faults[track.number]]
    ends = {track.number: media.samples(track.number).end for track in heard}
    for track, longest in _overlong(media, picture, heard, ends, recipe):
        end = float(ends[track.number])
        faults[track.number] = f"it lasts until {end:.0f} s, the film until {float(longest):.0f} s"
    film = None if picture else (heard or sounds)[0]
    for track in sounds:
        if track is not film and (fault := faults[track.number]):
            media.leave(track.number, fault)
            if len(choose_sounds(media.tracks, recipe)) < 2:
                return


def _overlong(
    media: MediaSource,
    picture: MediaTrack | None,
    heard: list[MediaTrack],
    ends: dict[int, Fraction],
    recipe: Recipe,
) -> list[tuple[MediaTrack, Fraction]]:
    """The sounds that last much longer than the film, each with the film's end.

    The film ends with its picture where some sound ends with it, else with the first sound.
    """

    def longest(end: Fraction) -> Fraction:
        spare = min(Fraction(SPARE), end / 2)
        # A copy cannot add silence after the sounds that end with the film: no segment may begin after them.
        return end + (min(spare, Fraction(recipe.segment_seconds) / 2) if recipe.profile is Profile.SOURCE else spare)

    if not heard:
        return []
    end = media.samples(picture.number).end if picture else ends[heard[0].number]
    if not any(ends[track.number] <= longest(end) for track in heard):
        end = ends[heard[0].number]
    return [(track, end) for track in heard if ends[track.number] > longest(end)]


def _fault(media: MediaSource, track: MediaTrack) -> str:
    """The fault of a sound; '' for one that can be decoded."""
    try:
        media.samples(track.number)
    except (MediaError, NoSampleTables) as error:
        return str(error)
    if int(track.template.codec_context.sample_rate or 0) not in RATES:
        return "its sample rate is none that is heard"
    return "" if _is_heard(media, track) else "nothing of its beginning can be decoded"


def _is_heard(media: MediaSource, track: MediaTrack) -> bool:
    """Whether the track's first packets decode to sound."""
    samples = media.samples(track.number)
    stream = media.fresh(track.number)  # a new one: decoding changes a context, and the template's describes the track
    if stream is None:
        return True
    try:
        for number in range(min(MAX_PACKETS, len(samples))):
            offset, size = int(samples.offset[number]), int(samples.size[number])
            if size > PACKET_BYTES:
                return False
            packet: Packet = av.Packet(media.reader.read(offset, offset + size))
            packet.pts = packet.dts = int(samples.dts[number])
            if _decoded(stream, packet):
                return True
        return bool(_decoded(stream, None))
    except MediaError:
        return False


def _decoded(stream: av.AudioStream, packet: Packet | None) -> list[av.AudioFrame]:
    try:
        return list(stream.codec_context.decode(packet))
    except (av.error.FFmpegError, ValueError):
        return []
