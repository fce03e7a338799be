"""Lists of keys in files and at addresses: JSON of the form `{"keys": […]}`."""

from __future__ import annotations

import json
from typing import Any


def listed_keys(text: str, *, form: str, most: int) -> list[Any]:
    """The items of a list. `form`: what the text must be, for error messages. Raises ValueError in words."""
    try:
        listed = json.loads(text)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f'it must be {form} {{"keys": […]}}') from error
    if not isinstance(listed, list) or len(listed) > most:
        raise ValueError(f"it must have a list of at most {most} keys")
    return listed
