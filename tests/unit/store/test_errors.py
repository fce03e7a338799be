"""What the store says becomes an error that says what to do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from minio.error import S3Error

from mam.errors import InvalidName, MamError, NameTaken, NotFound, StoreForbids, StoreUnavailable, UploadNotFound
from mam.store.errors import _SKEWED_MESSAGES, Act, Refused, store_errors


def said(code: str) -> S3Error:
    return S3Error(None, code, "the store's own words", "/b/k", "1", "2")  # type: ignore[arg-type]


def error_of(error: Exception, act: Act = Act.READ, *, key: str = "a") -> MamError:
    with pytest.raises(MamError) as raised, store_errors(act, key=key):
        raise error
    return raised.value


@pytest.mark.parametrize("code", ["XMinioInvalidObjectName", "KeyTooLongError", "NoSuchKey", "NoSuchBucket"])
def test_a_name_that_no_object_can_have_is_not_there(code: str) -> None:
    assert isinstance(error_of(said(code)), NotFound)
    with store_errors(absent_ok=True):
        raise said(code)


@given(st.text(max_size=20))
def test_what_the_client_itself_refuses_is_not_there_either(text: str) -> None:
    assert isinstance(error_of(ValueError(text)), NotFound)


@given(st.integers(256, 1024), st.sampled_from(["BadRequest", "InternalError", "InvalidArgument"]))
def test_a_part_longer_than_a_file_name_is_not_there_however_the_store_puts_it(length: int, code: str) -> None:
    assert isinstance(error_of(said(code), key=f"a/{'x' * length}/b"), NotFound)
    assert isinstance(error_of(said(code), key="a/x/b"), StoreUnavailable)


def test_a_wrong_clock_is_called_one() -> None:
    found = error_of(said("RequestTimeTooSkewed"))
    assert isinstance(found, StoreUnavailable)
    assert "clock" in found.hint
    assert "credentials" not in found.hint


@pytest.mark.parametrize("message", [*sorted(_SKEWED_MESSAGES), "Request has expired."])
@pytest.mark.parametrize("act", Act)
def test_a_url_that_is_out_of_date_as_soon_as_it_is_signed_tells_of_a_wrong_clock(act: Act, message: str) -> None:
    found = error_of(Refused("AccessDenied", message), act)
    assert type(found) is StoreUnavailable
    assert "clock" in found.hint


@pytest.mark.parametrize(
    ("act", "code", "expected"),
    [
        (Act.WRITE, "XMinioInvalidObjectName", InvalidName),
        (Act.WRITE, "AccessDenied", StoreForbids),
        (Act.WRITE, "NoSuchBucket", StoreUnavailable),
        (Act.UPLOAD, "NoSuchUpload", UploadNotFound),
        (Act.UPLOAD, "PreconditionFailed", NameTaken),
        (Act.UPLOAD, "AccessDenied", StoreUnavailable),
        (Act.UPLOAD, "status 502", StoreUnavailable),
    ],
)
def test_a_code_means_what_it_does_for_what_was_asked(act: Act, code: str, expected: type[MamError]) -> None:
    assert type(error_of(Refused(code), act)) is expected


def test_other_refusals_keep_their_hints() -> None:
    assert isinstance(error_of(said("AccessDenied")), StoreForbids)
    kinds: list[Any] = [said("SignatureDoesNotMatch"), OSError("gone")]
    assert [error_of(kind).hint for kind in kinds] == [StoreUnavailable.hint] * 2
