"""Streams at once: on how many devices a viewer plays now, in all processes together (the claim `max`)."""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import re
from dataclasses import dataclass

import redis.asyncio
from cachetools import TTLCache
from redis.exceptions import RedisError

from mam.access.grants import Grant
from mam.errors import MamError

PREFIX = "mam:streams:"  # Followed by the digest of a viewer: a sorted set of devices by the time they were last seen.
SILENT_SECONDS = 30  # A device that asked for nothing for this long does not play any more.
# Redis hears of a device this often: several times before it counts as silent, and not with every segment.
SEEN_SECONDS = 10
MOST = 20_000  # The last admissions of so many devices are remembered in a process.

# An Apple device's own player calls itself otherwise than its browsers, and an iPad's browser calls itself a Macintosh.
_APPLE = re.compile(rb"(?:AppleCoreMedia/|Mozilla/5\.0 )[^(]*\((iPhone|iPod|iPad|Macintosh|Apple ?TV)\b")
_NOT_APPLES = re.compile(rb"(?:Chrome|Firefox)/")  # Browsers on a Macintosh that play by themselves.

# Admits a device, and says so with 1. ARGV: the device, how many may play, SILENT_SECONDS, 1 where it plays now. What
# lies there in another type is no work of this program. The first write needs no memory: a full Redis admits what comes
# after it.
_ADMIT = """
if redis.call('TYPE', KEYS[1]).ok ~= 'zset' then redis.call('DEL', KEYS[1]) end
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. now, '+inf')
local known = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not known and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
if ARGV[4] ~= '1' then return 1 end
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
"""

log = logging.getLogger(__name__)


class TooManyStreams(MamError):
    status, code, title = 429, "too_many_streams", "Too many devices are playing"
    hint = "Stop the video on another device, and try again half a minute later."
    retry_seconds = SILENT_SECONDS


@dataclass(frozen=True, slots=True)
class Device:
    """A player of a viewer. Whichever videos it plays, it is one stream. Both are digests."""

    viewer: str
    name: str

    @classmethod
    def of(cls, grant: Grant, *, address: str, agent: bytes) -> Device:
        """`address`: that of the client; `agent`: its User-Agent."""
        return cls(_digest(grant.viewer.encode()), _digest(_host(address).encode(), _kind(agent)))


class Streams:
    """The devices of this process's viewers that were admitted lately; those of all processes are in Redis."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        """`client`: one that waits for a busy Redis: what it does not answer, is admitted."""
        self._admit = client.register_script(_ADMIT)
        self._seen: TTLCache[Device, None] = TTLCache(MOST, SEEN_SECONDS)

    def has_seen(self, device: Device) -> bool:
        """Whether a device was admitted so lately that nothing has to be asked."""
        return device in self._seen

    async def admit(self, device: Device, most: int, *, plays: bool = True) -> None:
        """Lets a device play, as one of `most`. `plays`: whether it does now; else it is asked whether it may.

        Raises TooManyStreams. While Redis is away, all devices may play.
        """
        if device in self._seen:
            return
        arguments: list[str | int] = [device.name, most, SILENT_SECONDS, int(plays)]
        try:
            admitted = await self._admit(keys=[PREFIX + device.viewer], args=arguments)
        except (RedisError, OSError) as error:
            log.warning("streams not counted", extra={"error": type(error).__name__})
            admitted = True
        if not admitted:
            devices = "One device plays" if most == 1 else f"{most} devices play"
            raise TooManyStreams(f"{devices} with this account already; more are not permitted at once.")
        if plays:
            self._seen[device] = None


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:32]


def _kind(agent: bytes) -> bytes:
    """What a User-Agent tells of its device."""
    apple = _APPLE.match(agent)
    if apple is None or _NOT_APPLES.search(agent):
        return agent
    return b"Macintosh" if apple[1] == b"iPad" else apple[1]


def _host(address: str) -> str:
    """An IPv4 address; of an IPv6 address its /64: a device changes the rest of it by itself."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return address if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))
