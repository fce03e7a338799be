"""Plans audio tracks: which of them become renditions, copied or encoded, and why."""

from __future__ import annotations

from mam.errors import NotAVideo, NotRemuxable, UnsupportedCodec
from mam.hls import languages
from mam.hls.recipe import RECODED, Format, Profile, Recipe
from mam.hls.renditions import AudioTrack
from mam.media import decoders
from mam.media.limits import MAX_SOUNDS
from mam.media.source import MediaTrack, UnsupportedEdits
from mam.mp4.codecs import AAC_LC, aac_channel_configuration, aac_frame_length, aac_object_type, codec_string

COPYABLE = ("aac", "mp3", "ac3", "eac3")  # TS carries these codecs, best first: browsers do not play the Dolby ones.
PLAYABLE = ("aac", "mp3")  # Every browser decodes these codecs.
FMP4_TOO = ("opus", "flac", "alac")  # fMP4 carries these codecs too.
AAC_OBJECTS = frozenset({1, 2, 5, 29})  # ADTS can signal or imply these: Main, LC, HE and HE v2.
ADTS = (1, 2, 3, 4, 5, 6, None)  # TS may have these channelConfigurations; seven is ambiguous.
SHORT_FRAME = 960  # Frames of broadcast AAC have this many samples.
OUTPUT_RATES = (44100, 48000)


def choose_sounds(tracks: list[MediaTrack], recipe: Recipe) -> list[MediaTrack]:
    """The audio tracks for renditions, the default one first.

    Unusable tracks are left out while there are others. Copied tracks must share a codec, since players cannot switch
    between codecs: the best codec is taken.
    """
    usable = [track for track in tracks if not track.is_video][:MAX_SOUNDS]
    usable.sort(key=lambda track: (not track.is_default, track.number))
    usable = [track for track in usable if not flaw(track)] or usable
    if recipe.profile is Profile.SOURCE and usable:
        codec = min((track.codec for track in usable), key=lambda codec: _rank(codec, recipe.format))
        usable = [track for track in usable if track.codec == codec]
    if recipe.audio_language and usable:
        usable = [_spoken(usable, recipe.audio_language)]
    return usable


def flaw(track: MediaTrack) -> str | None:
    """Why an audio track is unusable in any profile; None when it is usable."""
    if _rate(track) <= 0 or _channels(track) <= 0:
        return "does not say its sample rate or channels"
    return None if _decodable(track) else f"{track.codec.upper()} is not decoded here"


def _rate(track: MediaTrack) -> int:
    return int(track.template.codec_context.sample_rate or 0)


def _channels(track: MediaTrack) -> int:
    layout = track.template.codec_context.layout
    return int(layout.nb_channels) if layout else 0


def _decodable(track: MediaTrack) -> bool:
    return decoders.is_decoded(track.codec)


def _spoken(tracks: list[MediaTrack], language: str) -> MediaTrack:
    """The track in a language, else in a more general one (RFC 4647 section 3.4), else the default track."""
    parts = language.split("-")
    tags = ["-".join(parts[:count]) for count in range(len(parts), 0, -1)]
    matching = (track for tag in tags for track in tracks if languages.matches(tag, track.language))
    return next(matching, tracks[0])


def _rank(codec: str, fmt: Format) -> int:
    order = COPYABLE + FMP4_TOO if fmt is Format.FMP4 else COPYABLE
    return order.index(codec) if codec in order else len(order)


def plan_audio(track: MediaTrack, recipe: Recipe, *, gaps: bool, parts: int = 1) -> AudioTrack:
    """Plans an audio track. `gaps`: it starts late, has holes, or segments without sound. `parts`: how many parts of
    its media an edit list joins.

    Raises NotRemuxable when it cannot be copied and the profile is `source`, UnsupportedCodec, NotAVideo.
    """
    rate, channels = _rate(track), _channels(track)
    if rate <= 0 or channels <= 0:
        raise NotAVideo("The audio track does not say its sample rate or channels.")
    obstacle = audio_obstacle(track, channels, rate, recipe)
    if gaps:
        obstacle = "Its sound has holes, begins late or ends early, and silence must be put there."
    if parts > 1:
        obstacle = f"Its edit list joins {parts} parts of the sound."
        if recipe.profile is Profile.SOURCE:
            raise UnsupportedEdits(obstacle)
    if recipe.profile is Profile.SOURCE and obstacle:
        raise NotRemuxable(obstacle)
    if not obstacle:
        return AudioTrack(
            track=track.number, codec=track.codec, action="copy", reason=f"{track.codec.upper()} that players take",
            codecs=codec_string(track.codec, track.configuration) or "", sample_rate=rate, channels=channels,
        )  # fmt: skip
    if not _decodable(track):
        raise UnsupportedCodec(f"Its audio is {track.codec.upper()}, which is not decoded here.")
    return AudioTrack(
        track=track.number,
        codec="aac",
        action="encode",
        reason=obstacle,
        codecs="mp4a.40.2",
        sample_rate=rate if rate in OUTPUT_RATES else OUTPUT_RATES[-1],
        channels=2,
        bitrate=recipe.audio_bitrate,
    )


def audio_obstacle(track: MediaTrack, channels: int, rate: int, recipe: Recipe) -> str | None:
    """Why the audio cannot be copied; None when it can. Encoding profiles are stricter: every browser must play it."""
    if recipe.recoded:
        return RECODED
    description = f"{track.codec.upper()}, {channels} channels, {rate} Hz"
    if (
        track.codec == "aac"
        and aac_frame_length(track.configuration) == SHORT_FRAME
        and not (recipe.profile is Profile.SOURCE and recipe.format is Format.FMP4)
    ):
        return f"It is {description}, of {SHORT_FRAME} samples a frame, which TS cannot say and few players decode."
    if recipe.profile is Profile.H264:
        plain = track.codec == "aac" and aac_object_type(track.configuration) == AAC_LC
        return None if plain and channels <= 2 and 16_000 <= rate <= 48_000 else f"It is {description}."
    if track.codec == "aac" and aac_object_type(track.configuration) not in (*AAC_OBJECTS, None):
        return f"Its audio is {description} of a kind that TS segments cannot name."
    if (
        track.codec == "aac"
        and recipe.format is Format.TS
        and aac_channel_configuration(track.configuration) not in ADTS
    ):
        return f"It is {description}: TS segments have no word for its layout."
    if recipe.profile.chooses:
        return None if track.codec in PLAYABLE else f"It is {description}, which browsers do not play."
    if _rank(track.codec, recipe.format) >= len(COPYABLE + (FMP4_TOO if recipe.format is Format.FMP4 else ())):
        return f"Its audio is {track.codec.upper()}, which these segments cannot carry to browsers."
    return None
