"""Which of several sounds are none after all: a side track never costs the film.

The only sound of a film is never left out here: what is wrong with it is the film's failure.
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

LISTENED_TO = 12  # packets given to a decoder for its first sound
PACKET_BYTES = 1 << 20  # of sound: a second of 32 channels of PCM has six
RATES = range(1_000, 768_001)  # samples a second that are believed
SPARE = 600  # seconds by which a sound may last longer than the film, and half of the film at most


def sift(media: MediaSource, picture: MediaTrack | None, recipe: Recipe) -> None:
    """Leaves out the sounds of which nothing can be made, while there are others."""
    sounds = choose_sounds(media.tracks, recipe)
    if len(sounds) < 2:
        return
    faults = {track.number: _fault(media, track) for track in sounds}
    heard = [track for track in sounds if not faults[track.number]]
    ends = {track.number: media.samples(track.number).end for track in heard}
    for track, longest in _overlong(media, picture, heard, ends, recipe):
        last = float(ends[track.number])
        faults[track.number] = f"it lasts until {last:.0f} s, the film until {float(longest):.0f} s"
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
    """The sounds that last so much longer than the film that they would be followed by nothing but themselves.

    Each with the film's end: that of the picture where a sound ends with it, else that of the first sound.
    """

    def longest(end: Fraction) -> Fraction:
        spare = min(Fraction(SPARE), end / 2)
        # A copy has no silence to put behind the sounds that end with the film: no segment may begin after them.
        return end + (min(spare, Fraction(recipe.segment_seconds) / 2) if recipe.profile is Profile.SOURCE else spare)

    if not heard:
        return []
    end = media.samples(picture.number).end if picture else ends[heard[0].number]
    if not any(ends[track.number] <= longest(end) for track in heard):
        end = ends[heard[0].number]
    return [(track, end) for track in heard if ends[track.number] > longest(end)]


def _fault(media: MediaSource, track: MediaTrack) -> str:
    """What is wrong with a sound; nothing for one that is heard."""
    try:
        media.samples(track.number)
    except (MediaError, NoSampleTables) as error:
        return str(error)
    if int(track.template.codec_context.sample_rate or 0) not in RATES:
        return "its sample rate is none that is heard"
    return "" if _is_heard(media, track) else "nothing of its beginning can be decoded"


def _is_heard(media: MediaSource, track: MediaTrack) -> bool:
    """Whether a decoder makes a sound of the track's first packets."""
    samples = media.samples(track.number)
    fresh = media.fresh(track.number)  # decoding changes a context, and the template's describes the track
    if fresh is None:
        return True
    try:
        for number in range(min(LISTENED_TO, len(samples))):
            at, size = int(samples.offset[number]), int(samples.size[number])
            if size > PACKET_BYTES:
                return False
            packet: Packet = av.Packet(media.reader.read(at, at + size))
            packet.pts = packet.dts = int(samples.dts[number])
            if _decoded(fresh, packet):
                return True
        return bool(_decoded(fresh, None))
    except MediaError:
        return False


def _decoded(stream: av.AudioStream, packet: Packet | None) -> list[av.AudioFrame]:
    try:
        return list(stream.codec_context.decode(packet))
    except (av.error.FFmpegError, ValueError):
        return []
