"""The scenes show what they should: what their checks find in the files themselves, without a player."""

from __future__ import annotations

from fractions import Fraction

import av
import pytest

from tests.e2e import scenes
from tests.e2e.browser import Appended
from tests.media import MediaFolder, Recipe

PLACES = ((0.05, 0.08), (0.95, 0.08), (0.05, 0.92), (0.95, 0.92), (0.5, 0.5))  # those of player.html


def shown(media: MediaFolder, recipe: Recipe) -> list[tuple[float, list[list[int]]]]:
    """The pictures as they are coded, in the form of a player's report."""
    with av.open(str(media.path(recipe))) as container:
        images = [(frame.time or 0.0, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    return [
        (at, [image[int(y * len(image)), int(x * len(image[0]))].tolist() for x, y in PLACES]) for at, image in images
    ]


@pytest.mark.parametrize(("recipe", "upright"), [(scenes.PLAIN, True), (scenes.ROTATED, False)])
def test_only_what_stands_upright_is_called_so(media: MediaFolder, recipe: Recipe, upright: bool) -> None:
    assert {upright} == {scenes.is_upright(colours) for _, colours in shown(media, recipe)}


def test_the_flashes_are_where_the_marks_are(media: MediaFolder) -> None:
    white = [at for at, is_white in scenes.shown(shown(media, scenes.PLAIN)).items() if is_white]
    assert len(white) == len(scenes.MARKS) * scenes.MARK_SECONDS * 25
    assert (white[0], white[len(white) // 2]) == scenes.MARKS


@pytest.mark.parametrize("offset", [Fraction(0), Fraction(1, 10), Fraction(-1, 2)])
def test_the_tones_are_where_the_marks_are_and_the_browser_puts_them(media: MediaFolder, offset: Fraction) -> None:
    data = media.bytes(scenes.FRAGMENTED)
    head = data.index(b"moof") - 4
    apart = [Appended(0, 0, Fraction(0), data[:head]), Appended(1, 0, offset, data[head:])]
    found = scenes.beeps(apart)
    assert [float(mark + offset) for mark in scenes.MARKS] == pytest.approx([float(tone) for tone in found], abs=0.005)
