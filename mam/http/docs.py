"""The interactive documentation at `/docs`: Swagger UI, from an installed package only."""

from __future__ import annotations

import gzip
import json
import secrets
from functools import cache
from html import escape
from importlib.resources import files

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from mam.errors import NotFound

PACKAGE = "fastapi_swagger"  # Only the files of this package are used.
FILES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
CACHE_CONTROL = "public, max-age=3600"
_OPTIONS = {"dom_id": "#swagger-ui", "deepLinking": True, "url": "openapi.json"}


def install(app: FastAPI) -> None:
    """Adds `/docs` and its files."""

    async def page(_: Request) -> Response:
        return documentation(app.title)

    async def file(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in FILES:
            raise NotFound(f"There is no file {name[:80]!r}.", hint="/docs names the existing files.")
        takes_gzip = "gzip" in request.headers.get("accept-encoding", "")
        headers = {"Cache-Control": CACHE_CONTROL, "Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff"}
        body = _compressed(name)
        if takes_gzip:
            headers["Content-Encoding"] = "gzip"
        return Response(body if takes_gzip else gzip.decompress(body), media_type=FILES[name], headers=headers)

    app.add_route("/docs", page, include_in_schema=False)
    app.add_route("/docs/{name}", file, include_in_schema=False)


def documentation(title: str) -> HTMLResponse:
    """The page. Its policy is as strict as that of the other pages (`mam/web/pages.py`)."""
    nonce = secrets.token_urlsafe(16)
    text = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js" nonce="{nonce}"></script>
<script nonce="{nonce}">SwaggerUIBundle({json.dumps(_OPTIONS)})</script>
</body>
</html>
"""
    rules = {
        "default-src": "'none'",
        "script-src": f"'nonce-{nonce}'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    headers = {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in rules.items()),
        "Cache-Control": "no-store",  # a nonce is used once
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
    }
    return HTMLResponse(text, headers=headers)


@cache
def _compressed(name: str) -> bytes:
    return gzip.compress((files(PACKAGE) / "resources" / name).read_bytes())
