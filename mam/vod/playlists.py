"""Playlists as clients get them: with URIs that any player can fetch."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from urllib.parse import quote, urlencode

from mam.hls import heights, multivariant, playlist
from mam.hls.plan import Plan
from mam.hls.rates import Rate
from mam.hls.recipe import Format, Profile
from mam.hls.renditions import Rendition
from mam.naming import file_below, path_below
from mam.origin.tree import MediaPlaylist
from mam.settings import Settings
from mam.store.signing import signer


def live(media: MediaPlaylist, settings: Settings, *, presigned: bool, foreign: bool, most: int = 0) -> str:
    """A playlist of the bucket, with renditions on the requested route. Absolute URLs are unchanged.

    `presigned`: with signed URLs of segments; else segments are on the requested route too, which checks access anew.
    `foreign`: whether another tool wrote the tree. A file of it that can have no address there has a signed URL.
    `most`: the limit on the height of pictures; 0 for none.
    """
    if playlist.is_multivariant(media.text):
        if media.plan and media.plan.ladder:
            return _with_promises(media.text, media.plan, most)
        return _with_renditions(media.text, media.plan, most)
    sign = signer(settings, expires=settings.signature_ttl(playlist.duration(media.text)))

    below = file_below if foreign else path_below

    def written(uri: str) -> str:
        key = playlist.resolve(media.folder, uri)
        if key is None:
            return uri
        path = None if presigned else below(media.video, key)
        return path or sign(key)

    return playlist.rewrite(media.text, written)


def unfinished(plan: Plan, rendition: Rendition) -> str:
    """The complete media playlist of an unfinished rendition, from its plan: segments are on the requested route."""
    return multivariant.media_playlist(plan, rendition, f"{plan.revision}/{rendition.name}/")


def renditions(plan: Plan, most: int = 0) -> str:
    """The multivariant playlist of an unfinished video. `most`: as of `live`."""
    return _rendered(plan, _promised(plan), (), most)


def promised_rung(plan: Plan, text: str, name: str) -> Rendition | None:
    """The rendition of a live ladder of that name, if it is a rung that the commit (`text`) does not list yet."""
    rendition = plan.rendition(name)
    return rendition if rendition and rendition.group and name not in playlist.rendition_names(text) else None


def sides_of(text: str, plan: Plan | None) -> heights.Sides:
    """The shorter sides of a live video's pictures by rendition. `text`: its commit. Raises InvalidPlaylist."""
    return heights.of_plan(plan) if plan else heights.of_playlist(text)


def _with_promises(text: str, plan: Plan, most: int) -> str:
    """The multivariant playlist of a live ladder: its commit, and the rungs that it does not list yet."""
    names = {uri: name for name, uri in playlist.rendition_names(text).items()}
    listed = {names[uri]: line for uri, line in multivariant.variants_of(text).items()}
    return _rendered(plan, _promised(plan) | listed, listed, most)


def _promised(plan: Plan) -> dict[str, str]:
    return multivariant.variants(plan, {r.name: Rate(r.bandwidth, r.average_bandwidth) for r in plan.renditions})


def _rendered(plan: Plan, variants: Mapping[str, str], whole: Collection[str], most: int) -> str:
    variants = heights.fitting(variants, heights.of_plan(plan), most)
    copied = [r.name for r in plan.renditions if r.video and r.video.action == "copy"]
    variants = multivariant.ordered(variants, {*whole, *copied})
    return multivariant.render(plan, lambda rendition: _rendition_uri(rendition.name, plan), variants)


def _rendition_uri(name: str, plan: Plan | None) -> str:
    """A rendition's URI: relative, so that it stays on the requested route, with the options of the request."""
    query = {"profile": plan.profile.value} if plan else {}
    is_named = plan and plan.format is not Format.TS and plan.profile is not Profile.LADDER
    query |= {"format": plan.format.value} if plan and is_named else {}
    return f"playlist.m3u8?{urlencode({**query, 'rendition': name}, quote_via=quote, safe='')}"


def _with_renditions(text: str, plan: Plan | None, most: int) -> str:
    names = {uri: name for name, uri in playlist.rendition_names(text).items()}
    kept = heights.below(text, sides_of(text, plan), most) if most else text
    return playlist.rewrite(kept, lambda uri: _rendition_uri(names[uri], plan))
