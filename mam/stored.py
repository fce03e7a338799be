"""Reads values from Redis, which an earlier or a later version may have written, or which may be garbage.

A value that cannot be read is None, like a missing one: no reader fails or ends because of it.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from functools import cache
from typing import Annotated, Any, TypeVar, cast

import redis
from pydantic import Field, TypeAdapter, ValidationError

T = TypeVar("T")

# The year 3000 in Unix seconds: datetime and JavaScript's Date fail somewhere beyond it.
LAST_MOMENT = 32503680000.0
Moment = Annotated[float, Field(ge=0, le=LAST_MOMENT)]  # A moment is in Unix seconds.
MOST_DIGITS = 18  # A whole number of so many digits fits into 64 bits.


def read(kind: type[T], raw: Any) -> T | None:
    """JSON as a dataclass (or any type that pydantic knows). Fields that the type does not have are ignored.

    None where a field is missing or of another type, or where the text is no JSON.
    """
    if not isinstance(raw, bytes | str):
        return None
    try:
        value: T = _adapter(cast(Hashable, kind)).validate_json(raw)
        return value
    except ValidationError:
        return None


def read_json(raw: Any) -> Any:
    """JSON as Python's plain values; None where it cannot be read, and for `null`."""
    return read(object, raw)


def text(raw: Any) -> str | None:
    """UTF-8 as text; None where it cannot be read."""
    if isinstance(raw, str):
        return raw
    try:
        return raw.decode() if isinstance(raw, bytes) else None
    except UnicodeDecodeError:
        return None


def texts(raw: Iterable[Any]) -> list[str]:
    """The values that can be read as text."""
    return [value for item in raw if (value := text(item)) is not None]


def mapping(raw: Any) -> dict[str, str]:
    """A hash, with the fields that can be read."""
    pairs = ((text(key), text(value)) for key, value in raw.items()) if isinstance(raw, dict) else ()
    return {key: value for key, value in pairs if key is not None and value is not None}


def number(raw: Any, *, least: float = 0.0, most: float = LAST_MOMENT) -> float | None:
    """A number within bounds. The default bounds suit a moment or a length of time."""
    digits = raw if isinstance(raw, int | float) else text(raw)
    try:
        value = float(digits) if digits is not None else math.nan
    except (ValueError, OverflowError):
        return None
    return value if least <= value <= most else None


def whole(raw: Any) -> int | None:
    """A whole number of at most MOST_DIGITS characters."""
    digits = str(raw) if isinstance(raw, int) else text(raw)
    if digits is None or len(digits) > MOST_DIGITS or not digits.isascii() or not digits.removeprefix("-").isdecimal():
        return None
    return int(digits)


def answers(raw: Sequence[Any]) -> list[Any]:
    """The answers of a pipeline (`execute(raise_on_error=False)`), with None for each key of another type.

    Raises RedisError for any other failure: Redis itself cannot be read then.
    """
    return [None if _is_of_other_type(answer) else _raised(answer) for answer in raw]


def _is_of_other_type(answer: Any) -> bool:
    return isinstance(answer, redis.ResponseError) and str(answer).startswith("WRONGTYPE")


def _raised(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer


@cache
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast(Any, kind))
