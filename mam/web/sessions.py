"""Sessions of pages: a person exchanges the API key once for a cookie that scripts cannot read."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from contextlib import suppress

import redis.asyncio
from redis.exceptions import RedisError

from mam import stored
from mam.errors import Forbidden, MamError
from mam.http.auth import is_api_key
from mam.http.tries import TRIES, TRIES_SECONDS, TooManyAttempts
from mam.settings import Settings

PREFIX = "mam:session:"
TRIES_PREFIX = "mam:sign-in:"
LOOK_SECONDS = 30  # A stream that outlives its request checks its session so often.


class SessionExpired(MamError):
    status, code, title = 401, "session_expired", "The session has ended"
    hint = "Sign in again."


class Sessions:
    """Sessions in Redis, under digests of their tokens: an attacker who can read Redis cannot use them.

    The digests are keyed with the API key that signed in: a session ends when that key is no longer accepted.
    """

    def __init__(self, settings: Settings, client: redis.asyncio.Redis) -> None:
        self._settings = settings
        self._client = client
        self._watched: dict[str, set[asyncio.Event]] = {}  # By token; set when this process ends the session.

    @property
    def seconds(self) -> int:
        """How long a session lives."""
        return round(3600 * self._settings.session_hours)

    async def open(self, api_key: str, *, address: str) -> tuple[str, int]:
        """Opens a session. Returns its token, and its end in Unix seconds. Raises Forbidden, TooManyAttempts."""
        # An attempt counts before its key is compared, so that parallel attempts cannot pass the limit.
        async with self._client.pipeline(transaction=True) as pipe:
            pipe.set(TRIES_PREFIX + address, 0, ex=TRIES_SECONDS, nx=True)
            pipe.incr(TRIES_PREFIX + address)
            _, tries = await pipe.execute()
        if tries > TRIES:
            raise TooManyAttempts(f"{TRIES} wrong keys came from this address.")
        if not is_api_key(api_key, self._settings):
            raise Forbidden("The API key is wrong.", hint="Type the value of TRANSCODE_API_KEY; `make run` prints it.")
        token, ends = secrets.token_urlsafe(32), int(time.time()) + self.seconds
        async with self._client.pipeline(transaction=True) as pipe:
            pipe.set(_key(api_key, token), str(ends), exat=ends)
            pipe.delete(TRIES_PREFIX + address)
            await pipe.execute()
        return token, ends

    async def ends(self, token: str) -> int | None:
        """The end of the session in Unix seconds; None when there is no session. Raises RedisError."""
        found = await self._client.mget(self._keys(token))
        return next((end for value in found if (end := stored.whole(value)) is not None), None)

    async def check(self, token: str) -> None:
        """Raises SessionExpired unless the session is open."""
        if await self.ends(token) is None:
            raise SessionExpired("There is no such session any more.")

    async def close(self, token: str) -> None:
        """Ends the session, for every copy of its cookie."""
        await self._client.delete(*self._keys(token))
        for closed in self._watched.get(token, ()):
            closed.set()

    async def over(self, token: str) -> None:
        """Returns once the session has ended: at once where this process ends it, else within LOOK_SECONDS."""
        closed = asyncio.Event()
        watched = self._watched.setdefault(token, set())
        watched.add(closed)
        try:
            while not closed.is_set() and await self._is_open(token):
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(closed.wait(), LOOK_SECONDS)
        finally:
            watched.discard(closed)
            if not watched:
                self._watched.pop(token, None)

    async def _is_open(self, token: str) -> bool:
        try:
            return await self.ends(token) is not None
        except RedisError:
            return True  # The session's state is unknown, and is read again later.

    def _keys(self, token: str) -> list[str]:
        return [_key(api_key, token) for api_key in self._settings.api_keys()]


def _key(api_key: str, token: str) -> str:
    return PREFIX + hmac.new(api_key.encode(), token.encode(), hashlib.sha256).hexdigest()
