"""Playlists as they are given out: every segment a signed URL, every rendition a playlist of this service."""

from __future__ import annotations

from urllib.parse import quote

from mam.hls import playlist
from mam.settings import Settings
from mam.store.signing import signer
from mam.vod.trees import MediaPlaylist


def give_out(found: MediaPlaylist, settings: Settings) -> str:
    """The playlist with URIs that a player anywhere can fetch. Absolute URLs stay as they are."""
    if playlist.is_multivariant(found.text):
        return _with_renditions(found.text)
    sign = signer(settings, expires=settings.signature_ttl(playlist.duration(found.text)))

    def signed(uri: str) -> str:
        key = playlist.resolve(found.folder, uri)
        return uri if key is None else sign(key)

    return playlist.rewrite(found.text, signed)


def _with_renditions(text: str) -> str:
    """Each listed playlist as `playlist.m3u8?rendition=…`: relative, so that it stays on the route it was asked on."""
    names = {uri: name for name, uri in playlist.rendition_names(text).items()}
    return playlist.rewrite(text, lambda uri: f"playlist.m3u8?rendition={quote(names[uri], safe='')}")
