"""Pages of a list of jobs, newest first, and the cursors between them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mam.jobs.job import Job

# A cursor is a creation moment, and how many jobs of it were listed.
CURSOR = re.compile(r"^[0-9]{1,12}(\.[0-9]{1,9})?:[0-9]{1,9}$")

Row = tuple[bytes, float]  # a job's id and the moment of its creation


@dataclass(frozen=True, slots=True)
class Page:
    """A page of jobs, newest first. `cursor`: where the next page begins; None at the end."""

    jobs: list[Job]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the list: behind the first `skipped` jobs of the moment `score`; `+inf` is the list's beginning."""

    score: str
    skipped: int

    @classmethod
    def of(cls, cursor: str | None) -> Position:
        score, _, skipped = (cursor or "+inf:0").partition(":")
        return cls(score, int(skipped or 0))

    def before(self, rows: Sequence[Row], number: int) -> str:
        """The cursor of a page that begins with row `number` of the rows read from this position."""
        moment = rows[number][1]
        listed = sum(1 for _, other in rows[:number] if other == moment)
        return f"{moment!r}:{listed + self._skipped_at(moment)}"

    def after(self, rows: Sequence[Row]) -> Position:
        """The position behind the rows read from this one."""
        moment = rows[-1][1]
        listed = sum(1 for _, other in rows if other == moment)
        return Position(repr(moment), listed + self._skipped_at(moment))

    def _skipped_at(self, moment: float) -> int:
        return self.skipped if self.score != "+inf" and float(self.score) == moment else 0
