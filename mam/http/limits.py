"""The sizes and times that a client's request may have, and the errors of requests beyond them."""

from __future__ import annotations

import resource
from contextlib import suppress

from mam.errors import MamError

BODY_BYTES = 64 << 10  # the largest body that any route has a use for: a hundred part numbers take under one
URL_BYTES = 8 << 10  # path and query: an object's key has 1,024 bytes at most, three characters each where quoted
HEADER_BYTES = 64 << 10  # request line and header fields
HEADER_FIELDS = 100
HEADER_SECONDS = 10  # from the first byte of a request, or the opening of its connection, to the end of its headers
BODY_SECONDS = 30


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
        with suppress(ValueError, OSError):  # a system whose hard limit is only a figure of speech
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
