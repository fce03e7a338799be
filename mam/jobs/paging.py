"""Pages of a list of jobs, newest first, and the cursor that says where the next one begins."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mam.jobs.job import Job

CURSOR = re.compile(r"^[0-9]{1,12}(\.[0-9]{1,9})?:[0-9]{1,9}$")  # of a list: a moment, and how many of it were shown

Row = tuple[bytes, float]  # the id of a job, and the moment of its creation


@dataclass(frozen=True, slots=True)
class Page:
    """Some jobs, newest first. `cursor`: where the next page begins; None at the end."""

    jobs: list[Job]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the list: behind the first `skipped` jobs of the moment `score`. `+inf`: the list's beginning."""

    score: str
    skipped: int

    @classmethod
    def of(cls, cursor: str | None) -> Position:
        score, _, skipped = (cursor or "+inf:0").partition(":")
        return cls(score, int(skipped or 0))

    def before(self, rows: Sequence[Row], at: int) -> str:
        """The cursor of a page that begins with row `at` of those that were read from here."""
        here = rows[at][1]
        same = sum(1 for _, other in rows[:at] if other == here)
        return f"{here!r}:{same + self._skipped_at(here)}"

    def after(self, rows: Sequence[Row]) -> Position:
        """The place behind the rows that were read from here."""
        here = rows[-1][1]
        same = sum(1 for _, other in rows if other == here)
        return Position(repr(here), same + self._skipped_at(here))

    def _skipped_at(self, moment: float) -> int:
        return self.skipped if self.score != "+inf" and float(self.score) == moment else 0
