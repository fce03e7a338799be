"""The limits on the size and time of requests, and the errors of requests beyond them."""

from __future__ import annotations

import resource
from contextlib import suppress

from mam.errors import MamError

BODY_BYTES = 64 << 10  # No route needs a larger body: a hundred part numbers take less than 1 KB.
URL_BYTES = 8 << 10  # Path and query: an object's key has at most 1,024 bytes, of three characters each where quoted.
HEADER_BYTES = 64 << 10  # Request line and header fields together may have this many bytes.
HEADER_FIELDS = 100  # A request may have this many header fields.
HEADER_SECONDS = 10  # Headers must be complete this long after the request's first byte, or the connection's opening.
BODY_SECONDS = 30  # A body must be complete this long after the headers.


class MalformedRequest(MamError):
    status, code, title = 400, "malformed_request", "The request is not HTTP"
    hint = "Use an HTTP client, and http:// or https:// as the service does."


class BodyTooLarge(MamError):
    status, code, title = 413, "body_too_large", "The request's body is too large"
    hint = "Bodies have 64 KB at most. Files go to the store, in parts: POST /uploads."


class UrlTooLong(MamError):
    status, code, title = 414, "url_too_long", "The request's URL is too long"
    hint = "Path and query together have 8 KB at most."


class HeadersTooLarge(MamError):
    status, code, title = 431, "headers_too_large", "The request's headers are too large"
    hint = "Headers have 64 KB and 100 fields at most; delete old cookies of this host."


class RequestTimeout(MamError):
    status, code, title = 408, "request_timeout", "The request did not arrive in time"
    hint = "Send the headers within 10 seconds and the body within 30."


class UnknownHost(MamError):
    status, code, title = 421, "unknown_host", "This service does not answer under that name"
    hint = "Use a name of ALLOWED_HOSTS, or add this name to it."


def raise_descriptors() -> None:
    """Lets the process open as many files and connections as the system allows it. The usual soft limit is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):  # some systems do not grant their own hard limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
