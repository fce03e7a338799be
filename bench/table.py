"""What is reported: measures, the bars they are held to, and the table of it all."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Unit(str, Enum):
    SECONDS = "s"
    BYTES = "B"
    PER_SECOND = "/s"
    DECIBEL = "dB"
    COUNT = ""

    def show(self, value: float) -> str:
        """Three digits, in the size that people read."""
        if self is Unit.SECONDS:
            return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.1f} s" if value >= 10 else f"{value:.2f} s"
        if self is Unit.DECIBEL:
            return f"{value:.3f} dB"
        if self is Unit.BYTES:
            return f"{value / 1e6:.0f} MB"
        return f"{value:,.0f} {self.value}".strip()


@dataclass(frozen=True, slots=True)
class Measure:
    """What some runs gave. `name`: what was measured, where the line does not say so."""

    values: tuple[float, ...]
    unit: Unit
    name: str = ""

    @classmethod
    def of(cls, values: Sequence[float], unit: Unit = Unit.SECONDS, name: str = "") -> Measure:
        return cls(tuple(values), unit, name)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def show(self) -> str:
        text = self.unit.show(self.median)
        return f"{text} ({self.name})" if self.name else text

    def spread(self) -> str:
        """How noisy: how many runs, the least and the most."""
        if len(self.values) == 1:
            return "1"
        return f"{len(self.values)}: {self.unit.show(min(self.values))}–{self.unit.show(max(self.values))}"


class Rule(Enum):
    """What a bar holds against its limit."""

    RATIO_AT_MOST = "ratio at most"  # figure / baseline
    RATIO_AT_LEAST = "ratio at least"  # figure / baseline
    TIMES_AS_FAST = "times as fast"  # baseline / figure, of durations
    AT_MOST = "at most"  # the figure itself: a budget
    ABOVE_BASELINE = "above the baseline"  # figure - baseline


@dataclass(frozen=True, slots=True)
class Bar:
    """What a line must keep to. `aim`: what it had better keep to."""

    rule: Rule
    limit: float
    aim: float | None = None

    def within(self, figure: Measure, baseline: Measure | None) -> bool:
        a, b = figure.median, baseline.median if baseline else float("nan")  # which is within no bar
        return {
            Rule.RATIO_AT_MOST: a <= self.limit * b,
            Rule.RATIO_AT_LEAST: a >= self.limit * b,
            Rule.TIMES_AS_FAST: b >= self.limit * a,
            Rule.AT_MOST: a <= self.limit,
            Rule.ABOVE_BASELINE: a - b <= self.limit,
        }[self.rule]

    def show(self, unit: Unit) -> str:
        text = self._show(self.limit, unit)
        return text if self.aim is None else f"{text}, aim {self._show(self.aim, unit).split(' ', 1)[1]}"

    def _show(self, limit: float, unit: Unit) -> str:
        return {
            Rule.RATIO_AT_MOST: f"≤ {limit:g} ×",
            Rule.RATIO_AT_LEAST: f"≥ {limit:g} ×",
            Rule.TIMES_AS_FAST: f"≥ {limit:g} × as fast",
            Rule.AT_MOST: f"≤ {unit.show(limit)}",
            Rule.ABOVE_BASELINE: f"≤ baseline + {unit.show(limit)}",
        }[self.rule]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table. Without a bar it is there to be looked at."""

    what: str
    figure: Measure
    baseline: Measure | None = None
    bar: Bar | None = None

    @property
    def within(self) -> bool | None:
        return self.bar.within(self.figure, self.baseline) if self.bar else None

    @property
    def ratio(self) -> float | None:
        """Figure / baseline; the other way round where the bar says "times as fast"."""
        if self.baseline is None or not self.baseline.median or not self.figure.median:
            return None
        ratio = self.figure.median / self.baseline.median
        return 1 / ratio if self.bar and self.bar.rule is Rule.TIMES_AS_FAST else ratio

    def cells(self) -> tuple[str, ...]:
        baseline, ratio, bar = self.baseline, self.ratio, self.bar
        verdict = {True: "yes", False: "**no**", None: "–"}[self.within]
        return (
            self.what,
            self.figure.show(),
            baseline.show() if baseline else "–",
            f"{ratio:.3g}" if ratio is not None else "–",
            bar.show(self.figure.unit) if bar else "–",
            verdict,
            self.figure.spread() + (f" / {baseline.spread()}" if baseline else ""),
        )

    def to_json(self) -> dict[str, Any]:
        def values(measure: Measure | None) -> dict[str, Any] | None:
            if measure is None:
                return None
            return {
                "name": measure.name,
                "unit": measure.unit.value,
                "median": measure.median,
                "values": list(measure.values),
            }

        bar = self.bar
        return {
            "what": self.what,
            "figure": values(self.figure),
            "baseline": values(self.baseline),
            "ratio": self.ratio,
            "bar": {"rule": bar.rule.value, "limit": bar.limit, "aim": bar.aim} if bar else None,
            "within": self.within,
        }


@dataclass(frozen=True, slots=True)
class Failure:
    """A line that could not be measured, and why; the table shows the beginning of the reason, the JSON all of it."""

    what: str
    reason: str

    @property
    def within(self) -> bool:
        return False

    def cells(self) -> tuple[str, ...]:
        reason = " ".join(self.reason.replace("|", "\\|").split())
        return self.what, f"failed: {reason[:120]}", "–", "–", "–", "**no**", "–"

    def to_json(self) -> dict[str, Any]:
        return {"what": self.what, "error": self.reason, "within": False}


Row = Line | Failure
HEAD = ("what", "figure", "baseline", "ratio", "bar", "within", "runs: min–max (figure / baseline)")


def markdown(rows: Iterable[Row]) -> str:
    cells = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEAD))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
