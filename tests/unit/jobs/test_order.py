"""Orders as they lie in Redis, in Celery's messages and in the bucket: versions read each other's."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from mam.errors import InvalidPlan
from mam.hls.recipe import Format, Profile, Recipe
from mam.jobs.order import Order

# As it was written before recipes had a name.
WRITTEN = (
    '{"job": "0123456789ab", "epoch": 3, "video": "a/b", "bucket": "films", "key": "a/b.mp4", "version": "v1",'
    ' "etag": "e", "size": 7, "profile": "auto", "segment_seconds": 4, "preset": "fast", "crf": 20,'
    ' "audio_bitrate": 96000, "format": "fmp4", "audio_language": "de", "max_key_frame_seconds": 10,'
    ' "sidecars": [{"key": "a/b.de.srt", "version": "1", "size": 1, "language": "de", "forced": false,'
    ' "hearing_impaired": false}], "viewer": true, "keyed_at": 1.5, "callback": "https://example.org/x",'
    ' "recoded": true}'
)
ORDER = Order(
    job="0123456789ab",
    epoch=3,
    video="a/b",
    bucket="films",
    key="a/b.mp4",
    version="v1",
    etag="e",
    size=7,
    recipe=Recipe(
        profile=Profile.AUTO,
        format=Format.FMP4,
        audio_language="de",
        recoded=True,
        segment_seconds=4,
        max_key_frame_seconds=10,
        preset="fast",
        crf=20,
        audio_bitrate=96_000,
    ),
    sidecars=(
        {
            "key": "a/b.de.srt",
            "version": "1",
            "size": 1,
            "language": "de",
            "forced": False,
            "hearing_impaired": False,
        },
    ),
    viewer=True,
    keyed_at=1.5,
    callback="https://example.org/x",
)


def test_an_order_of_the_version_before_is_read() -> None:
    assert Order.from_json(WRITTEN) == ORDER
    assert Order.from_json(WRITTEN.encode()) == ORDER
    assert Order.of(json.loads(WRITTEN)) == ORDER


def test_the_version_before_reads_an_order() -> None:
    """It takes the same names with plain values, nothing that it needs is missing, and it leaves out what is new."""
    new = {"request": ""}
    assert json.loads(ORDER.to_json()) == json.loads(WRITTEN) | new
    assert json.loads(json.dumps(ORDER.to_dict())) == json.loads(WRITTEN) | new


def test_what_the_eldest_orders_do_not_say_is_as_it_was_then() -> None:
    later = ("format", "audio_language", "max_key_frame_seconds", "sidecars", "viewer", "keyed_at", "callback")
    found = {name: value for name, value in json.loads(WRITTEN).items() if name not in (*later, "recoded")}
    recipe = replace(ORDER.recipe, format=Format.TS, audio_language="", max_key_frame_seconds=20, recoded=False)
    assert Order.of(found) == replace(ORDER, recipe=recipe, sidecars=(), viewer=False, keyed_at=0, callback="")


@pytest.mark.parametrize("missing", ["profile", "segment_seconds", "preset", "crf", "audio_bitrate"])
def test_an_order_without_its_recipe_cannot_be_read(missing: str) -> None:
    found = {name: value for name, value in json.loads(WRITTEN).items() if name != missing}
    with pytest.raises(InvalidPlan):
        Order.of(found)


@pytest.mark.parametrize("text", ["", "[]", "null", "1", b"\xff", '{"job": 1}', WRITTEN.replace("auto", "av1")])
def test_what_is_no_order_cannot_be_read(text: str | bytes) -> None:
    with pytest.raises(InvalidPlan):
        Order.from_json(text)
