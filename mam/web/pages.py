"""The HTML of pages: one shell for every page, with the files to load and the policy for what may be loaded."""

from __future__ import annotations

import secrets
from html import escape
from http import HTTPStatus
from urllib.parse import quote

from starlette.responses import HTMLResponse

from mam.errors import MamError
from mam.naming import Asset, quote_path, stem
from mam.settings import Settings
from mam.web.assets import Entry, PageAssets

TITLE = "MAM"


class Pages:
    """Makes pages. The policy of what they may load includes the store's address."""

    def __init__(self, settings: Settings, assets: PageAssets) -> None:
        scheme = "https" if settings.public_secure else "http"
        self._store = f"{scheme}://{settings.public_endpoint}"
        self._assets = assets

    def app(self) -> HTMLResponse:
        """Library and jobs."""
        return self._page("app", TITLE, "<mam-app></mam-app>", framed=False)

    def missing(self) -> HTMLResponse:
        """The app for an unknown address; it says that there is no such page."""
        page = self.app()
        page.status_code = HTTPStatus.NOT_FOUND
        return page

    def refusal(self, error: MamError) -> HTMLResponse:
        """A page without scripts for a viewer who was refused."""
        entry = self._assets.entry("app")
        too_many = error.status == HTTPStatus.TOO_MANY_REQUESTS
        heading = escape(error.title if too_many else "This link does not work")
        text = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{heading}</title>
<link rel="icon" href="/static/icon.svg" type="image/svg+xml">
{"".join(f'<link rel="stylesheet" href="/static/{quote(file)}">' for file in entry.styles)}
</head>
<body>
<main class="refusal"><h1>{heading}</h1><p>{escape(error.detail)} {escape(error.hint)}</p></main>
</body>
</html>
"""
        headers = {
            "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
            "form-action 'none'",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            **({"Retry-After": str(error.retry_seconds)} if too_many else {}),
        }
        return HTMLResponse(text, error.status, headers=headers)

    def watch(self, asset: Asset, prefix: str = "") -> HTMLResponse:
        """The player in the app. `prefix`: that of a playback token, which all addresses of the video have too."""
        title = f"{stem(asset.key).rpartition('/')[2]} · {TITLE}"
        body = "<mam-app></mam-app>"
        return self._page("app", title, body, framed=False, also=("player",), playlist=prefix + _playlist(asset))

    def embed(self, asset: Asset, prefix: str = "") -> HTMLResponse:
        """The player alone, for other sites' frames."""
        title = stem(asset.key).rpartition("/")[2]
        body = f'<mam-player bucket="{escape(asset.bucket)}" path="{escape(asset.key)}" embedded></mam-player>'
        return self._page("embed", title, body, framed=True, playlist=prefix + _playlist(asset))

    def _page(
        self, name: str, title: str, body: str, *, framed: bool, also: tuple[str, ...] = (), playlist: str | None = None
    ) -> HTMLResponse:
        """`playlist`: the address that the scripts request first; the page preloads it. `also`: entries to preload."""
        entry = self._assets.entry(name)
        nonce = secrets.token_urlsafe(16)
        preloads = [*entry.preloads, *(file for entry_name in also for file in _all(self._assets.entry(entry_name)))]
        head = "\n".join(
            [
                '<meta charset="utf-8">',
                '<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">',
                '<meta name="color-scheme" content="light dark">',
                '<meta name="referrer" content="same-origin">',
                f'<meta property="og:title" content="{escape(title)}">',
                f"<title>{escape(title)}</title>",
                '<link rel="icon" href="/static/icon.svg" type="image/svg+xml">',
                *([f'<link rel="preload" as="fetch" crossorigin href="{escape(playlist)}">'] if playlist else []),
                *(f'<link rel="stylesheet" href="/static/{quote(file)}">' for file in entry.styles),
                *(f'<link rel="modulepreload" href="/static/{quote(file)}">' for file in dict.fromkeys(preloads)),
                # The nonce is for the styles of components that write them into their shadow roots.
                f'<script type="module" src="/static/{quote(entry.script)}" nonce="{nonce}"></script>',
            ]
        )
        text = f'<!doctype html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{body}\n</body>\n</html>\n'
        headers = {
            "Content-Security-Policy": self._policy(nonce, framed=framed),
            "Cache-Control": "no-store",  # A nonce must be used only once.
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
        }
        return HTMLResponse(text, headers=headers)

    def _policy(self, nonce: str, *, framed: bool) -> str:
        """The Content-Security-Policy: nothing inline, and no other origin but the store."""
        rules = {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": f"'self' 'nonce-{nonce}'",
            "img-src": f"'self' data: {self._store}",
            # Media Source Extensions need blob:, and hls.js adds an empty track of subtitles with data:.
            "media-src": f"'self' blob: data: {self._store}",
            "connect-src": f"'self' {self._store}",
            "worker-src": "'self'",
            "manifest-src": "'self'",
            "base-uri": "'none'",
            "form-action": "'none'",
            "frame-ancestors": "*" if framed else "'none'",
        }
        return "; ".join(f"{name} {value}" for name, value in rules.items())


def _playlist(asset: Asset) -> str:
    """The address as the player writes it (mam/web/ui/src/player/address.ts), so that the preload matches."""
    return f"/stream/{quote_path(str(asset))}/playlist.m3u8?default=ladder"


def _all(entry: Entry) -> tuple[str, ...]:
    return (entry.script, *entry.preloads)
