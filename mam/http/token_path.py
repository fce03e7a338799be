"""The path of a playback token, `/p/{token}`, which precedes those of playback routes and pages."""

from __future__ import annotations

from fastapi import Request

PREFIX = "/p/"
SCOPE_KEY = "mam.token_path"  # This key of an ASGI scope holds the path of the request's token.


def token_prefix(request: Request) -> str:
    """What precedes the paths of a request's token: `/p/{token}`, or '' without one."""
    prefix: str = request.scope.get(SCOPE_KEY, "")
    return prefix
