"""Recipes: their part of a revision's identity, and what satisfies a request."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from mam.hls.recipe import Format, Profile, Recipe, Wanted, kind_of, profile_and_format, satisfies
from mam.naming import Asset, revision_id
from mam.rung_table import Rung
from mam.settings import WorkerSettings
from tests.recipes import recipe_of

OTHER: dict[str, Any] = {
    "segment_seconds": 4, "crf": 20, "preset": "fast", "audio_bitrate": 96_000, "max_key_frame_seconds": 10,
}  # fmt: skip


@pytest.mark.parametrize(
    ("recipe", "identity", "revision"),
    [
        (recipe_of(Profile.SOURCE), "source:ts::segment=6:keys=20", "fd04b383687a"),
        (
            recipe_of(Profile.AUTO),
            "auto:ts::segment=6:keys=20:crf=23:preset=veryfast:audio=128000",
            "c116d8a8f8a2",
        ),
        (recipe_of(Profile.H264), "h264:ts::segment=6:crf=23:preset=veryfast:audio=128000", "303c22a0d439"),
        (
            recipe_of(Profile.AUTO, Format.FMP4),
            "auto:fmp4::segment=6:keys=20:crf=23:preset=veryfast:audio=128000",
            "5fbd3acf2858",
        ),
        (
            recipe_of(Profile.H264, Format.FMP4, audio_language="de"),
            "h264:fmp4:de:segment=6:crf=23:preset=veryfast:audio=128000",
            "701a39f2bd33",
        ),
        (recipe_of(Profile.SOURCE, Format.FMP4), "source:fmp4::segment=6:keys=20", "f2cc1ca7424f"),
        (recipe_of(Profile.SOURCE, **OTHER), "source:ts::segment=4:keys=10", "8371f301f433"),
        (recipe_of(Profile.H264, **OTHER), "h264:ts::segment=4:crf=20:preset=fast:audio=96000", "b8f066dda90f"),
        (
            recipe_of(Profile.AUTO, audio_language="en", recoded=True, **OTHER),
            "auto:ts:en:segment=4:keys=10:crf=20:preset=fast:audio=96000:recoded",
            "8c62e4d79ad0",
        ),
    ],
)
def test_revisions_keep_the_ids_that_they_always_had(recipe: Recipe, identity: str, revision: str) -> None:
    """Else everything would be converted again."""
    assert recipe.identity() == identity
    assert revision_id(Asset("films", "a/b.mp4"), version="v1", profile=identity, planner=4) == revision


def test_a_request_and_the_settings_make_a_recipe() -> None:
    settings = WorkerSettings.model_construct(
        segment_seconds=4, max_key_frame_seconds=10, h264_preset="fast", h264_crf=20, audio_bitrate=96_000
    )
    wanted = Wanted(Profile.H264, Format.FMP4, "de", recoded=True)
    recipe = wanted.recipe(settings)
    assert recipe == Recipe(
        profile=Profile.H264, format=Format.FMP4, audio_language="de", recoded=True, segment_seconds=4,
        max_key_frame_seconds=10, preset="fast", crf=20, audio_bitrate=96_000,
    )  # fmt: skip
    assert (recipe.wanted, recipe.kind) == (wanted, "h264.fmp4")


@pytest.mark.parametrize("field", [field.name for field in fields(Recipe)])
def test_whatever_changes_the_outcome_changes_the_identity(field: str) -> None:
    recipe = recipe_of(Profile.LADDER if field == "rungs" else Profile.AUTO)
    other = {
        "rungs": (Rung(240, 400_000),),
        **OTHER,
        "profile": Profile.H264,
        "format": Format.FMP4,
        "audio_language": "de",
        "recoded": True,
    }
    assert recipe.identity() != replace(recipe, **{field: other[field]}).identity()


def test_what_copies_nothing_alone_stands_in_where_a_copy_cannot_be_decoded() -> None:
    copying = recipe_of(Profile.AUTO)
    assert copying in copying.alternatives()
    assert {each.profile for each in copying.alternatives()} == set(Profile)
    assert all(
        each.recoded or each.profile is Profile.H264 for each in recipe_of(Profile.AUTO, recoded=True).alternatives()
    )


def test_a_kind_is_a_profile_and_a_format() -> None:
    assert [kind_of(Profile.AUTO, fmt) for fmt in Format] == ["auto", "auto.fmp4"]
    for profile in Profile:
        for fmt in [Format.FMP4] if profile is Profile.LADDER else Format:
            assert profile_and_format(kind_of(profile, fmt)) == (profile, fmt)


@pytest.mark.parametrize(
    ("kinds", "kind", "satisfied"),
    [
        ("auto source", "source", True),
        ("auto source", "h264", False),
        ("auto.fmp4", "auto", False),
        ("", "h264", True),
        ("auto", "", True),
    ],
)
def test_a_request_is_satisfied_by_its_kind(kinds: str, kind: str, satisfied: bool) -> None:
    assert satisfied == satisfies(kinds, kind)
