"""The meaning of the store's errors: one table from S3 error codes to the errors of this system."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

import urllib3
from minio.error import InvalidResponseError, MinioException, S3Error

from mam.errors import (
    InvalidName,
    MamError,
    NameTaken,
    NotFound,
    SourceChanged,
    StoreForbids,
    StoreUnavailable,
    UploadNotFound,
)

MAX_FILE_NAME_BYTES = 255  # Most file systems, in which stores keep objects, have this limit.
DENIED = "AccessDenied"
SKEWED = "RequestTimeTooSkewed"
UNKNOWN_KEY = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch"})
ABSENT = frozenset({"NoSuchKey", "NoSuchBucket", "NoSuchObject", "ResourceNotFound"})
# These codes refuse names that the store cannot hold, such as too long ones. Such objects do not exist, either.
IMPOSSIBLE = frozenset(
    {"XMinioInvalidObjectName", "KeyTooLongError", "KeyTooLong", "InvalidObjectName", "InvalidBucketName"}
)
# Stores send these messages with DENIED for a fresh signature when the clocks differ.
_SKEWED_MESSAGES = {
    "Request has expired",  # AWS, MinIO
    "Request is not valid yet",
    "The difference between the request time and the server's time exceeds the maximum allowed",  # rclone
}
# A file's name may have 255 bytes, to which this system adds its own names.
LONG_HINT = "Give each part of the object's name, between slashes, 240 bytes at most."
NO_S3_ANSWER = "its answer is no S3 answer"  # This stands for a missing code.
CLOCK_HINT = "Set the clocks of this machine and of the store: signatures hold for 15 minutes around their own time."


class Act(Enum):
    """A kind of request to the store. The value words its refusal."""

    READ = "refused"  # and list, and remove
    WRITE = "refused to write"
    UPLOAD = "refused the upload"


# Other codes, and those of InvalidResponseError, mean StoreUnavailable.
_MEANINGS: dict[Act, dict[str, type[MamError]]] = {
    Act.READ: {
        **dict.fromkeys(ABSENT | IMPOSSIBLE, NotFound),
        "PreconditionFailed": SourceChanged,
        DENIED: StoreForbids,
    },
    Act.WRITE: {**dict.fromkeys(IMPOSSIBLE, InvalidName), DENIED: StoreForbids},
    Act.UPLOAD: {
        "NoSuchUpload": UploadNotFound,
        **dict.fromkeys(("PreconditionFailed", "ConditionalRequestConflict"), NameTaken),
    },
}
_SENTENCES: dict[type[MamError], str] = {
    NotFound: "The object is not in the store.",
    SourceChanged: "The object changed while it was read.",
    UploadNotFound: "The object store has no such upload, or no longer.",
    NameTaken: "There is an object {key!r} by now.",
}


class Refused(Exception):
    """The store's error answer to a request of mam/store/requests.py. `code`: S3's, or the status."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(code, message)
        self.code, self.message = code, message


@contextmanager
def store_errors(
    act: Act = Act.READ, *, absent_ok: bool = False, passing: type[Exception] = MamError, key: str = ""
) -> Iterator[None]:
    """Maps the errors of requests to the store, except `passing`. With `absent_ok`, a missing object ends the block.

    `key`: the requested key; one that no file system can hold counts as missing, whatever the store's answer.
    """
    try:
        yield
    except (MamError, passing):
        raise
    except (S3Error, InvalidResponseError, Refused) as error:
        meaning = _meaning(act, _code(error), _message(error), key)
        if absent_ok and isinstance(meaning, NotFound):
            return
        raise meaning from error
    except ValueError as error:  # the client refuses the name
        if absent_ok:
            return
        raise NotFound("No object has such a name.") from error
    except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
        raise StoreUnavailable(f"The object store cannot be reached ({type(error).__name__}).") from error


def _meaning(act: Act, code: str, message: str, key: str) -> MamError:
    """The error of this system for an S3 code. `key`: see store_errors."""
    is_skewed = code == SKEWED or (code == DENIED and message in _SKEWED_MESSAGES)
    kind = StoreUnavailable if is_skewed else _MEANINGS[act].get(code, StoreUnavailable)
    if act is Act.READ and code != DENIED and _is_overlong(key):
        kind = NotFound
    if kind is InvalidName:
        return InvalidName("The object store cannot hold the name.", hint=LONG_HINT)
    if issubclass(kind, StoreUnavailable):
        reason = f"{code}, {message}" if message else code
        return kind(f"The object store {act.value}: {reason}.", hint=CLOCK_HINT if is_skewed else None)
    return kind(_SENTENCES[kind].format(key=key))


def _code(error: S3Error | InvalidResponseError | Refused) -> str:
    if isinstance(error, InvalidResponseError):  # rclone's answer has no XML type
        return next((code for code in ("NoSuchBucket", "NoSuchKey") if code in str(error)), NO_S3_ANSWER)
    return error.code or NO_S3_ANSWER


def _message(error: S3Error | InvalidResponseError | Refused) -> str:
    return "" if isinstance(error, InvalidResponseError) else (error.message or "").rstrip(".")


def _is_overlong(key: str) -> bool:
    return any(len(part.encode()) > MAX_FILE_NAME_BYTES for part in key.split("/"))
