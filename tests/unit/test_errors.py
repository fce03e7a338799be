"""The error catalogue: each error has a code of its own, a title, a hint, a status, and a line in the documentation."""

from __future__ import annotations

import importlib
import pkgutil
import re
import struct
from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mam
from mam.check.fmp4 import walk
from mam.errors import ConversionFailed, MamError, MediaError, Unavailable, readable
from mam.mp4.boxes import boxes

DOCUMENTATION = Path(__file__).resolve().parents[2] / "docs" / "errors.md"
CARRIERS = {ConversionFailed}  # carry what another process said
GROUPS = {MediaError, Unavailable}  # have a code for what has no better one


def catalogue(root: type[MamError] = MamError) -> Iterator[type[MamError]]:
    """Every error of the system, after all its modules were imported."""
    if root is MamError:
        for module in pkgutil.walk_packages(mam.__path__, "mam."):
            if module.name != "mam.jobs.celeryconfig":  # reads the settings when it is imported
                importlib.import_module(module.name)
        yield MamError
    for error in root.__subclasses__():
        if error.__module__.startswith("mam."):
            yield error
            yield from catalogue(error)


ERRORS = sorted({error for error in catalogue() if error not in CARRIERS}, key=lambda error: error.__qualname__)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_an_error_says_what_is_wrong_and_what_to_do(error: type[MamError]) -> None:
    assert error.title.strip()
    assert error.hint.strip().endswith((".", ")"))
    assert not error.title.endswith(".")
    assert re.fullmatch(r"[a-z][a-z0-9_]+", error.code)
    assert error.__doc__ is None or error.__doc__.strip()
    assert 400 <= HTTPStatus(error.status) < 600


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_an_error_has_a_code_of_its_own(error: type[MamError]) -> None:
    assert "code" in vars(error)
    assert "title" in vars(error)


def test_no_two_errors_share_a_code() -> None:
    assert not [code for code, times in Counter(error.code for error in ERRORS).items() if times > 1]


def test_what_may_pass_is_no_fault_of_the_request() -> None:
    assert all(error.status >= 500 for error in ERRORS if error.retryable)


def test_a_detail_and_a_hint_of_its_own_belong_to_one_error_alone() -> None:
    special = MamError("This.", hint="Do that.")
    assert (special.detail, special.hint, str(special)) == ("This.", "Do that.", "This.")
    assert MamError("Other.").hint == MamError.hint != special.hint


def test_a_recorded_failure_is_given_again_as_it_was() -> None:
    again = ConversionFailed("d", status=422, code="not_remuxable", title="t", hint="h")
    assert (again.detail, again.status, again.code, again.title, again.hint) == ("d", 422, "not_remuxable", "t", "h")
    assert MamError.code == ConversionFailed.code  # the class is left alone


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_every_error_is_documented_as_it_is(error: type[MamError]) -> None:
    rows = [line for line in DOCUMENTATION.read_text("utf-8").splitlines() if line.startswith(f"| `{error.code}` |")]
    assert len(rows) == 1
    _, _, status, what, hint, _ = (cell.strip() for cell in rows[0].split("|"))
    assert (status, hint) == (str(int(error.status)), error.hint)
    assert what.startswith(error.title)


@given(st.binary(min_size=4, max_size=4))
def test_a_name_in_bytes_is_told_as_people_read_it(name: bytes) -> None:
    told = readable(name)
    assert told.isprintable() and told.isascii() and "\\x" not in told and not told.startswith("b")
    assert (told == f"'{name.decode('latin-1')}'") == all(0x20 <= byte < 0x7F for byte in name)


@given(st.binary(min_size=4, max_size=4), st.integers(0, 7), st.integers(9, 1 << 31))
def test_what_is_said_of_a_damaged_box_is_no_program_text(kind: bytes, small: int, large: int) -> None:
    messages = []
    for size in (small, large):
        data = struct.pack(">I4s", size or 1, kind) + bytes(8)
        for read in (lambda data: list(boxes(data, 0, len(data))), lambda data: list(walk(data, 0, len(data)))):
            try:
                read(data)
            except MamError as error:
                messages.append(error.detail)
    assert messages
    assert not [text for text in messages if re.search(r"\bb['\"]|\\x", text.replace(readable(kind), ""))], messages
    assert all(readable(kind) in text or "cut off" in text for text in messages), messages
