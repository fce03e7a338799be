"""Subtitles beside a source: names of their own, and what happens when they are gone while it is converted."""

from __future__ import annotations

import pytest

from mam.errors import SourceChanged
from mam.hls import webvtt
from mam.hls.plan import Plan, Sidecar
from mam.hls.recipe import Profile
from mam.media.planning import make_plan
from mam.media.source import MediaSource
from mam.media.subtitles import Subtitles
from tests.recipes import recipe_of
from tests.unit.films import source_of
from tests.unit.media.test_planning import frames, media_of

CUES = b"WEBVTT\n\n00:01.000 --> 00:02.000\nhello\n"
KEYS = ("a.srt", "a.en.srt", "a.mp4.en.srt")


def planned() -> tuple[MediaSource, Plan]:
    """With three files beside it, two of them in English."""
    media = media_of(frames(10))
    media.cues = {key: webvtt.parse(CUES) for key in KEYS}
    sidecars = tuple(Sidecar(key=key, version="1", size=9, language="en" if "en" in key else "") for key in KEYS)
    source = source_of(b"").model_copy(update={"sidecars": sidecars})
    recipe = recipe_of(Profile.SOURCE)
    return media, make_plan(media, source, recipe, video="film", revision="0" * 12, stored=False)


def test_names_differ_within_the_group() -> None:
    _, plan = planned()
    assert [rendition.title for rendition in plan.renditions[1:]] == ["Subtitles", "English", "English 2"]


def test_a_segment_has_its_cues_in_every_rendition() -> None:
    media, plan = planned()
    made = Subtitles(media, plan).segment(0)
    assert list(made) == [f"subtitles-{number}/00000.vtt" for number in range(3)]
    assert all(b"hello" in bytes(text) for text in made.values())


def test_subtitles_that_are_gone_meanwhile_are_a_changed_source() -> None:
    media, plan = planned()
    del media.cues["a.en.srt"]
    with pytest.raises(SourceChanged, match=r"a\.en\.srt"):
        Subtitles(media, plan).segment(0)
