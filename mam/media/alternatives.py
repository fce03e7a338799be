"""Which of several sounds are none after all: a side track never costs the film.

The only sound of a film is never left out here: what is wrong with it is the film's failure.
"""

from __future__ import annotations

from fractions import Fraction

import av
import av.error

from mam.errors import MediaError
from mam.hls.recipe import Recipe
from mam.media.audio import choose_sounds
from mam.media.packets import Packet
from mam.media.source import MediaSource, MediaTrack
from mam.mp4.tables import NoSampleTables

LISTENED_TO = 12  # packets given to a decoder for its first sound
PACKET_BYTES = 1 << 20  # of sound: a second of 32 channels of PCM has six
RATES = range(1_000, 768_001)  # samples a second that are believed
LONGER = 2  # times as long as the film: what lasts longer would be followed by nothing but itself
SPARE = 600  # seconds by which a sound may last longer in any case


def sift(media: MediaSource, picture: MediaTrack | None, recipe: Recipe) -> None:
    """Leaves out the sounds of which nothing can be made, while there are others."""
    sounds = choose_sounds(media.tracks, recipe)
    if len(sounds) < 2:
        return
    film = picture or next((track for track in sounds if not _fault(media, track, None)), sounds[0])
    end = media.samples(film.number).end
    for track in sounds:
        if track is not film and (fault := _fault(media, track, end)):
            media.leave(track.number, fault)
            if len(choose_sounds(media.tracks, recipe)) < 2:
                return


def _fault(media: MediaSource, track: MediaTrack, film_end: Fraction | None) -> str:
    """What is wrong with a sound; nothing for one that is heard."""
    try:
        samples = media.samples(track.number)
    except (MediaError, NoSampleTables) as error:
        return str(error)
    if int(track.template.codec_context.sample_rate or 0) not in RATES:
        return "its sample rate is none that is heard"
    if film_end is not None and samples.end > max(LONGER * film_end, film_end + SPARE):
        return f"it lasts until {float(samples.end):.0f} s, the film until {float(film_end):.0f} s"
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
