"""Files as people have them, converted both ways: each plays as its owner expects, or gets the answer it should."""

from __future__ import annotations

from pathlib import Path

import pytest

from dev.footage import turn
from mam.check import check
from tests.integration.system import Stack, is_problem, until
from tests.judging import objections
from tests.media import MediaFolder, complaints
from tests.oddities import ODDITIES, ORIENTED, PLAYS, Oddity

PROFILES = {False: "source", True: "h264"}


def name(odd: Oddity) -> str:
    return odd.name


@pytest.mark.parametrize("encoded", [False, True], ids=["copied", "encoded"])
@pytest.mark.parametrize("odd", ODDITIES, ids=name)
def test_an_odd_file_plays_as_its_owner_expects_or_gets_the_answer_it_should(
    one_stack: Stack, media: MediaFolder, folder: str, odd: Oddity, encoded: bool
) -> None:
    key = one_stack.put(f"{folder}/{odd.name}", odd.bytes(media))
    answer = one_stack.transcode(key, profile=PROFILES[encoded])
    expected = odd.outcomes(encoded=encoded)
    if answer.status_code != 200:
        code = answer.json()["code"]
        assert code in expected, answer.text
        assert is_problem(answer, 422, code)
        until(lambda: one_stack.keys(f"{folder}/") == set(), "what was made before is removed")
        return
    assert PLAYS in expected
    url = one_stack.stream_url(key, profile=PROFILES[encoded])
    if not encoded:  # what our own muxer made of the source's packets; `check` decodes every segment of both
        assert complaints(url) == ""
    assert [str(finding) for finding in check(url).errors if finding.rule not in odd.breaks] == []
    assert objections(odd, url, one_stack.get(url).text, encoded=encoded) == []


@pytest.mark.parametrize("odd", ORIENTED, ids=name)
def test_the_turned_files_are_upright_in_ffmpegs_eyes_and_those_without_their_matrix_are_not(
    media: MediaFolder, tmp_path: Path, odd: Oddity
) -> None:
    """What the tests call upright is not our own reading of the matrix alone."""
    upright = media.path(next(o for o in ODDITIES if o.name == "ordinary.mp4").recipe)
    turned = tmp_path / odd.name
    turned.write_bytes(odd.bytes(media))
    assert turn(upright, turned, 4.0) == "upright"
    assert turn(upright, media.path(odd.recipe), 4.0) != "upright"
