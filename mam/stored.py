"""Reads what lies in Redis, which may be anything: an earlier version's, a later one's, or garbage.

A value that cannot be read is None, like one that is not there: no reader fails or ends because of it.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from functools import cache
from typing import Annotated, Any, TypeVar, cast

import redis
from pydantic import Field, TypeAdapter, ValidationError

T = TypeVar("T")

LAST_MOMENT = 32503680000.0  # Unix seconds of the year 3000: beyond it datetime and JavaScript's Date give up some day
Moment = Annotated[float, Field(ge=0, le=LAST_MOMENT)]  # Unix seconds
MOST_DIGITS = 18  # of a whole number: what fits into 64 bits


def read(kind: type[T], raw: Any) -> T | None:
    """JSON as a dataclass (or any type that pydantic knows): fields that it has not are left out.

    None where a field is missing, or of another type, or nothing can be read at all.
    """
    if not isinstance(raw, bytes | str):
        return None
    try:
        found: T = _adapter(cast(Hashable, kind)).validate_json(raw)
        return found
    except ValidationError:
        return None


def read_json(raw: Any) -> Any:
    """JSON as Python's plain values; None where it cannot be read, and for `null`."""
    return read(object, raw)


def text(raw: Any) -> str | None:
    """UTF-8 as text."""
    if isinstance(raw, str):
        return raw
    try:
        return raw.decode() if isinstance(raw, bytes) else None
    except UnicodeDecodeError:
        return None


def texts(raw: Iterable[Any]) -> list[str]:
    """Those that can be read."""
    return [found for each in raw if (found := text(each)) is not None]


def mapping(raw: Any) -> dict[str, str]:
    """A hash: those of its fields that can be read."""
    pairs = ((text(key), text(value)) for key, value in raw.items()) if isinstance(raw, dict) else ()
    return {key: value for key, value in pairs if key is not None and value is not None}


def number(raw: Any, *, least: float = 0.0, most: float = LAST_MOMENT) -> float | None:
    """A number within bounds: the default ones are those of a moment, and of any length of time."""
    found = raw if isinstance(raw, int | float) else text(raw)
    try:
        value = float(found) if found is not None else math.nan
    except (ValueError, OverflowError):
        return None
    return value if least <= value <= most else None


def whole(raw: Any) -> int | None:
    """A whole number of not too many digits."""
    found = str(raw) if isinstance(raw, int) else text(raw)
    if found is None or len(found) > MOST_DIGITS or not found.isascii() or not found.removeprefix("-").isdecimal():
        return None
    return int(found)


def answers(raw: Sequence[Any]) -> list[Any]:
    """What a pipeline answered (`execute(raise_on_error=False)`): None for each key that is of another type.

    Raises RedisError for any other failure: then it is Redis that cannot be read.
    """
    return [None if _is_of_other_type(each) else _raised(each) for each in raw]


def _is_of_other_type(answer: Any) -> bool:
    return isinstance(answer, redis.ResponseError) and str(answer).startswith("WRONGTYPE")


def _raised(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer


@cache
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast(Any, kind))
