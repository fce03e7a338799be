"""For whom a service sends a request to the other one: what a caller may not do, the service does not do for it."""

from __future__ import annotations

import json

from pydantic import TypeAdapter, ValidationError

from mam.credentials.api_keys import SERVICE
from mam.credentials.scopes import Caller
from mam.errors import Forbidden

HEADER = "x-mam-caller"
NOBODY = "{}"  # The service sends the request for itself.

_callers = TypeAdapter(Caller)


def written(caller: Caller) -> str:
    """The header's value for a caller, in ASCII."""
    return json.dumps(_callers.dump_python(caller, mode="json"))


def read(text: str) -> Caller:
    """The caller that a service names; the service itself for NOBODY. Raises Forbidden."""
    if text == NOBODY:
        return Caller(SERVICE)
    try:
        return _callers.validate_json(text)
    except ValidationError as error:
        raise Forbidden(f"The header {HEADER} names no caller.") from error
