"""Facts by hand: each rule of segments speaks up for wrong ones, and is silent about right ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

import pytest

from mam.check.fmp4 import Fragment, InitFacts, InitTrack
from mam.check.media import SegmentFacts, TrackFacts
from mam.check.report import Finding
from mam.check.rules import chain_rules, completed, extinf_rules, init_rules, lone_rules, offset
from mam.check.ts import Counter, TsFacts

FRAME = Fraction(1, 25)
SOUND = Fraction(1024, 48_000)
TS = TsFacts(True, 1, True, 0, {256: Counter(0, 5, True), 257: Counter(0, 9, True)})


def seconds(value: float | str | Fraction) -> Fraction:
    return Fraction(str(value)) if not isinstance(value, Fraction) else value


def video(start: Fraction, end: Fraction, **more: object) -> TrackFacts:
    count = int((end - start) / FRAME)
    facts = TrackFacts("video", "avc1.64001F", start, end, count, FRAME, FRAME, width=640, height=360, idr=True)
    return replace(facts, **more)  # type: ignore[arg-type]


def audio(start: Fraction, end: Fraction, **more: object) -> TrackFacts:
    facts = TrackFacts("audio", "mp4a.40.2", start, end, int((end - start) / SOUND), SOUND, SOUND)
    return replace(facts, **more)  # type: ignore[arg-type]


def segment(number: int, *, start: object = None, length: object = 6, **more: object) -> SegmentFacts:
    """Six seconds of both, at 10 s and on; the fields named differ."""
    begin = Fraction(10 + 6 * number) if start is None else seconds(str(start))
    end = begin + seconds(str(length))
    facts = SegmentFacts(
        number, Fraction(6 * number), Fraction(6), 1000, "ts", (video(begin, end), audio(begin, end)), 1, TS
    )
    return replace(facts, **more)  # type: ignore[arg-type]


def changed(facts: SegmentFacts, kind: str, **more: object) -> SegmentFacts:
    """The segment with other facts of one of its tracks."""
    tracks = [replace(track, **more) if track.kind == kind else track for track in facts.tracks]  # type: ignore[arg-type]
    return replace(facts, tracks=tuple(tracks))


def names(findings: Iterable[Finding]) -> list[str]:
    return [finding.rule for finding in findings]


RIGHT = [segment(number) for number in range(4)]


def test_right_segments_break_nothing() -> None:
    assert names(chain_rules(RIGHT, "x")) == names(extinf_rules(RIGHT, "x")) == []
    assert [names(lone_rules(each, "x")) for each in RIGHT] == [[]] * 4


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        (segment(0, size=0), "empty"),
        (segment(0, tracks=()), "empty"),
        (segment(0, container="", tracks=()), "container"),
        (segment(0, container="packed"), "container"),
        (segment(0, trouble="It cannot be opened."), "decode"),
        (segment(0, audios=2), "one-audio"),
        (changed(segment(0), "video", damaged=1), "decode"),
        (changed(segment(0), "video", key=False), "key-frame"),
        (changed(segment(0), "video", idr=False), "key-frame"),
        (changed(segment(0), "video", strays=1), "parameter-sets"),
        (changed(segment(0), "audio", overlap=3 * SOUND), "overlap"),
        (changed(segment(0), "audio", hole=3 * SOUND), "audio-gap"),
        (changed(segment(0), "video", codec="hvc1.1.6.L93.B0"), "hevc-in-ts"),
        (segment(0, ts=replace(TS, whole=False)), "ts-packets"),
        (segment(0, ts=replace(TS, programs=2)), "ts-program"),
        (segment(0, ts=replace(TS, tables_first=False)), "ts-tables"),
        (segment(0, ts=replace(TS, jumps=1)), "ts-counter"),
        (segment(0, fragments={1: Fragment(None, 0, True, 0, ())}), "fragment"),
        (segment(0, fragments={1: Fragment(0, 0, False, 0, ())}), "fragment"),
        (segment(0, fragments={1: Fragment(0, 0, True, 2, ())}), "tfdt"),
    ],
)
def test_each_rule_of_one_segment_speaks_up(facts: SegmentFacts, rule: str) -> None:
    assert names(lone_rules(facts, "x")) == [rule]


def test_a_codec_without_idr_pictures_may_begin_with_any_key_frame() -> None:
    assert names(lone_rules(changed(segment(0), "video", idr=None), "x")) == []


@pytest.mark.parametrize(
    ("kind", "more", "rule"),
    [
        ("video", {"first": Fraction("16.1")}, "video-gap"),
        ("video", {"first": Fraction("15.9")}, "overlap"),
        ("audio", {"first": 16 + 3 * SOUND}, "audio-gap"),
        ("audio", {"first": 16 - 3 * SOUND}, "overlap"),
        ("video", {"width": 320}, "format-change"),
        ("video", {"codec": "avc1.640028"}, "format-change"),
        ("audio", {"codec": "ac-3"}, "format-change"),
    ],
)
def test_a_track_that_does_not_go_on_is_found(kind: str, more: dict[str, object], rule: str) -> None:
    second = changed(segment(1), kind, **more)
    assert names(chain_rules([segment(0), second], "x")) == [rule]
    assert names(chain_rules([segment(0), replace(second, boundary=True)], "x")) == []


@pytest.mark.parametrize(("kind", "frame"), [("video", FRAME), ("audio", SOUND)])
def test_a_frame_lost_or_sent_twice_at_a_seam_is_found_and_less_is_allowed(kind: str, frame: Fraction) -> None:
    def found(jump: Fraction) -> list[str]:
        return names(chain_rules([segment(0), changed(segment(1), kind, first=16 + jump)], "x"))

    assert (found(frame), found(-frame)) == ([f"{kind}-gap"], ["overlap"])
    assert found(frame / 2) == found(-frame / 2) == []


def test_where_the_frame_rate_varies_a_frame_is_the_longest() -> None:
    slow = [changed(each, "video", longest=3 * FRAME) for each in RIGHT[:2]]
    assert names(chain_rules([slow[0], changed(slow[1], "video", first=16 + 2 * FRAME)], "x")) == []


def test_a_track_may_begin_late_and_end_early_and_not_pause() -> None:
    silent = [replace(each, tracks=each.tracks[:1], audios=0) for each in RIGHT]
    assert names(chain_rules([silent[0], *RIGHT[1:3], silent[3]], "x")) == []
    assert names(chain_rules([RIGHT[0], silent[1], RIGHT[2]], "x")) == ["audio-gap"]


def test_counters_that_start_anew_must_be_flagged() -> None:
    plain = {256: Counter(5, 3, False), 257: Counter(0, 9, True)}
    assert names(chain_rules([segment(0), segment(1, ts=replace(TS, counters=plain))], "x")) == []
    plain[256] = Counter(6, 3, False)
    assert names(chain_rules([segment(0), segment(1, ts=replace(TS, counters=plain))], "x")) == ["ts-counter"]
    assert names(chain_rules([segment(0), segment(2, ts=replace(TS, counters=plain))], "x")) == []


def test_tfdt_continues_where_the_last_fragment_ended() -> None:
    def part(tfdt: int) -> SegmentFacts:
        number = tfdt // 6000
        return segment(number, ts=None, fragments={1: Fragment(tfdt, tfdt + 6000, True, 0, ())})

    assert names(chain_rules([part(0), part(6000)], "x")) == []
    assert names(chain_rules([part(0), part(6002)], "x")) == ["tfdt"]


def test_an_extinf_that_is_wrong_by_more_than_a_frame_is_found() -> None:
    wrong = [
        replace(RIGHT[1], duration=Fraction("6.1")),
        *(replace(e, listed=e.listed + Fraction(1, 10)) for e in RIGHT[2:]),
    ]
    found = list(extinf_rules([RIGHT[0], *wrong], "x"))
    assert [(finding.rule, finding.where) for finding in found] == [("extinf", "x segment 1")]


def test_the_last_extinf_is_measured_by_the_end_of_its_media() -> None:
    last = replace(RIGHT[3], duration=Fraction(5))
    assert [finding.where for finding in extinf_rules([*RIGHT[:3], last], "x")] == ["x segment 3"]


def test_a_drift_too_small_to_see_in_one_segment_is_seen_in_a_run() -> None:
    step = Fraction(1, 50)  # half a frame in each
    slow = [replace(each, listed=each.listed + each.number * step, duration=6 + step) for each in RIGHT]
    found = list(extinf_rules(slow, "x"))
    assert [(finding.rule, finding.where) for finding in found] == [("extinf", "x")]
    assert names(extinf_rules(slow[:2], "x")) == []


def test_a_run_ends_at_a_discontinuity() -> None:
    jumped = [RIGHT[0], RIGHT[1], segment(2, start=100, boundary=True), segment(3, start=106)]
    assert names(extinf_rules(jumped, "x")) == []
    assert names(extinf_rules([replace(each, boundary=False) for each in jumped], "x")) == ["extinf"]


def test_sampled_segments_are_measured_by_themselves_and_against_each_other() -> None:
    assert names(extinf_rules([RIGHT[0], RIGHT[3]], "x")) == []
    assert names(extinf_rules([RIGHT[0], segment(3, start=29)], "x")) == ["extinf"]


def test_only_a_rendition_beside_the_video_may_begin_late_and_end_early() -> None:
    late = replace(RIGHT[0], tracks=(audio(Fraction(13), Fraction(16)),))
    sounds = [replace(each, tracks=each.tracks[1:]) for each in RIGHT[1:3]]
    early = replace(RIGHT[3], tracks=(audio(Fraction(28), Fraction(30)),))
    run = [late, *sounds, early]
    assert names(extinf_rules(run, "x", alternate=True)) == []
    assert names(extinf_rules(run, "x")) == ["extinf", "extinf"]


def test_a_rendition_with_too_much_is_found() -> None:
    much = replace(RIGHT[0], tracks=(audio(Fraction(9), Fraction(16)),))
    rest = [replace(each, tracks=each.tracks[1:]) for each in RIGHT[1:]]
    assert names(extinf_rules([much, *rest], "x", alternate=True)) == ["extinf"]


def test_sound_first_opens_the_stream_and_pictures_divide_it() -> None:
    opening = replace(RIGHT[0], tracks=(video(Fraction(12), Fraction(16)), audio(Fraction(10), Fraction(16))))
    second = replace(RIGHT[1], tracks=(video(Fraction(16), Fraction(22)), audio(16 - SOUND / 2, Fraction(22))))
    assert names(extinf_rules([opening, second], "x")) == []


def test_where_a_playlist_starts_is_told_by_its_later_segments() -> None:
    assert offset(RIGHT) == 10
    assert offset([replace(RIGHT[0], tracks=(audio(Fraction(13), Fraction(16)),)), *RIGHT[1:]]) == 10
    assert offset([]) is None


def test_a_single_picture_lasts_as_long_as_others_do() -> None:
    single = video(28 - FRAME, 28 - FRAME, frame=Fraction(0), longest=Fraction(0), frames=1)
    opening = replace(RIGHT[0], tracks=(replace(single, first=16 - FRAME, end=16 - FRAME), RIGHT[0].tracks[1]))
    assert names(chain_rules([opening, RIGHT[1]], "x")) == ["video-gap"]
    assert names(chain_rules(completed([opening, RIGHT[1]]), "x")) == []
    assert completed([replace(RIGHT[0], tracks=(single,))])[0].tracks == (single,)


GOOD_INIT = InitFacts(("iso6", "mp41"), {1: InitTrack(1, "video", 90_000)}, True, False, 0)


@pytest.mark.parametrize(
    "more", [{"brands": ("isom",)}, {"tracks": {}}, {"extended": False}, {"samples": 5}, {"timed": True}]
)
def test_each_rule_of_an_initialization_section_speaks_up(more: dict[str, object]) -> None:
    assert names(init_rules(GOOD_INIT, "x")) == []
    assert names(init_rules(replace(GOOD_INIT, **more), "x")) == ["init"]  # type: ignore[arg-type]
