"""The table of a ladder's rungs: that of this program, or an operator's."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError


@dataclass(frozen=True, slots=True)
class Rung:
    """A row of the table. `side`: the shorter side of the picture in pixels; `maxrate`: the cap in bits per second at
    up to 30 frames per second; `crf`: the quality below the cap, as x264 counts it.
    """

    side: Annotated[int, Field(ge=64, le=4320, multiple_of=2)]
    maxrate: Annotated[int, Field(ge=50_000, le=200_000_000)]
    crf: Annotated[int, Field(ge=0, le=51)] = 23


RUNGS = (
    Rung(2160, 16_000_000),
    Rung(1440, 10_000_000),
    Rung(1080, 6_000_000),
    Rung(720, 3_600_000),
    Rung(540, 2_200_000),
    Rung(360, 1_000_000),
)


def read_table(text: str) -> tuple[Rung, ...]:
    """An operator's table: JSON such as `[{"side": 720, "maxrate": 3600000, "crf": 23}, …]`.

    Raises ValueError in words that say what is wrong.
    """
    try:
        rungs = tuple(TypeAdapter(list[Rung]).validate_json(text))
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}") from error
    if not rungs:
        raise ValueError("a ladder needs at least one rung")
    rising = sorted(rungs, key=lambda rung: rung.side)
    for smaller, larger in pairwise(rising):
        if smaller.side == larger.side or smaller.maxrate >= larger.maxrate:
            raise ValueError(f"the rungs of {smaller.side} and {larger.side}: a larger side needs a higher maxrate")
    return rungs
