"""Three functions for programs that use the playlist cache from outside: read, write and invalidate a video's playlist.

They block, take a video's name (`a/b` for the asset `a/b.mp4`) and playlists as text, and read REDIS_HOST and the other
settings from the environment. None of them raises while Redis is away: a read then finds nothing, and a write or an
invalidation does nothing. The cache itself, which both services use, is in mam/cache/.
"""

from __future__ import annotations

import gzip
import logging
import zlib
from functools import cache

import redis

from mam.cache import store
from mam.cache.invalidation import invalidate
from mam.connections import REQUEST
from mam.events import sync_client
from mam.settings import worker_settings

log = logging.getLogger(__name__)


def get_cached_playlist(video_name: str) -> str | None:
    """The cached playlist of a video as text, or None."""
    try:
        found = store.read(_client(), video_name)
        return gzip.decompress(found.body).decode() if found else None
    except (redis.RedisError, OSError, EOFError, zlib.error, UnicodeDecodeError):
        return None


def set_cached_playlist(video_name: str, m3u8_text: str) -> None:
    """Caches a playlist for PLAYLIST_CACHE_TTL_SECONDS. Does nothing while Redis is away."""
    playlist = store.CachedPlaylist(gzip.compress(m3u8_text.encode(), store.GZIP_LEVEL, mtime=0))
    try:
        client, settings = _client(), _settings()
        invalidate(client, video_name)  # other processes may keep the playlist before it
        ttl, budget = settings.playlist_cache_ttl_seconds, settings.playlist_cache_bytes
        store.write(client, video_name, playlist, ttl=ttl, budget=budget)
    except (redis.RedisError, OSError) as error:
        log.warning("playlist not cached", extra={"error": type(error).__name__})


def invalidate_playlist_cache(video_name: str) -> None:
    """Forgets all cached playlists of a video. Does nothing while Redis is away: nothing can be read then either."""
    try:
        invalidate(_client(), video_name)
    except (redis.RedisError, OSError) as error:
        log.warning("playlist cache not cleared", extra={"error": type(error).__name__})


_settings = worker_settings  # all that is needed here: workers invalidate playlists too


@cache
def _client() -> redis.Redis:
    return sync_client(_settings(), REQUEST)
