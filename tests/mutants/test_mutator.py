"""The mutator itself: it damages what it says, the same way each time, and nothing else."""

from __future__ import annotations

import pytest

from tests.mutants.mutator import Part, mutate
from tests.mutants.tree import join, parse
from tests.unit.mp4.movies import Movie, Track, even_chunks, write

FILE = write(
    Movie(
        (
            Track(sizes=(90, 40, 30, 50) * 5, durations=(40,) * 20, timescale=1000, chunks=even_chunks(20, 3)),
            Track(kind="soun", entry="mp4a", sizes=(9,) * 30, durations=(1024,) * 30, timescale=48000,
                  chunks=even_chunks(30, 7)),
        ),
        moov_first=False,
    )
).data  # fmt: skip
SEEDS = range(300)


def test_a_file_taken_apart_and_put_together_again_is_the_same() -> None:
    assert join(parse(FILE)) == FILE


@pytest.mark.parametrize("part", ["index", "media"])
def test_a_seed_names_a_mutant_for_ever(part: Part) -> None:
    assert [mutate(FILE, seed, part) for seed in SEEDS] == [mutate(FILE, seed, part) for seed in SEEDS]
    assert len({mutate(FILE, seed, part).data for seed in SEEDS}) > len(SEEDS) * 0.9


def test_an_accident_to_the_one_part_leaves_the_other_alone() -> None:
    whole = {node.kind: bytes(node) for node in parse(FILE)}
    for seed in SEEDS:
        assert whole[b"mdat"] in mutate(FILE, seed, "index").data
        assert whole[b"moov"] in mutate(FILE, seed, "media").data
