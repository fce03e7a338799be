"""Whole numbers of JSON: 42 and 42.0, but neither `"42"` nor `true`, which pydantic would accept too."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator


def a_number(value: object) -> object:
    """The value, as a validator that runs before others. Raises ValueError for what is no number in JSON."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a number is needed here")
    return value


# Where null is a value too, a bound stands before the validator, as in `Annotated[int, Field(ge=1),
# BeforeValidator(a_number)] | None`: anywhere else it is checked, and missing in the schema.
Whole = Annotated[int, BeforeValidator(a_number)]
