"""What comes of each kind of source is played to its end by every player: without a complaint, upright and in sync."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.e2e import scenes
from tests.e2e.browser import PLAYERS, play_at_once
from tests.integration.system import Stack
from tests.media import MediaFolder, Recipe

RATE = 2  # times as fast as it is: what is measured is where things lie in the media, not when they come
ROUNDING = 0.002  # seconds: players count in milliseconds
START = 0.25  # seconds: hls.js and Shaka count from where the first picture is decoded, and step over to where it shows
STEPS = ("bufferSeekOverHole", "gapjumped")

Report = dict[str, Any]
Played = Callable[[Stack, str, str], Report]

pytestmark = pytest.mark.browser


@dataclass(frozen=True, slots=True)
class Outcome:
    """A source, how it is asked for, and what is to be seen and heard of it."""

    recipe: Recipe
    reencode: bool = False
    query: tuple[tuple[str, str], ...] = ()
    frame: Fraction = Fraction(1, 25)  # seconds between two pictures, the most
    marks: tuple[int, ...] = scenes.MARKS
    is_shown: bool = True  # it has a picture
    languages: tuple[str, ...] = ()  # of the audio tracks among which a viewer can choose
    cues: tuple[str, ...] = ()  # subtitles, in the order in which they are shown
    players: tuple[str, ...] = tuple(PLAYERS)


FMP4 = (("format", "fmp4"),)
OUTCOMES = {
    "copied": Outcome(scenes.PLAIN),
    "fragmented": Outcome(scenes.FRAGMENTED),
    "audio-only": Outcome(scenes.AUDIO_ONLY, is_shown=False),
    "late-audio": Outcome(scenes.LATE_AUDIO, marks=scenes.LATE_MARKS),
    "late-audio-encoded": Outcome(scenes.LATE_AUDIO, reencode=True, marks=scenes.LATE_MARKS),
    "ntsc": Outcome(scenes.NTSC, frame=Fraction(1001, 30000)),
    "open-gop": Outcome(scenes.OPEN_GOP),
    "rotated": Outcome(scenes.ROTATED, reencode=True),
    "vp9": Outcome(scenes.VP9, reencode=True),
    "hlg": Outcome(scenes.HLG, reencode=True),
    "pq": Outcome(scenes.PQ, reencode=True),
    "surround": Outcome(scenes.SURROUND, reencode=True),
    "vfr": Outcome(scenes.VARIABLE_RATE, reencode=True),
    "interlaced": Outcome(scenes.INTERLACED, reencode=True),
    "languages": Outcome(scenes.TWO_LANGUAGES, languages=("en", "de")),
    "subtitles": Outcome(scenes.SUBTITLED, cues=scenes.CUES),
    "fmp4": Outcome(scenes.PLAIN, query=FMP4),
    "fmp4-late-audio": Outcome(scenes.LATE_AUDIO, query=FMP4, marks=scenes.LATE_MARKS),
}
# In fragments Shaka is in sync; it plays the other outcomes in them too.
OUTCOMES |= {
    f"fmp4-{name}": replace(OUTCOMES[name], query=FMP4, players=("shaka-player",))
    for name in ("fragmented", "ntsc", "rotated", "vp9", "hlg", "surround", "vfr", "interlaced", "languages")
}


EARLY_SOUND = "Shaka lets the sound of TS begin where the first picture is decoded, not where it is shown"
NO_CUES = "Shaka shows no cue of a subtitle rendition beside TS segments"
APPENDED_TWICE = "hls.js appends the first sound twice, and says that the second time brought nothing"
FAULTS = {  # a claim, an outcome, a player: why it does not hold
    **{
        ("sync", name, "shaka-player"): EARLY_SOUND
        for name, outcome in OUTCOMES.items()
        if not outcome.query and name != "vfr"
    },
    ("played", "subtitles", "shaka-player"): NO_CUES,
    ("played", "languages", "hls.js"): APPENDED_TWICE,
}


def cases(claim: str) -> Any:
    """Every outcome with every player, as far as the claim concerns it."""
    return pytest.mark.parametrize(
        ("name", "player"),
        [
            pytest.param(name, player, id=f"{name}-{player}", marks=[*marks(claim, name, player), together(name)])
            for name, outcome in OUTCOMES.items()
            for player in outcome.players
            if outcome.is_shown or claim == "played"
        ],
    )


def together(name: str) -> pytest.MarkDecorator:
    """One process makes all claims of an outcome: it is converted and played once."""
    return pytest.mark.xdist_group(f"outcome {name}")


def marks(claim: str, name: str, player: str) -> list[pytest.MarkDecorator]:
    fault = FAULTS.get((claim, name, player))
    return [pytest.mark.xfail(reason=fault)] if fault else []


@pytest.fixture(scope="module")
def played(media: MediaFolder, browser: Browser, players: Path, tmp_path_factory: pytest.TempPathFactory) -> Played:
    """What a player says of an outcome. All players play it at once when it is first asked for."""
    known: dict[tuple[str, str], Report] = {}
    folder = uuid.uuid4().hex[:10]

    def ask(stack: Stack, name: str, player: str) -> Report:
        if (name, player) not in known:
            url, scratch = live(stack, name), tmp_path_factory.mktemp(name)
            asked, seen = OUTCOMES[name].players, json.dumps(sights(OUTCOMES[name]))
            reports = play_at_once(browser, url, scratch, players, asked, limit=30, rate=RATE, sights=seen)
            known.update({(name, player): report for player, report in reports.items()})
        return known[name, player]

    def live(stack: Stack, name: str) -> str:
        outcome = OUTCOMES[name]
        key = stack.put(f"{folder}/{outcome.recipe.name}", media.path(outcome.recipe))
        profile = "h264" if outcome.reencode else "auto"
        stack.convert(key, profile=profile, **dict(outcome.query))
        return stack.stream_url(key, profile=profile, **dict(outcome.query))

    return ask


def sights(outcome: Outcome) -> list[tuple[float, float]]:
    """Each second, and each mark but for its edges."""
    edge = 2 * float(outcome.frame)
    marks = [(mark + edge, mark + scenes.MARK_SECONDS - edge) for mark in outcome.marks]
    return [*((second, second + 1) for second in range(scenes.SECONDS)), *marks] if outcome.is_shown else []


@cases("played")
def test_an_outcome_is_played_to_its_end(one_stack: Stack, played: Played, name: str, player: str) -> None:
    report, outcome = played(one_stack, name, player), OUTCOMES[name]
    assert "failed" not in report, report
    assert [error for error in report["errors"] if not is_harmless(error)] == []
    assert abs(report["duration"] - scenes.SECONDS) < 0.1
    assert abs(report["end"] - report["duration"]) < 0.1
    assert len(report["buffered"]) == 1  # no gap
    if outcome.languages:
        assert tuple(track["language"][:2] for track in report["tracks"]["audio"]) == outcome.languages
    assert tuple(cue["text"] for cue in report["cues"]) == outcome.cues


def is_harmless(error: dict[str, Any]) -> bool:
    return not error["fatal"] and error["at"] < START and any(step in error["details"] for step in STEPS)


@cases("shown")
def test_an_outcome_is_shown_upright_from_beginning_to_end(
    one_stack: Stack, played: Played, name: str, player: str
) -> None:
    report = played(one_stack, name, player)
    assert (report["width"], report["height"]) == scenes.SIZE
    assert [moment for moment, colours in report["frames"] if not scenes.is_upright(colours)] == []
    assert {int(moment) for moment, _ in report["frames"]} >= set(range(scenes.SECONDS))  # no second without a picture


@cases("sync")
def test_an_outcome_is_in_sync_at_its_beginning_and_at_its_end(
    one_stack: Stack, played: Played, name: str, player: str
) -> None:
    """Within one picture. The flashes are those that the browser showed, the tones those it was given to decode."""
    report, outcome = played(one_stack, name, player), OUTCOMES[name]
    tones = [float(tone) for tone in scenes.beeps(report["appended"])]
    assert [round(tone) for tone in tones] == list(outcome.marks)
    white = scenes.shown(report["frames"])
    frame = float(outcome.frame)
    for tone in tones:
        until = tone + scenes.MARK_SECONDS
        # A picture is seen until the next comes: a dark one here, and the flash begins a picture after the tone.
        must = {at: is_white for at, is_white in white.items() if tone + ROUNDING < at < until - 2 * frame}
        assert must, "no picture was shown at this mark"
        assert all(must.values()), (tone, must)
    flashes = [at for at, is_white in white.items() if is_white]
    lasts = [(tone - frame - ROUNDING, tone + scenes.MARK_SECONDS + ROUNDING) for tone in tones]
    assert [at for at in flashes if not any(first < at < last for first, last in lasts)] == [], tones
