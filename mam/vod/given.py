"""Playlists as they are given out: every URI one that a player anywhere can fetch."""

from __future__ import annotations

from urllib.parse import quote

from mam.hls import playlist
from mam.hls.plan import Plan
from mam.naming import segment_name
from mam.settings import Settings
from mam.store.signing import signer
from mam.vod.tokens import Tokens
from mam.vod.trees import MediaPlaylist

SEGMENT_ROUTE = "/segment"


def live(found: MediaPlaylist, settings: Settings) -> str:
    """A playlist of the bucket with signed segments, and renditions on the route it was asked on.

    Absolute URLs stay as they are.
    """
    if playlist.is_multivariant(found.text):
        return _with_renditions(found.text)
    sign = signer(settings, expires=settings.signature_ttl(playlist.duration(found.text)))

    def signed(uri: str) -> str:
        key = playlist.resolve(found.folder, uri)
        return uri if key is None else sign(key)

    return playlist.rewrite(found.text, signed)


def in_the_making(plan: Plan, settings: Settings, tokens: Tokens) -> str:
    """The whole playlist of a video from its plan: each segment on the route that waits for it."""
    token = tokens.issue(plan.video, plan.revision, ttl=settings.signature_ttl(float(plan.timeline.duration)))
    base = f"{SEGMENT_ROUTE}/{token}/{quote(plan.video, safe='/')}/{plan.revision}/{plan.rendition}/"
    return playlist.render(plan.timeline, (base + segment_name(number) for number in range(len(plan.timeline))))


def _with_renditions(text: str) -> str:
    """Each listed playlist as `playlist.m3u8?rendition=…`: relative, so that it stays on the route it was asked on."""
    names = {uri: name for name, uri in playlist.rendition_names(text).items()}
    return playlist.rewrite(text, lambda uri: f"playlist.m3u8?rendition={quote(names[uri], safe='')}")
