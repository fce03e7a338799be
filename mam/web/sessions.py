"""Sessions of pages: a person exchanges an API key once for a cookie that scripts cannot read."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, replace

import redis.asyncio
from redis.exceptions import RedisError

from mam import stored
from mam.credentials.api_keys import ApiKey
from mam.credentials.known_keys import KnownKeys
from mam.credentials.scopes import Caller
from mam.errors import Forbidden, MamError
from mam.http.tries import Tries
from mam.settings import Settings

PREFIX = "mam:session:"
LOOK_SECONDS = 30  # A stream that outlives its request checks its session so often.


class SessionExpired(MamError):
    status, code, title = 401, "session_expired", "The session has ended"
    hint = "Sign in again."


@dataclass(frozen=True, slots=True)
class Session:
    """An open session. `ends`: Unix seconds."""

    caller: Caller
    ends: int


class Sessions:
    """Sessions in Redis, under digests of their tokens: an attacker who can read Redis cannot use them.

    A token names the API key that signed in, and its digest is keyed with that of the key: a session has the scopes of
    its key, and ends when the key is no longer accepted.
    """

    def __init__(self, settings: Settings, client: redis.asyncio.Redis, keys: KnownKeys, tries: Tries) -> None:
        self._settings = settings
        self._client = client
        self._keys = keys
        self._tries = tries
        self._watched: dict[str, set[asyncio.Event]] = {}  # By token; set when this process ends the session.

    @property
    def seconds(self) -> int:
        """How long a session lives."""
        return round(3600 * self._settings.session_hours)

    async def open(self, api_key: str, *, address: str) -> tuple[str, Session]:
        """Opens a session. Returns its token, and the session. Raises Forbidden, TooManyAttempts."""
        found = self._keys.find(api_key)
        await self._tries.count(address, is_right=found is not None)
        if found is None:
            raise Forbidden("The API key is wrong.", hint="Type the value of TRANSCODE_API_KEY; `make run` prints it.")
        key = self._keys.named(found.id)
        if key is None:
            raise Forbidden("The API key has expired.", hint="Ask an operator for another one.")
        token = f"{key.id}.{secrets.token_urlsafe(32)}"
        ends = int(min(time.time() + self.seconds, key.expires))
        await self._client.set(_name(key, token), str(ends), exat=ends)
        return token, Session(_caller(key, token), ends)

    async def find(self, token: str) -> Session | None:
        """The open session of a token; None when there is none. Raises RedisError."""
        key = self._keys.named(token.partition(".")[0])
        if key is None:
            return None
        ends = stored.whole(await self._client.get(_name(key, token)))
        return None if ends is None else Session(_caller(key, token), ends)

    async def caller(self, token: str) -> Caller:
        """Who a session is of. Raises SessionExpired unless it is open, RedisError."""
        session = await self.find(token)
        if session is None:
            raise SessionExpired("There is no such session any more.")
        return session.caller

    async def close(self, token: str) -> None:
        """Ends the session, for every copy of its cookie."""
        key = self._keys.named(token.partition(".")[0])
        if key:
            await self._client.delete(_name(key, token))
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
            return await self.find(token) is not None
        except RedisError:
            return True  # The session's state is unknown, and is read again later.


def _name(key: ApiKey, token: str) -> str:
    return PREFIX + hmac.new(key.digest.encode(), token.encode(), hashlib.sha256).hexdigest()


def _caller(key: ApiKey, token: str) -> Caller:
    return replace(key.caller, session=hashlib.sha256(token.encode()).hexdigest()[:8])
