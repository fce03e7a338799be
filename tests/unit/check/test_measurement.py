"""A media playlist is measured by its segments: what all of them say is kept once."""

from __future__ import annotations

from fractions import Fraction

from mam.check.measurement import Media, frame_duration, measurement
from mam.check.media import SegmentFacts, TrackFacts
from mam.check.syntax import MediaPlaylist, Segment

FRAME, SOUND = Fraction(1, 25), Fraction(1024, 48_000)


def facts(number: int, *tracks: TrackFacts, trouble: str = "") -> SegmentFacts:
    return SegmentFacts(number, Fraction(6 * number), Fraction(6), 6000, "mp4", tracks, trouble=trouble)


def video(number: int, **more: object) -> TrackFacts:
    start = Fraction(10 + 6 * number)
    values = {"width": 720, "height": 576, "shown": (1024, 576), "rate": Fraction(25), "video_range": "SDR", **more}
    return TrackFacts("video", "avc1.64001F", start, start + 6, 150, FRAME, **values)  # type: ignore[arg-type]


def audio(number: int, channels: int) -> TrackFacts:
    start = Fraction(10 + 6 * number)
    return TrackFacts("audio", "mp4a.40.2", start, start + 6, 281, SOUND, channels=channels)


def measured(*segments: SegmentFacts, complete: bool = True) -> Media:
    listed = tuple(Segment(f"{number}.m4s", Fraction(6), discontinuity=number == 2) for number in range(4))
    return Media("x", MediaPlaylist(6, listed, discontinuity_sequence=4), list(segments), complete=complete)


def test_segments_begin_with_their_first_pictures() -> None:
    media = measured(
        facts(0, video(0)), facts(1, audio(1, 2)), facts(2, trouble="It cannot be opened."), facts(3, video(3))
    )
    assert measurement(media).starts == {0: Fraction(10), 1: None, 3: Fraction(28)}


def test_discontinuities_lie_where_the_playlist_has_them() -> None:
    facts_of_all = measurement(measured(facts(0, video(0))))
    assert (facts_of_all.discontinuities, facts_of_all.sequence) == ((Fraction(12),), 4)
    assert facts_of_all.ends == tuple(map(Fraction, (6, 12, 18, 24)))


def test_what_all_segments_say_is_kept_once() -> None:
    media = measured(
        facts(0, video(0), audio(0, 2)), facts(1, video(1, captioned=True), audio(1, 6)), facts(2, video(2))
    )
    found = measurement(media)
    assert (found.codecs, found.rates) == (("avc1.64001F", "mp4a.40.2"), (Fraction(25),))
    assert (found.shown, found.sizes) == (((1024, 576),), ((1024, 576), (720, 576)))
    assert (found.ranges, found.channels, found.captioned) == (("SDR",), (2, 6), True)
    assert (found.has_video, found.usual_rate, found.presentation.average) == (True, Fraction(25), 8000)


def test_a_range_that_nothing_says_is_not_kept() -> None:
    assert measurement(measured(facts(0, video(0, video_range="")))).ranges == ()
    assert not measurement(measured(facts(0, audio(0, 2)))).captioned


def test_rates_of_some_segments_say_nothing() -> None:
    assert measurement(measured(facts(0, video(0)), complete=False)).presentation.average == 0


def test_a_frame_is_that_of_the_picture_or_else_of_the_sound() -> None:
    assert frame_duration([facts(0, video(0), audio(0, 2))]) == FRAME
    assert frame_duration([facts(0, audio(0, 2))]) == SOUND
    assert frame_duration([]) == 0
