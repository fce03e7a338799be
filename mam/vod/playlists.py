"""Playlists as clients get them: with URIs that any player can fetch."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from mam.hls import multivariant, playlist
from mam.hls.plan import Plan, Rendition
from mam.hls.recipe import Format
from mam.origin.tree import MediaPlaylist
from mam.settings import Settings
from mam.store.signing import signer
from mam.vod.tokens import Tokens

SEGMENT_ROUTE = "/segment"


def live(media: MediaPlaylist, settings: Settings) -> str:
    """A playlist of the bucket with signed segment URLs, and with renditions on the requested route.

    Absolute URLs are unchanged.
    """
    if playlist.is_multivariant(media.text):
        return _with_renditions(media.text, media.plan)
    sign = signer(settings, expires=settings.signature_ttl(playlist.duration(media.text)))

    def signed(uri: str) -> str:
        key = playlist.resolve(media.folder, uri)
        return uri if key is None else sign(key)

    return playlist.rewrite(media.text, signed)


def unfinished(plan: Plan, rendition: Rendition, settings: Settings, tokens: Tokens) -> str:
    """The complete media playlist of an unfinished rendition, from its plan: each segment is on the waiting route."""
    token = tokens.issue(plan.video, plan.revision, ttl=settings.signature_ttl(float(plan.timeline.duration)))
    base = f"{SEGMENT_ROUTE}/{token}/{quote(plan.video, safe='/')}/{plan.revision}/{rendition.name}/"
    return multivariant.media_playlist(plan, rendition, base)


def renditions(plan: Plan) -> str:
    """The multivariant playlist of an unfinished video."""
    rates = {r.name: multivariant.Rate(r.bandwidth, r.average_bandwidth) for r in plan.renditions}
    return multivariant.render(plan, lambda rendition: _rendition_uri(rendition.name, plan), rates)


def _rendition_uri(name: str, plan: Plan | None) -> str:
    """A rendition's URI: relative, so that it stays on the requested route, with the options of the request."""
    query = {"profile": plan.profile.value} if plan else {}
    query |= {"format": plan.format.value} if plan and plan.format is not Format.TS else {}
    return f"playlist.m3u8?{urlencode({**query, 'rendition': name}, quote_via=quote, safe='')}"


def _with_renditions(text: str, plan: Plan | None) -> str:
    names = {uri: name for name, uri in playlist.rendition_names(text).items()}
    return playlist.rewrite(text, lambda uri: _rendition_uri(names[uri], plan))
