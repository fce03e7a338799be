"""Playlists as they are given out: every URI one that a player anywhere can fetch."""

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


def live(found: MediaPlaylist, settings: Settings) -> str:
    """A playlist of the bucket with signed segments, and renditions on the route it was asked on.

    Absolute URLs stay as they are.
    """
    if playlist.is_multivariant(found.text):
        return _with_renditions(found.text, found.plan)
    sign = signer(settings, expires=settings.signature_ttl(playlist.duration(found.text)))

    def signed(uri: str) -> str:
        key = playlist.resolve(found.folder, uri)
        return uri if key is None else sign(key)

    return playlist.rewrite(found.text, signed)


def in_the_making(plan: Plan, rendition: Rendition, settings: Settings, tokens: Tokens) -> str:
    """The whole media playlist of a rendition from its plan: each segment on the route that waits for it."""
    token = tokens.issue(plan.video, plan.revision, ttl=settings.signature_ttl(float(plan.timeline.duration)))
    base = f"{SEGMENT_ROUTE}/{token}/{quote(plan.video, safe='/')}/{plan.revision}/{rendition.name}/"
    return multivariant.media_playlist(plan, rendition, base)


def renditions(plan: Plan) -> str:
    """The multivariant playlist of a video in the making."""
    rates = {r.name: multivariant.Rate(r.bandwidth, r.average_bandwidth) for r in plan.renditions}
    return multivariant.render(plan, lambda rendition: _rendition_uri(rendition.name, plan), rates)


def _rendition_uri(name: str, plan: Plan | None) -> str:
    """Relative, so that it stays on the route it was asked on; what was asked for there is asked for again."""
    query = {"profile": plan.profile.value} if plan else {}
    query |= {"format": plan.format.value} if plan and plan.format is not Format.TS else {}
    return f"playlist.m3u8?{urlencode({**query, 'rendition': name}, quote_via=quote, safe='')}"


def _with_renditions(text: str, plan: Plan | None) -> str:
    names = {uri: name for name, uri in playlist.rendition_names(text).items()}
    return playlist.rewrite(text, lambda uri: _rendition_uri(names[uri], plan))
